"""The gunicorn worker, with errors below HTTP answered and logged without a word of the request."""

from __future__ import annotations

import json
from typing import Any

from gunicorn import util
from gunicorn.http import errors
from gunicorn.workers.gthread import ThreadWorker

from service.problems import MEDIA_TYPE

_STATUS: dict[type[Exception], tuple[int, str]] = {
    errors.LimitRequestLine: (414, "URI Too Long"),
    errors.LimitRequestHeaders: (431, "Request Header Fields Too Large"),
    errors.ExpectationFailed: (417, "Expectation Failed"),
    errors.UnsupportedTransferCoding: (501, "Not Implemented"),
}


class QuietWorker(ThreadWorker):
    """gunicorn's threaded worker.

    Its own error log and page quote the request, which after a wrong Content-Length is the rest of a
    customer's message.
    """

    def handle_error(self, req: Any, client: Any, addr: Any, exc: Exception) -> None:
        """Log the kind of error alone, answer with a problem, and let the connection close."""
        del req, addr
        known = isinstance(exc, errors.ParseException)
        status, title = _STATUS.get(type(exc), (400, "Bad Request") if known else (500, "Internal Server Error"))
        self.log.warning("request not understood", extra={"error": type(exc).__name__, "status": status})
        problem = {
            "type": "urn:kalm:problem:not-http",
            "title": title,
            "status": status,
            "detail": "The request is not valid HTTP; check Content-Length and the headers.",
            "instance": "urn:kalm:request:",
        }
        body = json.dumps(problem)
        head = (
            f"HTTP/1.1 {status} {title}\r\nConnection: close\r\nContent-Type: {MEDIA_TYPE}\r\n"
            f"Cache-Control: no-store\r\nContent-Length: {len(body)}\r\n\r\n"
        )
        try:
            util.write_nonblock(client, (head + body).encode("ascii"))
        except OSError:
            self.log.debug("the client was gone before the answer")
