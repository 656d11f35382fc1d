"""Text normalisation that keeps anger visible, with an exact map back to the original characters.

The vocabulary is lower-case and folded, so that ``KLANTENSERVICE`` and ``klantenservice`` share one
embedding; what folding would destroy is kept as marker characters behind the word:
``SHOUTED`` becomes ``shouted⇧`` and ``sooooo`` becomes ``soo≋``. Runs of the same mark are cut to three
(``!!!!!!`` becomes ``!!!``). Addresses and long numbers become one symbol each, so that neither can
steer a score.
"""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass

import regex

MAX_CHARACTERS = 20_000
SHOUT = "⇧"
ELONGATION = "≋"
URL = "🔗"
EMAIL = "📧"
LONG_NUMBER = "#"
MARKERS = (SHOUT, ELONGATION, URL, EMAIL, LONG_NUMBER)

_SEGMENT = regex.compile(
    r"(?P<url>(?:https?://|www\.)\S{1,2000}(?<![!?.,;:)\]]))"
    r"|(?P<email>[\w.+-]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63}){1,4})"
    # Whoever names an emergency number is more often in danger than not.
    r"|(?P<emergency>(?:112|911|999)(?!\d))"
    r"|(?P<number>\d{3,})"
    r"|(?P<word>[\p{L}\p{M}]+(?:['’ʼ][\p{L}\p{M}]+)*)"
    r"|(?P<digit>\d)"
    r"|(?P<run>([^\s\p{L}\p{M}\d])(?:\uFE0F?\8)*)"
)
_SURROGATES = regex.compile(r"[\ud800-\udfff]")
_SHOUTED = regex.compile(r"\p{Lu}[\p{Lu}\p{M}ß'’ʼ]+")
_ELONGATED = regex.compile(r"(\p{L})\1{2,}")
# Arabic short vowels and tatweel, Hebrew points, the emoji selector: optional in writing, so dropped.
_OPTIONAL = regex.compile(r"[\u0640\u064B-\u0652\u0670\u0591-\u05C7\uFE0E\uFE0F]")
_FOLD = str.maketrans(
    {"İ": "i", "I": "i", "ı": "i", "ё": "е", "Ё": "е", "أ": "ا", "إ": "ا", "آ": "ا", "ٱ": "ا", "ى": "ي"}
    | dict.fromkeys("’ʼ‘`´", "'")
    | dict.fromkeys("“”„«»", '"')
    | {"ţ": "ț", "ş": "ș", "Ţ": "ț", "Ş": "ș"}
)


@dataclass(frozen=True, slots=True)
class Segment:
    """A word, number, mark run or symbol: where it stands in the original and in the normalised text.

    ``start``/``end`` are character offsets into the original, ``out_start``/``out_end`` into the
    normalised text; both half-open.
    """

    start: int
    end: int
    out_start: int
    out_end: int


@dataclass(frozen=True, slots=True)
class NormalisedText:
    """Normalised text with its segments in reading order; ``segments`` is empty for a blank text."""

    text: str
    segments: tuple[Segment, ...]


def normalise(text: str) -> NormalisedText:
    """Normalise any Python string; never raises, also not on lone surrogates or control characters.

    Words are separated by single spaces exactly where the original had white space, so that the
    tokenizer sees ``pakket?!`` as one word followed by marks.
    """
    pieces: list[str] = []
    segments: list[Segment] = []
    position = 0
    previous_end = 0
    for match in _SEGMENT.finditer(text):
        start, end = match.span()
        out = _segment_text(match.lastgroup or "run", match.group())
        if not out:
            continue
        if pieces and _has_space(text, previous_end, start):
            pieces.append(" ")
            position += 1
        pieces.append(out)
        segments.append(Segment(start, end, position, position + len(out)))
        position += len(out)
        previous_end = end
    return NormalisedText("".join(pieces), tuple(segments))


def encodable(text: str) -> str:
    """The text with each lone surrogate, which UTF-8 cannot hold, replaced by U+FFFD; same length."""
    return _SURROGATES.sub("\ufffd", text)


_FIXED = {"url": URL, "email": EMAIL, "number": LONG_NUMBER}


def _segment_text(kind: str, raw: str) -> str:
    if kind in _FIXED:
        return _FIXED[kind]
    if kind == "word":
        return _word(raw)
    if kind == "emergency":
        return raw
    if kind == "digit":
        return str(unicodedata.digit(raw, 0))
    return _run(raw)


def _word(raw: str) -> str:
    if raw.isascii():
        shouted = len(raw) > 1 and raw.isupper()
        word = raw.lower()
    else:
        word = _OPTIONAL.sub("", unicodedata.normalize("NFKC", raw))
        shouted = _SHOUTED.fullmatch(word) is not None
        word = word.translate(_FOLD).lower()
    if not word:
        return ""
    word, elongated = _ELONGATED.subn(r"\1\1", word)
    return word + (SHOUT if shouted else "") + (ELONGATION if elongated else "")


def _run(raw: str) -> str:
    first = raw[0]
    if unicodedata.category(first) in ("Cc", "Cf", "Cs", "Co", "Cn"):
        return ""
    mark = unicodedata.normalize("NFKC", first).translate(_FOLD).strip()
    return mark * min(raw.count(first), 3)


def _has_space(text: str, start: int, end: int) -> bool:
    gap = text[start:end]
    if not gap or gap == " ":
        return bool(gap)
    return any(character.isspace() or unicodedata.category(character) == "Cc" for character in gap)
