"""What the model must beat: character n-grams with logistic regression, and a list of keywords."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from joblib import Memory, Parallel, delayed
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline

from model.labels import DIMENSIONS
from model.text import SHOUT, normalise

if TYPE_CHECKING:
    from collections.abc import Sequence

    from training.corpus import Message

CACHE = Path(__file__).parent.parent / ".cache"
GRADES = 4
KEYWORDS = Path(__file__).parent / "data" / "keywords.json"


def tfidf(train: Sequence[Message], dev: Sequence[Message]) -> dict[str, np.ndarray]:
    """Grade probabilities ``(len(dev), 4)`` by dimension, of TF-IDF character 1-5-grams and logistic regression.

    Trained on all languages together. Fitting takes minutes a dimension, so both run at once and results are
    kept in ``.cache`` by content.
    """
    texts = [m.text for m in train], [m.text for m in dev]
    fit = delayed(Memory(CACHE, verbose=0).cache(_fit_tfidf))
    found = Parallel(n_jobs=-1)(fit(*texts, [getattr(m, name) for m in train]) for name in DIMENSIONS)
    return dict(zip(DIMENSIONS, found, strict=True))


def _fit_tfidf(train: list[str], dev: list[str], grades: list[int]) -> np.ndarray:
    classifier = make_pipeline(
        TfidfVectorizer(analyzer="char_wb", ngram_range=(1, 5), min_df=2, sublinear_tf=True, max_features=200_000),
        LogisticRegression(C=10, max_iter=300),
    )
    classifier.fit(train, grades)
    # A grade that no training message has gets probability zero.
    result = np.zeros((len(dev), GRADES))
    result[:, classifier.classes_] = classifier.predict_proba(dev)
    return result


def keywords(train: Sequence[Message], dev: Sequence[Message]) -> dict[str, np.ndarray]:
    """Grade probabilities ``(len(dev), 4)`` by dimension, of the number of keywords (and, for anger, of shouting).

    The probabilities are the shares of grades among training messages with the same number of hits.
    """
    lists = {
        language: {name: [f" {normalise(word).text}" for word in words] for name, words in own.items()}
        for language, own in json.loads(KEYWORDS.read_text(encoding="utf-8")).items()
    }
    result = {}
    for name in DIMENSIONS:
        table = np.ones((4, 4))
        for message in train:
            table[_hits(message, lists, name), getattr(message, name)] += 1
        table /= table.sum(axis=1, keepdims=True)
        result[name] = table[[_hits(message, lists, name) for message in dev]]
    return result


def _hits(message: Message, lists: dict[str, dict[str, list[str]]], name: str) -> int:
    text = " " + normalise(message.text).text
    count = sum(word in text for word in lists.get(message.language, {}).get(name, []))
    if name == "anger":
        count += (text.count(SHOUT) >= 3) + ("!!!" in text)
    return min(count, 3)
