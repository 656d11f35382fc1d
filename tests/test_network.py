import pytest
import torch
from transformers import AutoModel, BertConfig, DistilBertConfig, ModernBertConfig, XLMRobertaConfig

from model.losses import LOSSES, masked_bce, ordinal_loss
from model.network import KalmConfig, KalmForScoring, inner_tokens

SMALL = {"vocab_size": 50, "hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 32}


@pytest.fixture(params=["mean", "gate"])
def model(request):
    torch.manual_seed(0)
    config = KalmConfig(encoder=BertConfig(**SMALL).to_dict(), emotions=("anger", "joy"), pooling=request.param)
    return KalmForScoring(config).eval()


def test_unknown_pooling_is_refused():
    with pytest.raises(ValueError, match="mean, gate"):
        KalmConfig(pooling="max")


def test_shifting_latents_changes_no_logit(model):
    before = model(**batch())
    amounts = torch.tensor([[1.5, -0.5, 0.1], [2.0, 0.0, -3.0]])
    model.shift_latents(amounts)
    after = model(**batch())
    torch.testing.assert_close(after.logits, before.logits)
    torch.testing.assert_close(after.latents, before.latents - amounts)


def test_gates_start_alike_and_weigh_the_tokens_once_learned(model):
    if model.token_gate is None:
        pytest.skip("mean pooling has no gate")
    weights = model.token_weights(torch.randn(1, 5, 16), torch.tensor([[0, 1, 1, 1, 0]]))
    torch.testing.assert_close(weights[0, 1:4], torch.full((3, 6), 1 / 3))
    with torch.no_grad():
        model.token_gate.weight.normal_(0, 3)
    weights = model.token_weights(torch.randn(1, 5, 16), torch.tensor([[0, 1, 1, 1, 0]]))
    torch.testing.assert_close(weights.sum(1), torch.ones(1, 6))
    assert (weights[:, [0, 4]] == 0).all()
    assert weights.max() > 0.5


def batch():
    ids = torch.tensor([[2, 7, 8, 9, 3], [2, 10, 3, 0, 0]])
    return {"input_ids": ids, "attention_mask": (ids > 0).long()}


def test_shares_sum_to_the_latent_and_skip_special_tokens(model):
    output = model(**batch())
    torch.testing.assert_close(output.shares.sum(1), output.latents)
    assert (output.shares[0, [0, 4]] == 0).all()
    assert (output.shares[1, [0, 2, 3, 4]] == 0).all()


def test_twins_cost_the_square_of_their_difference(model):
    labels = torch.full((2, 2, 3), 0.5)
    alone = model(**batch(), labels=labels)
    twins = model(**batch(), labels=labels, twins=torch.tensor([[0, 1]]))
    scores = alone.logits.sigmoid().mean(-1)
    torch.testing.assert_close(twins.loss - alone.loss, 10 * ((scores[0] - scores[1]) ** 2).mean())
    same = model(**batch(), labels=labels, twins=torch.tensor([[0, 0]]))
    torch.testing.assert_close(same.loss, alone.loss)


def test_inner_tokens():
    mask = torch.tensor([[1, 1, 1, 1], [1, 1, 1, 0], [1, 1, 0, 0]])
    assert inner_tokens(mask).tolist() == [[0, 1, 1, 0], [0, 1, 0, 0], [0, 0, 0, 0]]


def test_each_cut_has_a_latent_of_its_own(model):
    with torch.no_grad():
        model.token_values.weight[4] += 1.0
    before, after = model(**batch()).latents.clone(), None
    with torch.no_grad():
        model.token_values.weight[4] -= 1.0
    after = model(**batch()).latents
    changed = (before != after).any(dim=0)
    assert changed.tolist() == [[False, False, False], [False, True, False]]


def test_save_and_load_give_the_same_scores(model, tmp_path):
    model.save_pretrained(tmp_path)
    loaded = KalmForScoring.from_pretrained(tmp_path).eval()
    torch.testing.assert_close(loaded(**batch()).logits, model(**batch()).logits)
    assert loaded.config.levels == model.config.levels
    assert loaded.config.emotions == ["anger", "joy"]


def test_unknown_labels_cost_nothing(model):
    labels = torch.full((2, 2, 3), float("nan"))
    assert model(**batch(), labels=labels).loss == 0
    labels[0, 0, 0] = 1.0
    emotions = torch.full((2, 2), float("nan"))
    output = model(**batch(), labels=labels, emotions=emotions)
    expected = torch.nn.functional.softplus(-output.logits[0, 0, 0])
    torch.testing.assert_close(output.loss, expected)


@pytest.mark.parametrize("kind", LOSSES)
def test_ordinal_losses_are_lowest_at_the_true_grade(kind):
    cuts = torch.tensor([-2.0, 0.0, 2.0])
    for grade in range(4):
        target = (torch.arange(1, 4) <= grade).float().reshape(1, 1, 3)
        latents = (-4.0, -1.0, 1.0, 4.0)
        losses = [ordinal_loss((latent - cuts).reshape(1, 1, 3), target, kind=kind).item() for latent in latents]
        assert losses.index(min(losses)) == grade
    unknown = torch.full((1, 1, 3), torch.nan)
    assert ordinal_loss(-cuts.reshape(1, 1, 3), unknown, kind=kind) == 0


def test_likelihood_is_that_of_the_cumulative_link():
    logits = torch.tensor([[[1.5, 0.2, -1.0]]])
    at_least = logits.sigmoid()[0, 0]
    target = torch.tensor([[[1.0, 1.0, 0.0]]])
    expected = -(at_least[1] - at_least[2]).log()
    torch.testing.assert_close(ordinal_loss(logits, target, kind="likelihood"), expected)
    partly = torch.tensor([[[1.0, torch.nan, torch.nan]]])
    torch.testing.assert_close(ordinal_loss(logits, partly, kind="likelihood"), -at_least[0].log())


def test_in_the_likelihood_a_weak_label_counts_no_more_than_a_full_one():
    logits = torch.zeros(64, 1, 3, requires_grad=True)
    targets = torch.tensor([1.0, 0.0, 0.0]).repeat(64, 1, 1)
    targets[0, 0, 1:] = torch.nan
    ordinal_loss(logits - torch.tensor([-1.0, 0.0, 1.0]), targets, kind="likelihood").backward()
    size = logits.grad.abs().sum((1, 2))
    assert size[0] <= size[1:].max()


def test_the_encoder_gets_the_attention_that_was_asked_for(tmp_path):
    KalmForScoring(KalmConfig(encoder=BertConfig(**SMALL).to_dict())).save_pretrained(tmp_path)
    loaded = KalmForScoring.from_pretrained(tmp_path, attn_implementation="eager")
    assert loaded.encoder.config._attn_implementation == "eager"


def test_rows_are_weighted():
    logits, targets = torch.tensor([[0.0], [5.0]]), torch.tensor([[1.0], [0.0]])
    only_first = masked_bce(logits, targets, torch.tensor([1.0, 0.0]))
    torch.testing.assert_close(only_first, torch.tensor(2.0).log())


@pytest.mark.parametrize(
    "config",
    [
        BertConfig(**SMALL),
        XLMRobertaConfig(**SMALL, pad_token_id=1),
        DistilBertConfig(vocab_size=50, dim=16, n_layers=1, n_heads=2, hidden_dim=32),
        ModernBertConfig(**SMALL, pad_token_id=0, bos_token_id=2, eos_token_id=3, cls_token_id=2, sep_token_id=3),
    ],
    ids=lambda config: config.model_type,
)
def test_any_encoder_fits(config, tmp_path):
    encoder = AutoModel.from_config(config)
    model = KalmForScoring(KalmConfig(encoder=encoder.config.to_dict()), encoder=encoder).eval()
    model.save_pretrained(tmp_path)
    loaded = KalmForScoring.from_pretrained(tmp_path).eval()
    torch.testing.assert_close(loaded(**batch()).latents, model(**batch()).latents)
