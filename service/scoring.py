"""From validated requests to replies: tokenise, wait for the queue, then language and policy for each."""

from __future__ import annotations

import math
import time
import uuid
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from model.batching import BatchingQueue
from model.cores import available_cores
from model.errors import AbandonedError, DeadlineError, OverloadError
from model.language import LANGUAGES, language_of
from model.reply import reply_fields
from service.admission import Admission
from service.policy import Thresholds, decide
from service.problems import ProblemError, problem_fields

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import numpy as np

    from model.scorer import PreparedText, Score, Scorer
    from service.metrics import Metrics
    from service.schemas import ScoreRequest
    from service.settings import Settings

_LONGEST_RETRY = 30
UNREADABLE = [{"field": "text", "code": "unreadable", "reason": "holds nothing that can be read"}]


def engine_threads(settings: Settings) -> int:
    """Threads of one run of the engine: as set, within the worker's share of the cores."""
    return min(settings.engine_threads, max(1, available_cores() // settings.workers))


def engine_streams(settings: Settings) -> int:
    """Runs of the engine at once in one worker: as set, or as many as its share of the cores has room for."""
    return settings.engine_streams or max(1, available_cores() // settings.workers // engine_threads(settings))


@dataclass(frozen=True, slots=True)
class ScoringService:
    """The scorer behind its queue, with the policy's thresholds."""

    scorer: Scorer
    queue: BatchingQueue
    timeout: float
    metrics: Metrics
    thresholds: Thresholds
    admission: Admission

    @classmethod
    def build(cls, settings: Settings, scorer: Scorer, metrics: Metrics) -> ScoringService:
        """Thresholds come from the settings where they are set, else from the checkpoint."""
        own = scorer.thresholds
        anger = own["anger"] if settings.anger_threshold is None else settings.anger_threshold
        urgency = own["urgency"] if settings.urgency_threshold is None else settings.urgency_threshold
        return cls(
            scorer,
            BatchingQueue(scorer.forward, streams=engine_streams(settings)),
            settings.score_timeout,
            metrics,
            Thresholds(anger, urgency),
            Admission(settings.max_pending_characters),
        )

    def reply(self, requests: Sequence[ScoreRequest], wanted: Callable[[], bool] | None = None) -> list[dict[str, Any]]:
        """One dict a request, in order: the reply's fields, or a problem's when nothing could be read.

        ``wanted`` says whether the client is still there; what nobody waits for is not scored.

        Raises:
            ProblemError: 503 with ``Retry-After``, too much is waiting or the scores were not there in time.
        """
        began = time.perf_counter()
        with self.admission.admit(sum(len(r.text) for r in requests)):
            prepared = self.scorer.prepare([r.text for r in requests])
            shares = iter(self._run([window for item in prepared for window in item.windows()], wanted))
        self.metrics.scoring_seconds.observe(time.perf_counter() - began)
        now = datetime.now(UTC)
        return [
            self._one(request, item, [next(shares) for _ in item.spans], now)
            for request, item in zip(requests, prepared, strict=True)
        ]

    def _run(self, windows: Sequence[np.ndarray], wanted: Callable[[], bool] | None) -> list[np.ndarray]:
        try:
            return self.queue.run(windows, self.timeout, wanted)
        except OverloadError as error:
            seconds = min(max(1, math.ceil(error.seconds)), _LONGEST_RETRY)
            raise ProblemError(503, "Too much is being scored now.", headers={"Retry-After": str(seconds)}) from error
        except DeadlineError as error:
            detail = f"The scores were not there within {self.timeout:g} seconds."
            raise ProblemError(503, detail, headers={"Retry-After": "5"}) from error
        except AbandonedError as error:
            raise ProblemError(503, "The client had gone.") from error

    def _one(
        self, request: ScoreRequest, prepared: PreparedText, shares: list[np.ndarray], now: datetime
    ) -> dict[str, Any]:
        if not shares:
            return problem_fields(422, "One or more fields are wrong.", UNREADABLE)
        score = self.scorer.finish(prepared, shares, explain=request.explain)
        language = request.language or language_of(prepared.tokens.normalised.text)
        decision = decide(score, self.thresholds, now=now, waiting_since=request.waiting_since)
        self._count(score, language, decision.priority if decision.flag else None)
        message_id = request.id or uuid.uuid4().hex
        return reply_fields(message_id, score, self.scorer, language, flag=decision.flag) | {
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
