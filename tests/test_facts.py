import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st
from nasty import NASTY

from service.facts import MAX_FACTS, find_facts
from service.lexicon import lexicon_of


def facts(text, language="en", region=""):
    return [(f.kind, text[f.start : f.end], f.value) for f in find_facts(text, language, lexicon_of(language), region)]


CASES = """
nl | Op 3 maart 2026 betaalde ik €1.234,50 | date 3 maart 2026 = 2026-03-03 | amount €1.234,50 = 1234.50
de | am 3. März habe ich 50 Euro bezahlt | date 3. März = --03-03 | amount 50 Euro = 50
fr | le 1er mars 2026, 45,90 € | date 1er mars 2026 = 2026-03-01 | amount 45,90 € = 45.90
es | el 3 de marzo de 2026 pagué 45 euros | date 3 de marzo de 2026 = 2026-03-03 | amount 45 euros = 45
pl | 12 kwietnia zapłaciłem 129,99 zł | date 12 kwietnia = --04-12 | amount 129,99 zł = 129.99
cs | 3. března jsem zaplatil 1 299 Kč | date 3. března = --03-03 | amount 1 299 Kč = 1299
tr | 5 Ekim 2026 1.299 TL ödedim | date 5 Ekim 2026 = 2026-10-05 | amount 1.299 TL = 1299
ru | 3 марта 2026 заплатил 1 500 руб | date 3 марта 2026 = 2026-03-03 | amount 1 500 руб = 1500
uk | 5 жовтня сплатила 500 грн | date 5 жовтня = --10-05 | amount 500 грн = 500
ar | في 5 مارس دفعت ٣٥٠ ريال | date 5 مارس = --03-05 | amount ٣٥٠ ريال = 350
hi | 5 मार्च को 1,200 रुपये दिए | date 5 मार्च = --03-05 | amount 1,200 रुपये = 1200
sv | den 3 mars betalade jag 349 kr | date 3 mars = --03-03 | amount 349 kr = 349
pt | em 3 de maio paguei R$ 45,00 | date 3 de maio = --05-03 | amount R$ 45,00 = 45.00
it | il 3 maggio ho pagato 45,00 euro | date 3 maggio = --05-03 | amount 45,00 euro = 45.00
ro | pe 3 mai am plătit 45 lei | date 3 mai = --05-03 | amount 45 lei = 45
en | on 3 May I paid £45.00 | date 3 May = --05-03 | amount £45.00 = 45.00
"""


@pytest.mark.parametrize("case", CASES.strip().splitlines())
def test_dates_and_amounts(case):
    language, text, *expected = case.split(" | ")
    found = [fact for fact in facts(text, language) if fact[0] in ("date", "amount")]
    assert [f"{kind} {words} = {value}" for kind, words, value in found] == expected


def test_references_contacts_and_deadlines():
    text = "Order number: AB-2026-11, third time. Case #4455667 must be solved before Friday. Invoice 99812."
    assert facts(text) == [
        ("order_number", "AB-2026-11", "AB-2026-11"),
        ("earlier_contact", "third time", None),
        ("case_number", "4455667", "4455667"),
        ("deadline", "before Friday", None),
        ("invoice_number", "99812", "99812"),
    ]


def test_numbers_glued_to_their_sign():
    assert [f[1] for f in facts("O pedido nº4587123 não chegou", "pt") if f[0] == "order_number"] == ["4587123"]


def test_telephone_numbers_get_a_country_only_when_it_is_known():
    assert facts("bel 06-12345678", "nl") == [("phone", "06-12345678", "0612345678")]
    assert facts("bel 06-12345678", "nl", region="NL") == [("phone", "06-12345678", "+31612345678")]
    assert facts("call +31 6 12345678") == [("phone", "+31 6 12345678", "+31612345678")]
    assert facts("call 07911 123456 or (212) 555-0123")[0][0] == "phone"


def test_what_could_be_two_dates_is_left_open():
    assert facts("on 03/04/2026") == [("date", "03/04/2026", None)]
    assert facts("on 13/04/2026") == [("date", "13/04/2026", "2026-04-13")]
    assert facts("op 03-04-2026", "nl") == [("date", "03-04-2026", "2026-04-03")]
    assert facts("on 45/45/2026") == [("date", "45/45/2026", None)]


def test_nothing_is_made_up():
    assert facts("I may march in May, it is my second best day of the week.") == []
    assert facts("It took 3 hours and 2 colleagues") == []
    assert facts("Die 45 Minuten", "de") == []


def test_addresses_are_one_fact():
    assert facts("write to jan.smith12345@example.com") == [
        ("email", "jan.smith12345@example.com", "jan.smith12345@example.com")
    ]


def test_without_a_lexicon_what_needs_no_words_is_found():
    assert facts("maksoin €15 2026-03-01", "fi") == [("amount", "€15", "15"), ("date", "2026-03-01", "2026-03-01")]
    assert facts("€15", None) == [("amount", "€15", "15")]


def test_long_texts_are_read_at_both_ends():
    text = "€15 " + "x " * 9_000 + " jan@example.com"
    assert [kind for kind, _, _ in facts(text)] == ["amount", "email"]
    assert len(facts("€15 " * 500)) == MAX_FACTS


@pytest.mark.parametrize("text", NASTY)
def test_nasty_texts(text):
    for language in ("en", "ar", "xx", None):
        for _, words, _ in facts(text, language):
            assert words


@given(st.text(max_size=300), st.sampled_from(["en", "ar", "hi", "de", None]))
def test_places_are_inside_and_apart(text, language):
    found = find_facts(text, language, lexicon_of(language))
    assert all(0 <= f.start < f.end <= len(text) for f in found)
    assert all(a.end <= b.start for a, b in itertools.pairwise(found))
