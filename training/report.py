"""The report of an evaluation: Markdown and plots."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from model.calibration import expected_score
from model.labels import DIMENSIONS
from training.behaviour import render_behaviour
from training.metrics import HIGH

if TYPE_CHECKING:
    from pathlib import Path

    from training.evaluate import Evaluation

FIGURES = ("auc", "ap", "qwk", "pearson", "ece")


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
        f"{name.capitalize()}: deleting the word with the largest share lowers the score in {_rate(own['falls'])} of "
        f"the {own['messages']} messages of grade >= 2; shares sum to the latent within {own['largest_rest']:.0e}.\n"
        for name, own in result["explanations"].items()
    ]


def _rate(value: float | None) -> str:
    return "n/a" if value is None or np.isnan(value) else f"{value:.1%}"


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
