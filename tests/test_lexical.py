import numpy as np
import pytest
import torch

from model.network import LexicalBranch, pair_rows
from model.tokenizer import MessageTokenizer
from training.examples import UNKNOWN, Example, cuts_of_grade
from training.lexical import fit_lexical, lexical_latents, mix

BUCKETS = 4_099


@pytest.fixture(scope="module")
def tokenizer(tiny_base):
    return MessageTokenizer.load(tiny_base / "tokenizer.json")


def example(number, text, anger):
    return Example(str(number), text, "en", "messages", cuts_of_grade(anger), UNKNOWN)


@pytest.fixture(scope="module")
def branch(tokenizer):
    texts = [("thank you for the help", 0), ("not good at all", 2), ("good morning to all", 0), ("you idiots", 3)]
    examples = [example(i, text, anger) for i, (text, anger) in enumerate(texts * 5)]
    return fit_lexical(examples, tokenizer, tokenizer.vocab_size, BUCKETS)


def test_known_words_and_pairs_order_texts(branch, tokenizer):
    texts = ["you idiots", "not good", "good", "thank you"]
    latents = lexical_latents(branch, texts, tokenizer)[:, 0]
    assert latents[0] > latents[1] > latents[2] > latents[3]


def test_what_is_unknown_or_blank_or_unlabelled_says_nothing(branch, tokenizer):
    seen = tokenizer.encode(["thank you for the help not good at all good morning to all you idiots"])[0].ids
    unseen = np.setdiff1d(np.arange(tokenizer.vocab_size), seen)
    assert (branch.table.weight[torch.from_numpy(unseen)] == 0).all()
    latents = lexical_latents(branch, ["", "you idiots"], tokenizer)
    assert latents[0].tolist() == [0, 0]
    assert latents[1, 1] == pytest.approx(0)


def test_shares_are_values_over_the_root_of_the_vectors_length():
    branch = LexicalBranch(10, 7, 1)
    with torch.no_grad():
        branch.table.weight[4] = torch.tensor([2.0, 3.0])
        branch.table.weight[5] = torch.tensor([-1.0, 5.0])
        branch.table.weight[pair_rows(4, 5, 10, 7)] = torch.tensor([4.0, 8.0])
    ids = torch.tensor([[1, 4, 5, 1]])
    shares = branch(ids, torch.tensor([[0, 1, 1, 0]]))[0, :, 0]
    torch.testing.assert_close(shares, torch.tensor([0.0, 4.0, 1.0, 0.0]) / 2)


def test_padding_changes_nothing(branch, tokenizer):
    ids = torch.from_numpy(tokenizer.encode(["not good at all"])[0].ids)[None]
    padded = torch.nn.functional.pad(ids, (0, 3))
    mask = torch.nn.functional.pad(torch.ones_like(ids), (0, 3))
    alone, beside = branch(ids, torch.ones_like(ids)), branch(padded, mask)
    torch.testing.assert_close(beside[:, : ids.shape[1]], alone)
    assert (beside[:, ids.shape[1] :] == 0).all()


def test_mixing_trusts_what_tells_and_drops_noise():
    rng = np.random.default_rng(0)
    grades = rng.integers(0, 4, 600)
    told = grades + rng.normal(0, 0.8, 600)
    other = grades + rng.normal(0, 0.8, 600)
    noise = rng.normal(0, 1, 600)
    branch = LexicalBranch(5, 7, 2)
    torch.nn.init.ones_(branch.table.weight)
    factors = mix(branch, np.stack([told, told], 1), np.stack([other, noise], 1), [grades, grades])
    assert 0.6 < factors[0] < 1.6
    assert factors[1] < 0.2
    assert branch.table.weight[0].tolist() == pytest.approx([*factors, 1.0])
