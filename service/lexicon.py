"""Words and phrases by language, found in texts: what a message is about, and what a draft does.

The patterns live in ``service/lexicons/<language>.toml``; docs/lexicon.md says how they are matched.
"""

from __future__ import annotations

import tomllib
import unicodedata
from dataclasses import dataclass
from functools import cache, lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

import regex

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

LEXICONS = Path(__file__).parent / "lexicons"
TOPICS = ("safety", "fraud", "legal", "outage", "retention", "billing", "delivery")
# A match starts at the start of a word; its end is open, so that one pattern covers inflected forms.
_START = r"(?<!\w)"
_SECONDS = 0.2
_SINGLE = {"’": "'", "‘": "'", "ʼ": "'", "ł": "l", "ø": "o", "đ": "d", "ı": "i", "ة": "ه", "ى": "ي"}
_PLAIN_SCRIPTS = ("LATIN", "CYRILLIC", "ARABIC", "GREEK")
# Hindi's dotted consonants come as one character or as two; the dot is left out or optional.
_DOT = "\u093c"
_DOTTED = {chr(code): unicodedata.normalize("NFD", chr(code))[0] for code in range(0x0958, 0x0960)}


@dataclass(frozen=True, slots=True)
class Match:
    """A phrase found: ``text[start:end]``."""

    start: int
    end: int


@lru_cache(maxsize=4096)
def _fold_character(character: str) -> str:
    if character in _SINGLE:
        return _SINGLE[character]
    if character in _DOTTED:
        return _DOTTED[character]
    lower = character.lower()
    lower = lower if len(lower) == 1 else lower[0]
    if lower in _SINGLE:
        return _SINGLE[lower]
    if not unicodedata.name(lower, "").startswith(_PLAIN_SCRIPTS):
        return lower
    return unicodedata.normalize("NFD", lower)[0]


def fold(text: str) -> str:
    """Lower case without diacritics, letter by letter, so that every offset stays as it was."""
    return "".join(map(_fold_character, text)) if not text.isascii() else text.lower()


def compile_patterns(patterns: Sequence[str]) -> regex.Pattern[str]:
    """One expression for all patterns of a key, folded; a blank matches any white space.

    Raises:
        regex.error: a pattern is malformed.
    """
    spaced = [
        fold(unicodedata.normalize("NFC", pattern)).replace(" ?", r"\s*").replace(" ", r"\s+").replace(_DOT, _DOT + "?")
        for pattern in patterns
    ]
    return regex.compile(_START + "(?:" + "|".join(spaced) + ")")


def literal(words: str) -> str:
    """A pattern for plain words, as a policy gives them."""
    return regex.escape(fold(words), special_only=True, literal_spaces=True)


class FoldedText:
    """A text folded once, in which several keys are looked for."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.folded = fold(text)

    def find_all(self, pattern: regex.Pattern[str]) -> Iterator[Match]:
        """All matches in order; none after 0.2 s, so that no text can hold up a request."""
        try:
            for found in pattern.finditer(self.folded, timeout=_SECONDS):
                yield Match(found.start(), found.start() + len(found.group().rstrip()))
        except TimeoutError:
            return

    def find(self, pattern: regex.Pattern[str]) -> Match | None:
        """The first match."""
        return next(self.find_all(pattern), None)


class Lexicon:
    """The patterns of one language; each key is compiled when it is first looked for."""

    def __init__(self, sections: Mapping[str, Mapping[str, Sequence[str]]]) -> None:
        self._sections = sections
        self._compiled: dict[tuple[str, str], regex.Pattern[str]] = {}

    def pattern(self, section: str, key: str) -> regex.Pattern[str]:
        """The expression of a key.

        Raises:
            KeyError: there is no such section or key.
        """
        found = self._compiled.get((section, key))
        if found is None:
            found = self._compiled[section, key] = compile_patterns(self._sections[section][key])
        return found

    def first(self, text: FoldedText, section: str, key: str) -> Match | None:
        """Where a key first matches."""
        return text.find(self.pattern(section, key))

    def has(self, text: FoldedText, section: str, key: str) -> bool:
        """Whether a key matches."""
        return self.first(text, section, key) is not None


@cache
def known_languages() -> frozenset[str]:
    """Languages with a lexicon, ISO 639-1."""
    return frozenset(path.stem for path in LEXICONS.glob("*.toml"))


@cache
def _load(language: str) -> Lexicon:
    with (LEXICONS / f"{language}.toml").open("rb") as file:
        return Lexicon(tomllib.load(file))


def lexicon_of(language: str | None) -> Lexicon | None:
    """The lexicon of a language; None where there is none, so that nothing is read into foreign words."""
    return _load(language) if language in known_languages() else None
