"""What a message says of itself, by the words of its language."""

from __future__ import annotations

from service.lexicon import FoldedText, lexicon_of

_QUESTION_MARKS = "?؟"


def has_question_mark(text: str) -> bool:
    """Whether a text holds a question mark, of any of the 16 languages."""
    return any(mark in text for mark in _QUESTION_MARKS)


def says(text: str, language: str | None, key: str, section: str = "signals") -> bool:
    """Whether a key of the language's lexicon matches; False where there is no lexicon."""
    lexicon = lexicon_of(language)
    return lexicon is not None and lexicon.has(FoldedText(text), section, key)


def asks(text: str, language: str | None) -> bool:
    """Whether a text asks something, with a question mark or without."""
    return has_question_mark(text) or says(text, language, "question")


def says_solved(text: str, language: str | None) -> bool:
    """Whether a text says that the matter is solved, and asks nothing more."""
    return says(text, language, "solved") and not asks(text, language)
