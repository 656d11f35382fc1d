"""Facts that a message states, each with its place, so that the customer need not say them again."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Literal

import dateparser
import phonenumbers
import regex
from babel import Locale
from babel.core import UnknownLocaleError, get_global
from price_parser import Price

from service.lexicon import FoldedText, fold

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from service.lexicon import Lexicon

Kind = Literal[
    "order_number",
    "case_number",
    "customer_number",
    "invoice_number",
    "tracking_number",
    "phone",
    "email",
    "date",
    "amount",
    "deadline",
    "earlier_contact",
]
MAX_FACTS = 50
# Facts stand near the beginning of long mails, or in the signature at their end; what lies between is mostly quoted.
_EDGE = 6_000
_NUMBER = regex.compile(r"(?<![^\Wºª]|-)(?=[\w/.-]*\d[\w/.-]*\d[\w/.-]*\d)[\p{L}\d]+(?:[/.-]?[\p{L}\d]+)*")
_BETWEEN = regex.compile(r"[\s:#.№º°=-]*(?:\p{L}{1,3}[.:]?\s+)?")
_EMAIL = regex.compile(r"[\w.+-]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63}){1,4}")
_DATE = regex.compile(
    r"(?<![\w.,/-])(?:\d{4}-\d{1,2}-\d{1,2}|\d{1,2}[./-]\d{1,2}[./-](?:\d{4}|\d{2}))(?![\w/-]|[.,]\d)"
)
_DIGITS = r"\d{1,3}(?:[ .,'\u00a0\u202f]\d{2,3})+(?:[.,]\d{1,2})?(?:,-)?|\d+(?:[.,]\d{1,2})?(?:,-)?"
_ALSO_SPOKEN = {"en": ("GB",), "pt": ("PT",), "ar": ("SA", "MA", "AE")}
_SYMBOLS = "€$£¥₹₴₽₺"
# ISO codes, and everyday names as people write them, folded, by language.
_CURRENCIES = """
eur usd gbp chf pln czk sek ron rub try uah inr brl mxn sar aed egp mad cad aud nok dkk huf bgn
euros? dollars? pounds? quid evro евро євро يورو
lei leu zl zlotych zlote zloty kc korun koruny kronor kr spann tl lira liras?i reais pesos?
руб рублеи рубля рублями грн гривень гривны гривен гривни
rupees? rs रुपये रुपए रु ريال ريالا درهم درهما جنيه جنيها دينار دينارا دولار دولارا
""".split()  # noqa: SIM905


@dataclass(frozen=True, slots=True)
class Fact:
    """One fact, ``text[start:end]``.

    ``value`` is the normal form: telephone numbers in E.164, or their digits where the country is not known; ISO 8601
    for dates with day and month; a decimal number for amounts; references as written. None where the words leave it
    open.
    """

    kind: Kind
    start: int
    end: int
    value: str | None = None


def find_facts(text: str, language: str | None, lexicon: Lexicon | None, region: str = "") -> list[Fact]:
    """Facts of a text, in order of place; of two that overlap, the surer one.

    Args:
        text: what the customer wrote.
        language: ISO 639-1, for names of months and the order of day and month.
        lexicon: of that language; without one only what needs no words is found.
        region: two letters for telephone numbers without a country code; empty: by language.
    """
    facts: list[Fact] = []
    for begin, part in _edges(text):
        folded = FoldedText(part)
        for found in _candidates(folded, language, lexicon, region):
            moved = Fact(found.kind, found.start + begin, found.end + begin, found.value)
            if not any(moved.start < old.end and old.start < moved.end for old in facts):
                facts.append(moved)
    return sorted(facts, key=lambda fact: fact.start)[:MAX_FACTS]


def _edges(text: str) -> list[tuple[int, str]]:
    if len(text) <= 2 * _EDGE:
        return [(0, text)]
    return [(0, text[:_EDGE]), (len(text) - _EDGE, text[-_EDGE:])]


def _candidates(text: FoldedText, language: str | None, lexicon: Lexicon | None, region: str) -> Iterable[Fact]:
    """The surer kinds first: an address before the number inside it."""
    yield from _addresses(text.text)
    has_digits = regex.search(r"\d", text.text) is not None
    if has_digits:
        yield from _amounts(text)
        yield from _dates(text, language)
        if lexicon is not None:
            yield from _references(text, lexicon)
        yield from _phones(text.text, language, region)
    if lexicon is not None:
        for key in ("deadline", "earlier_contact"):
            for match in text.find_all(lexicon.pattern("signals", key)):
                yield Fact(key, match.start, match.end)


def _addresses(text: str) -> Iterator[Fact]:
    if "@" in text:
        for found in _EMAIL.finditer(text):
            yield Fact("email", *found.span(), found.group().lower())


def _references(text: FoldedText, lexicon: Lexicon) -> Iterator[Fact]:
    """Numbers of three digits or more right after a word such as 'order number'."""
    for kind in ("order", "case", "customer", "invoice", "tracking"):
        for label in text.find_all(lexicon.pattern("reference", kind)):
            gap = _BETWEEN.match(text.folded, label.end)
            number = gap and _NUMBER.match(text.folded, gap.end())
            if number:
                start, end = number.span()
                yield Fact(f"{kind}_number", start, end, text.text[start:end])  # type: ignore[arg-type]


@cache
def _regions(language: str | None) -> tuple[str | None, ...]:
    """Countries whose way of writing telephone numbers to try: by CLDR, where most speakers of the language live."""
    likely = get_global("likely_subtags").get(language or "und", "")
    main = likely.rsplit("_", 1)[-1] or None
    return (main, *_ALSO_SPOKEN.get(language or "", ()))


def _phones(text: str, language: str | None, region: str) -> Iterator[Fact]:
    """Telephone numbers; with their country's code only where the text or the policy says which country it is."""
    if regex.search(r"\d(?:[\s()./-]{0,3}\d){6}", text) is None:
        return
    for country in (region,) if region else _regions(language):
        for found in phonenumbers.PhoneNumberMatcher(text, country):
            sure = bool(region) or found.raw_string.lstrip().startswith(("+", "00"))
            full = phonenumbers.format_number(found.number, phonenumbers.PhoneNumberFormat.E164)
            yield Fact("phone", found.start, found.end, full if sure else regex.sub(r"\D", "", found.raw_string))


@cache
def _currency() -> regex.Pattern[str]:
    words = "|".join(fold(word) for word in _CURRENCIES)
    mark = rf"(?:r|us)?[{_SYMBOLS}]|(?:{words})(?!\p{{L}})"
    return regex.compile(
        rf"(?<![\w.,])(?:(?:{mark})\.?\s?(?:{_DIGITS})|(?:{_DIGITS})\s?(?:{mark}))(?!\d)|(?<=[{_SYMBOLS}])(?:{_DIGITS})"
    )


def _amounts(text: FoldedText) -> Iterator[Fact]:
    for found in text.find_all(_currency()):
        price = Price.fromstring(text.text[found.start : found.end])
        if price.amount is not None:
            yield Fact("amount", found.start, found.end, str(price.amount))


@cache
def _named_dates(language: str) -> regex.Pattern[str] | None:
    """A day beside a month's name, or a weekday's name, from CLDR."""
    try:
        locale = Locale.parse(language)
    except (UnknownLocaleError, ValueError):
        return None
    months = {
        fold(name)
        for context in ("format", "stand-alone")
        for width in ("wide", "abbreviated")
        for name in locale.months[context][width].values()
    }
    names = "|".join(sorted((regex.escape(name.rstrip(".")) for name in months), key=len, reverse=True))
    day = r"\d{1,2}(?:\.|st|nd|rd|th|er|º|ª|-го|-е)?"
    year = r"(?:,?\s+(?:de\s+)?\d{4})?"
    return regex.compile(
        rf"(?<![\w.,])(?:{day}\s+(?:de\s+|of\s+|d')?(?:{names})\.?(?!\p{{L}}){year}|(?:{names})\.?\s+{day}(?!\w){year})"
    )


def _dates(text: FoldedText, language: str | None) -> Iterator[Fact]:
    for found in _DATE.finditer(text.text):
        yield Fact("date", *found.span(), _iso(found.group(), language))
    named = _named_dates(language) if language else None
    if named is not None:
        for match in text.find_all(named):
            yield Fact("date", match.start, match.end, _iso(text.text[match.start : match.end], language))


def _iso(words: str, language: str | None) -> str | None:
    """ISO 8601 of a date with a year, ``--MM-DD`` of one without; None when it cannot be one, or could be two.

    Day and month in figures are read in the order usual for the language; English has two orders.
    """
    figures = regex.fullmatch(r"(\d{1,2})[./-](\d{1,2})[./-]\d+", words)
    if figures and language in (None, "en") and max(map(int, figures.groups())) <= 12:
        return None
    settings = {"PREFER_DATES_FROM": "past", "REQUIRE_PARTS": ["day", "month"], "PREFER_LOCALE_DATE_ORDER": True}
    try:
        parsed = dateparser.parse(words, languages=[language] if language else None, settings=settings)
    except ValueError:
        return None
    if parsed is None:
        return None
    with_year = regex.search(r"\d{4}|\d{1,2}[./-]\d{1,2}[./-]\d{2}$", words) is not None
    return parsed.strftime("%Y-%m-%d") if with_year else parsed.strftime("--%m-%d")
