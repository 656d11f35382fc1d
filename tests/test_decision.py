from datetime import UTC, datetime, timedelta

import pytest
from scores import score

from service.decision import PRIORITIES, Context, Thresholds, decide, merged_thresholds
from service.policy import load_policy
from service.trajectory import Turn, follow

NOW = datetime(2026, 1, 5, 12, tzinfo=UTC)
THRESHOLDS = Thresholds(anger=0.5, urgency=0.5)
POLICY = load_policy()
EMAIL = POLICY.rules_for("email", None, None)
CHAT = POLICY.rules_for("chat", None, None)


def ago(**time):
    return NOW - timedelta(**time)


def decided(anger, urgency, turns=(), rules=EMAIL, thresholds=THRESHOLDS, **context):
    trajectory = follow(turns, score(anger, urgency), NOW)
    return decide(trajectory, thresholds, rules, Context(**context), now=NOW)


@pytest.mark.parametrize(
    ("anger", "urgency", "flag", "priority", "reasons"),
    [
        (0, 0, False, "low", ()),
        (0, 1, False, "normal", ("urgency_normal",)),
        (1, 1, False, "normal", ("urgency_normal", "anger_annoyed")),
        (2, 0, True, "high", ("anger_angry",)),
        (0, 2, True, "high", ("urgency_pressing",)),
        (0, 3, True, "urgent", ("urgency_critical",)),
        (3, 2, True, "urgent", ("urgency_pressing", "anger_furious")),
        (3, 0, True, "high", ("anger_furious",)),
    ],
)
def test_flag_and_priority_from_the_scores_alone(anger, urgency, flag, priority, reasons):
    decision = decided(anger, urgency)
    assert (decision.flag, decision.priority, decision.reasons) == (flag, priority, reasons)
    assert decision.respond_by == NOW + getattr(EMAIL.respond_within, priority)


def test_more_of_either_never_lowers_the_priority():
    rank = {(a, u): PRIORITIES.index(decided(a, u).priority) for a in range(4) for u in range(4)}
    assert all(rank[a, u] <= rank[min(a + 1, 3), u] and rank[a, u] <= rank[a, min(u + 1, 3)] for a, u in rank)


@pytest.mark.parametrize(
    ("context", "reason"),
    [
        ({"contacts": 3}, "repeated_contact"),
        ({"transfers": 2}, "sent_around"),
        ({"transfers": 1, "sent_around": True}, "sent_around"),
        ({"waiting_since": ago(hours=25)}, "long_wait"),
    ],
)
def test_context_raises_the_priority_by_one_step(context, reason):
    for anger, priority in ((0, "normal"), (1, "high"), (2, "urgent")):
        decision = decided(anger, 0, **context)
        assert (decision.priority, reason in decision.reasons) == (priority, True)


@pytest.mark.parametrize(
    "context",
    [
        {"contacts": 2},
        {"transfers": 1},
        {"sent_around": True},
        {"waiting_since": ago(hours=23)},
        {"waiting_since": NOW + timedelta(hours=1)},
    ],
)
def test_less_context_raises_nothing(context):
    assert decided(1, 0, **context).priority == "normal"


def test_many_reasons_raise_it_once_and_a_tier_once_more():
    context = {"contacts": 5, "transfers": 4, "waiting_since": ago(days=9)}
    assert decided(1, 0, **context).priority == "high"
    tier = EMAIL.model_copy(update={"raise_priority": True})
    decision = decided(1, 0, rules=tier, **context)
    assert (decision.priority, decision.reasons[-1]) == ("urgent", "tier")


def test_the_clock_starts_when_the_customer_began_to_wait():
    assert decided(0, 1, waiting_since=ago(hours=20)).respond_by == NOW + timedelta(hours=4)
    assert decided(2, 0, waiting_since=ago(days=9)).respond_by == NOW, "what is overdue is due now"
    ahead = decided(0, 3, waiting_since=NOW + timedelta(hours=23))
    assert ahead.respond_by == NOW + EMAIL.respond_within.urgent, "a clock ahead of ours postpones nothing"


def test_patience_and_times_are_of_the_channel():
    assert decided(0, 1, rules=CHAT, waiting_since=ago(minutes=11)).priority == "high"
    assert decided(0, 1, rules=EMAIL, waiting_since=ago(minutes=11)).priority == "normal"
    assert decided(2, 0, rules=CHAT).respond_by == NOW + timedelta(minutes=5)


def test_a_nudge_after_silence_carries_what_it_waits_for():
    turns = [Turn(True, ago(hours=1), score(2, 1))]
    decision = decided(0, 0, turns, rules=CHAT)
    assert decision.priority == "urgent"
    assert set(decision.reasons) == {"anger_angry", "long_wait", "unanswered"}
    assert decision.respond_by == NOW
    answered = [*turns, Turn(False, ago(minutes=50), None)]
    assert decided(0, 0, answered, rules=CHAT).priority == "low", "answered anger counts no more"


def test_without_a_clock_the_third_message_in_a_row_raises():
    once, twice = [Turn(True, None, score(0, 1))], [Turn(True, None, score(0, 1))] * 2
    assert decided(0, 1, once).priority == "normal"
    assert decided(0, 1, twice).reasons[-1] == "unanswered"


def test_anger_after_our_answer_raises():
    turns = [Turn(True, None, score(1, 0)), Turn(False, None, None)]
    assert decided(2, 0, turns).reasons == ("anger_angry", "anger_rising")
    assert decided(1, 0, [Turn(True, None, score(0, 0)), Turn(False, None, None)]).priority == "normal"


def test_danger_is_flagged_whatever_the_threshold():
    strict = Thresholds(1.0, 1.0)
    assert decided(3, 2, thresholds=Thresholds(1.1, 1.1)).flag is False
    assert decided(0, 3, thresholds=strict).priority == "urgent"


def test_words_of_the_message_count():
    assert decided(0, 2, grave=True).priority == "urgent"
    assert decided(0, 1, grave=True).priority == "normal", "not pressing"
    assert decided(0, 1, solved=True).priority == "low"
    assert decided(2, 0, solved=True).priority == "high", "angry all the same"


def test_an_owner_is_asked_for_when_the_customer_had_to_repeat():
    assert decided(1, 0, contacts=3).owner
    assert decided(1, 0, transfers=2).owner
    assert not decided(1, 0, waiting_since=ago(days=3)).owner


@pytest.mark.parametrize(
    ("anger", "urgency", "mood"),
    [(3, 3, "critical"), (3, 2, "furious"), (2, 0, "angry"), (1, 2, "annoyed"), (0, 2, "calm")],
)
def test_mood(anger, urgency, mood):
    assert decided(anger, urgency).mood == mood


def test_thresholds_of_the_policy_come_first():
    own = EMAIL.model_copy(update={"anger_threshold": 0.9})
    assert merged_thresholds(THRESHOLDS, own) == Thresholds(0.9, 0.5)
