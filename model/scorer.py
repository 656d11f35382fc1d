"""Texts in, scores out: normalise, tokenise, forward, calibrate, each once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from model.calibration import expected_score, median_grade
from model.checkpoint import DEFAULT_CHECKPOINT, TOKENIZER, Checkpoint
from model.engines import AUTO, Engine, load_engine
from model.errors import CheckpointError
from model.lexical import LexicalBranch
from model.tokenizer import MessageTokenizer, Tokens
from model.windows import combine_windows, window_spans

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

_LENGTH_STEP = 16


@dataclass(frozen=True, slots=True)
class DimensionScore:
    """One dimension of one text.

    Attributes:
        score: expected grade over the highest grade, 0..1.
        level: name of the median grade.
        grades: probability of each grade, ascending; sums to 1.
        latent: the mean of the calibrated latents of all cuts, in log-odds above an ordinary message of
            grade 0; the explanation's shares sum to it.
    """

    score: float
    level: str
    grades: tuple[float, ...]
    latent: float


@dataclass(frozen=True, slots=True)
class WordShare:
    """A word or mark of the original text, ``text[start:end]``, with its share of each latent."""

    start: int
    end: int
    anger: float
    urgency: float


@dataclass(frozen=True, slots=True)
class Score:
    """The scores of one text.

    ``windows`` is 0 when the text held nothing to read (control characters, say): then all scores
    are 0. ``explanation`` is None unless asked for.
    """

    anger: DimensionScore
    urgency: DimensionScore
    windows: int
    explanation: tuple[WordShare, ...] | None = None


@dataclass(frozen=True, slots=True)
class PreparedText:
    """A tokenised text and the half-open spans of its windows; none when it holds nothing to read."""

    tokens: Tokens
    spans: tuple[tuple[int, int], ...]

    def windows(self) -> list[np.ndarray]:
        """Token ids of each window, without special tokens."""
        return [self.tokens.ids[start:end] for start, end in self.spans]


class Scorer:
    """A loaded checkpoint; safe to share between threads."""

    def __init__(self, checkpoint: Checkpoint, engine: Engine, *, batch_tokens: int = 1_024) -> None:
        self.checkpoint = checkpoint
        self.engine = engine
        self._batch_tokens = batch_tokens
        calibration = [checkpoint.scoring.calibration[name] for name in checkpoint.levels]
        self._scales = np.array([item.scales for item in calibration])
        self._lexical = LexicalBranch.read(checkpoint.directory)
        try:
            self._tokenizer = MessageTokenizer.load(checkpoint.directory / TOKENIZER)
        except Exception as error:
            message = f"cannot load {checkpoint.directory / TOKENIZER}: {type(error).__name__}"
            raise CheckpointError(message) from error

    @classmethod
    def load(
        cls,
        directory: Path | str = DEFAULT_CHECKPOINT,
        *,
        engine: str = AUTO,
        threads: int = 1,
        streams: int = 1,
        precision: str = AUTO,
    ) -> Scorer:
        """Load a checkpoint and its engine.

        Args:
            directory: a checkpoint directory.
            engine: ``auto``, ``openvino``, ``onnxruntime`` or ``torch``.
            threads: threads of the engine for one call.
            streams: calls that may run at once, from as many threads.
            precision: ``auto``, ``int8``, ``bf16`` or ``f32``.

        Raises:
            CheckpointError: the checkpoint cannot be used; the message says why.
        """
        checkpoint = Checkpoint.read(directory)
        return cls(checkpoint, load_engine(checkpoint.directory, engine, threads, streams, precision))

    @property
    def name(self) -> str:
        """The checkpoint's name."""
        return self.checkpoint.scoring.name

    @property
    def version(self) -> str:
        """The checkpoint's version."""
        return self.checkpoint.scoring.version

    @property
    def thresholds(self) -> dict[str, float]:
        """By dimension, the score from which a message is flagged."""
        return dict(self.checkpoint.scoring.thresholds)

    def reaches_threshold(self, score: Score) -> bool:
        """Whether a dimension reaches the checkpoint's threshold."""
        return any(getattr(score, name).score >= threshold for name, threshold in self.thresholds.items())

    def score(self, texts: Sequence[str], *, explain: bool | Sequence[bool] = False) -> list[Score]:
        """Score texts of any length; one result a text, in order.

        ``explain`` adds each word's share of the latents, for all texts or one flag a text.
        """
        return self.score_prepared(self.prepare(texts), explain=explain)

    def score_prepared(
        self, prepared: Sequence[PreparedText], *, explain: bool | Sequence[bool] = False
    ) -> list[Score]:
        """As :meth:`score`, of texts that are tokenised already."""
        flags = [explain] * len(prepared) if isinstance(explain, bool) else list(explain)
        return [
            self.finish(item, shares, explain=wanted)
            for item, shares, wanted in zip(prepared, self._all_shares(prepared), flags, strict=True)
        ]

    def latents(self, texts: Sequence[str]) -> np.ndarray:
        """Uncalibrated latents ``(len(texts), dimensions, cuts)``, for calibration and evaluation."""
        prepared = self.prepare(texts)
        return np.stack(
            [
                self._latents(*self._shares_of(item, shares))
                for item, shares in zip(prepared, self._all_shares(prepared), strict=True)
            ]
        )

    def prepare(self, texts: Sequence[str]) -> list[PreparedText]:
        """Tokenise texts and cut them into windows: all that comes before the network."""
        settings = self.checkpoint.scoring
        return [
            PreparedText(item, tuple(window_spans(len(item.ids), settings.window_tokens, settings.window_overlap)))
            for item in self._tokenizer.encode(texts)
        ]

    def inputs(self, windows: Sequence[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
        """Ids and mask ``(windows, length)`` int64 with special tokens and padding."""
        longest = max(map(len, windows)) + 2
        length = -(-longest // _LENGTH_STEP) * _LENGTH_STEP
        ids = np.full((len(windows), length), self._tokenizer.pad_id, dtype=np.int64)
        mask = np.zeros_like(ids)
        for row, window in enumerate(windows):
            count = len(window)
            ids[row, 0] = self._tokenizer.cls_id
            ids[row, 1 : count + 1] = window
            ids[row, count + 1] = self._tokenizer.sep_id
            mask[row, : count + 2] = 1
        return ids, mask

    def forward(self, windows: Sequence[np.ndarray]) -> list[np.ndarray]:
        """Token shares ``(tokens, dimensions, cuts)`` of each window, in one run of the engine."""
        return self._cut(windows, self.engine.shares(*self.inputs(windows)))

    def forward_alone(self, windows: Sequence[np.ndarray]) -> list[np.ndarray]:
        """As :meth:`forward`, on all threads of the engine's streams together: for a run beside which nothing runs."""
        return self._cut(windows, self.engine.shares_alone(*self.inputs(windows)))

    @staticmethod
    def _cut(windows: Sequence[np.ndarray], shares: np.ndarray) -> list[np.ndarray]:
        return [shares[row, 1 : len(window) + 1].astype(np.float64) for row, window in enumerate(windows)]

    def finish(self, prepared: PreparedText, shares: Sequence[np.ndarray], *, explain: bool = False) -> Score:
        """The score of a text from the token shares of its windows: all that comes after the network."""
        own, lexical = self._shares_of(prepared, shares)
        latents = self._latents(own, lexical)
        dimensions = {
            name: self._dimension(name, latents[row] if shares else None)
            for row, name in enumerate(self.checkpoint.levels)
        }
        explanation = self._explanation(prepared.tokens, own, lexical) if explain else None
        return Score(**dimensions, windows=len(shares), explanation=explanation)

    def _shares_of(self, prepared: PreparedText, shares: Sequence[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
        """Each token's share of the latents, and each segment's in the lexical branch: ``(n, dimensions, cuts)``."""
        tokens = prepared.tokens
        if not shares or self._lexical is None:
            lexical = np.zeros((len(tokens.segments), *self._scales.shape))
        else:
            lexical = self._lexical.shares(tokens.normalised)
        if not shares:
            return np.zeros((0, *self._scales.shape)), lexical
        temperature = self.checkpoint.scoring.window_temperature
        return combine_windows(list(shares), list(prepared.spans), len(tokens.ids), temperature), lexical

    @staticmethod
    def _latents(own: np.ndarray, lexical: np.ndarray) -> np.ndarray:
        return np.asarray(own.sum(axis=0) + lexical.sum(axis=0))

    def _all_shares(self, prepared: Sequence[PreparedText]) -> list[list[np.ndarray]]:
        """Token shares of every window of every text, windows of like length run together."""
        windows = [window for item in prepared for window in item.windows()]
        results: dict[int, np.ndarray] = {}
        for batch in self._batches([len(window) for window in windows]):
            results.update(zip(batch, self.forward([windows[i] for i in batch]), strict=True))
        ordered = (results[i] for i in range(len(windows)))
        return [[next(ordered) for _ in item.spans] for item in prepared]

    def _batches(self, lengths: Sequence[int]) -> list[list[int]]:
        """Windows of like length together, so that little of a batch is padding."""
        batches: list[list[int]] = []
        current: list[int] = []
        for index in sorted(range(len(lengths)), key=lengths.__getitem__):
            if current and (lengths[index] + 2) * (len(current) + 1) > self._batch_tokens:
                batches.append(current)
                current = []
            current.append(index)
        return [*batches, current] if current else batches

    def _dimension(self, name: str, latents: np.ndarray | None) -> DimensionScore:
        levels = self.checkpoint.levels[name]
        if latents is None:
            return DimensionScore(0.0, levels[0], (1.0, *[0.0] * (len(levels) - 1)), 0.0)
        calibration = self.checkpoint.scoring.calibration[name]
        probabilities = calibration.grade_probabilities(latents[None])
        return DimensionScore(
            score=float(expected_score(probabilities)[0]),
            level=levels[int(median_grade(probabilities)[0])],
            grades=tuple(float(p) for p in probabilities[0]),
            latent=float(np.mean(latents * calibration.scales)),
        )

    def _explanation(self, tokens: Tokens, own: np.ndarray, lexical: np.ndarray) -> tuple[WordShare, ...]:
        words = lexical.copy()
        np.add.at(words, tokens.segment_of, own)
        rows = (words * self._scales).mean(axis=2).tolist()
        return tuple(
            WordShare(segment.start, segment.end, **dict(zip(self.checkpoint.levels, row, strict=True)))
            for segment, row in zip(tokens.segments, rows, strict=True)
        )
