"""Write a serving graph beside the safetensors, sharing its weights instead of repeating them."""

from __future__ import annotations

import json
import struct
import tempfile
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import onnx
import torch
from onnx import TensorProto, helper, numpy_helper

from model.engines import GRAPH, load_engine

if TYPE_CHECKING:
    from model.network import KalmForScoring

WEIGHTS = "model.safetensors"
_OPSET = 18
_SMALL = 1024


class _Shares(torch.nn.Module):
    def __init__(self, model: KalmForScoring) -> None:
        super().__init__()
        self.model = model

    def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> torch.Tensor:
        return self.model(input_ids=input_ids, attention_mask=attention_mask).shares


@dataclass(frozen=True, slots=True)
class _Stored:
    name: str
    offset: int
    length: int
    shape: tuple[int, ...]
    values: np.ndarray


def export_graph(directory: Path) -> Path:
    """Write ``model.onnx`` for the checkpoint in ``directory``.

    Every large weight of the graph that is also in ``model.safetensors`` (as it is or transposed)
    becomes external data at its place in that file, so the weights exist once on disk.

    Raises:
        ValueError: a large weight of the graph is not in ``model.safetensors``.
    """
    from model.network import KalmForScoring

    model = KalmForScoring.from_pretrained(directory, dtype=torch.float32, attn_implementation="eager").eval()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / GRAPH
        ids = torch.ones((2, 16), dtype=torch.long)
        mask = torch.ones_like(ids)
        mask[1, 10:] = 0
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            torch.onnx.export(
                _Shares(model),
                (ids, mask),
                str(path),
                input_names=["input_ids", "attention_mask"],
                output_names=["shares"],
                dynamic_axes={
                    "input_ids": {0: "batch", 1: "length"},
                    "attention_mask": {0: "batch", 1: "length"},
                    "shares": {0: "batch", 1: "length"},
                },
                opset_version=_OPSET,
                dynamo=False,
            )
        graph = onnx.load(str(path))
    _share_weights(graph, _stored_weights(directory / WEIGHTS))
    target = directory / GRAPH
    target.write_bytes(graph.SerializeToString())
    return target


def graph_difference(directory: Path, *, batches: int = 8, seed: int = 0) -> float:
    """Largest difference of any token share between the serving graph and torch, on random tokens."""
    graph, reference = load_engine(directory, "onnxruntime", 1), load_engine(directory, "torch", 1)
    vocab = json.loads((directory / "config.json").read_text(encoding="utf-8"))["encoder"]["vocab_size"]
    rng = np.random.default_rng(seed)
    worst = 0.0
    for _ in range(batches):
        ids = rng.integers(5, vocab, size=(4, int(rng.integers(4, 60))))
        mask = np.ones_like(ids)
        mask[0, ids.shape[1] // 2 :] = 0
        worst = max(worst, float(np.abs(graph.shares(ids, mask) - reference.shares(ids, mask)).max()))
    return worst


def _stored_weights(path: Path) -> list[_Stored]:
    with path.open("rb") as file:
        (size,) = struct.unpack("<Q", file.read(8))
        header = json.loads(file.read(size))
        data = np.memmap(path, mode="r", offset=8 + size)
    stored = []
    for name, entry in header.items():
        if name == "__metadata__":
            continue
        begin, end = entry["data_offsets"]
        values = np.frombuffer(data[begin:end].tobytes(), dtype=_DTYPES[entry["dtype"]])
        stored.append(
            _Stored(name, 8 + size + begin, end - begin, tuple(entry["shape"]), values.reshape(entry["shape"]))
        )
    return stored


_DTYPES = {"F16": np.float16, "F32": np.float32}
_ONNX_TYPES = {np.dtype(np.float16): TensorProto.FLOAT16, np.dtype(np.float32): TensorProto.FLOAT}


def _share_weights(model: onnx.ModelProto, stored: list[_Stored]) -> None:
    graph = model.graph
    nodes = []
    kept = []
    for tensor in graph.initializer:
        values = numpy_helper.to_array(tensor)
        if values.size < _SMALL or values.dtype != np.float32:
            kept.append(tensor)
            continue
        match, transposed = _find(values, stored)
        kept.append(_external(match, f"{tensor.name}_stored"))
        nodes += _restore(tensor.name, match, transposed)
    del graph.initializer[:]
    graph.initializer.extend(kept)
    for node in reversed(nodes):
        graph.node.insert(0, node)


def _find(values: np.ndarray, stored: list[_Stored]) -> tuple[_Stored, bool]:
    for item in stored:
        for transposed in (False, True):
            candidate = item.values.T if transposed else item.values
            if candidate.shape == values.shape and np.array_equal(candidate.astype(np.float32), values):
                return item, transposed and values.ndim > 1
    message = f"a weight of shape {values.shape} in the serving graph is not in {WEIGHTS}"
    raise ValueError(message)


def _external(item: _Stored, name: str) -> TensorProto:
    tensor = TensorProto(name=name, data_type=_ONNX_TYPES[item.values.dtype], dims=item.shape)
    tensor.data_location = TensorProto.EXTERNAL
    for key, value in (("location", WEIGHTS), ("offset", item.offset), ("length", item.length)):
        tensor.external_data.add(key=key, value=str(value))
    return tensor


def _restore(name: str, item: _Stored, transposed: bool) -> list[onnx.NodeProto]:
    """Nodes that ONNX Runtime folds away at load: half to single precision, and the transpose."""
    steps = [("Cast", {"to": TensorProto.FLOAT})] if item.values.dtype == np.float16 else []
    steps += [("Transpose", {})] if transposed else []
    if not steps:
        steps = [("Identity", {})]
    nodes, current = [], f"{name}_stored"
    for number, (kind, attributes) in enumerate(steps):
        output = name if number == len(steps) - 1 else f"{name}_{kind.lower()}"
        nodes.append(helper.make_node(kind, [current], [output], **attributes))
        current = output
    return nodes
