"""Figures of merit for ordered grades."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

import numpy as np
from scipy.stats import pearsonr
from sklearn.metrics import average_precision_score, cohen_kappa_score, roc_auc_score

if TYPE_CHECKING:
    from collections.abc import Callable

HIGH = 2
_BINS = 10


def expected_calibration_error(probabilities: np.ndarray, outcomes: np.ndarray, bins: int = _BINS) -> float:
    """ECE (Naeini et al. 2015) of ``probabilities`` ``(n,)`` of a yes/no outcome, equal-width bins, 0..1."""
    index = np.minimum((probabilities * bins).astype(int), bins - 1)
    error = 0.0
    for b in range(bins):
        members = index == b
        if members.any():
            error += members.mean() * abs(probabilities[members].mean() - outcomes[members].mean())
    return float(error)


def grade_metrics(probabilities: np.ndarray, grades: np.ndarray) -> dict[str, float]:
    """Figures of predicted grade probabilities ``(n, 4)`` against true grades ``(n,)``.

    ``auc`` and ``ap`` are of grade >= 2; ``qwk`` is quadratic-weighted kappa of the rounded expected
    grade; ``pearson`` is of the expected grade; ``ece`` is of P(grade >= 2). NaN where undefined.
    """
    expected = probabilities @ np.arange(probabilities.shape[1])
    high = probabilities[:, HIGH:].sum(axis=1)
    truth = grades >= HIGH
    both = truth.any() and not truth.all()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        varied = np.ptp(expected) > 0 and np.ptp(grades) > 0
        return {
            "auc": float(roc_auc_score(truth, high)) if both else float("nan"),
            "ap": float(average_precision_score(truth, high)) if both else float("nan"),
            "qwk": float(
                cohen_kappa_score(grades, np.rint(expected).astype(int), weights="quadratic", labels=[0, 1, 2, 3])
            ),
            "pearson": float(pearsonr(expected, grades)[0]) if varied else float("nan"),
            "ece": expected_calibration_error(high, truth.astype(float)),
        }


def bootstrap_interval(
    figure: Callable[[np.ndarray], float], size: int, *, rounds: int = 1000, seed: int = 0, level: float = 0.95
) -> tuple[float, float]:
    """Percentile bootstrap interval (Efron 1979) of ``figure(indices)`` over ``size`` items."""
    rng = np.random.default_rng(seed)
    values = [figure(rng.integers(0, size, size)) for _ in range(rounds)]
    low, high = np.nanquantile(values, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)
