"""No complaints at all means that something is wrong: too few or too many messages for the hour of the week.

For each series of hourly counts the last hours are held against the same hours of the weeks before. Their rate has a
Gamma posterior, so that the count to expect is negative binomial (Gelman et al., Bayesian Data Analysis, 3rd ed., 2.6);
a spread between weeks that is wider than Poisson's widens it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping

WEEK = 168
WEEKS = 8
_LEAST_WEEKS = 2
WINDOWS = (1, 3, 6, 12, 24)
# Five windows an hour and some ten series are 400,000 looks a year: about one false alarm in two years.
PROBABILITY = 1e-6
# What the average over all hours counts as, in weeks, beside the same hours of the weeks before.
_PRIOR_WEEKS = 0.5
_MOST_SUMMED = 200_000

Direction = Literal["low", "high"]
Kind = Literal["volume", "complaints"]


@dataclass(frozen=True, slots=True)
class Alarm:
    """A count that the weeks before make improbable.

    ``probability`` is that of a count as far out, ``hours`` the length of the window that ends with the last full hour.
    """

    kind: Kind
    direction: Direction
    series: str
    hours: int
    observed: int
    expected: float
    probability: float


def _tail(observed: int, mean: float, shape: float) -> tuple[float, float]:
    """P(X <= observed) and P(X >= observed) of a negative binomial with this mean and shape."""
    if mean <= 0:
        return 1.0, 1.0 if observed == 0 else 0.0
    log_keep, log_fail = math.log(mean / (mean + shape)), math.log(shape / (mean + shape))
    log_mass = shape * log_fail
    below = 0.0
    for count in range(min(observed, _MOST_SUMMED)):
        below += math.exp(log_mass)
        log_mass += math.log(shape + count) - math.log(count + 1) + log_keep
    at = math.exp(log_mass)
    return min(1.0, below + at), max(0.0, 1.0 - below)


def _expected(sums: np.ndarray, exposure: np.ndarray) -> tuple[float, float]:
    """Mean and shape of the count to expect in the last window.

    Args:
        sums: counts of the window that ends with each hour of the week, ``(weeks, 168)``, without the last window's.
        exposure: what each of them is a share of, ``(weeks + 1, 168)``; ones where counts are looked at by themselves.
    """
    past = exposure[:-1]
    rate = sums.sum() / max(past.sum(), 1.0)
    weight = past[:, -1].sum() + past.mean() * _PRIOR_WEEKS
    shape = float(sums[:, -1].sum() + rate * past.mean() * _PRIOR_WEEKS + 0.5)
    mean = shape / max(weight, 1e-9) * float(exposure[-1, -1])
    # What varies from week to week beyond Poisson's, from all hours of the week, since eight weeks of one say little.
    fitted = past * (sums.sum(axis=0) / np.maximum(past.sum(axis=0), 1.0))
    weeks = len(sums)
    squares = (sums - fitted) ** 2 * weeks / (weeks - 1)
    excess = float((squares - fitted).sum() / max((fitted**2).sum(), 1e-9))
    return float(mean), min(shape, 1 / excess) if excess > 0 else shape


def alarms(
    series: Mapping[str, Mapping[int, int]],
    first_hour: int,
    now_hour: int,
    kind: Kind,
    of: Mapping[str, Mapping[int, int]] | None = None,
) -> list[Alarm]:
    """Alarms of all series, at most one in each direction a series: the least probable.

    Args:
        series: by name, counts by hour; an hour that is missing counts 0.
        first_hour: since when anything has been counted; weeks before it are not looked at.
        now_hour: the hour that is under way, not looked at.
        kind: what is counted.
        of: by the same names, what the counts are a share of; then their share is looked at, not their number.
    """
    weeks = min(WEEKS, (now_hour - max(WINDOWS) - first_hour) // WEEK - 1)
    if weeks < _LEAST_WEEKS:
        return []
    found: dict[tuple[str, Direction], Alarm] = {}
    for name, counts in series.items():
        for hours in WINDOWS:
            sums = _window_sums(counts, hours, weeks, now_hour)
            exposure = np.ones_like(sums) if of is None else _window_sums(of[name], hours, weeks, now_hour)
            mean, shape = _expected(sums[:-1], exposure)
            observed = int(sums[-1, -1])
            low, high = _tail(observed, mean, shape)
            direction: Direction = "low" if low < high else "high"
            alarm = Alarm(kind, direction, name, hours, observed, round(mean, 2), min(low, high))
            before = found.get((name, direction))
            # Below this the sums are rounding, and the shortest window says best when it began.
            floor = max(alarm.probability, 1e-12)
            if alarm.probability < PROBABILITY and (before is None or floor < before.probability):
                found[name, direction] = alarm
    return sorted(found.values(), key=lambda alarm: alarm.probability)


def _window_sums(counts: Mapping[int, int], hours: int, weeks: int, now_hour: int) -> np.ndarray:
    """Counts of the window that ends with each hour, ``(weeks + 1, 168)``; the last ends before ``now_hour``."""
    begin = now_hour - (weeks + 1) * WEEK - hours + 1
    totals = np.cumsum([0.0, *(counts.get(hour, 0) for hour in range(begin, now_hour))])
    return (totals[hours:] - totals[:-hours]).reshape(weeks + 1, WEEK)
