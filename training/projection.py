"""Labels carried from English sentences to their translations, to teach tone in every language."""

from __future__ import annotations

import gzip
import json
import zlib
from typing import TYPE_CHECKING

import numpy as np
from tqdm import tqdm

from model.calibration import at_least
from training.examples import Example
from training.parallel import read_parallel

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from model.scorer import Score, Scorer

_CHUNK = 2_048
# Most everyday sentences are neutral; a floor keeps some of them among the drawn.
_FLOOR = 0.05


def project(
    scorer: Scorer, data_dir: Path, output: Path, languages: Sequence[str], *, candidates: int, kept: int, seed: int
) -> int:
    """Score the English side of parallel sentences and write the translations with those soft labels.

    As annotation projection (Yarowsky et al. 2001) with a classifier's probabilities instead of tags. Of each
    language at most ``candidates`` pairs are looked at and ``kept`` written, drawn in proportion to their
    expected grades, since few everyday sentences are angry or urgent.

    Returns:
        The number of texts written to ``output`` (gzipped JSON lines: text, language, anger, urgency).
    """
    rng = np.random.default_rng(seed)
    pairs = []
    for language in languages:
        found = read_parallel(data_dir / f"parallel/{language}.tsv.gz", language)
        rows = dict(zip(found.translated, found.english, strict=True))
        chosen = rng.permutation(len(rows))[:candidates]
        texts = list(rows.items())
        pairs.append((language, [texts[i] for i in sorted(chosen)]))
    english = sorted({source for _, own in pairs for _, source in own})
    cuts = np.zeros((len(english), 2, 3))
    for start in tqdm(range(0, len(english), _CHUNK), desc="English sentences", unit_scale=_CHUNK):
        scores = scorer.score(english[start : start + _CHUNK])
        cuts[start : start + _CHUNK] = [_cuts(score) for score in scores]
    row_of = {text: row for row, text in enumerate(english)}
    written = 0
    output.parent.mkdir(parents=True, exist_ok=True)
    with gzip.open(output, "wt", encoding="utf-8") as file:
        for language, own in pairs:
            known = cuts[[row_of[source] for _, source in own]]
            chances = known.mean(axis=2).sum(axis=1) + _FLOOR
            drawn = rng.choice(len(own), min(kept, len(own)), replace=False, p=chances / chances.sum())
            for i in sorted(drawn):
                anger, urgency = np.round(known[i], 3).tolist()
                row = {"text": own[i][0], "language": language, "anger": anger, "urgency": urgency}
                file.write(json.dumps(row, ensure_ascii=False) + "\n")
            written += len(drawn)
    return written


def _cuts(score: Score) -> list[list[float]]:
    """P(grade >= 1, 2, 3) of each dimension."""
    return [at_least(np.array([own.grades]))[0].tolist() for own in (score.anger, score.urgency)]


def read_projected(path: Path) -> Iterator[Example]:
    """Read what :func:`project` wrote.

    Raises:
        ValueError: the file is damaged, or a line is not of that form.
    """
    try:
        with gzip.open(path, "rt", encoding="utf-8") as lines:
            for number, line in enumerate(lines, 1):
                yield _example(path, number, line)
    except (OSError, EOFError, UnicodeDecodeError, zlib.error) as error:
        message = f"cannot read {path}: not a whole file of `python -m training project`"
        raise ValueError(message) from error


def _example(path: Path, number: int, line: str) -> Example:
    try:
        row = json.loads(line)
        anger, urgency = (_checked(row[name]) for name in ("anger", "urgency"))
        return Example(f"projected-{number}", row["text"], row["language"], "projected", anger, urgency)
    except (ValueError, KeyError, TypeError) as error:
        message = f"{path}:{number}: not a projected sentence"
        raise ValueError(message) from error


def _checked(values: Sequence[float]) -> tuple[float, float, float]:
    low, middle, high = map(float, values)
    if not 1 >= low >= middle >= high >= 0:
        raise ValueError(values)
    return low, middle, high
