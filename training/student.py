"""Where a distillation starts: the teacher with a new vocabulary, or an earlier student."""

from __future__ import annotations

import json
import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from tokenizers import Tokenizer
from transformers import AutoModel

from model.tokenizer import PAD
from training.vocabulary import AlignedIds, initial_embeddings, translated_embeddings

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from transformers import PreTrainedModel

    from training.distil import DistilSettings

_log = logging.getLogger(__name__)
RECORD = "distil.json"
# A piece seen less often than this by the earlier student counts as new to it.
_SELDOM = 20


@dataclass(frozen=True, slots=True)
class Sentences:
    """Token rows of one language with the row of the teacher's embedding that each must reach."""

    language: str
    rows: list[np.ndarray]
    target: np.ndarray


def continued_student(begin: Path, sentences: Sequence[Sentences]) -> PreTrainedModel:
    """An earlier student; pieces that its languages never used start from their English translations.

    Raises:
        ValueError: an earlier language is missing in ``sentences``, so that its pieces would look unused.
    """
    student = AutoModel.from_pretrained(begin, attn_implementation="eager", add_pooling_layer=False)
    earlier = _languages(json.loads((begin / RECORD).read_text(encoding="utf-8")))
    weights = student.get_input_embeddings().weight.data
    if missing := sorted(earlier - {item.language for item in sentences}):
        message = f"{begin} also learned {', '.join(missing)}; name these languages, too"
        raise ValueError(message)
    used = np.zeros(len(weights), dtype=np.int64)
    for item in sentences:
        if item.language in earlier:
            used += np.bincount(np.concatenate(item.rows), minlength=len(weights))
    english = next(item for item in sentences if item.language == "en").rows
    new = [AlignedIds(i.rows, [english[row] for row in i.target]) for i in sentences if i.language not in earlier]
    if new:
        translated, weight = translated_embeddings(new, weights.numpy(), len(weights))
        fresh = np.flatnonzero((weight > 0) & (used < _SELDOM))
        norms = np.linalg.norm(translated[fresh], axis=1, keepdims=True)
        typical = np.median(np.linalg.norm(weights.numpy(), axis=1))
        weights[fresh] = torch.from_numpy(translated[fresh] / np.maximum(norms, 1e-6) * typical)
        _log.info("embeddings: %d of %d pieces are new to the student", len(fresh), len(weights))
    return student


def _languages(record: dict[str, Any]) -> set[str]:
    """All languages of a run and of those before it; English is always among them."""
    return {"en", *record["languages"]} | (_languages(record["begin"]) if "begin" in record else set())


def check_layers(teacher: PreTrainedModel, count: int) -> None:
    """Refuse to keep more layers than there are.

    Raises:
        ValueError: the teacher has fewer layers.
    """
    if count > teacher.config.num_hidden_layers:
        message = f"the teacher has {teacher.config.num_hidden_layers} layers, {count} were asked for"
        raise ValueError(message)


def _keep_layers(encoder: PreTrainedModel, count: int) -> None:
    """Leave ``count`` of the encoder's layers, evenly spread, the last among them."""
    layers = encoder.encoder.layer
    kept = [round((i + 1) * len(layers) / count) - 1 for i in range(count)]
    encoder.encoder.layer = torch.nn.ModuleList([layers[i] for i in kept])
    encoder.config.num_hidden_layers = count


def fresh_student(
    teacher: PreTrainedModel,
    teacher_tokenizer: Any,
    tokenizer_path: Path,
    sentences: Sequence[Sentences],
    english: Sequence[str],
    settings: DistilSettings,
) -> PreTrainedModel:
    """The teacher itself, with the new vocabulary and, where asked for, fewer layers."""
    if settings.layers:
        _keep_layers(teacher, settings.layers)
    old_rows = teacher_tokenizer(list(english), add_special_tokens=False, truncation=True, max_length=64)["input_ids"]
    aligned = [AlignedIds(item.rows, [old_rows[row] for row in item.target]) for item in sentences]
    old = teacher.get_input_embeddings().weight.detach().numpy()
    backend = teacher_tokenizer.backend_tokenizer
    backend.no_truncation()
    new = Tokenizer.from_file(str(tokenizer_path))
    weights = initial_embeddings(new, backend, old, aligned, seed=settings.seed)
    teacher.resize_token_embeddings(len(weights), mean_resizing=False)
    teacher.get_input_embeddings().weight.data.copy_(torch.from_numpy(weights))
    teacher.config.pad_token_id = new.token_to_id(PAD)
    return teacher
