import json
import subprocess
import sys

import pytest
from click.testing import CliRunner

from model.__main__ import main


@pytest.fixture
def run(tiny_checkpoint):
    def invoke(stdin, *options):
        return CliRunner().invoke(main, ["score", "-", "--checkpoint", str(tiny_checkpoint), *options], input=stdin)

    return invoke


def test_json_lines_in_and_out(run):
    result = run('{"id":"1","text":"Waar blijft mijn pakket?!"}\n{"id":7,"text":"Thanks"}\n')
    assert result.exit_code == 0
    first, second = map(json.loads, result.stdout.splitlines())
    assert (first["id"], second["id"]) == ("1", "7")
    assert 0 <= first["anger"] <= 1
    assert 0 <= first["urgency"] <= 1
    assert first["language"] == "nl"
    assert first["model"] == "tiny"
    assert first["flag"] in (True, False)
    assert "explanation" not in first


def test_plain_lines_get_their_line_number(run):
    result = run("Waar blijft het?\n\nOk dan\n")
    assert [json.loads(line)["id"] for line in result.stdout.splitlines()] == ["1", "3"]


def test_explain(run):
    reply = json.loads(run("Waar is het?\n", "--explain").stdout)
    assert reply["explanation"][0]["start"] == 0


def test_bad_lines_do_not_sink_the_rest(run):
    lines = ['{"id":"a","text":', '{"id":"b"}', '{"id":"c","text":5}', '{"id":"d","text":"\\u0000"}', "[]", "fine"]
    result = run("\n".join(lines))
    replies = [json.loads(line) for line in result.stdout.splitlines()]
    assert result.exit_code == 1
    assert ["error" in reply for reply in replies] == [True, True, True, True, False, False]
    assert "4 message(s)" in result.stderr


def test_odd_ids_and_a_byte_order_mark(run):
    result = run('\ufeff{"id":"\\ud83d","text":"a"}\n{"id":null,"text":"b"}\n')
    assert result.exit_code == 0
    assert [json.loads(line)["id"] for line in result.stdout.splitlines()] == ["\ufffd", "2"]


def test_missing_checkpoint_is_a_clear_error(tmp_path):
    result = CliRunner().invoke(main, ["score", "-", "--checkpoint", str(tmp_path / "none")], input="x")
    assert result.exit_code == 1
    assert "no checkpoint directory" in result.stderr


def test_help_teaches():
    result = CliRunner().invoke(main, ["score", "--help"])
    assert "python -m model score -" in result.output


def test_the_promised_line_works():
    """The line by which the project is measured from outside, with the shipped checkpoint."""
    command = """printf '%s\\n' '{"id":"1","text":"Waar blijft mijn pakket?!"}' | "$0" -m model score -"""
    done = subprocess.run(["bash", "-c", command, sys.executable], capture_output=True, text=True, check=True)
    (line,) = done.stdout.splitlines()
    reply = json.loads(line)
    assert reply["id"] == "1"
    assert 0 <= reply["anger"] <= 1
    assert 0 <= reply["urgency"] <= 1
