"""The keyword rule that a help desk would write instead of Kalm: what it flags is counted beside Kalm's flags."""

from __future__ import annotations

import tomllib
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from service.lexicon import FoldedText, compile_patterns, literal

if TYPE_CHECKING:
    import regex

_FILE = Path(__file__).with_name("keywords.toml")
_CHARACTERS = 6_000


@cache
def _patterns() -> dict[str, regex.Pattern[str]]:
    with _FILE.open("rb") as file:
        return {
            language: compile_patterns([literal(w) for w in words]) for language, words in tomllib.load(file).items()
        }


def keyword_flag(text: str, language: str | None) -> bool:
    """Whether one of the language's words is in the text, or three exclamation marks in a row."""
    if "!!!" in text:
        return True
    pattern = _patterns().get(language or "")
    return pattern is not None and FoldedText(text[:_CHARACTERS]).find(pattern) is not None
