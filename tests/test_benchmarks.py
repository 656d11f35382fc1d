"""Measurements on public sets, on small files of the same form."""

import gzip
import json

import numpy as np
import pytest
from click.testing import CliRunner

from model.checkpoint import Checkpoint
from training.__main__ import main
from training.benchmarks import EmotionHeads
from training.examples import EMOTIONS
from training.public import BRIGHTER


def write(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(gzip.compress(text.encode()))


@pytest.fixture
def data_dir(tmp_path):
    root = tmp_path / "labelled"
    write(root / "brighter/derived/anger_soft.tsv.gz", "lang\tsplit\ttext\n")
    for code in BRIGHTER:
        names = [name for name in EMOTIONS if code != "eng" or name != "disgust"]
        rows = [f"{i},text {i} of {code}," + ",".join(str((i + j) % 2) for j in range(len(names))) for i in range(6)]
        write(root / f"brighter/track_a/dev/{code}.csv.gz", f"id,text,{','.join(names)}\n" + "\n".join(rows) + "\n")
    lines = [f"Regel {i},{('anger', 'neutral')[i % 2]},,,,,\n" for i in range(8)]
    write(root / "nl_tv_emotions/train.csv.gz", "Corrected Sentence,main_emotion,,,,,\n" + "".join(lines))
    for language in ("en", "es"):
        tweets = "".join(f'{i}\tx\t"quoted {i}\tNO\t{("anger", "others")[i % 2]}\n' for i in range(4))
        write(root / f"emoevent/splits/{language}/test.tsv.gz", "id\tevent\ttweet\toffensive\temotion\n" + tweets)
    tones = "".join(f'{i},"نص {i}, آخر",{("anger", "none")[i % 2]}\n' for i in range(4))
    write(root / "emotional_tone_ar/Emotional-Tone-Dataset.csv.gz", "ID, TWEET, LABEL\n" + tones)
    return tmp_path


def test_all_sets_are_measured_and_reported(tiny_checkpoint, data_dir, tmp_path):
    report = tmp_path / "report"
    command = ["benchmarks", "--checkpoint", str(tiny_checkpoint), "--data-dir", str(data_dir), "--report", str(report)]
    done = CliRunner().invoke(main, command, catch_exceptions=False)
    assert done.exit_code == 0
    result = json.loads((report / "benchmarks.json").read_text())
    assert set(BRIGHTER) < set(result["brighter"])
    figures = [value for code in BRIGHTER for value in result["brighter"][code].values()]
    assert all(0 <= value <= 1 for value in [*figures, *result["nl_tv"].values(), *result["anger_auc"].values()])
    assert set(result["brighter"]["thresholds"]) == set(EMOTIONS)
    assert "| swe |" in done.output


def test_emotion_heads_do_not_depend_on_the_company_in_a_batch(tiny_checkpoint):
    texts = ["Wat een dag", "x" * 300, ""]
    heads = EmotionHeads(Checkpoint.read(tiny_checkpoint))
    together = heads.probabilities(texts)
    alone = np.concatenate([heads.probabilities([text]) for text in texts])
    assert together.shape == (3, len(EMOTIONS))
    np.testing.assert_allclose(together, alone, atol=1e-4)
