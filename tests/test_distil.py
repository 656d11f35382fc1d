import gzip
import json

import numpy as np
import pytest
import torch
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, trainers
from transformers import BertConfig, BertModel, PreTrainedTokenizerFast

from model.tokenizer import MessageTokenizer
from training.distil import (
    DistilSettings,
    distil,
    imitation_loss,
    language_weights,
    learning_rate_factor,
    mean_pool,
)
from training.vocabulary import AlignedIds, translated_embeddings

WORDS = {"one": "een", "two": "twee", "red": "rood", "blue": "blauw", "house": "huis", "tree": "boom", "dog": "hond"}


@pytest.fixture
def data_dir(tmp_path):
    rng = np.random.default_rng(0)
    english = [" ".join(rng.choice(list(WORDS), 3)) for _ in range(400)]
    rows = [f"{text}\t{' '.join(WORDS[word] for word in text.split())}\tmade" for text in english]
    (tmp_path / "parallel").mkdir()
    with gzip.open(tmp_path / "parallel/nl.tsv.gz", "wt", encoding="utf-8") as file:
        file.write("en\ttext\tsource\n" + "\n".join(rows) + "\n")
    return tmp_path


@pytest.fixture
def teacher(tmp_path):
    folder = tmp_path / "teacher"
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    raw = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    raw.normalizer, raw.pre_tokenizer = normalizers.BertNormalizer(), pre_tokenizers.BertPreTokenizer()
    raw.train_from_iterator([" ".join(WORDS)] * 9, trainers.WordPieceTrainer(vocab_size=90, special_tokens=special))
    names = dict(zip(("pad_token", "unk_token", "cls_token", "sep_token", "mask_token"), special, strict=True))
    PreTrainedTokenizerFast(tokenizer_object=raw, **names).save_pretrained(folder)
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=raw.get_vocab_size(),
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=32,
    )
    BertModel(config).save_pretrained(folder)
    return folder


def run(teacher, data_dir, output, steps, languages=("en", "nl"), layers=0, **options):
    settings = DistilSettings(
        steps=steps, batch_tokens=256, vocab_size=80, checkpoint_every=20, warmup=5, layers=layers, bf16=False
    )
    distil(str(teacher), data_dir, output, languages, settings, **options)


def loss_of(output):
    return torch.load(output / "state.pt", weights_only=True)["loss"]


def test_student_learns_resumes_and_can_be_loaded(teacher, data_dir, tmp_path):
    output = tmp_path / "student"
    run(teacher, data_dir, output, 20)
    first = loss_of(output)
    run(teacher, data_dir, output, 120)
    assert loss_of(output) < first
    (data_dir / "parallel/nl.tsv.gz").write_bytes(gzip.compress(b"en\ttext\tsource\none\teen\tmade\n"))
    with pytest.raises(ValueError, match="other languages"):
        run(teacher, data_dir, output, 121)
    assert json.loads((output / "distil.json").read_text())["steps"] == 120
    student = BertModel.from_pretrained(output, add_pooling_layer=False).eval()
    tokenizer = MessageTokenizer.load(output / "tokenizer.json")

    def embed(text):
        ids = torch.tensor([[tokenizer.cls_id, *tokenizer.encode([text])[0].ids, tokenizer.sep_id]])
        with torch.inference_mode():
            return mean_pool(student(input_ids=ids).last_hidden_state, torch.ones_like(ids))

    near = torch.cosine_similarity(embed("red house dog"), embed("rood huis hond"))
    far = torch.cosine_similarity(embed("red house dog"), embed("twee boom blauw"))
    assert near > far


def test_translations_are_found_in_aligned_sentences():
    rng = np.random.default_rng(0)
    rows = [rng.choice(6, 3, replace=False) for _ in range(500)]
    old = np.eye(6, dtype=np.float32)
    found, weight = translated_embeddings([AlignedIds(rows, [(row + 1) % 6 for row in rows])], old, 7)
    assert found[:6].argmax(axis=1).tolist() == [1, 2, 3, 4, 5, 0]
    assert weight[6] == 0


def test_learning_rate_warms_up_and_falls_to_zero():
    settings = DistilSettings(steps=1000, warmup=100, decay=0.3)
    assert learning_rate_factor(0, settings) == pytest.approx(0.01)
    assert learning_rate_factor(500, settings) == 1.0
    assert learning_rate_factor(850, settings) == pytest.approx(0.5)
    assert learning_rate_factor(1000, settings) == 0.0


def test_an_earlier_student_goes_on_with_more_languages(teacher, data_dir, tmp_path):
    first, second = tmp_path / "first", tmp_path / "second"
    pairs = gzip.decompress((data_dir / "parallel/nl.tsv.gz").read_bytes()).decode()
    for new in WORDS.values():
        pairs = pairs.replace(new, new[::-1])
    (data_dir / "parallel/da.tsv.gz").write_bytes(gzip.compress(pairs.encode()))
    run(teacher, data_dir, first, 20)
    run(teacher, data_dir, second, 1, ("en", "nl", "da"), begin=first)
    assert (first / "tokenizer.json").read_bytes() == (second / "tokenizer.json").read_bytes()
    before, after = (BertModel.from_pretrained(path, add_pooling_layer=False) for path in (first, second))
    origin = BertModel.from_pretrained(teacher, add_pooling_layer=False)

    def apart(one, other):
        pairs = zip(one.encoder.parameters(), other.encoder.parameters(), strict=True)
        return max(float((p - q).detach().abs().max()) for p, q in pairs)

    assert apart(before, after) < apart(before, origin) / 3, "the layers go on where they were"
    record = json.loads((second / "distil.json").read_text())
    assert record["languages"] == ["en", "nl", "da"]
    assert record["begin"]["languages"] == ["en", "nl"]


def test_beginnings_that_do_not_fit_are_refused(teacher, data_dir, tmp_path):
    first, other = tmp_path / "first", tmp_path / "other"
    run(teacher, data_dir, first, 1)
    with pytest.raises(ValueError, match="keeps its layers"):
        run(teacher, data_dir, other, 1, layers=1, begin=first)
    with pytest.raises(ValueError, match="not the result"):
        run(teacher, data_dir, other, 1, begin=teacher)
    other.mkdir(exist_ok=True)
    (other / "tokenizer.json").write_text("{}")
    with pytest.raises(ValueError, match="another vocabulary"):
        run(teacher, data_dir, other, 1, begin=first)
    (data_dir / "parallel/da.tsv.gz").write_bytes((data_dir / "parallel/nl.tsv.gz").read_bytes())
    with pytest.raises(ValueError, match="also learned nl"):
        run(teacher, data_dir, tmp_path / "third", 1, ("en", "da"), begin=first)


def test_language_shares():
    sizes = [("en", 900), ("nl", 400), ("uk", 100), ("ja", 50)]
    weights = language_weights(sizes, DistilSettings(alpha=0.5, english_share=0.1, extra_share=0.2))
    np.testing.assert_allclose(weights, [0.1, 0.7 * 2 / 3, 0.7 / 3, 0.2])
    np.testing.assert_allclose(language_weights(sizes[1:3], DistilSettings(alpha=0.0)), [0.5, 0.5])


def test_imitation_is_best_at_the_teacher_and_worse_at_a_neighbour():
    torch.manual_seed(0)
    teacher, others = (torch.nn.functional.normalize(torch.randn(n, 8), dim=-1) for n in (4, 20))
    settings = DistilSettings()
    right = imitation_loss(3 * teacher, teacher, others, settings)
    wrong = imitation_loss(3 * teacher.roll(1, 0), teacher, others, settings)
    assert right < wrong
    plain_right, plain_wrong = (
        imitation_loss(guess, teacher, others, DistilSettings(contrast=0.0)) for guess in (teacher, teacher.roll(1, 0))
    )
    assert wrong - right > 1.2 * (plain_wrong - plain_right), "the contrast adds to the distance"
    plain = imitation_loss(teacher, teacher, others, DistilSettings(contrast=0.0))
    torch.testing.assert_close(plain, torch.tensor(0.0), atol=1e-6, rtol=0)


def test_a_student_may_have_fewer_layers(teacher, data_dir, tmp_path):
    run(teacher, data_dir, tmp_path / "student", 1, layers=1)
    kept = BertModel.from_pretrained(tmp_path / "student", add_pooling_layer=False)
    assert kept.config.num_hidden_layers == 1
    last = BertModel.from_pretrained(teacher).encoder.layer[1].output.dense.weight
    assert (kept.encoder.layer[0].output.dense.weight - last).detach().abs().max() < 0.01
    with pytest.raises(ValueError, match="2 layers"):
        run(teacher, data_dir, tmp_path / "other", 1, layers=3)
