"""Fit the calibration of a dimension, and the threshold from which to flag."""

from __future__ import annotations

import numpy as np
from scipy.optimize import minimize
from scipy.special import expit

from model.calibration import Calibration, expected_score


def fit_calibration(latents: np.ndarray, grades: np.ndarray, *, prior: float = 1e-3) -> Calibration:
    """Platt scaling (Platt 1999) of each cut, to the largest likelihood of the grades.

    ``latents`` are ``(n, cuts)``, ``grades`` ``(n,)``. ``prior`` keeps the fit finite where a cut is separable, or
    has nothing beyond it.

    Raises:
        ValueError: fewer than two different grades.
    """
    if len(np.unique(grades)) < 2:
        message = "calibration needs messages of at least two grades"
        raise ValueError(message)
    fitted = [_fit_cut(latents[:, cut], grades > cut, prior) for cut in range(latents.shape[1])]
    return Calibration(*map(tuple, zip(*fitted, strict=True)))


def logistic_loss(margins: np.ndarray, truth: np.ndarray) -> tuple[float, np.ndarray]:
    """Sum of the cross-entropies of ``truth`` in 0..1 given log-odds, both ``(n,)``, and its slope in each of them."""
    return float((np.logaddexp(0, margins) - truth * margins).sum()), expit(margins) - truth


def _fit_cut(latents: np.ndarray, truth: np.ndarray, prior: float) -> tuple[float, float]:
    centre, spread = float(np.mean(latents)), float(np.std(latents)) or 1.0
    standard = (latents - centre) / spread

    def loss(values: np.ndarray) -> tuple[float, np.ndarray]:
        scale, cut = np.exp(values[0]), values[1]
        margins = scale * standard - cut
        total, slope = logistic_loss(margins, truth)
        gradient = np.array([slope @ standard * scale, -slope.sum()]) / len(truth) + 2 * prior * values
        return total / len(truth) + prior * float(values @ values), gradient

    found = minimize(loss, [0.5, 0.0], jac=True, method="L-BFGS-B", bounds=[(-10, 10), (-50, 50)]).x
    scale = float(np.exp(found[0]))
    return scale / spread, float(found[1] + scale * centre / spread)


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
    """Scores 0..1 of raw latents ``(n, cuts)``."""
    return expected_score(calibration.grade_probabilities(latents))
