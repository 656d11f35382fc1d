"""The servers that are compared: how each is started, and what a request to it looks like."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

PORT = 8765
_PEERS = "benchmarks.peers"
_READY_SECONDS = 120


@dataclass(frozen=True, slots=True)
class Server:
    """A server under test."""

    name: str
    command: tuple[str, ...]
    path: str = "/score"
    env: dict[str, str] = field(default_factory=dict)
    body: str = '{"text": %s}'

    def request(self, text: str) -> str:
        """The body that scores one text."""
        return self.body % json.dumps(text)


def _gunicorn(app: str, *options: str) -> tuple[str, ...]:
    return (sys.executable, "-m", "gunicorn", "--bind", f"127.0.0.1:{PORT}", "--log-level", "error", *options, app)


def servers(plain: Path, *, workers: int = 2) -> list[Server]:
    """Kalm and its peers, for a machine of two cores."""
    one_thread = {"PLAIN_MODEL": str(plain), "OMP_NUM_THREADS": "1", "TOKENIZERS_PARALLELISM": "false"}
    kalm = {"KALM_PORT": str(PORT), "KALM_LOG_LEVEL": "warning", "KALM_DATABASE_URL": "sqlite://"}
    # Scores alone, as the peers give them; what the handover card costs is measured apart.
    only_scores = '{"text": %s, "handover": false}'
    python = sys.executable
    return [
        Server("kalm, 1 worker", (python, "-m", "service"), "/v1/score", kalm, only_scores),
        Server("kalm, 2 workers", (python, "-m", "service"), "/v1/score", kalm | {"KALM_WORKERS": "2"}, only_scores),
        Server(
            "flask + pipeline",
            _gunicorn(f"{_PEERS}.flask_pipeline:app", "--workers", str(workers)),
            env=one_thread,
        ),
        Server(
            "fastapi + pipeline",
            (
                python,
                "-m",
                "uvicorn",
                f"{_PEERS}.fastapi_pipeline:app",
                "--port",
                str(PORT),
                "--workers",
                str(workers),
                "--log-level",
                "error",
            ),
            env=one_thread,
        ),
        Server("litserve", (python, "-m", f"{_PEERS}.litserve_pipeline", str(PORT)), env=one_thread),
        Server(
            "mosec",
            (python, "-m", f"{_PEERS}.mosec_pipeline", "--port", str(PORT), "--log-level", "error"),
            path="/inference",
            env=one_thread,
        ),
        Server(
            "infinity",
            (
                str(Path(python).parent / "infinity_emb"),
                "v2",
                "--model-id",
                str(plain),
                "--port",
                str(PORT),
                "--engine",
                "torch",
                "--device",
                "cpu",
                "--no-bettertransformer",
                "--served-model-name",
                "plain",
            ),
            path="/classify",
            env={"OMP_NUM_THREADS": "2", "DO_NOT_TRACK": "1"},
            body='{"model": "plain", "input": [%s]}',
        ),
    ]


@contextmanager
def running(server: Server) -> Iterator[tuple[int, float]]:
    """Start a server; gives its process id and the seconds until its first score; stops it in the end.

    Raises:
        RuntimeError: it did not come up, or answers with an error.
    """
    began = time.perf_counter()
    with Path(f"runs/bench/{server.name.split()[0].strip(',')}.log").open("wb") as log:
        process = subprocess.Popen(  # noqa: S603
            server.command, env=os.environ | server.env, stdout=log, stderr=subprocess.STDOUT, start_new_session=True
        )
    try:
        _wait(server, process)
        yield process.pid, time.perf_counter() - began
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        try:
            process.wait(15)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def _wait(server: Server, process: subprocess.Popen[bytes]) -> None:
    request = urllib.request.Request(
        f"http://127.0.0.1:{PORT}{server.path}",
        server.request("Waar blijft mijn pakket?").encode(),
        {"Content-Type": "application/json"},
    )
    limit = time.monotonic() + _READY_SECONDS
    while time.monotonic() < limit and process.poll() is None:
        try:
            with urllib.request.urlopen(request, timeout=30):  # noqa: S310
                return
        except urllib.error.HTTPError as error:
            if error.code != 503:
                message = f"{server.name} answers {error.code}"
                raise RuntimeError(message) from error
        except OSError:
            time.sleep(0.02)
    message = f"{server.name} did not come up"
    raise RuntimeError(message)


def memory_mb(pid: int) -> list[float]:
    """Proportional memory of a process and its descendants, largest first: shared pages count in part."""
    found = []
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit() and _descends(int(folder.name), pid):
            try:
                lines = (folder / "smaps_rollup").read_text().splitlines()
            except OSError:
                continue
            found += [int(line.split()[1]) / 1024 for line in lines if line.startswith("Pss:")]
    return sorted(found, reverse=True)


def _descends(pid: int, ancestor: int) -> bool:
    while pid > 1:
        if pid == ancestor:
            return True
        try:
            pid = int(Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[1])
        except (OSError, IndexError):
            return False
    return False
