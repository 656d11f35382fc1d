"""The application factory."""

from __future__ import annotations

import atexit
import logging
import sys
from typing import TYPE_CHECKING

from flask import Response, jsonify, redirect
from flask_openapi3 import Info, OpenAPI

from service.health import health_routes, scores_a_text
from service.json_request import JsonRequest
from service.metrics import Metrics
from service.observer import Observer
from service.policy import PolicyError, PolicySource
from service.problems import ProblemError, invalid, register_problems
from service.reply_check_routes import reply_check_routes
from service.routes import scoring_routes
from service.schemas import Problem
from service.scorecard_routes import scorecard_routes
from service.scoring import ScoringService, engine_streams, engine_threads
from service.tally import Tally, default_url
from service.tracing import trace_requests
from service.version import VERSION

if TYPE_CHECKING:
    from pydantic import ValidationError

    from model.scorer import Scorer
    from service.settings import Settings

_log = logging.getLogger("kalm")
# gunicorn's exit code for "the application cannot be loaded": it stops instead of trying again.
_APP_LOAD_ERROR = 4
_SECURITY_SCHEMES = {
    "bearer": {"type": "http", "scheme": "bearer"},
    "header": {"type": "apiKey", "in": "header", "name": "X-API-Key"},
}


class KalmApp(OpenAPI):
    """The Flask application, with strict JSON bodies."""

    request_class = JsonRequest


def _refuse(error: ValidationError) -> Response:
    raise invalid(error)


def create_app(settings: Settings, scorer: Scorer) -> KalmApp:
    """Build the application around a loaded scorer.

    Raises:
        ProblemError: the scorer cannot score a text; the process must not start.
        PolicyError: the policy file cannot be used.
    """
    app = KalmApp(
        "kalm",
        info=Info(title="Kalm", version=VERSION, description="Scores customer messages for anger and urgency."),
        security_schemes=_SECURITY_SCHEMES,
        validation_error_callback=_refuse,
        validation_error_model=Problem,
        doc_prefix="/apidoc",
    )
    app.config["MAX_CONTENT_LENGTH"] = settings.max_body_bytes
    app.json.ensure_ascii = False
    app.json.sort_keys = False
    metrics = Metrics(scorer.name, scorer.version)
    url = settings.database_url
    tally = Tally(url.get_secret_value() if url else default_url())
    atexit.register(tally.close)
    service = ScoringService.build(settings, scorer, metrics, PolicySource(settings.policy), Observer(tally, metrics))
    trace_requests(app, metrics)
    register_problems(app)
    app.register_api(scoring_routes(service, settings))
    app.register_api(reply_check_routes(service, settings))
    app.register_api(scorecard_routes(service, settings))
    app.register_api(health_routes(service))
    app.add_url_rule("/openapi.json", "openapi", lambda: jsonify(app.api_doc))
    app.add_url_rule("/", "root", lambda: redirect("/docs"))
    app.add_url_rule("/docs", "docs", lambda: redirect("/apidoc/swagger"))
    scores_a_text(service)
    if not settings.api_keys:
        _log.warning("no KALM_API_KEYS set: everyone who can reach this address may use it")
    engine = {"engine": scorer.engine.name, "precision": scorer.engine.precision}
    _log.info("ready", extra={"model": scorer.name, "model_version": scorer.version, **engine})
    return app


def build() -> KalmApp:
    """Build the application from the environment, for gunicorn to call in each worker.

    When it cannot be built the reason is logged in one line and the server stops.
    """
    from model.errors import ModelError
    from model.scorer import Scorer
    from service.settings import SettingsError, load_settings

    try:
        settings = load_settings()
        threads, streams = engine_threads(settings), engine_streams(settings)
        scorer = Scorer.load(
            settings.checkpoint,
            engine=settings.engine,
            threads=threads,
            streams=streams,
            precision=settings.precision,
        )
        return create_app(settings, scorer)
    except (SettingsError, PolicyError, ModelError, ProblemError) as error:
        _log.critical("cannot start: %s", error)
        sys.exit(_APP_LOAD_ERROR)
