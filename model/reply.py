"""The flat fields that every reply has, by HTTP and on the command line alike."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from model.scorer import Score, Scorer

DIGITS = 6


def reply_fields(message_id: str, score: Score, scorer: Scorer, language: str | None, *, flag: bool) -> dict[str, Any]:
    """One flat, JSON-ready dict; numbers rounded to 6 digits, ``explanation`` only when the score has one."""
    fields: dict[str, Any] = {
        "id": message_id,
        "anger": round(score.anger.score, DIGITS),
        "urgency": round(score.urgency.score, DIGITS),
        "anger_level": score.anger.level,
        "urgency_level": score.urgency.level,
        "anger_grades": [round(p, DIGITS) for p in score.anger.grades],
        "urgency_grades": [round(p, DIGITS) for p in score.urgency.grades],
        "flag": flag,
        "language": language,
        "model": scorer.name,
        "model_version": scorer.version,
        "windows": score.windows,
    }
    if score.explanation is not None:
        fields["explanation"] = [
            {"start": w.start, "end": w.end, "anger": round(w.anger, DIGITS), "urgency": round(w.urgency, DIGITS)}
            for w in score.explanation
        ]
    return fields
