import json
import logging
import threading
from datetime import UTC, datetime, timedelta

import pytest
from nasty import NASTY

from service.app import create_app
from service.problems import ProblemError
from service.settings import Settings

GOOD = {"text": "Waar blijft mijn pakket?!"}


def post(client, body, path="/v1/score", **kwargs):
    return client.post(path, data=json.dumps(body), content_type="application/json", **kwargs)


def assert_problem(response, status, field=None):
    problem = response.get_json(force=True)
    assert response.status_code == status, problem
    assert response.mimetype == "application/problem+json"
    assert set(problem) <= {"type", "title", "status", "detail", "instance", "errors"}
    assert problem["status"] == status
    assert problem["type"].startswith("urn:kalm:problem:")
    assert problem["instance"] == f"urn:kalm:request:{response.headers['X-Request-Id']}"
    if field is not None:
        assert field in [error["field"] for error in problem["errors"]]
        assert all(error["reason"] for error in problem["errors"])
    return problem


def test_reply_is_flat_and_complete(client):
    response = post(client, GOOD | {"handover": False})
    reply = json.loads(response.data)
    assert response.status_code == 200
    assert list(reply) == [
        "id", "anger", "urgency", "anger_level", "urgency_level", "anger_grades", "urgency_grades", "flag", "language",
        "model", "model_version", "windows", "priority", "respond_by", "reasons", "reason_texts",
    ]  # fmt: skip
    assert 0 <= reply["anger"] <= 1
    assert sum(reply["anger_grades"]) == pytest.approx(1, abs=1e-5)
    assert reply["language"] == "nl"
    assert reply["priority"] in ("urgent", "high", "normal", "low")
    datetime.fromisoformat(reply["respond_by"])
    assert response.headers["Cache-Control"] == "no-store"


def test_given_id_and_language_are_kept(client):
    reply = json.loads(post(client, GOOD | {"id": "T-1", "language": "af"}).data)
    assert (reply["id"], reply["language"]) == ("T-1", "af")


def test_all_fields_of_the_contract_are_taken(client):
    body = GOOD | {
        "id": "1", "channel": "email", "language": "nl", "waiting_since": "2026-01-01T08:00:00Z", "contacts": 3,
        "transfers": 2, "thread": [{"from": "customer", "text": "Hallo?", "at": "2026-01-01T07:00:00+01:00"}],
        "explain": True, "agent_language": "en",
    }  # fmt: skip
    response = post(client, body)
    reply = json.loads(response.data)
    assert response.status_code == 200
    assert GOOD["text"][: reply["explanation"][0]["end"]] == "Waar"
    due = datetime.fromisoformat(reply["respond_by"])
    assert abs(due - datetime.now(UTC)) < timedelta(minutes=1), "overdue is due now"


@pytest.mark.parametrize(
    "body", [b"{", b"", b"\xff\xfe", b'{"text": NaN}', b'{"text": "a"', b"[" * 100_000, b'{"a":' + b"1" * 5_000 + b"}"]
)
def test_malformed_json(client, body):
    assert_problem(client.post("/v1/score", data=body, content_type="application/json"), 400)


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data", ""])
def test_wrong_content_type(client, kind):
    assert_problem(client.post("/v1/score", data=b'{"text":"x"}', content_type=kind), 415)


def test_body_over_the_limit(scorer):
    client = create_app(Settings(max_body_bytes=1024), scorer).test_client()
    problem = assert_problem(post(client, {"text": "x" * 2000}), 413)
    assert "1024" in problem["detail"]


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "text"),
        ({"text": ""}, "text"),
        ({"text": " \n\t "}, "text"),
        ({"text": "x" * 20_001}, "text"),
        ({"text": 5}, "text"),
        ({"text": None}, "text"),
        ({"text": ["x"]}, "text"),
        ({"text": "\x00"}, "text"),
        (GOOD | {"colour": "red"}, "colour"),
        (GOOD | {"channel": "fax"}, "channel"),
        (GOOD | {"language": "Dutch"}, "language"),
        (GOOD | {"contacts": -1}, "contacts"),
        (GOOD | {"contacts": "3"}, "contacts"),
        (GOOD | {"contacts": True}, "contacts"),
        (GOOD | {"explain": "false"}, "explain"),
        (GOOD | {"explain": 1}, "explain"),
        (GOOD | {"waiting_since": "yesterday"}, "waiting_since"),
        (GOOD | {"waiting_since": "2026-01-01T08:00:00"}, "waiting_since"),
        (GOOD | {"waiting_since": 1_700_000_000}, "waiting_since"),
        (GOOD | {"waiting_since": "9999-12-31T23:59:59Z"}, "waiting_since"),
        (GOOD | {"waiting_since": "0001-01-01T00:00:00Z"}, "waiting_since"),
        (GOOD | {"id": ""}, "id"),
        (GOOD | {"id": "x" * 201}, "id"),
        (GOOD | {"handover": "yes"}, "handover"),
        (GOOD | {"tenant": "a b"}, "tenant"),
        (GOOD | {"tier": "x" * 65}, "tier"),
        (GOOD | {"thread": [{"from": "agent", "text": "x" * 20_001}]}, "thread.0.text"),
        (GOOD | {"thread": [{"from": "agent", "text": "x", "at": "2026-01-01T08:00:00"}]}, "thread.0.at"),
        (GOOD | {"thread": [{"from": "robot", "text": "x"}]}, "thread.0.from"),
        (GOOD | {"thread": [{"from": "agent", "text": "x"}] * 501}, "thread"),
        (["not", "an", "object"], "(body)"),
        ("text", "(body)"),
        (None, "(body)"),
    ],
)
def test_wrong_fields_are_named(client, body, field):
    assert_problem(client.post("/v1/score", data=json.dumps(body), content_type="application/json"), 422, field)


def test_errors_never_quote_the_customer(client):
    secret = "my secret words"
    for body in ({"text": "x", secret: 1}, {"text": "x", "channel": secret}, {"text": "x", "waiting_since": secret}):
        assert secret not in post(client, body).get_data(as_text=True)


@pytest.mark.parametrize("name", sorted(NASTY))
def test_nasty_texts_are_scored_or_refused_clearly(client, name):
    response = post(client, {"text": NASTY[name], "explain": True})
    assert response.status_code in (200, 422)
    if response.status_code == 200:
        reply = json.loads(response.data)
        assert 0 <= reply["anger"] <= 1
        assert 0 <= reply["urgency"] <= 1
    else:
        assert_problem(response, 422, "text")


def test_raw_surrogate_escapes_are_no_crash(client):
    response = client.post("/v1/score", data=rb'{"text":"a\ud800b"}', content_type="application/json")
    assert response.status_code == 200


def test_a_bad_item_does_not_sink_a_batch(client):
    items = [GOOD, {"text": ""}, {"text": "ok", "zz": 1}, 5, {"text": "\x00"}, {"text": "bedankt", "id": "last"}]
    response = post(client, {"messages": items}, "/v1/score/batch")
    results = json.loads(response.data)["results"]
    assert response.status_code == 200
    assert [result.get("status", 200) for result in results] == [200, 422, 422, 422, 422, 200]
    assert results[5]["id"] == "last"
    assert results[1]["errors"][0]["field"] == "text"


def test_batch_gives_the_scores_that_single_requests_give(client):
    texts = ["Bedankt!", "SCHANDALIG!!!", "I smell gas", "x" * 3_000]
    results = json.loads(post(client, {"messages": [{"text": t} for t in texts]}, "/v1/score/batch").data)["results"]
    for text, result in zip(texts, results, strict=True):
        alone = json.loads(post(client, {"text": text}).data)
        assert result["anger"] == pytest.approx(alone["anger"], abs=1e-4)
        assert result["urgency"] == pytest.approx(alone["urgency"], abs=1e-4)


@pytest.mark.parametrize("body", [{"messages": []}, {"messages": [GOOD] * 257}, {"messages": GOOD}, {}, [GOOD]])
def test_batch_limits(client, body):
    response = client.post("/v1/score/batch", data=json.dumps(body), content_type="application/json")
    assert_problem(response, 422)


def test_unknown_route_and_wrong_method(client):
    assert_problem(client.get("/v1/nothing"), 404)
    response = client.get("/v1/score")
    assert_problem(response, 405)
    assert "POST" in response.headers["Allow"]


def test_request_id_and_trace_are_taken_over_or_made(client):
    trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
    taken = post(client, GOOD, headers={"X-Request-Id": "abc-1", "traceparent": trace})
    assert taken.headers["X-Request-Id"] == "abc-1"
    assert taken.headers["traceparent"] == trace
    made = post(client, GOOD, headers={"X-Request-Id": "two words", "traceparent": "nonsense"})
    assert made.headers["X-Request-Id"] != "two words"
    assert made.headers["traceparent"].startswith("00-")


def test_keys(scorer):
    settings = Settings(api_keys="first-key-0123456789, second-key-0123456789")
    client = create_app(settings, scorer).test_client()
    response = post(client, GOOD)
    assert_problem(response, 401)
    assert response.headers["WWW-Authenticate"] == "Bearer"
    assert_problem(post(client, GOOD, headers={"X-API-Key": "first-key-012345678"}), 401)
    assert_problem(post(client, GOOD, headers={"X-API-Key": "clé"}), 401)
    assert post(client, GOOD, headers={"X-API-Key": "second-key-0123456789"}).status_code == 200
    assert post(client, GOOD, headers={"Authorization": "Bearer first-key-0123456789"}).status_code == 200
    assert client.get("/livez").status_code == client.get("/readyz").status_code == 200


def test_health(client, scorer):
    assert client.get("/livez").get_json() == {"status": "alive"}
    ready = client.get("/readyz").get_json()
    assert (ready["model_version"], ready["engine"]) == (scorer.version, "onnxruntime")


class BrokenScorer:
    """A scorer whose engine fails after the start."""

    def __init__(self, scorer):
        self._scorer = scorer
        self.broken = False

    def __getattr__(self, name):
        return getattr(self._scorer, name)

    def forward(self, windows):
        if self.broken:
            message = "cannot score a secret"
            raise RuntimeError(message)
        return self._scorer.forward(windows)

    forward_alone = forward


def test_a_failing_model_is_not_ready_and_leaks_nothing(scorer, caplog):
    broken = BrokenScorer(scorer)
    client = create_app(Settings(), broken).test_client()
    broken.broken = True
    response = client.get("/readyz")
    assert_problem(response, 503)
    assert response.headers["Retry-After"]
    with caplog.at_level(logging.DEBUG):
        response = post(client, {"text": "my secret words"})
    problem = assert_problem(response, 500)
    assert "secret" not in str(problem)
    logged = " ".join(str(record.__dict__) for record in caplog.records)
    assert "secret" not in logged
    bugs = [r for r in caplog.records if r.message == "unexpected error"]
    assert [b.error for b in bugs if b.request_id == response.headers["X-Request-Id"]] == ["RuntimeError"]


def test_a_model_that_cannot_score_does_not_start(scorer):
    broken = BrokenScorer(scorer)
    broken.broken = True
    with pytest.raises(ProblemError):
        create_app(Settings(), broken)


def test_logs_have_lengths_but_no_text(client, caplog):
    with caplog.at_level(logging.DEBUG):
        post(client, {"text": "my secret words", "id": "private-id"})
    (record,) = [r for r in caplog.records if r.name == "kalm.request"]
    assert (record.status, record.messages, record.characters) == (200, 1, 15)
    logged = " ".join(str(r.__dict__) for r in caplog.records)
    assert "secret" not in logged
    assert "private-id" not in logged


def test_metrics_count_and_hold_no_text(client):
    post(client, {"text": "my secret words"})
    client.get("/whatever/secret")
    text = client.get("/metrics").get_data(as_text=True)
    assert 'kalm_requests_total{method="POST",route="/v1/score",status="200"} 1.0' in text
    assert 'route="none",status="404"' in text
    assert "kalm_score_bucket" in text
    assert "secret" not in text


def test_thresholds_may_be_overridden(scorer):
    always = create_app(Settings(anger_threshold=0.0), scorer).test_client()
    never = create_app(Settings(anger_threshold=1.0, urgency_threshold=1.0), scorer).test_client()
    assert json.loads(post(always, GOOD).data)["flag"] is True
    assert json.loads(post(never, GOOD).data)["flag"] is False


def test_openapi_describes_every_route_and_field(client):
    document = client.get("/openapi.json").get_json()
    assert document["openapi"].startswith("3.1")
    assert set(document["paths"]) == {
        "/v1/score", "/v1/score/batch", "/v1/reply-check", "/v1/scorecard", "/livez", "/readyz", "/metrics",
    }  # fmt: skip
    schemas = document["components"]["schemas"]
    assert set(json.loads(post(client, GOOD).data)) <= set(schemas["ScoreReply"]["properties"])
    assert schemas["ScoreRequest"]["properties"]["text"]["maxLength"] == 20_000
    assert schemas["BatchRequest"]["properties"]["messages"]["maxItems"] == 256
    assert client.get("/docs", follow_redirects=True).status_code == 200
    page = client.get("/apidoc/swagger").get_data(as_text=True)
    assert "https://" not in page.replace("https://www.w3.org", ""), "the page must load nothing from outside"


def test_many_threads_get_the_same_scores(scorer):
    app = create_app(Settings(), scorer)
    expected = json.loads(post(app.test_client(), GOOD).data)["anger"]
    found = []

    def ask():
        client = app.test_client()
        found.extend(json.loads(post(client, GOOD).data)["anger"] for _ in range(10))

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 80
    assert max(abs(value - expected) for value in found) < 1e-4


class WaitingScorer(BrokenScorer):
    """A scorer that holds the first request until it is let go."""

    def __init__(self, scorer):
        super().__init__(scorer)
        self.started, self.go = threading.Event(), threading.Event()

    def prepare(self, texts):
        if texts[0].startswith("hold"):
            self.started.set()
            self.go.wait(10)
        return self._scorer.prepare(texts)


def test_beyond_the_limit_is_503_with_retry_after(scorer):
    waiting = WaitingScorer(scorer)
    app = create_app(Settings(max_pending_characters=20_000), waiting)
    replies = []
    first = threading.Thread(target=lambda: replies.append(post(app.test_client(), {"text": "hold " * 3_900})))
    first.start()
    assert waiting.started.wait(10)
    full = post(app.test_client(), {"text": "x" * 1_000})
    assert_problem(full, 503)
    assert full.headers["Retry-After"]
    assert post(app.test_client(), {"text": "short"}).status_code == 200
    waiting.go.set()
    first.join()
    assert replies[0].status_code == 200
    assert post(app.test_client(), {"text": "x" * 1_000}).status_code == 200
