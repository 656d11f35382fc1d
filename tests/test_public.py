"""Readers of public data, on small files of the same form."""

import gzip
import json

import numpy as np
import pytest

from training.examples import cuts_of_grade, cuts_of_intensity, cuts_of_presence, grade_of
from training.parallel import read_parallel
from training.public import read_public


def write(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    opener = gzip.open if path.suffix == ".gz" else open
    with opener(path, "wt", encoding="utf-8") as file:
        file.write(text)


@pytest.fixture
def labelled(tmp_path):
    return tmp_path / "labelled"


def same(found, expected):
    return np.array_equal(np.array(found, float), np.array(expected, float), equal_nan=True)


def test_labels_speak_only_of_what_they_know():
    nan = np.nan
    assert cuts_of_grade(2) == (1, 1, 0)
    assert same(cuts_of_presence(1.0), (1, nan, nan))
    assert same(cuts_of_presence(0.0), (0, nan, nan))
    assert cuts_of_intensity(0.5) == (1, 0.5, 0)
    assert [grade_of(cuts_of_grade(g)) for g in range(4)] == [0, 1, 2, 3]
    assert grade_of(cuts_of_presence(1.0)) is None


def test_goemotions(tmp_path, labelled):
    names = [f"other-{i}" for i in range(28)]
    names[2], names[10], names[15] = "anger", "disapproval", "gratitude"
    write(labelled / "goemotions/original/labels.txt", "\n".join(names))
    write(labelled / "goemotions/original/train.tsv.gz", "You idiot\t2\ta\nThanks!\t15\tb\nNot so\t10\tc\n")
    angry, thankful, disapproving = read_public(tmp_path, ("goemotions",))
    assert angry.anger[0] == 1
    assert thankful.anger[0] == 0
    assert thankful.emotions["joy"] == 1
    assert np.isnan(disapproving.anger).all(), "disapproval is not 'no anger'"


def test_brighter_takes_the_intensity_where_there_is_one(tmp_path, labelled):
    header = "id,text,anger,disgust,fear,joy,sadness,surprise\n"
    codes = ["afr", "arq", "ary", "deu", "eng", "esp", "hin", "ptbr", "ptmz", "ron", "rus", "swe", "ukr"]
    for code in codes:
        write(labelled / f"brighter/track_a/train/{code}.csv.gz", header)
    rows = 'd1,"Wut, ja",1,0,0,0,0,0\nd2,Ruhe,0,0,0,1,0,0\nd3,Nur ja,1,0,0,0,0,0\n'
    write(labelled / "brighter/track_a/train/deu.csv.gz", header + rows)
    soft = "lang\tsplit\tid\ttext\tanger_binary\tintensity_trackB\tmean\tn\ndeu\ttrain\td1\tWut, ja\t1\t3\t1\t5\n"
    write(labelled / "brighter/derived/anger_soft.tsv.gz", soft)
    graded, calm, yes = read_public(tmp_path, ("brighter",))
    assert graded.anger == (1, 1, 1)
    assert same(calm.anger, (0, np.nan, np.nan))
    assert same(yes.anger, (1, np.nan, np.nan))
    assert {e.language for e in (graded, calm, yes)} == {"de"}


def test_redv2_and_cedr(tmp_path, labelled):
    row = {"text_id": 1, "text": "x", "procentual_labels": [0, 0, 0, 0.66, 0, 0.33, 0]}
    write(labelled / "redv2_ro/train.json.gz", json.dumps([row]))
    write(
        labelled / "cedr_ru/cedr-main-train.csv.gz", "text,labels,source\nzlo,[1 4],lj\ngrust,[1],lj\nnichego,[],lj\n"
    )
    (romanian,) = read_public(tmp_path, ("redv2_ro",))
    assert romanian.anger[0] == 0.66
    both, sad, none = read_public(tmp_path, ("cedr_ru",))
    assert both.anger[0] == 1
    assert np.isnan(sad.anger).all()
    assert same(none.anger, (0, np.nan, np.nan))


def test_mooc_urgency_ascends(tmp_path, labelled):
    rows = "".join(f"{i},1,post {i},{i}\n" for i in range(1, 8))
    write(labelled / "mooc_urgency/train.csv.gz", "id,post_time,post_text,Urgency_1_7\n" + rows)
    shares = [e.urgency[0] for e in read_public(tmp_path, ("mooc_urgency",))]
    assert shares == sorted(shares)
    assert (shares[0], shares[-1]) == (0, 1)


def test_sets_that_may_not_shape_weights_are_refused(tmp_path):
    with pytest.raises(KeyError, match="emoevent"):
        read_public(tmp_path, ("emoevent",))


def test_parallel_reader_checks_its_columns(tmp_path):
    path = tmp_path / "nl.tsv.gz"
    write(path, f'en\ttext\tsource\nHi "you\tHoi\ttatoeba\n{"x" * 500}\tlang\ttatoeba\n')
    pairs = read_parallel(path, "nl")
    assert (pairs.english, pairs.translated) == (['Hi "you'], ["Hoi"])
    write(path, "a\tb\n")
    with pytest.raises(ValueError, match="columns"):
        read_parallel(path, "nl")
