"""``python -m model``: score messages from the command line."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any, TextIO

import click
from tqdm import tqdm

from model.checkpoint import DEFAULT_CHECKPOINT
from model.engines import ENGINES
from model.errors import ModelError
from model.language import detect_language
from model.reply import reply_fields
from model.scorer import Scorer
from model.text import MAX_CHARACTERS, encodable

if TYPE_CHECKING:
    from collections.abc import Iterator

_CHUNK = 64


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
def main() -> None:
    """Score customer messages for anger and urgency."""


@main.command()
@click.argument("file", type=click.File("r", encoding="utf-8-sig", errors="replace"), default="-")
@click.option(
    "--checkpoint", default=str(DEFAULT_CHECKPOINT), show_default="the shipped one", help="Checkpoint directory."
)
@click.option("--engine", type=click.Choice(sorted(ENGINES)), default="onnxruntime", show_default=True)
@click.option("--threads", type=click.IntRange(1, 64), default=2, show_default=True, help="Threads of the engine.")
@click.option("--explain", is_flag=True, help="Add each word's share of anger and urgency, with character offsets.")
def score(file: TextIO, checkpoint: str, engine: str, threads: int, explain: bool) -> None:
    r"""Score the messages in FILE, or on standard input when FILE is '-' or missing.

    One message a line: a JSON object {"id": "1", "text": "..."} or plain text. One JSON line comes out
    for each, in the same order; a line that cannot be scored gives {"id": ..., "error": ...} and exit
    code 1 at the end. Empty lines are skipped.

    \b
    Example:
      printf '%s\\n' '{"id":"1","text":"Waar blijft mijn pakket?!"}' | python -m model score -
    """
    try:
        scorer = Scorer.load(checkpoint, engine=engine, threads=threads)
    except ModelError as error:
        raise click.ClickException(str(error)) from error
    failed = 0
    lines = tqdm(_lines(file), unit=" messages", disable=not sys.stderr.isatty(), file=sys.stderr)
    for chunk in _chunks(lines):
        for reply in _score_chunk(chunk, scorer, explain=explain):
            failed += "error" in reply
            click.echo(json.dumps(reply, ensure_ascii=False))
    if failed:
        click.echo(f"{failed} line(s) could not be scored; see their 'error'", err=True)
        sys.exit(1)


def _lines(file: TextIO) -> Iterator[tuple[int, str]]:
    for number, line in enumerate(file, 1):
        if line.strip():
            yield number, line.rstrip("\r\n")


def _chunks(lines: Iterator[tuple[int, str]] | tqdm[tuple[int, str]]) -> Iterator[list[tuple[int, str]]]:
    chunk: list[tuple[int, str]] = []
    for line in lines:
        chunk.append(line)
        if len(chunk) == _CHUNK:
            yield chunk
            chunk = []
    if chunk:
        yield chunk


def _score_chunk(chunk: list[tuple[int, str]], scorer: Scorer, *, explain: bool) -> list[dict[str, Any]]:
    messages = [_parse(number, line) for number, line in chunk]
    good = [message for message in messages if "error" not in message]
    scores = iter(scorer.score([message["text"] for message in good], explain=explain))
    replies = []
    for message in messages:
        if "error" in message:
            replies.append(message)
            continue
        result = next(scores)
        if result.windows == 0:
            replies.append({"id": message["id"], "error": "text holds nothing that can be read"})
        else:
            language = message["language"] or detect_language(message["text"])
            replies.append(reply_fields(message["id"], result, scorer, language, flag=scorer.reaches_threshold(result)))
    return replies


def _parse(number: int, line: str) -> dict[str, Any]:
    if not line.lstrip().startswith("{"):
        return _checked(str(number), line, None)
    try:
        row = json.loads(line)
    except (ValueError, RecursionError):
        return {"id": str(number), "error": "not valid JSON"}
    given = row.get("id")
    message_id = encodable(str(number if given is None else given))
    return _checked(message_id, row.get("text"), row.get("language"))


def _checked(message_id: str, text: object, language: object) -> dict[str, Any]:
    if not isinstance(text, str) or not text.strip():
        return {"id": message_id, "error": "text must be a non-blank string"}
    if len(text) > MAX_CHARACTERS:
        return {"id": message_id, "error": f"text has more than {MAX_CHARACTERS} characters"}
    return {"id": message_id, "text": text, "language": language if isinstance(language, str) else None}


if __name__ == "__main__":
    main(prog_name="python -m model")
