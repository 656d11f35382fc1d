"""From validated requests to replies: one call of the scorer, then language and policy for each."""

from __future__ import annotations

import time
import uuid
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from model.language import LANGUAGES, detect_language
from model.reply import reply_fields
from service.admission import Admission
from service.policy import Thresholds, decide
from service.problems import problem_fields

if TYPE_CHECKING:
    from collections.abc import Sequence

    from model.scorer import Score, Scorer
    from service.metrics import Metrics
    from service.schemas import ScoreRequest
    from service.settings import Settings

UNREADABLE = [{"field": "text", "code": "unreadable", "reason": "holds nothing that can be read"}]


@dataclass(frozen=True, slots=True)
class ScoringService:
    """The scorer with the policy's thresholds."""

    scorer: Scorer
    metrics: Metrics
    thresholds: Thresholds
    admission: Admission

    @classmethod
    def build(cls, settings: Settings, scorer: Scorer, metrics: Metrics) -> ScoringService:
        """Thresholds come from the settings where they are set, else from the checkpoint."""
        own = scorer.thresholds
        anger = own["anger"] if settings.anger_threshold is None else settings.anger_threshold
        urgency = own["urgency"] if settings.urgency_threshold is None else settings.urgency_threshold
        return cls(scorer, metrics, Thresholds(anger, urgency), Admission(settings.max_pending_characters))

    def reply(self, requests: Sequence[ScoreRequest]) -> list[dict[str, Any]]:
        """One dict a request, in order: the reply's fields, or a problem's when nothing could be read."""
        began = time.perf_counter()
        with self.admission.admit(sum(len(r.text) for r in requests)):
            scores = self.scorer.score([r.text for r in requests], explain=[r.explain for r in requests])
        self.metrics.scoring_seconds.observe(time.perf_counter() - began)
        now = datetime.now(UTC)
        return [self._one(request, score, now) for request, score in zip(requests, scores, strict=True)]

    def _one(self, request: ScoreRequest, score: Score, now: datetime) -> dict[str, Any]:
        if score.windows == 0:
            return problem_fields(422, "One or more fields are wrong.", UNREADABLE)
        language = request.language or detect_language(request.text)
        decision = decide(score, self.thresholds, now=now, waiting_since=request.waiting_since)
        self._count(score, language, decision.priority if decision.flag else None)
        fields = reply_fields(request.id or uuid.uuid4().hex, score, self.scorer, language)
        return fields | {
            "flag": decision.flag,
            "priority": decision.priority,
            "respond_by": decision.respond_by.isoformat().replace("+00:00", "Z"),
            "reasons": list(decision.reasons),
        }

    def _count(self, score: Score, language: str | None, priority: str | None) -> None:
        self.metrics.messages.labels(language if language in LANGUAGES else "other").inc()
        self.metrics.windows.inc(score.windows)
        self.metrics.scores.labels("anger").observe(score.anger.score)
        self.metrics.scores.labels("urgency").observe(score.urgency.score)
        if priority is not None:
            self.metrics.flags.labels(priority).inc()
