"""The scorecard: what came in, what was flagged, how it moved, beside the period before and a keyword rule."""

from __future__ import annotations

import math
from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from service.silence import WEEK, WEEKS, WINDOWS, Alarm, alarms
from service.tally import BINS, NONE

if TYPE_CHECKING:
    from collections.abc import Mapping

    from service.tally import Cell, Tally

LENGTH_BINS = 16
_PSI_FLOOR = 1e-4
# Siddiqi (2006): below 0.1 nothing moved, from 0.25 on it did.
DRIFT_FROM = 0.25
# Fewer messages than this say nothing about a distribution.
_LEAST_FOR_DRIFT = 200
_DIGITS = 4
# A channel in one language gets a series of its own from this many messages a week.
_OWN_SERIES = 50


def length_bin(characters: int) -> int:
    """The bin of a text's length: one for each power of two."""
    return min(characters.bit_length(), LENGTH_BINS - 1)


@dataclass(frozen=True, slots=True)
class Period:
    """The counts of a span of hours."""

    begin: int
    end: int
    cells: Mapping[Cell, int]

    def total(self, measure: str) -> int:
        """Of all channels and languages."""
        return sum(count for cell, count in self.cells.items() if cell.measure == measure)

    def by(self, attribute: str, measure: str) -> dict[str, int]:
        """By ``channel`` or ``language``, the largest first."""
        found: dict[str, int] = defaultdict(int)
        for cell, count in self.cells.items():
            if cell.measure == measure:
                found[getattr(cell, attribute)] += count
        return dict(sorted(found.items(), key=lambda item: (-item[1], item[0])))

    def histogram(self, name: str, bins: int) -> list[int]:
        """Counts of ``<name>.<bin>``."""
        counts = [0] * bins
        for cell, count in self.cells.items():
            measure, _, place = cell.measure.partition(".")
            if measure == name and place.isdigit():
                counts[int(place)] += count
        return counts


def stability_index(now: list[int], before: list[int]) -> float | None:
    """Population stability index of two histograms; None when either has too few counts to tell."""
    total, earlier = sum(now), sum(before)
    if min(total, earlier) < _LEAST_FOR_DRIFT:
        return None
    index = 0.0
    for count, old in zip(now, before, strict=True):
        share, old_share = max(count / total, _PSI_FLOOR), max(old / earlier, _PSI_FLOOR)
        index += (share - old_share) * math.log(share / old_share)
    return round(index, _DIGITS)


def scorecard(tally: Tally, hours: int, now_hour: int) -> dict[str, Any]:
    """The scorecard of the last ``hours``, the hour under way included, JSON-ready.

    Raises:
        sqlalchemy.exc.SQLAlchemyError: the counts cannot be read.
    """
    end = now_hour + 1
    cells = tally.read(end - 2 * hours, end)
    current = Period(end - hours, end, {c: n for c, n in cells.items() if c.hour >= end - hours})
    before = Period(end - 2 * hours, end - hours, {c: n for c, n in cells.items() if c.hour < end - hours})
    return {
        "hours": hours,
        "current": _figures(current),
        "previous": _figures(before),
        "by_channel": _split(current, "channel"),
        "by_language": _split(current, "language"),
        "drift": _drift(current, before),
        "keyword_rule": {
            "flags": current.total("keyword"),
            "flagged_by_both": current.total("both"),
            "only_kalm": current.total("flags") - current.total("both"),
            "only_keywords": current.total("keyword") - current.total("both"),
        },
        "alarms": [alarm_fields(alarm) for alarm in current_alarms(tally, now_hour)],
    }


def _figures(period: Period) -> dict[str, Any]:
    messages = period.total("messages")
    return {
        "messages": messages,
        "complaints": period.total("complaints"),
        "complaint_share": _share(period.total("complaints"), messages),
        "flags": period.total("flags"),
        "flag_share": _share(period.total("flags"), messages),
        "by_priority": {name: period.total(f"priority.{name}") for name in ("urgent", "high", "normal", "low")},
        "mean_anger": _mean(period.histogram("anger", BINS)),
        "mean_urgency": _mean(period.histogram("urgency", BINS)),
    }


def _split(period: Period, attribute: str) -> list[dict[str, Any]]:
    complaints, flags = period.by(attribute, "complaints"), period.by(attribute, "flags")
    return [
        {
            attribute: None if name == NONE else name,
            "messages": count,
            "complaints": complaints.get(name, 0),
            "flags": flags.get(name, 0),
        }
        for name, count in period.by(attribute, "messages").items()
    ]


def _share(part: int, whole: int) -> float | None:
    return round(part / whole, _DIGITS) if whole else None


def _mean(histogram: list[int]) -> float | None:
    """Mean of scores by the middles of their bins."""
    total = sum(histogram)
    return round(sum((i + 0.5) / BINS * n for i, n in enumerate(histogram)) / total, _DIGITS) if total else None


def _drift(current: Period, before: Period) -> dict[str, Any]:
    now, old = current.by("language", "messages"), before.by("language", "messages")
    names = sorted(now | old)
    found = {
        "anger": stability_index(current.histogram("anger", BINS), before.histogram("anger", BINS)),
        "urgency": stability_index(current.histogram("urgency", BINS), before.histogram("urgency", BINS)),
        "length": stability_index(current.histogram("length", LENGTH_BINS), before.histogram("length", LENGTH_BINS)),
        "language": stability_index([now.get(n, 0) for n in names], [old.get(n, 0) for n in names]),
    }
    return found | {"drifted": [name for name, value in found.items() if value is not None and value >= DRIFT_FROM]}


def current_alarms(tally: Tally, now_hour: int) -> list[Alarm]:
    """Counts of the last hours that the weeks before make improbable.

    Raises:
        sqlalchemy.exc.SQLAlchemyError: the counts cannot be read.
    """
    begin = now_hour - (WEEKS + 1) * WEEK - max(WINDOWS)
    cells = tally.read(begin, now_hour, ("messages", "complaints"))
    if not cells:
        return []
    first = min(cell.hour for cell in cells)
    weeks = max(1.0, (now_hour - first) / WEEK)
    series = {measure: _series(cells, measure) for measure in ("messages", "complaints")}
    kept = {
        name: counts
        for name, counts in series["messages"].items()
        if "all" in name.split("/") or sum(counts.values()) / weeks >= _OWN_SERIES
    }
    complaints = {name: series["complaints"].get(name, {}) for name in kept}
    return [
        *alarms(kept, first, now_hour, "volume"),
        *alarms(complaints, first, now_hour, "complaints", of=kept),
    ]


def _series(cells: Mapping[Cell, int], measure: str) -> dict[str, dict[int, int]]:
    """Counts by hour of all messages, each channel, each language, and each channel in a language."""
    series: dict[str, dict[int, int]] = defaultdict(lambda: defaultdict(int))
    for cell, count in cells.items():
        if cell.measure == measure:
            for channel in (cell.channel, "all"):
                for language in (cell.language, "all"):
                    series[f"{channel}/{language}"][cell.hour] += count
    return series


def alarm_fields(alarm: Alarm) -> dict[str, Any]:
    """An alarm, JSON-ready."""
    channel, language = alarm.series.split("/")
    return {
        "kind": alarm.kind,
        "direction": alarm.direction,
        "channel": channel,
        "language": language,
        "hours": alarm.hours,
        "observed": alarm.observed,
        "expected": alarm.expected,
        "probability": alarm.probability,
    }
