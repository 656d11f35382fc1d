"""Every error as ``application/problem+json`` (RFC 9457), one shape, without the customer's words."""

from __future__ import annotations

import json
import logging
import re
import traceback
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from flask import Flask, Response, current_app, g, has_app_context
from werkzeug.exceptions import HTTPException, RequestEntityTooLarge

if TYPE_CHECKING:
    from pydantic import ValidationError

_log = logging.getLogger("kalm")
MEDIA_TYPE = "application/problem+json"
_SAFE_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.\-]{0,39}")
_CODES = {
    400: "malformed",
    401: "unauthorised",
    404: "not-found",
    405: "method-not-allowed",
    413: "too-large",
    415: "not-json",
    422: "invalid-field",
    429: "quota",
    500: "internal",
    503: "unavailable",
}

_REASONS = {
    "extra_forbidden": "not a field of this request",
    "missing": "required",
    "model_type": "must be a JSON object",
}


class ProblemError(Exception):
    """Raised anywhere below a route to answer with a problem."""

    def __init__(
        self,
        status: int,
        detail: str,
        *,
        errors: list[dict[str, str]] | None = None,
        headers: dict[str, str] | None = None,
    ) -> None:
        super().__init__(detail)
        self.status, self.detail, self.errors, self.headers = status, detail, errors, headers or {}


def problem_fields(status: int, detail: str, errors: list[dict[str, str]] | None = None) -> dict[str, Any]:
    """The problem as a dict; ``instance`` names the request."""
    fields: dict[str, Any] = {
        "type": f"urn:kalm:problem:{_CODES.get(status, 'http-' + str(status))}",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "detail": detail,
        "instance": f"urn:kalm:request:{g.get('request_id', '')}",
    }
    return fields | ({"errors": errors} if errors else {})


def field_errors(error: ValidationError) -> list[dict[str, str]]:
    """Name each wrong field with its reason; an unknown field's name only when it is an ordinary name."""
    found = []
    for item in error.errors(include_url=False, include_input=False, include_context=False):
        path = ".".join(_safe_name(part) for part in item["loc"])
        reason = _REASONS.get(item["type"], item["msg"])
        found.append({"field": path or "(body)", "code": item["type"], "reason": reason.removeprefix("Value error, ")})
    return found


def _safe_name(part: int | str) -> str:
    return part if isinstance(part, str) and _SAFE_NAME.fullmatch(part) else str(part) if isinstance(part, int) else "?"


def invalid(error: ValidationError) -> ProblemError:
    """The 422 of a failed validation."""
    return ProblemError(422, "One or more fields are wrong.", errors=field_errors(error))


def _response(fields: dict[str, Any], headers: dict[str, str] | None = None) -> Response:
    return Response(json.dumps(fields), fields["status"], headers or {}, mimetype=MEDIA_TYPE)


def _on_problem(error: ProblemError) -> Response:
    return _response(problem_fields(error.status, error.detail, error.errors), error.headers)


def _on_http(error: HTTPException) -> Response:
    status = error.code or 500
    headers = {name: value for name, value in error.get_headers() if name in ("Allow", "Retry-After")}
    detail = {
        404: "There is nothing at this address; GET /docs lists the routes.",
        405: f"This route does not take this method; it takes {headers.get('Allow', 'another')}.",
    }.get(status, error.description or HTTPStatus(status).phrase)
    if isinstance(error, RequestEntityTooLarge):
        detail = f"The body is larger than {current_app.config['MAX_CONTENT_LENGTH']} bytes."
    return _response(problem_fields(status, detail), headers)


def log_bug(error: BaseException) -> None:
    """Log an unexpected error's type and place; its own text may quote the customer, so that is left out."""
    frames = [
        f"{'/'.join(f.filename.rsplit('/', 2)[-2:])}:{f.lineno}:{f.name}"
        for f in traceback.extract_tb(error.__traceback__)
    ]
    request_id = g.get("request_id", "") if has_app_context() else ""
    _log.error(
        "unexpected error",
        extra={"request_id": request_id, "error": type(error).__name__, "frames": frames[-8:]},
    )


def _on_bug(error: Exception) -> Response:
    log_bug(error)
    return _response(problem_fields(500, "Something went wrong here; the request id finds it in the log."))


def register_problems(app: Flask) -> None:
    """Answer every error of the app with a problem."""
    app.register_error_handler(ProblemError, _on_problem)
    app.register_error_handler(HTTPException, _on_http)
    app.register_error_handler(Exception, _on_bug)
