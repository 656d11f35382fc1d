"""Eight bits: ranges from calibration, weights while loading, and when they are not used."""

import json
import shutil

import numpy as np
import pytest
from click.testing import CliRunner

from model.cores import has_eight_bit_dot_products
from model.engines import best_engine, load_engine
from model.errors import CheckpointError
from model.quantisation import RANGES, _smoothing, _whole_numbers, read_ranges
from model.scorer import Scorer
from training import quantise as quantise_module
from training.__main__ import main

TEXTS = [
    "Waar blijft mijn pakket?!",
    "Thank you, all is well.",
    "THIS IS A DISGRACE!!!",
    "ok",
    "een twee drie vier",
] * 4


@pytest.fixture
def checkpoint(tiny_checkpoint, tmp_path):
    return shutil.copytree(tiny_checkpoint, tmp_path / "tiny")


@pytest.fixture
def all_products(monkeypatch):
    """A tiny network's products are too small to be worth it otherwise."""
    monkeypatch.setattr("model.quantisation._LEAST_WEIGHTS", 100)
    # A tiny network of a few steps has scores that move far.
    monkeypatch.setattr(quantise_module, "MEAN_LIMIT", 0.1)
    monkeypatch.setattr(quantise_module, "MAX_LIMIT", 0.2)


def test_scores_in_eight_bits_are_near(checkpoint, all_products):
    difference = quantise_module.write_ranges(checkpoint, TEXTS)
    assert 0 < difference["mean"] < difference["max"] < 0.2
    assert read_ranges(checkpoint / RANGES)
    single, eight = (Scorer.load(checkpoint, engine="openvino", precision=name) for name in ("f32", "int8"))
    assert (single.engine.precision, eight.engine.precision) == ("f32", "int8")
    text = TEXTS[0]
    one, two = (scorer.score([text], explain=True)[0] for scorer in (single, eight))
    assert one.anger.latent != two.anger.latent
    assert sum(word.anger for word in two.explanation) == pytest.approx(two.anger.latent, abs=1e-6)


def test_ranges_that_move_scores_too_far_are_not_kept(checkpoint, all_products, monkeypatch):
    monkeypatch.setattr(quantise_module, "MAX_LIMIT", 0.0)
    assert quantise_module.write_ranges(checkpoint, TEXTS)["max"] > 0
    assert not (checkpoint / RANGES).exists()


def test_the_product_that_moves_scores_most_is_left_out(checkpoint, all_products, monkeypatch):
    found = quantise_module.write_ranges(checkpoint, TEXTS)
    assert found["left_out"] == []
    monkeypatch.setattr(quantise_module, "MAX_LIMIT", found["max"] * 1.05)
    less = quantise_module.write_ranges(checkpoint, TEXTS)
    assert 1 <= len(less["left_out"]) <= 4
    assert less["mean"] < found["mean"]


def test_ranges_of_another_graph_are_refused(checkpoint, all_products):
    np.savez(checkpoint / RANGES, other=np.zeros((2, 3), np.float32))
    with pytest.raises(CheckpointError, match="cannot load"):
        load_engine(checkpoint, "openvino", 1, precision="int8")


def test_eight_bits_without_ranges_say_what_to_do(checkpoint):
    (checkpoint / RANGES).unlink(missing_ok=True)
    with pytest.raises(CheckpointError, match="training quantise"):
        load_engine(checkpoint, "openvino", 1, precision="int8")
    assert load_engine(checkpoint, "openvino", 1).precision != "int8"


@pytest.mark.parametrize("engine", ["onnxruntime", "torch"])
def test_other_engines_compute_in_single_precision(checkpoint, engine):
    assert load_engine(checkpoint, engine, 1, precision="f32").precision == "f32"
    with pytest.raises(CheckpointError, match="needs the engine openvino"):
        load_engine(checkpoint, engine, 1, precision="int8")


def test_the_engine_follows_the_precision():
    assert best_engine("int8") == "openvino"
    assert best_engine("f32") == "onnxruntime"


def test_processors(tmp_path):
    info = tmp_path / "cpuinfo"
    info.write_text("processor: 0\nflags\t\t: fpu avx2 avx512_vnni sse\n")
    assert has_eight_bit_dot_products(info)
    info.write_text("processor: 0\nflags\t\t: fpu avx2 avx512f\n")
    assert not has_eight_bit_dot_products(info)
    info.write_text("Features: asimddp")
    assert not has_eight_bit_dot_products(info)
    assert not has_eight_bit_dot_products(tmp_path / "none")


def test_weights_are_rounded_by_output():
    weights = np.array([[1.0, -200.0], [-0.5, 100.0]], np.float32)
    whole, scale = _whole_numbers(weights)
    assert whole.tolist() == [[127, -127], [-64, 64]]
    assert np.abs(whole * scale - weights).max() <= scale.max() / 2


def test_smoothing_evens_out_the_channels():
    bounds = np.array([[-1.0, -100.0], [2.0, 50.0]])
    smoothing, low, high = _smoothing([np.array([[0.5], [0.5]])], bounds)
    largest = np.abs(bounds).max(axis=0) / smoothing
    assert largest.max() / largest.min() < 2, "50 before"
    assert low < 0 < high


def test_the_command(checkpoint, tiny_data):
    result = CliRunner().invoke(main, ["quantise", "--checkpoint", str(checkpoint), "--data", str(tiny_data)])
    assert result.exit_code == 0, result.output
    assert set(json.loads(result.output)) == {"mean", "max", "left_out", "kept"}
