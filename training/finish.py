"""The end of a training run: weights in half precision, serving graph, calibration, thresholds, record."""

from __future__ import annotations

import hashlib
import json
import shutil
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from model.calibration import Calibration
from model.checkpoint import TOKENIZER, Scoring
from model.lexical import LEXICAL
from model.scorer import Scorer
from training.calibrate import fit_calibration, flag_threshold, scores_of
from training.corpus import Message, sha256_of
from training.export import WEIGHTS, export_graph, graph_difference
from training.lexical import lexical_latents, mix
from training.metrics import grade_metrics
from training.quantise import write_ranges

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from model.lexical import LexicalBranch
    from model.network import KalmForScoring
    from training.train import TrainSettings

_OVERLAP = 32


def write_checkpoint(
    model: KalmForScoring,
    tokenizer: Path,
    output: Path,
    settings: TrainSettings,
    dev: Sequence[Message],
    record: dict[str, Any],
    lexical: LexicalBranch | None = None,
) -> dict[str, Any]:
    """Write weights in half precision, graph, tokenizer, calibration and the record of the run.

    A lexical branch is scaled to complete the encoder on dev. Latents are moved so that the mean message of the
    lowest grade has latent 0: words that say nothing then have a share near zero.
    """
    output.mkdir(parents=True, exist_ok=True)
    if tokenizer.resolve() != (output / TOKENIZER).resolve():
        shutil.copyfile(tokenizer, output / TOKENIZER)
    (output / LEXICAL).unlink(missing_ok=True)
    final = model.cpu().eval().half()
    texts = [message.text for message in dev]
    grades = {name: np.array([getattr(message, name) for message in dev]) for name in final.config.dimensions}
    _, latents = _write_raw(final, output, settings, texts)
    if lexical is not None:
        wide = lexical_latents(lexical, texts)
        factors = mix(lexical, latents, wide, list(grades.values()))
        record["lexical_factors"] = factors.tolist()
        latents = latents + factors * wide
        lexical.write(output)
    lowest = np.stack([latents[own == own.min(), column].mean(axis=0) for column, own in enumerate(grades.values())])
    final.shift_latents(torch.from_numpy(lowest).half())
    raw, latents = _write_raw(final, output, settings, texts)
    calibrated, figures = _calibrate(raw, latents, grades, settings)
    calibrated.write(output)
    record["graph_difference"] = graph_difference(output)
    record["eight_bit_difference"] = write_ranges(output, texts)
    record["dev"] = figures
    (output / "training.json").write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")
    return figures


def _write_raw(
    model: KalmForScoring, output: Path, settings: TrainSettings, texts: Sequence[str]
) -> tuple[Scoring, np.ndarray]:
    """Write weights, serving graph and a scoring file without calibration; return it and the latents of ``texts``."""
    model.save_pretrained(output)
    (output / WEIGHTS).chmod(0o644)
    export_graph(output)
    raw = _raw_scoring(model, output, settings)
    raw.write(output)
    return raw, Scorer.load(output, engine="onnxruntime", threads=2).latents(texts)


def weights_version(directory: Path) -> str:
    """Twelve hexadecimal digits of a hash of all weights, those of the lexical branch among them."""
    hashes = sha256_of(path for path in (directory / WEIGHTS, directory / LEXICAL) if path.is_file())
    return hashlib.sha256("".join(hashes.values()).encode()).hexdigest()[:12]


def _raw_scoring(model: KalmForScoring, output: Path, settings: TrainSettings) -> Scoring:
    """A scoring file without calibration."""
    version = weights_version(output)
    cuts, names, window = model.config.grades - 1, model.config.dimensions, _window_tokens(model, settings)
    return Scoring(
        settings.name, version,
        {name: Calibration((1.0,) * cuts, (0.0,) * cuts) for name in names}, dict.fromkeys(names, 0.5),
        window_tokens=window, window_overlap=min(_OVERLAP, window // 4),
    )  # fmt: skip


def _window_tokens(model: KalmForScoring, settings: TrainSettings) -> int:
    """Tokens of text in one window: as many as in training, so that serving sees nothing new."""
    # RoBERTa and its kin number positions from the padding index on, which costs two.
    positions = getattr(model.config.encoder, "max_position_embeddings", settings.max_tokens + 2) - 2
    return min(settings.max_tokens, positions) - 2


def _calibrate(
    raw: Scoring, latents: np.ndarray, grades: dict[str, np.ndarray], settings: TrainSettings
) -> tuple[Scoring, dict[str, Any]]:
    calibration, thresholds, figures = {}, {}, {}
    for column, (name, own) in enumerate(grades.items()):
        calibration[name] = fit_calibration(latents[:, column], own)
        scores = scores_of(calibration[name], latents[:, column])
        thresholds[name] = flag_threshold(scores, own, precision=settings.flag_precision, budget=settings.flag_budget)
        figures[name] = grade_metrics(calibration[name].grade_probabilities(latents[:, column]), own)
    return replace(raw, calibration=calibration, thresholds=thresholds), figures
