"""What is counted of every scored message, for Prometheus and for the scorecard: numbers alone."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

import sqlalchemy as sa

from model.language import LANGUAGES
from service.budget import BudgetedThresholds, severity_bin
from service.decision import is_danger
from service.keywords import keyword_flag
from service.scorecard import alarm_fields, current_alarms, length_bin
from service.tally import Observation, hour_of, score_bin

if TYPE_CHECKING:
    from datetime import datetime

    from service.advice import Advice
    from service.decision import Thresholds
    from service.metrics import Metrics
    from service.policy import Policy
    from service.tally import Tally

_REFRESH_SECONDS = 60.0


class Observer:
    """Counts messages, and works out from the counts what to raise an alarm about."""

    def __init__(self, tally: Tally, metrics: Metrics) -> None:
        self.tally = tally
        self._metrics = metrics
        self._budget = BudgetedThresholds(tally)
        self._next_refresh = 0.0
        self._raised: set[tuple[str, str, str, str]] = set()
        self._lock = threading.Lock()

    def budgeted(self, base: Thresholds, policy: Policy, now: datetime) -> Thresholds:
        """Thresholds under the policy's alert budget."""
        self._metrics.threshold_factor.set(self._budget.factor(policy.alert_budget, now))
        return self._budget.apply(base, policy.alert_budget, now)

    def observe(self, advice: Advice, base: Thresholds, now: datetime) -> None:
        """Count a message.

        Args:
            advice: with its scores and decision.
            base: thresholds before the alert budget.
            now: the present moment, with a time zone.
        """
        score, decision, metrics = advice.score, advice.decision, self._metrics
        language = advice.language if advice.language in LANGUAGES else None
        metrics.messages.labels(language or "other").inc()
        metrics.windows.inc(score.windows)
        metrics.scores.labels("anger").observe(score.anger.score)
        metrics.scores.labels("urgency").observe(score.urgency.score)
        if decision.flag:
            metrics.flags.labels(decision.priority).inc()
        self.tally.add(Observation(advice.request.channel, language, tuple(_measures(advice, base))), now)

    def refresh(self, now: datetime) -> None:
        """Bring the gauges that come from the counts up to date, at most once a minute."""
        if time.monotonic() < self._next_refresh or not self._lock.acquire(blocking=False):
            return
        try:
            self._next_refresh = time.monotonic() + _REFRESH_SECONDS
            self._metrics.tally_dropped.set(self.tally.dropped)
            self._set_alarms(now)
        finally:
            self._lock.release()

    def _set_alarms(self, now: datetime) -> None:
        try:
            found = [alarm_fields(alarm) for alarm in current_alarms(self.tally, hour_of(now))]
        except sa.exc.SQLAlchemyError:
            return
        raised = {(a["kind"], a["direction"], a["channel"], a["language"]) for a in found}
        for labels in self._raised - raised:
            self._metrics.alarms.labels(*labels).set(0)
        for labels in raised:
            self._metrics.alarms.labels(*labels).set(1)
        self._raised |= raised


def _measures(advice: Advice, base: Thresholds) -> list[str]:
    score, decision, text = advice.score, advice.decision, advice.request.text
    measures = [
        "messages",
        f"priority.{decision.priority}",
        f"anger.{score_bin(score.anger.score)}",
        f"urgency.{score_bin(score.urgency.score)}",
        f"length.{length_bin(len(text))}",
    ]
    if score.anger.grades[0] < 0.5:
        measures.append("complaints")
    by_keywords = keyword_flag(text, advice.language)
    if by_keywords:
        measures.append("keyword")
    if decision.flag:
        measures.append("flags")
        if by_keywords:
            measures.append("both")
    if is_danger(score.urgency):
        measures.append("danger")
    elif (
        decision.flag
        and score.anger.score < advice.thresholds.anger
        and score.urgency.score < advice.thresholds.urgency
    ):
        measures.append("context_flags")
    else:
        measures.append(f"severity.{severity_bin(score, base)}")
    return measures
