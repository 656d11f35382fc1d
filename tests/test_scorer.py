import json
import math
import os
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from conftest import ROOT
from nasty import NASTY

from model.engines import best_engine, load_engine
from model.errors import CheckpointError
from model.scorer import Scorer
from training.export import graph_difference

TEXTS = ["Waar blijft mijn pakket?!", "Bedankt!", "I smell gas in the hallway", "SCHANDALIG!!! " * 40, "ok"]


def test_a_list_in_gives_a_list_out(scorer):
    assert scorer.score([]) == []
    assert len(scorer.score(TEXTS)) == len(TEXTS)


def test_scores_are_the_same_alone_and_in_any_batch(scorer):
    together = scorer.score(TEXTS + list(NASTY.values()))
    for text, expected in zip(TEXTS, together, strict=False):
        (alone,) = scorer.score([text])
        assert alone.anger.score == pytest.approx(expected.anger.score, abs=1e-4)
        assert alone.urgency.score == pytest.approx(expected.urgency.score, abs=1e-4)
        assert alone.windows == expected.windows


@pytest.mark.parametrize("name", sorted(NASTY))
def test_nasty_texts_get_finite_scores(scorer, name):
    (score,) = scorer.score([NASTY[name]], explain=True)
    for dimension in (score.anger, score.urgency):
        assert 0 <= dimension.score <= 1
        assert math.isclose(sum(dimension.grades), 1, abs_tol=1e-9)
        assert math.isfinite(dimension.latent)
    assert all(0 <= w.start < w.end <= len(NASTY[name]) for w in score.explanation)


@pytest.mark.parametrize("text", [*TEXTS, NASTY["long"]])
def test_explanations_sum_to_the_latent(scorer, text):
    (score,) = scorer.score([text], explain=True)
    assert sum(w.anger for w in score.explanation) == pytest.approx(score.anger.latent, abs=1e-4)
    assert sum(w.urgency for w in score.explanation) == pytest.approx(score.urgency.latent, abs=1e-4)


def test_explanations_point_at_words(scorer):
    text = "  Waar is mijn pakket?!"
    (score,) = scorer.score([text], explain=True)
    assert [text[w.start : w.end] for w in score.explanation] == ["Waar", "is", "mijn", "pakket", "?", "!"]


def test_explain_may_differ_by_text(scorer):
    first, second = scorer.score(["one", "two"], explain=[True, False])
    assert first.explanation is not None
    assert second.explanation is None


def test_nothing_to_read_is_no_window_and_no_score(scorer):
    (score,) = scorer.score(["\x00\u200b"])
    assert (score.windows, score.anger.score, score.urgency.score) == (0, 0.0, 0.0)


def test_long_texts_are_read_to_the_end(scorer):
    start = "Dank voor de moeite. " * 300
    (short,), (long,) = scorer.score([start]), scorer.score([start + "RECHERCHE!!! OPLICHTERS!!! " * 20])
    assert long.windows > 1
    assert long.anger.latent != short.anger.latent


def test_levels_come_from_the_checkpoint(scorer, tiny_checkpoint):
    config = json.loads((tiny_checkpoint / "config.json").read_text())
    (score,) = scorer.score(["Waar is het?"])
    assert score.anger.level in config["levels"]["anger"]
    assert score.urgency.level in config["levels"]["urgency"]


def test_graph_and_torch_agree(tiny_checkpoint):
    assert graph_difference(tiny_checkpoint) < 1e-4
    torch = Scorer.load(tiny_checkpoint, engine="torch").score(TEXTS)
    for name, tolerance in (("onnxruntime", 1e-4), ("openvino", 0.02)):
        for a, b in zip(Scorer.load(tiny_checkpoint, engine=name).score(TEXTS), torch, strict=True):
            assert a.anger.score == pytest.approx(b.anger.score, abs=tolerance)


@pytest.mark.parametrize("engine", ["onnxruntime", "openvino"])
def test_several_streams_at_once_give_the_same_scores(tiny_checkpoint, engine):
    scorer = Scorer.load(tiny_checkpoint, engine=engine, streams=2)
    expected = [score.anger.score for score in scorer.score(TEXTS)]
    with ThreadPoolExecutor(4) as pool:
        for scores in pool.map(scorer.score, [TEXTS] * 12):
            assert [score.anger.score for score in scores] == pytest.approx(expected, abs=1e-6)


def test_graph_holds_no_second_copy_of_the_weights(tiny_checkpoint):
    assert (tiny_checkpoint / "model.onnx").stat().st_size < 200_000


def test_latents_are_those_of_the_calibration(scorer):
    raw = scorer.latents(TEXTS)
    calibration = scorer.checkpoint.scoring.calibration["anger"]
    scores = np.array([s.anger.latent for s in scorer.score(TEXTS)])
    np.testing.assert_allclose((raw[:, 0] * calibration.scales).mean(axis=1), scores, atol=1e-9)


@pytest.mark.parametrize("name", ["config.json", "scoring.json", "tokenizer.json", "model.onnx", "model.safetensors"])
@pytest.mark.parametrize("damage", ["missing", "garbage"])
def test_damaged_checkpoints_are_refused_by_name(tiny_checkpoint, tmp_path, name, damage):
    broken = tmp_path / "broken"
    shutil.copytree(tiny_checkpoint, broken)
    if damage == "missing":
        (broken / name).unlink()
    else:
        (broken / name).write_bytes(b"\x00garbage")
    with pytest.raises(CheckpointError, match=r"model\.onnx" if name == "model.safetensors" else name):
        Scorer.load(broken)


def test_missing_checkpoint_says_what_to_do(tmp_path):
    with pytest.raises(CheckpointError, match="make train"):
        Scorer.load(tmp_path / "nowhere")


def test_unknown_engine(tiny_checkpoint):
    with pytest.raises(ValueError, match="onnxruntime"):
        load_engine(tiny_checkpoint, "abacus", 1)


@pytest.mark.parametrize(
    ("capabilities", "dot_products", "expected"),
    [
        (["FP32", "BF16"], False, "openvino"),
        (["FP32"], False, "onnxruntime"),
        (["FP32"], True, "openvino"),
    ],
)
def test_the_engine_follows_the_processor(monkeypatch, capabilities, dot_products, expected):
    openvino = pytest.importorskip("openvino")
    monkeypatch.setattr(openvino.Core, "get_property", lambda *_: capabilities)
    monkeypatch.setattr("model.engines.has_eight_bit_dot_products", lambda: dot_products)
    assert best_engine() == expected


def test_without_openvino_there_is_the_portable_engine(monkeypatch, tiny_checkpoint):
    monkeypatch.setitem(sys.modules, "openvino", None)
    assert load_engine(tiny_checkpoint, "auto", 1).name == "onnxruntime"
    with pytest.raises(CheckpointError, match="not installed"):
        load_engine(tiny_checkpoint, "openvino", 1)


@pytest.mark.parametrize("engine", ["onnxruntime", "openvino"])
def test_loading_reports_nothing_to_anyone(tiny_checkpoint, tmp_path, engine):
    """ONNX Runtime's telemetry would leave a device id in the home directory."""
    code = f"import sys; from model.scorer import Scorer; Scorer.load(sys.argv[1], engine={engine!r}).score(['Hello'])"
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("ORT_", "XDG_"))} | {"HOME": str(tmp_path)}
    subprocess.run([sys.executable, "-c", code, str(tiny_checkpoint)], env=environment, cwd=ROOT, check=True)
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]
