from datetime import UTC, datetime, timedelta

from scores import score

from service.trajectory import Turn, follow

NOW = datetime(2026, 1, 5, 12, tzinfo=UTC)


def at(minutes):
    return NOW - timedelta(minutes=minutes)


def test_a_single_message():
    alone = follow([], score(2, 1), NOW)
    assert (alone.unanswered, alone.unanswered_since, alone.trend) == (1, None, "steady")
    assert (alone.turns_since_peak, alone.seconds_since_peak) == (0, 0)
    assert not alone.angrier_after_reply


def test_peak_and_trend():
    turns = [Turn(True, at(60), score(3, 0)), Turn(False, at(50), None), Turn(True, at(40), score(1, 0))]
    found = follow(turns, score(0, 0), NOW)
    assert (found.peak_anger, found.turns_since_peak, found.seconds_since_peak) == (1.0, 2, 3600)
    assert found.trend == "falling"
    assert follow([Turn(True, None, score(0, 0))], score(2, 0), NOW).trend == "rising"


def test_unanswered_messages_and_since_when():
    turns = [Turn(True, at(90), score(1, 1)), Turn(False, at(80), None), Turn(True, at(30), score(0, 1))]
    found = follow(turns, score(0, 0), NOW)
    assert (found.unanswered, found.unanswered_since, len(found.open_scores)) == (2, at(30), 2)


def test_times_that_contradict_the_order_tell_nothing():
    turns = [Turn(True, at(10), score(3, 0)), Turn(True, at(90), score(0, 1))]
    found = follow(turns, score(0, 0), NOW)
    assert found.unanswered_since is None
    assert found.seconds_since_peak is None


def test_a_time_ahead_of_now_counts_as_now():
    found = follow([Turn(True, at(-30), score(3, 1))], score(0, 0), NOW)
    assert found.unanswered_since == NOW
    assert found.seconds_since_peak == 0


def test_a_thread_of_agents_alone():
    found = follow([Turn(False, None, None)] * 3, score(3, 0), NOW)
    assert (found.unanswered, found.angrier_after_reply, found.trend) == (1, False, "steady")


def test_unscored_messages_far_back_do_not_count():
    turns = [Turn(True, at(500), None)] * 30 + [Turn(True, at(5), score(1, 0))]
    assert follow(turns, score(1, 0), NOW).unanswered == 2


def test_anger_across_the_answer():
    def across(before, now):
        turns = [Turn(True, None, score(before, 0)), Turn(False, None, None)]
        return follow(turns, score(now, 0), NOW).angrier_after_reply

    assert across(1, 2)
    assert across(2, 3)
    assert not across(2, 2)
    assert not across(0, 1)
    assert not across(3, 2)
