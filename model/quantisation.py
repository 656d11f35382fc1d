"""The serving graph in eight bits: weights by output, inputs by the ranges that calibration saw.

Outlying inputs are first divided out by channel and multiplied into the weights (SmoothQuant, Xiao et al. 2023), so
that one range serves all channels. Only products with stored weights are computed in eight bits; the rest stays as
it is. The ranges are a file of their own beside the graph, which holds no weights: they are quantised while loading.
"""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

RANGES = "quantisation.npz"
# Share of the outliers that goes into the weights.
_ALPHA = 0.85
_LEAST_WEIGHTS = 10_000
_LEVELS = 256
_LARGEST = 127


def read_ranges(path: Path) -> dict[str, np.ndarray]:
    """By name of a product, the lowest and highest value of each input channel, ``(2, channels)``."""
    with np.load(path, allow_pickle=False) as stored:
        return {name: stored[name] for name in stored.files}


def stored_products(model: Any) -> list[tuple[Any, np.ndarray]]:
    """The products with large stored weights of an OpenVINO model, each with its weights ``(inputs, outputs)``."""
    found = []
    for node in model.get_ordered_ops():
        if node.get_type_name() == "MatMul":
            weights = _constant(node.input_value(1).get_node())
            if weights is not None and weights.ndim == 2 and weights.size >= _LEAST_WEIGHTS:
                found.append((node, weights))
    return found


def _constant(node: Any) -> np.ndarray | None:
    """The value of a constant that is widened or transposed on its way; None where an input of the graph takes part."""
    kind = node.get_type_name()
    if kind == "Constant":
        return np.asarray(node.data)
    if kind == "Convert":
        value = _constant(node.input_value(0).get_node())
        return None if value is None else value.astype(np.float32)
    if kind == "Transpose":
        value = _constant(node.input_value(0).get_node())
        order = _constant(node.input_value(1).get_node())
        return None if value is None or order is None else value.transpose(order)
    return None


def quantise(model: Any, ranges: Mapping[str, np.ndarray]) -> None:
    """Rewrite an OpenVINO model in place.

    Args:
        model: as read from the serving graph.
        ranges: as :func:`read_ranges` gives.

    Products without ranges stay as they are.

    Raises:
        KeyError: there are ranges of a product that the model does not have: they are of another graph.
    """
    from openvino import opset13 as ops

    by_input: dict[tuple[str, int], list[tuple[Any, np.ndarray]]] = defaultdict(list)
    products = {node.get_friendly_name(): (node, weights) for node, weights in stored_products(model)}
    for name in ranges:
        node, weights = products[name]
        source = node.input_value(0)
        by_input[source.get_node().get_friendly_name(), source.get_index()].append((node, weights))
    for sharing in by_input.values():
        first = sharing[0][0]
        smoothing, low, high = _smoothing([weights for _, weights in sharing], ranges[first.get_friendly_name()])
        smoothed = ops.multiply(first.input_value(0), ops.constant((1 / smoothing).astype(np.float32)))
        values = ops.fake_quantize(
            smoothed, *(ops.constant(np.float32(bound)) for bound in (low, high, low, high)), _LEVELS
        )
        for node, weights in sharing:
            whole, scale = _whole_numbers(weights * smoothing[:, None])
            restored = ops.multiply(ops.convert(ops.constant(whole), "f32"), ops.constant(scale))
            node.input(0).replace_source_output(values.output(0))
            node.input(1).replace_source_output(restored.output(0))
    model.validate_nodes_and_infer_types()


def _smoothing(weights: list[np.ndarray], bounds: np.ndarray) -> tuple[np.ndarray, float, float]:
    """What to divide each input channel by, and the range of all channels after that."""
    largest = np.maximum(np.abs(bounds).max(axis=0), 1e-5)
    heaviest = np.maximum(np.max([np.abs(item).max(axis=1) for item in weights], axis=0), 1e-5)
    smoothing = largest**_ALPHA / heaviest ** (1 - _ALPHA)
    low, high = (bounds / smoothing).min(), (bounds / smoothing).max()
    return smoothing, float(min(low, -1e-5)), float(max(high, 1e-5))


def _whole_numbers(weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Weights as int8 with one scale for each output."""
    scale = np.maximum(np.abs(weights).max(axis=0, keepdims=True), 1e-8) / _LARGEST
    return np.round(weights / scale).astype(np.int8), scale.astype(np.float32)


class RangeRecorder:
    """Runs a model on calibration texts and keeps the range of each input channel of each product.

    Args:
        core: an OpenVINO core.
        path: the serving graph.
    """

    def __init__(self, core: Any, path: Path) -> None:
        from openvino import opset13 as ops

        model = core.read_model(path)
        names, sources = [], []
        for node, _ in stored_products(model):
            names.append(node.get_friendly_name())
            sources.append(node.input_value(0))
        results = [ops.result(source) for source in sources]
        model.add_results(results)
        self._names = names
        self._outputs = range(len(model.outputs) - len(names), len(model.outputs))
        self._compiled = core.compile_model(model, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
        self.ranges: dict[str, np.ndarray] = {}

    def see(self, input_ids: np.ndarray, attention_mask: np.ndarray) -> None:
        """Run a batch, ids and mask ``(batch, length)``; padding is not looked at."""
        found = self._compiled({"input_ids": input_ids, "attention_mask": attention_mask})
        real = attention_mask.astype(bool)
        for name, place in zip(self._names, self._outputs, strict=True):
            values = found[place][real]
            bounds = np.stack([values.min(axis=0), values.max(axis=0)])
            old = self.ranges.get(name)
            if old is not None:
                bounds = np.stack([np.minimum(old[0], bounds[0]), np.maximum(old[1], bounds[1])])
            self.ranges[name] = bounds.astype(np.float32)
