"""From latents to the probability of each grade."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, slots=True)
class Calibration:
    """Platt scaling (Platt 1999) of each cut: ``P(grade >= k) = sigmoid(scales[k-1] * latent_k - cuts[k-1])``.

    No cut is likelier than the one below it: where they cross, the upper takes the lower one's probability.
    ``scales`` are positive.
    """

    scales: tuple[float, ...]
    cuts: tuple[float, ...]

    def __post_init__(self) -> None:
        """Refuse a calibration that would turn an order round."""
        if len(self.scales) != len(self.cuts) or not all(scale > 0 for scale in self.scales):
            message = "calibration needs one positive scale for each cut"
            raise ValueError(message)

    def grade_probabilities(self, latents: np.ndarray) -> np.ndarray:
        """Probabilities ``(n, grades)`` of raw latents ``(n, grades - 1)``; rows sum to one."""
        margins = np.clip(np.asarray(latents, dtype=np.float64) * self.scales - np.asarray(self.cuts), -60, 60)
        beyond = np.minimum.accumulate(1 / (1 + np.exp(-margins)), axis=1)
        ones, zeros = np.ones((len(margins), 1)), np.zeros((len(margins), 1))
        bounded = np.concatenate([ones, beyond, zeros], axis=1)
        return bounded[:, :-1] - bounded[:, 1:]


def expected_score(probabilities: np.ndarray) -> np.ndarray:
    """Expected grade over the highest grade, ``(n,)`` in 0..1, of grade probabilities ``(n, grades)``."""
    top = probabilities.shape[1] - 1
    return np.clip(probabilities @ np.arange(top + 1) / top, 0.0, 1.0)


def at_least(probabilities: np.ndarray) -> np.ndarray:
    """P(grade >= 1, 2, …) ``(n, grades - 1)`` of grade probabilities ``(n, grades)``."""
    return np.asarray(np.cumsum(probabilities[:, :0:-1], axis=1)[:, ::-1])


def median_grade(probabilities: np.ndarray) -> np.ndarray:
    """The highest grade k with ``P(grade >= k) >= 1/2``, ``(n,)`` whole numbers."""
    return np.asarray((at_least(probabilities) >= 0.5).sum(axis=1))
