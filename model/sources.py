"""Messages from files of several formats, one at a time, whatever the size."""

from __future__ import annotations

import bz2
import csv
import gzip
import json
import lzma
import sys
from dataclasses import dataclass
from io import TextIOWrapper
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from model.errors import ModelError
from model.text import MAX_CHARACTERS, encodable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_OPENERS: dict[str, Callable[..., Any]] = {".gz": gzip.open, ".bz2": bz2.open, ".xz": lzma.open}
_TABLES = {".csv": ",", ".tsv": "\t"}
# A field holds a text of 20,000 characters at most; more than that is a broken quote, not a message.
_LARGEST_FIELD = 1 << 20
_PARQUET_ROWS = 1_024


class SourceError(ModelError):
    """A file cannot be read as messages; the text says why and what to do."""


@dataclass(frozen=True, slots=True)
class Record:
    """One message of a file; ``error`` says why it cannot be scored."""

    id: str
    text: str = ""
    language: str | None = None
    error: str | None = None


@dataclass(frozen=True, slots=True)
class Columns:
    """Names of the fields (JSON) or columns (CSV, Parquet) that hold a message."""

    text: str = "text"
    id: str = "id"
    language: str = "language"


class Source:
    """The messages of a file or of standard input (``-``).

    JSON lines or plain lines; CSV and TSV with a header; Parquet. All but Parquet also compressed
    (``.gz``, ``.bz2``, ``.xz``).

    Attributes:
        size: bytes of the file, or rows of a Parquet file; None when unknown.
    """

    def __init__(self, path: str, columns: Columns) -> None:
        self._columns = columns
        self._raw: IO[bytes] | None = None
        self._decoded: TextIOWrapper | None = None
        self._rows = 0
        self.size: int | None = None
        self._open = self._lines
        suffixes = [suffix.lower() for suffix in Path(path).suffixes]
        self._opener = _OPENERS.get(suffixes[-1]) if suffixes and path != "-" else None
        kind = (suffixes[:-1] if self._opener else suffixes)[-1:] or [""]
        if path == "-":
            self._raw = sys.stdin.buffer
            return
        try:
            self._raw = Path(path).open("rb")  # noqa: SIM115  closed by ``close``
        except OSError as error:
            message = f"cannot read {path}: {error.strerror}"
            raise SourceError(message) from error
        self.size = Path(path).stat().st_size
        if kind[0] in _TABLES:
            self._delimiter = _TABLES[kind[0]]
            self._open = self._table
        elif kind[0] == ".parquet":
            self._open = self._parquet
            try:
                self._file = _parquet_file(path, columns)
            except SourceError:
                self.close()
                raise
            self.size = self._file.metadata.num_rows

    def __iter__(self) -> Iterator[Record]:
        """The records, in order; empty lines are skipped."""
        try:
            yield from self._open()
        except (OSError, EOFError, lzma.LZMAError, csv.Error) as error:
            message = f"the file is damaged: {error}" if not isinstance(error, csv.Error) else f"not valid CSV: {error}"
            raise SourceError(message) from error
        finally:
            self.close()

    @property
    def counts_rows(self) -> bool:
        """Whether ``position`` and ``size`` are rows rather than bytes."""
        return self._open == self._parquet or self._raw is sys.stdin.buffer

    @property
    def position(self) -> int:
        """Bytes (rows of a Parquet file) read so far; in step with ``size``."""
        if self.counts_rows or self._raw is None:
            return self._rows
        return self._raw.tell() if not self._raw.closed else self.size or 0

    def close(self) -> None:
        """Close the file; standard input stays open."""
        if self._raw is None:
            return
        if self._raw is sys.stdin.buffer:
            if self._decoded is not None:
                self._decoded.detach()
                self._decoded = None
            return
        if self._decoded is not None:
            self._decoded.close()
        self._raw.close()

    def _text(self, newline: str | None) -> TextIOWrapper:
        assert self._raw is not None  # noqa: S101  opened by __init__ for every format but Parquet
        binary = self._opener(self._raw) if self._opener else self._raw
        self._decoded = TextIOWrapper(binary, encoding="utf-8-sig", errors="replace", newline=newline)
        return self._decoded

    def _lines(self) -> Iterator[Record]:
        for number, line in enumerate(self._text(None), 1):
            if line.strip():
                self._rows += 1
                yield self._of_line(number, line.rstrip("\r\n"))

    def _of_line(self, number: int, line: str) -> Record:
        if not line.lstrip().startswith("{"):
            return _checked(str(number), line, None)
        try:
            row = json.loads(line)
        except (ValueError, RecursionError):
            return Record(str(number), error="not valid JSON")
        return self._of_row(number, row)

    def _table(self) -> Iterator[Record]:
        csv.field_size_limit(_LARGEST_FIELD)
        rows = csv.DictReader(self._text(""), delimiter=self._delimiter)
        self._require(list(rows.fieldnames or []))
        for number, row in enumerate(rows, 1):
            self._rows += 1
            yield self._of_row(number, row)

    def _parquet(self) -> Iterator[Record]:
        wanted = [name for name in (self._columns.text, self._columns.id, self._columns.language)
                  if name in self._file.schema_arrow.names]  # fmt: skip
        number = 0
        for batch in self._file.iter_batches(_PARQUET_ROWS, columns=wanted):
            for row in batch.to_pylist():
                number += 1
                self._rows += 1
                yield self._of_row(number, row)

    def _require(self, names: list[str]) -> None:
        if self._columns.text not in names:
            raise _no_column(self._columns, names)

    def _of_row(self, number: int, row: dict[str, Any]) -> Record:
        given = row.get(self._columns.id)
        name = encodable(str(number if given is None or given == "" else given))
        return _checked(name, row.get(self._columns.text), row.get(self._columns.language))


def _parquet_file(path: str, columns: Columns) -> Any:
    try:
        from pyarrow import ArrowException, parquet
    except ImportError as error:
        message = "Parquet files need pyarrow: pip install pyarrow"
        raise SourceError(message) from error
    try:
        file = parquet.ParquetFile(path)
    except (ArrowException, OSError) as error:
        message = f"{path} is not a readable Parquet file"
        raise SourceError(message) from error
    names = file.schema_arrow.names
    if columns.text not in names:
        raise _no_column(columns, names)
    return file


def _no_column(columns: Columns, names: list[str]) -> SourceError:
    return SourceError(f"no column {columns.text!r}, only {', '.join(names) or 'none'}; name it with --text-column")


def _checked(name: str, text: object, language: object) -> Record:
    if not isinstance(text, str) or not text.strip():
        return Record(name, error="text must be a non-blank string")
    if len(text) > MAX_CHARACTERS:
        return Record(name, error=f"text has more than {MAX_CHARACTERS} characters")
    return Record(name, text, language if isinstance(language, str) and language else None)
