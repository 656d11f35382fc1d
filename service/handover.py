"""The handover card: WHO takes the message, WHAT the colleague must know, HOW to answer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from service.facts import find_facts
from service.lexicon import lexicon_of
from service.signals import says
from service.texts import AVOID, text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from model.scorer import Score, WordShare
    from service.decision import Decision, Mood
    from service.policy import Level, Policy, Rules

_DECISIVE = 5
_LEVELS: tuple[Level, ...] = ("agent", "senior", "manager")
_STEPS: dict[Mood, tuple[str, ...]] = {
    "critical": ("safety", "acknowledge", "next", "close"),
    "furious": ("acknowledge", "thank", "apologise", "next", "choice", "close"),
    "angry": ("acknowledge", "thank", "apologise", "next", "choice", "close"),
    "annoyed": ("acknowledge", "apologise", "next", "close"),
    "calm": ("thank", "next", "close"),
}


@dataclass(frozen=True, slots=True)
class Message:
    """The present message as the card needs it; ``topics`` are of the conversation, the one that decides first."""

    text: str
    score: Score
    language: str | None
    topics: tuple[str, ...]


def handover(
    message: Message, decision: Decision, policy: Policy, rules: Rules, agent_language: str | None = None
) -> dict[str, Any]:
    """The card, JSON-ready.

    Nothing is in it that the messages, the scores or the policy do not say. Offsets count characters of the
    present message.

    Args:
        message: with its score, explained.
        decision: about this message.
        policy: topics and teams.
        rules: of the message's channel, tenant and tier.
        agent_language: ISO 639-1, of the sentences for the agent; English where there is no catalogue.
    """
    lexicon = lexicon_of(message.language)
    facts = find_facts(message.text, message.language, lexicon, rules.region)
    call = says(message.text, message.language, "call_me")
    decisive = decisive_words(message.score.explanation or (), decision.mood)
    return {
        "who": _who(message.topics, decision, policy, agent_language),
        "what": {
            "topics": list(message.topics),
            "decisive": [_place(message.text, share.start, share.end) for share in decisive],
            "facts": [
                {"kind": fact.kind, **_place(message.text, fact.start, fact.end), "value": fact.value} for fact in facts
            ],
        },
        "how": _how(decision, agent_language, facts=bool(facts), call=call)
        | {"opening": text("opening", _opening(decision), message.language)},
    }


def decisive_words(shares: Sequence[WordShare], mood: Mood) -> list[WordShare]:
    """The words that raised the score most, at most five, in order of place: urgency's for danger, else anger's."""
    dimension = "urgency" if mood in ("critical", "calm") else "anger"
    raising = sorted((s for s in shares if getattr(s, dimension) > 0), key=lambda s: -getattr(s, dimension))
    return sorted(raising[:_DECISIVE], key=lambda share: share.start)


def _place(whole: str, start: int, end: int) -> dict[str, Any]:
    return {"start": start, "end": end, "text": whole[start:end]}


def _who(topics: Sequence[str], decision: Decision, policy: Policy, agent_language: str | None) -> dict[str, Any]:
    chosen = topics[0] if topics else policy.routing.critical_topic if decision.mood == "critical" else ""
    topic = policy.topics.get(chosen)
    # One step up for danger, rage or both at once; one more where our own handling made it worse.
    step = (decision.priority == "urgent") + (decision.owner or "anger_rising" in decision.reasons)
    level = _LEVELS[max(step, _LEVELS.index(topic.level) if topic else 0)]
    return {
        "team": topic.team if topic else policy.routing.default_team,
        "level": level,
        "level_text": text("level", level, agent_language),
        "one_owner": decision.owner,
    }


def _how(decision: Decision, agent_language: str | None, *, facts: bool, call: bool) -> dict[str, Any]:
    channel = "call_back" if call or decision.mood in ("critical", "furious") else "write"
    steps = list(_STEPS[decision.mood])
    if facts:
        steps.insert(-1, "facts")
    if decision.owner:
        steps.insert(-1, "owner")
    avoid = AVOID if decision.mood in ("critical", "furious", "angry") else ("refusal", "sending_on")
    return {
        "channel": channel,
        "channel_text": text("channel", channel, agent_language),
        "steps": [{"code": code, "text": text("step", code, agent_language)} for code in steps],
        "avoid": [{"code": code, "text": text("avoid", code, agent_language)} for code in avoid],
    }


def _opening(decision: Decision) -> str:
    if decision.owner and decision.mood not in ("critical", "furious"):
        return "repeated"
    return decision.mood
