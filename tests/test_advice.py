"""Threads, handover, drafts and the scorecard through HTTP."""

import json
from datetime import UTC, datetime, timedelta

import pytest
from nasty import NASTY
from test_service import assert_problem, post

from service.advice import SCORED_TURNS
from service.app import create_app
from service.schemas import ReplyCheckReply, ScorecardReply, ScoreReply
from service.settings import Settings

TEXT = "Third time I write! Order 12345 is still not here. When does it come?"


def reply(client, **fields):
    response = post(client, {"text": TEXT} | fields)
    assert response.status_code == 200, response.data
    found = json.loads(response.data)
    ScoreReply.model_validate(found)
    return found


def turn(sender, text="Where is my parcel?", minutes=None):
    at = {} if minutes is None else {"at": (datetime.now(UTC) - timedelta(minutes=minutes)).isoformat()}
    return {"from": sender, "text": text} | at


def test_handover_when_asked_when_flagged_and_never(client, scorer):
    assert "handover" in reply(client, handover=True)
    assert "handover" not in reply(client, handover=False)
    assert "explanation" not in reply(client, handover=True)
    all_flagged = create_app(Settings(anger_threshold=0.0), scorer).test_client()
    found = reply(all_flagged)
    assert found["flag"]
    assert [fact["text"] for fact in found["handover"]["what"]["facts"]] == ["Third time", "12345", "still not"]


def test_a_thread_is_scored_with_the_message(client, scorer):
    thread = [turn("customer", minutes=90), turn("agent", "We will call you.", 80), turn("customer", "Hello?", 30)]
    found = reply(client, thread=thread, channel="chat")
    trajectory = found["trajectory"]
    assert len(trajectory["anger"]) == 3
    assert trajectory["anger"][-1] == found["anger"]
    alone = scorer.score(["Hello?"])[0]
    assert trajectory["urgency"][1] == pytest.approx(alone.urgency.score, abs=1e-3)
    assert trajectory["unanswered"] == 2
    assert {"long_wait", "unanswered"} <= set(found["reasons"])
    assert found["safe_to_close"] is False
    assert "question_open" in found["open_points"]
    assert len(found["open_point_texts"]) == len(found["open_points"])
    assert "trajectory" not in reply(client)


def test_reasons_are_given_in_the_agents_language(client):
    english, dutch = (reply(client, contacts=3, agent_language=language) for language in ("en", "nl"))
    assert english["reasons"] == dutch["reasons"]
    assert english["reason_texts"] != dutch["reason_texts"]


def test_threads_at_the_limit(client):
    found = reply(client, thread=[turn("customer", f"message {n}") for n in range(500)])
    assert len(found["trajectory"]["anger"]) == SCORED_TURNS + 1
    long = reply(client, thread=[turn("customer", "word " * 4_000)] * 2, text="word " * 4_000)
    assert long["windows"] > 1


def test_the_language_of_a_nudge_is_that_of_the_thread(client):
    thread = [turn("customer", "Waar blijft mijn pakket, ik wacht al drie dagen?")]
    assert reply(client, text="Hallo??", thread=thread)["language"] == "nl"


def test_contradictions_are_survived(client):
    future = turn("customer", minutes=-60 * 20)
    past = turn("customer", minutes=60 * 24 * 300)
    found = reply(client, thread=[future, past, turn("agent", "…")], contacts=0, transfers=9_000)
    assert found["trajectory"]["seconds_since_peak"] in (None, 0)
    due = datetime.fromisoformat(found["respond_by"])
    assert due >= datetime.now(UTC) - timedelta(minutes=1)


def test_a_bad_thread_does_not_sink_a_batch(client):
    bad = {"text": "x", "thread": [{"from": "robot", "text": "x"}]}
    response = post(
        client, {"messages": [{"text": TEXT, "thread": [turn("customer")]}, bad, {"text": TEXT}]}, "/v1/score/batch"
    )
    first, second, third = json.loads(response.data)["results"]
    assert len(first["trajectory"]["anger"]) == 2
    assert second["status"] == 422
    assert third["anger"] == pytest.approx(first["anger"], abs=1e-4)


@pytest.mark.parametrize("text", NASTY)
def test_nasty_texts_everywhere(client, text):
    if not text.strip():
        pytest.skip("blank")
    body = {
        "text": TEXT,
        "thread": [{"from": "customer", "text": text}, {"from": "agent", "text": text}],
        "handover": True,
    }
    assert post(client, body).status_code == 200
    response = post(client, {"draft": text, "customer": text}, "/v1/reply-check")
    assert response.status_code in (200, 422)


def test_a_policy_decides(scorer, tmp_path):
    path = tmp_path / "policy.toml"
    path.write_text(
        '[tenants.acme]\nanger_threshold = 0.0\nrespond_within = { high = "PT1M", urgent = "PT1M" }\n'
        "[tiers.gold]\nraise_priority = true",
        encoding="utf-8",
    )
    client = create_app(Settings(policy=path), scorer).test_client()
    assert reply(client, tenant="acme")["flag"]
    due = datetime.fromisoformat(reply(client, tenant="acme")["respond_by"])
    assert due - datetime.now(UTC) < timedelta(minutes=1)
    assert reply(client, tier="gold")["reasons"][-1] == "tier"
    ready = json.loads(client.get("/readyz").data)
    assert len(ready["policy_version"]) == 12
    assert ready["policy_error"] is None


def test_reply_check(client):
    body = {
        "draft": "You should have read the terms. Please contact the courier.",
        "customer": TEXT,
        "agent_language": "de",
    }
    response = post(client, body, "/v1/reply-check")
    found = json.loads(response.data)
    ReplyCheckReply.model_validate(found)
    assert response.status_code == 200
    assert {"blame", "sent_on"} <= {finding["code"] for finding in found["findings"]}
    assert not found["ok"]
    english = json.loads(post(client, body | {"agent_language": "en"}, "/v1/reply-check").data)
    assert [f["code"] for f in english["findings"]] == [f["code"] for f in found["findings"]]
    assert english["findings"][0]["hint"] != found["findings"][0]["hint"]


def test_reply_check_without_the_customers_message(client):
    found = json.loads(
        post(client, {"draft": "Thank you for writing, we are open until five."}, "/v1/reply-check").data
    )
    assert found["customer_anger"] is None
    assert found["ok"]


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "draft"),
        ({"draft": ""}, "draft"),
        ({"draft": "x" * 20_001}, "draft"),
        ({"draft": "\x00"}, "draft"),
        ({"draft": "hello", "customer": ""}, "customer"),
        ({"draft": "hello", "colour": "red"}, "colour"),
    ],
)
def test_reply_check_names_what_is_wrong(client, body, field):
    assert_problem(post(client, body, "/v1/reply-check"), 422, field)


def test_reply_check_and_scorecard_need_the_key(scorer):
    client = create_app(Settings(api_keys="a-key-of-16-chars"), scorer).test_client()
    assert_problem(post(client, {"draft": "hello"}, "/v1/reply-check"), 401)
    assert_problem(client.get("/v1/scorecard"), 401)


def test_the_scorecard_counts_what_was_scored(client):
    for channel in ("email", "chat", None):
        reply(client, channel=channel)
    response = client.get("/v1/scorecard?window=24h")
    found = json.loads(response.data)
    ScorecardReply.model_validate(found)
    assert found["current"]["messages"] == 3
    assert {row["channel"] for row in found["by_channel"]} == {"email", "chat", None}
    assert TEXT not in response.get_data(as_text=True)


@pytest.mark.parametrize("window", ["", "7", "7w", "0d", "61d", "9999h", "-1d", "７d", "7d; drop"])
def test_a_wrong_window_is_named(client, window):
    assert_problem(client.get("/v1/scorecard", query_string={"window": window}), 422, "window")


def test_counts_that_cannot_be_read_are_503_and_scores_go_on(scorer, tmp_path):
    client = create_app(Settings(database_url=f"sqlite:///{tmp_path / 'none' / 'kalm.db'}"), scorer).test_client()
    assert reply(client)
    assert_problem(client.get("/v1/scorecard"), 503)
    assert client.get("/metrics").status_code == 200
    ready = client.get("/readyz")
    assert ready.status_code == 200
    assert json.loads(ready.data)["counts_error"] == "OperationalError"


def test_metrics_name_no_customer_and_count_findings(client):
    post(client, {"draft": "Please contact the courier.", "customer": TEXT}, "/v1/reply-check")
    text = client.get("/metrics").get_data(as_text=True)
    assert 'kalm_reply_findings_total{code="sent_on"} 1.0' in text
    assert "courier" not in text
