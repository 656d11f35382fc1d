"""The service as a process: what a wrong client, a signal and several workers do to it."""

import json
import os
import signal
import socket
import subprocess
import sys
import urllib.request
from contextlib import contextmanager

import pytest
from conftest import ROOT
from waiting import free_port, wait_until_ready

from service.probe import ready
from service.tally import Tally


@contextmanager
def serving(checkpoint, **settings):
    """The service on a free port; gives port, process and, after the end, the log."""
    port = free_port()
    environment = os.environ | {"KALM_PORT": str(port), "KALM_CHECKPOINT": str(checkpoint)} | settings
    process = subprocess.Popen([sys.executable, "-m", "service"], cwd=ROOT, env=environment, stderr=subprocess.PIPE)
    log = []
    try:
        wait_until_ready(port)
        yield port, process, log
    finally:
        process.terminate()
        log.append(process.communicate(timeout=30)[1].decode())


def raw(port, data):
    with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
        connection.sendall(data)
        connection.shutdown(socket.SHUT_WR)
        return b"".join(iter(lambda: connection.recv(65536), b"")).decode()


def test_a_wrong_content_length_leaks_nothing(tiny_checkpoint):
    body = '{"text":"Wórden die níémand mag zién"}'.encode()
    head = (
        "POST /v1/score HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(body) - 9}\r\n\r\n"
    )
    with serving(tiny_checkpoint) as (port, process, log):
        answer = raw(port, head.encode() + body)
        garbage = raw(port, b"geheim geheim\r\n\r\n")
        assert process.poll() is None
    assert "zi" not in answer.split("\r\n\r\n", 1)[1]
    assert "application/problem+json" in garbage
    assert json.loads(garbage.split("\r\n\r\n", 1)[1])["status"] == 400
    assert "geheim" not in log[0] + garbage
    assert "request not understood" in log[0]


def test_term_ends_cleanly_and_every_log_line_is_json(tiny_checkpoint):
    with serving(tiny_checkpoint) as (port, process, log):
        assert raw(port, b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n").startswith("HTTP/1.1 200")
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=20) == 0
    assert all(json.loads(line)["time"] for line in log[0].splitlines())


def test_workers_report_as_one(tiny_checkpoint):
    with serving(tiny_checkpoint, KALM_WORKERS="2") as (port, _, log):
        for _ in range(20):
            raw(port, b"GET /livez HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=5) as response:
            metrics = response.read().decode()
    assert 'kalm_requests_total{method="GET",route="/livez",status="200"} 20.0' in metrics
    assert "Traceback" not in log[0]


def test_a_body_over_the_limit_without_a_length_is_refused(tiny_checkpoint):
    chunk = b"10000\r\n" + b"x" * 65536 + b"\r\n"
    head = (
        b"POST /v1/score HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Type: application/json\r\n"
        b"Transfer-Encoding: chunked\r\n\r\n"
    )
    with serving(tiny_checkpoint, KALM_MAX_BODY_BYTES="1024") as (port, _, _log):
        assert raw(port, head + chunk + b"0\r\n\r\n").startswith("HTTP/1.1 413")


def test_a_bad_checkpoint_stops_the_start_with_one_clear_line(tmp_path):
    with serving(tmp_path / "nowhere") as (_, process, log):
        assert process.wait(timeout=20) != 0
    assert "no checkpoint directory" in log[0]
    assert "Traceback" not in log[0]


@pytest.mark.parametrize("alive", [True, False])
def test_the_container_probe(tiny_checkpoint, monkeypatch, alive):
    if not alive:
        monkeypatch.setenv("KALM_PORT", "9")
        assert ready() is False
        return
    with serving(tiny_checkpoint) as (port, _, _log):
        monkeypatch.setenv("KALM_PORT", str(port))
        assert ready() is True


def test_counts_survive_the_end_of_a_worker(tiny_checkpoint, tmp_path):
    url = f"sqlite:///{tmp_path / 'kalm.db'}"
    body = b'{"text":"Waar blijft mijn pakket?"}'
    for _ in range(2):
        with serving(tiny_checkpoint, KALM_DATABASE_URL=url, KALM_WORKERS="2") as (port, process, log):
            address = f"http://127.0.0.1:{port}/v1/score"
            request = urllib.request.Request(address, body, {"Content-Type": "application/json"})
            with urllib.request.urlopen(request, timeout=10) as response:  # noqa: S310
                assert response.status == 200
            process.send_signal(signal.SIGTERM)
            assert process.wait(timeout=20) == 0
        assert "Traceback" not in log[0]
    tally = Tally(url)
    counted = tally.read(0, 10**7, ["messages"])
    tally.close()
    assert sum(counted.values()) == 2


def test_a_bad_policy_refuses_to_start_and_names_the_key(tiny_checkpoint, tmp_path):
    policy = tmp_path / "policy.toml"
    policy.write_text("[rules]\ncontact = 3", encoding="utf-8")
    environment = os.environ | {
        "KALM_PORT": str(free_port()), "KALM_CHECKPOINT": str(tiny_checkpoint), "KALM_POLICY": str(policy)
    }  # fmt: skip
    done = subprocess.run(
        [sys.executable, "-m", "service"],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode != 0
    assert "rules.contact: not a key of the policy" in done.stderr
    assert "Traceback" not in done.stderr
