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
from model.language import language_of
from model.reply import reply_fields
from model.text import normalise
from service.admission import Admission
from service.advice import advice_fields, advise, scored_texts
from service.decision import Thresholds
from service.problems import ProblemError, problem_fields

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import numpy as np

    from model.scorer import PreparedText, Score, Scorer
    from service.metrics import Metrics
    from service.observer import Observer
    from service.policy import Policy, PolicySource
    from service.schemas import ScoreRequest
    from service.settings import Settings

_LONGEST_RETRY = 30
_FEW_LETTERS = 20
UNREADABLE = [{"field": "text", "code": "unreadable", "reason": "holds nothing that can be read"}]


def engine_threads(settings: Settings) -> int:
    """Threads of one run of the engine: as set, within the worker's share of the cores."""
    return min(settings.engine_threads, max(1, available_cores() // settings.workers))


def engine_streams(settings: Settings) -> int:
    """Runs of the engine at once in one worker: as set, or as many as its share of the cores has room for."""
    return settings.engine_streams or max(1, available_cores() // settings.workers // engine_threads(settings))


@dataclass(frozen=True, slots=True)
class Reading:
    """A text on its way to a score: tokenised, with its windows' token shares."""

    prepared: PreparedText
    shares: list[np.ndarray]
    scorer: Scorer

    @property
    def readable(self) -> bool:
        """Whether the text holds anything to read."""
        return bool(self.shares)

    def score(self, *, explain: bool = False) -> Score:
        """The calibrated score."""
        return self.scorer.finish(self.prepared, self.shares, explain=explain)


@dataclass(frozen=True, slots=True)
class ScoringService:
    """The scorer behind its queue, with the policy."""

    scorer: Scorer
    queue: BatchingQueue
    timeout: float
    metrics: Metrics
    thresholds: Thresholds
    admission: Admission
    policy: PolicySource
    observer: Observer

    @classmethod
    def build(
        cls, settings: Settings, scorer: Scorer, metrics: Metrics, policy: PolicySource, observer: Observer
    ) -> ScoringService:
        """Thresholds come from the settings, else from the checkpoint; the policy may change them."""
        own = scorer.thresholds
        anger = own["anger"] if settings.anger_threshold is None else settings.anger_threshold
        urgency = own["urgency"] if settings.urgency_threshold is None else settings.urgency_threshold
        return cls(
            scorer,
            BatchingQueue(scorer.forward, alone=scorer.forward_alone, streams=engine_streams(settings)),
            settings.score_timeout,
            metrics,
            Thresholds(anger, urgency),
            Admission(settings.max_pending_characters),
            policy,
            observer,
        )

    def read(self, texts: Sequence[str], wanted: Callable[[], bool] | None = None) -> list[Reading]:
        """Run texts through the network, all in one ticket of the queue.

        ``wanted`` says whether the client is still there; what nobody waits for is not scored.

        Raises:
            ProblemError: 503 with ``Retry-After``, too much is waiting or the scores were not there in time.
        """
        began = time.perf_counter()
        with self.admission.admit(sum(map(len, texts))):
            prepared = self.scorer.prepare(texts)
            shares = iter(self._run([window for item in prepared for window in item.windows()], wanted))
        self.metrics.scoring_seconds.observe(time.perf_counter() - began)
        return [Reading(item, [next(shares) for _ in item.spans], self.scorer) for item in prepared]

    def reply(self, requests: Sequence[ScoreRequest], wanted: Callable[[], bool] | None = None) -> list[dict[str, Any]]:
        """One dict a request, in order: the reply's fields, or a problem's when nothing could be read.

        Each message is read together with the customer's last messages of its thread.

        Raises:
            ProblemError: as :meth:`read`.
        """
        texts = [scored_texts(request) for request in requests]
        readings = iter(self.read([text for group in texts for text in group], wanted))
        now = datetime.now(UTC)
        policy = self.policy.current()
        thresholds = self.observer.budgeted(self.thresholds, policy, now)
        return [
            self._one(request, [next(readings) for _ in group], policy, thresholds, now)
            for request, group in zip(requests, texts, strict=True)
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
        self,
        request: ScoreRequest,
        readings: Sequence[Reading],
        policy: Policy,
        thresholds: Thresholds,
        now: datetime,
    ) -> dict[str, Any]:
        present, *earlier = readings
        if not present.readable:
            return problem_fields(422, "One or more fields are wrong.", UNREADABLE)
        score = present.score(explain=request.explain)
        language = request.language or language_of(_telling(request, present))
        advice = advise(request, score, [r.score() for r in earlier], language, policy, thresholds, now=now)
        self.observer.observe(advice, self.thresholds, now)
        fields = reply_fields(request.id or uuid.uuid4().hex, score, self.scorer, language, flag=advice.decision.flag)
        return fields | advice_fields(advice, lambda: present.score(explain=True), policy)


def _telling(request: ScoreRequest, present: Reading) -> str:
    """The normalised text by which to detect the language: a few letters tell nothing, so the thread's words help."""
    own = present.prepared.tokens.normalised.text
    if not request.thread or sum(map(str.isalpha, own[:200])) >= _FEW_LETTERS:
        return own
    earlier = [turn.text[:200] for turn in request.thread if turn.sender == "customer"][-3:]
    return normalise(" ".join([*earlier, request.text])).text
