"""The policy file: what each desk decides for itself, validated, merged by scope, and read anew when it changes."""

from __future__ import annotations

import hashlib
import logging
import threading
import time
import tomllib
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, cast

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, PrivateAttr, StrictBool, StrictInt, ValidationError

from service.lexicon import TOPICS, compile_patterns, literal

if TYPE_CHECKING:
    import regex

Priority = Literal["urgent", "high", "normal", "low"]
Level = Literal["agent", "senior", "manager"]
Channel = Literal["email", "form", "chat", "social", "review", "sms", "voice"]
DEFAULT_POLICY = Path(__file__).with_name("policy.toml")
_LOOK_EVERY = 1.0
_LARGEST_FILE = 1_000_000
_log = logging.getLogger("kalm")

Name = Annotated[str, Field(strict=True, pattern=r"^[A-Za-z0-9][A-Za-z0-9_.\-]{0,63}$")]
Duration = Annotated[timedelta, Field(gt=timedelta(0), le=timedelta(days=365))]
Threshold = Annotated[float, Field(ge=0, le=1)]
Words = Annotated[str, Field(strict=True, min_length=2, max_length=100)]


class PolicyError(Exception):
    """The policy file cannot be used; the message names the place and says what is allowed."""


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class RespondWithin(_Section):
    """Time to an answer by priority."""

    urgent: Duration
    high: Duration
    normal: Duration
    low: Duration


def _known_region(value: str) -> str:
    import phonenumbers

    if value and value not in phonenumbers.SUPPORTED_REGIONS:
        message = "must be two capital letters of a country, such as NL, or empty"
        raise ValueError(message)
    return value


class Rules(_Section):
    """What holds for one message, once all scopes are merged."""

    anger_threshold: Threshold | None = None
    urgency_threshold: Threshold | None = None
    contacts: Annotated[StrictInt, Field(ge=2, le=1000)]
    transfers: Annotated[StrictInt, Field(ge=1, le=1000)]
    patience: Duration
    repeat_after: Duration
    raise_priority: StrictBool
    region: Annotated[str, AfterValidator(_known_region)]
    agent_language: Annotated[str, Field(pattern=r"^[a-z]{2}$")]
    respond_within: RespondWithin


class Topic(_Section):
    """Who takes a topic, and the words by which it is known."""

    team: Name
    level: Level = "agent"
    words: dict[Annotated[str, Field(pattern=r"^[a-z]{2}$")], list[Words]] = {}
    own_words_only: StrictBool = False
    urgent_when_pressing: StrictBool = False


class AlertBudget(_Section):
    """How many flags a day a team can take."""

    flags_per_day: Annotated[StrictInt, Field(ge=0, le=1_000_000)]
    window: Duration
    least_messages: Annotated[StrictInt, Field(ge=1, le=1_000_000)]


class Routing(_Section):
    """Where a message goes that no topic's words fit."""

    default_team: Name
    critical_topic: Annotated[str, Field(pattern=r"^([a-z_]{1,40})?$")]


class Policy(_Section):
    """A validated policy; ``rules_for`` merges its scopes."""

    rules: Rules
    channels: dict[Channel, dict[str, Any]]
    tenants: dict[Name, dict[str, Any]]
    tiers: dict[Name, dict[str, Any]]
    alert_budget: AlertBudget
    topics: dict[Annotated[str, Field(pattern=r"^[a-z_]{1,40}$")], Topic]
    routing: Routing
    version: str
    # What was worked out already; it goes with the policy when another is taken.
    _rules: dict[tuple[str | None, ...], Rules] = PrivateAttr(default_factory=dict)
    _added: dict[tuple[str, str], Any] = PrivateAttr(default_factory=dict)

    def rules_for(self, channel: str | None, tenant: str | None, tier: str | None) -> Rules:
        """The rules of a message; a channel, tenant or tier without its own table changes nothing."""
        # Unknown names come from requests: left out here, so that they cannot fill the memory.
        return self._merged(
            channel if channel in self.channels else None,
            tenant if tenant in self.tenants else None,
            tier if tier in self.tiers else None,
        )

    def _merged(self, channel: str | None, tenant: str | None, tier: str | None) -> Rules:
        key = (channel, tenant, tier)
        if key not in self._rules:
            merged = self.rules.model_dump()
            for table, name in ((self.channels, channel), (self.tenants, tenant), (self.tiers, tier)):
                if name is not None:
                    merged = _merge(merged, cast("dict[str, dict[str, Any]]", table)[name])
            self._rules[key] = Rules.model_validate(merged)
        return self._rules[key]

    def added_words(self, topic: str, language: str) -> regex.Pattern[str] | None:
        """The expression of a topic's added words in a language."""
        words = self.topics[topic].words.get(language)
        if not words:
            return None
        if (topic, language) not in self._added:
            self._added[topic, language] = compile_patterns([literal(item) for item in words])
        return self._added[topic, language]


def _merge(base: dict[str, Any], over: dict[str, Any]) -> dict[str, Any]:
    """``over`` on ``base``, table by table."""
    merged = dict(base)
    for key, value in over.items():
        old = merged.get(key)
        merged[key] = _merge(old, value) if isinstance(old, dict) and isinstance(value, dict) else value
    return merged


def _read(path: Path) -> dict[str, Any]:
    try:
        if path.stat().st_size > _LARGEST_FILE:
            message = f"{path}: larger than {_LARGEST_FILE} bytes"
            raise PolicyError(message)
        with path.open("rb") as file:
            return tomllib.load(file)
    except OSError as error:
        message = f"{path}: cannot be read ({error.strerror})"
        raise PolicyError(message) from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        message = f"{path}: not TOML: {error}"
        raise PolicyError(message) from error


def load_policy(path: Path | None = None) -> Policy:
    """Read a policy file over Kalm's own.

    Raises:
        PolicyError: it cannot be read, has an unknown key, or a bad value; all of them are named.
    """
    tables = _read(DEFAULT_POLICY)
    own = _read(path) if path is not None else {}
    merged = _merge(tables, own)
    merged["version"] = hashlib.sha256(repr(sorted(merged.items())).encode()).hexdigest()[:12]
    try:
        policy = Policy.model_validate(merged)
        problems = _scope_problems(policy) + _topic_problems(policy)
    except ValidationError as error:
        problems = _problems(error)
    if problems:
        message = f"{path or DEFAULT_POLICY}: " + "; ".join(problems)
        raise PolicyError(message)
    return policy


def _problems(error: ValidationError, before: str = "") -> list[str]:
    found = error.errors(include_input=False, include_url=False)
    return [
        f"{before}{'.'.join(map(str, item['loc']))}: "
        + ("not a key of the policy" if item["type"] == "extra_forbidden" else item["msg"])
        for item in found
    ]


def _scope_problems(policy: Policy) -> list[str]:
    """Each scope's table is tried on the base rules, so that a bad one is found at start and not at a message."""
    problems = []
    for name in ("channels", "tenants", "tiers"):
        for key, table in getattr(policy, name).items():
            try:
                Rules.model_validate(_merge(policy.rules.model_dump(), table))
            except ValidationError as error:
                problems += _problems(error, f"{name}.{key}.")
    return problems


def _topic_problems(policy: Policy) -> list[str]:
    problems = [
        f"topics.{name}: needs words, since it is not one of Kalm's own ({', '.join(TOPICS)})"
        for name, topic in policy.topics.items()
        if (name not in TOPICS or topic.own_words_only) and not any(topic.words.values())
    ]
    critical = policy.routing.critical_topic
    if critical and critical not in policy.topics:
        problems.append(f"routing.critical_topic: {critical} is not among the topics")
    return problems


class PolicySource:
    """The policy in force: looked at once a second, replaced when the file changed and is valid.

    ``error`` says why the last change was not taken; then the policy before it stays.
    """

    def __init__(self, path: Path | None = None) -> None:
        self._path = path
        self._policy = load_policy(path)
        self._seen = self._stamp()
        self._next_look = time.monotonic() + _LOOK_EVERY
        self._lock = threading.Lock()
        self.error: str | None = None

    def current(self) -> Policy:
        """The policy in force now."""
        if self._path is not None and time.monotonic() >= self._next_look and self._lock.acquire(blocking=False):
            try:
                self._next_look = time.monotonic() + _LOOK_EVERY
                self._look()
            finally:
                self._lock.release()
        return self._policy

    def _stamp(self) -> tuple[int, int, int] | None:
        if self._path is None:
            return None
        try:
            status = self._path.stat()
        except OSError:
            return None
        return status.st_mtime_ns, status.st_size, status.st_ino

    def _look(self) -> None:
        stamp = self._stamp()
        if stamp == self._seen:
            return
        self._seen = stamp
        try:
            self._policy = load_policy(self._path)
        except PolicyError as error:
            self.error = str(error)
            _log.error("the changed policy is not taken, the one before stays: %s", error)
        else:
            self.error = None
            _log.info("policy taken", extra={"policy_version": self._policy.version})
