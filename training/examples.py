"""One labelled text, and what its label says of the ordered grades."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping

EMOTIONS = ("anger", "disgust", "fear", "joy", "sadness", "surprise")
Cuts = tuple[float, float, float]
UNKNOWN: Cuts = (np.nan, np.nan, np.nan)


@dataclass(frozen=True, slots=True)
class Example:
    """A text with what is known of it.

    ``anger`` and ``urgency`` hold P(grade >= 1), P(grade >= 2), P(grade >= 3), each in 0..1 or NaN
    where the label says nothing. ``emotions`` holds the share of readers, 0..1, by emotion name.
    """

    id: str
    text: str
    language: str
    source: str
    anger: Cuts = UNKNOWN
    urgency: Cuts = UNKNOWN
    emotions: Mapping[str, float] = field(default_factory=dict)


def cuts_of_grade(grade: int) -> Cuts:
    """A full grade 0..3 fixes all three cuts."""
    return (float(grade >= 1), float(grade >= 2), float(grade >= 3))


def cuts_of_presence(share: float) -> Cuts:
    """A yes/no label, or a share of readers who said yes, fixes the first cut only.

    A "no" would fix all three, but beside a "yes" that fixes one it would teach the upper cuts nothing
    but "no" and press high grades down.
    """
    return (share, np.nan, np.nan)


def cuts_of_intensity(mean: float) -> Cuts:
    """A mean intensity 0..1 of several readers (their grades over 3), as soft cuts."""
    low, middle, high = (min(max(3 * mean - below, 0.0), 1.0) for below in range(3))
    return (low, middle, high)


def grade_of(cuts: Cuts) -> int | None:
    """The grade that full, hard cuts spell; None when any is unknown."""
    return None if np.isnan(cuts).any() else round(sum(cuts))
