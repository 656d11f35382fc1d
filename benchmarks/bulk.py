"""Bulk scoring of growing files, by the code of ``python -m model score``: does the cost grow with the size?"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from typing import Any

from benchmarks.engines import CHECKPOINT, peak_memory_mb

SIZES = (1_000, 10_000, 100_000)


def measure(count: int) -> dict[str, Any]:
    """Messages and tokens a second, reading and writing included, loading not, of ``count`` messages."""
    from benchmarks.texts import texts
    from model.bulk import score_stream
    from model.cores import available_cores
    from model.scorer import Scorer
    from model.sources import Record

    streams = available_cores()
    scorer = Scorer.load(CHECKPOINT, threads=1, streams=streams)
    bulk = texts(count)
    tokens = sum(
        len(item.tokens.ids) for start in range(0, count, 1_000) for item in scorer.prepare(bulk[start : start + 1_000])
    )
    scorer.score(bulk[:256])
    began = time.perf_counter()
    written = 0
    for reply in score_stream(
        scorer, (Record(str(number), text) for number, text in enumerate(bulk)), streams=streams, explain=False
    ):
        written += len(json.dumps(reply, ensure_ascii=False))
    seconds = time.perf_counter() - began
    return {
        "messages": count,
        "per_second": count / seconds,
        "tokens_per_second": tokens / seconds,
        "memory_mb": peak_memory_mb(),
    }


def measure_bulk(largest: int) -> list[dict[str, Any]]:
    """Sizes up to ``largest``, one process each."""
    found = []
    for count in SIZES:
        if count > largest:
            continue
        command = [sys.executable, "-m", "benchmarks.bulk", str(count)]
        process = subprocess.run(command, capture_output=True, text=True, check=True)  # noqa: S603
        found.append(json.loads(process.stdout.splitlines()[-1]))
        sys.stderr.write(f"bulk: {found[-1]}\n")
    return found


if __name__ == "__main__":
    print(json.dumps(measure(int(sys.argv[1]))))  # noqa: T201
