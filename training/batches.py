"""Training batches: examples drawn by source and language, of like length, augmented, padded."""

from __future__ import annotations

import random
from collections import Counter
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch.utils.data import Dataset

from training.augment import Augmentation
from training.examples import EMOTIONS, Example

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from model.tokenizer import MessageTokenizer

Batch = dict[str, torch.Tensor]
_Row = tuple[Example, np.ndarray]
_POOL = 64
_LENGTH_STEP = 16


def draw_weights(examples: Sequence[Example], source_shares: Mapping[str, float], alpha: float = 0.3) -> np.ndarray:
    """Probability ``(n,)`` of drawing each example.

    A source gets its share of the draws; inside it languages are drawn by ``size ** alpha``, so that
    small languages count nearly as much as large ones.
    """
    counts = Counter((example.source, example.language) for example in examples)
    mass: Counter[str] = Counter()
    for (source, _), count in counts.items():
        mass[source] += count**alpha
    total = sum(source_shares[source] for source in mass)
    by_cell = {
        (source, language): source_shares[source] / total * count**alpha / mass[source] / count
        for (source, language), count in counts.items()
    }
    weights = np.array([by_cell[example.source, example.language] for example in examples])
    return np.asarray(weights / weights.sum())


def collate(
    examples: Sequence[Example], texts: Sequence[str], tokenizer: MessageTokenizer, max_tokens: int, *, emotions: bool
) -> Batch:
    """Tokenise and pad one batch; texts beyond ``max_tokens`` (special tokens included) are cut at the end."""
    return _pad(examples, [tokens.ids for tokens in tokenizer.encode(texts)], tokenizer, max_tokens, emotions)


def _pad(
    examples: Sequence[Example],
    rows: Sequence[np.ndarray],
    tokenizer: MessageTokenizer,
    max_tokens: int,
    emotions: bool,
) -> Batch:
    rows = [row[: max_tokens - 2] for row in rows]
    longest = max(len(row) for row in rows) + 2
    length = -(-longest // _LENGTH_STEP) * _LENGTH_STEP
    ids = np.full((len(rows), length), tokenizer.pad_id, dtype=np.int64)
    mask = np.zeros_like(ids)
    for index, row in enumerate(rows):
        ids[index, : len(row) + 2] = [tokenizer.cls_id, *row, tokenizer.sep_id]
        mask[index, : len(row) + 2] = 1
    batch = {
        "input_ids": torch.from_numpy(ids),
        "attention_mask": torch.from_numpy(mask),
        "labels": torch.tensor([[example.anger, example.urgency] for example in examples], dtype=torch.float32),
    }
    if emotions:
        known = [[example.emotions.get(name, np.nan) for name in EMOTIONS] for example in examples]
        batch["emotions"] = torch.tensor(known, dtype=torch.float32)
    return batch


class TrainBatches(Dataset[Batch]):
    """``steps`` ready batches; item ``n`` depends on the seed and ``n`` alone, so a resumed run repeats none."""

    def __init__(
        self,
        examples: Sequence[Example],
        weights: np.ndarray,
        tokenizer: MessageTokenizer,
        *,
        steps: int,
        batch_size: int,
        max_tokens: int,
        seed: int,
        augmented: bool = True,
        emotions: bool = True,
    ) -> None:
        self._examples, self._cumulative, self._tokenizer = examples, np.cumsum(weights), tokenizer
        self._steps, self._batch_size, self._max_tokens = steps, batch_size, max_tokens
        self._seed, self._emotions = seed, emotions
        self._augment = Augmentation(examples) if augmented else None
        self._pool: tuple[int, list[list[_Row]]] = (-1, [])

    def __len__(self) -> int:
        return self._steps

    def __getitem__(self, index: int) -> Batch:
        rows = self._pool_of(index // _POOL)[index % _POOL]
        examples, ids = zip(*rows, strict=True)
        return _pad(examples, ids, self._tokenizer, self._max_tokens, self._emotions)

    def _pool_of(self, number: int) -> list[list[_Row]]:
        """Batches drawn, changed and tokenised together, so that each holds texts of like length."""
        if self._pool[0] != number:
            rng = np.random.default_rng((self._seed, number))
            drawn = np.searchsorted(self._cumulative, rng.random(_POOL * self._batch_size) * self._cumulative[-1])
            chosen = [self._examples[i] for i in np.minimum(drawn, len(self._examples) - 1)]
            changes = random.Random(f"{self._seed}-{number}")
            if self._augment is not None:
                chosen = [self._augment(example, changes) for example in chosen]
            tokens = self._tokenizer.encode([example.text for example in chosen])
            rows = [(example, own.ids) for example, own in zip(chosen, tokens, strict=True)]
            rows.sort(key=lambda row: len(row[1]))
            batches = [rows[i : i + self._batch_size] for i in range(0, len(rows), self._batch_size)]
            self._pool = (number, [batches[i] for i in rng.permutation(_POOL)])
        return self._pool[1]


class EvalBatches(Dataset[Batch]):
    """All examples once, in order of length, unchanged."""

    def __init__(
        self, examples: Sequence[Example], tokenizer: MessageTokenizer, *, batch_size: int, max_tokens: int
    ) -> None:
        ordered = sorted(examples, key=lambda example: len(example.text))
        self._batches = [
            collate(part, [e.text for e in part], tokenizer, max_tokens, emotions=False)
            for part in (ordered[i : i + batch_size] for i in range(0, len(ordered), batch_size))
        ]

    def __len__(self) -> int:
        return len(self._batches)

    def __getitem__(self, index: int) -> Batch:
        return self._batches[index]
