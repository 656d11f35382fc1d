"""``python -m service.trial``: what the policy makes of cases whose right answer is known."""

from __future__ import annotations

import json
import sys
from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from tqdm import tqdm

from model.checkpoint import DEFAULT_CHECKPOINT
from model.cores import available_cores
from model.language import language_of
from service.advice import advice_fields, advise, scored_texts
from service.decision import Thresholds, merged_thresholds
from service.policy import Policy, PolicyError, load_policy
from service.reply_check import Exchange, check_reply
from service.schemas import ScoreRequest

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from model.scorer import Scorer

_COMPARED = ("flag", "priority", "respond_by", "team", "safe_to_close")
_ENGINES = click.Choice(["auto", "openvino", "onnxruntime", "torch"])


@dataclass
class Trial:
    """How many expectations held, and which did not."""

    held: Counter[str] = field(default_factory=Counter)
    total: Counter[str] = field(default_factory=Counter)
    failures: list[dict[str, Any]] = field(default_factory=list)


@dataclass
class DraftTrial:
    """Findings by code: right, wrong (none expected), missed."""

    right: Counter[str] = field(default_factory=Counter)
    wrong: Counter[str] = field(default_factory=Counter)
    missed: Counter[str] = field(default_factory=Counter)
    failures: list[dict[str, Any]] = field(default_factory=list)

    @property
    def precision(self) -> float | None:
        """Share of findings that were right."""
        found = self.right.total() + self.wrong.total()
        return self.right.total() / found if found else None

    @property
    def recall(self) -> float | None:
        """Share of faults that were found."""
        faults = self.right.total() + self.missed.total()
        return self.right.total() / faults if faults else None


def read_cases(paths: Sequence[Path]) -> list[dict[str, Any]]:
    """The cases of JSON Lines files; those of a file named after a language (``nl.jsonl``) are in it."""
    cases = []
    for path in paths:
        own = {"language": path.stem} if len(path.stem) == 2 else {}
        lines = path.read_text(encoding="utf-8").splitlines()
        cases += [own | json.loads(line) for line in lines if line.strip()]
    return cases


def try_contexts(cases: Sequence[dict[str, Any]], scorer: Scorer, policy: Policy, thresholds: Thresholds) -> Trial:
    """Decide about each case at its own ``now`` and compare with what it expects."""
    trial = Trial()
    for case in tqdm(cases, desc="contexts", unit="case", disable=None):
        request = ScoreRequest.model_validate({**case["request"], "handover": True})
        score, *earlier = scorer.score(scored_texts(request), explain=True)
        language = request.language or case.get("language") or language_of(request.text.lower())
        now = datetime.fromisoformat(case["now"])
        advice = advise(request, score, earlier, language, policy, thresholds, now=now)
        found = advice_fields(advice, lambda score=score: score, policy)  # type: ignore[misc]
        found |= {"flag": advice.decision.flag, "team": found["handover"]["who"]["team"]}
        expected = {key: case["expect"][key] for key in _COMPARED if key in case["expect"]}
        differing = {key: found.get(key) for key, value in expected.items() if found.get(key) != value}
        trial.total.update(expected.keys())
        trial.held.update(key for key in expected if key not in differing)
        if differing:
            grades = {"anger": round(score.anger.score, 3), "urgency": round(score.urgency.score, 3)}
            trial.failures.append({"id": case["id"], "found": differing, "expected": expected, **grades})
    return trial


def try_drafts(cases: Sequence[dict[str, Any]], scorer: Scorer, thresholds: Thresholds) -> DraftTrial:
    """Check each draft and compare the codes with those it should have."""
    trial = DraftTrial()
    for case in tqdm(cases, desc="drafts", unit="draft", disable=None):
        draft, customer = scorer.score([case["draft"], case["customer"]], explain=[True, False])
        language = case.get("language") or language_of(case["draft"].lower())
        exchange = Exchange(case["draft"], draft, language, case["customer"], customer)
        found = {finding.code for finding in check_reply(exchange, thresholds)}
        expected = set(case["findings"])
        trial.right.update(found & expected)
        trial.wrong.update(found - expected)
        trial.missed.update(expected - found)
        if found != expected:
            wrong, missed = sorted(found - expected), sorted(expected - found)
            trial.failures.append({"id": case["id"], "wrong": wrong, "missed": missed})
    return trial


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
def main() -> None:
    """Try a policy on cases whose right answer is known, before customers do."""


def _options(command: Callable[..., None]) -> Callable[..., None]:
    """What both commands take."""
    path, file = click.Path(path_type=Path), click.Path(exists=True, dir_okay=False, path_type=Path)
    for option in (
        click.option("--failures/--no-failures", default=True, help="List what differed, as JSON lines."),
        click.option("--engine", type=_ENGINES, default="auto", show_default=True),
        click.option("--policy", type=path, default=None, help="Policy file; without it Kalm's own."),
        click.option("--checkpoint", type=path, default=DEFAULT_CHECKPOINT, help="Checkpoint directory."),
        click.argument("files", nargs=-1, required=True, type=file),
    ):
        command = option(command)
    return command


def _ready(checkpoint: Path, policy: Path | None, engine: str) -> tuple[Scorer, Policy, Thresholds]:
    from model.errors import ModelError
    from model.scorer import Scorer

    try:
        scorer = Scorer.load(checkpoint, engine=engine, threads=available_cores())
        loaded = load_policy(policy)
    except (ModelError, PolicyError) as error:
        raise click.ClickException(str(error)) from error
    rules = loaded.rules_for(None, None, None)
    return scorer, loaded, merged_thresholds(Thresholds(**scorer.thresholds), rules)


@main.command()
@_options
def contexts(files: tuple[Path, ...], checkpoint: Path, policy: Path | None, engine: str, failures: bool) -> None:
    """Messages with their context: flag, priority, time to answer, team, and whether to close.

    Each line of FILES is {"id", "now", "request": {as POST /v1/score}, "expect": {"flag", "priority", "respond_by",
    "team", "safe_to_close"}}; what is not expected is not compared. A file named after a language (nl.jsonl) is in it.
    """
    scorer, loaded, thresholds = _ready(checkpoint, policy, engine)
    trial = try_contexts(read_cases(files), scorer, loaded, thresholds)
    for key in _COMPARED:
        if trial.total[key]:
            click.echo(
                f"{key:14} {trial.held[key]:4} of {trial.total[key]:4}  {trial.held[key] / trial.total[key]:.1%}"
            )
    click.echo(f"{'all':14} {trial.held.total():4} of {trial.total.total():4}  {_share(trial):.1%}")
    if failures:
        _print(trial.failures)


@main.command()
@_options
def drafts(files: tuple[Path, ...], checkpoint: Path, policy: Path | None, engine: str, failures: bool) -> None:
    """Agents' drafts: which faults are found.

    Each line of FILES is {"id", "customer", "draft", "findings": [codes]}.
    """
    scorer, _, thresholds = _ready(checkpoint, policy, engine)
    trial = try_drafts(read_cases(files), scorer, thresholds)
    click.echo(f"{'':22} right  wrong  missed")
    for code in sorted(trial.right | trial.wrong | trial.missed):
        click.echo(f"{code:22} {trial.right[code]:5} {trial.wrong[code]:6} {trial.missed[code]:7}")
    click.echo(f"precision {_percent(trial.precision)}, recall {_percent(trial.recall)}")
    if failures:
        _print(trial.failures)


def _share(trial: Trial) -> float:
    return trial.held.total() / max(1, trial.total.total())


def _percent(value: float | None) -> str:
    return "-" if value is None else f"{value:.1%}"


def _print(failures: Sequence[dict[str, Any]]) -> None:
    for failure in failures:
        sys.stdout.write(json.dumps(failure, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main()
