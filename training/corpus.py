"""The project's own graded messages and their fixed train/dev split.

``training/data/messages/<language>.jsonl`` holds one message a line with ``id``, ``text``,
``channel``, ``sector``, ``anger`` and ``urgency`` (0..3), and for newer ones ``style`` and ``pair``.
``training/data/split.json`` lists the ids of the dev part; all others train.
"""

from __future__ import annotations

import hashlib
import json
import random
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from training.examples import Example, cuts_of_grade

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

DATA = Path(__file__).parent / "data"
MESSAGES = DATA / "messages"
SPLIT = DATA / "split.json"
DEV_SHARE = 0.11


@dataclass(frozen=True, slots=True)
class Message:
    """A customer message with its grades, each 0..3 by ``docs/labelling-guide.md``."""

    id: str
    text: str
    language: str
    anger: int
    urgency: int
    channel: str = ""
    sector: str = ""
    style: str = ""
    pair: str = ""

    def example(self, source: str = "messages") -> Example:
        """The message as a training example with full grades."""
        return Example(
            self.id, self.text, self.language, source, cuts_of_grade(self.anger), cuts_of_grade(self.urgency)
        )


def read_messages(paths: Path | Iterable[Path]) -> list[Message]:
    """Read JSON-lines files of graded messages; the language is the file's ``language`` field or its name.

    Raises:
        ValueError: a line is not a graded message; the error names file and line, never the text.
    """
    files = sorted(paths.glob("*.jsonl")) if isinstance(paths, Path) and paths.is_dir() else paths
    messages: list[Message] = []
    for path in [files] if isinstance(files, Path) else files:
        with path.open(encoding="utf-8") as lines:
            for number, line in enumerate(lines, 1):
                if line.strip():
                    messages.append(_message(line, path, number))
    return messages


def _message(line: str, path: Path, number: int) -> Message:
    try:
        row = json.loads(line)
        message = Message(
            id=str(row.get("id", f"{path.stem}-{number}")),
            text=row["text"],
            language=row.get("language", path.stem),
            anger=row["anger"],
            urgency=row["urgency"],
            channel=row.get("channel", ""),
            sector=row.get("sector", ""),
            style=row.get("style", ""),
            pair=row.get("pair", ""),
        )
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        message_text = f"{path}:{number}: not a JSON object with text, anger and urgency"
        raise ValueError(message_text) from error
    grades_hold = all(type(g) is int and 0 <= g <= 3 for g in (message.anger, message.urgency))
    if not grades_hold or not isinstance(message.text, str) or not message.text.strip():
        message_text = f"{path}:{number}: text must be a non-blank string, anger and urgency whole numbers 0..3"
        raise ValueError(message_text)
    return message


def assign_dev(messages: Sequence[Message], dev: set[str], *, share: float = DEV_SHARE, seed: int = 0) -> set[str]:
    """Extend ``dev`` so that about ``share`` of each language and grade pair is in it; old members stay.

    Messages of one ``pair`` go to the same side. The draw depends on ids and seed alone.
    """
    units: dict[tuple[str, int, int], dict[str, list[Message]]] = defaultdict(lambda: defaultdict(list))
    for message in sorted(messages, key=lambda m: m.id):
        key = message.pair or message.id
        first = next((m for m in messages if m.pair and m.pair == message.pair), message)
        units[first.language, first.anger, first.urgency][key].append(message)
    result = set(dev)
    for stratum, groups in sorted(units.items()):
        total = sum(len(group) for group in groups.values())
        taken = sum(message.id in result for group in groups.values() for message in group)
        fresh = [key for key, group in groups.items() if not any(m.id in result for m in group)]
        random.Random(f"{seed}-{stratum}").shuffle(fresh)
        wanted = total * share + random.Random(f"{stratum}-{seed}").random() - 0.5
        for key in fresh:
            if taken + 0.5 > wanted:
                break
            result.update(message.id for message in groups[key])
            taken += len(groups[key])
    return result


def read_split(path: Path = SPLIT) -> set[str]:
    """Ids of the dev part."""
    return set(json.loads(path.read_text(encoding="utf-8"))["dev"])


def write_split(dev: set[str], path: Path = SPLIT) -> None:
    """Write the dev ids, sorted, so that a change reads well in a diff."""
    path.write_text(json.dumps({"dev": sorted(dev)}, indent=0) + "\n", encoding="utf-8")


def split_messages(messages: Sequence[Message], dev: set[str]) -> tuple[list[Message], list[Message]]:
    """Messages for training and for dev, in their given order."""
    return [m for m in messages if m.id not in dev], [m for m in messages if m.id in dev]


def held_out(messages: Sequence[Message], dev: set[str]) -> set[str]:
    """The dev ids among ``messages``; when there are none, about ``DEV_SHARE`` of them, chosen by a hash of the id."""
    known = {message.id for message in messages} & dev
    if known:
        return known

    def draw(message: Message) -> float:
        return int(hashlib.sha256((message.pair or message.id).encode()).hexdigest()[:8], 16) / 0xFFFFFFFF

    return {message.id for message in messages if draw(message) < DEV_SHARE}


def sha256_of(paths: Iterable[Path]) -> dict[str, str]:
    """SHA-256 of files by name, for a checkpoint's record of its data."""
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(paths)}
