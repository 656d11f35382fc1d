import numpy as np
import pytest

from model.errors import CheckpointError
from model.lexical import LEXICAL, LexicalBranch, occurrence_weights, pair_rows, word_hash, word_rows
from model.text import normalise
from training.examples import UNKNOWN, Example, cuts_of_grade
from training.lexical import fit_lexical, lexical_latents, mix

ROWS = 16_384


def example(number, text, anger):
    return Example(str(number), text, "en", "messages", cuts_of_grade(anger), UNKNOWN)


@pytest.fixture(scope="module")
def branch():
    texts = [("thank you for the help", 0), ("not good at all", 2), ("good morning to all", 0), ("you idiots", 3)]
    examples = [example(i, text, anger) for i, (text, anger) in enumerate(texts * 5)]
    return fit_lexical(examples, ROWS)


def test_known_words_and_pairs_order_texts(branch):
    latents = lexical_latents(branch, ["you idiots", "not good", "good", "thank you"])[:, 0].mean(axis=1)
    assert latents[0] > latents[1] > latents[2] > latents[3]


def test_an_unseen_form_of_a_word_leans_the_same_way(branch):
    latents = lexical_latents(branch, ["idiotic", "helpful"])[:, 0].mean(axis=1)
    assert latents[0] > latents[1]


def test_each_cut_has_weights_of_its_own(branch):
    one, two, three = lexical_latents(branch, ["not good at all"])[0, 0]
    assert one > three
    assert two > three


def test_what_is_blank_or_unlabelled_says_nothing(branch):
    latents = lexical_latents(branch, ["", "you idiots"])
    assert latents.shape == (2, 2, 3)
    assert (latents[0] == 0).all()
    assert latents[1, 1] == pytest.approx(0)


def test_shares_are_sums_of_values_over_the_norm():
    table = np.zeros((ROWS, 2), dtype=np.int8)
    table[word_rows("a", ROWS)] = [1, 1]
    hashes = np.array([word_hash("a"), word_hash("b")], dtype=np.uint64)
    table[pair_rows(hashes, ROWS)] = [4, 10]
    shares = LexicalBranch(table, np.array([1.0, 1.0]), (1, 1), 0.5).shares(normalise("a b"))[:, 0, 0]
    # " a " has six n-grams, and its space is twice in " b ", too; half of the pair's 4 goes to either.
    assert shares == pytest.approx(np.array([6 + 2, 2 + 2]) / np.sqrt(6 + 2 + 10))


def test_occurrences_of_one_word_weigh_one_and_its_logarithm():
    assert occurrence_weights(["a", "b"]).tolist() == [1, 1]
    weights = occurrence_weights(["a", "b", "a"])
    assert weights == pytest.approx([(1 + np.log(2)) / 2, 1, (1 + np.log(2)) / 2])


def test_written_and_read_again_it_is_the_same(branch, tmp_path):
    assert LexicalBranch.read(tmp_path) is None
    branch.write(tmp_path)
    text = normalise("not good, you idiots")
    np.testing.assert_array_equal(LexicalBranch.read(tmp_path).shares(text), branch.shares(text))
    (tmp_path / LEXICAL).write_bytes((tmp_path / LEXICAL).read_bytes()[:200])
    with pytest.raises(CheckpointError, match="damaged"):
        LexicalBranch.read(tmp_path)


@pytest.mark.parametrize("text", ["x" * 20_000, "\ud800 \x00", "漢字" * 500, "!" * 300 + " " + "😡" * 50])
def test_any_text_has_one_share_a_segment(branch, text):
    found = normalise(text)
    shares = branch.shares(found)
    assert shares.shape == (len(found.segments), 2, 3)
    assert np.isfinite(shares).all()


def test_mixing_trusts_what_tells_and_drops_noise():
    rng = np.random.default_rng(0)
    grades = rng.integers(0, 4, 600)
    told, other = (np.repeat((grades + rng.normal(0, 0.8, 600))[:, None], 3, axis=1) for _ in range(2))
    noise = rng.normal(0, 1, (600, 3))
    branch = LexicalBranch(np.zeros((7, 7), dtype=np.int8), np.ones(7), (2, 3), 0.5)
    factors = mix(branch, np.stack([told, told], 1), np.stack([other, noise], 1), [grades, grades])
    assert (factors[0] > 0.5).all()
    assert (factors[0] < 1.7).all()
    assert (factors[1] < 0.3).all()
    assert branch.steps == pytest.approx([*factors.ravel(), 1.0])
