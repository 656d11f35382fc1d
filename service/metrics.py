"""Prometheus metrics; labels come from fixed lists, never from a request."""

from __future__ import annotations

import os

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest, multiprocess

_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)
_SCORES = tuple(i / 10 for i in range(1, 11))


class Metrics:
    """The service's metrics in a registry of their own, so that several apps can live in one process."""

    def __init__(self, name: str, version: str) -> None:
        self._registry = CollectorRegistry()
        self._shared = "PROMETHEUS_MULTIPROC_DIR" in os.environ
        registry = self._registry
        self.requests = Counter("kalm_requests", "Requests answered", ["route", "method", "status"], registry=registry)
        self.seconds = Histogram(
            "kalm_request_seconds", "Time to answer a request", ["route"], buckets=_SECONDS, registry=registry
        )
        self.scoring_seconds = Histogram(
            "kalm_scoring_seconds", "Time to score the messages of a request", buckets=_SECONDS, registry=registry
        )
        self.messages = Counter("kalm_messages", "Messages scored", ["language"], registry=registry)
        self.windows = Counter("kalm_windows", "Windows scored", registry=registry)
        self.flags = Counter("kalm_flags", "Messages flagged", ["priority"], registry=registry)
        self.scores = Histogram("kalm_score", "Scores given", ["dimension"], buckets=_SCORES, registry=registry)
        self.findings = Counter("kalm_reply_findings", "Faults found in drafts", ["code"], registry=registry)
        self.alarms = Gauge(
            "kalm_volume_alarm",
            "1 while the counts of the last hours are improbable for the hour of the week",
            ["kind", "direction", "channel", "language"],
            registry=registry,
            multiprocess_mode="mostrecent",
        )
        self.threshold_factor = Gauge(
            "kalm_threshold_factor",
            "By how much the alert budget raises the thresholds",
            registry=registry,
            multiprocess_mode="mostrecent",
        )
        self.threshold_factor.set(1)
        self.tally_dropped = Gauge(
            "kalm_tally_dropped", "Counts lost while the database was away", registry=registry, multiprocess_mode="sum"
        )
        info = Gauge(
            "kalm_model", "The loaded checkpoint", ["name", "version"], registry=registry, multiprocess_mode="max"
        )
        info.labels(name, version).set(1)

    def render(self) -> bytes:
        """The text that Prometheus scrapes, of all worker processes."""
        if not self._shared:
            return generate_latest(self._registry)
        merged = CollectorRegistry()
        multiprocess.MultiProcessCollector(merged)  # type: ignore[no-untyped-call]
        return generate_latest(merged)
