"""Fit the calibration of a dimension, and the threshold from which to flag."""

from __future__ import annotations

import numpy as np
from scipy.optimize import minimize

from model.calibration import Calibration, expected_score


def fit_calibration(latents: np.ndarray, grades: np.ndarray, *, top: int = 3, prior: float = 1e-3) -> Calibration:
    """Maximum-likelihood cumulative link (McCullagh 1980) of grades ``(n,)`` on latents ``(n,)``.

    Platt scaling for ordered grades: one positive scale and ascending cuts. ``prior`` keeps the fit
    finite when the grades are separable.

    Raises:
        ValueError: fewer than two different grades.
    """
    if len(np.unique(grades)) < 2:
        message = "calibration needs messages of at least two grades"
        raise ValueError(message)
    centre, spread = float(np.mean(latents)), float(np.std(latents)) or 1.0
    standard = (latents - centre) / spread

    def unpack(values: np.ndarray) -> tuple[float, np.ndarray]:
        gaps = np.exp(np.clip(values[2:], -20, 20))
        return float(np.exp(np.clip(values[0], -20, 20))), np.concatenate([values[1:2], values[1] + np.cumsum(gaps)])

    def loss(values: np.ndarray) -> float:
        scale, cuts = unpack(values)
        margins = scale * standard[:, None] - cuts
        at_least = np.concatenate(
            [np.ones((len(grades), 1)), 1 / (1 + np.exp(-margins)), np.zeros((len(grades), 1))], 1
        )
        chosen = at_least[np.arange(len(grades)), grades] - at_least[np.arange(len(grades)), grades + 1]
        return float(-np.log(np.maximum(chosen, 1e-12)).mean() + prior * np.sum(values**2))

    start = np.concatenate([[0.5, -0.5], np.zeros(top - 1)])
    best = minimize(loss, start, method="Nelder-Mead", options={"maxiter": 4000, "xatol": 1e-5, "fatol": 1e-8}).x
    scale, cuts = unpack(best)
    shift = scale * centre / spread
    return Calibration(scale / spread, tuple(float(cut + shift) for cut in cuts))


def calibration_loss(calibration: Calibration, latents: np.ndarray, grades: np.ndarray) -> float:
    """Mean negative log-likelihood of ``grades`` ``(n,)``."""
    chosen = calibration.grade_probabilities(latents)[np.arange(len(grades)), grades]
    return float(-np.log(np.maximum(chosen, 1e-12)).mean())


def flag_threshold(
    scores: np.ndarray, grades: np.ndarray, *, precision: float = 0.9, budget: float = 1.0, high: int = 2
) -> float:
    """The lowest score from which at least ``precision`` of the messages have grade >= ``high``.

    At most a share ``budget`` of all messages reaches it, so that people are not sent more than they can
    take. Falls back to the score with the best F1 within the budget when no threshold reaches the precision,
    and to 1 when even the highest score is too common.
    """
    order = np.argsort(-scores, kind="stable")
    hits = np.cumsum(grades[order] >= high)
    counts = np.arange(1, len(scores) + 1)
    allowed = np.append(scores[order][1:] != scores[order][:-1], True) & (counts <= max(1.0, budget * len(scores)))
    reached = np.flatnonzero((hits / counts >= precision) & allowed)
    if len(reached):
        return float(scores[order][reached[-1]])
    if not allowed.any():
        return 1.0
    f1 = 2 * hits / (counts + (grades >= high).sum())
    return float(scores[order][int(np.argmax(np.where(allowed, f1, 0)))])


def scores_of(calibration: Calibration, latents: np.ndarray) -> np.ndarray:
    """Scores 0..1 of raw latents."""
    return expected_score(calibration.grade_probabilities(latents))
