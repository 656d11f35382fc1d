"""Changes to a text that leave its grades true: so that the score is about the words."""

from __future__ import annotations

import random
import unicodedata
from collections.abc import Callable

import regex

Change = Callable[[str, random.Random], str]
_MARKS = regex.compile(r"[^\w\s]+")
_WORD = regex.compile(r"[\p{L}\p{M}]{4,}")
# Shouting and repeated marks are part of the anger, so they are never taken away.
_LOUD = regex.compile(r"\p{Lu}{3,}|[!?]{2,}|\p{Emoji_Presentation}")
_SIGNATURES = (
    "\n\n-- \n{name}",
    "\n\n{name}\n+00 00 000 00 00",
    "\n\nSent from my iPhone",
    "\n\n{name} | {name} B.V. | www.example.com",
)
_NAMES = (
    "J. Jansen",
    "M. Rossi",
    "A. Novak",
    "K. Yilmaz",
    "S. Sharma",
    "L. Nowak",
    "O. Ahmed",
    "D. Silva",
    "I. Popescu",
)


def lower_case(text: str, rng: random.Random) -> str:
    """All letters small."""
    del rng
    return text if _LOUD.search(text) else text.lower()


def without_diacritics(text: str, rng: random.Random) -> str:
    """Latin letters without their accents, as many phones write them."""
    del rng
    kept: list[str] = []
    latin = False
    for character in unicodedata.normalize("NFD", text):
        if not unicodedata.combining(character):
            latin = "LATIN" in unicodedata.name(character, "")
        elif latin:
            continue
        kept.append(character)
    return unicodedata.normalize("NFC", "".join(kept))


def without_marks(text: str, rng: random.Random) -> str:
    """No punctuation (emoji and symbols go too)."""
    del rng
    return text if _LOUD.search(text) else _MARKS.sub(" ", text).strip() or text


def typing_errors(text: str, rng: random.Random) -> str:
    """One letter dropped, doubled or swapped in about one long word in ten, at least one."""
    words = list(_WORD.finditer(text))
    chosen = [word for word in words if rng.random() < 0.1] or words[:1]
    for word in reversed(chosen):
        at = rng.randrange(word.start() + 1, word.end() - 1)
        kind = rng.randrange(3)
        middle = {0: "", 1: text[at] * 2, 2: text[at + 1] + text[at]}[kind]
        text = text[:at] + middle + text[at + (2 if kind == 2 else 1) :]
    return text


def with_signature(text: str, rng: random.Random) -> str:
    """A sender's signature below."""
    return text + rng.choice(_SIGNATURES).format(name=rng.choice(_NAMES))


CHANGES: tuple[tuple[float, Change], ...] = (
    (0.06, lower_case),
    (0.12, without_diacritics),
    (0.06, without_marks),
    (0.20, typing_errors),
    (0.05, with_signature),
)


def augment(text: str, rng: random.Random) -> str:
    """Apply each change with its own probability."""
    for probability, change in CHANGES:
        if rng.random() < probability:
            text = change(text, rng)
    return text
