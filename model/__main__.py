"""``python -m model``: score messages from the command line."""

from __future__ import annotations

import json
import sys
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

import click
from tqdm import tqdm

from model.bulk import resume as skip_done
from model.bulk import score_stream
from model.checkpoint import DEFAULT_CHECKPOINT
from model.cores import available_cores
from model.engines import AUTO, ENGINES
from model.errors import ModelError
from model.scorer import Scorer
from model.sources import Columns, Source

if TYPE_CHECKING:
    from collections.abc import Iterator

    from model.sources import Record


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
def main() -> None:
    """Score customer messages for anger and urgency."""


@main.command()
@click.argument("file", type=click.Path(dir_okay=False, allow_dash=True), default="-")
@click.option(
    "--checkpoint", default=str(DEFAULT_CHECKPOINT), show_default="the shipped one", help="Checkpoint directory."
)
@click.option(
    "--engine",
    type=click.Choice([AUTO, *sorted(ENGINES)]),
    default=AUTO,
    show_default=True,
    help="What runs the network; auto: the fastest on this processor.",
)
@click.option(
    "--threads",
    type=click.IntRange(1, 256),
    default=None,
    show_default="the cores given",
    help="Runs of the engine at once, one thread each.",
)
@click.option("--explain", is_flag=True, help="Add each word's share of anger and urgency, with character offsets.")
@click.option("--text-column", default="text", show_default=True, help="Field or column with the message.")
@click.option("--id-column", default="id", show_default=True, help="Field or column with its id; else its number.")
@click.option("--language-column", default="language", show_default=True, help="Field or column with its language.")
@click.option("--output", type=click.Path(path_type=Path, dir_okay=False), default=None,
              help="File for the replies. [default: standard output]")  # fmt: skip
@click.option("--resume", is_flag=True, help="Go on where --output ends, after an interruption.")
def score(
    file: str,
    checkpoint: str,
    engine: str,
    threads: int | None,
    explain: bool,
    text_column: str,
    id_column: str,
    language_column: str,
    output: Path | None,
    resume: bool,
) -> None:
    r"""Score the messages in FILE, or on standard input when FILE is '-' or missing.

    JSON lines ({"id": "1", "text": "..."}) or plain lines, CSV or TSV with a header, Parquet; all but
    Parquet also compressed (.gz, .bz2, .xz). Any size, in constant memory. One JSON line comes out for
    each message, in the same order; one that cannot be scored gives {"id": ..., "error": ...} and exit
    code 1 at the end. Empty lines are skipped.

    \b
    Examples:
      printf '%s\\n' '{"id":"1","text":"Waar blijft mijn pakket?!"}' | python -m model score -
      python -m model score archive.csv.gz --text-column body --output scores.jsonl --resume
    """
    if resume and output is None:
        message = "--resume needs --output, the file to go on with"
        raise click.UsageError(message)
    try:
        with ExitStack() as stack:
            source = Source(file, Columns(text_column, id_column, language_column))
            stack.callback(source.close)
            records = iter(source)
            done = skip_done(output, records) if resume and output is not None else 0
            target: TextIO = sys.stdout
            if output is not None:
                target = stack.enter_context(output.open("a" if resume else "w", encoding="utf-8"))
            streams = threads or available_cores()
            scorer = Scorer.load(checkpoint, engine=engine, threads=1, streams=streams)
            failed = 0
            for reply in score_stream(scorer, _shown(records, source, done), streams=streams, explain=explain):
                failed += "error" in reply
                target.write(json.dumps(reply, ensure_ascii=False) + "\n")
            target.flush()
    except ModelError as error:
        raise click.ClickException(str(error)) from error
    if failed:
        click.echo(f"{failed} message(s) could not be scored; see their 'error'", err=True)
        sys.exit(1)


def _shown(records: Iterator[Record], source: Source, done: int) -> Iterator[Record]:
    """The records, with a progress bar on a terminal: how far, how fast, how long still."""
    in_bytes = source.size is not None and not source.counts_rows
    with tqdm(
        total=source.size, initial=source.position if done else 0, unit="B" if in_bytes else " messages",
        unit_scale=in_bytes, disable=not sys.stderr.isatty(), file=sys.stderr,
    ) as bar:  # fmt: skip
        for number, record in enumerate(records, 1):
            if not number % 64:
                bar.update(source.position - bar.n)
                if in_bytes:
                    bar.set_postfix_str(
                        f"{number / max(bar.format_dict['elapsed'], 1e-3):.0f} messages/s", refresh=False
                    )
            yield record
        bar.update(source.position - bar.n)


if __name__ == "__main__":
    main(prog_name="python -m model")
