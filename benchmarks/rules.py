"""How well the rules do on the cases and drafts of the tests: the figures of docs/rules.md."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from model.cores import available_cores
from model.scorer import Scorer
from service.decision import Thresholds
from service.policy import load_policy
from service.trial import DraftTrial, Trial, read_cases, try_contexts, try_drafts

DATA = Path("tests/data")
PAGE = Path("docs/rules.md")


def _cases(folder: Path) -> dict[str, list[dict[str, Any]]]:
    """By language."""
    return {path.stem: read_cases([path]) for path in sorted(folder.glob("*.jsonl"))}


def _percent(value: float | None) -> str:
    return "-" if value is None else f"{100 * value:.0f} %"


def render(contexts: Trial, drafts: dict[str, DraftTrial], held_out: dict[str, DraftTrial], version: str) -> str:
    """The section between the page's marks."""
    lines = [
        f"Checkpoint {version}. Messages with their context ({contexts.total['flag']} cases), as expected:\n",
        "| flag | priority | respond_by | team | safe_to_close | all |",
        "| --- " * 6 + "|",
        "| "
        + " | ".join(
            f"{contexts.held[key]} of {contexts.total[key]} ({_percent(contexts.held[key] / contexts.total[key])})"
            for key in ("flag", "priority", "respond_by", "team", "safe_to_close")
        )
        + f" | {_percent(contexts.held.total() / contexts.total.total())} |\n",
        "Those that differ:\n",
    ]
    for failure in contexts.failures:
        differing = ", ".join(
            f"{key} {json.dumps(value)} for {json.dumps(failure['expected'][key])}"
            for key, value in failure["found"].items()
        )
        scores = f"anger {failure['anger']}, urgency {failure['urgency']}"
        lines.append(f"- {failure['id']}: {differing} ({scores})")
    lines += [
        "\nFindings in drafts. Phrases were corrected on the first set, never on the held-out one.\n",
        "| language | right | wrong | missed | precision | recall | held out | wrong | missed | precision | recall |",
        "| --- " * 11 + "|",
    ]
    for language in [*drafts, "all"]:
        cells = []
        for trials in (drafts, held_out):
            own = _sum(trials) if language == "all" else trials.get(language, DraftTrial())
            cells.append(
                f"{own.right.total()} | {own.wrong.total()} | {own.missed.total()} | "
                f"{_percent(own.precision)} | {_percent(own.recall)}"
            )
        lines.append(f"| {language} | {cells[0]} | {cells[1]} |")
    total, unseen = _sum(drafts), _sum(held_out)
    lines += [
        "\nBy fault, precision and recall (held out in brackets):\n",
        "| fault | precision | recall |",
        "| --- " * 3 + "|",
    ]
    for code in sorted(total.right | total.missed):
        lines.append(
            f"| {code} | {_of(total, code, 'wrong')} ({_of(unseen, code, 'wrong')}) | "
            f"{_of(total, code, 'missed')} ({_of(unseen, code, 'missed')}) |"
        )
    return "\n".join(lines)


def _of(trial: DraftTrial, code: str, other: str) -> str:
    whole = trial.right[code] + getattr(trial, other)[code]
    return _percent(trial.right[code] / whole if whole else None)


def _sum(trials: dict[str, DraftTrial]) -> DraftTrial:
    total = DraftTrial()
    for trial in trials.values():
        total.right.update(trial.right)
        total.wrong.update(trial.wrong)
        total.missed.update(trial.missed)
    return total


def main() -> None:
    """Measure, and write the figures into the page."""
    scorer = Scorer.load(threads=available_cores())
    thresholds = Thresholds(**scorer.thresholds)
    cases = read_cases(sorted((DATA / "contexts").glob("*.jsonl")))
    contexts = try_contexts(cases, scorer, load_policy(), thresholds)
    drafts, held_out = (
        {language: try_drafts(cases, scorer, thresholds) for language, cases in _cases(DATA / name).items()}
        for name in ("drafts", "held_out")
    )
    section = render(contexts, drafts, held_out, scorer.version)
    page = PAGE.read_text(encoding="utf-8")
    page = re.sub(
        r"(<!-- rules -->\n).*?(<!-- /rules -->)", lambda m: f"{m[1]}{section}\n{m[2]}", page, flags=re.DOTALL
    )
    PAGE.write_text(page, encoding="utf-8")


if __name__ == "__main__":
    main()
