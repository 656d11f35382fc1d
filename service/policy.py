"""From scores to what the help desk does: flag, priority, and by when to answer."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from model.scorer import Score

Priority = Literal["urgent", "high", "normal", "low"]
# Time to a first answer. Customers who wait get angrier, so even the least pressing get a date.
RESPOND_WITHIN: dict[Priority, timedelta] = {
    "urgent": timedelta(minutes=15),
    "high": timedelta(hours=2),
    "normal": timedelta(hours=24),
    "low": timedelta(hours=72),
}


@dataclass(frozen=True, slots=True)
class Thresholds:
    """Scores 0..1 from which a message is flagged."""

    anger: float
    urgency: float


@dataclass(frozen=True, slots=True)
class Decision:
    """What to do with one message; ``reasons`` are codes in order of weight."""

    flag: bool
    priority: Priority
    respond_by: datetime
    reasons: tuple[str, ...]


def decide(score: Score, thresholds: Thresholds, *, now: datetime, waiting_since: datetime | None = None) -> Decision:
    """Flag when anger or urgency reaches its threshold; priority from both.

    The answer is due within the priority's time, counted from when the customer began to wait, but
    never in the past: what is overdue is due now.

    Args:
        score: the message's scores.
        thresholds: from the checkpoint or the settings.
        now: the present moment, with a time zone.
        waiting_since: since when the customer has been waiting, with a time zone.
    """
    angry = score.anger.score >= thresholds.anger
    pressing = score.urgency.score >= thresholds.urgency
    reasons = [f"urgency_{score.urgency.level}"] * pressing + [f"anger_{score.anger.level}"] * angry
    priority = _priority(score, angry=angry, pressing=pressing)
    began = min(waiting_since or now, now)
    due = max(began + RESPOND_WITHIN[priority], now).astimezone(UTC)
    return Decision(angry or pressing, priority, due.replace(microsecond=0), tuple(reasons))


def _priority(score: Score, *, angry: bool, pressing: bool) -> Priority:
    # Grade 3 of urgency is danger or harm under way; both flags at once means one must not wait for the other.
    if pressing and (score.urgency.grades[-1] >= 0.5 or angry):
        return "urgent"
    if angry or pressing:
        return "high"
    return "low" if score.anger.grades[0] >= 0.5 and score.urgency.grades[0] >= 0.5 else "normal"
