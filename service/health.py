"""Liveness, readiness and metrics."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from flask import Response, jsonify
from flask_openapi3 import APIBlueprint, Tag
from prometheus_client import CONTENT_TYPE_LATEST

from model.errors import OverloadError
from model.language import language_of
from service.problems import ProblemError, log_bug
from service.schemas import Problem

if TYPE_CHECKING:
    from service.scoring import ScoringService

_TAG = Tag(name="health", description="For load balancers and monitoring")
_PROBE = "Where is my parcel?"


def scores_a_text(service: ScoringService) -> None:
    """Have the model score a text and name its language, as a request would, after what waits already.

    Raises:
        ProblemError: 503, it could not.
    """
    try:
        (prepared,) = service.scorer.prepare([_PROBE])
        score = service.scorer.finish(prepared, service.queue.run(prepared.windows(), service.timeout))
        language_of(prepared.tokens.normalised.text)
    except OverloadError as error:
        raise ProblemError(503, "Too much is being scored now.", headers={"Retry-After": "5"}) from error
    except Exception as error:
        log_bug(error)
        raise ProblemError(503, "The model cannot score.", headers={"Retry-After": "5"}) from error
    if not (0 <= score.anger.score <= 1 and 0 <= score.urgency.score <= 1 and score.windows == 1):
        raise ProblemError(503, "The model gives no usable score.", headers={"Retry-After": "5"})


def health_routes(service: ScoringService) -> APIBlueprint:
    """``GET /livez``, ``/readyz`` and ``/metrics``; never behind a key."""
    health = APIBlueprint("health", __name__, abp_tags=[_TAG])

    @health.get("/livez", summary="The process is alive")
    def livez() -> Response:
        return jsonify({"status": "alive"})

    @health.get("/readyz", responses={"503": Problem}, summary="The model has just scored a text")
    def readyz() -> Response:
        scores_a_text(service)
        scorer = service.scorer
        policy = service.policy.current()
        return jsonify(
            {
                "status": "ready",
                "model": scorer.name,
                "model_version": scorer.version,
                "engine": scorer.engine.name,
                "precision": scorer.engine.precision,
                "policy_version": policy.version,
                "policy_error": service.policy.error,
                "counts_error": service.observer.tally.error,
            }
        )

    @health.get("/metrics", summary="Metrics for Prometheus")
    def metrics() -> Response:
        service.observer.refresh(datetime.now(UTC))
        return Response(service.metrics.render(), content_type=CONTENT_TYPE_LATEST)

    return health
