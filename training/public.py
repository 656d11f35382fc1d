"""Readers of the public data sets that may shape shipped weights (licence allows commercial use).

Each yields :class:`training.examples.Example`. How a label speaks of the ordered grades is decided
here, one function a data set. What a label does not speak of stays unknown: disgust or sadness is
not "no anger".
"""

from __future__ import annotations

import csv
import gzip
import json
from typing import TYPE_CHECKING

import numpy as np

from training.examples import EMOTIONS, UNKNOWN, Cuts, Example, cuts_of_grade, cuts_of_intensity, cuts_of_presence

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

# The language of each file of BRIGHTER.
BRIGHTER = {
    "afr": "af", "arq": "ar", "ary": "ar", "deu": "de", "eng": "en", "esp": "es", "hin": "hi",
    "ptbr": "pt", "ptmz": "pt", "ron": "ro", "rus": "ru", "swe": "sv", "ukr": "uk",
}  # fmt: skip
_XED = ["ar", "br", "cs", "da", "de", "es", "fr", "it", "nl", "no", "pl", "pt", "ro", "ru", "sv", "tr"]
_XED_EMOTIONS = {1: "anger", 3: "disgust", 4: "fear", 5: "joy", 6: "sadness"}
_GOEMOTIONS = {
    "anger": "anger", "annoyance": "anger", "disgust": "disgust", "fear": "fear", "nervousness": "fear",
    "joy": "joy", "amusement": "joy", "approval": "joy", "excitement": "joy", "gratitude": "joy", "love": "joy",
    "optimism": "joy", "relief": "joy", "pride": "joy", "admiration": "joy", "desire": "joy", "caring": "joy",
    "sadness": "sadness", "disappointment": "sadness", "embarrassment": "sadness", "grief": "sadness",
    "remorse": "sadness", "surprise": "surprise", "realization": "surprise", "confusion": "surprise",
    "curiosity": "surprise",
}  # fmt: skip
# P(grade >= 1, 2, 3) of a complaint's severity (Jin and Aletras 2021): tweets reproach a brand, product
# reviews are "unhappy, not angry".
_TWEET_SEVERITY: tuple[Cuts, ...] = ((0, 0, 0), (0.5, 0.1, 0), (0.9, 0.45, 0.1), (1, 0.65, 0.2), (1, 0.75, 0.25))
_REVIEW_SEVERITY: tuple[Cuts, ...] = ((0, 0, 0), (0.5, 0.05, 0), (0.75, 0.2, 0), (0.9, 0.4, 0.1), (0.95, 0.45, 0.1))
_REVIEW_SEVERITIES = ("Non-Complaint", "No explicit reproach", "Disapproval", "Accusation", "Blame")
# P(urgency >= 1) by "must staff reply", 1..7 (Svabensky et al. 2023).
_POST_URGENCY = (0.0, 0.1, 0.3, 0.6, 0.8, 0.95, 1.0)


def _rows(path: Path, delimiter: str = ",") -> Iterator[dict[str, str]]:
    with gzip.open(path, "rt", encoding="utf-8", newline="") as lines:
        if delimiter == "\t":
            yield from csv.DictReader(lines, delimiter=delimiter, quoting=csv.QUOTE_NONE)
        else:
            yield from csv.DictReader(lines)


def brighter(root: Path, split: str = "train") -> Iterator[Example]:
    """BRIGHTER / SemEval-2025 task 11 (Muhammad et al. 2025), CC BY 4.0: six emotions, anger by intensity."""
    for code in BRIGHTER:
        yield from brighter_part(root, code, split)


def brighter_part(root: Path, code: str, split: str = "train") -> Iterator[Example]:
    """One language of :func:`brighter`, by the code of its file."""
    intensity = {
        row["text"]: row
        for row in _rows(root / "brighter/derived/anger_soft.tsv.gz", "\t")
        if row["split"] == split and row["lang"] == code
    }
    for row in _rows(root / f"brighter/track_a/{split}/{code}.csv.gz"):
        emotions = {name: float(row[name]) for name in EMOTIONS if row.get(name) not in (None, "")}
        soft = intensity.get(" ".join(row["text"].split())) or intensity.get(row["text"]) or {}
        anger = _brighter_cuts(emotions["anger"], soft.get("intensity_trackB"), soft.get("mean_individual_0to1"))
        yield Example(row["id"], row["text"], BRIGHTER[code], "brighter", anger, UNKNOWN, emotions)


def _brighter_cuts(present: float, grade: str | None, mean: str | None) -> Cuts:
    """The graded intensity where it agrees with the yes/no label, else the readers' mean, else the label."""
    if grade and (float(grade) > 0) == (present > 0):
        return cuts_of_grade(int(float(grade)))
    if mean and present > 0 and float(mean) > 0:
        return cuts_of_intensity(float(mean))
    return cuts_of_presence(present)


def goemotions(root: Path, split: str = "train") -> Iterator[Example]:
    """GoEmotions (Demszky et al. 2020), CC BY 4.0: anger and annoyance are anger; disapproval says nothing."""
    names = (root / "goemotions/original/labels.txt").read_text().split()
    with gzip.open(root / f"goemotions/original/{split}.tsv.gz", "rt", encoding="utf-8") as lines:
        for line in lines:
            text, labels, post = line.rstrip("\n").split("\t")
            found = {names[int(label)] for label in labels.split(",")}
            emotions = dict.fromkeys(EMOTIONS, 0.0) | {_GOEMOTIONS[n]: 1.0 for n in found if n in _GOEMOTIONS}
            anger: Cuts = UNKNOWN
            if "anger" in found:
                anger = (1.0, 0.7, np.nan)
            elif "annoyance" in found:
                anger = (0.9, 0.3, np.nan)
            elif not found & {"disapproval", "disgust", "disappointment", "sadness", "grief"}:
                anger = cuts_of_presence(0.0)
            yield Example(f"goemotions-{post}", text, "en", "goemotions", anger, UNKNOWN, emotions)


def xed(root: Path, split: str = "train") -> Iterator[Example]:
    """XED (Ohman et al. 2020), CC BY 4.0: subtitle lines; other languages carry labels projected from English."""
    del split
    files = [("en", root / "xed/AnnotatedData/en-annotated.tsv.gz")]
    for code in _XED:
        name = f"{code}-projections{'_2be2ec6' if code == 'tr' else ''}.tsv.gz"
        files.append(("pt" if code == "br" else code, root / "xed/Projections" / name))
    for language, path in files:
        with gzip.open(path, "rt", encoding="utf-8") as lines:
            for number, line in enumerate(lines):
                example = _xed_line(f"xed-{path.name.split('.')[0]}-{number}", line, language)
                if example is not None:
                    yield example


def _xed_line(example_id: str, line: str, language: str) -> Example | None:
    text, _, labels = line.rstrip("\n").partition("\t")
    try:
        found = {int(label) for label in labels.strip("{} ").replace("'", "").split(",")}
    except ValueError:
        return None
    if sum(character.isalpha() for character in text) < 3:
        return None
    emotions = {name: float(number in found) for number, name in _XED_EMOTIONS.items()}
    if 1 in found:
        anger: Cuts = (0.9, np.nan, np.nan)
    elif found & {3, 6}:
        anger = UNKNOWN
    else:
        anger = cuts_of_presence(0.1)
    return Example(example_id, text, language, "xed", anger, UNKNOWN, emotions)


def redv2_ro(root: Path, split: str = "train") -> Iterator[Example]:
    """REDv2 (Ciobotaru et al. 2022), MIT: Romanian tweets, the share of three readers by emotion."""
    order = ("sadness", "surprise", "fear", "anger", "neutral", "trust", "joy")
    with gzip.open(root / f"redv2_ro/{split}.json.gz", "rt", encoding="utf-8") as file:
        for row in json.load(file):
            shares = dict(zip(order, (float(share) for share in row["procentual_labels"]), strict=True))
            emotions = {name: min(1.0, shares[name]) for name in EMOTIONS if name in shares}
            text = row.get("text_anonimized") or row["text"]
            yield Example(
                f"redv2-{row['text_id']}",
                text,
                "ro",
                "redv2_ro",
                cuts_of_presence(emotions["anger"]),
                UNKNOWN,
                emotions,
            )


def cedr_ru(root: Path, split: str = "train") -> Iterator[Example]:
    """CEDR (Sboev et al. 2021), Apache-2.0: Russian sentences, five emotions."""
    names = ("joy", "sadness", "surprise", "fear", "anger")
    for number, row in enumerate(_rows(root / f"cedr_ru/cedr-main-{split}.csv.gz")):
        found = {names[int(label)] for label in row["labels"].strip("[] ").split()}
        emotions = {name: float(name in found) for name in names}
        anger = UNKNOWN if "sadness" in found and "anger" not in found else cuts_of_presence(emotions["anger"])
        yield Example(f"cedr-{split}-{number}", row["text"], "ru", "cedr_ru", anger, UNKNOWN, emotions)


def xci_complaints(root: Path, split: str = "train") -> Iterator[Example]:
    """X-CI (Singh et al. 2023), MIT: English tweets to brands with the severity of their complaint."""
    del split
    for row in _rows(root / "xci_complaints/X-CI_Dataset.csv.gz"):
        anger = _TWEET_SEVERITY[int(row["Severity"])]
        if row["emotion"] == "anger":
            anger = (max(anger[0], 0.6), max(anger[1], 0.6) if anger[1] else np.nan, np.nan)
        yield Example(f"xci-{row['id']}", row["tweet"], "en", "xci_complaints", anger)


def cesamard_aspect(root: Path, split: str = "train") -> Iterator[Example]:
    """CESAMARD-Aspect (Singh et al. 2023), MIT: English product reviews with the severity of their complaint."""
    del split
    for number, row in enumerate(_rows(root / "cesamard_aspect/CESAMARD-Aspect_Dataset.csv.gz")):
        if row["Severity"] in _REVIEW_SEVERITIES:
            text = row["Review_S"].replace("\\n", "\n").strip()[:1500]
            anger = _REVIEW_SEVERITY[_REVIEW_SEVERITIES.index(row["Severity"])]
            urgency = cuts_of_presence(0.0) if row["Complaint"] == "0" else UNKNOWN
            yield Example(f"cesamard-{number}", text, "en", "cesamard_aspect", anger, urgency)


def mooc_urgency(root: Path, split: str = "train") -> Iterator[Example]:
    """MOOC forum posts (Svabensky et al. 2023), MIT: how much staff must reply, 1..7, as P(urgency >= 1)."""
    for row in _rows(root / f"mooc_urgency/{split}.csv.gz"):
        share = _POST_URGENCY[round(float(row["Urgency_1_7"])) - 1]
        urgency = cuts_of_presence(share)
        yield Example(f"mooc-{row['id']}", row["post_text"], "en", "mooc_urgency", UNKNOWN, urgency)


TRAINABLE: dict[str, Callable[..., Iterator[Example]]] = {
    reader.__name__: reader
    for reader in (brighter, goemotions, xed, redv2_ro, cedr_ru, xci_complaints, cesamard_aspect, mooc_urgency)
}


def read_public(data_dir: Path, names: tuple[str, ...], split: str = "train") -> list[Example]:
    """Read the named data sets below ``data_dir / "labelled"``; exact duplicate texts are kept once a set.

    Raises:
        KeyError: a name that may not shape weights, or is not known.
        FileNotFoundError: a data set is not there.
    """
    examples: list[Example] = []
    for name in names:
        if name not in TRAINABLE:
            message = f"{name!r} is not one of the trainable data sets: {', '.join(TRAINABLE)}"
            raise KeyError(message)
        seen: set[str] = set()
        for example in TRAINABLE[name](data_dir / "labelled", split):
            if example.text.strip() and example.text not in seen:
                seen.add(example.text)
                examples.append(example)
    return examples
