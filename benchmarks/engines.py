"""Bare engines: messages a second in bulk and the time of one alone, tokenisation included.

Each engine runs in a process of its own (``python -m benchmarks.engines NAME``), so that none inherits
another's threads or memory.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

CHECKPOINT = Path("model/checkpoints/kalm-mini")
PLAIN = Path("runs/bench/plain")
BULK, ALONE = 1_024, 200
_REPEATS = 3


def _kalm(engine: str, threads: int, streams: int, precision: str = "auto") -> Callable[[Sequence[str]], object]:
    """Kalm's scorer; ``streams`` batches at once, each on ``threads`` threads."""
    from model.scorer import Scorer

    scorer = Scorer.load(CHECKPOINT, engine=engine, threads=threads, streams=streams, precision=precision)
    pool = ThreadPoolExecutor(streams)

    def run(texts: Sequence[str]) -> object:
        if len(texts) == 1 or streams == 1:
            return scorer.score(texts)
        size = -(-len(texts) // (2 * streams))
        return list(pool.map(scorer.score, [texts[i : i + size] for i in range(0, len(texts), size)]))

    return run


def _pipeline(dtype: str, *, compiled: bool = False) -> Callable[[Sequence[str]], object]:
    """``transformers.pipeline`` as its documentation shows it: batches of 32, texts sorted by length."""
    import torch
    from transformers import pipeline

    torch.set_num_threads(2)
    classify = pipeline("text-classification", model=str(PLAIN), top_k=None, dtype=getattr(torch, dtype))
    if compiled:
        classify.model = torch.compile(classify.model, dynamic=True)
    options = {"batch_size": 32, "truncation": True, "function_to_apply": "sigmoid"}
    return lambda texts: classify(sorted(texts, key=len), **options)


ENGINES: dict[str, Callable[[], Callable[[Sequence[str]], object]]] = {
    "transformers pipeline, fp32": lambda: _pipeline("float32"),
    "transformers pipeline, bf16": lambda: _pipeline("bfloat16"),
    "kalm, torch fp32": lambda: _kalm("torch", 2, 1),
    "kalm, onnxruntime, 1 x 2 threads": lambda: _kalm("onnxruntime", 2, 1),
    "kalm, onnxruntime, 2 x 1 thread": lambda: _kalm("onnxruntime", 1, 2),
    "kalm, openvino bf16, 1 x 2 threads": lambda: _kalm("openvino", 2, 1, "bf16"),
    "kalm, openvino int8, 1 x 2 threads": lambda: _kalm("openvino", 2, 1, "int8"),
    "kalm, openvino int8, 2 x 1 thread": lambda: _kalm("openvino", 1, 2, "int8"),
}


def peak_memory_mb() -> float:
    """Largest resident size of this process; getrusage would count the parent's from before the exec."""
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith("VmHWM"))


def measure(name: str) -> dict[str, float]:
    """Best of three passes in bulk, median and 95th percentile of one message alone, memory."""
    from benchmarks.texts import texts

    began = time.perf_counter()
    run = ENGINES[name]()
    run(["Waar blijft mijn pakket?"])
    ready = time.perf_counter() - began
    bulk, alone = texts(BULK), texts(ALONE, seed=1)
    run(bulk[:256])
    rates = []
    for _ in range(_REPEATS):
        began = time.perf_counter()
        run(bulk)
        rates.append(len(bulk) / (time.perf_counter() - began))
    times = []
    for text in alone:
        began = time.perf_counter()
        run([text])
        times.append(1000 * (time.perf_counter() - began))
    return {
        "per_second": max(rates),
        "p50_ms": statistics.median(times),
        "p95_ms": statistics.quantiles(times, n=20)[-1],
        "ready_s": ready,
        "memory_mb": peak_memory_mb(),
    }


def measure_all(names: Sequence[str] = tuple(ENGINES)) -> dict[str, dict[str, float]]:
    """Measure engines, one process each; an engine that cannot run is left out with a word on stderr."""
    results = {}
    for name in names:
        command = [sys.executable, "-m", "benchmarks.engines", name]
        process = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603
        if process.returncode:
            sys.stderr.write(f"{name}: {process.stderr.strip().splitlines()[-1:]}\n")
            continue
        results[name] = json.loads(process.stdout.splitlines()[-1])
        sys.stderr.write(f"{name}: {results[name]}\n")
    return results


if __name__ == "__main__":
    print(json.dumps(measure(sys.argv[1])))  # noqa: T201
