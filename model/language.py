"""Which language a text is in."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

from model.text import normalise

if TYPE_CHECKING:
    from py3langid.langid import LanguageIdentifier

CORE_LANGUAGES = ("ar", "cs", "de", "en", "es", "fr", "hi", "it", "nl", "pl", "pt", "ro", "ru", "sv", "tr", "uk")
_MAX_CHARACTERS = 1_000


@cache
def _identifier() -> LanguageIdentifier:
    from py3langid.langid import MODEL_FILE, LanguageIdentifier

    identifier = LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)
    identifier.set_languages(list(CORE_LANGUAGES))
    return identifier


def detect_language(text: str) -> str | None:
    """ISO 639-1 code of the most likely of the 16 core languages; None for a text without letters.

    Reads the first 1,000 characters. Method: langid (Lui and Baldwin 2012), by ``py3langid``.
    """
    sample = normalise(text[:_MAX_CHARACTERS]).text
    if not any(character.isalpha() for character in sample):
        return None
    return str(_identifier().classify(sample)[0])
