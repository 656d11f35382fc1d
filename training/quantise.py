"""Ranges for the serving graph in eight bits, and how far its scores then move."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Any

import numpy as np
from tqdm import tqdm

from model.engines import GRAPH
from model.quantisation import RANGES, RangeRecorder
from model.scorer import Scorer

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

TEXTS = 512
CHECKED = 2_048
# Beyond these a product is left in more bits, and if that does not help, the whole checkpoint.
MEAN_LIMIT = 0.01
MAX_LIMIT = 0.05
# On other texts the largest difference is larger.
_MARGIN = 0.8
_WORST = 100
_MOST_LEFT_OUT = 4


def write_ranges(directory: Path, texts: Sequence[str], *, seed: int = 0) -> dict[str, Any] | None:
    """Write a checkpoint's ranges from up to 512 texts, and keep them only if the scores hardly move.

    While they move too far, the product that moves the worst texts most is left out, four at most.

    Returns the mean and the largest difference of a score (0..1) between eight bits and single precision over up to
    2,048 of the texts, and the products left out; None where OpenVINO is not installed, and then nothing is written.
    """
    try:
        import openvino
    except ImportError:
        return None
    path = directory / RANGES
    path.unlink(missing_ok=True)
    checked = random.Random(seed).sample(list(texts), min(CHECKED, len(texts)))
    single = Scorer.load(directory, engine="openvino", precision="f32", threads=2)
    recorder = RangeRecorder(openvino.Core(), directory / GRAPH)
    for prepared in single.prepare(checked[:TEXTS]):
        for window in prepared.windows():
            recorder.see(*single.inputs([window]))
    ranges = recorder.ranges
    left_out: list[str] = []
    reference = _scores(single, checked)
    while True:
        moved = np.abs(reference - _eight_bit_scores(directory, ranges, checked)).max(axis=1)
        fine = moved.mean() <= MEAN_LIMIT and moved.max() <= MAX_LIMIT * _MARGIN
        if fine or len(left_out) == _MOST_LEFT_OUT or len(ranges) < 2:
            break
        worst = np.argsort(-moved)[:_WORST]
        name = _most_moving(directory, ranges, [checked[i] for i in worst], reference[worst])
        left_out.append(name)
        ranges = {key: value for key, value in ranges.items() if key != name}
    if moved.mean() > MEAN_LIMIT or moved.max() > MAX_LIMIT:
        path.unlink()
    return {"mean": round(float(moved.mean()), 5), "max": round(float(moved.max()), 5), "left_out": left_out}


def _most_moving(directory: Path, ranges: Mapping[str, np.ndarray], texts: Sequence[str], reference: np.ndarray) -> str:
    """The product without which the scores move least."""
    means = {}
    for name in tqdm(ranges, desc="products", disable=None):
        others = {key: value for key, value in ranges.items() if key != name}
        means[name] = float(np.abs(reference - _eight_bit_scores(directory, others, texts)).mean())
    return min(means, key=means.__getitem__)


def _eight_bit_scores(directory: Path, ranges: Mapping[str, np.ndarray], texts: Sequence[str]) -> np.ndarray:
    with (directory / RANGES).open("wb") as file:
        np.savez_compressed(file, **ranges)  # type: ignore[arg-type]
    return _scores(Scorer.load(directory, engine="openvino", precision="int8", threads=2), texts)


def _scores(scorer: Scorer, texts: Sequence[str]) -> np.ndarray:
    return np.array([[item.anger.score, item.urgency.score] for item in scorer.score(texts)])
