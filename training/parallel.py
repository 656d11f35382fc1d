"""Parallel sentences (English and a translation) for distillation, read from ``<data>/parallel``."""

from __future__ import annotations

import csv
import gzip
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

CORE_LANGUAGES = ("ar", "cs", "de", "en", "es", "fr", "hi", "it", "nl", "pl", "pt", "ro", "ru", "sv", "tr", "uk")
EXTRA_LANGUAGES = ("da", "el", "fi", "hu", "id", "ja", "ko", "no", "vi", "zh")


@dataclass(frozen=True, slots=True)
class ParallelText:
    """All pairs of one language: ``english[i]`` is translated by ``translated[i]``."""

    language: str
    english: list[str]
    translated: list[str]

    def __len__(self) -> int:
        return len(self.english)


def read_parallel(path: Path, language: str, *, max_characters: int = 400) -> ParallelText:
    """Read one ``<language>.tsv.gz`` with the columns ``en``, ``text``, ``source``.

    Pairs longer than ``max_characters`` on either side are left out.

    Raises:
        FileNotFoundError: the file is not there.
        ValueError: a column is missing.
    """
    english: list[str] = []
    translated: list[str] = []
    with gzip.open(path, "rt", encoding="utf-8", newline="") as lines:
        rows = csv.reader(lines, delimiter="\t", quoting=csv.QUOTE_NONE)
        header = next(rows)
        if header[:2] != ["en", "text"]:
            message = f"{path}: expected the columns en, text, source; found {header}"
            raise ValueError(message)
        for row in rows:
            if len(row) >= 2 and 0 < len(row[0]) <= max_characters and 0 < len(row[1]) <= max_characters:
                english.append(row[0])
                translated.append(row[1])
    return ParallelText(language, english, translated)


def read_monolingual(path: Path, *, limit: int | None = None) -> list[str]:
    """Read one ``<language>.txt.gz`` of ``<data>/mono``, at most ``limit`` lines."""
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        texts = [line.strip() for line in lines]
    return [text for text in texts if text][:limit]
