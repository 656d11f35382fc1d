"""The shipped checkpoint: whole, described by its card, and better than the baselines."""

import json
import re

import pytest
from conftest import ROOT

from model.checkpoint import DEFAULT_CHECKPOINT
from model.scorer import Scorer
from training.card import overall_table
from training.corpus import MESSAGES, read_split, sha256_of
from training.export import graph_difference
from training.finish import weights_version


@pytest.fixture(scope="module")
def shipped():
    return Scorer.load(DEFAULT_CHECKPOINT)


@pytest.fixture(scope="module")
def metrics():
    return json.loads((DEFAULT_CHECKPOINT / "metrics.json").read_text())


def test_weights_are_those_of_the_version(shipped, metrics):
    assert shipped.version == weights_version(DEFAULT_CHECKPOINT) == metrics["version"]


def test_size_in_git():
    assert sum(file.stat().st_size for file in DEFAULT_CHECKPOINT.iterdir()) <= 60 * 2**20


def test_it_was_trained_on_the_messages_in_this_repository():
    record = json.loads((DEFAULT_CHECKPOINT / "training.json").read_text())
    assert record["data_sha256"] == sha256_of(MESSAGES.glob("*.jsonl"))


def test_graph_is_as_far_from_torch_as_the_card_says():
    stated = json.loads((DEFAULT_CHECKPOINT / "metrics.json").read_text())["graph_difference"]["largest"]
    assert stated < 0.05, "of a score; the engine may compute in eight bits"
    assert graph_difference(DEFAULT_CHECKPOINT, batches=3) < 1e-3, "of a token's share in a raw latent"


def test_reported_figures_are_true(shipped, metrics, messages):
    """Measured again on the dev part: the report is of these weights and these messages."""
    from training.evaluate import score_grades
    from training.metrics import grade_metrics

    dev = [m for m in messages if m.id in read_split()]
    scored = score_grades(shipped, dev)
    for name in ("anger", "urgency"):
        import numpy as np

        again = grade_metrics(scored[name], np.array([getattr(m, name) for m in dev]))
        for figure, value in again.items():
            assert value == pytest.approx(metrics["figures"]["kalm-mini"][name]["all"][figure], abs=2e-3)


def test_its_grades_beat_both_baselines(metrics):
    for name in ("anger", "urgency"):
        mine = metrics["figures"]["kalm-mini"][name]["all"]
        for baseline in ("tf-idf", "keywords"):
            other = metrics["figures"][baseline][name]["all"]
            assert all(mine[figure] > other[figure] for figure in ("qwk", "pearson", "auc", "ap"))


def test_readme_and_card_show_the_reported_figures(metrics):
    table = overall_table(metrics)
    readme = re.search(r"<!-- figures -->\n(.*?)\n<!-- /figures -->", (ROOT / "README.md").read_text(), re.DOTALL)
    assert readme is not None
    assert readme[1] == table
    assert table in (DEFAULT_CHECKPOINT / "README.md").read_text()


@pytest.mark.parametrize(
    ("calm", "angry"),
    [
        ("Bedankt voor de snelle hulp!", "Wat een stelletje oplichters, geef mijn geld terug!"),
        ("Thank you, it arrived today.", "You useless idiots, this is a disgrace!"),
        ("شكراً جزيلاً على المساعدة", "أنتم نصابون وحرامية، خدمة زفت!"),
        ("बहुत धन्यवाद, सामान मिल गया", "तुम लोग चोर हो, घटिया सर्विस, शर्म करो!"),
    ],
)
def test_plain_cases_in_four_scripts(shipped, calm, angry):
    low, high = shipped.score([calm, angry])
    assert low.anger.score < 0.3
    assert high.anger.score > 0.5


@pytest.mark.parametrize(
    "text",
    [
        "Ik ruik gas in het trappenhuis, wat moet ik doen?",
        "There is smoke coming out of the socket right now",
        "أشم رائحة غاز في الشقة الآن، ماذا أفعل؟",
        "घर में गैस की बदबू आ रही है, क्या करूँ?",
    ],
)
def test_danger_is_urgent_without_anger(shipped, text):
    (score,) = shipped.score([text])
    assert score.urgency.score > 0.6
    assert score.anger.score < 0.4
