"""Changes to a text that leave its grades true: so that the score is about the words."""

from __future__ import annotations

import json
import random
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import regex

from training.examples import cuts_of_grade

if TYPE_CHECKING:
    from collections.abc import Iterable

    from training.examples import Example

Change = Callable[[str, random.Random], str]
_MARKS = regex.compile(r"[^\w\s]+")
_WORD = regex.compile(r"[\p{L}\p{M}]{4,}")
# Shouting and repeated marks are part of the anger, so they are never taken away.
_LOUD = regex.compile(r"\p{Lu}{3,}|[!?]{2,}|\p{Emoji_Presentation}")
_CURRENCY = (
    r"(?:€|\$|£|₺|₹|₽|₴|eur\w*|zł\w*|kč|lei|leu|ron|kr|sek|usd|tl|lira|грн|руб\w*|reais|रुपये|ريال|دينار|جنيه|درهم)"
)
_NUMBER = r"\d{1,3}(?:[ .,]\d{3})*(?:[.,]\d{2})?"
# Only beside a currency: a bare 14.30 may be a time and 01.05 a date, and either decides the urgency.
_AMOUNT = regex.compile(
    rf"(?<={_CURRENCY}\s?){_NUMBER}(?!\d)|(?<!\d){_NUMBER}(?=\s?{_CURRENCY}(?!\p{{L}}))", regex.IGNORECASE
)
_CAPITALISED = regex.compile(r"(?<=\p{Ll}[,;]? )\p{Lu}\p{Ll}{2,}(?!\p{L})")
_NAMES = Path(__file__).parent / "data" / "names.json"
# A capitalised word seen more often is a form of address or a common noun rather than somebody's name.
_COMMON = 8
_LONG = 300
_CALM = cuts_of_grade(0)
_SWAPPED = 0.7


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
        # A third letter of a kind would be a drawn-out word, which is a sign of anger.
        kind = rng.choice((0, 2) if text[at] in (text[at - 1], text[at + 1]) else (0, 1, 2))
        middle = {0: "", 1: text[at] * 2, 2: text[at + 1] + text[at]}[kind]
        text = text[:at] + middle + text[at + (2 if kind == 2 else 1) :]
    return text


CHANGES: tuple[tuple[float, Change], ...] = (
    (0.06, lower_case),
    (0.12, without_diacritics),
    (0.06, without_marks),
    (0.20, typing_errors),
)


def augment(text: str, rng: random.Random) -> str:
    """Apply each change of spelling with its own probability."""
    for probability, change in CHANGES:
        if rng.random() < probability:
            text = change(text, rng)
    return text


class Augmentation:
    """All changes, with names, signatures and older mails to quote for each language.

    Args:
        examples: the training examples; rare capitalised words inside their sentences count as names,
            and they are what gets quoted.
    """

    def __init__(self, examples: Iterable[Example]) -> None:
        self._known: dict[str, dict[str, list[str]]] = json.loads(_NAMES.read_text(encoding="utf-8"))
        kept = regex.compile("|".join(self._known.pop("*")["kept"]), regex.IGNORECASE)
        self._messages: dict[str, list[Example]] = defaultdict(list)
        capitalised: dict[str, Counter[str]] = defaultdict(Counter)
        small: dict[str, set[str]] = defaultdict(set)
        for example in examples:
            if example.source != "messages":
                continue
            capitalised[example.language].update(_CAPITALISED.findall(example.text))
            small[example.language].update(regex.findall(r"\b\p{Ll}+\b", example.text))
            if len(example.text) <= _LONG and "\n>" not in example.text:
                self._messages[example.language].append(example)
        self._names: dict[str, list[str]] = {}
        for language, known in self._known.items():
            found = [
                word
                for word, count in sorted(capitalised[language].items())
                if count <= _COMMON and word.lower() not in small[language] and not kept.match(word)
            ]
            # German writes all nouns with a capital.
            self._names[language] = [*known["first"], *known["last"], *known["city"]] + (
                found if language != "de" else []
            )

    def __call__(self, example: Example, rng: random.Random) -> Example:
        """The example with a changed text; public texts get changes of spelling only."""
        if example.source == "messages" and rng.random() < 0.06:
            example = self.joined(example, rng)
        text = example.text
        if example.source == "messages":
            if rng.random() < 0.2:
                text = self.swap_names(text, example.language, rng)
            if rng.random() < 0.2:
                text = swap_amounts(text, rng)
        text = augment(text, rng)
        if example.source == "messages" and example.language in self._known:
            if rng.random() < 0.12:
                text = self.with_signature(text, example.language, rng)
            if rng.random() < 0.03:
                text = self.with_quote(text, example.language, rng)
        return replace(example, text=text)

    def twin(self, example: Example, rng: random.Random) -> Example:
        """The same message spelt, named or signed otherwise: its scores must not move."""
        text = example.text
        if rng.random() < 0.5:
            text = self.swap_names(text, example.language, rng)
        if rng.random() < 0.3:
            text = swap_amounts(text, rng)
        text = augment(text, rng)
        if example.language in self._known and rng.random() < 0.4:
            text = self.with_signature(text, example.language, rng)
        return replace(example, text=text)

    def joined(self, example: Example, rng: random.Random) -> Example:
        """Two messages in one, with the higher grade of each dimension: harmless words take nothing away."""
        others = [other for other in self._messages[example.language] if other is not example]
        if not others or len(example.text) > _LONG:
            return example
        other = rng.choice(others)
        first, second = (example, other) if rng.random() < 0.5 else (other, example)
        anger, urgency = (
            tuple(map(max, getattr(example, name), getattr(other, name))) for name in ("anger", "urgency")
        )
        gap = rng.choice((" ", "\n", "\n\n"))
        return replace(example, text=f"{first.text}{gap}{second.text}", anger=anger, urgency=urgency)

    def swap_names(self, text: str, language: str, rng: random.Random) -> str:
        """Other people, places and products of the same language in the place of those named."""
        names = self._names.get(language)
        if not names:
            return text
        known = set(names)

        def other(match: regex.Match[str]) -> str:
            word = str(match.group())
            return rng.choice(names) if word in known and rng.random() < _SWAPPED else word

        return str(_CAPITALISED.sub(other, text))

    def with_signature(self, text: str, language: str, rng: random.Random) -> str:
        """A sender's closing, name, function, place or telephone number below."""
        known = self._known[language]
        name = f"{rng.choice(known['first'])} {rng.choice(known['last'])}"
        if rng.random() < 0.3:
            name = name[0] + ". " + name.split(" ", 1)[1]
        lines = [name]
        if rng.random() < 0.6:
            lines.append(rng.choice(known["roles"]))
        if rng.random() < 0.4:
            lines.append(f"{rng.choice(known['last'])} & {rng.choice(known['last'])}, {rng.choice(known['city'])}")
        if rng.random() < 0.3:
            lines.append(rng.choice(("+", "0", "tel. ", "☎ ")) + str(rng.randrange(10**8, 10**9)))
        if rng.random() < 0.15:
            lines.append(f"www.{rng.choice(('example', 'kantoor', 'office', 'mail'))}.example")
        opening = rng.choice(("", "-- \n", "", ""))
        closing = rng.choice(known["closings"]) + "\n" if rng.random() < 0.8 else ""
        gap = rng.choice(("\n\n", "\n"))
        return f"{text}{gap}{closing}{opening}" + "\n".join(lines)

    def with_quote(self, text: str, language: str, rng: random.Random) -> str:
        """An older calm mail quoted below: only the writer's new words count."""
        calm = [m for m in self._messages[language] if m.anger == m.urgency == _CALM]
        if not calm:
            return text
        older = rng.choice(calm).text.splitlines()
        return f"{text}\n\n" + "\n".join(f"> {line}" for line in older)


def swap_amounts(text: str, rng: random.Random) -> str:
    """Other digits in amounts of money, of the same length."""

    def other(match: regex.Match[str]) -> str:
        digits = [str(rng.randrange(10)) if c.isdigit() else c for c in match.group()]
        return "".join(digits) if digits[0] != "0" else "1" + "".join(digits[1:])

    return str(_AMOUNT.sub(other, text))
