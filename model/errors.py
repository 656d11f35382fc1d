"""What can go wrong in the core; messages never hold a customer's text."""

from __future__ import annotations


class ModelError(Exception):
    """Base of all errors that ``model`` raises on purpose."""


class CheckpointError(ModelError):
    """A checkpoint is missing, incomplete, damaged or not understood."""
