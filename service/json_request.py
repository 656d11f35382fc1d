"""A request whose JSON body is read strictly and once."""

from __future__ import annotations

import json
from typing import Any

from flask import Request
from werkzeug.exceptions import RequestEntityTooLarge

from service.problems import ProblemError


def _no_constant(name: str) -> float:
    message = f"{name} is not JSON"
    raise ValueError(message)


class JsonRequest(Request):
    """Gives the body as JSON, or a 415 or 400 problem."""

    def get_json(self, *args: Any, **kwargs: Any) -> Any:
        """Parse the body; NaN and Infinity, which Python would take, are refused.

        Raises:
            ProblemError: 415 for another media type, 400 for anything that is not JSON in UTF-8.
        """
        del args, kwargs
        if self.mimetype != "application/json":
            raise ProblemError(415, "Send the body as Content-Type: application/json.")
        try:
            return json.loads(self._body().decode("utf-8"), parse_constant=_no_constant)
        except (ValueError, RecursionError):
            raise ProblemError(400, "The body is not valid JSON in UTF-8.") from None

    def _body(self) -> bytes:
        body = self.get_data()
        # A chunked body says no length beforehand, and is cut at the limit without a word.
        if self.content_length is None and len(body) >= (self.max_content_length or len(body) + 1):
            raise RequestEntityTooLarge
        return body
