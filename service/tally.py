"""Counts by hour, channel and language, kept in a database: no text, no ids, nothing of a single customer.

They are gathered in memory and written by a thread of their own, so that no score waits for the database; while it
is away they are kept, up to a limit.
"""

from __future__ import annotations

import logging
import os
import threading
from collections import defaultdict
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import platformdirs
import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.pool import StaticPool

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_log = logging.getLogger("kalm")
BINS = 20
NONE = "none"
_FLUSH_SECONDS = 5.0
_MAX_CELLS = 50_000
KEEP = timedelta(days=400)

_metadata = sa.MetaData()
_table = sa.Table(
    "tally",
    _metadata,
    sa.Column("hour", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("channel", sa.String(16), primary_key=True),
    sa.Column("language", sa.String(8), primary_key=True),
    sa.Column("measure", sa.String(32), primary_key=True),
    sa.Column("count", sa.Integer, nullable=False),
)


@dataclass(frozen=True, slots=True)
class Cell:
    """A count of one measure, in one hour (whole hours since 1970), channel and language."""

    hour: int
    channel: str
    language: str
    measure: str


@dataclass(frozen=True, slots=True)
class Observation:
    """What is counted of one scored message.

    Attributes:
        channel: as given, or None.
        language: one of the known languages, or None.
        measures: names that count once for this message, such as ``messages`` or ``anger.7`` (a histogram's bin).
    """

    channel: str | None
    language: str | None
    measures: tuple[str, ...]


def hour_of(moment: datetime) -> int:
    """Whole hours since 1970."""
    return int(moment.timestamp() // 3600)


def score_bin(score: float) -> int:
    """The bin of a score 0..1, 0 to 19."""
    return min(int(score * BINS), BINS - 1)


@dataclass
class _Pending:
    counts: dict[Cell, int] = field(default_factory=lambda: defaultdict(int))
    lock: threading.Lock = field(default_factory=threading.Lock)


class Tally:
    """Counts of this process, on their way to the database that all processes share.

    Args:
        url: SQLAlchemy's address of the database; SQLite and PostgreSQL are supported.

    Raises:
        sqlalchemy.exc.ArgumentError: the address is malformed.
    """

    def __init__(self, url: str) -> None:
        self._engine = _engine(url)
        self._pending = _Pending()
        self._made = False
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self.error: str | None = None
        self.dropped = 0

    def add(self, observation: Observation, now: datetime) -> None:
        """Count a message; never waits for the database."""
        hour = hour_of(now)
        channel, language = observation.channel or NONE, observation.language or NONE
        with self._pending.lock:
            for measure in observation.measures:
                cell = Cell(hour, channel, language, measure)
                if cell not in self._pending.counts and len(self._pending.counts) >= _MAX_CELLS:
                    self.dropped += 1
                    continue
                self._pending.counts[cell] += 1
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="tally", daemon=True)
                self._thread.start()

    def _run(self) -> None:
        while not self._stop.wait(_FLUSH_SECONDS):
            self.flush()

    def flush(self) -> bool:
        """Write what is pending; on failure it stays pending and ``error`` says why."""
        with self._pending.lock:
            taken = dict(self._pending.counts)
            self._pending.counts.clear()
        if not taken:
            return True
        try:
            self._write(taken)
        except sa.exc.SQLAlchemyError as error:
            # The message of the driver may hold the address with its password.
            self._report(type(error).__name__)
            with self._pending.lock:
                for cell, count in taken.items():
                    self._pending.counts[cell] += count
            return False
        self._report(None)
        return True

    def _report(self, error: str | None) -> None:
        if error is not None and self.error is None:
            _log.warning("counts cannot be written and are kept in memory: %s", error)
        if error is None and self.error is not None:
            _log.info("counts are written again")
        self.error = error

    def _write(self, counts: Mapping[Cell, int]) -> None:
        self._ensure_table()
        insert = (postgresql if self._engine.dialect.name == "postgresql" else sqlite).insert(_table)
        statement = insert.on_conflict_do_update(
            index_elements=list(_table.primary_key), set_={"count": _table.c.count + insert.excluded["count"]}
        )
        # In one order, so that two processes cannot wait for each other.
        rows = [
            {"hour": c.hour, "channel": c.channel, "language": c.language, "measure": c.measure, "count": n}
            for c, n in sorted(counts.items(), key=lambda item: repr(item[0]))
        ]
        with self._engine.begin() as connection:
            connection.execute(statement, rows)
            oldest = max(c.hour for c in counts) - KEEP // timedelta(hours=1)
            connection.execute(_table.delete().where(_table.c.hour < oldest))

    def _ensure_table(self) -> None:
        if not self._made:
            _metadata.create_all(self._engine, checkfirst=True)
            self._made = True

    def read(self, begin: int, end: int, measures: Iterable[str] | None = None) -> dict[Cell, int]:
        """Counts of the hours ``begin <= hour < end``, what is pending here included.

        Raises:
            sqlalchemy.exc.SQLAlchemyError: the database cannot be read.
        """
        self.flush()
        wanted = None if measures is None else set(measures)
        query = sa.select(_table).where(_table.c.hour >= begin, _table.c.hour < end)
        if wanted is not None:
            query = query.where(_table.c.measure.in_(wanted))
        self._ensure_table()
        with self._engine.connect() as connection:
            return {Cell(r.hour, r.channel, r.language, r.measure): r[4] for r in connection.execute(query)}

    def close(self) -> None:
        """Write what is pending and let go of the database."""
        self._stop.set()
        self.flush()
        self._engine.dispose()


def _engine(url: str) -> sa.Engine:
    if url == "sqlite://":
        # In memory: all threads must share one connection to see the same tables.
        return sa.create_engine(url, poolclass=StaticPool, connect_args={"check_same_thread": False})
    if url.startswith("sqlite"):
        engine = sa.create_engine(url, connect_args={"timeout": 5})

        @sa.event.listens_for(engine, "connect")
        def _shared(connection: object, record: object) -> None:
            # Readers and a writer side by side, for several worker processes.
            del record
            connection.execute("PRAGMA journal_mode=WAL")  # type: ignore[attr-defined]

        return engine
    return sa.create_engine(url, pool_pre_ping=True, pool_size=2)


def default_url() -> str:
    """Of a file in the user's state folder; in memory where that cannot be written."""
    folder = platformdirs.user_state_path("kalm")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        writable = os.access(folder, os.W_OK)
    except OSError:
        writable = False
    if not writable:
        _log.warning("%s cannot be written: counts are kept in memory; set KALM_DATABASE_URL to keep them", folder)
        return "sqlite://"
    return f"sqlite:///{folder / 'kalm.db'}"
