import time
import tomllib

import pytest
import regex
from hypothesis import given
from hypothesis import strategies as st

from service.keywords import keyword_flag
from service.lexicon import LEXICONS, TOPICS, FoldedText, compile_patterns, fold, known_languages, lexicon_of, literal
from service.signals import asks, says, says_solved

CORE = ("ar", "cs", "de", "en", "es", "fr", "hi", "it", "nl", "pl", "pt", "ro", "ru", "sv", "tr", "uk")
SECTIONS = tomllib.loads((LEXICONS / "en.toml").read_text(encoding="utf-8"))


def test_every_core_language_has_a_lexicon():
    assert known_languages() == set(CORE)
    assert tuple(SECTIONS["topics"]) == TOPICS


@pytest.mark.parametrize("language", CORE)
def test_each_has_all_keys_and_compiles(language):
    found = tomllib.loads((LEXICONS / f"{language}.toml").read_text(encoding="utf-8"))
    assert {name: set(keys) for name, keys in found.items()} == {name: set(keys) for name, keys in SECTIONS.items()}
    for keys in found.values():
        for key, patterns in keys.items():
            assert patterns, key
            assert all(pattern == pattern.lower() and not pattern.startswith(" ") for pattern in patterns), key
            empty = compile_patterns(patterns).match("")
            assert empty is None, f"{key} matches nothing at all"


@pytest.mark.parametrize("language", CORE)
def test_no_pattern_is_slow(language):
    lexicon = lexicon_of(language)
    text = FoldedText("a1 " * 2000 + "не нет no não " * 500 + "x" * 5000 + " ا ال و " * 500)
    began = time.process_time()
    for section, keys in SECTIONS.items():
        for key in keys:
            sum(1 for _ in text.find_all(lexicon.pattern(section, key)))
    assert time.process_time() - began < 5


@given(st.text(max_size=200))
def test_folding_keeps_every_offset(text):
    assert len(fold(text)) == len(text)
    assert fold(fold(text)) == fold(text)


def test_folding():
    assert fold("Érğüñ ŁÓDŹ Ёлка ÏЇ İı ß ’") == "ergun lodz елка iі ii ß '"
    assert fold("أحمد إلى مدرسة") == "احمد الي مدرسه"
    one, two = "\u095e\u094b\u0928", "\u092b\u093c\u094b\u0928"
    assert all(FoldedText(text).find(compile_patterns([pattern])) for text in (one, two) for pattern in (one, two))


def test_blanks_match_line_breaks_and_matches_are_trimmed():
    pattern = compile_patterns(["still (not|no)\\s"])
    text = FoldedText("It is STILL\n not there")
    match = text.find(pattern)
    assert text.text[match.start : match.end] == "STILL\n not"


def test_an_optional_blank_is_optional():
    pattern = compile_patterns([r"\d+ ?pm", "it is ?mine"])
    assert all(FoldedText(text).find(pattern) for text in ("5pm", "5 pm", "it is mine", "it ismine"))


def test_words_begin_at_a_word():
    assert FoldedText("refunded").find(compile_patterns(["refund"]))
    assert not FoldedText("prefund").find(compile_patterns(["refund"]))


def test_literal_words_are_no_expression():
    assert regex.fullmatch(literal("a.b (c)"), "a.b (c)")
    assert not regex.fullmatch(literal("a.b"), "axb")


def test_a_hostile_text_is_given_up(monkeypatch):
    slow = compile_patterns(["(a+)+$"])
    began = time.monotonic()
    assert list(FoldedText("a" * 40 + "!").find_all(slow)) == []
    assert time.monotonic() - began < 3


def test_unknown_languages_say_nothing():
    assert lexicon_of("xx") is None
    assert lexicon_of(None) is None
    assert not says("thank you", None, "thanks")


@pytest.mark.parametrize(
    ("language", "text"),
    [
        ("en", "Great, it works again, thank you!"),
        ("nl", "Top, het werkt weer, bedankt!"),
        ("de", "Super, es funktioniert wieder, danke!"),
        ("fr", "Super, ça remarche, merci !"),
        ("es", "Genial, ya funciona otra vez, gracias."),
        ("it", "Ottimo, adesso funziona di nuovo, grazie!"),
        ("pt", "Ótimo, já funciona outra vez, obrigada!"),
        ("sv", "Toppen, det fungerar igen, tack!"),
        ("pl", "Super, znowu działa, dziękuję!"),
        ("cs", "Super, už to zase funguje, děkuji!"),
        ("ro", "Super, funcționează din nou, mulțumesc!"),
        ("tr", "Harika, tekrar çalışıyor, teşekkürler!"),
        ("ru", "Отлично, снова работает, спасибо!"),
        ("uk", "Чудово, знову працює, дякую!"),
        ("ar", "رائع، الخدمة تعمل الآن من جديد، شكرا"),
        ("hi", "बढ़िया, अब फिर से काम कर रहा है, धन्यवाद"),
    ],
)
def test_thanks_and_solved(language, text):
    assert says(text, language, "thanks")
    assert says_solved(text, language)
    assert not asks(text, language)
    assert not says_solved(text + "?", language)


def test_keyword_rule():
    assert keyword_flag("Dit is ONACCEPTABEL", "nl")
    assert keyword_flag("hello!!!", None)
    assert not keyword_flag("Waar is mijn pakket?", "nl")
    assert not keyword_flag("Dit is onacceptabel", "en")
