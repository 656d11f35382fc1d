"""How much work may be under way at once."""

from __future__ import annotations

import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

from service.problems import ProblemError

if TYPE_CHECKING:
    from collections.abc import Iterator

_RETRY_SECONDS = 2


class Admission:
    """Admits requests while the characters being scored stay below a limit.

    A request that is over the limit alone is admitted when nothing else is under way, so that every
    legal request can be served; one rule for single messages and batches.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._pending = 0
        self._lock = threading.Lock()

    @contextmanager
    def admit(self, characters: int) -> Iterator[None]:
        """Hold ``characters`` of the limit while the block runs.

        Raises:
            ProblemError: 503 with ``Retry-After``, the limit is reached.
        """
        with self._lock:
            if self._pending and self._pending + characters > self._limit:
                raise ProblemError(503, "Too much is being scored now.", headers={"Retry-After": str(_RETRY_SECONDS)})
            self._pending += characters
        try:
            yield
        finally:
            with self._lock:
                self._pending -= characters
