"""Names of the grades, in ascending order, for a new checkpoint; a saved checkpoint brings its own."""

from __future__ import annotations

LEVELS: dict[str, tuple[str, ...]] = {
    "anger": ("calm", "annoyed", "angry", "furious"),
    "urgency": ("none", "normal", "pressing", "critical"),
}
DIMENSIONS = tuple(LEVELS)
