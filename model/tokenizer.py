"""The subword tokenizer's rules and its use: original text in, token ids and their segments out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from tokenizers import Encoding, Regex, Tokenizer, decoders, pre_tokenizers
from tokenizers.models import Unigram

from model.text import SHOUT, NormalisedText, Segment, encodable, normalise

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

PAD, UNK, CLS, SEP, MASK = "[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"
SPECIAL_TOKENS = (PAD, UNK, CLS, SEP, MASK)
_SPECIAL_NAMES = ((PAD, "<pad>"), (CLS, "<s>", "<cls>", "<bos>"), (SEP, "</s>", "<sep>", "<eos>"))
_PIECES = r"▁?[\p{L}\p{M}']+|▁?\p{N}|▁?([^\p{L}\p{M}\p{N}▁])\1*"


def empty_tokenizer() -> Tokenizer:
    """Build a Unigram tokenizer (Kudo 2018) with Kalm's splitting rules and no vocabulary yet.

    Words keep their leading ``▁``; digits stand alone; a run of one mark is one unit, so that no
    piece joins a word with the marks behind it and explanations fall on whole words.
    """
    tokenizer = Tokenizer(Unigram())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Metaspace(replacement="▁", prepend_scheme="always", split=True),
            pre_tokenizers.Split(Regex(_PIECES), behavior="isolated"),
        ]
    )
    tokenizer.decoder = decoders.Metaspace(replacement="▁", prepend_scheme="always")
    return tokenizer


@dataclass(frozen=True, slots=True)
class Tokens:
    """Token ids of one text without special tokens, and for each the index of its segment in ``normalised``."""

    normalised: NormalisedText
    ids: np.ndarray
    segment_of: np.ndarray

    @property
    def segments(self) -> tuple[Segment, ...]:
        """The words and marks of the text."""
        return self.normalised.segments


class MessageTokenizer:
    """Normalises and tokenises; safe to share between threads (it keeps no state between calls).

    A vocabulary that knows Kalm's markers gets normalised text; any other (XLM-R, mDeBERTa, …) was
    trained on plain text and gets that, with the same segments for the explanation.
    """

    def __init__(self, tokenizer: Tokenizer) -> None:
        tokenizer.no_padding()
        tokenizer.no_truncation()
        self._tokenizer = tokenizer
        self._normalised = tokenizer.token_to_id(SHOUT) is not None
        self.pad_id, self.cls_id, self.sep_id = (self._id(*names) for names in _SPECIAL_NAMES)

    @classmethod
    def load(cls, path: Path) -> MessageTokenizer:
        """Load a ``tokenizer.json``."""
        return cls(Tokenizer.from_file(str(path)))

    def _id(self, *names: str) -> int:
        for name in names:
            token_id = self._tokenizer.token_to_id(name)
            if token_id is not None:
                return int(token_id)
        message = f"the tokenizer has none of the special tokens {', '.join(names)}; it is not an encoder's"
        raise ValueError(message)

    @property
    def vocab_size(self) -> int:
        """Number of pieces, special tokens included."""
        return int(self._tokenizer.get_vocab_size())

    def encode(self, texts: Sequence[str]) -> list[Tokens]:
        """Tokenise a list of original texts; a blank text gives no tokens."""
        normalised = [normalise(text) for text in texts]
        plain = [
            item.text if self._normalised else encodable(text) for item, text in zip(normalised, texts, strict=True)
        ]
        encodings = self._tokenizer.encode_batch(plain, add_special_tokens=False)
        return [self._tokens(item, encoding) for item, encoding in zip(normalised, encodings, strict=True)]

    def _tokens(self, normalised: NormalisedText, encoding: Encoding) -> Tokens:
        segments = normalised.segments
        if not segments or not encoding.ids:
            none = np.zeros(0, dtype=np.int64)
            return Tokens(normalised, none, none)
        # A piece belongs to the segment of its last character; a lone "▁" to the segment that follows it.
        ends = np.asarray([segment.out_end if self._normalised else segment.end for segment in segments])
        last = np.asarray([end - 1 for _, end in encoding.offsets])
        found = np.minimum(np.searchsorted(ends, last, side="right"), len(segments) - 1)
        return Tokens(normalised, np.asarray(encoding.ids, dtype=np.int64), found)
