from datetime import UTC, datetime

import pytest
from scores import score, shares
from test_lexicon import CORE

from service.advice import advice_fields, advise
from service.decision import Thresholds
from service.policy import load_policy
from service.schemas import Handover, ScoreRequest

NOW = datetime(2026, 1, 5, 12, tzinfo=UTC)
POLICY = load_policy()
THRESHOLDS = Thresholds(0.5, 0.5)


def card(text, anger, urgency, language="en", policy=POLICY, explanation=None, **fields):
    request = ScoreRequest.model_validate({"text": text, "handover": True} | fields)
    own = score(anger, urgency, explanation)
    turns = [score(0, 0) for turn in request.thread if turn.sender == "customer"]
    advice = advise(request, own, turns, language, policy, THRESHOLDS, now=NOW)
    found = advice_fields(advice, lambda: own, policy)["handover"]
    Handover.model_validate(found)
    return found


@pytest.mark.parametrize(
    ("text", "urgency", "team"),
    [
        ("There is smoke coming out of the socket and the invoice is wrong, too", 3, "safety"),
        ("Someone has used my card, there is an unauthorised payment on my bill", 2, "fraud"),
        ("My lawyer will write to you about the parcel", 2, "legal"),
        ("The internet is down again", 2, "outage"),
        ("I want to cancel my subscription", 1, "retention"),
        ("You charged me twice, I want a refund", 1, "billing"),
        ("The courier never delivered my parcel", 1, "delivery"),
        ("Do you have it in blue?", 1, "support"),
    ],
)
def test_who(text, urgency, team):
    assert card(text, 0, urgency)["who"]["team"] == team


def test_the_thread_tells_the_topic_too():
    thread = [{"from": "customer", "text": "Where is my parcel?"}, {"from": "agent", "text": "We are looking."}]
    assert card("Hello??", 1, 1, thread=thread)["who"]["team"] == "delivery"


def test_level_and_owner():
    def who(anger, urgency, text="Where is my parcel?", **fields):
        found = card(text, anger, urgency, **fields)["who"]
        return found["level"], found["one_owner"]

    assert who(1, 1) == ("agent", False)
    assert who(2, 2) == ("senior", False)
    assert who(1, 1, contacts=3) == ("senior", True)
    assert who(2, 2, contacts=3) == ("manager", True)
    assert who(0, 2, "There is a gas leak") == ("manager", False), "of the topic"


def test_the_policy_decides_about_teams(tmp_path):
    path = tmp_path / "policy.toml"
    path.write_text(
        """
        [topics.billing]
        team = "finance-nl"
        [topics.delivery]
        team = "logistics"
        own_words_only = true
        words = { en = ["my box"] }
        [topics.hotel]
        team = "rooms"
        words = { en = ["room service"] }
        [routing]
        default_team = "front-desk"
        critical_topic = "hotel"
        """,
        encoding="utf-8",
    )
    policy = load_policy(path)
    assert card("I want a refund", 1, 1, policy=policy)["who"]["team"] == "finance-nl"
    assert card("where is my parcel", 1, 1, policy=policy)["who"]["team"] == "front-desk"
    assert card("where is my box", 1, 1, policy=policy)["who"]["team"] == "logistics"
    assert card("the room service is slow", 1, 1, policy=policy)["who"]["team"] == "rooms"
    assert card("help", 0, 3, policy=policy)["who"]["team"] == "rooms", "critical without a topic"


def test_what():
    text = "FURIOUS! Order 12345 never arrived, I paid €20."
    explanation = shares((0, 7, 2.0, 0.1), (7, 8, 0.5, 0.0), (9, 14, -0.2, 0.3), (21, 26, 0.1, 1.0))
    what = card(text, 3, 0, explanation=explanation)["what"]
    assert [place["text"] for place in what["decisive"]] == ["FURIOUS", "!", "never"]
    assert [(fact["kind"], fact["text"]) for fact in what["facts"]] == [("order_number", "12345"), ("amount", "€20")]
    assert what["topics"][0] == "delivery" or "delivery" in what["topics"]
    critical = card(text, 0, 3, explanation=explanation)["what"]
    assert critical["decisive"][-1]["text"] == "never"


def test_how():
    def how(anger, urgency, text="Where is my parcel?", **fields):
        return card(text, anger, urgency, **fields)["how"]

    def steps(found):
        return [step["code"] for step in found["steps"]]

    assert how(3, 0)["channel"] == "call_back"
    assert how(0, 3)["channel"] == "call_back"
    assert how(2, 0)["channel"] == "write"
    assert how(1, 0, "Please call me back")["channel"] == "call_back"
    assert steps(how(3, 0)) == ["acknowledge", "thank", "apologise", "next", "choice", "close"]
    assert steps(how(0, 3))[0] == "safety"
    assert "facts" in steps(how(1, 1, "Order 12345 is late"))
    assert "owner" in steps(how(1, 1, contacts=4))
    assert {item["code"] for item in how(2, 0)["avoid"]} == {"arguing", "refusal", "blame", "sending_on", "rules"}
    assert how(1, 1, contacts=4)["opening"].startswith("I am sorry that you had to contact us again")


@pytest.mark.parametrize("language", CORE)
def test_the_opening_is_in_the_customers_language_and_the_rest_in_the_agents(language):
    found = card("…", 3, 0, language=language, agent_language="nl")
    english = card("…", 3, 0, language="en", agent_language="en")
    assert (found["how"]["opening"] == english["how"]["opening"]) == (language == "en")
    assert found["how"]["channel_text"] != english["how"]["channel_text"]


def test_an_unknown_language_gets_english_and_no_topics():
    found = card("Missä pakettini on?", 2, 2, language="fi")
    assert found["who"]["team"] == "support"
    assert found["how"]["opening"].startswith("I am sorry")
