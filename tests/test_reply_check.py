import pytest
from scores import score, shares

from service.decision import Thresholds
from service.reply_check import Exchange, check_reply

THRESHOLDS = Thresholds(0.5, 0.5)
ANGRY = "I am furious, this is the third time it broke!"
GOOD = "I am sorry about this. I have asked an engineer to come; she will call you before noon tomorrow."


def found(draft, customer=ANGRY, anger=2, urgency=1, language="en", draft_anger=0):
    own = score(draft_anger, 0, shares((0, 3, 0.1, 0), (len(draft) - 4, len(draft), 2.0, 0)))
    exchange = Exchange(draft, own, language, customer, score(anger, urgency) if customer else None)
    return [
        (f.code, draft[f.start : f.end] if f.start is not None else None) for f in check_reply(exchange, THRESHOLDS)
    ]


def test_a_good_reply_has_no_fault():
    assert found(GOOD) == []


@pytest.mark.parametrize(
    ("draft", "code", "words"),
    [
        ("As I already told you, that is how it is.", "arguing", "As I already told"),
        ("Sorry, but you should have read the manual. I will send it today.", "blame", "you should have"),
        ("Sorry. Please contact the courier about it today.", "sent_on", None),
        ("Sorry, that is not our responsibility, we will see today.", "cold", None),
    ],
)
def test_phrases_have_a_place(draft, code, words):
    places = dict(found(draft))
    assert code in places
    assert words is None or places[code].startswith(words)


@pytest.mark.parametrize(
    "draft",
    [
        "It was not your fault, and I am sorry. I will refund you today.",
        "No problem at all, I will send it today. Sorry for the wait.",
        "I am sorry. That is unfortunately not possible, but what I can do is lend you one until Friday.",
        "Sorry! You need not call again, I will ring you at 5 pm.",
    ],
)
def test_near_misses_pass(draft):
    assert found(draft) == []


def test_a_no_is_flat_without_another_way():
    assert ("flat_refusal", "We cannot refund") in found("Sorry. We cannot refund this order.")
    assert "flat_refusal" not in dict(found("Sorry. We cannot refund this order, but we can exchange it today."))


def test_what_is_missing():
    assert ("no_apology", None) in found("I will send an engineer tomorrow.")
    assert ("no_next_step", None) in found("I am so sorry about all of this trouble.")
    assert ("no_time", None) in found("I am sorry. I will send an engineer to you.")
    assert found("I will send an engineer to you tomorrow.", anger=1) == [], "no apology is due"


def test_nothing_is_missing_without_the_customers_message_or_when_it_is_solved():
    assert found("You can find it in the menu.", customer=None) == []
    assert found("Glad to hear that, have a nice day!", "Thanks, it works again!", 0, 0) == []


def test_a_question_for_a_time_or_an_amount_needs_one():
    assert ("unanswered_question", None) in found("It is on its way to you.", "When will my order arrive?", 0, 1)
    assert found("It will be with you on Tuesday.", "When will my order arrive?", 0, 1) == []
    assert ("unanswered_question", None) in found("It depends on many things here.", "How much does it cost?", 0, 1)
    assert "unanswered_question" not in dict(found("It costs 20 euros.", "How much does it cost?", 0, 1))


def test_an_angry_draft_is_marked_at_its_angriest_sentence():
    draft = "Sorry. I will do it today. Enough of this!"
    assert found(draft, draft_anger=3) == [("angry", "Enough of this!")]


def test_without_a_lexicon_only_anger_is_looked_at():
    assert found("Se ei ole meidän vikamme", language="fi") == []
    assert found("Se ei ole meidän vikamme", language="fi", draft_anger=3)[0][0] == "angry"


def test_fragments_miss_nothing():
    assert found("Hi!") == []
