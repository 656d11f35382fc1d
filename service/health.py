"""Liveness, readiness and metrics."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flask import Blueprint, Response, jsonify
from prometheus_client import CONTENT_TYPE_LATEST

from model.language import detect_language
from service.problems import ProblemError, log_bug

if TYPE_CHECKING:
    from service.scoring import ScoringService

_PROBE = "Where is my parcel?"


def scores_a_text(service: ScoringService) -> None:
    """Have the model score a text and name its language, as a request would.

    Raises:
        ProblemError: 503, it could not.
    """
    try:
        (score,) = service.scorer.score([_PROBE])
        detect_language(_PROBE)
    except Exception as error:
        log_bug(error)
        raise ProblemError(503, "The model cannot score.", headers={"Retry-After": "5"}) from error
    if not (0 <= score.anger.score <= 1 and 0 <= score.urgency.score <= 1 and score.windows == 1):
        raise ProblemError(503, "The model gives no usable score.", headers={"Retry-After": "5"})


def health_routes(service: ScoringService) -> Blueprint:
    """``GET /livez``, ``/readyz`` and ``/metrics``; never behind a key."""
    health = Blueprint("health", __name__)

    @health.get("/livez")
    def livez() -> Response:
        return jsonify({"status": "alive"})

    @health.get("/readyz")
    def readyz() -> Response:
        scores_a_text(service)
        scorer = service.scorer
        return jsonify(
            {"status": "ready", "model": scorer.name, "model_version": scorer.version, "engine": scorer.engine.name}
        )

    @health.get("/metrics")
    def metrics() -> Response:
        return Response(service.metrics.render(), content_type=CONTENT_TYPE_LATEST)

    return health
