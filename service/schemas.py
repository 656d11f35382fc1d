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

MAX_BATCH = 256
MAX_THREAD = 100
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
    channel: Literal["email", "form", "chat", "social", "review", "sms", "voice"] | None = None
    language: Language | None = Field(None, description="ISO 639-1 code; detected when it is missing")
    waiting_since: Moment | None = Field(None, description="Since when the customer has been waiting")
    contacts: Annotated[StrictInt, Field(ge=0, le=10_000)] | None = Field(
        None, description="Contacts about this matter"
    )
    transfers: Annotated[StrictInt, Field(ge=0, le=10_000)] | None = Field(None, description="Hand-overs so far")
    thread: Annotated[list[ThreadMessage], Field(max_length=MAX_THREAD)] = Field([], description="Earlier messages")
    explain: StrictBool = Field(False, description="Add each word's share of the scores")
    agent_language: Language | None = Field(None, description="Language for texts meant for the agent")


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


class ScoreReply(_Schema):
    """A message's scores and what to do about it."""

    id: str
    anger: Probability = Field(description="Expected grade / 3")
    urgency: Probability = Field(description="Expected grade / 3")
    anger_level: str = Field(description="calm, annoyed, angry or furious")
    urgency_level: str = Field(description="none, normal, pressing or critical")
    flag: bool = Field(description="A person must pick this up now")
    priority: Literal["urgent", "high", "normal", "low"]
    respond_by: str = Field(description="When the customer should have an answer, RFC 3339, UTC")
    reasons: list[str] = Field(description="Codes of what raised the flag or the priority")
    language: str | None = Field(description="As given, or detected; null when the text does not tell")
    anger_grades: Grades
    urgency_grades: Grades
    explanation: list[WordShare] | None = Field(None, description="Only when asked for")
    model: str
    model_version: str
    windows: int = Field(description="Overlapping parts in which a long text was scored")


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
