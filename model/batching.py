"""Dynamic batching: windows of many callers share runs of the engine."""

from __future__ import annotations

import logging
import threading
import time
from bisect import bisect_right
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from sortedcontainers import SortedKeyList

from model.errors import AbandonedError, DeadlineError, OverloadError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    import numpy as np

_log = logging.getLogger(__name__)
# Runs for single messages in a row before one run for bulk, while both wait.
_PATIENCE = 3
# Before anything was measured.
_FIRST_RATE = 8_000.0
_SMOOTHING = 0.1
_FAR = 1 << 30
# What a run costs beside its tokens, in tokens: so much padding is cheaper than a run more (docs/decisions.md).
_RUN_COST = 48
_COUNTS = tuple(sorted({n << k for n in (1, 3) for k in range(12)}))


@dataclass(slots=True, eq=False)
class Ticket:
    """The windows of one caller, and their results as they come in.

    Attributes:
        deadline: on the clock of ``time.monotonic``; windows not begun by then are dropped.
        wanted: says whether somebody still waits; asked before the first of its windows in a run.
    """

    windows: Sequence[np.ndarray]
    deadline: float
    wanted: Callable[[], bool] | None = None
    done: threading.Event = field(default_factory=threading.Event)
    shares: list[np.ndarray | None] = field(default_factory=list)
    error: Exception | None = None
    missing: int = 0

    def __post_init__(self) -> None:
        """Nothing has come in yet."""
        self.shares = [None] * len(self.windows)
        self.missing = len(self.windows)

    def close(self, error: Exception | None = None) -> None:
        """Let the caller go on; windows still waiting are dropped."""
        if not self.done.is_set():
            self.error = error
            self.done.set()


@dataclass(slots=True, eq=False)
class _Unit:
    ticket: Ticket
    index: int
    order: int
    length: int
    taken: bool = False


def _by_length(unit: _Unit) -> tuple[int, int]:
    return unit.length, unit.order


class _Lane:
    """Waiting windows, found by age and by length."""

    def __init__(self) -> None:
        self._by_length: SortedKeyList[_Unit] = SortedKeyList(key=_by_length)
        # Callers take turns, so that the first windows of a new one need not wait for all of an old one.
        self._turns: deque[deque[_Unit]] = deque()
        self.tokens = 0

    def __len__(self) -> int:
        return len(self._by_length)

    def add(self, units: Iterable[_Unit]) -> None:
        own = deque(units)
        self._by_length.update(own)
        self._turns.append(own)
        self.tokens += sum(unit.length for unit in own)

    def take(self, tokens: int, clock: float) -> list[_Unit]:
        """The window whose turn it is, and those of like length that fit into ``tokens``.

        A window joins when its padding, and the padding it brings the others, costs less than a run of its own.
        Their number is 1, 2, 3, 4, 6, 8, 12, …: each new shape costs the engine a compilation.
        """
        anchor = self._anchor(clock)
        if anchor is None:
            return []
        batch, longest = [anchor], anchor.length
        for unit in self._nearest(anchor):
            widest = max(longest, unit.length)
            padded = widest * (len(batch) + 1)
            if padded > tokens or padded > longest * len(batch) + unit.length + _RUN_COST:
                break
            if _alive(unit.ticket, clock):
                batch.append(unit)
                longest = widest
        batch = batch[: _COUNTS[bisect_right(_COUNTS, len(batch)) - 1]]
        for unit in batch:
            self._remove(unit)
        return batch

    def _nearest(self, anchor: _Unit) -> Iterator[_Unit]:
        """All other windows, those of nearest length first."""
        high = self._by_length.index(anchor) + 1
        low = high - 2
        while low >= 0 or high < len(self._by_length):
            below = anchor.length - self._by_length[low].length if low >= 0 else _FAR
            above = self._by_length[high].length - anchor.length if high < len(self._by_length) else _FAR
            if below <= above:
                yield self._by_length[low]
                low -= 1
            else:
                yield self._by_length[high]
                high += 1

    def _anchor(self, clock: float) -> _Unit | None:
        while self._turns:
            own = self._turns.popleft()
            while own and (own[0].taken or not _wanted(own[0].ticket, clock)):
                unit = own.popleft()
                if not unit.taken:
                    self._remove(unit)
            if own:
                self._turns.append(own)
                return own[0]
        return None

    def _remove(self, unit: _Unit) -> None:
        unit.taken = True
        self._by_length.remove(unit)
        self.tokens -= unit.length


def _alive(ticket: Ticket, clock: float) -> bool:
    """Whether a ticket's windows may still be run; closes it when its time is over."""
    if clock > ticket.deadline:
        ticket.close(DeadlineError())
    return not ticket.done.is_set()


def _wanted(ticket: Ticket, clock: float) -> bool:
    if _alive(ticket, clock) and ticket.wanted is not None and not ticket.wanted():
        ticket.close(AbandonedError())
    return not ticket.done.is_set()


class BatchingQueue:
    """One queue a process between callers and the engine.

    The engine never waits for a batch to fill: when it is free it takes what is there. Windows of callers with
    few of them go before those of bulk, of which at least every fourth run is when both wait; a run of bulk is
    kept short for the sake of the next single message.

    Args:
        forward: one run of the engine over windows, see :meth:`model.scorer.Scorer.forward`.
        alone: the same for a run beside which nothing runs or waits; absent: ``forward``.
        streams: runs at once, each on a thread of its own.
        batch_tokens: tokens in a run for single messages, padding included.
        bulk_tokens: the same for bulk.
        max_tokens: tokens that may wait; a ticket beyond it is refused unless nothing else waits.
        max_wait: seconds that a single ticket may have to wait for what is before it; beyond it is refused.
        bulk_wait: the same for bulk.
        single_windows: a ticket with at most so many windows counts as single.
    """

    def __init__(
        self,
        forward: Callable[[Sequence[np.ndarray]], list[np.ndarray]],
        *,
        alone: Callable[[Sequence[np.ndarray]], list[np.ndarray]] | None = None,
        streams: int = 1,
        batch_tokens: int = 1_024,
        bulk_tokens: int = 512,
        max_tokens: int = 200_000,
        max_wait: float = 0.4,
        bulk_wait: float = 5.0,
        single_windows: int = 2,
    ) -> None:
        self._forward, self._alone = forward, alone or forward
        self._running = 0
        self._batch_tokens, self._bulk_tokens = batch_tokens, bulk_tokens
        self._max_tokens, self._single_windows = max_tokens, single_windows
        self._max_wait, self._bulk_wait, self._streams = max_wait, bulk_wait, streams
        self._single, self._bulk = _Lane(), _Lane()
        self._changed = threading.Condition()
        self._order = 0
        self._passed_over = 0
        self._rate = _FIRST_RATE
        self._closed = False
        self._threads = [
            threading.Thread(target=self._serve, name=f"kalm-engine-{i}", daemon=True) for i in range(streams)
        ]
        for thread in self._threads:
            thread.start()

    @property
    def waiting(self) -> int:
        """Windows that wait."""
        return len(self._single) + len(self._bulk)

    def run(
        self, windows: Sequence[np.ndarray], timeout: float, wanted: Callable[[], bool] | None = None
    ) -> list[np.ndarray]:
        """Token shares of each window, in order; waits for them at most ``timeout`` seconds.

        Raises:
            OverloadError: too much waits already, or the caller was no longer ``wanted``.
            DeadlineError: the time was over.
        """
        if not windows:
            return []
        ticket = Ticket(windows, time.monotonic() + timeout, wanted)
        self._submit(ticket)
        if not ticket.done.wait(timeout):
            ticket.close(DeadlineError())
        if ticket.error is not None:
            raise ticket.error
        return [shares for shares in ticket.shares if shares is not None]

    def close(self) -> None:
        """Finish what waits, then stop the threads."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        for thread in self._threads:
            thread.join()

    def _submit(self, ticket: Ticket) -> None:
        lengths = [len(window) + 2 for window in ticket.windows]
        with self._changed:
            if self._closed:
                raise OverloadError(1.0)
            waiting = self._single.tokens + self._bulk.tokens
            single = len(lengths) <= self._single_windows
            seconds = (self._single.tokens if single else waiting) / (self._rate * self._streams)
            too_long = seconds > (self._max_wait if single else self._bulk_wait)
            if waiting and (too_long or waiting + sum(lengths) > self._max_tokens):
                raise OverloadError(waiting / (self._rate * self._streams))
            units = [_Unit(ticket, i, self._order + i, length) for i, length in enumerate(lengths)]
            self._order += len(units)
            lane = self._single if single else self._bulk
            lane.add(units)
            self._changed.notify(min(len(units), len(self._threads)))

    def _serve(self) -> None:
        while True:
            with self._changed:
                while not self.waiting:
                    if self._closed:
                        return
                    self._changed.wait()
                batch = self._take()
                forward = self._forward if self._running or self.waiting else self._alone
                self._running += 1
            try:
                if batch:
                    self._run(batch, forward)
            finally:
                with self._changed:
                    self._running -= 1

    def _take(self) -> list[_Unit]:
        clock = time.monotonic()
        if len(self._bulk) and (not len(self._single) or self._passed_over >= _PATIENCE):
            self._passed_over = 0
            return self._bulk.take(self._bulk_tokens, clock)
        self._passed_over += bool(len(self._bulk))
        return self._single.take(self._batch_tokens, clock)

    def _run(self, batch: list[_Unit], forward: Callable[[Sequence[np.ndarray]], list[np.ndarray]]) -> None:
        began = time.perf_counter()
        windows = [unit.ticket.windows[unit.index] for unit in batch]
        try:
            results: list[np.ndarray] | None = forward(windows)
        except Exception as error:  # noqa: BLE001  whatever it is, the callers must hear of it
            _log.error("a run of the engine failed", extra={"windows": len(batch), "error": type(error).__name__})
            results = None
            if len(batch) == 1:
                batch[0].ticket.close(error)
        if results is None:
            # One window must not take others down with it.
            for unit in batch if len(batch) > 1 else ():
                self._run([unit], forward)
            return
        seconds = max(time.perf_counter() - began, 1e-6)
        with self._changed:
            self._rate += _SMOOTHING * (sum(unit.length for unit in batch) / seconds - self._rate)
            for unit, shares in zip(batch, results, strict=True):
                ticket = unit.ticket
                ticket.shares[unit.index] = shares
                ticket.missing -= 1
                if not ticket.missing:
                    ticket.close()
