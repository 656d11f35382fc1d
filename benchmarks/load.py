"""Load on a server: as fast as it answers (wrk), or at a given rate whatever it answers (Poisson arrivals)."""

from __future__ import annotations

import asyncio
import json
import random
import resource
import shutil
import statistics
import subprocess
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

    from benchmarks.servers import Server

_SCRIPT = Path(__file__).parent / "post.lua"


def closed(server: Server, port: int, bodies: Sequence[str], *, concurrency: int, seconds: int) -> dict[str, Any]:
    """``concurrency`` connections, each with one request at a time, for ``seconds``, by wrk.

    Returns:
        ``per_second`` (answers of 200), ``p50_ms``, ``p99_ms``, counts of the other answers and of errors, and
        ``load_cores``, the cores that wrk itself took.

    Raises:
        RuntimeError: wrk is not installed, or failed.
    """
    if shutil.which("wrk") is None:
        message = "the benchmark needs wrk (Debian: apt-get install wrk)"
        raise RuntimeError(message)
    with tempfile.NamedTemporaryFile("w", suffix=".txt", encoding="utf-8") as file:
        file.write("".join(body + "\n" for body in bodies))
        file.flush()
        before = _children_seconds()
        process = subprocess.run(  # noqa: S603
            ["wrk", "-t1", f"-c{concurrency}", f"-d{seconds}s", "--timeout", "30s", "--latency", "-s", str(_SCRIPT),  # noqa: S607
             f"http://127.0.0.1:{port}{server.path}", "--", file.name],
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        used = _children_seconds() - before
    found = [line for line in process.stdout.splitlines() if line.startswith("RESULT ")]
    if not found:
        message = f"wrk failed: {process.stderr or process.stdout}"
        raise RuntimeError(message)
    result: dict[str, Any] = json.loads(found[0].removeprefix("RESULT "))
    return result | {"per_second": result["ok"] / result["seconds"], "load_cores": used / result["seconds"]}


def _children_seconds() -> float:
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def at_rate(server: Server, port: int, bodies: Sequence[str], *, rate: float, seconds: float) -> dict[str, Any]:
    """Requests at Poisson times, ``rate`` a second on average, each on its own whatever the others do.

    Latency counts from the time a request was due, so a server that falls behind cannot hide it.
    """
    return asyncio.run(_at_rate(server, port, bodies, rate, seconds))


async def _at_rate(server: Server, port: int, bodies: Sequence[str], rate: float, seconds: float) -> dict[str, Any]:
    import aiohttp

    rng = random.Random(0)
    accepted: list[float] = []
    statuses: dict[str, int] = {}

    async def one(session: aiohttp.ClientSession, body: str, due: float) -> None:
        try:
            async with session.post(f"http://127.0.0.1:{port}{server.path}", data=body) as response:
                await response.read()
                status = str(response.status)
        except (aiohttp.ClientError, TimeoutError) as error:
            status = type(error).__name__
        statuses[status] = statuses.get(status, 0) + 1
        if status == "200":
            accepted.append(1000 * (time.perf_counter() - due))

    connector = aiohttp.TCPConnector(limit=0)
    timeout = aiohttp.ClientTimeout(total=60)
    headers = {"Content-Type": "application/json"}
    async with aiohttp.ClientSession(connector=connector, timeout=timeout, headers=headers) as session:
        tasks = []
        due = began = time.perf_counter()
        number = 0
        while due < began + seconds:
            await asyncio.sleep(max(0.0, due - time.perf_counter()))
            tasks.append(asyncio.create_task(one(session, bodies[number % len(bodies)], due)))
            number += 1
            due += rng.expovariate(rate)
        await asyncio.gather(*tasks)
        took = time.perf_counter() - began
    accepted.sort()
    return {
        "rate": rate,
        "sent": number,
        "statuses": statuses,
        "per_second": len(accepted) / took,
        "p50_ms": statistics.median(accepted) if accepted else None,
        "p99_ms": accepted[int(0.99 * (len(accepted) - 1))] if accepted else None,
    }
