"""The scoring network: an encoder whose tokens each add their share to one latent per cut of each dimension."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import nn
from transformers import AutoConfig, AutoModel, BertConfig, PretrainedConfig, PreTrainedModel
from transformers.utils import ModelOutput

from model.labels import LEVELS
from model.losses import LOSSES, consistency_loss, masked_bce, ordinal_loss

POOLINGS = ("mean", "gate")


class KalmConfig(PretrainedConfig):
    """Configuration of :class:`KalmForScoring`.

    Args:
        encoder: configuration (or its dict) of any ``transformers`` encoder.
        levels: for each scored dimension, in the order of the outputs, the names of its ordered grades.
        emotions: names of auxiliary labels beside the scores; not in the serving graph.
        pooling: how much each token weighs in a latent: ``mean`` (all alike) or ``gate`` (learned,
            for each latent its own).
        ordinal_loss: see :func:`ordinal_loss`.
    """

    model_type = "kalm"

    keys_to_ignore_at_inference: ClassVar[list[str]] = ["latents", "shares", "emotion_logits"]

    def __init__(
        self,
        encoder: dict[str, Any] | PretrainedConfig | None = None,
        levels: dict[str, list[str]] | None = None,
        emotions: tuple[str, ...] = (),
        pooling: str = "mean",
        ordinal_loss: str = "thresholds",
        **kwargs: Any,
    ) -> None:
        for name, value, known in (("pooling", pooling, POOLINGS), ("ordinal_loss", ordinal_loss, LOSSES)):
            if value not in known:
                message = f"{name} must be one of {', '.join(known)}, got {value!r}"
                raise ValueError(message)
        super().__init__(**kwargs)
        self.pooling = pooling
        self.ordinal_loss = ordinal_loss
        nested = AutoConfig.for_model(**encoder) if isinstance(encoder, dict) else encoder
        self.encoder: PretrainedConfig = nested or BertConfig()
        self.levels = {name: list(names) for name, names in (levels or LEVELS).items()}
        self.emotions = list(emotions)

    @property
    def dimensions(self) -> list[str]:
        """Names of the scored dimensions."""
        return list(self.levels)

    @property
    def grades(self) -> int:
        """Number of grades, equal for all dimensions."""
        return len(next(iter(self.levels.values())))

    def to_dict(self) -> dict[str, Any]:
        """Serialise with the encoder's own configuration nested inside."""
        return super().to_dict() | {"encoder": self.encoder.to_dict()}


@dataclass
class KalmOutput(ModelOutput):
    """Outputs of :class:`KalmForScoring`.

    Attributes:
        loss: mean loss, when labels were given.
        logits: ``(batch, dimensions, grades - 1)``: log-odds of grade >= 1, 2, …
        latents: ``(batch, dimensions, grades - 1)``.
        shares: ``(batch, length, dimensions, grades - 1)``: each token's share of the latents; sums to them.
        emotion_logits: ``(batch, emotions)`` or None.
    """

    loss: torch.Tensor | None = None
    logits: torch.Tensor | None = None
    latents: torch.Tensor | None = None
    shares: torch.Tensor | None = None
    emotion_logits: torch.Tensor | None = None


class KalmForScoring(PreTrainedModel):
    """Additive ordinal scorer over any encoder.

    Token states ``h_t`` give one value per token, dimension and cut, ``v_t = w · h_t + b``; a latent is their
    weighted mean over the text's tokens, ``sum a_t v_t`` with ``a_t`` either all alike or ``softmax(g · h_t)``
    (Bahdanau et al. 2015, one fixed query), and ``P(grade >= k) = sigmoid(latent_k - cut_k)``. Each cut has a
    latent of its own (no proportional odds, McCullagh 1980): what tells grade 2 from 1 is not what tells 1 from 0.
    """

    config_class = KalmConfig
    base_model_prefix = "encoder"
    _supports_sdpa = True
    _supports_flash_attn = True

    def __init__(self, config: KalmConfig, encoder: PreTrainedModel | None = None) -> None:
        super().__init__(config)
        if encoder is None:
            options: dict[str, Any] = {"attn_implementation": config._attn_implementation}  # noqa: SLF001
            options |= {"add_pooling_layer": False} if config.encoder.model_type in _WITH_POOLER else {}
            encoder = AutoModel.from_config(config.encoder, **options)
        self.encoder = encoder
        hidden, outputs = config.encoder.hidden_size, len(config.dimensions) * (config.grades - 1)
        self.token_values = nn.Linear(hidden, outputs)
        self.token_gate = nn.Linear(hidden, outputs, bias=False) if config.pooling == "gate" else None
        self.cuts = nn.Parameter(torch.arange(config.grades - 1.0).repeat(len(config.dimensions), 1))
        self.emotion_head = nn.Linear(hidden, len(config.emotions)) if config.emotions else None
        self.post_init()

    def _init_weights(self, module: torch.nn.Module) -> None:
        """As the library does, but for the gate, which starts at zero: the plain mean."""
        super()._init_weights(module)
        if self.token_gate is not None and module is self.token_gate:
            nn.init.zeros_(self.token_gate.weight)

    def token_weights(self, states: torch.Tensor, token_mask: torch.Tensor) -> torch.Tensor:
        """Weight of each token ``(batch, length, outputs or 1)``; sums to 1 over a row's tokens."""
        mask = token_mask.to(states.dtype).unsqueeze(-1)
        if self.token_gate is not None:
            gates = self.token_gate(states).to(states.dtype)
            mask = mask * torch.softmax(gates.masked_fill(mask == 0, _CLOSED), dim=1)
        return mask / mask.sum(dim=1, keepdim=True).clamp(min=1e-6)

    def token_shares(self, states: torch.Tensor, token_mask: torch.Tensor) -> torch.Tensor:
        """Each token's share ``(batch, length, dimensions, cuts)`` of the latents; zero where ``token_mask`` is."""
        shares = self.token_values(states).to(states.dtype) * self.token_weights(states, token_mask)
        return shares.reshape(*shares.shape[:2], *self.cuts.shape)

    def shift_latents(self, amounts: torch.Tensor) -> None:
        """Subtract ``amounts`` ``(dimensions, cuts)`` from all latents and cuts; logits change by rounding alone."""
        with torch.no_grad():
            self.token_values.bias -= amounts.flatten()
            self.cuts -= amounts

    def forward(
        self,
        input_ids: torch.Tensor,
        attention_mask: torch.Tensor,
        token_mask: torch.Tensor | None = None,
        labels: torch.Tensor | None = None,
        emotions: torch.Tensor | None = None,
        weights: torch.Tensor | None = None,
        twins: torch.Tensor | None = None,
        **kwargs: Any,
    ) -> KalmOutput:
        """Score a batch.

        Args:
            input_ids: ``(batch, length)`` token ids with the encoder's special tokens.
            attention_mask: ``(batch, length)``, 1 for every token but padding.
            token_mask: ``(batch, length)``, 1 for tokens of the text; without it all but the first
                and last attended token of a row, which are the special ones.
            labels: ``(batch, dimensions, grades - 1)`` P(grade >= k) in 0..1, NaN where unknown.
            emotions: ``(batch, emotions)`` in 0..1, NaN where unknown.
            weights: ``(batch,)`` weight of each row in the loss.
            twins: ``(pairs, 2)`` rows whose scores must be alike, for the loss.
            kwargs: ignored; the library's trainer may pass more.
        """
        del kwargs
        if token_mask is None:
            token_mask = inner_tokens(attention_mask)
        states = self.encoder(input_ids=input_ids, attention_mask=attention_mask).last_hidden_state
        states = states.to(self.token_values.weight.dtype)
        shares = self.token_shares(states, token_mask)
        latents = shares.sum(dim=1)
        logits = latents - self.cuts
        emotion_logits = None
        if self.emotion_head is not None:
            mask = token_mask.to(states.dtype)
            pooled = (states * mask.unsqueeze(-1)).sum(1) / mask.sum(1, keepdim=True).clamp(min=1.0)
            emotion_logits = self.emotion_head(pooled)
        loss = None
        if labels is not None:
            loss = ordinal_loss(logits, labels, weights, self.config.ordinal_loss)
            if emotions is not None and emotion_logits is not None:
                loss = loss + 0.5 * masked_bce(emotion_logits, emotions, weights)
            if twins is not None:
                loss = loss + _CONSISTENCY * consistency_loss(logits, twins)
        return KalmOutput(loss=loss, logits=logits, latents=latents, shares=shares, emotion_logits=emotion_logits)


# A gate before softmax that leaves nothing of a token, finite in half precision too.
_CLOSED = -1e4
# Weight of the twins' squared difference, which is about a hundredth where cross-entropy is a few tenths.
_CONSISTENCY = 10.0
# Encoders whose unused pooler is left out of the weights.
_WITH_POOLER = {"bert", "roberta", "xlm-roberta", "camembert"}


def inner_tokens(attention_mask: torch.Tensor) -> torch.Tensor:
    """Mask without the first and last attended token of each right-padded row (the special tokens)."""
    following = nn.functional.pad(attention_mask[:, 1:], (0, 1))
    preceding = nn.functional.pad(attention_mask[:, :-1], (1, 0))
    return attention_mask * following * preceding
