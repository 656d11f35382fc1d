"""The model card of a checkpoint, and the figures in the README, from the files of its making."""

from __future__ import annotations

import json
import re
import shutil
from typing import TYPE_CHECKING, Any

from training.behaviour import render_behaviour
from training.benchmarks import render_benchmarks
from training.credits import DISTIL_SOURCES, LANGUAGE_NAMES, SOURCES
from training.report import FIGURES, explanation_lines

if TYPE_CHECKING:
    from pathlib import Path

METRICS = "metrics.json"
PLOT = "calibration.png"
BENCHMARKS, RETRIEVAL = "benchmarks.json", "retrieval.json"
_BLOCK = re.compile(r"(<!-- figures -->\n).*?(<!-- /figures -->)", re.DOTALL)


def write_card(checkpoint: Path, report: Path, readme: Path | None = None) -> str:
    """Write ``README.md``, ``metrics.json`` and the plot into a checkpoint; with ``readme`` its figures too.

    Raises:
        ValueError: the report is of other weights than the checkpoint's.
    """
    result = json.loads((report / "report.json").read_text(encoding="utf-8"))
    record = json.loads((checkpoint / "training.json").read_text(encoding="utf-8"))
    scoring = json.loads((checkpoint / "scoring.json").read_text(encoding="utf-8"))
    if result["version"] != scoring["version"]:
        message = f"the report is of version {result['version']}, the checkpoint is {scoring['version']}"
        raise ValueError(message)
    shutil.copyfile(report / "report.json", checkpoint / METRICS)
    shutil.copyfile(report / PLOT, checkpoint / PLOT)
    config = json.loads((checkpoint / "config.json").read_text(encoding="utf-8"))
    size = sum(file.stat().st_size for file in checkpoint.iterdir())
    for name in (BENCHMARKS, RETRIEVAL):
        if (report / name).is_file():
            result[name] = json.loads((report / name).read_text(encoding="utf-8"))
    _check_owner(result, record)
    text = _card(result, record, scoring, config, size)
    (checkpoint / "README.md").write_text(text, encoding="utf-8")
    if readme is not None:
        block = overall_table(result)
        readme.write_text(_BLOCK.sub(rf"\g<1>{block}\n\g<2>", readme.read_text(encoding="utf-8")), encoding="utf-8")
    return text


def _worst(result: dict[str, Any]) -> str:
    parts = []
    for name, slices in result["slices"].items():
        worst = sorted(slices.items(), key=lambda item: -item[1]["mae"])[:3]
        parts.append(f"{name} in messages of " + ", ".join(f"{kind} ({own['mae']:.2f})" for kind, own in worst))
    return "; ".join(parts)


def overall_table(result: dict[str, Any]) -> str:
    """Overall figures of all systems, as a Markdown table."""
    lines = ["| | system | AUC | AP | QWK | Pearson | ECE |", "| --- " * 7 + "|"]
    for name in ("anger", "urgency"):
        for system, figures in result["figures"].items():
            overall = figures[name]["all"]
            lines.append(f"| {name} | {system} | " + " | ".join(f"{overall[f]:.3f}" for f in FIGURES) + " |")
    return "\n".join(lines)


def _check_owner(result: dict[str, Any], record: dict[str, Any]) -> None:
    """Refuse figures of another checkpoint or another encoder that lie in the same folder."""
    found = result.get(BENCHMARKS, {}).get("version", result["version"])
    if found != result["version"]:
        message = f"{BENCHMARKS} is of version {found}, the checkpoint is {result['version']}; run `benchmarks` again"
        raise ValueError(message)
    encoder = record.get("base", {}).get("sha256")
    if RETRIEVAL in result and result[RETRIEVAL].get("encoder_sha256") != encoder:
        message = f"{RETRIEVAL} is of another encoder than the checkpoint's base; run `retrieval` again"
        raise ValueError(message)


def _public_section(result: dict[str, Any]) -> str:
    """Figures on public sets and of retrieval, where the report has them."""
    parts = []
    if BENCHMARKS in result:
        parts.append("### Public sets\n\n" + render_benchmarks(result[BENCHMARKS]))
    if RETRIEVAL in result:
        cells = ", ".join(f"{name} {value:.1%}" for name, value in result[RETRIEVAL]["accuracy"].items())
        parts.append(
            "### Retrieval\n\nOf about 1,000 FLORES sentences, how often the distilled encoder, before fine-tuning, "
            f"finds the English original of a translation: {cells}.\n"
        )
    return "\n".join(parts)


_WEIGHTED = {
    "mean": "their mean is a latent",
    "gate": "their mean, weighted by a learned gate, is a latent",
}


def _projected(record: dict[str, Any]) -> str:
    if not record["settings"].get("projected"):
        return ""
    (digest,) = record["projected_sha256"].values()
    return (
        "Among the public texts are translations that carry the scores of their English originals "
        f"(`python -m training project`; SHA-256 `{digest}`).\n"
    )


def _lexical(record: dict[str, Any]) -> str:
    rows = record["settings"].get("lexical_rows")
    if not rows:
        return ""
    return (
        " a linear model over the character\n1-5-grams of words and pairs of neighbouring words (a hashed table of "
        f"{rows:,} rows) adds to it;"
    )


def _card(
    result: dict[str, Any], record: dict[str, Any], scoring: dict[str, Any], config: dict[str, Any], size: int
) -> str:
    encoder, flags, examples = config["encoder"], result["flags"], record["examples"]
    own = result["figures"][result["model"]]
    languages = [code for code in own["anger"] if code != "all"]
    rows = "\n".join(
        f"| {LANGUAGE_NAMES.get(code, code)} ({code}) | {own['anger'][code]['n']} | "
        + " | ".join(f"{own[d][code][f]:.2f}" for d in ("anger", "urgency") for f in ("auc", "qwk", "pearson", "ece"))
        + " |"
        for code in languages
    )
    intervals = "\n".join(
        f"| {d} | {f.upper()} | {own[d]['all'][f]:.3f} | {own[d]['all'][f + '_interval'][0]:.3f} to "
        f"{own[d]['all'][f + '_interval'][1]:.3f} |"
        for d in ("anger", "urgency")
        for f in ("auc", "qwk", "pearson")
    )
    base = record.get("base", {})
    difference = result["graph_difference"]
    sources = "\n".join(f"- {SOURCES[name]}" for name in ("messages", *record["settings"]["public"]))
    if base:
        sources += "\n\nThe encoder's distillation and vocabulary:\n\n" + "\n".join(f"- {s}" for s in DISTIL_SOURCES)
    hashes = "\n".join(f"- `{name}` `{digest}`" for name, digest in sorted(record["data_sha256"].items()))
    thresholds = ", ".join(f"{name} {value:.3f}" for name, value in scoring["thresholds"].items())
    speed = result["speed"]
    explanations = "\n".join(explanation_lines(result))
    behaviour = f"### Behaviour and bias\n\n{render_behaviour(result)}\n" if "behaviour" in result else ""
    return f"""---
license: apache-2.0
language: [{", ".join(languages)}]
pipeline_tag: text-classification
tags: [customer-service, anger, urgency, ordinal-regression]
---
# {result["model"]} {result["version"]}

Scores a customer's message for **anger** and **urgency**, each as the probability of the grades 0 to 3
(`docs/labelling-guide.md`), in {len(languages)} languages, with an exact share of every word in the score.

## Use

For: sorting incoming customer messages so that people who are angry or in need are answered first, by a person.
Not for: judging or profiling people, employees above all; decisions without a person; emergency lines as the only
safeguard; languages not listed; anything but messages that customers write to an organisation.

## Model

`{encoder["model_type"]}`, {encoder["num_hidden_layers"]} layers of {encoder["hidden_size"]}, vocabulary
{encoder["vocab_size"]:,} (lower-case, with markers for shouted and drawn-out words). Every token gives one value for
each cut (grade >= 1, 2, 3) of each dimension; {_WEIGHTED[config.get("pooling", "mean")]};{_lexical(record)}
the calibrated latents are the log-odds of the cuts. Weights in half precision;
the serving graph `model.onnx` reads the same file.
Directory {size / 1e6:.1f} MB. Scores of the graph and
of torch differ by {difference["largest"]:.1e} at most and {difference["mean"]:.1e} on average (on
{difference["texts"]} dev messages, the longest among them).

## Training

    {record["command"]}

{base.get("text", "")}{record.get("notes", "")}
{_projected(record)}Seed {record["settings"]["seed"]};
{examples["messages"]:,} own messages and {examples["public"]:,} public texts;
calibrated on {examples["dev"]} dev messages. Settings, versions and the training log are in `training.json`.

Data, all of it with a licence that allows commercial use:

{sources}

SHA-256 of the message files:

{hashes}

## Figures

On the {result["messages"]["dev"]} messages of the dev part, which training did not see; calibration and thresholds were
fitted on the same part, so ECE and the flag figures are somewhat flattering. AUC and AP are of grade >= 2, QWK of the
rounded expected grade, Pearson of the expected grade, ECE of P(grade >= 2). Baselines are trained on the same messages.

{overall_table(result)}

95 % bootstrap intervals:

| | figure | value | interval |
| --- | --- | --- | --- |
{intervals}

By language (anger, then urgency):

| language | n | AUC | QWK | Pearson | ECE | AUC | QWK | Pearson | ECE |
| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |
{rows}

Flags at the stored thresholds ({thresholds}): {flags["flagged"]:.0%} of the dev messages are
flagged, precision {flags["precision"]:.1%}, recall {flags["recall"]:.1%} of those with grade >= 2 in either dimension
({flags["needed"]:.0%} of all).

{explanations}
Speed ({speed["processor"]}; {speed["engine"]}; {speed["threads"]} threads), tokenisation included:
{speed["bulk_per_second"]:.0f} dev messages a second in bulk; one message alone takes
 {speed["p50_ms"]:.1f} ms (median), {speed["p95_ms"]:.1f} ms (95th percentile).

{behaviour}{_public_section(result)}
![Reliability of P(grade >= 2) and scores by true grade](calibration.png)

## Known weaknesses

- About {result["messages"]["dev"] // len(languages)} dev messages a language: the figures of one language are
  uncertain by several points.
- The messages were written for this project, not collected from a help desk. Real mail will differ: measure on your
  own.
- Largest mean errors, in grades of 0 to 3: {_worst(result)}.
- Other languages than those listed are scored all the same, at an unknown quality.
"""
