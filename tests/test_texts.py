import pytest
from babel.messages.pofile import read_po
from test_lexicon import CORE

from service.texts import DOMAIN, GROUPS, LOCALES, languages, text

SENTENCES = {sentence for group in GROUPS.values() for sentence in group.values()}


def test_every_core_language_has_a_catalogue():
    assert set(languages()) == set(CORE)


@pytest.mark.parametrize("language", [language for language in CORE if language != "en"])
def test_no_language_misses_a_sentence(language):
    with (LOCALES / language / "LC_MESSAGES" / f"{DOMAIN}.po").open("rb") as file:
        catalogue = read_po(file, locale=language)
    messages = {message.id: message for message in catalogue if message.id}
    assert set(messages) == SENTENCES
    for message in messages.values():
        assert message.string, message.id
        assert message.string != message.id
        assert not message.fuzzy
    assert len({message.string for message in messages.values()}) >= len(SENTENCES) - 2, "few sentences coincide"


def test_a_sentence_in_another_language():
    assert text("reason", "anger_furious", "en") == "The customer is furious."
    assert text("reason", "anger_furious", "nl") != text("reason", "anger_furious", "en")
    assert text("reason", "anger_furious", "xx") == text("reason", "anger_furious", None)


def test_unknown_codes_are_refused():
    with pytest.raises(KeyError):
        text("reason", "no_such_code", "nl")
