"""Long texts in overlapping windows, and one latent from all of them."""

from __future__ import annotations

import math

import numpy as np


def window_spans(length: int, size: int, overlap: int) -> list[tuple[int, int]]:
    """Half-open spans that cover ``length`` tokens, each of at most ``size``, evenly spread.

    Neighbours share at least ``overlap`` tokens. No tokens give no spans.

    Raises:
        ValueError: ``overlap`` is not smaller than ``size``.
    """
    if not 0 <= overlap < size:
        message = f"overlap must be in 0..{size - 1}, got {overlap}"
        raise ValueError(message)
    if length == 0:
        return []
    if length <= size:
        return [(0, length)]
    count = math.ceil((length - overlap) / (size - overlap))
    starts = [round(i * (length - size) / (count - 1)) for i in range(count)]
    return [(start, start + size) for start in starts]


def combine_windows(
    shares: list[np.ndarray], spans: list[tuple[int, int]], length: int, temperature: float
) -> np.ndarray:
    """Fold the windows' token shares into one array ``(length, dimensions, cuts)`` that sums to the latents.

    Each latent of a text is the softmax-weighted mean of its windows' latents: one furious paragraph
    is not diluted by ten polite ones, and the sum over tokens stays exact.
    """
    if len(shares) == 1:
        return shares[0]
    latents = np.stack([window.sum(axis=0) for window in shares])
    weights = np.exp(temperature * (latents - latents.max(axis=0)))
    weights /= weights.sum(axis=0)
    total = np.zeros((length, *shares[0].shape[1:]), dtype=np.float64)
    for window, (start, end), weight in zip(shares, spans, weights, strict=True):
        total[start:end] += window * weight
    return total
