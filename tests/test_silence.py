"""Alarms on simulated desks with a daily and weekly rhythm, and weeks that differ."""

import math

import numpy as np
import pytest
from scipy import stats

from service.silence import WEEK, _tail, alarms

WEEKS = 10
NOON = 9 * WEEK + 2 * 24 + 12


def desk(rate, seed=0, spread=0.15):
    """Counts by hour for ten weeks: busy at noon, quiet at weekends."""
    rng = np.random.default_rng(seed)
    counts = {}
    for hour in range(WEEKS * WEEK):
        mean = rate * (0.1 + 2 * math.exp(-(((hour % 24 - 13) / 4) ** 2))) * (0.3 if hour // 24 % 7 >= 5 else 1)
        counts[hour] = int(rng.poisson(mean * rng.gamma(1 / spread, spread)))
    return counts


@pytest.mark.parametrize(
    ("observed", "mean", "shape"), [(0, 20, 5), (3, 20, 50), (80, 20, 5), (10, 10, 2.5), (900, 5, 1)]
)
def test_tails_are_those_of_the_negative_binomial(observed, mean, shape):
    low, high = _tail(observed, mean, shape)
    law = stats.nbinom(shape, shape / (shape + mean))
    assert low == pytest.approx(law.cdf(observed))
    assert high == pytest.approx(law.sf(observed - 1), abs=1e-12)


@pytest.mark.parametrize("rate", [1, 10, 100])
def test_an_ordinary_week_raises_no_alarm(rate):
    counts = desk(rate)
    assert [alarms({"x": counts}, 0, now, "volume") for now in range(9 * WEEK + 24, WEEKS * WEEK, 7)] == [[]] * 21


@pytest.mark.parametrize(("rate", "hours"), [(3, 24), (10, 5), (50, 2)])
def test_silence_is_noticed_the_sooner_the_busier_the_desk(rate, hours):
    counts = {hour: count for hour, count in desk(rate).items() if hour < NOON}
    assert alarms({"x": counts}, 0, NOON, "volume") == []
    (alarm,) = alarms({"x": counts}, 0, NOON + hours, "volume")
    assert (alarm.kind, alarm.direction, alarm.series) == ("volume", "low", "x")
    assert alarm.observed < alarm.expected
    assert alarm.probability < 1e-6


def test_a_flood_is_noticed():
    counts = desk(10)
    counts[NOON - 1] = 400
    (alarm,) = alarms({"x": counts}, 0, NOON, "volume")
    assert (alarm.direction, alarm.hours) == ("high", 1)


def test_the_share_of_complaints_is_looked_at_by_itself():
    messages = desk(30)
    rng = np.random.default_rng(1)
    complaints = {hour: int(rng.binomial(count, 0.4)) for hour, count in messages.items()}
    assert alarms({"x": complaints}, 0, NOON, "complaints", of={"x": messages}) == []
    none = {hour: count for hour, count in complaints.items() if hour < NOON - 6}
    (alarm,) = alarms({"x": none}, 0, NOON, "complaints", of={"x": messages})
    assert (alarm.kind, alarm.direction) == ("complaints", "low")
    twice = messages | {hour: 2 * messages[hour] for hour in range(NOON - 6, NOON)}
    assert alarms({"x": {**complaints, **{h: round(twice[h] * 0.4) for h in range(NOON - 6, NOON)}}}, 0, NOON,
                  "complaints", of={"x": twice}) == [], "more messages, the same share"  # fmt: skip


def test_too_little_history_says_nothing():
    counts = {hour: count for hour, count in desk(50).items() if hour < 2 * WEEK}
    assert alarms({"x": counts}, 0, 2 * WEEK + 48, "volume") == []
    assert alarms({}, 0, NOON, "volume") == []


def test_a_series_that_is_new_or_always_empty_raises_nothing():
    assert alarms({"x": {}}, 0, NOON, "volume") == []
