"""Whether a conversation may be closed: nothing left to ask, to wait for or to be angry about."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from service.lexicon import lexicon_of
from service.signals import asks, says

if TYPE_CHECKING:
    from collections.abc import Sequence

    from model.scorer import Score
    from service.decision import Thresholds


@dataclass(frozen=True, slots=True)
class Closing:
    """``reasons`` are codes of what is still open; none when it is safe to close."""

    safe: bool
    reasons: tuple[str, ...]


def may_close(
    present: str, score: Score, agents: Sequence[str], language: str | None, thresholds: Thresholds
) -> Closing:
    """Look for what is still open.

    Open are: anger or urgency at its threshold, a question, a promise of an agent that the customer does not say
    was kept, and a matter that the customer neither thanks for nor calls solved. Where the words cannot be read
    (no lexicon of the language), only calm messages without urgency and question mark are safe.

    Args:
        present: the customer's last message.
        score: of that message.
        agents: the agents' messages in the conversation, oldest first.
        language: ISO 639-1.
        thresholds: the scores that count as angry and pressing.
    """
    known = lexicon_of(language) is not None
    solved, thanks = says(present, language, "solved"), says(present, language, "thanks")
    calm = score.anger.grades[0] >= 0.5 and score.urgency.grades[0] >= 0.5
    found = {
        "anger_open": score.anger.score >= thresholds.anger,
        "urgency_open": score.urgency.score >= thresholds.urgency,
        "question_open": asks(present, language),
        "problem_open": not solved and not (calm and (thanks or not known)),
        "promise_open": not solved and any(says(reply, language, "promise", "reply") for reply in agents[-3:]),
    }
    reasons = tuple(name for name, is_open in found.items() if is_open)
    return Closing(not reasons, reasons)
