from datetime import UTC, datetime, timedelta

import pytest

from model.scorer import DimensionScore, Score
from service.policy import RESPOND_WITHIN, Thresholds, decide

NOW = datetime(2026, 1, 5, 12, tzinfo=UTC)
THRESHOLDS = Thresholds(anger=0.5, urgency=0.5)


def score(anger, urgency):
    """Scores of messages that surely have these grades."""

    def dimension(grade, names):
        return DimensionScore(grade / 3, names[grade], tuple(float(g == grade) for g in range(4)), 0.0)

    return Score(
        dimension(anger, ("calm", "annoyed", "angry", "furious")),
        dimension(urgency, ("none", "normal", "pressing", "critical")),
        windows=1,
    )


@pytest.mark.parametrize(
    ("anger", "urgency", "flag", "priority", "reasons"),
    [
        (0, 0, False, "low", ()),
        (0, 1, False, "normal", ()),
        (1, 1, False, "normal", ()),
        (2, 0, True, "high", ("anger_angry",)),
        (0, 2, True, "high", ("urgency_pressing",)),
        (0, 3, True, "urgent", ("urgency_critical",)),
        (3, 2, True, "urgent", ("urgency_pressing", "anger_furious")),
        (3, 0, True, "high", ("anger_furious",)),
    ],
)
def test_flag_and_priority(anger, urgency, flag, priority, reasons):
    decision = decide(score(anger, urgency), THRESHOLDS, now=NOW)
    assert (decision.flag, decision.priority, decision.reasons) == (flag, priority, reasons)
    assert decision.respond_by == NOW + RESPOND_WITHIN[priority]


def test_the_clock_starts_when_the_customer_began_to_wait():
    decision = decide(score(0, 1), THRESHOLDS, now=NOW, waiting_since=NOW - timedelta(hours=20))
    assert decision.respond_by == NOW + timedelta(hours=4)


def test_what_is_overdue_is_due_now():
    decision = decide(score(2, 0), THRESHOLDS, now=NOW, waiting_since=NOW - timedelta(days=9))
    assert decision.respond_by == NOW


def test_more_of_either_never_lowers_the_priority():
    order = ["low", "normal", "high", "urgent"]
    rank = {(a, u): order.index(decide(score(a, u), THRESHOLDS, now=NOW).priority) for a in range(4) for u in range(4)}
    assert all(rank[a, u] <= rank[min(a + 1, 3), u] and rank[a, u] <= rank[a, min(u + 1, 3)] for a, u in rank)


def test_a_clock_ahead_of_ours_does_not_postpone_the_answer():
    decision = decide(score(0, 3), THRESHOLDS, now=NOW, waiting_since=NOW + timedelta(hours=23))
    assert decision.respond_by == NOW + RESPOND_WITHIN["urgent"]
