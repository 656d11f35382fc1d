"""The same weights as a plain ``transformers`` classifier, for peers that know no Kalm."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from transformers import BertConfig, BertForSequenceClassification, PreTrainedTokenizerFast

from model.checkpoint import TOKENIZER
from model.network import KalmForScoring
from model.tokenizer import CLS, PAD, SEP, UNK

if TYPE_CHECKING:
    from pathlib import Path


def write_plain(checkpoint: Path, output: Path) -> Path:
    """Put the checkpoint's encoder under BERT's own classification head, with one output for each cut.

    The scores differ from Kalm's (the head is another); the work a message costs does not.
    """
    kalm = KalmForScoring.from_pretrained(checkpoint, dtype=torch.float32)
    config = BertConfig(**kalm.config.encoder.to_dict() | {"num_labels": kalm.token_values.out_features})
    cuts = range(1, kalm.config.grades)
    config.id2label = dict(enumerate(f"{name}>={cut}" for name in kalm.config.dimensions for cut in cuts))
    config.label2id = {name: row for row, name in config.id2label.items()}
    plain = BertForSequenceClassification(config)
    plain.bert.load_state_dict(kalm.encoder.state_dict(), strict=False)
    with torch.no_grad():
        plain.classifier.weight.copy_(kalm.token_values.weight)
        plain.classifier.bias.copy_(kalm.token_values.bias)
    plain.save_pretrained(output)
    special = {"pad_token": PAD, "unk_token": UNK, "cls_token": CLS, "sep_token": SEP}
    tokenizer = PreTrainedTokenizerFast(tokenizer_file=str(checkpoint / TOKENIZER), model_max_length=320, **special)
    tokenizer.save_pretrained(output)
    return output
