"""What a message is about, by the policy's topics and their words."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from service.lexicon import TOPICS, FoldedText, lexicon_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from service.lexicon import Match
    from service.policy import Policy

# Before all others however few their words: they must never wait behind an invoice.
_FIRST = ("safety", "fraud", "legal")
# The end of a long mail is mostly quotes.
_CHARACTERS = 6_000


@dataclass(frozen=True, slots=True)
class FoundTopic:
    """A topic with how many different words spoke for it."""

    name: str
    words: int


def find_topics(texts: Sequence[str], language: str | None, policy: Policy) -> list[FoundTopic]:
    """Topics of a message and of those before it, the one that decides first.

    Safety, fraud and legal come before all others, in this order; then the topic with most different words;
    between equals the policy's order decides.

    Args:
        texts: the customer's messages.
        language: ISO 639-1; without a lexicon of it only the policy's own words count.
        policy: topics in order of precedence, with added words.
    """
    folded = [FoldedText(text[:_CHARACTERS]) for text in texts]
    found = []
    for name in policy.topics:
        words = {text.folded[m.start : m.end] for text in folded for m in _matches(text, name, language, policy)}
        if words:
            found.append(FoundTopic(name, len(words)))
    order = list(policy.topics)
    first = [name for name in order if name in _FIRST]
    return sorted(
        found,
        key=lambda topic: (
            first.index(topic.name) if topic.name in first else len(first),
            -topic.words,
            order.index(topic.name),
        ),
    )


def _matches(text: FoldedText, name: str, language: str | None, policy: Policy) -> Iterator[Match]:
    lexicon = lexicon_of(language)
    if lexicon is not None and name in TOPICS and not policy.topics[name].own_words_only:
        yield from text.find_all(lexicon.pattern("topics", name))
    added = policy.added_words(name, language) if language else None
    if added is not None:
        yield from text.find_all(added)
