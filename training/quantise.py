"""Ranges for the serving graph in eight bits, and how far its scores then move."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

import numpy as np

from model.errors import CheckpointError
from model.quantisation import RANGES, RangeRecorder
from model.scorer import Scorer

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

TEXTS = 512
# Beyond these a checkpoint is served in bfloat16 or single precision.
MEAN_LIMIT = 0.01
MAX_LIMIT = 0.05


def write_ranges(directory: Path, texts: Sequence[str], *, seed: int = 0) -> dict[str, float] | None:
    """Write a checkpoint's ranges from up to 512 texts, and keep them only if the scores hardly move.

    Returns the mean and the largest difference of a score (0..1) between eight bits and single precision over these
    texts; None where OpenVINO is not installed, and then nothing is written.
    """
    try:
        import openvino
    except ImportError:
        return None
    path = directory / RANGES
    path.unlink(missing_ok=True)
    chosen = random.Random(seed).sample(list(texts), min(TEXTS, len(texts)))
    recorder = RangeRecorder(openvino.Core(), directory / "model.onnx")
    single = Scorer.load(directory, engine="openvino", precision="f32", threads=2)
    for prepared in single.prepare(chosen):
        for window in prepared.windows():
            recorder.see(*single.inputs([window]))
    with path.open("wb") as file:
        np.savez_compressed(file, **recorder.ranges)  # type: ignore[arg-type]
    difference = score_difference(directory, chosen)
    if difference["mean"] > MEAN_LIMIT or difference["max"] > MAX_LIMIT:
        path.unlink()
    return difference


def score_difference(directory: Path, texts: Sequence[str]) -> dict[str, float]:
    """Mean and largest difference of a score between eight bits and single precision.

    Raises:
        CheckpointError: the checkpoint has no ranges.
    """
    if not (directory / RANGES).is_file():
        message = f"{directory} has no {RANGES}"
        raise CheckpointError(message)
    scores = [_scores(directory, texts, precision) for precision in ("f32", "int8")]
    moved = np.abs(scores[0] - scores[1])
    return {"mean": round(float(moved.mean()), 5), "max": round(float(moved.max()), 5)}


def _scores(directory: Path, texts: Sequence[str], precision: str) -> np.ndarray:
    scorer = Scorer.load(directory, engine="openvino", precision=precision, threads=2)
    return np.array([[item.anger.score, item.urgency.score] for item in scorer.score(texts)])
