"""The scoring routes."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING, Any

from flask import Response, g, jsonify, request
from flask_openapi3 import APIBlueprint, Tag

from service.auth import key_check
from service.problems import ProblemError, field_errors, problem_fields
from service.schemas import BatchReply, BatchRequest, InvalidMessage, Problem, ScoreReply, ScoreRequest

if TYPE_CHECKING:
    from collections.abc import Callable

    from service.scoring import ScoringService
    from service.settings import Settings

_TAG = Tag(name="scoring", description="Scores of customer messages")
PROBLEMS = {str(status): Problem for status in (400, 401, 413, 415, 422, 500, 503)}
SECURITY: list[dict[str, list[str]]] = [{"bearer": []}, {"header": []}]


def scoring_routes(service: ScoringService, settings: Settings) -> APIBlueprint:
    """``POST /v1/score`` and ``POST /v1/score/batch``."""
    api = APIBlueprint("scoring", __name__, url_prefix="/v1", abp_tags=[_TAG], abp_security=SECURITY)
    api.before_request(key_check(settings))

    @api.post("/score", responses={"200": ScoreReply, **PROBLEMS}, summary="Score one message")
    def score(body: ScoreRequest) -> Response:
        (reply,) = _noted(service.reply([body], client_is_there()), [body])
        if "status" in reply:
            raise ProblemError(reply["status"], reply["detail"], errors=reply["errors"])
        return jsonify(reply)

    @api.post("/score/batch", responses={"200": BatchReply, **PROBLEMS}, summary="Score up to 256 messages")
    def score_batch(body: BatchRequest) -> Response:
        good = [item for item in body.messages if not isinstance(item, InvalidMessage)]
        replies = iter(_noted(service.reply(good, client_is_there()), good))
        results = [_problem(item) if isinstance(item, InvalidMessage) else next(replies) for item in body.messages]
        return jsonify({"results": results})

    return api


def client_is_there() -> Callable[[], bool] | None:
    """Whether the client still holds the connection open; None where the server does not say."""
    connection: socket.socket | None = request.environ.get("gunicorn.socket")
    if connection is None:
        return None

    def there() -> bool:
        try:
            return connection.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT) != b""
        except BlockingIOError:
            return True
        except OSError:
            return False

    return there


def _problem(item: InvalidMessage) -> dict[str, Any]:
    return problem_fields(422, "One or more fields are wrong.", field_errors(item.error))


def _noted(replies: list[dict[str, Any]], requests: list[ScoreRequest]) -> list[dict[str, Any]]:
    """Leave lengths and languages, never words, for the request's log line."""
    g.noted = {
        "messages": len(requests),
        "characters": sum(len(item.text) for item in requests),
        "languages": sorted({reply["language"] or "none" for reply in replies if "language" in reply}),
        "flags": sum(reply.get("flag", False) for reply in replies),
    }
    return replies
