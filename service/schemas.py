"""What clients send and get; validation and OpenAPI both come from here."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Annotated, Literal, cast

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StrictBool,
    StrictInt,
    StringConstraints,
    ValidationError,
    ValidatorFunctionWrapHandler,
    WrapValidator,
)

from model.text import MAX_CHARACTERS, encodable
from service.policy import Channel, Level, Name, Priority
from service.trajectory import Trend

MAX_BATCH = 256
MAX_THREAD = 500
_EARLIEST = datetime(2000, 1, 1, tzinfo=UTC)
_AHEAD = timedelta(days=1)


def _encodable(value: object) -> object:
    return encodable(value) if isinstance(value, str) else value


def _not_blank(value: str) -> str:
    if not value.strip():
        message = "must not be blank"
        raise ValueError(message)
    return value


def _text_only(value: object) -> object:
    if not isinstance(value, str):
        message = "must be a string such as 2026-11-23T08:00:00Z"
        raise ValueError(message)  # noqa: TRY004  pydantic turns ValueError alone into a problem
    return value


def _plausible(value: datetime) -> datetime:
    if not _EARLIEST <= value <= datetime.now(UTC) + _AHEAD:
        message = "must lie between the year 2000 and tomorrow"
        raise ValueError(message)
    return value


Text = Annotated[
    str,
    StringConstraints(strict=True, min_length=1, max_length=MAX_CHARACTERS),
    BeforeValidator(_encodable),
    AfterValidator(_not_blank),
]
Short = Annotated[str, StringConstraints(strict=True, min_length=1, max_length=200), BeforeValidator(_encodable)]
Moment = Annotated[AwareDatetime, BeforeValidator(_text_only), AfterValidator(_plausible)]
Probability = Annotated[float, Field(ge=0, le=1)]
Grades = Annotated[list[Probability], Field(min_length=4, max_length=4)]
Language = Annotated[str, StringConstraints(strict=True, pattern=r"^[a-z]{2}$")]


class _Schema(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class ThreadMessage(_Schema):
    """An earlier message of the same conversation."""

    sender: Literal["customer", "agent"] = Field(alias="from", description="Who wrote it")
    text: Text
    at: Moment | None = Field(None, description="When it was written")


class ScoreRequest(_Schema):
    """A customer message, with what the help desk knows of it."""

    text: Text = Field(description="What the customer wrote, in any language")
    id: Short | None = Field(None, description="Your id of the message; one is made when it is missing")
    channel: Channel | None = None
    language: Language | None = Field(None, description="ISO 639-1 code; detected when it is missing")
    waiting_since: Moment | None = Field(None, description="Since when the customer has been waiting")
    contacts: Annotated[StrictInt, Field(ge=0, le=10_000)] | None = Field(
        None, description="Contacts about this matter"
    )
    transfers: Annotated[StrictInt, Field(ge=0, le=10_000)] | None = Field(None, description="Hand-overs so far")
    tenant: Name | None = Field(None, description="Whose customer it is; the policy may have rules for it")
    tier: Name | None = Field(None, description="The customer's group; the policy may have rules for it")
    thread: Annotated[list[ThreadMessage], Field(max_length=MAX_THREAD)] = Field(
        [], description="Earlier messages of both sides, oldest first, without this one"
    )
    explain: StrictBool = Field(False, description="Add each word's share of the scores")
    handover: StrictBool | None = Field(
        None, description="Add the handover card: true always, false never; by default when the message is flagged"
    )
    agent_language: Language | None = Field(None, description="Language for sentences meant for the agent")


@dataclass(frozen=True, slots=True)
class InvalidMessage:
    """A message of a batch that is not valid, with the reasons."""

    error: ValidationError


def _or_invalid(value: object, validate: ValidatorFunctionWrapHandler) -> ScoreRequest | InvalidMessage:
    try:
        return cast("ScoreRequest", validate(value))
    except ValidationError as error:
        return InvalidMessage(error)


class BatchRequest(_Schema):
    """Up to 256 messages; each is validated alone, so a bad one does not sink the others."""

    messages: list[Annotated[ScoreRequest, WrapValidator(_or_invalid)]] = Field(min_length=1, max_length=MAX_BATCH)


class WordShare(_Schema):
    """One word or mark of the text with its share, in log-odds, of each latent."""

    start: int = Field(description="First character, counted in Unicode code points from 0")
    end: int = Field(description="One past the last character")
    anger: float
    urgency: float


class TrajectoryReply(_Schema):
    """How the conversation went."""

    anger: list[Probability] = Field(description="Of the customer's last messages, oldest first, this one included")
    urgency: list[Probability]
    trend: Trend = Field(description="Of anger: this message against the three before it")
    peak_anger: Probability
    turns_since_peak: int
    seconds_since_peak: int | None = Field(description="Null when the thread does not tell the time")
    unanswered: int = Field(description="Messages in a row without an answer, this one included")
    angrier_after_reply: bool = Field(description="A grade angrier than before the agent's last answer")


class CodedText(_Schema):
    """A code for software, a sentence for people."""

    code: str
    text: str


class Place(_Schema):
    """Part of this message's text."""

    start: int = Field(description="First character, counted in Unicode code points from 0")
    end: int = Field(description="One past the last character")
    text: str


class FactReply(Place):
    """A fact that the customer need not say again."""

    kind: str
    value: str | None = Field(description="In normal form; null when the words leave it open")


class Who(_Schema):
    """Who should take it."""

    team: str
    level: Level
    level_text: str
    one_owner: bool = Field(description="One named colleague should stay with it until it is solved")


class What(_Schema):
    """What that colleague should know."""

    topics: list[str]
    decisive: list[Place] = Field(description="The words that raised the score most")
    facts: list[FactReply]


class How(_Schema):
    """How to answer."""

    channel: Literal["call_back", "write"]
    channel_text: str
    steps: list[CodedText]
    avoid: list[CodedText]
    opening: str = Field(description="A first sentence, in the customer's language")


class Handover(_Schema):
    """WHO takes the message, WHAT they must know, HOW to answer."""

    who: Who
    what: What
    how: How


class ScoreReply(_Schema):
    """A message's scores and what to do about it."""

    id: str
    anger: Probability = Field(description="Expected grade / 3")
    urgency: Probability = Field(description="Expected grade / 3")
    anger_level: str = Field(description="calm, annoyed, angry or furious")
    urgency_level: str = Field(description="none, normal, pressing or critical")
    flag: bool = Field(description="A person must pick this up now")
    priority: Priority
    respond_by: str = Field(description="When the customer should have an answer, RFC 3339, UTC")
    reasons: list[str] = Field(description="Codes of what raised the flag or the priority")
    reason_texts: list[str] = Field(description="The same, in the agent's language")
    language: str | None = Field(description="As given, or detected; null when the text does not tell")
    anger_grades: Grades
    urgency_grades: Grades
    explanation: list[WordShare] | None = Field(None, description="Only when asked for")
    trajectory: TrajectoryReply | None = Field(None, description="Only with a thread")
    safe_to_close: bool | None = Field(None, description="Only with a thread: nothing is left open")
    open_points: list[str] | None = Field(None, description="Only with a thread: codes of what is still open")
    open_point_texts: list[str] | None = Field(None, description="The same, in the agent's language")
    handover: Handover | None = Field(None, description="Only when flagged or asked for")
    model: str
    model_version: str
    windows: int = Field(description="Overlapping parts in which a long text was scored")


class ReplyCheckRequest(_Schema):
    """An agent's draft, with the message that it answers."""

    draft: Text = Field(description="What the agent is about to send")
    customer: Text | None = Field(None, description="The customer's message; without it nothing can be found missing")
    language: Language | None = Field(None, description="ISO 639-1 code of the draft; detected when it is missing")
    agent_language: Language | None = Field(None, description="Language of the hints")
    channel: Channel | None = None
    tenant: Name | None = None
    tier: Name | None = None


class FindingReply(_Schema):
    """A fault of the draft; without a place when something is missing."""

    code: str
    start: int | None
    end: int | None
    hint: str = Field(description="What to do about it, in the agent's language")


class ReplyCheckReply(_Schema):
    """What to change before the draft is sent."""

    ok: bool = Field(description="Nothing was found")
    findings: list[FindingReply]
    draft_anger: Probability
    customer_anger: Probability | None
    customer_urgency: Probability | None
    language: str | None
    model: str
    model_version: str


class PeriodFigures(_Schema):
    """Counts of one span; a complaint is a message whose anger is at least annoyed."""

    messages: int
    complaints: int
    complaint_share: float | None
    flags: int
    flag_share: float | None
    by_priority: dict[str, int]
    mean_anger: float | None
    mean_urgency: float | None


class ChannelFigures(_Schema):
    """Counts of one channel."""

    channel: str | None
    messages: int
    complaints: int
    flags: int


class LanguageFigures(_Schema):
    """Counts of one language."""

    language: str | None
    messages: int
    complaints: int
    flags: int


class Drift(_Schema):
    """Population stability index against the span before; null with too few messages to tell."""

    anger: float | None
    urgency: float | None
    length: float | None
    language: float | None
    drifted: list[str] = Field(description="Those of 0.25 and more")


class KeywordRule(_Schema):
    """What a plain keyword rule would have flagged of the same messages."""

    flags: int
    flagged_by_both: int
    only_kalm: int
    only_keywords: int


class AlarmReply(_Schema):
    """A count that the weeks before make improbable."""

    kind: Literal["volume", "complaints"]
    direction: Literal["low", "high"]
    channel: str = Field(description="`all`, or one; `none` for messages without")
    language: str = Field(description="`all`, or one; `none` for messages without")
    hours: int = Field(description="Length of the window that ends with the last full hour")
    observed: int
    expected: float
    probability: float


class ScorecardReply(_Schema):
    """The desk's figures."""

    since: str = Field(alias="from")
    to: str
    hours: int
    current: PeriodFigures
    previous: PeriodFigures
    by_channel: list[ChannelFigures]
    by_language: list[LanguageFigures]
    drift: Drift
    keyword_rule: KeywordRule
    alarms: list[AlarmReply]


class FieldError(_Schema):
    """One wrong field."""

    field: str
    code: str
    reason: str


class Problem(_Schema):
    """An error, as RFC 9457 describes."""

    type: str
    title: str
    status: int
    detail: str
    instance: str = Field(description="urn:kalm:request: and the X-Request-Id")
    errors: list[FieldError] | None = None


class BatchReply(_Schema):
    """One entry a message, in the same order: a score, or a problem for a bad message."""

    results: list[ScoreReply | Problem]
