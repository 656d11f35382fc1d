"""Measure a checkpoint and its baselines on the dev part and write the report."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from model.calibration import expected_score
from model.labels import DIMENSIONS
from training.baselines import keywords, tfidf
from training.behaviour import made_cases, read_cases, run_bias, run_pairs
from training.corpus import MESSAGES, SPLIT, Message, held_out, read_messages, read_split, sha256_of, split_messages
from training.metrics import HIGH, bootstrap_interval, grade_metrics
from training.probes import explanation_figures, graph_moves, speed
from training.report import plot, render

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from model.scorer import Scorer

_ROUNDS = 500


@dataclass(frozen=True, slots=True)
class Evaluation:
    """Grade probabilities of every system on the same messages."""

    messages: list[Message]
    probabilities: dict[str, dict[str, np.ndarray]]

    def grades(self, dimension: str) -> np.ndarray:
        """True grades ``(n,)``."""
        return np.array([getattr(message, dimension) for message in self.messages])


def score_grades(scorer: Scorer, messages: Sequence[Message]) -> dict[str, np.ndarray]:
    """Grade probabilities ``(len(messages), 4)`` by dimension, as the service would give them."""
    scores = scorer.score([message.text for message in messages])
    return {name: np.array([getattr(score, name).grades for score in scores]) for name in DIMENSIONS}


def evaluate(
    scorer: Scorer, report: Path | None = None, paths: Sequence[Path] = (), *, threads: int = 1
) -> dict[str, Any]:
    """Figures of the scorer and both baselines, per language and overall; the report goes to a directory."""
    messages = read_messages(list(paths) or MESSAGES)
    train, dev = split_messages(messages, held_out(messages, read_split()))
    systems = {
        scorer.name: score_grades(scorer, dev),
        "tf-idf": tfidf(train, dev),
        "keywords": keywords(train, dev),
    }
    evaluation = Evaluation(dev, systems)
    result = {
        "model": scorer.name,
        "version": scorer.version,
        "messages": {"train": len(train), "dev": len(dev)},
        "data_sha256": sha256_of([*(paths or MESSAGES.glob("*.jsonl")), SPLIT]),
        "slices": {name: _by_slice(evaluation, scorer.name, name) for name in DIMENSIONS},
        "flags": _flag_figures(scorer, evaluation),
        "figures": {
            system: {name: _by_language(evaluation, system, name) for name in DIMENSIONS} for system in systems
        },
    }
    result["graph_difference"] = graph_moves(scorer, dev)
    result["explanations"] = explanation_figures(scorer, dev)
    result["speed"] = speed(scorer, [message.text for message in dev], threads)
    pairs, others = read_cases()
    if pairs:
        result["behaviour"] = run_pairs(scorer, pairs + made_cases(dev, others))
        result["bias"] = run_bias(scorer, others)
    if report is not None:
        report.mkdir(parents=True, exist_ok=True)
        (report / "report.json").write_text(json.dumps(_without_nan(result), indent=2) + "\n", encoding="utf-8")
        (report / "report.md").write_text(render(result), encoding="utf-8")
        plot(evaluation, scorer.name, report)
    return result


def _without_nan(value: Any) -> Any:
    """NaN, which JSON does not have, as None."""
    if isinstance(value, dict):
        return {key: _without_nan(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_without_nan(item) for item in value]
    return None if isinstance(value, float) and np.isnan(value) else value


def _by_language(evaluation: Evaluation, system: str, dimension: str) -> dict[str, dict[str, Any]]:
    probabilities = evaluation.probabilities[system][dimension]
    grades = evaluation.grades(dimension)
    languages = np.array([message.language for message in evaluation.messages])
    result: dict[str, dict[str, Any]] = {"all": dict(grade_metrics(probabilities, grades))}
    for figure in ("auc", "qwk", "pearson"):
        result["all"][f"{figure}_interval"] = bootstrap_interval(
            lambda i, figure=figure: grade_metrics(probabilities[i], grades[i])[figure],  # type: ignore[misc]
            len(grades), rounds=_ROUNDS,
        )  # fmt: skip
    for language in sorted(set(languages)):
        own = languages == language
        result[str(language)] = {"n": int(own.sum())} | grade_metrics(probabilities[own], grades[own])
    return result


def _by_slice(evaluation: Evaluation, system: str, dimension: str) -> dict[str, dict[str, float]]:
    """Mean absolute error in grades, and its direction, by style, channel and length (slices of 20 and more)."""
    error = evaluation.probabilities[system][dimension] @ np.arange(4) - evaluation.grades(dimension)
    members: dict[str, list[int]] = {}
    for index, message in enumerate(evaluation.messages):
        size = len(message.text)
        length = "under 60 characters" if size < 60 else "over 400 characters" if size > 400 else ""
        for kind, value in (("style", message.style), ("channel", message.channel), ("length", length)):
            if value:
                members.setdefault(f"{kind}: {value}", []).append(index)
    return {
        name: {"n": len(rows), "mae": float(np.abs(error[rows]).mean()), "bias": float(error[rows].mean())}
        for name, rows in sorted(members.items())
        if len(rows) >= 20
    }


def _flag_figures(scorer: Scorer, evaluation: Evaluation) -> dict[str, float]:
    """Precision and recall of the flag, and the share of messages that it flags."""
    mine = evaluation.probabilities[scorer.name]
    flagged = np.any([expected_score(mine[name]) >= scorer.thresholds[name] for name in DIMENSIONS], axis=0)
    needed = np.any([evaluation.grades(name) >= HIGH for name in DIMENSIONS], axis=0)
    hits = (flagged & needed).sum()
    return {
        "precision": float(hits / max(flagged.sum(), 1)),
        "recall": float(hits / max(needed.sum(), 1)),
        "flagged": float(flagged.mean()),
        "needed": float(needed.mean()),
    }
