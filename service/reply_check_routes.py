"""``POST /v1/reply-check``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from flask import Response, g, jsonify
from flask_openapi3 import APIBlueprint, Tag

from model.language import language_of
from model.reply import DIGITS
from service.auth import key_check
from service.decision import merged_thresholds
from service.problems import ProblemError
from service.reply_check import Exchange, check_reply
from service.routes import PROBLEMS, SECURITY, client_is_there
from service.schemas import ReplyCheckReply, ReplyCheckRequest
from service.scoring import UNREADABLE
from service.texts import text

if TYPE_CHECKING:
    from service.scoring import ScoringService
    from service.settings import Settings

_TAG = Tag(name="replies", description="An agent's draft, checked before it is sent")


def reply_check_routes(service: ScoringService, settings: Settings) -> APIBlueprint:
    """The route, behind the API keys."""
    api = APIBlueprint("replies", __name__, url_prefix="/v1", abp_tags=[_TAG], abp_security=SECURITY)
    api.before_request(key_check(settings))

    @api.post("/reply-check", responses={"200": ReplyCheckReply, **PROBLEMS}, summary="Check an agent's draft")
    def reply_check(body: ReplyCheckRequest) -> Response:
        fields = _checked(service, body)
        g.noted = {
            "characters": len(body.draft) + len(body.customer or ""),
            "languages": [fields["language"] or "none"],
            "findings": len(fields["findings"]),
        }
        for finding in fields["findings"]:
            service.metrics.findings.labels(finding["code"]).inc()
        return jsonify(fields)

    return api


def _checked(service: ScoringService, body: ReplyCheckRequest) -> dict[str, Any]:
    draft, *rest = service.read([body.draft, *([body.customer] if body.customer else [])], client_is_there())
    if not draft.readable:
        raise ProblemError(422, "One or more fields are wrong.", errors=[UNREADABLE[0] | {"field": "draft"}])
    customer = rest[0] if rest and rest[0].readable else None
    language = body.language or language_of(draft.prepared.tokens.normalised.text)
    exchange = Exchange(
        draft=body.draft,
        draft_score=draft.score(explain=True),
        language=language,
        customer=body.customer if customer else None,
        customer_score=customer.score() if customer else None,
    )
    rules = service.policy.current().rules_for(body.channel, body.tenant, body.tier)
    findings = check_reply(exchange, merged_thresholds(service.thresholds, rules))
    agent_language = body.agent_language or rules.agent_language
    own = exchange.customer_score
    return {
        "ok": not findings,
        "findings": [
            {
                "code": finding.code,
                "start": finding.start,
                "end": finding.end,
                "hint": text("finding", finding.code, agent_language),
            }
            for finding in findings
        ],
        "draft_anger": round(exchange.draft_score.anger.score, DIGITS),
        "customer_anger": round(own.anger.score, DIGITS) if own else None,
        "customer_urgency": round(own.urgency.score, DIGITS) if own else None,
        "language": language,
        "model": service.scorer.name,
        "model_version": service.scorer.version,
    }
