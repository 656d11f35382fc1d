"""Losses over ordered grades and over labels of which some are unknown."""

from __future__ import annotations

import torch
from torch import nn

LOSSES = ("thresholds", "likelihood", "ranked")


def ordinal_loss(
    logits: torch.Tensor, targets: torch.Tensor, weights: torch.Tensor | None = None, kind: str = "thresholds"
) -> torch.Tensor:
    """Loss of ``logits`` ``(batch, dimensions, grades - 1)`` against cumulative targets of the same shape.

    ``thresholds``: binary cross-entropy of every known cut (Rennie and Srebro 2005). ``likelihood``: that of
    the grade in the cumulative link model (McCullagh 1980) where all cuts of a dimension are known, else as
    ``thresholds``. ``ranked``: squared error of every known cut (ranked probability score, Epstein 1969).
    """
    if kind == "thresholds":
        return masked_bce(logits, targets, weights)
    if kind == "ranked":
        known = (~targets.isnan()).to(logits.dtype)
        known = known if weights is None else known * weights[:, None, None]
        error = (logits.sigmoid() - targets.nan_to_num(0.0)) ** 2
        return (error * known).sum() / known.sum().clamp(min=1e-6)
    rows = torch.ones(len(logits), dtype=logits.dtype, device=logits.device) if weights is None else weights
    full = ~targets.isnan().any(dim=-1, keepdim=True)
    single = ~targets.isnan() & ~full
    entropy = nn.functional.binary_cross_entropy_with_logits(logits, targets.nan_to_num(0.0), reduction="none")
    log = nn.functional.logsigmoid
    above, below = logits[..., :-1], logits[..., 1:]
    # Cuts may cross, since each has a latent of its own: then the grade between has next to no chance.
    between = log(above) + log(-below) + torch.log1p(-torch.exp((below - above).clamp(max=-1e-6)))
    chances = torch.cat([log(-logits[..., :1]), between, log(logits[..., -1:])], dim=-1)
    bounded = nn.functional.pad(targets.nan_to_num(0.0), (1, 0), value=1.0)
    grades = bounded - nn.functional.pad(bounded[..., 1:], (0, 1))
    scale, parts = (known.to(logits.dtype) * rows[:, None, None] for known in (full, single))
    total = (entropy * parts).sum() - ((grades * chances).sum(-1, keepdim=True) * scale).sum()
    return total / (scale.sum() + parts.sum()).clamp(min=1e-6)


def masked_bce(logits: torch.Tensor, targets: torch.Tensor, weights: torch.Tensor | None = None) -> torch.Tensor:
    """Binary cross-entropy over the known targets (not NaN), rows weighted; zero when none is known.

    Over cumulative targets P(grade >= k) this is the all-thresholds ordinal loss (Rennie and Srebro 2005).
    """
    known = ~targets.isnan()
    loss = nn.functional.binary_cross_entropy_with_logits(logits, targets.nan_to_num(0.0), reduction="none")
    scale = known.to(loss.dtype)
    if weights is not None:
        scale = scale * weights.reshape(-1, *([1] * (loss.dim() - 1)))
    return (loss * scale).sum() / scale.sum().clamp(min=1e-6)


def consistency_loss(logits: torch.Tensor, pairs: torch.Tensor) -> torch.Tensor:
    """Mean squared difference of the scores of paired rows ``(pairs, 2)`` of ``logits`` ``(batch, dimensions, cuts)``.

    As in consistency training (Xie et al. 2020), here between a message and the same one spelt otherwise; the score is
    the mean of P(grade >= k) over k, 0..1.
    """
    scores = logits.sigmoid().mean(dim=-1)
    return ((scores[pairs[:, 0]] - scores[pairs[:, 1]]) ** 2).mean()
