"""A checkpoint directory: everything a scorer needs, read and checked in one place."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from model.calibration import Calibration
from model.errors import CheckpointError

DEFAULT_CHECKPOINT = Path(__file__).parent / "checkpoints" / "kalm-mini"
CONFIG, SCORING, TOKENIZER = "config.json", "scoring.json", "tokenizer.json"
FORMAT = 3


@dataclass(frozen=True, slots=True)
class Scoring:
    """How latents become scores; stored as ``scoring.json``.

    Attributes:
        name: the checkpoint's name.
        version: changes with every training; replies carry it.
        calibration: by dimension.
        thresholds: by dimension, the score in 0..1 from which a message is flagged.
        window_tokens: tokens of text in one window, special tokens apart.
        window_overlap: tokens that neighbouring windows share.
        window_temperature: how far the strongest window outweighs the others; 0 is the plain mean.
    """

    name: str
    version: str
    calibration: dict[str, Calibration]
    thresholds: dict[str, float]
    window_tokens: int = 254
    window_overlap: int = 32
    window_temperature: float = 1.0

    def write(self, directory: Path) -> None:
        """Write ``scoring.json``."""
        text = json.dumps({"format": FORMAT} | asdict(self), indent=2)
        (directory / SCORING).write_text(text + "\n", encoding="utf-8")


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A read checkpoint, without its weights."""

    directory: Path
    levels: dict[str, tuple[str, ...]]
    scoring: Scoring

    @classmethod
    def read(cls, directory: Path | str) -> Checkpoint:
        """Read and check the small files of a checkpoint directory.

        Raises:
            CheckpointError: a file is missing, damaged or of another format; says which and what to do.
        """
        path = Path(directory)
        if not path.is_dir():
            message = f"no checkpoint directory at {path}; give the path of one, or make one with `make train`"
            raise CheckpointError(message)
        levels = _field(_read_json(path / CONFIG), "levels", path / CONFIG)
        raw = _read_json(path / SCORING)
        if raw.pop("format", None) != FORMAT:
            message = f"{path / SCORING} is not of format {FORMAT}; it was made by another version of Kalm"
            raise CheckpointError(message)
        try:
            calibration = {
                name: Calibration(tuple(item["scales"]), tuple(item["cuts"]))
                for name, item in raw.pop("calibration").items()
            }
            scoring = Scoring(calibration=calibration, **raw)
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            message = f"{path / SCORING} is incomplete or damaged: {error}"
            raise CheckpointError(message) from error
        missing = [name for name in levels if name not in calibration or name not in scoring.thresholds]
        if missing:
            message = f"{path / SCORING} has no calibration or threshold for {', '.join(missing)}"
            raise CheckpointError(message)
        if not (path / TOKENIZER).is_file():
            message = f"{path / TOKENIZER} is missing"
            raise CheckpointError(message)
        return cls(path, {name: tuple(names) for name, names in levels.items()}, scoring)


def _read_json(path: Path) -> dict[str, Any]:
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        message = f"{path} is missing: the checkpoint is incomplete"
        raise CheckpointError(message) from error
    except ValueError as error:
        message = f"{path} is not valid JSON: the checkpoint is damaged"
        raise CheckpointError(message) from error
    if not isinstance(value, dict):
        message = f"{path} does not hold a JSON object: the checkpoint is damaged"
        raise CheckpointError(message)
    return value


def _field(values: dict[str, Any], name: str, path: Path) -> Any:
    if name not in values:
        message = f"{path} has no field {name!r}: not a Kalm checkpoint"
        raise CheckpointError(message)
    return values[name]
