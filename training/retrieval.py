"""How well an encoder finds the English original of a translation: the measure of a distillation."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import numpy as np
import torch
from tqdm import tqdm
from transformers import AutoModel, PreTrainedModel

from model.tokenizer import MessageTokenizer
from training.distil import mean_pool
from training.parallel import read_parallel

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

_MAX_TOKENS = 128


@torch.inference_mode()
def embed(encoder: PreTrainedModel, tokenizer: MessageTokenizer, texts: Sequence[str], batch: int = 64) -> np.ndarray:
    """Unit-length sentence embeddings ``(len(texts), hidden)``."""
    rows = [[tokenizer.cls_id, *tokens.ids[: _MAX_TOKENS - 2], tokenizer.sep_id] for tokens in tokenizer.encode(texts)]
    order = np.argsort([len(row) for row in rows])
    result = np.zeros((len(rows), encoder.config.hidden_size), dtype=np.float32)
    for start in range(0, len(order), batch):
        index = order[start : start + batch]
        length = -(-max(len(rows[i]) for i in index) // 16) * 16
        ids = torch.full((len(index), length), tokenizer.pad_id)
        for at, i in enumerate(index):
            ids[at, : len(rows[i])] = torch.tensor(rows[i])
        mask = (ids != tokenizer.pad_id).long()
        states = encoder(input_ids=ids, attention_mask=mask).last_hidden_state
        result[index] = torch.nn.functional.normalize(mean_pool(states, mask), dim=-1).numpy()
    return result


def encoder_sha256(path: Path) -> str:
    """SHA-256 of an encoder's weights, which names it."""
    return hashlib.sha256((path / "model.safetensors").read_bytes()).hexdigest()


def retrieval_accuracy(path: Path, data_dir: Path, languages: Sequence[str]) -> dict[str, float]:
    """Share of translations, 0..1 by language, whose nearest English sentence (cosine) is their own.

    Reads ``<data_dir>/parallel_dev`` (FLORES, for evaluation only), about 1,000 sentences a language.
    """
    encoder = AutoModel.from_pretrained(path, add_pooling_layer=False).eval()
    tokenizer = MessageTokenizer.load(path / "tokenizer.json")
    result = {}
    known: dict[str, np.ndarray] = {}
    for language in tqdm(languages, desc="retrieval"):
        pairs = read_parallel(data_dir / f"parallel_dev/{language}.tsv.gz", language, max_characters=2_000)
        fresh = [text for text in dict.fromkeys(pairs.english) if text not in known]
        known |= dict(zip(fresh, embed(encoder, tokenizer, fresh), strict=True)) if fresh else {}
        english = np.stack([known[text] for text in pairs.english])
        translated = embed(encoder, tokenizer, pairs.translated)
        nearest = (translated @ english.T).argmax(axis=1)
        result[language] = float((nearest == np.arange(len(nearest))).mean())
    return result
