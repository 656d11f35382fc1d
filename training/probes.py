"""What is measured of a scorer beside its figures: the graph's difference, speed, and the worth of explanations."""

from __future__ import annotations

import os
import platform
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from model.labels import DIMENSIONS
from training.metrics import HIGH

if TYPE_CHECKING:
    from collections.abc import Sequence

    from model.scorer import Scorer
    from training.corpus import Message


def graph_moves(scorer: Scorer, dev: Sequence[Message]) -> dict[str, float]:
    """Largest and mean difference of any score between this scorer and the torch reference, on dev messages.

    Takes the longest 20 messages and 200 others, so that several windows are among them.
    """
    reference = type(scorer).load(scorer.checkpoint.directory, engine="torch", threads=2)
    texts = [m.text for m in sorted(dev, key=lambda m: -len(m.text))]
    texts = texts[:20] + texts[20 :: max(1, len(texts) // 200)]
    pairs = zip(scorer.score(texts), reference.score(texts), strict=True)
    moves = [abs(getattr(a, n).score - getattr(b, n).score) for a, b in pairs for n in DIMENSIONS]
    return {"largest": float(np.max(moves)), "mean": float(np.mean(moves)), "texts": len(texts)}


def speed(scorer: Scorer, texts: Sequence[str], threads: int, alone: int = 200) -> dict[str, Any]:
    """Messages a second in bulk, and milliseconds (median, 95th percentile) of one message alone."""
    began = time.perf_counter()
    scorer.score(texts)
    bulk = len(texts) / (time.perf_counter() - began)
    single = []
    for text in texts[:: max(1, len(texts) // alone)]:
        began = time.perf_counter()
        scorer.score([text])
        single.append(1000 * (time.perf_counter() - began))
    p50, p95 = np.percentile(single, [50, 95])
    return {
        "bulk_per_second": bulk,
        "p50_ms": float(p50),
        "p95_ms": float(p95),
        "processor": processor(),
        "engine": f"{scorer.engine.name}, {scorer.engine.precision}",
        "threads": threads,
    }


def processor() -> str:
    """Name and number of this machine's processors."""
    name, known = platform.processor() or platform.machine(), Path("/proc/cpuinfo")
    if known.is_file():
        lines = known.read_text(encoding="utf-8", errors="replace").splitlines()
        name = next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), name)
    count = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return f"{name}, {count} cores"


def explanation_figures(scorer: Scorer, dev: Sequence[Message]) -> dict[str, dict[str, float]]:
    """By dimension, of the messages of grade >= 2: how often the score falls when the top word is deleted.

    Also the largest difference between an explanation's sum and its latent, over all messages.
    """
    explained = scorer.score([message.text for message in dev], explain=True)
    result = {}
    for name in DIMENSIONS:
        rows = [i for i, m in enumerate(dev) if getattr(m, name) >= HIGH and explained[i].explanation]
        without = []
        for i in rows:
            top = max(explained[i].explanation or (), key=lambda word: getattr(word, name))
            without.append(dev[i].text[: top.start] + dev[i].text[top.end :])
        falls = [
            getattr(new, name).latent < getattr(explained[i], name).latent
            for i, new in zip(rows, scorer.score(without), strict=True)
        ]
        sums = [abs(sum(getattr(w, name) for w in s.explanation or ()) - getattr(s, name).latent) for s in explained]
        rate = float(np.mean(falls)) if falls else np.nan
        result[name] = {"falls": rate, "messages": len(rows), "largest_rest": float(np.max(sums))}
    return result
