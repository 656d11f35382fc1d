import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from nasty import NASTY

from model.text import encodable, normalise


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Waar blijft mijn pakket?!", "waar blijft mijn pakket?!"),
        ("WAAR blijft DHL", "waar⇧ blijft dhl⇧"),
        ("neeeeeee", "nee≋"),
        ("NEEEEE!!!!!!", "nee⇧≋!!!"),
        ("order 123456789 of 2 May", "order # of 2 may"),
        ("we called 112, then 1123 and 113", "we called 112, then # and #"),
        ("mail a.b@example.org or https://example.org/x?y", "mail 📧 or 🔗"),
        ("İSTANBUL ışık", "istanbul⇧ işik".replace("ş", "ș")),
        ("أُرْجُو إفادتي", "ارجو افادتي"),
        ("don’t  \n stop", "don't stop"),
        ("ﬁne Ｗｉｄｅ", "fine wide"),
        ("😡😡😡😡😡", "😡😡😡"),
        ("a\x00b", "a b"),
        ("so eine SCHEIßE", "so eine scheiße⇧"),
        ("zie www.example.nl!!!", "zie 🔗!!!"),
        ("", ""),
        (" \n\t", ""),
    ],
)
def test_normalise(text, expected):
    assert normalise(text).text == expected


def test_case_emoji_and_marks_stay_visible():
    calm, loud = normalise("waar is het").text, normalise("WAAR is het!!! 😡").text
    assert calm != loud
    assert all(mark in loud for mark in ("⇧", "!!!", "😡"))


def test_a_single_capital_is_not_shouting():
    assert "⇧" not in normalise("I am A B").text


@pytest.mark.parametrize("name", sorted(NASTY))
def test_nasty_texts_keep_their_offsets(name):
    check(NASTY[name])


@settings(max_examples=300, deadline=None)
@given(st.text(alphabet=st.characters(codec=None), max_size=200))
def test_any_text_keeps_its_offsets(text):
    check(text)


def check(text):
    result = normalise(text)
    result.text.encode("utf-8")
    end = out_end = 0
    for segment in result.segments:
        assert end <= segment.start < segment.end <= len(text)
        assert out_end <= segment.out_start < segment.out_end <= len(result.text)
        assert not result.text[segment.out_start : segment.out_end].isspace()
        end, out_end = segment.end, segment.out_end
    assert out_end == len(result.text)


def test_encodable_keeps_length():
    assert encodable("a\ud800b") == "a\ufffdb"
