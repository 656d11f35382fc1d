"""Engines run the network's forward pass; each gives every token's share of the latents."""

from __future__ import annotations

import logging
import os
import sys
import threading
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from model.cores import has_eight_bit_dot_products
from model.errors import CheckpointError
from model.quantisation import RANGES, quantise, read_ranges

if TYPE_CHECKING:
    from pathlib import Path

_log = logging.getLogger(__name__)
GRAPH = "model.onnx"
AUTO = "auto"
PRECISIONS = (AUTO, "int8", "bf16", "f32")


class Engine(Protocol):
    """A loaded network, safe to call from several threads."""

    name: str
    precision: str

    def shares(self, input_ids: np.ndarray, attention_mask: np.ndarray) -> np.ndarray:
        """Token shares ``(batch, length, dimensions, cuts)`` float32 of right-padded ids ``(batch, length)`` int64."""
        ...

    def shares_alone(self, input_ids: np.ndarray, attention_mask: np.ndarray) -> np.ndarray:
        """As ``shares``, beside which nothing runs: with the threads of all streams, where the engine can."""
        ...


class OnnxEngine:
    """ONNX Runtime on the CPU: portable, without torch."""

    name = "onnxruntime"
    precision = "f32"

    def __init__(self, directory: Path, threads: int, streams: int = 1, precision: str = "auto") -> None:
        _only_single(self.name, precision)
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

    shares_alone = shares


def _only_single(name: str, precision: str) -> None:
    if precision not in (AUTO, "f32"):
        message = f"the engine {name} computes in f32 alone; {precision} needs the engine openvino"
        raise CheckpointError(message)


def _quiet_openvino() -> Any:
    """OpenVINO, which would report its import to its maker and keep an id in the home directory."""
    sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]
    import openvino

    return openvino


def _has_bfloat16(core: Any) -> bool:
    return "BF16" in core.get_property("CPU", "OPTIMIZATION_CAPABILITIES")


def _precision(core: Any, directory: Path, wanted: str) -> str:
    """The precision wanted, or with ``auto`` the fastest that keeps the scores.

    Raises:
        CheckpointError: eight bits are wanted and the checkpoint has no ranges for them.
    """
    ranges = (directory / RANGES).is_file()
    if wanted == "int8" and not ranges:
        message = f"the precision int8 needs {directory / RANGES}; write it with `python -m training quantise`"
        raise CheckpointError(message)
    if wanted != AUTO:
        return wanted
    if ranges and has_eight_bit_dot_products():
        return "int8"
    return "bf16" if _has_bfloat16(core) else "f32"


class OpenVinoEngine:
    """OpenVINO on x86 and ARM: the same graph in eight bits or bfloat16, where the processor computes in them."""

    name = "openvino"

    def __init__(self, directory: Path, threads: int, streams: int = 1, precision: str = "auto") -> None:
        try:
            openvino = _quiet_openvino()
        except ImportError as error:
            message = "the engine openvino is not installed; use onnxruntime or install what requirements.txt lists"
            raise CheckpointError(message) from error

        path = directory / GRAPH
        core = openvino.Core()
        self.precision = _precision(core, directory, precision)
        options = {
            # In eight bits, of what stays outside the products.
            "INFERENCE_PRECISION_HINT": "bf16" if self.precision != "f32" and _has_bfloat16(core) else "f32",
            # Pinned threads of several workers would meet on the same cores.
            "ENABLE_CPU_PINNING": False,
            "INFERENCE_NUM_THREADS": threads * streams,
        }
        try:
            model = core.read_model(path)
            if self.precision == "int8":
                quantise(model, read_ranges(directory / RANGES))
            # Requests of one stream wait for each other, and a stream has only its own threads.
            self._model = core.compile_model(model, "CPU", options | {"NUM_STREAMS": streams})
            self._wide = core.compile_model(model, "CPU", options | {"NUM_STREAMS": 1}) if streams > 1 else self._model
        except Exception as error:
            message = f"cannot load the serving graph {path}: {type(error).__name__}"
            raise CheckpointError(message) from error
        self._own = threading.local()

    def shares(self, input_ids: np.ndarray, attention_mask: np.ndarray) -> np.ndarray:
        """Run the graph on the threads of one stream; each calling thread has a request of its own."""
        return self._infer("request", self._model, input_ids, attention_mask)

    def shares_alone(self, input_ids: np.ndarray, attention_mask: np.ndarray) -> np.ndarray:
        """Run the graph on the threads of all streams."""
        return self._infer("wide_request", self._wide, input_ids, attention_mask)

    def _infer(self, name: str, model: Any, input_ids: np.ndarray, attention_mask: np.ndarray) -> np.ndarray:
        request = getattr(self._own, name, None)
        if request is None:
            request = model.create_infer_request()
            setattr(self._own, name, request)
        found = request.infer({"input_ids": input_ids, "attention_mask": attention_mask}, share_inputs=True)
        return np.array(found[0], dtype=np.float32)


class TorchEngine:
    """The reference: the ``transformers`` model itself; needs torch."""

    name = "torch"
    precision = "f32"

    def __init__(self, directory: Path, threads: int, streams: int = 1, precision: str = "auto") -> None:
        _only_single(self.name, precision)
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

    shares_alone = shares


ENGINES = {engine.name: engine for engine in (OnnxEngine, OpenVinoEngine, TorchEngine)}


def best_engine(precision: str = AUTO) -> str:
    """The fastest engine for this processor: OpenVINO where it computes in fewer bits than 32, else ONNX Runtime."""
    if precision in ("int8", "bf16"):
        return "openvino"
    if precision == "f32":
        return "onnxruntime"
    try:
        core = _quiet_openvino().Core()
        few_bits = has_eight_bit_dot_products() or _has_bfloat16(core)
    except (ImportError, RuntimeError):
        few_bits = False
    return "openvino" if few_bits else "onnxruntime"


def load_engine(directory: Path, name: str, threads: int, streams: int = 1, precision: str = AUTO) -> Engine:
    """Load an engine by name, or with ``auto`` the best one for this processor.

    ``streams`` runs at once, each on ``threads`` threads. ``precision`` is one of ``PRECISIONS``.

    Raises:
        CheckpointError: the checkpoint has no such engine's files, or they cannot be loaded; or the engine does not
            compute in this precision.
        ValueError: no such engine.
    """
    chosen = best_engine(precision) if name == AUTO else name
    if chosen not in ENGINES:
        message = f"unknown engine {name!r}; choose one of {', '.join((AUTO, *ENGINES))}"
        raise ValueError(message)
    engine = ENGINES[chosen](directory, threads, streams, precision)
    _log.debug("loaded engine %s (%s) with %d threads", chosen, engine.precision, threads)
    return engine
