"""Score streams of messages: several windows of the stream at once, in order, in constant memory."""

from __future__ import annotations

import json
import os
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from typing import TYPE_CHECKING, Any

from model.language import language_of
from model.reply import reply_fields
from model.sources import SourceError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

    from model.scorer import Scorer
    from model.sources import Record

# Long enough that texts of like length are found, short enough to hold in memory.
_CHUNK = 256
_AHEAD = 2


def score_stream(scorer: Scorer, records: Iterable[Record], *, streams: int, explain: bool) -> Iterator[dict[str, Any]]:
    """One reply a record, in order; a record that cannot be scored gives ``{"id", "error"}``.

    ``streams`` chunks are scored at once, each on a thread of its own.
    """
    chunks = _chunks(records)
    with ThreadPoolExecutor(streams) as pool:
        waiting = deque(
            pool.submit(_score_chunk, chunk, scorer, explain=explain) for chunk in islice(chunks, streams + _AHEAD)
        )
        while waiting:
            replies = waiting.popleft().result()
            waiting.extend(pool.submit(_score_chunk, chunk, scorer, explain=explain) for chunk in islice(chunks, 1))
            yield from replies


def _chunks(records: Iterable[Record]) -> Iterator[list[Record]]:
    iterator = iter(records)
    while chunk := list(islice(iterator, _CHUNK)):
        yield chunk


def _score_chunk(chunk: Sequence[Record], scorer: Scorer, *, explain: bool) -> list[dict[str, Any]]:
    good = [record for record in chunk if record.error is None]
    prepared = scorer.prepare([record.text for record in good])
    scored = iter(zip(prepared, scorer.score_prepared(prepared, explain=explain), strict=True))
    replies = []
    for record in chunk:
        if record.error is not None:
            replies.append({"id": record.id, "error": record.error})
            continue
        item, result = next(scored)
        if result.windows == 0:
            replies.append({"id": record.id, "error": "text holds nothing that can be read"})
        else:
            language = record.language or language_of(item.tokens.normalised.text)
            replies.append(reply_fields(record.id, result, scorer, language, flag=scorer.reaches_threshold(result)))
    return replies


def resume(output: Path, records: Iterator[Record]) -> int:
    """Skip the records that ``output`` already has lines for; an unfinished last line is cut off.

    Returns:
        How many were skipped.

    Raises:
        SourceError: the output is not of these records.
    """
    if not output.exists():
        return 0
    count, whole, last = 0, 0, b""
    with output.open("r+b") as file:
        for line in file:
            if not line.endswith(b"\n"):
                break
            count, whole, last = count + 1, whole + len(line), line
        file.truncate(whole)
        os.fsync(file.fileno())
    skipped = deque(islice(records, count), maxlen=1)
    if count and (not skipped or _id_of(last) != skipped[0].id):
        message = f"{output} does not belong to this input: line {count} is of another message"
        raise SourceError(message)
    return count


def _id_of(line: bytes) -> object:
    try:
        found = json.loads(line)
    except ValueError:
        return None
    return found.get("id") if isinstance(found, dict) else None
