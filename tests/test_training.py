import json
import random
import re
import shutil

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from transformers import (
    AlbertConfig,
    AutoModel,
    AutoTokenizer,
    BertConfig,
    BertModel,
    DistilBertConfig,
    MPNetConfig,
    XLMRobertaConfig,
    XLMRobertaModel,
)

from model.scorer import Scorer
from model.text import normalise
from model.tokenizer import MessageTokenizer
from training.__main__ import main
from training.augment import (
    Augmentation,
    augment,
    lower_case,
    swap_amounts,
    typing_errors,
    without_diacritics,
    without_marks,
)
from training.batches import TrainBatches, draw_weights
from training.card import write_card
from training.dropout import SharedDropout, share_dropout
from training.evaluate import evaluate
from training.examples import UNKNOWN, Example, cuts_of_grade
from training.report import render
from training.train import TrainSettings, load_base, train


def test_checkpoint_records_how_it_was_made(tiny_checkpoint, tiny_data):
    record = json.loads((tiny_checkpoint / "training.json").read_text())
    assert record["settings"]["seed"] == 0
    assert list(record["data_sha256"]) == [tiny_data.name]
    assert set(record["dev"]) == {"anger", "urgency"}
    assert record["graph_difference"] < 1e-4


def test_the_same_seed_gives_the_same_weights(tiny_base, tiny_data, tmp_path):
    settings = TrainSettings(base_model=str(tiny_base), steps=3, batch_size=4, save_steps=3, data=(str(tiny_data),))
    train(settings, tmp_path / "a")
    train(settings, tmp_path / "b")
    a, b = (Scorer.load(tmp_path / name).latents(["Waar is het?"]) for name in "ab")
    np.testing.assert_allclose(a, b, atol=1e-5)


def test_a_resumed_run_ends_where_an_unbroken_one_does(tiny_base, tiny_data, tmp_path):
    settings = TrainSettings(base_model=str(tiny_base), steps=4, batch_size=4, save_steps=2, data=(str(tiny_data),))
    train(settings, tmp_path / "whole")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(TrainBatches, "__getitem__", _fails_at(3))
        with pytest.raises(KeyboardInterrupt):
            train(settings, tmp_path / "broken")
    assert list((tmp_path / "broken.run").glob("checkpoint-2"))
    train(settings, tmp_path / "broken", resume=True)
    a, b = (Scorer.load(tmp_path / name).latents(["Waar is het?"]) for name in ("whole", "broken"))
    np.testing.assert_allclose(a, b, atol=1e-4)


def _fails_at(step):
    whole = TrainBatches.__getitem__

    def item(self, index):
        if index == step:
            raise KeyboardInterrupt
        return whole(self, index)

    return item


def test_a_checkpoint_can_be_trained_on(tiny_checkpoint):
    model = load_base(str(tiny_checkpoint), emotions=True)
    reference = Scorer.load(tiny_checkpoint, engine="torch").engine._model
    torch.testing.assert_close(model.token_values.weight, reference.token_values.weight)


@pytest.mark.parametrize("kind", ["bert", "xlm-roberta"])
def test_foreign_bases_with_their_own_tokenizer(kind, tmp_path, tiny_data):
    """As from a hub: an encoder and a tokenizer that know nothing of Kalm."""
    from tokenizers import Tokenizer, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]"] if kind == "bert" else ["<s>", "<pad>", "</s>", "<unk>"]
    pad, unk = ("[PAD]", "[UNK]") if kind == "bert" else ("<pad>", "<unk>")
    raw = Tokenizer(models.BPE(unk_token=unk))
    raw.pre_tokenizer = pre_tokenizers.Metaspace()
    raw.train_from_iterator(
        ["Waar is mijn pakket Where is it"] * 5, trainers.BpeTrainer(special_tokens=words, vocab_size=90)
    )
    PreTrainedTokenizerFast(tokenizer_object=raw, pad_token=pad, unk_token=unk).save_pretrained(tmp_path / "base")
    small = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 16}
    if kind == "bert":
        BertModel(BertConfig(vocab_size=100, **small)).save_pretrained(tmp_path / "base")
    else:
        XLMRobertaModel(XLMRobertaConfig(vocab_size=100, pad_token_id=1, **small)).save_pretrained(tmp_path / "base")
    assert AutoTokenizer.from_pretrained(tmp_path / "base").is_fast
    settings = TrainSettings(
        base_model=str(tmp_path / "base"), steps=2, batch_size=4, save_steps=2, max_tokens=64, data=(str(tiny_data),)
    )
    train(settings, tmp_path / "out")
    text = "Waar is mijn pakket?"
    (score,) = Scorer.load(tmp_path / "out").score([text], explain=True)
    assert [text[w.start : w.end] for w in score.explanation] == ["Waar", "is", "mijn", "pakket", "?"]


def test_batches_depend_on_seed_and_number_alone(tiny_base):
    tokenizer = MessageTokenizer.load(tiny_base / "tokenizer.json")
    examples = [
        Example(str(i), f"bericht nummer {i} " * (i % 7 + 1), "nl", "messages", cuts_of_grade(i % 4)) for i in range(50)
    ]
    weights = np.full(50, 0.02)

    def make(seed):
        return TrainBatches(examples, weights, tokenizer, steps=40, batch_size=4, max_tokens=32, seed=seed)

    one, other = make(1), make(1)
    torch.testing.assert_close(one[20]["input_ids"], other[20]["input_ids"])
    assert one[3]["input_ids"].shape[1] % 16 == 0
    assert not torch.equal(one[0]["labels"].nan_to_num(9), make(2)[0]["labels"].nan_to_num(9))


def test_twins_stand_beside_their_messages(tiny_base):
    tokenizer = MessageTokenizer.load(tiny_base / "tokenizer.json")
    messages = [
        Example(f"m{i}", f"bericht nummer {i} over de kachel", "nl", "messages", (i % 2,) * 3) for i in range(30)
    ]
    public = [Example(f"p{i}", f"tweet {i}", "nl", "brighter", UNKNOWN, UNKNOWN, {"joy": 1.0}) for i in range(30)]
    batches = TrainBatches(
        messages + public, np.full(60, 1 / 60), tokenizer, steps=40, batch_size=12, max_tokens=64, seed=0, twins=0.5
    )
    changed = 0
    for index in range(10):
        batch = batches[index]
        assert len(batch["input_ids"]) == 12
        assert batch["twins"].tolist() == [[0, 1], [2, 3], [4, 5]]
        for left, right in batch["twins"]:
            torch.testing.assert_close(batch["labels"][left], batch["labels"][right], equal_nan=True)
            assert not batch["labels"][left, 0].isnan().any()
            changed += not torch.equal(batch["input_ids"][left], batch["input_ids"][right])
    assert changed > 10


def test_draws_follow_sources_and_lift_small_languages():
    examples = [Example("", "x", "en", "messages")] * 90 + [Example("", "x", "uk", "messages")] * 10
    examples += [Example("", "x", "en", "xed")] * 1000
    weights = draw_weights(examples, {"messages": 3.0, "xed": 1.0}, alpha=0.5)
    assert weights[:100].sum() == pytest.approx(0.75)
    assert weights[90:100].sum() == pytest.approx(0.75 * 10**0.5 / (10**0.5 + 90**0.5))


def test_augmentation_keeps_the_words_recognisable():
    rng = random.Random(0)
    text = "Où est mon colis? Het pakket is onmiddellijk nodig, ağır ışık, мой заказ"
    assert without_diacritics(text, rng) == "Ou est mon colis? Het pakket is onmiddellijk nodig, agır ısık, мой заказ"
    assert abs(len(typing_errors(text, rng)) - len(text)) <= 5
    assert augment(text, random.Random(3)) == augment(text, random.Random(3))
    assert all(augment("ok", random.Random(i)) for i in range(50))
    assert typing_errors("मेरा पार्सल कहाँ है", rng) != "मेरा पार्सल कहाँ है"
    assert without_diacritics("app प्लीज", rng) == "app प्लीज"


def test_names_and_amounts_are_swapped_and_nothing_else():
    texts = ["Onze monteur Gerrit kwam niet opdagen.", "De winkel in Zwolle is dicht, zegt u tegen mij."]
    change = Augmentation([Example("", text, "nl", "messages") for text in texts])
    seen = {change.swap_names(texts[0], "nl", random.Random(i)) for i in range(40)}
    assert texts[0] in seen
    assert len(seen) > 5
    assert all(re.fullmatch(r"Onze monteur [^\W\d_-]+(?:-\w+)? kwam niet opdagen\.", text) for text in seen)
    text = "Bel 112 om 14.30 op 01.05.2026, € 49,95 en 120 euro"
    other = swap_amounts(text, random.Random(0))
    assert re.fullmatch(r"Bel 112 om 14\.30 op 01\.05\.2026, € \d\d,\d\d en \d{3} euro", other)
    assert other != text


def test_feasts_months_and_authorities_are_no_names():
    texts = ["ik wil het voor Kerstmis terug", "wij melden het bij Consumentenbond en Facebook"]
    change = Augmentation([Example("", text, "nl", "messages") for text in texts])
    assert all(change.swap_names(texts[0], "nl", random.Random(i)) == texts[0] for i in range(20))
    assert all("Facebook" in change.swap_names(texts[1], "nl", random.Random(i)) for i in range(20))


def test_typing_errors_never_look_like_drawn_out_words():
    for seed in range(200):
        assert "≋" not in normalise(typing_errors("pakket koffie aalbessen gratis", random.Random(seed))).text


def test_signatures_and_quotes_are_put_below():
    example = Example("", "Waar is mijn pakket?", "nl", "messages", cuts_of_grade(0), cuts_of_grade(0))
    angry = Example("", "Oplichters!", "nl", "messages", cuts_of_grade(3), cuts_of_grade(0))
    change = Augmentation([example, angry])
    rng = random.Random(0)
    for text in (change.with_signature(example.text, "nl", rng), change.with_quote("Hallo?", "nl", rng)):
        assert "\n" in text
    assert change.with_quote("Hallo?", "nl", rng) == "Hallo?\n\n> Waar is mijn pakket?"
    unknown = Example("", "Why", "xx", "messages", cuts_of_grade(1), cuts_of_grade(0))
    assert all(change(unknown, random.Random(i)).anger == unknown.anger for i in range(60))


def test_two_messages_in_one_keep_the_higher_grade_of_each():
    calm, angry = (
        Example("", text, "nl", "messages", cuts_of_grade(anger), cuts_of_grade(urgency))
        for text, anger, urgency in (("Ik ruik gas.", 0, 3), ("Wat een dieven!", 3, 0))
    )
    change = Augmentation([calm, angry])
    for seed in range(5):
        both = change.joined(calm, random.Random(seed))
        assert sorted(both.text.split()) == sorted([*calm.text.split(), *angry.text.split()])
        assert (both.anger, both.urgency) == (cuts_of_grade(3), cuts_of_grade(3))


def test_shared_dropout_drops_a_feature_at_every_position():
    dropout = SharedDropout(0.5)
    states = torch.ones(4, 7, 64)
    dropped = dropout(states)
    assert torch.equal(dropped, dropped[:, :1].expand_as(dropped))
    assert set(dropped.unique().tolist()) == {0.0, 2.0}, "what is kept is scaled up"
    assert 0.2 < (dropped == 0).float().mean() < 0.8
    assert torch.equal(dropout.eval()(states), states)


@pytest.mark.parametrize("kind", [BertConfig, XLMRobertaConfig, DistilBertConfig, MPNetConfig, AlbertConfig])
def test_dropout_is_shared_in_any_encoder(kind):
    config = kind(vocab_size=50, hidden_size=16, num_hidden_layers=1, num_attention_heads=2)
    config.attention_probs_dropout_prob = config.hidden_dropout_prob = 0.1
    encoder = AutoModel.from_config(config)
    share_dropout(encoder, 0.3)
    kinds = [module for module in encoder.modules() if "Dropout" in type(module).__name__]
    assert all(isinstance(module, SharedDropout) for module in kinds)
    assert {module.p for module in kinds} == {0.0, 0.3}
    assert sum(module.p == 0.0 for module in kinds) == 1, "only that of the attention weights is off"
    assert encoder.train()(input_ids=torch.tensor([[5, 6, 7]])).last_hidden_state.isfinite().all()


def test_augmentation_never_takes_shouting_away():
    for text in ("DIEVEN zijn jullie", "waar is het!!", "schande 😡"):
        assert lower_case(text, random.Random(0)) == without_marks(text, random.Random(0)) == text
    assert lower_case("Waar is het", random.Random(0)) == "waar is het"


def test_report_has_every_figure_and_both_baselines(scorer, tiny_data, tmp_path):
    result = evaluate(scorer, tmp_path / "report", [tiny_data])
    assert set(result["figures"]) == {"tiny", "tf-idf", "keywords"}
    for system in result["figures"].values():
        for dimension in system.values():
            assert set(dimension) == {"all", "nl", "en"}
            assert {"auc", "ap", "qwk", "pearson", "ece"} <= set(dimension["nl"])
    text = (tmp_path / "report/report.md").read_text()
    assert text == render(json.loads((tmp_path / "report/report.json").read_text()))
    assert (tmp_path / "report/calibration.png").stat().st_size > 10_000


def test_card_takes_only_figures_of_its_own(tiny_checkpoint, tiny_data, tmp_path):
    checkpoint, report = tmp_path / "checkpoint", tmp_path / "report"
    shutil.copytree(tiny_checkpoint, checkpoint)
    evaluate(Scorer.load(checkpoint), report, [tiny_data])
    text = write_card(checkpoint, report)
    assert "their mean, weighted by a learned gate" in text
    assert "shares sum to the latent" in text
    (report / "retrieval.json").write_text(json.dumps({"encoder_sha256": "other", "accuracy": {"nl": 0.9}}))
    with pytest.raises(ValueError, match="another encoder"):
        write_card(checkpoint, report)
    (report / "benchmarks.json").write_text(json.dumps({"version": "other"}))
    with pytest.raises(ValueError, match="version other"):
        write_card(checkpoint, report)


@pytest.mark.parametrize(
    "command", ["distil", "retrieval", "train", "evaluate", "benchmarks", "export", "card", "split"]
)
def test_help_of_every_command(command):
    result = CliRunner().invoke(main, [command, "--help"])
    assert result.exit_code == 0
    assert result.output.startswith("Usage:")
