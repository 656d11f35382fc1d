"""From a latent to the probability of each grade."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, slots=True)
class Calibration:
    """A cumulative link in one dimension: ``P(grade >= k) = sigmoid(scale * latent - cuts[k - 1])``.

    ``scale`` is positive and ``cuts`` ascend, so that grade probabilities are never negative.
    """

    scale: float
    cuts: tuple[float, ...]

    def __post_init__(self) -> None:
        """Refuse a calibration that could give a negative probability."""
        if not self.scale > 0 or any(low > high for low, high in zip(self.cuts, self.cuts[1:], strict=False)):
            message = "calibration needs a positive scale and ascending cuts"
            raise ValueError(message)

    def grade_probabilities(self, latents: np.ndarray) -> np.ndarray:
        """Probabilities ``(n, grades)`` of raw latents ``(n,)``; rows sum to one."""
        scaled = self.scale * np.asarray(latents, dtype=np.float64)[:, None]
        margins = np.clip(scaled - np.asarray(self.cuts), -60, 60)
        at_least = 1 / (1 + np.exp(-margins))
        ones, zeros = np.ones((len(margins), 1)), np.zeros((len(margins), 1))
        bounded = np.concatenate([ones, at_least, zeros], axis=1)
        return np.maximum(bounded[:, :-1] - bounded[:, 1:], 0.0)


def expected_score(probabilities: np.ndarray) -> np.ndarray:
    """Expected grade over the highest grade, ``(n,)`` in 0..1, of grade probabilities ``(n, grades)``."""
    top = probabilities.shape[1] - 1
    return np.clip(probabilities @ np.arange(top + 1) / top, 0.0, 1.0)


def median_grade(probabilities: np.ndarray) -> np.ndarray:
    """The highest grade k with ``P(grade >= k) >= 1/2``, ``(n,)`` whole numbers."""
    at_least = np.cumsum(probabilities[:, ::-1], axis=1)[:, ::-1]
    return (at_least[:, 1:] >= 0.5).sum(axis=1)
