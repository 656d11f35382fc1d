"""Which language a text is in."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

from model.text import normalise

if TYPE_CHECKING:
    from py3langid.langid import LanguageIdentifier

LANGUAGES = (
    "ar", "cs", "da", "de", "el", "en", "es", "fi", "fr", "hi", "hu", "id", "it", "ja", "ko", "nl", "no", "pl", "pt",
    "ro", "ru", "sv", "tr", "uk", "vi", "zh",
)  # fmt: skip
_MAX_CHARACTERS = 1_000
_MIN_CONFIDENCE = 0.3


@cache
def _identifier() -> LanguageIdentifier:
    from py3langid.langid import MODEL_FILE, LanguageIdentifier

    identifier = LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)
    identifier.set_languages(list(LANGUAGES))
    return identifier


def detect_language(text: str) -> str | None:
    """ISO 639-1 code of the likeliest of 26 languages; None for a text without letters, or with too little to tell.

    Reads the first 1,000 characters. Method: langid (Lui and Baldwin 2012), by ``py3langid``.
    """
    return language_of(normalise(text[:_MAX_CHARACTERS]).text)


def language_of(normalised: str) -> str | None:
    """As :func:`detect_language`, of a text that is normalised already."""
    sample = normalised[:_MAX_CHARACTERS]
    if not any(character.isalpha() for character in sample):
        return None
    language, confidence = _identifier().classify(sample)
    return str(language) if confidence >= _MIN_CONFIDENCE else None
