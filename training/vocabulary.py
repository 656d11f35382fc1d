"""A multilingual vocabulary for an English encoder, and first embeddings for its new pieces."""

from __future__ import annotations

import logging
import random
import unicodedata
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy import sparse
from tokenizers import Tokenizer, trainers

from model.text import MARKERS, normalise
from model.tokenizer import SPECIAL_TOKENS, UNK, empty_tokenizer

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

_log = logging.getLogger(__name__)
_TRANSLATIONS = 8


def train_tokenizer(
    texts_by_language: Mapping[str, Sequence[str]],
    *,
    vocab_size: int = 40_000,
    alpha: float = 0.5,
    sample: int = 1_000_000,
    min_character_count: int = 20,
    seed: int = 0,
) -> Tokenizer:
    """Train a Unigram vocabulary (Kudo 2018) on a language-balanced sample of normalised texts.

    Languages are drawn in proportion to ``size ** alpha`` (Conneau et al. 2020), each at most as
    often as it has texts. Texts with a character seen fewer than ``min_character_count`` times are
    left out, so that rare ideographs do not fill the vocabulary.
    """
    rng = random.Random(seed)
    weights = {language: len(texts) ** alpha for language, texts in texts_by_language.items()}
    scale = sample / sum(weights.values())
    drawn: list[str] = []
    for language, texts in sorted(texts_by_language.items()):
        count = min(len(texts), round(weights[language] * scale))
        drawn += [normalise(text).text for text in rng.sample(list(texts), count)]
    counts = Counter(character for text in drawn for character in text)
    kept = [text for text in drawn if all(counts[character] >= min_character_count for character in text)]
    rng.shuffle(kept)
    _log.info("tokenizer: %d texts drawn, %d kept, %d characters", len(drawn), len(kept), len(counts))
    tokenizer = empty_tokenizer()
    trainer = trainers.UnigramTrainer(
        vocab_size=vocab_size,
        special_tokens=list(SPECIAL_TOKENS),
        unk_token=UNK,
        initial_alphabet=list(MARKERS),
        max_piece_length=16,
        show_progress=False,
    )
    tokenizer.train_from_iterator(kept, trainer)
    return tokenizer


@dataclass(frozen=True, slots=True)
class AlignedIds:
    """Token ids of aligned sentences: ``source[i]`` in the new vocabulary, ``target[i]`` in the old."""

    source: Sequence[Sequence[int] | np.ndarray]
    target: Sequence[Sequence[int] | np.ndarray]


def _incidence(rows: Sequence[Sequence[int] | np.ndarray], width: int) -> sparse.csr_matrix:
    unique = [np.unique(np.asarray(row, dtype=np.int64)) for row in rows]
    indptr = np.concatenate([[0], np.cumsum([len(row) for row in unique])])
    indices = np.concatenate(unique) if unique else np.zeros(0, dtype=np.int64)
    return sparse.csr_matrix((np.ones(len(indices), dtype=np.float32), indices, indptr), shape=(len(rows), width))


def translated_embeddings(
    aligned: Iterable[AlignedIds], old_embeddings: np.ndarray, vocab_size: int
) -> tuple[np.ndarray, np.ndarray]:
    """Give each new piece the mean embedding of the old pieces that translate it.

    The translations of a piece are the old pieces with the highest Dice coefficient over aligned
    sentences, weighted by its cube; languages that share a piece are weighted by its frequency in
    each. The idea is that of WECHSEL (Minixhofer et al. 2022), with the parallel sentences in place
    of a bilingual dictionary.

    Returns:
        ``(vocab_size, hidden)`` embeddings and ``(vocab_size,)`` the weight behind each (0: unseen).
    """
    total = np.zeros((vocab_size, old_embeddings.shape[1]), dtype=np.float32)
    weight = np.zeros(vocab_size, dtype=np.float32)
    for pairs in aligned:
        source = _incidence(pairs.source, vocab_size)
        target = _incidence(pairs.target, len(old_embeddings))
        source_count = np.asarray(source.sum(axis=0)).ravel()
        target_count = np.asarray(target.sum(axis=0)).ravel()
        joint = (source.T @ target).tocsr()
        joint.data[joint.data < 2] = 0
        joint.eliminate_zeros()
        for piece in np.flatnonzero(np.diff(joint.indptr)):
            span = slice(joint.indptr[piece], joint.indptr[piece + 1])
            columns, counts = joint.indices[span], joint.data[span]
            dice = 2 * counts / (source_count[piece] + target_count[columns])
            best = np.argsort(-dice)[:_TRANSLATIONS]
            share = dice[best] ** 3
            total[piece] += source_count[piece] * (share / share.sum()) @ old_embeddings[columns[best]]
            weight[piece] += source_count[piece]
    seen = weight > 0
    total[seen] /= weight[seen, None]
    return total, weight


def initial_embeddings(
    new: Tokenizer, old: Tokenizer, old_embeddings: np.ndarray, aligned: Sequence[AlignedIds], *, seed: int = 0
) -> np.ndarray:
    """Embeddings ``(vocab_size, hidden)`` for a new vocabulary from an old one.

    A piece takes the old piece of the same spelling, mixed with its translations by frequency (``die``
    is German more often than English); failing both, the mean of the old pieces that spell it.
    Norms are set to the old vocabulary's median, special tokens are copied.
    """
    size, hidden = new.get_vocab_size(), old_embeddings.shape[1]
    translated, weight = translated_embeddings(aligned, old_embeddings, size)
    old_vocab = old.get_vocab()
    rng = np.random.default_rng(seed)
    spread = float(old_embeddings.std())
    result = np.zeros((size, hidden), dtype=np.float32)
    copied = spelled = random_pieces = 0
    for piece, index in new.get_vocab().items():
        if piece in SPECIAL_TOKENS and piece in old_vocab:
            result[index] = old_embeddings[old_vocab[piece]]
            continue
        word = piece.removeprefix("▁")
        same = old_vocab.get(word if piece.startswith("▁") else f"##{word}", old_vocab.get(word))
        if weight[index] > 0:
            result[index] = translated[index]
        elif same is not None:
            result[index] = old_embeddings[same]
            copied += 1
        else:
            ids = [i for i in old.encode(_plain(word), add_special_tokens=False).ids if i != old_vocab.get(UNK)]
            if ids:
                result[index] = old_embeddings[ids].mean(axis=0)
                spelled += 1
            else:
                result[index] = rng.normal(0, spread, hidden)
                random_pieces += 1
    special = [found for token in SPECIAL_TOKENS if (found := new.token_to_id(token)) is not None]
    norms = np.linalg.norm(result, axis=1, keepdims=True)
    scaled = result / np.maximum(norms, 1e-6) * np.median(np.linalg.norm(old_embeddings, axis=1))
    scaled[special] = result[special]
    _log.info(
        "embeddings: %d translated, %d copied, %d spelled, %d random",
        int((weight > 0).sum()), copied, spelled, random_pieces,
    )  # fmt: skip
    return scaled


def _plain(word: str) -> str:
    return "".join(c for c in unicodedata.normalize("NFD", word) if not unicodedata.combining(c))
