"""What the README promises, run as a reader would."""

import gzip
import json
import os
import re
import signal
import subprocess
import urllib.request

import pytest
from conftest import ROOT
from waiting import free_port, wait_until_ready

README = (ROOT / "README.md").read_text(encoding="utf-8")
COMMANDS = re.findall(r"```sh\n(.*?)```", README, re.DOTALL)


@pytest.fixture(scope="module")
def port():
    """Run `make run` on a free port; stop it with SIGTERM and expect a clean end."""
    port = free_port()
    environment = os.environ | {"KALM_PORT": str(port)}
    run = subprocess.Popen(
        ["bash", "-c", COMMANDS[0]], cwd=ROOT, env=environment, stderr=subprocess.PIPE, start_new_session=True
    )
    try:
        wait_until_ready(port)
        yield port
    finally:
        os.killpg(run.pid, signal.SIGTERM)
        _, log = run.communicate(timeout=30)
    assert "Traceback" not in log.decode()


def test_first_lines_show_how_to_start_and_what_comes_back():
    top = "\n".join(README.splitlines()[:25])
    assert "make run" in top
    assert "curl" in top
    assert "```json" in top
    assert '"anger"' in top


def test_curl_gets_the_shown_reply(port):
    command = COMMANDS[1].replace(":8080", f":{port}")
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=True)
    reply = json.loads(done.stdout)
    shown = json.loads(re.search(r"```json\n(.*?)```", README, re.DOTALL)[1])
    for moving in ("respond_by",):
        assert reply.pop(moving)
        assert shown.pop(moving)
    for name, value in shown.items():
        close = isinstance(value, float) or name.endswith("_grades")
        assert reply[name] == (pytest.approx(value, abs=0.01) if close else value), name
    assert set(reply) == set(shown)


def test_the_draft_of_the_readme(port):
    command = COMMANDS[2].replace(":8080", f":{port}")
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=True)
    codes = {finding["code"] for finding in json.loads(done.stdout)["findings"]}
    assert {"arguing", "sent_on", "no_apology", "no_next_step"} <= codes


def test_the_command_line_of_the_readme():
    done = subprocess.run(["bash", "-c", COMMANDS[3]], capture_output=True, text=True, check=True, cwd=ROOT)
    assert 0 <= json.loads(done.stdout)["anger"] <= 1


def test_the_bulk_command_of_the_readme(tmp_path):
    with gzip.open(tmp_path / "archive.csv.gz", "wt") as file:
        file.write("id,body\n7,Waar blijft mijn pakket?\n8,ok\n")
    (tmp_path / ".venv").symlink_to(ROOT / ".venv")
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    for _ in range(2):
        subprocess.run(["bash", "-c", COMMANDS[4]], check=True, cwd=tmp_path, env=environment)
        replies = [json.loads(line) for line in (tmp_path / "scores.jsonl").read_text().splitlines()]
        assert [reply["id"] for reply in replies] == ["7", "8"]


def test_every_shell_block_is_tried_here():
    assert len(COMMANDS) == 5


def test_every_route_is_named(port):
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/openapi.json", timeout=5) as response:
        document = json.load(response)
    assert all(path in README for path in document["paths"])


def test_links_lead_somewhere():
    for target in re.findall(r"\]\((?!http)([^)#]+)\)", README):
        assert (ROOT / target).exists(), target
