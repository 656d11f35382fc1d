"""Measure a checkpoint and its baselines on the dev part and write the report."""

from __future__ import annotations

import json
import os
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from model.calibration import expected_score
from model.labels import DIMENSIONS
from training.baselines import keywords, tfidf
from training.behaviour import made_cases, read_cases, render_behaviour, run_bias, run_pairs
from training.corpus import MESSAGES, SPLIT, Message, held_out, read_messages, read_split, sha256_of, split_messages
from training.metrics import HIGH, bootstrap_interval, grade_metrics

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from model.scorer import Scorer

FIGURES = ("auc", "ap", "qwk", "pearson", "ece")
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


def evaluate(scorer: Scorer, report: Path | None = None, paths: Sequence[Path] = ()) -> dict[str, Any]:
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
    result["graph_difference"] = _graph_difference(scorer, dev)
    result["explanations"] = _explanation_figures(scorer, dev)
    result["speed"] = _speed(scorer, [message.text for message in dev])
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


def _graph_difference(scorer: Scorer, dev: Sequence[Message]) -> dict[str, float]:
    """Largest and mean difference of any score between this scorer and the torch reference, on dev messages.

    Takes the longest 20 messages and 200 others, so that several windows are among them.
    """
    reference = type(scorer).load(scorer.checkpoint.directory, engine="torch", threads=2)
    texts = [m.text for m in sorted(dev, key=lambda m: -len(m.text))]
    texts = texts[:20] + texts[20 :: max(1, len(texts) // 200)]
    pairs = zip(scorer.score(texts), reference.score(texts), strict=True)
    moves = [abs(getattr(a, n).score - getattr(b, n).score) for a, b in pairs for n in DIMENSIONS]
    return {"largest": float(np.max(moves)), "mean": float(np.mean(moves)), "texts": len(texts)}


def _speed(scorer: Scorer, texts: Sequence[str], alone: int = 200) -> dict[str, float]:
    """Messages a second in bulk, and milliseconds (median, 95th percentile) of one message alone."""
    began = time.perf_counter()
    scorer.score(texts)
    bulk = len(texts) / (time.perf_counter() - began)
    single = []
    for text in texts[:: max(1, len(texts) // alone)]:
        began = time.perf_counter()
        scorer.score([text])
        single.append(1000 * (time.perf_counter() - began))
    p50, p95 = np.percentile(single, [50, 95])
    return {"bulk_per_second": bulk, "p50_ms": float(p50), "p95_ms": float(p95), "cores": len(os.sched_getaffinity(0))}


def _explanation_figures(scorer: Scorer, dev: Sequence[Message]) -> dict[str, dict[str, float]]:
    """By dimension, of the messages of grade >= 2: how often the score falls when the top word is deleted.

    Also the largest difference between an explanation's sum and its latent, over all messages.
    """
    explained = scorer.score([message.text for message in dev], explain=True)
    result = {}
    for name in DIMENSIONS:
        rows = [i for i, message in enumerate(dev) if getattr(message, name) >= HIGH]
        without = []
        for i in rows:
            top = max(explained[i].explanation or (), key=lambda word: getattr(word, name))
            without.append(dev[i].text[: top.start] + dev[i].text[top.end :])
        falls = [
            getattr(new, name).latent < getattr(explained[i], name).latent
            for i, new in zip(rows, scorer.score(without), strict=True)
        ]
        sums = [abs(sum(getattr(w, name) for w in s.explanation or ()) - getattr(s, name).latent) for s in explained]
        result[name] = {"falls": float(np.mean(falls)), "messages": len(rows), "largest_rest": float(np.max(sums))}
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


def render(result: dict[str, Any]) -> str:
    """The report as Markdown."""
    lines = [f"# {result['model']} {result['version']} on the dev part", ""]
    lines += [
        f"{result['messages']['dev']} messages, none of them trained on; the checkpoint's calibration and thresholds",
        "were fitted on them. AUC and AP are of grade >= 2; QWK is of the rounded expected grade; Pearson of the",
        "expected grade; ECE of P(grade >= 2).",
        "",
    ]
    for name in DIMENSIONS:
        lines += [f"## {name.capitalize()}", "", "| system | AUC | AP | QWK | Pearson | ECE |", "| --- " * 6 + "|"]
        for system, figures in result["figures"].items():
            overall = figures[name]["all"]
            lines.append(f"| {system} | " + " | ".join(_cell(overall, figure) for figure in FIGURES) + " |")
        lines += ["", "QWK (AUC) by language:", ""]
        systems = list(result["figures"])
        lines += ["| language | n | " + " | ".join(systems) + " |", "| --- " * (len(systems) + 2) + "|"]
        for language, own in result["figures"][systems[0]][name].items():
            if language != "all":
                cells = [result["figures"][system][name][language] for system in systems]
                lines.append(
                    f"| {language} | {own['n']} | "
                    + " | ".join(f"{_short(c['qwk'])} ({_short(c['auc'])})" for c in cells)
                    + " |"
                )
        lines.append("")
        slices = sorted(result["slices"][name].items(), key=lambda item: -item[1]["mae"])
        lines += ["Mean error in grades (0 to 3) by kind of message, worst first; bias > 0 is too high:", ""]
        lines += ["| messages | n | error | bias |", "| --- " * 4 + "|"]
        lines += [f"| {kind} | {own['n']} | {own['mae']:.2f} | {own['bias']:+.2f} |" for kind, own in slices]
        lines.append("")
    flags = result["flags"]
    lines += [
        "## Flags", "",
        f"With the checkpoint's thresholds {flags['flagged']:.0%} of the messages are flagged;",
        f"{flags['precision']:.0%} of these have grade >= 2 in anger or urgency (precision), which is",
        f"{flags['recall']:.0%} of all that have (recall).",
        "",
        "![calibration](calibration.png)", "",
    ]  # fmt: skip
    lines += ["## Explanations", "", *explanation_lines(result), ""]
    if "behaviour" in result:
        lines += ["## Behaviour", "", render_behaviour(result)]
    return "\n".join(lines)


def explanation_lines(result: dict[str, Any]) -> list[str]:
    """What the explanations are worth, a Markdown paragraph a dimension."""
    return [
        f"{name.capitalize()}: deleting the word with the largest share lowers the score in {own['falls']:.1%} of the "
        f"{own['messages']} messages of grade >= 2; shares sum to the latent within {own['largest_rest']:.0e}.\n"
        for name, own in result["explanations"].items()
    ]


def _short(value: float | None) -> str:
    return "n/a" if value is None or np.isnan(value) else f"{value:.2f}"


def _cell(figures: dict[str, Any], figure: str) -> str:
    interval = figures.get(f"{figure}_interval")
    if figures[figure] is None or np.isnan(figures[figure]):
        return "n/a"
    return f"{figures[figure]:.3f}" + (f" [{interval[0]:.3f}, {interval[1]:.3f}]" if interval else "")


def plot(evaluation: Evaluation, system: str, report: Path) -> None:
    """Reliability diagrams of P(grade >= 2) and score distributions by true grade, ``calibration.png``."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    figure, axes = plt.subplots(2, 2, figsize=(9, 7), layout="constrained")
    for (above, below), name in zip(axes.T, DIMENSIONS, strict=True):
        probabilities, grades = evaluation.probabilities[system][name], evaluation.grades(name)
        high = probabilities[:, HIGH:].sum(axis=1)
        bins = np.minimum((high * 10).astype(int), 9)
        points = [(high[bins == b].mean(), (grades[bins == b] >= HIGH).mean()) for b in range(10) if (bins == b).any()]
        above.plot([0, 1], [0, 1], color="grey", linewidth=1)
        above.plot(*zip(*points, strict=True), marker="o")
        above.set(title=name, xlabel="predicted P(grade >= 2)", ylabel="observed share", xlim=(0, 1), ylim=(0, 1))
        scores = expected_score(probabilities)
        below.boxplot([scores[grades == grade] for grade in range(4)], tick_labels=list("0123"))
        below.set(xlabel="true grade", ylabel="score", ylim=(0, 1))
    figure.savefig(report / "calibration.png", dpi=110)
    plt.close(figure)
