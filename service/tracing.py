"""Each request's id, trace and log line."""

from __future__ import annotations

import logging
import re
import secrets
import time
from typing import TYPE_CHECKING

from flask import Flask, Response, g, request

if TYPE_CHECKING:
    from service.metrics import Metrics

_log = logging.getLogger("kalm.request")
_REQUEST_ID = re.compile(r"[A-Za-z0-9_.:\-]{1,128}")
_TRACEPARENT = re.compile(r"00-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}")
_QUIET = ("health.livez", "health.readyz", "health.metrics")


def trace_requests(app: Flask, metrics: Metrics) -> None:
    """Take over or make ``X-Request-Id`` and ``traceparent``, echo both, count and log each request."""

    @app.before_request
    def begin() -> None:
        g.began = time.perf_counter()
        given = request.headers.get("X-Request-Id", "")
        g.request_id = given if _REQUEST_ID.fullmatch(given) else secrets.token_hex(16)
        parent = request.headers.get("traceparent", "")
        fresh = f"00-{secrets.token_hex(16)}-{secrets.token_hex(8)}-01"
        g.traceparent = parent if _TRACEPARENT.fullmatch(parent) else fresh

    @app.after_request
    def finish(response: Response) -> Response:
        response.headers["X-Request-Id"] = g.request_id
        response.headers["traceparent"] = g.traceparent
        response.headers.setdefault("Cache-Control", "no-store")
        response.headers["X-Content-Type-Options"] = "nosniff"
        seconds = time.perf_counter() - g.began
        route = request.url_rule.rule if request.url_rule else "none"
        method = request.method if request.method in ("GET", "HEAD", "POST", "OPTIONS") else "other"
        metrics.requests.labels(route, method, response.status_code).inc()
        metrics.seconds.labels(route).observe(seconds)
        _log.log(
            logging.DEBUG if request.endpoint in _QUIET else logging.INFO,
            "request",
            extra={
                "request_id": g.request_id,
                "traceparent": g.traceparent,
                "method": method,
                "route": route,
                "status": response.status_code,
                "ms": round(seconds * 1000, 2),
                **g.get("noted", {}),
            },
        )
        return response
