"""Engines run the network's forward pass; each gives every token's share of the latents."""

from __future__ import annotations

import logging
import os
import sys
import threading
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from model.errors import CheckpointError

if TYPE_CHECKING:
    from pathlib import Path

_log = logging.getLogger(__name__)
GRAPH = "model.onnx"


class Engine(Protocol):
    """A loaded network, safe to call from several threads."""

    name: str
    precision: str

    def shares(self, input_ids: np.ndarray, attention_mask: np.ndarray) -> np.ndarray:
        """Token shares ``(batch, length, dimensions, cuts)`` float32 of right-padded ids ``(batch, length)`` int64."""
        ...


class OnnxEngine:
    """ONNX Runtime on the CPU: portable, without torch."""

    name = "onnxruntime"
    precision = "f32"

    def __init__(self, directory: Path, threads: int, streams: int = 1) -> None:
        del streams  # a session serves as many callers as there are, each with the threads of one run
        # Its official builds report usage to their maker unless told not to before they are loaded.
        os.environ["ORT_DISABLE_TELEMETRY"] = "1"
        import onnxruntime

        onnxruntime.disable_telemetry_events()
        path = directory / GRAPH
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        options.log_severity_level = 3
        # A pool that spins steals the cores of the web server's threads.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        try:
            self._session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        except Exception as error:
            message = f"cannot load the serving graph {path}: {type(error).__name__}"
            raise CheckpointError(message) from error

    def shares(self, input_ids: np.ndarray, attention_mask: np.ndarray) -> np.ndarray:
        """Run the graph."""
        inputs = {"input_ids": input_ids, "attention_mask": attention_mask}
        return np.asarray(self._session.run(["shares"], inputs)[0])


def _quiet_openvino() -> Any:
    """OpenVINO, which would report its import to its maker and keep an id in the home directory."""
    sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]
    import openvino

    return openvino


def _has_bfloat16(core: Any) -> bool:
    return "BF16" in core.get_property("CPU", "OPTIMIZATION_CAPABILITIES")


class OpenVinoEngine:
    """OpenVINO on x86 and ARM: computes in bfloat16 where the processor can, from the same graph."""

    name = "openvino"

    def __init__(self, directory: Path, threads: int, streams: int = 1) -> None:
        try:
            openvino = _quiet_openvino()
        except ImportError as error:
            message = "the engine openvino is not installed; use onnxruntime or install what requirements.txt lists"
            raise CheckpointError(message) from error

        path = directory / GRAPH
        core = openvino.Core()
        self.precision = "bf16" if _has_bfloat16(core) else "f32"
        options = {
            "INFERENCE_PRECISION_HINT": self.precision,
            "INFERENCE_NUM_THREADS": threads * streams,
            # Requests of one stream wait for each other.
            "NUM_STREAMS": streams,
            # Pinned threads of several workers would meet on the same cores.
            "ENABLE_CPU_PINNING": False,
        }
        try:
            self._model = core.compile_model(core.read_model(path), "CPU", options)
        except Exception as error:
            message = f"cannot load the serving graph {path}: {type(error).__name__}"
            raise CheckpointError(message) from error
        self._own = threading.local()

    def shares(self, input_ids: np.ndarray, attention_mask: np.ndarray) -> np.ndarray:
        """Run the graph; each thread has a request of its own."""
        request = getattr(self._own, "request", None)
        if request is None:
            request = self._own.request = self._model.create_infer_request()
        found = request.infer({"input_ids": input_ids, "attention_mask": attention_mask}, share_inputs=True)
        return np.array(found[0], dtype=np.float32)


class TorchEngine:
    """The reference: the ``transformers`` model itself; needs torch."""

    name = "torch"
    precision = "f32"

    def __init__(self, directory: Path, threads: int, streams: int = 1) -> None:
        del streams
        try:
            import torch

            from model.network import KalmForScoring
        except ImportError as error:
            message = "the engine torch needs what requirements-train.txt lists; use onnxruntime or install it"
            raise CheckpointError(message) from error

        torch.set_num_threads(threads)
        self._torch = torch
        self._model = KalmForScoring.from_pretrained(directory, dtype=torch.float32).eval()

    def shares(self, input_ids: np.ndarray, attention_mask: np.ndarray) -> np.ndarray:
        """Run the model without gradients."""
        with self._torch.inference_mode():
            output = self._model(
                input_ids=self._torch.from_numpy(input_ids), attention_mask=self._torch.from_numpy(attention_mask)
            )
        return np.asarray(output.shares.numpy())


AUTO = "auto"
ENGINES = {engine.name: engine for engine in (OnnxEngine, OpenVinoEngine, TorchEngine)}


def best_engine() -> str:
    """The fastest engine for this processor: OpenVINO where it computes in bfloat16, else ONNX Runtime."""
    try:
        return "openvino" if _has_bfloat16(_quiet_openvino().Core()) else "onnxruntime"
    except (ImportError, RuntimeError):
        return "onnxruntime"


def load_engine(directory: Path, name: str, threads: int, streams: int = 1) -> Engine:
    """Load an engine by name, or with ``auto`` the best one for this processor.

    ``streams`` runs at once, each on ``threads`` threads.

    Raises:
        CheckpointError: the checkpoint has no such engine's files, or they cannot be loaded.
        ValueError: no such engine.
    """
    chosen = best_engine() if name == AUTO else name
    if chosen not in ENGINES:
        message = f"unknown engine {name!r}; choose one of {', '.join((AUTO, *ENGINES))}"
        raise ValueError(message)
    engine = ENGINES[chosen](directory, threads, streams)
    _log.debug("loaded engine %s (%s) with %d threads", chosen, engine.precision, threads)
    return engine
