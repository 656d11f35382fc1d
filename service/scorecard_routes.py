"""``GET /v1/scorecard``."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Annotated

import sqlalchemy as sa
from flask import Response, jsonify
from flask_openapi3 import APIBlueprint, Tag
from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from service.auth import key_check
from service.problems import ProblemError
from service.routes import PROBLEMS, SECURITY
from service.schemas import ScorecardReply
from service.scorecard import scorecard
from service.tally import hour_of

if TYPE_CHECKING:
    from service.scoring import ScoringService
    from service.settings import Settings

_TAG = Tag(name="scorecard", description="How the desk and the scores are doing")
_MAX_HOURS = 60 * 24


def _hours(value: str) -> int:
    found = re.fullmatch(r"(\d{1,4})([hd])", value, re.ASCII)
    hours = int(found[1]) * (24 if found[2] == "d" else 1) if found else 0
    if not 1 <= hours <= _MAX_HOURS:
        message = "must be hours or days such as 24h or 7d, up to 60d"
        raise ValueError(message)
    return hours


def _checked(value: str) -> str:
    _hours(value)
    return value


class ScorecardQuery(BaseModel):
    """How far back to look."""

    model_config = ConfigDict(extra="forbid")

    window: Annotated[str, AfterValidator(_checked)] = Field(
        "7d", description="Hours or days, such as 24h or 7d, up to 60d; the same span before it is compared"
    )


def scorecard_routes(service: ScoringService, settings: Settings) -> APIBlueprint:
    """The route, behind the API keys."""
    api = APIBlueprint("scorecard", __name__, url_prefix="/v1", abp_tags=[_TAG], abp_security=SECURITY)
    api.before_request(key_check(settings))

    @api.get("/scorecard", responses={"200": ScorecardReply, **PROBLEMS}, summary="Volumes, flags, drift and alarms")
    def show(query: ScorecardQuery) -> Response:
        now = datetime.now(UTC)
        hours = _hours(query.window)
        try:
            fields = scorecard(service.observer.tally, hours, hour_of(now))
        except sa.exc.SQLAlchemyError as error:
            raise ProblemError(503, "The counts cannot be read.", headers={"Retry-After": "30"}) from error
        end = datetime.fromtimestamp((hour_of(now) + 1) * 3600, UTC)
        return jsonify({"from": _text(end - timedelta(hours=hours)), "to": _text(min(end, now))} | fields)

    return api


def _text(moment: datetime) -> str:
    return moment.replace(microsecond=0).isoformat().replace("+00:00", "Z")
