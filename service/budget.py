"""The alert budget: thresholds high enough that a team gets no more flags a day than it can take."""

from __future__ import annotations

import time
from datetime import timedelta
from typing import TYPE_CHECKING

import sqlalchemy as sa

from service.decision import Thresholds
from service.scorecard import Period
from service.tally import hour_of

if TYPE_CHECKING:
    from datetime import datetime

    from model.scorer import Score
    from service.policy import AlertBudget
    from service.tally import Tally

SEVERITY_BINS = 80
_BIN = 0.05
_FRESH_SECONDS = 300.0
MEASURES = ("messages", "danger", "context_flags", *(f"severity.{place}" for place in range(SEVERITY_BINS)))


def severity_bin(score: Score, thresholds: Thresholds) -> int:
    """How far the score is towards a flag, in steps of a twentieth of the threshold."""
    ratio = max(
        score.anger.score / max(thresholds.anger, 1e-6),
        score.urgency.score / max(thresholds.urgency, 1e-6),
    )
    return min(int(ratio / _BIN), SEVERITY_BINS - 1)


def budget_factor(period: Period, budget: AlertBudget) -> float:
    """By how much to raise the thresholds, from 1: the smallest that keeps the period's flags within the budget.

    Danger is always flagged, and so is what context alone flags; only the rest can be cut.
    """
    messages = period.total("messages")
    if not budget.flags_per_day or messages < budget.least_messages:
        return 1.0
    days = max((period.end - period.begin) / 24, 1 / 24)
    allowed = budget.flags_per_day * days - period.total("danger") - period.total("context_flags")
    histogram = period.histogram("severity", SEVERITY_BINS)
    first = round(1 / _BIN)
    above = 0
    for place in range(SEVERITY_BINS - 1, first - 1, -1):
        above += histogram[place]
        if above > allowed:
            return (place + 1) * _BIN
    return 1.0


class BudgetedThresholds:
    """Thresholds for the alert budget, worked out anew every five minutes from the counts of all processes."""

    def __init__(self, tally: Tally) -> None:
        self._tally = tally
        self._factor = 1.0
        self._key: tuple[object, ...] = ()
        self._until = 0.0

    def apply(self, base: Thresholds, budget: AlertBudget, now: datetime) -> Thresholds:
        """``base``, raised where the budget asks for it; as it is while the counts cannot be read."""
        factor = self.factor(budget, now)
        return Thresholds(min(1.0, base.anger * factor), min(1.0, base.urgency * factor))

    def factor(self, budget: AlertBudget, now: datetime) -> float:
        """By how much thresholds are raised now, from 1."""
        if not budget.flags_per_day:
            return 1.0
        key = (budget.flags_per_day, budget.window, budget.least_messages)
        if key != self._key or time.monotonic() >= self._until:
            self._key, self._until = key, time.monotonic() + _FRESH_SECONDS
            self._factor = self._worked_out(budget, now)
        return self._factor

    def _worked_out(self, budget: AlertBudget, now: datetime) -> float:
        end = hour_of(now) + 1
        begin = end - max(1, budget.window // timedelta(hours=1))
        try:
            cells = self._tally.read(begin, end, MEASURES)
        except sa.exc.SQLAlchemyError:
            return self._factor
        if not cells:
            return 1.0
        # A window that is only partly filled counts as long as it is filled.
        return budget_factor(Period(max(begin, min(cell.hour for cell in cells)), end, cells), budget)
