"""What can go wrong in the core; messages never hold a customer's text."""

from __future__ import annotations


class ModelError(Exception):
    """Base of all errors that ``model`` raises on purpose."""


class CheckpointError(ModelError):
    """A checkpoint is missing, incomplete, damaged or not understood."""


class OverloadError(ModelError):
    """Too much waits for the engine already.

    Attributes:
        seconds: about how long what waits will take.
    """

    def __init__(self, seconds: float) -> None:
        super().__init__("too much waits for the engine already")
        self.seconds = seconds


class DeadlineError(ModelError):
    """The time that a caller gave was over before its scores were there."""

    def __init__(self) -> None:
        super().__init__("the scores were not there in time")


class AbandonedError(ModelError):
    """The caller had gone before its texts were scored."""

    def __init__(self) -> None:
        super().__init__("nobody waits for the scores any more")
