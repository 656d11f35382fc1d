"""The lexical branch: a linear model over the character n-grams of words and over pairs of words."""

from __future__ import annotations

from collections import Counter
from functools import lru_cache
from typing import TYPE_CHECKING
from zipfile import BadZipFile

import numpy as np

from model.errors import CheckpointError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from model.text import NormalisedText

LEXICAL = "lexical.npz"
LONGEST = 5
# Of a longer word (a script without spaces, rubbish) only the beginning counts.
_WORD_CHARACTERS = 100
_WORDS_KEPT = 65_536
_BASE = np.uint64(0x100000001B3)
_MIX = np.uint64(0x9E3779B97F4A7C15)


def words_of(normalised: NormalisedText) -> list[str]:
    """The normalised words and marks, one a segment."""
    return [normalised.text[segment.out_start : segment.out_end] for segment in normalised.segments]


def word_rows(word: str, rows: int) -> np.ndarray:
    """Rows of a word's character n-grams: one to five characters, with a space on either side."""
    text = f" {word[:_WORD_CHARACTERS]} "
    codes = np.frombuffer(text.encode("utf-32-le", "surrogatepass"), dtype=np.uint32).astype(np.uint64) + np.uint64(1)
    hashed = np.zeros(len(codes) + 1, dtype=np.uint64)
    found = []
    for size in range(1, min(LONGEST, len(codes)) + 1):
        hashed = hashed[:-1] * _BASE + codes[size - 1 :]
        found.append(hashed)
    return _rows(np.concatenate(found), rows)


def word_hash(word: str) -> int:
    """A hash of a word, for :func:`pair_rows`."""
    hashed = 0
    for byte in word[:_WORD_CHARACTERS].encode("utf-8", "surrogatepass"):
        hashed = (hashed * 0x100000001B3 + byte + 1) & 0xFFFFFFFFFFFFFFFF
    return hashed


def pair_rows(hashes: np.ndarray, rows: int) -> np.ndarray:
    """Rows ``(n - 1,)`` of the pairs of neighbours among words with these hashes ``(n,)`` uint64."""
    return _rows((hashes[:-1] ^ (hashes[:-1] >> np.uint64(29))) * _BASE + hashes[1:], rows)


def _rows(hashed: np.ndarray, rows: int) -> np.ndarray:
    mixed = hashed * _MIX
    return ((mixed ^ (mixed >> np.uint64(32))) % np.uint64(rows)).astype(np.int64)


def occurrence_weights(items: Sequence[object]) -> np.ndarray:
    """Weight ``(len(items),)`` of each occurrence: all ``c`` of one item weigh ``1 + ln c`` together."""
    counts = Counter(items)
    if len(counts) == len(items):
        return np.ones(len(items))
    found = np.fromiter((counts[item] for item in items), dtype=np.float64, count=len(items))
    return (1 + np.log(found)) / found


class LexicalBranch:
    """Hashed n-gram values, quantised; safe to share between threads.

    Of every row, ``table`` ``(rows, outputs + 1)`` int8 holds a value for each output and, last, the square of its
    inverse document frequency (0 for what training hardly saw, whose values are 0, too), each column in steps of
    ``steps`` ``(outputs + 1,)``. A word's value is the sum over its character n-grams, as in Bojanowski et al.
    (2017); a pair's is shared equally by its two words. All are divided by ``norm ** power``, the norm being the sum of
    squares in the text: 1/2 is the length of its TF-IDF vector, less lets a signature below dilute less.
    """

    def __init__(self, table: np.ndarray, steps: np.ndarray, shape: Sequence[int], power: float) -> None:
        self.table, self.steps = table, steps.astype(np.float32)
        self.shape, self.power = tuple(shape), power
        self._value = lru_cache(_WORDS_KEPT)(self._word_value)

    @classmethod
    def read(cls, directory: Path) -> LexicalBranch | None:
        """Read the branch of a checkpoint; None when it has none.

        Raises:
            CheckpointError: the file is damaged.
        """
        path = directory / LEXICAL
        if not path.is_file():
            return None
        try:
            with path.open("rb") as file, np.load(file, allow_pickle=False) as stored:
                return cls(stored["table"], stored["steps"], stored["shape"].tolist(), float(stored["power"]))
        except (OSError, ValueError, KeyError, EOFError, BadZipFile) as error:
            message = f"{path} is damaged: {type(error).__name__}"
            raise CheckpointError(message) from error

    def write(self, directory: Path) -> None:
        """Write the branch beside the encoder's weights."""
        np.savez(directory / LEXICAL, table=self.table, steps=self.steps, shape=self.shape, power=self.power)

    def shares(self, normalised: NormalisedText) -> np.ndarray:
        """Each segment's share ``(segments, *shape)`` of the outputs."""
        words = words_of(normalised)
        if not words:
            return np.zeros((0, *self.shape))
        hashes, values = zip(*map(self._value, words), strict=True)
        own = np.stack(values) * occurrence_weights(words)[:, None]
        rows = pair_rows(np.array(hashes, dtype=np.uint64), len(self.table))
        pairs = self.table[rows] * self.steps * occurrence_weights(rows.tolist())[:, None]
        norm = max(own[:, -1].sum() + pairs[:, -1].sum(), 1e-6) ** self.power
        own[:-1] += pairs / 2
        own[1:] += pairs / 2
        return own[:, :-1].reshape(len(words), *self.shape) / norm

    def _word_value(self, word: str) -> tuple[int, np.ndarray]:
        return word_hash(word), self.table[word_rows(word, len(self.table))].sum(axis=0, dtype=np.float32) * self.steps
