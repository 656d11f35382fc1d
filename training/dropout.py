"""Dropout that is cheap on a CPU."""

from __future__ import annotations

import torch

# Modules that hold one of these compute attention weights.
_PROJECTIONS = ("query", "q", "q_lin", "q_proj", "Wqkv")


class SharedDropout(torch.nn.Module):
    """Dropout of whole features of a text, alike at all its positions (Gal and Ghahramani 2016).

    Draws one number where dropout draws one a position, which on a CPU cost a quarter of a step.
    """

    def __init__(self, p: float) -> None:
        super().__init__()
        self.p = p

    def forward(self, states: torch.Tensor) -> torch.Tensor:
        """Drop features of ``states`` ``(batch, length, hidden)`` while training."""
        if not self.training or not self.p:
            return states
        kept = torch.rand(states.shape[0], 1, states.shape[-1], device=states.device) >= self.p
        return states * (kept / (1 - self.p)).to(states.dtype)


def share_dropout(encoder: torch.nn.Module, p: float) -> None:
    """Put :class:`SharedDropout` in the place of every dropout of an encoder; that of attention weights is turned off.

    Dropping single attention weights costs more time on a CPU than the attention itself. Encoders that call
    the dropout function with a number of their own keep it, unless the number is named ``attention_dropout``.
    """
    for module in list(encoder.modules()):
        attends = any(hasattr(module, name) for name in _PROJECTIONS)
        if isinstance(getattr(module, "attention_dropout", None), float):
            module.attention_dropout = 0.0
        for name, child in module.named_children():
            if isinstance(child, torch.nn.Dropout):
                setattr(module, name, SharedDropout(0.0 if attends and not name.startswith("out") else p))
