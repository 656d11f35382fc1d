"""``python -m benchmarks``: Kalm beside its peers, all on this machine, in one run."""

from __future__ import annotations

import json
import platform
import sys
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

import click

from benchmarks.bulk import measure_bulk
from benchmarks.engines import CHECKPOINT, PLAIN, measure_all
from benchmarks.load import at_rate, closed
from benchmarks.plain_model import write_plain
from benchmarks.report import write_report
from benchmarks.servers import PORT, Server, memory_mb, running, servers
from benchmarks.texts import texts

CONCURRENCY = (1, 16, 64)
_BATCH = 64
_VERSIONS = (
    "torch", "transformers", "onnxruntime", "openvino", "flask", "gunicorn", "fastapi", "uvicorn", "litserve", "mosec",
    "infinity-emb",
)  # fmt: skip


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--seconds", type=click.IntRange(1), default=10, show_default=True, help="Of each load.")
@click.option("--only", default="", help="Servers whose name holds this; empty: all.")
@click.option("--skip-engines", is_flag=True, help="Leave the bare engines out.")
@click.option(
    "--bulk", type=click.IntRange(0), default=10_000, show_default=True,
    help="Largest file scored in bulk: 1000, 10000 or 100000 messages; 0: none.",
)  # fmt: skip
@click.option(
    "--output", type=click.Path(path_type=Path), default=Path("runs/bench"), show_default=True, help="For results.json."
)
@click.option(
    "--report", type=click.Path(path_type=Path), default=None, help="Also write this Markdown page and a plot."
)
def main(seconds: int, only: str, skip_engines: bool, bulk: int, output: Path, report: Path | None) -> None:
    """Measure bare engines, servers under load, overload, memory and start-up."""
    PLAIN.parent.mkdir(parents=True, exist_ok=True)
    if not (PLAIN / "config.json").exists():
        write_plain(CHECKPOINT, PLAIN)
    result: dict[str, Any] = {
        "machine": _machine(),
        "engines": {} if skip_engines else measure_all(),
        "bulk": measure_bulk(bulk),
        "servers": {},
    }
    for server in servers(PLAIN):
        if only not in server.name:
            continue
        try:
            result["servers"][server.name] = _measure(server, seconds)
        except (RuntimeError, OSError) as error:
            result["servers"][server.name] = {"error": str(error)}
        click.echo(f"{server.name}: {json.dumps(result['servers'][server.name])}", err=True)
        output.mkdir(parents=True, exist_ok=True)
        (output / "results.json").write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    if report is not None:
        write_report(result, report)


def _measure(server: Server, seconds: int) -> dict[str, Any]:
    bodies = [server.request(text) for text in texts(1_024)]
    with running(server) as (pid, ready):
        found: dict[str, Any] = {"ready_s": ready, "closed": {}}
        closed(server, PORT, bodies, concurrency=8, seconds=max(2, seconds // 3))
        for concurrency in CONCURRENCY:
            found["closed"][str(concurrency)] = closed(server, PORT, bodies, concurrency=concurrency, seconds=seconds)
        if server.name.startswith("kalm"):
            found |= _more(server, seconds, max(item["per_second"] for item in found["closed"].values()))
        found["memory_mb"] = memory_mb(pid)
    return found


def _more(server: Server, seconds: int, capacity: float) -> dict[str, Any]:
    """What only Kalm is asked: batches, 70 % and 300 % of its capacity."""
    bodies = [server.request(text) for text in texts(1_024)]
    all_texts = texts(_BATCH * 32)
    batches = [
        json.dumps({"messages": [{"text": text, "handover": False} for text in all_texts[i : i + _BATCH]]})
        for i in range(0, len(all_texts), _BATCH)
    ]
    batch = Server(server.name, server.command, "/v1/score/batch")
    in_batches = closed(batch, PORT, batches, concurrency=2, seconds=seconds)
    in_batches["per_second"] *= _BATCH
    return {
        "batch": in_batches,
        "at_70_percent": at_rate(server, PORT, bodies, rate=0.7 * capacity, seconds=seconds),
        "at_300_percent": at_rate(server, PORT, bodies, rate=3 * capacity, seconds=seconds),
    }


def _machine() -> dict[str, Any]:
    lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    model = next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), "unknown")
    flags = next((line.split(":", 1)[1].split() for line in lines if line.startswith("flags")), [])
    return {
        "processor": model,
        "cores": len([line for line in lines if line.startswith("processor")]),
        "flags": [flag for flag in ("avx2", "avx512f", "avx512_vnni", "avx512_bf16", "amx_bf16") if flag in flags],
        "python": platform.python_version(),
        "versions": {name: _version(name) for name in _VERSIONS},
        "date": datetime.now(UTC).date().isoformat(),
    }


def _version(name: str) -> str:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return "not installed"


if __name__ == "__main__":
    main(prog_name=f"{Path(sys.executable).name} -m benchmarks")
