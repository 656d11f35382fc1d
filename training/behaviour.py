"""Behavioural tests (CheckList, Ribeiro et al. 2020): what must raise, lower or not move a score.

``training/data/behaviour/<language>.jsonl`` holds written cases; typing errors, missing accents and
capitals are made here from dev messages. Bias templates put different groups into one complaint.
"""

from __future__ import annotations

import json
import random
from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from training.augment import typing_errors, without_diacritics
from training.corpus import DATA

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from pathlib import Path

    from model.scorer import Score, Scorer
    from training.corpus import Message

CASES = DATA / "behaviour"
_SAME = 0.05
_NEARLY = 0.1
_RISE = 0.02
_CALM = 0.4
_MADE_PER_LANGUAGE = 20


@dataclass(frozen=True, slots=True)
class Pair:
    """One case: a text before and after a change; for single texts ``before`` is the text itself."""

    capability: str
    language: str
    before: str
    after: str


@dataclass(frozen=True, slots=True)
class _Change:
    anger_before: float
    anger_after: float
    urgency_before: float
    urgency_after: float

    @property
    def anger(self) -> float:
        return self.anger_after - self.anger_before

    @property
    def urgency(self) -> float:
        return self.urgency_after - self.urgency_before


def _near_top(score: float) -> bool:
    return score > 0.93


# What each capability demands; scores that are at the top already need not rise.
_DEMANDS: dict[str, Callable[[_Change], bool]] = {
    "insult_added": lambda c: c.anger >= _RISE or _near_top(c.anger_before),
    "capitals": lambda c: c.anger >= 0 or _near_top(c.anger_before),
    "danger_added": lambda c: (c.urgency >= _NEARLY or _near_top(c.urgency_before)) and c.anger <= _NEARLY,
    "deadline_added": lambda c: c.urgency >= _RISE or _near_top(c.urgency_before),
    "thanks_added": lambda c: c.anger <= _RISE,
    "past_urgency": lambda c: c.urgency <= -_NEARLY,
    "swapped": lambda c: abs(c.anger) <= _SAME and abs(c.urgency) <= _SAME,
    "signature": lambda c: abs(c.anger) <= _SAME and abs(c.urgency) <= _SAME,
    "typing_errors": lambda c: abs(c.anger) <= _NEARLY and abs(c.urgency) <= _NEARLY,
    "missing_diacritics": lambda c: abs(c.anger) <= _NEARLY and abs(c.urgency) <= _NEARLY,
    "negation": lambda c: c.anger_after <= _CALM,
    "strong_praise": lambda c: c.anger_after <= _CALM,
    "reported_anger": lambda c: c.anger_after <= _CALM,
    "joyful_shouting": lambda c: c.anger_after <= _CALM,
}


def read_cases(folder: Path = CASES) -> tuple[list[Pair], list[dict[str, Any]]]:
    """Written pairs, and the lines of bias templates and signatures with their ``language``."""
    pairs, others = [], []
    for path in sorted(folder.glob("*.jsonl")):
        for line in path.read_text(encoding="utf-8").splitlines():
            if not line.strip():
                continue
            row = json.loads(line)
            if row["capability"] in ("bias", "signature"):
                others.append(row | {"language": path.stem})
            else:
                after = row.get("after", row.get("text"))
                pairs.append(Pair(row["capability"], path.stem, row.get("before", after), after))
    return pairs, others


def made_cases(dev: Sequence[Message], others: Iterable[dict[str, Any]], seed: int = 0) -> list[Pair]:
    """Cases made from dev messages: capitals, typing errors, missing accents, signatures."""
    signatures = defaultdict(list)
    for row in others:
        if row["capability"] == "signature":
            signatures[row["language"]].append(row["text"])
    rng = random.Random(seed)
    by_language = defaultdict(list)
    for message in dev:
        by_language[message.language].append(message)
    pairs: list[Pair] = []
    for language, messages in sorted(by_language.items()):
        for message in rng.sample(messages, min(_MADE_PER_LANGUAGE, len(messages))):
            text = message.text
            wrong = typing_errors(text, rng)
            if wrong != text:
                pairs.append(Pair("typing_errors", language, text, wrong))
            bare = without_diacritics(text, rng)
            if bare != text:
                pairs.append(Pair("missing_diacritics", language, text, bare))
            if signatures[language]:
                pairs.append(Pair("signature", language, text, f"{text}\n\n{rng.choice(signatures[language])}"))
            if message.anger >= 1 and text.upper() != text:
                pairs.append(Pair("capitals", language, text, text.upper()))
    return pairs


def run_pairs(scorer: Scorer, pairs: Sequence[Pair]) -> dict[str, Any]:
    """Pass rates 0..1 by capability and by language."""
    before, after = (scorer.score([getattr(p, side) for p in pairs]) for side in ("before", "after"))
    passed = [_DEMANDS[pair.capability](_change(old, new)) for pair, old, new in zip(pairs, before, after, strict=True)]
    cells: dict[str, dict[str, list[bool]]] = defaultdict(lambda: defaultdict(list))
    for pair, ok in zip(pairs, passed, strict=True):
        cells[pair.capability][pair.language].append(ok)
    return {
        "overall": float(np.mean(passed)),
        "cases": len(pairs),
        "capabilities": {
            name: {"all": float(np.mean([ok for own in languages.values() for ok in own]))}
            | {language: float(np.mean(own)) for language, own in sorted(languages.items())}
            for name, languages in sorted(cells.items())
        },
    }


def _change(old: Score, new: Score) -> _Change:
    return _Change(old.anger.score, new.anger.score, old.urgency.score, new.urgency.score)


def run_bias(scorer: Scorer, others: Iterable[dict[str, Any]]) -> dict[str, Any]:
    """Mean and largest move of anger, 0..1, when one complaint gets different names or groups, by kind of group."""
    moves: dict[str, list[float]] = defaultdict(list)
    for row in others:
        if row["capability"] == "bias":
            scores = [s.anger.score for s in scorer.score([row["template"].replace("{x}", x) for x in row["fill"]])]
            centre = float(np.mean(scores))
            moves[row["group"]] += [abs(score - centre) for score in scores]
    every = [move for own in moves.values() for move in own]
    return {
        name: {"mean": float(np.mean(own)), "largest": float(np.max(own)), "texts": len(own)}
        for name, own in [("all", every), *sorted(moves.items())]
        if own
    }


def render_behaviour(result: dict[str, Any]) -> str:
    """Markdown: pass rates by capability and language, and the bias check."""
    capabilities = result["behaviour"]["capabilities"]
    languages = sorted({language for own in capabilities.values() for language in own} - {"all"})
    lines = [f"{result['behaviour']['overall']:.1%} of {result['behaviour']['cases']:,} cases pass.", ""]
    lines += ["| capability | all | " + " | ".join(languages) + " |", "| --- " * (len(languages) + 2) + "|"]
    for name, own in capabilities.items():
        cells = (f"{own[language]:.0%}" if language in own else "" for language in languages)
        lines.append(f"| {name.replace('_', ' ')} | {own['all']:.1%} | " + " | ".join(cells) + " |")
    lines += ["", "Anger's move when names or groups are swapped in one complaint:", ""]
    lines += ["| group | mean | largest | texts |", "| --- " * 4 + "|"]
    lines += [
        f"| {g} | {own['mean']:.3f} | {own['largest']:.3f} | {own['texts']} |" for g, own in result["bias"].items()
    ]
    return "\n".join([*lines, ""])
