"""Fit the lexical branch: a linear model over character n-grams and pairs of words for every cut of every dimension."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np
from joblib import Parallel, delayed
from scipy import sparse
from scipy.optimize import minimize

from model.lexical import LexicalBranch, occurrence_weights, pair_rows, word_hash, word_rows, words_of
from model.text import normalise
from training.calibrate import logistic_loss

if TYPE_CHECKING:
    from collections.abc import Sequence

    from training.examples import Example

_ITERATIONS = 80
_STEPS = 127
# Beyond this many times the encoder's spread the encoder would no longer count.
_LARGEST_SHARE = 3.0


def fit_lexical(
    examples: Sequence[Example], rows: int, *, prior: float = 0.1, least: int = 2, power: float = 0.5
) -> LexicalBranch:
    """Fit the branch's table to the known cuts of ``examples``.

    Features are a text's n-grams and pairs, each by its inverse document frequency, over the norm of the whole
    vector; the loss is the cross-entropy of each known cut by itself with a normal prior of precision ``prior`` on
    the weights. What fewer than ``least`` examples hold is left out. ``rows`` is the size of the hashed table.
    """
    counts = feature_counts([example.text for example in examples], rows)
    present = np.bincount(counts.indices, minlength=rows)
    idf = np.where(present >= least, np.log((1 + len(examples)) / (1 + present)) + 1, 0.0)
    norm = np.maximum(counts @ idf**2, 1e-6) ** power
    known = np.flatnonzero(idf)
    features = (sparse.diags(1 / norm) @ counts[:, known] @ sparse.diags(idf[known])).tocsr()
    unit = np.sqrt(features.power(2).sum() / features.shape[0])
    targets = np.array([[example.anger, example.urgency] for example in examples])
    shape = targets.shape[1:]
    fit = delayed(_fit)
    columns = targets.reshape(len(examples), -1).T
    weights = Parallel(n_jobs=-1)(fit(features / unit, column, prior) for column in columns)
    table = np.zeros((rows, len(weights) + 1))
    table[known, :-1] = np.stack(weights, axis=1) / unit * idf[known, None]
    table[:, -1] = idf**2
    steps = np.maximum(np.abs(table).max(axis=0), 1e-9) / _STEPS
    return LexicalBranch(np.rint(table / steps).astype(np.int8), steps, shape, power)


def feature_counts(texts: Sequence[str], rows: int) -> sparse.csr_matrix:
    """Weighted counts ``(len(texts), rows)`` of each text's n-grams and pairs of words, as the branch sees them."""
    of_word = lru_cache(None)(lambda word: (word_hash(word), word_rows(word, rows)))
    indices, values, ends = [], [], [0]
    for text in texts:
        words = words_of(normalise(text))
        found = [of_word(word) for word in words]
        pairs = pair_rows(np.array([hashed for hashed, _ in found], dtype=np.uint64), rows)
        weights = occurrence_weights(words)
        indices += [*(own for _, own in found), pairs]
        values += [np.repeat(weights, [len(own) for _, own in found]), occurrence_weights(pairs.tolist())]
        ends.append(ends[-1] + sum(len(own) for _, own in found) + len(pairs))
    counts = sparse.csr_matrix((np.concatenate(values), np.concatenate(indices), ends), shape=(len(texts), rows))
    counts.sum_duplicates()
    return counts


def _fit(features: sparse.csr_matrix, targets: np.ndarray, prior: float) -> np.ndarray:
    """Weights ``(features,)`` of a logistic regression on ``targets`` ``(n,)`` in 0..1, NaN where unknown."""
    known = ~np.isnan(targets)
    features, targets = features[known], targets[known]
    transposed = features.T.tocsr()

    def loss(values: np.ndarray) -> tuple[float, np.ndarray]:
        weights, cut = values[:-1], values[-1]
        margins = features @ weights - cut
        total, slope = logistic_loss(margins, targets)
        gradient = np.append(transposed @ slope + prior * weights, -slope.sum())
        return total + prior / 2 * float(weights @ weights), gradient

    start = np.zeros(features.shape[1] + 1)
    best = minimize(loss, start, jac=True, method="L-BFGS-B", options={"maxiter": _ITERATIONS}).x
    return np.asarray(best[:-1])


def lexical_latents(branch: LexicalBranch, texts: Sequence[str]) -> np.ndarray:
    """Latents ``(len(texts), dimensions, cuts)`` of the branch alone."""
    return np.stack([branch.shares(normalise(text)).sum(axis=0) for text in texts])


def mix(branch: LexicalBranch, encoder: np.ndarray, lexical: np.ndarray, grades: Sequence[np.ndarray]) -> np.ndarray:
    """Scale each output of the branch so that it best completes the encoder's latents.

    Of every cut the factor is that of the largest likelihood of ``grades`` (one array a dimension) given
    ``encoder + factor * lexical``, both ``(n, dimensions, cuts)``.

    Returns:
        The factors ``(dimensions, cuts)``.
    """
    factors = np.array(
        [
            [_factor(encoder[:, column, cut], lexical[:, column, cut], own > cut) for cut in range(encoder.shape[2])]
            for column, own in enumerate(grades)
        ]
    )
    branch.steps[:-1] *= factors.ravel()
    return factors


def _factor(deep: np.ndarray, wide: np.ndarray, truth: np.ndarray) -> float:
    units = np.array([max(deep.std(), 1e-9), max(wide.std(), 1e-9)])
    features = np.stack([deep - deep.mean(), wide - wide.mean()], axis=1) / units

    def loss(values: np.ndarray) -> tuple[float, np.ndarray]:
        margins = features @ values[:2] - values[2]
        total, slope = logistic_loss(margins, truth)
        return total / len(truth), np.append(features.T @ slope, -slope.sum()) / len(truth)

    bounds = [(1e-3, None), (0, None), (None, None)]
    own, other, _ = minimize(loss, [1.0, 1.0, 0.0], jac=True, method="L-BFGS-B", bounds=bounds).x
    return float(min(other / own, _LARGEST_SHARE) * units[0] / units[1])
