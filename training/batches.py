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
    """``steps`` ready batches; item ``n`` depends on the seed and ``n`` alone, so a resumed run repeats none.

    A share ``twins`` of each batch are messages beside a twin, the same one spelt, named or signed otherwise;
    ``batch["twins"]`` ``(pairs, 2)`` says which rows belong together.
    """

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
        twins: float = 0.0,
    ) -> None:
        self._examples, self._tokenizer = examples, tokenizer
        self._cumulative = np.cumsum(weights)
        self._pairs = round(twins * batch_size / 2) if augmented else 0
        self._paired = np.cumsum(np.where([example.source == "messages" for example in examples], weights, 0))
        if not self._paired[-1]:
            self._pairs = 0
        self._steps, self._batch_size, self._max_tokens = steps, batch_size, max_tokens
        self._seed, self._emotions = seed, emotions
        self.augmentation = Augmentation(examples) if augmented else None
        self._pool: tuple[int, list[list[_Row]]] = (-1, [])

    def __len__(self) -> int:
        return self._steps

    def __getitem__(self, index: int) -> Batch:
        rows = self._pool_of(index // _POOL)[index % _POOL]
        examples, ids = zip(*rows, strict=True)
        batch = _pad(examples, ids, self._tokenizer, self._max_tokens, self._emotions)
        if self._pairs:
            batch["twins"] = torch.arange(2 * self._pairs).reshape(-1, 2)
        return batch

    def _pool_of(self, number: int) -> list[list[_Row]]:
        """Batches drawn, changed and tokenised together, so that each holds texts of like length."""
        if self._pool[0] != number:
            rng = np.random.default_rng((self._seed, number))
            singles = self._batch_size - 2 * self._pairs
            chosen = self._draw(self._cumulative, _POOL * singles, rng)
            paired = self._draw(self._paired, _POOL * self._pairs, rng)
            changes = random.Random(f"{self._seed}-{number}")
            twins: list[Example] = []
            if self.augmentation is not None:
                chosen = [self.augmentation(example, changes) for example in chosen]
                twins = [self.augmentation.twin(example, changes) for example in paired]
            alone = [(row,) for row in self._rows(chosen)]
            together = list(zip(self._rows(paired), self._rows(twins), strict=True))
            batches = [
                [row for unit in (*two, *one) for row in unit]
                for two, one in zip(_slices(together, self._pairs), _slices(alone, singles), strict=True)
            ]
            self._pool = (number, [batches[i] for i in rng.permutation(_POOL)])
        return self._pool[1]

    def _draw(self, cumulative: np.ndarray, count: int, rng: np.random.Generator) -> list[Example]:
        drawn = np.searchsorted(cumulative, rng.random(count) * cumulative[-1], side="right")
        return [self._examples[i] for i in np.minimum(drawn, len(self._examples) - 1)]

    def _rows(self, examples: Sequence[Example]) -> list[_Row]:
        tokens = self._tokenizer.encode([example.text for example in examples])
        return [(example, own.ids) for example, own in zip(examples, tokens, strict=True)]


def _slices(units: Sequence[tuple[_Row, ...]], size: int) -> list[Sequence[tuple[_Row, ...]]]:
    """A slice of ``size`` units for each batch of a pool, in order of length."""
    ordered = sorted(units, key=lambda unit: max(len(ids) for _, ids in unit))
    return [ordered[i * size : (i + 1) * size] for i in range(_POOL)]


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
