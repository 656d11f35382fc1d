"""From scores and context to flag, priority, time to answer, and why."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from model.scorer import DimensionScore
    from service.policy import Priority, Rules
    from service.trajectory import Trajectory

Mood = Literal["critical", "furious", "angry", "annoyed", "calm"]
PRIORITIES: tuple[Priority, ...] = ("low", "normal", "high", "urgent")


@dataclass(frozen=True, slots=True)
class Thresholds:
    """Scores 0..1 from which a message counts as angry or pressing."""

    anger: float
    urgency: float


@dataclass(frozen=True, slots=True)
class Context:
    """What the help desk knows beside the words.

    ``sent_around``, ``solved`` and ``grave`` come from the words of the message: it complains of being sent from
    desk to desk; it says that the matter is solved and asks nothing; it is about harm that gets worse while nobody
    acts.
    """

    waiting_since: datetime | None = None
    contacts: int = 0
    transfers: int = 0
    sent_around: bool = False
    solved: bool = False
    grave: bool = False


@dataclass(frozen=True, slots=True)
class Decision:
    """What to do with one message; ``reasons`` are codes in order of weight.

    ``owner`` says that one named colleague should stay with the matter. ``mood`` is the
    customer's, over all messages that wait for an answer; danger comes before anger.
    """

    flag: bool
    priority: Priority
    respond_by: datetime
    reasons: tuple[str, ...]
    owner: bool
    mood: Mood


def is_danger(urgency: DimensionScore) -> bool:
    """Whether grade 3 of urgency, danger or harm under way, is likelier than not."""
    return urgency.grades[-1] >= 0.5


def merged_thresholds(base: Thresholds, rules: Rules) -> Thresholds:
    """The policy's thresholds where it has any, else those given."""
    anger = base.anger if rules.anger_threshold is None else rules.anger_threshold
    urgency = base.urgency if rules.urgency_threshold is None else rules.urgency_threshold
    return Thresholds(anger, urgency)


def decide(
    trajectory: Trajectory, thresholds: Thresholds, rules: Rules, context: Context, *, now: datetime
) -> Decision:
    """Decide about the present message of a conversation.

    The base priority comes from the highest anger and urgency among the messages that wait for an answer.
    Context (a repeated contact, hand-overs, a long wait, a second message without an answer, rising anger)
    raises it by one step in all; the tier may add one. A message is flagged when its priority is high or urgent.
    The answer is due within the priority's time from when the customer began to wait, but never in the past.

    Args:
        trajectory: the conversation, read by :func:`service.trajectory.follow`.
        thresholds: the scores that count as angry and pressing.
        rules: of the message's channel, tenant and tier.
        context: what the help desk knows.
        now: the present moment, with a time zone.
    """
    anger = max((score.anger for score in trajectory.open_scores), key=lambda item: item.score)
    urgency = max((score.urgency for score in trajectory.open_scores), key=lambda item: item.score)
    base, reasons = _base(anger, urgency, thresholds, context)
    began = min(context.waiting_since or trajectory.unanswered_since or now, now)
    timed = (context.waiting_since or trajectory.unanswered_since) is not None
    raises = _raises(trajectory, rules, context, now - began if timed else None)
    step = base + bool(raises)
    if rules.raise_priority:
        step += 1
        raises = [*raises, "tier"]
    priority = PRIORITIES[min(step, len(PRIORITIES) - 1)]
    due = max(began + getattr(rules.respond_within, priority), now).astimezone(UTC)
    return Decision(
        flag=priority in ("high", "urgent"),
        priority=priority,
        respond_by=due.replace(microsecond=0),
        reasons=(*reasons, *raises),
        owner="repeated_contact" in raises or "sent_around" in raises,
        mood=_mood(anger, urgency, thresholds),
    )


def _mood(anger: DimensionScore, urgency: DimensionScore, thresholds: Thresholds) -> Mood:
    if is_danger(urgency):
        return "critical"
    if anger.score >= thresholds.anger:
        return "furious" if anger.grades[-1] >= 0.5 else "angry"
    return "annoyed" if anger.grades[0] < 0.5 else "calm"


def _base(
    anger: DimensionScore, urgency: DimensionScore, thresholds: Thresholds, context: Context
) -> tuple[int, list[str]]:
    angry = anger.score >= thresholds.anger
    danger = is_danger(urgency)
    # Danger counts whatever the threshold: an alert budget must not hide it.
    pressing = urgency.score >= thresholds.urgency or danger
    # A threshold below the model's own boundary flags what it calls annoyed or normal: the reason says so.
    reasons = [f"urgency_{urgency.level}"] * pressing + [f"anger_{anger.level}"] * angry
    # Both at once means that one must not wait for the other.
    if danger or (pressing and (angry or context.grave)):
        return 3, reasons
    if angry or pressing:
        return 2, reasons
    if context.solved:
        return 0, []
    stirred = [f"urgency_{urgency.level}"] * (urgency.grades[0] < 0.5) + [f"anger_{anger.level}"] * (
        anger.grades[0] < 0.5
    )
    return (1, stirred) if stirred else (0, [])


def _raises(trajectory: Trajectory, rules: Rules, context: Context, waited: timedelta | None) -> list[str]:
    found = []
    if context.contacts >= rules.contacts:
        found.append("repeated_contact")
    if context.transfers >= rules.transfers or (context.transfers >= 1 and context.sent_around):
        found.append("sent_around")
    if waited is not None and waited > rules.patience:
        found.append("long_wait")
    # Without a clock, the third message in a row tells what the second with one does.
    again = trajectory.unanswered > 2 if waited is None else trajectory.unanswered > 1 and waited > rules.repeat_after
    if again:
        found.append("unanswered")
    if trajectory.angrier_after_reply:
        found.append("anger_rising")
    return found
