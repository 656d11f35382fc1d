"""API keys, when some are set."""

from __future__ import annotations

import hmac
from typing import TYPE_CHECKING

from flask import request

from service.problems import ProblemError

if TYPE_CHECKING:
    from collections.abc import Callable

    from service.settings import Settings


def key_check(settings: Settings) -> Callable[[], None]:
    """A check for before each request: 401 unless the request carries one of the keys; open without keys."""
    keys = [key.get_secret_value().encode() for key in settings.api_keys]

    def check() -> None:
        if not keys:
            return
        scheme, _, bearer = request.headers.get("Authorization", "").partition(" ")
        given = bearer.strip() if scheme.lower() == "bearer" else request.headers.get("X-API-Key", "")
        # Every key is compared, so that the time taken tells nothing of which one was close.
        if not sum(hmac.compare_digest(given.encode("utf-8", "replace"), key) for key in keys):
            raise ProblemError(
                401,
                "Send one of the service's API keys as 'Authorization: Bearer <key>' or 'X-API-Key: <key>'.",
                headers={"WWW-Authenticate": "Bearer"},
            )

    return check
