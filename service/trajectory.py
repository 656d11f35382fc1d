"""How anger and urgency went through a conversation, and who has been waiting since when."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from model.calibration import median_grade

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from model.scorer import DimensionScore, Score

Trend = Literal["rising", "falling", "steady"]
# Half a grade: less is within what two readings of one message differ by.
_MOVE = 1 / 6


@dataclass(frozen=True, slots=True)
class Turn:
    """One message of a conversation; ``score`` is None for the agent's, and for those too far back to be scored."""

    customer: bool
    at: datetime | None
    score: Score | None


@dataclass(frozen=True, slots=True)
class Trajectory:
    """A conversation up to the present message, which is the last of ``scores``.

    Attributes:
        scores: of the customer's scored messages, oldest first.
        unanswered: how many of the last messages no agent has answered, the present one included; at least 1.
        unanswered_since: when the first of these was written, if that is known.
        peak_anger: highest anger score, 0..1.
        turns_since_peak: customer messages after the angriest one.
        seconds_since_peak: from the angriest message to now, if its time is known.
        trend: whether the present message is angrier or calmer than the ones before it.
        angrier_after_reply: whether anger went up by a grade across the agent's last answer, to angry or more.
    """

    scores: tuple[Score, ...]
    unanswered: int
    unanswered_since: datetime | None
    peak_anger: float
    turns_since_peak: int
    seconds_since_peak: int | None
    trend: Trend
    angrier_after_reply: bool

    @property
    def open_scores(self) -> tuple[Score, ...]:
        """Of the messages that wait for an answer."""
        return self.scores[-self.unanswered :]


def _grade(dimension: DimensionScore) -> int:
    return int(median_grade(np.array([dimension.grades]))[0])


def _times(turns: Sequence[Turn]) -> list[datetime | None]:
    """Times as given, unless they contradict the order of the messages: then none of them tells anything."""
    known = [turn.at for turn in turns if turn.at is not None]
    return [turn.at for turn in turns] if known == sorted(known) else [None] * len(turns)


def follow(turns: Sequence[Turn], present: Score, now: datetime) -> Trajectory:
    """Read a conversation.

    Args:
        turns: earlier messages, oldest first; may be empty.
        present: the scores of the present message.
        now: the present moment, with a time zone.
    """
    times = _times(turns)
    scored = [(index, turn.score) for index, turn in enumerate(turns) if turn.customer and turn.score is not None]
    scores = (*(score for _, score in scored), present)
    last_answer = max((index for index, turn in enumerate(turns) if not turn.customer), default=-1)
    waiting = [(index, score) for index, score in scored if index > last_answer]
    waiting_turns = [index for index, turn in enumerate(turns) if turn.customer and index > last_answer]
    since = next((at for at in (times[index] for index in waiting_turns) if at is not None), None)
    answered = [score for index, score in scored if index < last_answer]

    angers = [score.anger.score for score in scores]
    # The later of two equal peaks: the time since then must not look longer than it is.
    peak = max(range(len(angers)), key=lambda i: (angers[i], i))
    peak_at = times[scored[peak][0]] if peak < len(scored) else now
    before = angers[:-1][-3:]
    move = angers[-1] - sum(before) / len(before) if before else 0.0
    angrier = bool(
        last_answer >= 0
        and answered
        and _grade(present.anger) >= 2
        and _grade(present.anger) > _grade(answered[-1].anger)
    )
    return Trajectory(
        scores=scores,
        unanswered=len(waiting) + 1,
        unanswered_since=min(since, now) if since is not None else None,
        peak_anger=angers[peak],
        turns_since_peak=len(scores) - 1 - peak,
        seconds_since_peak=None if peak_at is None else max(0, round((now - peak_at).total_seconds())),
        trend="rising" if move > _MOVE else "falling" if move < -_MOVE else "steady",
        angrier_after_reply=angrier,
    )
