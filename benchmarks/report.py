"""The results as a page and a plot: ratios first, since absolute figures are of one machine."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import matplotlib as mpl

mpl.use("Agg")
from matplotlib import pyplot as plt

if TYPE_CHECKING:
    from pathlib import Path

BASE = "flask + pipeline"
BARE = "transformers pipeline, fp32"


def write_report(result: dict[str, Any], path: Path) -> None:
    """Write the page to ``path`` and the plot beside it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    plot = path.with_suffix(".png")
    _plot(result["servers"], plot)
    path.write_text(render(result, plot.name), encoding="utf-8")


_INTRODUCTION = """Written by `make bench`, all in one run on one machine; run it on yours. The messages are the dev
part of the corpus; tokenisation is included everywhere. Peers run the same encoder under BERT's own classification
head.
"""


def render(result: dict[str, Any], plot: str) -> str:
    """The page."""
    machine = result["machine"]
    versions = ", ".join(f"{name} {version}" for name, version in machine["versions"].items())
    parts = [
        "# Benchmarks\n",
        _INTRODUCTION,
        (
            f"{machine['processor']}, {machine['cores']} cores ({', '.join(machine['flags'])}), {machine['date']}. "
            f"Python {machine['python']}; {versions}.\n"
        ),
    ]
    if result["engines"]:
        parts += ["## Bare engines\n", _engines(result["engines"])]
    if result.get("bulk"):
        parts += ["## Bulk: `python -m model score`\n", _bulk(result["bulk"], result["engines"])]
    parts += ["## Servers, one message a request\n", _servers(result["servers"]), f"![throughput]({plot})\n"]
    parts += [_kalm(name, own, result["engines"]) for name, own in result["servers"].items() if "batch" in own]
    return "\n".join(parts)


def _engines(engines: dict[str, dict[str, float]]) -> str:
    base = engines.get(BARE, {}).get("per_second")
    rows = ["| engine | messages/s | ratio | one alone, p50 ms | p95 ms | start s | memory MB |", "| --- " * 7 + "|"]
    rows += [
        f"| {name} | {own['per_second']:.0f} | {_ratio(own['per_second'], base)} | {own['p50_ms']:.1f} | "
        f"{own['p95_ms']:.1f} | {own['ready_s']:.1f} | {own['memory_mb']:.0f} |"
        for name, own in engines.items()
    ]
    return "\n".join(rows) + "\n"


def _bulk(sizes: list[dict[str, Any]], engines: dict[str, dict[str, float]]) -> str:
    base = engines.get(BARE, {}).get("per_second")
    bare = max((item["per_second"] for key, item in engines.items() if key.startswith("kalm")), default=None)
    rows = [
        "| messages | messages/s | of the pipeline | of the bare engine | tokens/s | memory MB |",
        "| --- " * 6 + "|",
    ]
    rows += [
        f"| {own['messages']} | {own['per_second']:.0f} | {_ratio(own['per_second'], base)} | "
        f"{_ratio(own['per_second'], bare)} | {own['tokens_per_second']:.0f} | {own['memory_mb']:.0f} |"
        for own in sizes
    ]
    return "\n".join(rows) + "\n"


def _servers(found: dict[str, dict[str, Any]]) -> str:
    levels = next((list(own["closed"]) for own in found.values() if "closed" in own), [])
    base = found.get(BASE, {}).get("closed", {})
    heads = [f"{level} at once: messages/s (ratio)" for level in levels]
    rows = ["| server | " + " | ".join(heads) + " | p50 ms alone | first score after s | memory MB |"]
    rows.append("| --- " * (len(levels) + 4) + "|")
    for name, own in found.items():
        if "error" in own:
            rows.append(f"| {name} | did not run: {own['error']} |" + " |" * (len(levels) + 2))
            continue
        cells = [
            f"{item['per_second']:.0f} ({_ratio(item['per_second'], base.get(level, {}).get('per_second'))})"
            for level, item in own["closed"].items()
        ]
        rows.append(
            f"| {name} | " + " | ".join(cells) + f" | {own['closed']['1']['p50_ms']:.1f} | {own['ready_s']:.1f} | "
            f"{' + '.join(f'{size:.0f}' for size in own['memory_mb'])} |"
        )
    return "\n".join(rows) + "\n"


def _kalm(name: str, own: dict[str, Any], engines: dict[str, dict[str, float]]) -> str:
    bare = max((item["per_second"] for key, item in engines.items() if key.startswith("kalm")), default=None)
    lines = [f"## {name[0].upper()}{name[1:]}\n"]
    lines.append(
        f"Batches of 64: {own['batch']['per_second']:.0f} messages/s "
        f"({_ratio(own['batch']['per_second'], bare)} of the bare engine).\n"
    )
    for key, title in (("at_70_percent", "At 70 % of capacity"), ("at_300_percent", "At 300 % of capacity")):
        item = own[key]
        lines.append(
            f"{title} ({item['rate']:.0f} requests/s, Poisson): {item['per_second']:.0f} answers/s, p50 "
            f"{item['p50_ms']:.1f} ms, p99 {item['p99_ms']:.1f} ms; answers by status: {item['statuses']}.\n"
        )
    return "\n".join(lines)


def _ratio(value: float, base: float | None) -> str:
    return f"{value / base:.2f}x" if base else "-"


def _plot(found: dict[str, dict[str, Any]], path: Path) -> None:
    names = [name for name, own in found.items() if "closed" in own]
    levels = list(found[names[0]]["closed"]) if names else []
    figure, axes = plt.subplots(figsize=(9, 4.5))
    width = 0.8 / max(len(levels), 1)
    for row, level in enumerate(levels):
        places = [i + (row - (len(levels) - 1) / 2) * width for i in range(len(names))]
        axes.bar(
            places, [found[name]["closed"][level]["per_second"] for name in names], width, label=f"{level} at once"
        )
    axes.set_xticks(range(len(names)), names, rotation=20, ha="right")
    axes.set_ylabel("messages a second")
    axes.legend()
    figure.tight_layout()
    figure.savefig(path, dpi=120)
    plt.close(figure)
