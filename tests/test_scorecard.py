"""Counts, the database they go through, and what is made of them."""

import threading
from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa
from scores import score

from service.budget import BudgetedThresholds, budget_factor, severity_bin
from service.decision import Thresholds
from service.policy import AlertBudget
from service.scorecard import Period, current_alarms, length_bin, scorecard, stability_index
from service.silence import WEEK
from service.tally import BINS, Cell, Observation, Tally, default_url, hour_of, score_bin

NOW = datetime(2026, 1, 5, 12, 30, tzinfo=UTC)
HOUR = hour_of(NOW)


@pytest.fixture
def tally(tmp_path):
    tally = Tally(f"sqlite:///{tmp_path / 'kalm.db'}")
    yield tally
    tally.close()


def seen(*measures, channel="email", language="nl"):
    return Observation(channel, language, ("messages", *measures))


def test_counts_survive_a_restart_and_add_up(tmp_path):
    url = f"sqlite:///{tmp_path / 'kalm.db'}"
    for _ in range(2):
        tally = Tally(url)
        tally.add(seen("flags"), NOW)
        tally.add(seen(), NOW)
        tally.close()
    again = Tally(url)
    assert again.read(HOUR, HOUR + 1) == {
        Cell(HOUR, "email", "nl", "messages"): 4,
        Cell(HOUR, "email", "nl", "flags"): 2,
    }
    assert again.read(HOUR + 1, HOUR + 2) == {}
    again.close()


def test_two_processes_write_into_one_file(tmp_path):
    url = f"sqlite:///{tmp_path / 'kalm.db'}"
    tallies = [Tally(url) for _ in range(4)]

    def work(tally):
        for _ in range(50):
            tally.add(seen(), NOW)
            tally.flush()

    threads = [threading.Thread(target=work, args=(tally,)) for tally in tallies]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert tallies[0].read(HOUR, HOUR + 1)[Cell(HOUR, "email", "nl", "messages")] == 200
    for tally in tallies:
        tally.close()


def test_a_database_that_is_away_is_survived(tmp_path, caplog):
    folder = tmp_path / "away"
    tally = Tally(f"sqlite:///{folder / 'kalm.db'}")
    tally.add(seen(), NOW)
    assert not tally.flush()
    assert tally.error == "OperationalError"
    assert str(folder) not in caplog.text
    folder.mkdir()
    assert tally.flush()
    assert tally.error is None
    assert tally.read(HOUR, HOUR + 1)[Cell(HOUR, "email", "nl", "messages")] == 1
    tally.close()


def test_what_is_kept_meanwhile_is_bounded(monkeypatch, tmp_path):
    monkeypatch.setattr("service.tally._MAX_CELLS", 3)
    tally = Tally(f"sqlite:///{tmp_path / 'none' / 'kalm.db'}")
    for hour in range(5):
        tally.add(Observation(None, None, ("messages",)), NOW + timedelta(hours=hour))
    tally.add(Observation(None, None, ("messages",)), NOW)
    assert tally.dropped == 2
    tally.close()


def test_old_counts_are_deleted(tally):
    tally.add(seen(), NOW - timedelta(days=500))
    tally.flush()
    tally.add(seen(), NOW)
    assert len(tally.read(0, HOUR + 1)) == 1


def test_the_default_place_is_the_state_folder(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    assert default_url() == f"sqlite:///{tmp_path / 'kalm' / 'kalm.db'}"
    blocked = tmp_path / "file"
    blocked.write_text("")
    monkeypatch.setenv("XDG_STATE_HOME", str(blocked))
    assert default_url() == "sqlite://"


def test_bins():
    assert [score_bin(value) for value in (0, 0.049, 0.05, 0.999, 1)] == [0, 0, 1, BINS - 1, BINS - 1]
    assert [length_bin(n) for n in (0, 1, 2, 3, 20_000)] == [0, 1, 2, 2, 15]


def test_the_scorecard(tally):
    for _ in range(3):
        tally.add(seen("complaints", "flags", "priority.high", "keyword", "both", "anger.15"), NOW)
    tally.add(seen("keyword", "priority.low", "anger.1", channel="chat", language=None), NOW)
    tally.add(seen("priority.low", "anger.1"), NOW - timedelta(hours=30))
    found = scorecard(tally, 24, HOUR)
    assert found["current"] | {} == {
        "messages": 4, "complaints": 3, "complaint_share": 0.75, "flags": 3, "flag_share": 0.75,
        "by_priority": {"urgent": 0, "high": 3, "normal": 0, "low": 1}, "mean_anger": 0.6, "mean_urgency": None,
    }  # fmt: skip
    assert found["previous"]["messages"] == 1
    assert found["by_channel"] == [
        {"channel": "email", "messages": 3, "complaints": 3, "flags": 3},
        {"channel": "chat", "messages": 1, "complaints": 0, "flags": 0},
    ]
    assert found["by_language"][1]["language"] is None
    assert found["keyword_rule"] == {"flags": 4, "flagged_by_both": 3, "only_kalm": 0, "only_keywords": 1}
    assert found["drift"] == {"anger": None, "urgency": None, "length": None, "language": None, "drifted": []}


def test_drift():
    flat, moved = [100] * 4, [10, 10, 190, 190]
    assert stability_index(flat, flat) == 0
    assert stability_index(moved, flat) > 0.25
    assert stability_index([1, 2], [300, 400]) is None
    assert stability_index([0, 400], [400, 0]) > 1


def test_drift_is_named(tally):
    for index in range(300):
        tally.add(seen(f"anger.{index % 4}", "length.5"), NOW)
        tally.add(seen(f"anger.{10 + index % 4}", "length.5"), NOW - timedelta(days=1))
    drift = scorecard(tally, 12, HOUR)["drift"]
    assert drift["drifted"] == []
    drift = scorecard(tally, 24, HOUR)["drift"]
    assert drift["drifted"] == ["anger"]
    assert drift["length"] == 0


def test_alarms_by_channel_and_language():
    tally = Tally("sqlite://")
    cells = {}
    for hour in range(HOUR - 9 * WEEK - 48, HOUR):
        for channel in ("email", "form"):
            if channel == "email" or hour < HOUR - 12:
                cells[Cell(hour, channel, "nl", "messages")] = 20
                cells[Cell(hour, channel, "nl", "complaints")] = 8
    tally._write(cells)
    raised = {(a.kind, a.direction, a.series) for a in current_alarms(tally, HOUR)}
    assert ("volume", "low", "form/all") in raised
    assert ("volume", "low", "form/nl") in raised
    assert not any(series.startswith("email") for _, _, series in raised)
    tally.close()


BUDGET = AlertBudget.model_validate({"flags_per_day": 10, "window": "P2D", "least_messages": 50})
THRESHOLDS = Thresholds(0.5, 0.4)


def period(**measures):
    cells = {Cell(HOUR, "email", "nl", name.replace("__", ".")): count for name, count in measures.items()}
    return Period(HOUR - 47, HOUR + 1, cells)


def test_severity_is_how_far_a_score_is_to_a_flag():
    assert severity_bin(score(0, 0), THRESHOLDS) == 0
    assert severity_bin(score(3, 0), THRESHOLDS) == 40
    assert severity_bin(score(0, 2), THRESHOLDS) == 33


def test_the_factor_cuts_what_is_beyond_the_budget():
    assert budget_factor(period(messages=100, severity__30=15, severity__22=10), BUDGET) == pytest.approx(1.15)
    assert budget_factor(period(messages=100, severity__30=20), BUDGET) == 1.0
    assert budget_factor(period(messages=100, severity__30=25), BUDGET) == pytest.approx(1.55)
    assert budget_factor(period(messages=100, danger=15, severity__30=5, severity__22=1), BUDGET) == pytest.approx(1.15)
    assert budget_factor(period(messages=49, severity__30=40), BUDGET) == 1.0, "too few to tell"
    off = BUDGET.model_copy(update={"flags_per_day": 0})
    assert budget_factor(period(messages=100, severity__30=90), off) == 1.0


def test_thresholds_follow_the_counts(tally):
    budgeted = BudgetedThresholds(tally)
    assert budgeted.apply(THRESHOLDS, BUDGET, NOW) == THRESHOLDS
    for hour in range(48):
        for _ in range(2):
            tally.add(seen("severity.30"), NOW - timedelta(hours=hour))
    budgeted = BudgetedThresholds(tally)
    raised = budgeted.apply(THRESHOLDS, BUDGET, NOW)
    assert raised.anger == pytest.approx(0.5 * 1.55)
    assert raised.urgency == pytest.approx(0.4 * 1.55)
    assert budgeted.apply(THRESHOLDS, BUDGET.model_copy(update={"flags_per_day": 0}), NOW) == THRESHOLDS


def test_thresholds_stay_while_the_counts_cannot_be_read(monkeypatch, tally):
    def broken(*_):
        statement = "select"
        raise sa.exc.OperationalError(statement, {}, Exception())

    monkeypatch.setattr(tally, "read", broken)
    assert BudgetedThresholds(tally).apply(THRESHOLDS, BUDGET, NOW) == THRESHOLDS
