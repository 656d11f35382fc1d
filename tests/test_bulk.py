import bz2
import csv
import gzip
import io
import json
import lzma

import pytest
from click.testing import CliRunner

from model.__main__ import main
from model.bulk import score_stream
from model.sources import Columns, Record, Source, SourceError

TEXTS = ["Waar blijft mijn pakket?!", 'She said "no", then\nhung up', "ok", "ÇOK KIZGINIM", "x" * 19_000]


def score(checkpoint, *arguments):
    return CliRunner().invoke(main, ["score", "--checkpoint", str(checkpoint), *map(str, arguments)])


def replies(result):
    return [json.loads(line) for line in result.stdout.splitlines()]


@pytest.fixture
def lines():
    return "".join(json.dumps({"id": f"m{i}", "text": text}) + "\n" for i, text in enumerate(TEXTS)).encode()


@pytest.fixture
def expected(tiny_checkpoint, lines, tmp_path):
    path = tmp_path / "expected.jsonl"
    path.write_bytes(lines)
    return replies(score(tiny_checkpoint, path))


@pytest.mark.parametrize(("suffix", "pack"), [(".gz", gzip.compress), (".bz2", bz2.compress), (".xz", lzma.compress)])
def test_compressed_lines(suffix, pack, tiny_checkpoint, lines, expected, tmp_path):
    path = tmp_path / f"mail.jsonl{suffix}"
    path.write_bytes(pack(lines))
    assert replies(score(tiny_checkpoint, path)) == expected


@pytest.mark.parametrize(("suffix", "delimiter"), [(".csv", ","), (".tsv", "\t"), (".csv.gz", ",")])
def test_tables_with_columns_of_other_names(suffix, delimiter, tiny_checkpoint, expected, tmp_path):
    rows = io.StringIO(newline="")
    writer = csv.writer(rows, delimiter=delimiter)
    writer.writerow(["ticket", "body", "agent"])
    writer.writerows([f"m{i}", text, "Bo"] for i, text in enumerate(TEXTS))
    raw = b"\xef\xbb\xbf" + rows.getvalue().encode()
    path = tmp_path / f"mail{suffix}"
    path.write_bytes(gzip.compress(raw) if suffix.endswith("gz") else raw)
    result = score(tiny_checkpoint, path, "--text-column", "body", "--id-column", "ticket")
    assert replies(result) == expected


def test_parquet(tiny_checkpoint, expected, tmp_path):
    pyarrow = pytest.importorskip("pyarrow")
    from pyarrow import parquet

    table = pyarrow.table({"id": [f"m{i}" for i in range(len(TEXTS))], "text": TEXTS, "other": [1] * len(TEXTS)})
    parquet.write_table(table, tmp_path / "mail.parquet")
    assert replies(score(tiny_checkpoint, tmp_path / "mail.parquet")) == expected


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("mail.csv", b"a,b\n1,2\n", "no column 'text', only a, b"),
        ("mail.csv", b"", "no column 'text', only none"),
        ("mail.parquet", b"PAR1 no", "not a readable Parquet file"),
        ("mail.jsonl.gz", b"not gzip", "damaged"),
        ("mail.jsonl.gz", gzip.compress(b'{"text": "a"}\n' * 9)[:-9], "damaged"),
        ("mail.jsonl.xz", b"not xz", "damaged"),
    ],
)
def test_files_that_cannot_be_read_are_refused_with_a_reason(name, content, reason, tiny_checkpoint, tmp_path):
    if name.endswith("parquet"):
        pytest.importorskip("pyarrow")
    path = tmp_path / name
    path.write_bytes(content)
    result = score(tiny_checkpoint, path)
    assert result.exit_code == 1
    assert reason in result.stderr


def test_missing_file(tiny_checkpoint, tmp_path):
    result = score(tiny_checkpoint, tmp_path / "none.jsonl")
    assert result.exit_code == 1
    assert "cannot read" in result.stderr


def test_order_is_kept_over_many_chunks(scorer, monkeypatch):
    monkeypatch.setattr("model.bulk._CHUNK", 7)
    records = [Record(str(i), f"bericht {'x ' * (i % 13)}", error="bad" if i % 10 == 9 else None) for i in range(100)]
    found = list(score_stream(scorer, records, streams=3, explain=False))
    assert [reply["id"] for reply in found] == [str(i) for i in range(100)]
    assert ["error" in reply for reply in found] == [i % 10 == 9 for i in range(100)]


def test_the_stream_is_read_no_further_than_needed(scorer, monkeypatch):
    monkeypatch.setattr("model.bulk._CHUNK", 5)
    read = 0

    def records():
        nonlocal read
        for i in range(1_000):
            read += 1
            yield Record(str(i), "hallo")

    next(score_stream(scorer, records(), streams=2, explain=False))
    assert read <= 30


@pytest.mark.parametrize("cut", [0, 1, 40])
def test_an_interrupted_run_goes_on(cut, tiny_checkpoint, lines, expected, tmp_path):
    source, output = tmp_path / "mail.jsonl", tmp_path / "out.jsonl"
    source.write_bytes(lines)
    score(tiny_checkpoint, source, "--output", output)
    whole = output.read_bytes()
    assert [json.loads(line) for line in whole.splitlines()] == expected
    second = whole.index(b"\n", whole.index(b"\n") + 1) + 1
    output.write_bytes(whole[: second + cut])
    assert score(tiny_checkpoint, source, "--output", output, "--resume").exit_code == 0
    assert output.read_bytes() == whole
    assert score(tiny_checkpoint, source, "--output", output, "--resume").exit_code == 0
    assert output.read_bytes() == whole


def test_resuming_with_the_output_of_other_messages_is_refused(tiny_checkpoint, lines, tmp_path):
    source, output = tmp_path / "mail.jsonl", tmp_path / "out.jsonl"
    source.write_bytes(lines)
    output.write_text('{"id": "other"}\n')
    result = score(tiny_checkpoint, source, "--output", output, "--resume")
    assert result.exit_code == 1
    assert "does not belong" in result.stderr
    assert output.read_text() == '{"id": "other"}\n'


def test_resume_needs_an_output(tiny_checkpoint):
    assert "--output" in score(tiny_checkpoint, "-", "--resume").stderr


def test_a_broken_quote_does_not_eat_the_memory(tmp_path):
    path = tmp_path / "mail.csv"
    path.write_text('text\n"' + "x" * 3_000_000)
    with pytest.raises(SourceError, match="not valid CSV"):
        list(Source(str(path), Columns()))
