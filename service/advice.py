"""From scores and a request to what the reply says beside the scores."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from model.reply import DIGITS
from service.closing import may_close
from service.decision import Context, Decision, Thresholds, decide, merged_thresholds
from service.handover import Message, handover
from service.signals import says, says_solved
from service.texts import text
from service.topics import find_topics
from service.trajectory import Trajectory, Turn, follow

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime

    from model.scorer import Score
    from service.policy import Policy, Rules
    from service.schemas import ScoreRequest

# The customer's messages of a thread that are scored; what lies further back says little of now.
SCORED_TURNS = 20


def scored_turns(request: ScoreRequest) -> list[int]:
    """Places in the thread of the customer's messages that are scored."""
    own = [index for index, turn in enumerate(request.thread) if turn.sender == "customer"]
    return own[-SCORED_TURNS:]


def scored_texts(request: ScoreRequest) -> list[str]:
    """The message, then the thread's messages at :func:`scored_turns`."""
    return [request.text, *(request.thread[index].text for index in scored_turns(request))]


@dataclass(frozen=True, slots=True)
class Advice:
    """A decision with the conversation that it was made in; ``topics`` is None where nothing has asked for them."""

    request: ScoreRequest
    score: Score
    language: str | None
    trajectory: Trajectory
    decision: Decision
    rules: Rules
    thresholds: Thresholds
    topics: tuple[str, ...] | None

    @property
    def wants_handover(self) -> bool:
        """Whether the reply holds a handover card."""
        asked = self.request.handover
        return self.decision.flag if asked is None else asked


def advise(
    request: ScoreRequest,
    score: Score,
    turn_scores: Sequence[Score],
    language: str | None,
    policy: Policy,
    thresholds: Thresholds,
    *,
    now: datetime,
) -> Advice:
    """Decide about a message.

    Args:
        request: the message with its context.
        score: of the message.
        turn_scores: of the thread's messages at :func:`scored_turns`.
        language: of the message, ISO 639-1.
        policy: in force.
        thresholds: before the policy's own.
        now: the present moment, with a time zone.
    """
    rules = policy.rules_for(request.channel, request.tenant, request.tier)
    merged = merged_thresholds(thresholds, rules)
    of_turn = dict(zip(scored_turns(request), turn_scores, strict=True))
    turns = [Turn(turn.sender == "customer", turn.at, of_turn.get(index)) for index, turn in enumerate(request.thread)]
    trajectory = follow(turns, score, now)
    anger = max(item.anger.score for item in trajectory.open_scores)
    urgency = max(item.urgency.score for item in trajectory.open_scores)
    # Words are looked for only where they could change the decision.
    pressing, angry = urgency >= merged.urgency, anger >= merged.anger
    topics = _topics(request, language, policy) if pressing and not angry else None
    context = Context(
        waiting_since=request.waiting_since,
        contacts=request.contacts or 0,
        transfers=request.transfers or 0,
        sent_around=bool(request.transfers) and says(request.text, language, "sent_around"),
        solved=not pressing and not angry and says_solved(request.text, language),
        grave=any(policy.topics[name].urgent_when_pressing for name in (topics or ())[:1]),
    )
    decision = decide(trajectory, merged, rules, context, now=now)
    return Advice(request, score, language, trajectory, decision, rules, merged, topics)


def _topics(request: ScoreRequest, language: str | None, policy: Policy) -> tuple[str, ...]:
    return tuple(topic.name for topic in find_topics(scored_texts(request), language, policy))


def advice_fields(advice: Advice, explained: Callable[[], Score], policy: Policy) -> dict[str, Any]:
    """The reply's fields beside the scores, JSON-ready.

    ``explained`` gives the message's score with its explanation; it is called only for a handover card.
    """
    request, decision = advice.request, advice.decision
    agent_language = request.agent_language or advice.rules.agent_language
    fields: dict[str, Any] = {
        "priority": decision.priority,
        "respond_by": decision.respond_by.isoformat().replace("+00:00", "Z"),
        "reasons": list(decision.reasons),
        "reason_texts": [text("reason", code, agent_language) for code in decision.reasons],
    }
    if request.thread:
        fields |= _thread_fields(advice, agent_language)
    if advice.wants_handover:
        topics = _topics(request, advice.language, policy) if advice.topics is None else advice.topics
        message = Message(request.text, explained(), advice.language, topics)
        fields["handover"] = handover(message, decision, policy, advice.rules, agent_language)
    return fields


def _thread_fields(advice: Advice, agent_language: str) -> dict[str, Any]:
    trajectory, request = advice.trajectory, advice.request
    agents = [turn.text for turn in request.thread if turn.sender == "agent"]
    closing = may_close(request.text, advice.score, agents, advice.language, advice.thresholds)
    return {
        "trajectory": {
            "anger": [round(score.anger.score, DIGITS) for score in trajectory.scores],
            "urgency": [round(score.urgency.score, DIGITS) for score in trajectory.scores],
            "trend": trajectory.trend,
            "peak_anger": round(trajectory.peak_anger, DIGITS),
            "turns_since_peak": trajectory.turns_since_peak,
            "seconds_since_peak": trajectory.seconds_since_peak,
            "unanswered": trajectory.unanswered,
            "angrier_after_reply": trajectory.angrier_after_reply,
        },
        "safe_to_close": closing.safe,
        "open_points": list(closing.reasons),
        "open_point_texts": [text("closing", code, agent_language) for code in closing.reasons],
    }
