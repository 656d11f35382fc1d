"""An agent's draft, checked against the rules of good service. Rather silent than wrong: a false alarm costs trust."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import regex

from service.lexicon import FoldedText, lexicon_of
from service.signals import has_question_mark

if TYPE_CHECKING:
    from collections.abc import Iterator

    from model.scorer import Score
    from service.decision import Thresholds
    from service.lexicon import Lexicon

# Phrases that are a fault wherever they stand.
_PHRASES = ("arguing", "blame", "cold", "angry", "sent_on")
_MAX_FINDINGS = 50
_DIGIT = regex.compile(r"\d")
_SENTENCE_END = regex.compile(r"[.!?؟।\n]+")
# A draft of fewer words is a fragment, or a greeting: nothing is missing from it yet.
_LEAST_WORDS = 4
# The scorer learned from customers: below this it hears the customer's trouble in an agent's calm words.
_SURELY_ANGRY = 0.8
# Probability of grade >= 2 from which an apology is due beyond doubt.
_SURE = 0.6


@dataclass(frozen=True, slots=True)
class Finding:
    """A fault; ``start`` and ``end`` are None for what is missing."""

    code: str
    start: int | None = None
    end: int | None = None


@dataclass(frozen=True, slots=True)
class Exchange:
    """What the customer wrote and what the agent is about to send, both scored; ``customer`` may be unknown."""

    draft: str
    draft_score: Score
    language: str | None
    customer: str | None = None
    customer_score: Score | None = None


def check_reply(exchange: Exchange, thresholds: Thresholds) -> list[Finding]:
    """Faults of a draft: those with a place first, in order of place, then what is missing.

    Without a lexicon of the language only the draft's own anger is looked at.

    Args:
        exchange: the draft with the customer's message.
        thresholds: the scores that count as angry and pressing.
    """
    lexicon = lexicon_of(exchange.language)
    findings: list[Finding] = []
    draft = FoldedText(exchange.draft)
    if lexicon is not None:
        findings += _phrases(draft, lexicon)
        findings += _refusals(draft, lexicon)
    findings.sort(key=lambda finding: finding.start or 0)
    if exchange.draft_score.anger.score >= _SURELY_ANGRY and not any(f.code == "angry" for f in findings):
        findings.append(_angriest_part(exchange))
    if lexicon is not None and len(exchange.draft.split()) >= _LEAST_WORDS:
        findings += _missing(draft, exchange, lexicon, thresholds)
    return findings[:_MAX_FINDINGS]


def _phrases(draft: FoldedText, lexicon: Lexicon) -> Iterator[Finding]:
    for code in _PHRASES:
        last = -1
        for match in draft.find_all(lexicon.pattern("reply", code)):
            if match.start >= last:
                yield Finding(code, match.start, match.end)
                last = match.end


def _refusals(draft: FoldedText, lexicon: Lexicon) -> Iterator[Finding]:
    """A no is flat when nothing in the draft says what is possible, or what will be done and when."""
    refusal = lexicon.first(draft, "reply", "refusal")
    if refusal is None:
        return
    if any(lexicon.has(draft, "reply", key) for key in ("alternative", "next_step", "done", "time")):
        return
    yield Finding("flat_refusal", refusal.start, refusal.end)


def _angriest_part(exchange: Exchange) -> Finding:
    """The sentence that holds the word with the largest share of the draft's anger."""
    shares = exchange.draft_score.explanation
    if not shares:
        return Finding("angry")
    word = max(shares, key=lambda share: share.anger)
    ends = [match.end() for match in _SENTENCE_END.finditer(exchange.draft)]
    start = max((end for end in ends if end <= word.start), default=0)
    end = min((end for end in ends if end >= word.end), default=len(exchange.draft))
    while start < end and exchange.draft[start].isspace():
        start += 1
    return Finding("angry", start, end)


def _missing(draft: FoldedText, exchange: Exchange, lexicon: Lexicon, thresholds: Thresholds) -> Iterator[Finding]:
    customer, score = exchange.customer, exchange.customer_score
    if customer is None or score is None:
        return
    words = FoldedText(customer)
    if _surely_angry(score) and not lexicon.has(draft, "reply", "apology"):
        yield Finding("no_apology")
    timed = lexicon.has(draft, "reply", "time")
    if _leaves_open(words, draft, score, thresholds, lexicon):
        if lexicon.has(draft, "reply", "promise"):
            if not timed:
                yield Finding("no_time")
        elif not timed and not any(lexicon.has(draft, "reply", key) for key in ("next_step", "alternative")):
            yield Finding("no_next_step")
    if _unanswered(words, draft, lexicon, timed=timed):
        yield Finding("unanswered_question")


def _leaves_open(
    customer: FoldedText, draft: FoldedText, score: Score, thresholds: Thresholds, lexicon: Lexicon
) -> bool:
    """Whether the customer has trouble that the draft neither ends, nor refuses to end, nor asks about."""
    trouble = score.anger.grades[0] < 0.5 or score.urgency.score >= thresholds.urgency
    if not trouble or has_question_mark(draft.text):
        return False
    ends = any(lexicon.has(draft, "reply", key) for key in ("done", "refusal"))
    return not ends and not lexicon.has(customer, "signals", "solved")


def _surely_angry(score: Score) -> bool:
    return sum(score.anger.grades[2:]) >= _SURE


def _unanswered(customer: FoldedText, draft: FoldedText, lexicon: Lexicon, *, timed: bool) -> bool:
    """Asked when or how much, and the draft has neither a time nor a figure."""
    if timed or _DIGIT.search(draft.text) or not has_question_mark(customer.text):
        return False
    return any(lexicon.has(customer, "signals", key) for key in ("asks_when", "asks_amount"))
