"""All settings, from ``KALM_*`` environment variables."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, SecretStr, ValidationError, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from model.checkpoint import DEFAULT_CHECKPOINT

PREFIX = "KALM_"


class SettingsError(Exception):
    """A setting is unknown or has a bad value; the message names it and says what is allowed."""


class Settings(BaseSettings):
    """Kalm's settings; each is read from the environment variable of its name with ``KALM_`` before it."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, extra="forbid", frozen=True)

    host: str = Field("127.0.0.1", description="Address to listen on; `0.0.0.0` for all.")
    port: int = Field(8080, ge=1, le=65535, description="Port to listen on.")
    workers: int = Field(1, ge=1, le=64, description="Worker processes; each loads the checkpoint.")
    threads: int = Field(64, ge=1, le=256, description="Requests that one worker serves at a time.")
    checkpoint: Path = Field(DEFAULT_CHECKPOINT, description="Checkpoint directory.")
    engine: Literal["auto", "openvino", "onnxruntime", "torch"] = Field(
        "auto", description="What runs the network; `auto`: the fastest on this processor."
    )
    precision: Literal["auto", "int8", "bf16", "f32"] = Field(
        "auto", description="Numbers that the engine computes in; `auto`: the fastest that keeps the scores."
    )
    engine_threads: int = Field(
        1, ge=1, le=64, description="Threads of one run of the engine while others run; a run alone gets those of all."
    )
    engine_streams: int = Field(
        0, ge=0, le=64, description="Runs of the engine at once in one worker; 0: as many as its cores have room for."
    )
    score_timeout: float = Field(
        10, gt=0, le=600, description="Seconds within which a request must be scored; beyond them 503."
    )
    anger_threshold: float | None = Field(
        None, ge=0, le=1, description="Anger score from which to flag; unset: the checkpoint's."
    )
    urgency_threshold: float | None = Field(
        None, ge=0, le=1, description="Urgency score from which to flag; unset: the checkpoint's."
    )
    policy: Path | None = Field(
        None, description="Policy file, read anew when it changes; unset: Kalm's own, `service/policy.toml`."
    )
    database_url: SecretStr | None = Field(
        None,
        description="SQLAlchemy address of the database for counts; `sqlite://` keeps them in memory; "
        "unset: the file `kalm.db` in the user's state folder.",
    )
    api_keys: Annotated[tuple[SecretStr, ...], NoDecode] = Field(
        (), description="Accepted API keys, separated by commas; unset: open to all who can reach it."
    )
    max_body_bytes: int = Field(16_777_216, ge=1_024, le=268_435_456, description="Largest request body.")
    max_pending_characters: int = Field(
        1_000_000, ge=20_000, le=100_000_000, description="Characters in scoring at once in one worker; beyond it 503."
    )
    request_timeout: int = Field(
        30, ge=1, le=600, description="Seconds without a sign of life after which a worker process is replaced."
    )
    graceful_timeout: int = Field(30, ge=1, le=600, description="Seconds that running requests get at shutdown.")
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        "info", description="Least severe log entry written."
    )

    @field_validator("api_keys", mode="before")
    @classmethod
    def _split_keys(cls, value: object) -> object:
        if not isinstance(value, str):
            return value
        keys = tuple(key.strip() for key in value.split(",") if key.strip())
        if not keys:
            # An empty variable is more often a mistake than a wish to be open to all.
            message = "is set but empty; unset it to serve without keys"
            raise ValueError(message)
        return keys

    @field_validator("api_keys")
    @classmethod
    def _long_enough(cls, value: tuple[SecretStr, ...]) -> tuple[SecretStr, ...]:
        if any(len(key.get_secret_value()) < 16 or not key.get_secret_value().isascii() for key in value):
            message = "each key must have at least 16 characters, all of them ASCII"
            raise ValueError(message)
        return value


def load_settings() -> Settings:
    """Read the environment.

    Raises:
        SettingsError: an unknown ``KALM_*`` variable, or a bad value.
    """
    known = {PREFIX + name.upper() for name in Settings.model_fields}
    unknown = sorted(name for name in os.environ if name.startswith(PREFIX) and name not in known)
    if unknown:
        message = f"unknown setting(s) {', '.join(unknown)}; known are {', '.join(sorted(known))}"
        raise SettingsError(message)
    try:
        return Settings()
    except ValidationError as error:
        reasons = "; ".join(
            f"{PREFIX}{str(e['loc'][0]).upper()}: {e['msg']}" for e in error.errors(include_input=False)
        )
        raise SettingsError(reasons) from None
