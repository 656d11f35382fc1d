from collections import Counter

import pytest
from conftest import ROOT

from model.scorer import DimensionScore, Score
from training.behaviour import _DEMANDS, CASES, Pair, made_cases, read_cases, render_behaviour, run_bias, run_pairs
from training.corpus import Message


class CountingScorer:
    """Anger is the share of letters 'a', urgency of 'u': behaviour that can be worked out by hand."""

    def score(self, texts, **_):
        def dimension(text, letter):
            return DimensionScore(text.count(letter) / max(len(text), 1), "", (1.0, 0.0, 0.0, 0.0), 0.0)

        return [Score(dimension(text, "a"), dimension(text, "u"), 1) for text in texts]


def test_pass_rates_are_counted_by_capability_and_language():
    pairs = [
        Pair("insult_added", "nl", "xx", "xa"),
        Pair("insult_added", "nl", "xx", "xx"),
        Pair("insult_added", "en", "xx", "aa"),
        Pair("danger_added", "en", "xxxx", "uuxx"),
        Pair("danger_added", "en", "xxxx", "uuaa"),
        Pair("swapped", "en", "xx", "xx"),
    ]
    result = run_pairs(CountingScorer(), pairs)
    assert result["capabilities"]["insult_added"] == {"all": pytest.approx(2 / 3), "en": 1.0, "nl": 0.5}
    assert result["capabilities"]["danger_added"]["en"] == 0.5
    assert result["overall"] == pytest.approx(4 / 6)


def test_bias_is_the_move_from_the_mean():
    row = {"capability": "bias", "group": "gender", "template": "x{x}", "fill": ["a", "x"], "language": "en"}
    result = run_bias(CountingScorer(), [row])
    assert result["gender"] == {"mean": 0.25, "largest": 0.25, "texts": 2}
    assert "gender" in render_behaviour(
        {"behaviour": run_pairs(CountingScorer(), [Pair("swapped", "en", "a", "a")]), "bias": result}
    )


def test_cases_are_made_from_dev_messages():
    dev = [Message(f"fr-{i}", "Où est mon colis égaré numéro", "fr", 2, 1) for i in range(5)]
    made = made_cases(dev, [{"capability": "signature", "language": "fr", "text": "Cordialement"}])
    assert Counter(p.capability for p in made) == dict.fromkeys(
        ("typing_errors", "missing_diacritics", "signature", "capitals"), 5
    )
    assert made == made_cases(dev, [{"capability": "signature", "language": "fr", "text": "Cordialement"}])


def test_written_cases_are_complete_in_every_language():
    pairs, others = read_cases()
    languages = {path.stem for path in (ROOT / "training/data/messages").glob("*.jsonl")}
    assert {path.stem for path in CASES.glob("*.jsonl")} == languages
    for language in languages:
        counts = Counter(p.capability for p in pairs if p.language == language)
        assert set(counts) == set(_DEMANDS) - {"signature", "capitals", "typing_errors", "missing_diacritics"}
        assert min(counts.values()) >= 6
        groups = Counter(o["group"] for o in others if o["language"] == language and o["capability"] == "bias")
        assert set(groups) == {"gender", "origin", "religion", "disability"}
    assert all("{x}" in o["template"] and len(o["fill"]) >= 3 for o in others if o["capability"] == "bias")


def test_written_cases_are_not_trained_on(messages):
    texts = {m.text for m in messages}
    pairs, _ = read_cases()
    assert pairs
    assert not texts & {text for p in pairs for text in (p.before, p.after)}
