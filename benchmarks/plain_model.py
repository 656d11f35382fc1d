"""The same weights as a plain ``transformers`` classifier, for peers that know no Kalm."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from transformers import BertConfig, BertForSequenceClassification, PreTrainedTokenizerFast

from model.checkpoint import TOKENIZER
from model.network import KalmForScoring

if TYPE_CHECKING:
    from pathlib import Path


def write_plain(checkpoint: Path, output: Path) -> Path:
    """Put the checkpoint's encoder under BERT's own classification head, with one output a dimension.

    The scores differ from Kalm's (the head is another); the work a message costs does not.
    """
    kalm = KalmForScoring.from_pretrained(checkpoint, dtype=torch.float32)
    config = BertConfig(**kalm.config.encoder.to_dict() | {"num_labels": len(kalm.config.dimensions)})
    config.id2label = dict(enumerate(kalm.config.dimensions))
    config.label2id = {name: row for row, name in config.id2label.items()}
    plain = BertForSequenceClassification(config)
    plain.bert.load_state_dict(kalm.encoder.state_dict(), strict=False)
    with torch.no_grad():
        plain.classifier.weight.copy_(kalm.token_values.weight)
        plain.classifier.bias.copy_(kalm.token_values.bias)
    plain.save_pretrained(output)
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_file=str(checkpoint / TOKENIZER), pad_token="[PAD]", unk_token="[UNK]", cls_token="[CLS]",
        sep_token="[SEP]", model_max_length=320,
    )  # fmt: skip
    tokenizer.save_pretrained(output)
    return output
