"""The scoring network: an encoder whose tokens each add their share to one latent per dimension."""

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
        pooling: how much each token weighs in the latent: ``mean`` (all alike) or ``gate`` (learned,
            for each dimension its own).
        ordinal_loss: see :func:`ordinal_loss`.
        ngram_buckets: rows for pairs of neighbouring tokens in the lexical branch; 0 for no such branch.
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
        ngram_buckets: int = 0,
        **kwargs: Any,
    ) -> None:
        for name, value, known in (("pooling", pooling, POOLINGS), ("ordinal_loss", ordinal_loss, LOSSES)):
            if value not in known:
                message = f"{name} must be one of {', '.join(known)}, got {value!r}"
                raise ValueError(message)
        super().__init__(**kwargs)
        self.pooling = pooling
        self.ordinal_loss = ordinal_loss
        self.ngram_buckets = ngram_buckets
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


class LexicalBranch(nn.Module):
    """A linear model over tokens and pairs of neighbouring tokens.

    Row ``token`` of the table, or ``vocab_size + hash(left, right)`` of a pair, holds a value for each dimension
    and, last, the square of its inverse document frequency (0 for what training never saw, whose values are 0,
    too). Values are divided by the fourth root of the text's sum of those squares: the root would be the length of its
    TF-IDF vector, but then a signature below halves what a short message says. A pair's value is shared equally by
    its two tokens.
    """

    def __init__(self, vocab_size: int, buckets: int, dimensions: int) -> None:
        super().__init__()
        self.vocab_size, self.buckets = vocab_size, buckets
        self.table = nn.Embedding(vocab_size + buckets, dimensions + 1)
        nn.init.zeros_(self.table.weight)

    def forward(self, input_ids: torch.Tensor, token_mask: torch.Tensor) -> torch.Tensor:
        """Shares ``(batch, length, dimensions)`` of tokens; zero where ``token_mask`` is zero."""
        mask = token_mask.to(self.table.weight.dtype).unsqueeze(-1)
        single = self.table(input_ids) * mask
        pairs = pair_rows(input_ids[:, :-1], input_ids[:, 1:], self.vocab_size, self.buckets)
        double = self.table(pairs) * mask[:, :-1] * mask[:, 1:]
        length = (single[..., -1].sum(1) + double[..., -1].sum(1)).clamp(min=1e-6).sqrt().sqrt()
        half = double[..., :-1] / 2
        own = single[..., :-1] + nn.functional.pad(half, (0, 0, 0, 1)) + nn.functional.pad(half, (0, 0, 1, 0))
        return own / length[:, None, None]


def pair_rows(left: Any, right: Any, vocab_size: int, buckets: int) -> Any:
    """Row of each pair of tokens in the table of :class:`LexicalBranch`; for tensors and for arrays."""
    return vocab_size + (left * 92_821 + right) % buckets


@dataclass
class KalmOutput(ModelOutput):
    """Outputs of :class:`KalmForScoring`.

    Attributes:
        loss: mean loss, when labels were given.
        logits: ``(batch, dimensions, grades - 1)``: log-odds of grade >= 1, 2, …
        latents: ``(batch, dimensions)``.
        shares: ``(batch, length, dimensions)``: each token's share of the latent; sums to it.
        emotion_logits: ``(batch, emotions)`` or None.
    """

    loss: torch.Tensor | None = None
    logits: torch.Tensor | None = None
    latents: torch.Tensor | None = None
    shares: torch.Tensor | None = None
    emotion_logits: torch.Tensor | None = None


class KalmForScoring(PreTrainedModel):
    """Additive ordinal scorer over any encoder.

    Token states ``h_t`` give one value per token and dimension, ``v_t = w · h_t + b``; the latent is
    their weighted mean over the text's tokens, ``sum a_t v_t`` with ``a_t`` either all alike or
    ``softmax(g · h_t)`` (Bahdanau et al. 2015, one fixed query); the cumulative link model (McCullagh
    1980) turns it into ``P(grade >= k) = sigmoid(latent - cut_k)`` with ordered cuts.

    A lexical branch may stand beside the encoder (wide and deep, Cheng et al. 2016): every token and every
    pair of neighbours has a value of its own, see :class:`LexicalBranch`. Its shares add to the encoder's.
    """

    config_class = KalmConfig
    base_model_prefix = "encoder"
    # Training starts from a checkpoint without its lexical branch.
    _keys_to_ignore_on_load_unexpected: ClassVar[list[str]] = [r"lexical\."]
    _supports_sdpa = True
    _supports_flash_attn = True

    def __init__(self, config: KalmConfig, encoder: PreTrainedModel | None = None) -> None:
        super().__init__(config)
        if encoder is None:
            options: dict[str, Any] = {"attn_implementation": config._attn_implementation}  # noqa: SLF001
            options |= {"add_pooling_layer": False} if config.encoder.model_type in _WITH_POOLER else {}
            encoder = AutoModel.from_config(config.encoder, **options)
        self.encoder = encoder
        hidden = config.encoder.hidden_size
        self.token_values = nn.Linear(hidden, len(config.dimensions))
        self.token_gate = nn.Linear(hidden, len(config.dimensions), bias=False) if config.pooling == "gate" else None
        self.first_cut = nn.Parameter(torch.zeros(len(config.dimensions)))
        self.cut_gaps = nn.Parameter(torch.zeros(len(config.dimensions), config.grades - 2))
        self.emotion_head = nn.Linear(hidden, len(config.emotions)) if config.emotions else None
        self.lexical: LexicalBranch | None = None
        if config.ngram_buckets:
            self.lexical = LexicalBranch(config.encoder.vocab_size, config.ngram_buckets, len(config.dimensions))
        self.post_init()

    def _init_weights(self, module: torch.nn.Module) -> None:
        """As the library does, but for the gate and the lexical table, which start at zero."""
        super()._init_weights(module)
        zero = {id(self.token_gate), id(self.lexical and self.lexical.table)}
        if id(module) in zero and isinstance(module, nn.Linear | nn.Embedding):
            nn.init.zeros_(module.weight)

    @property
    def cuts(self) -> torch.Tensor:
        """Ordered cuts ``(dimensions, grades - 1)``; their gaps are positive by construction."""
        gaps = nn.functional.softplus(self.cut_gaps + 1.0)
        return torch.cat([self.first_cut.unsqueeze(1), self.first_cut.unsqueeze(1) + gaps.cumsum(1)], dim=1)

    def token_weights(self, states: torch.Tensor, token_mask: torch.Tensor) -> torch.Tensor:
        """Weight of each token ``(batch, length, dimensions or 1)``; sums to 1 over a row's tokens."""
        mask = token_mask.to(states.dtype).unsqueeze(-1)
        if self.token_gate is not None:
            gates = self.token_gate(states).to(states.dtype)
            mask = mask * torch.softmax(gates.masked_fill(mask == 0, _CLOSED), dim=1)
        return mask / mask.sum(dim=1, keepdim=True).clamp(min=1e-6)

    def token_shares(self, states: torch.Tensor, token_mask: torch.Tensor) -> torch.Tensor:
        """Each token's share ``(batch, length, dimensions)`` of the latent; zero where ``token_mask`` is zero."""
        return self.token_values(states).to(states.dtype) * self.token_weights(states, token_mask)

    def shift_latents(self, amounts: torch.Tensor) -> None:
        """Subtract ``amounts`` ``(dimensions,)`` from all latents and cuts; logits change by rounding alone."""
        with torch.no_grad():
            self.token_values.bias -= amounts
            self.first_cut -= amounts

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
        if self.lexical is not None:
            shares = shares + self.lexical(input_ids, token_mask)
        latents = shares.sum(dim=1)
        logits = latents.unsqueeze(-1) - self.cuts
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
