"""A tiny but real checkpoint, made once a session by the project's own code."""

from __future__ import annotations

import os

os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
# Counts of tests stay in memory, also in the processes that tests start.
os.environ["KALM_DATABASE_URL"] = "sqlite://"

import json
from pathlib import Path

import pytest
import torch
from transformers import BertConfig, BertModel

from model.scorer import Scorer
from service.app import create_app
from service.settings import Settings
from training.corpus import MESSAGES, read_messages, read_split, split_messages
from training.train import TrainSettings, train
from training.vocabulary import train_tokenizer

ROOT = Path(__file__).parent.parent


@pytest.fixture(autouse=True)
def _no_settings(monkeypatch):
    for name in [name for name in os.environ if name.startswith("KALM_") and name != "KALM_DATABASE_URL"]:
        monkeypatch.delenv(name)


@pytest.fixture(scope="session")
def messages():
    return read_messages(MESSAGES)


@pytest.fixture(scope="session")
def tiny_data(tmp_path_factory, messages):
    """A file of Dutch and English messages, about 100 of each part."""
    folder = tmp_path_factory.mktemp("data")
    parts = [
        [m for language in ("nl", "en") for m in [m for m in part if m.language == language][:50]]
        for part in split_messages(messages, read_split())
    ]
    path = folder / "mixed.jsonl"
    rows = [
        {"id": m.id, "text": m.text, "language": m.language, "anger": m.anger, "urgency": m.urgency}
        for part in parts
        for m in part
    ]
    path.write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    return path


@pytest.fixture(scope="session")
def tiny_base(tmp_path_factory, messages):
    """A random two-layer BERT with a vocabulary of 2,000 pieces."""
    folder = tmp_path_factory.mktemp("base")
    texts = {"all": [m.text for m in messages[:1500]]}
    tokenizer = train_tokenizer(texts, vocab_size=2000, min_character_count=3)
    tokenizer.save(str(folder / "tokenizer.json"))
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=tokenizer.get_vocab_size(),
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=64,
    )
    BertModel(config, add_pooling_layer=False).save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def tiny_checkpoint(tmp_path_factory, tiny_base, tiny_data):
    """Trained for a few steps by the ordinary command's code."""
    output = tmp_path_factory.mktemp("trained") / "tiny"
    settings = TrainSettings(
        base_model=str(tiny_base), name="tiny", steps=12, batch_size=8, save_steps=6, data=(str(tiny_data),)
    )
    train(settings, output)
    return output


@pytest.fixture(scope="session")
def scorer(tiny_checkpoint):
    return Scorer.load(tiny_checkpoint, engine="onnxruntime")


@pytest.fixture
def client(scorer):
    return create_app(Settings(), scorer).test_client()
