"""gunicorn's configuration, from Kalm's settings. Workers load the checkpoint after the fork."""

from __future__ import annotations

import os
import shutil
import tempfile
from typing import Any

from service.logs import logging_config
from service.settings import load_settings

_settings = load_settings()
# In memory where there is such a place, so that a read-only or slow disk does not matter.
_scratch = "/dev/shm" if os.access("/dev/shm", os.W_OK) else tempfile.gettempdir()  # noqa: S108
tempfile.tempdir = _scratch

_host = f"[{_settings.host}]" if ":" in _settings.host else _settings.host
bind = f"{_host}:{_settings.port}"
workers = _settings.workers
threads = _settings.threads
worker_class = "service.worker.QuietWorker"
timeout = _settings.request_timeout
graceful_timeout = _settings.graceful_timeout
keepalive = 65
preload_app = False
worker_tmp_dir = _scratch
control_socket_disable = True
limit_request_line = 4094
limit_request_fields = 100
limit_request_field_size = 8190
logconfig_dict = logging_config(_settings.log_level)
raw_env: list[str] = []
_metrics_folder: str | None = None
if workers > 1:
    # One folder for all workers, so that /metrics of any of them tells of all.
    _metrics_folder = tempfile.mkdtemp(prefix="kalm-metrics-", dir=_scratch)
    raw_env.append(f"PROMETHEUS_MULTIPROC_DIR={_metrics_folder}")


def child_exit(server: Any, worker: Any) -> None:
    """Drop the live gauges of a worker that ended."""
    del server
    if _metrics_folder is not None:
        from prometheus_client import multiprocess

        multiprocess.mark_process_dead(worker.pid, _metrics_folder)  # type: ignore[no-untyped-call]


def on_exit(server: Any) -> None:
    """Remove the shared metrics."""
    del server
    if _metrics_folder is not None:
        shutil.rmtree(_metrics_folder, ignore_errors=True)
