"""Fit the lexical branch: a linear ordinal model over tokens and pairs of tokens."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
from scipy import sparse
from scipy.optimize import minimize, minimize_scalar
from scipy.special import expit

from model.network import LexicalBranch, pair_rows
from training.calibrate import calibration_loss, fit_calibration

if TYPE_CHECKING:
    from collections.abc import Sequence

    from model.tokenizer import MessageTokenizer
    from training.examples import Example

_ITERATIONS = 80
# In half precision the table must stay finite.
_LARGEST = 3e4


def fit_lexical(
    examples: Sequence[Example],
    tokenizer: MessageTokenizer,
    vocab_size: int,
    buckets: int,
    *,
    prior: float = 0.1,
    least: int = 2,
) -> LexicalBranch:
    """Fit the branch's table to the known cuts of ``examples``.

    Features are a text's tokens and pairs, each by its inverse document frequency, over the root of the length of
    the whole vector; the loss is the cross-entropy of every known cut (Rennie and Srebro 2005) with a normal prior of
    precision ``prior`` on the weights. What fewer than ``least`` examples hold is left out.
    """
    rows = [table_rows(item.ids, vocab_size, buckets) for item in tokenizer.encode([e.text for e in examples])]
    counts = _counts(rows, vocab_size + buckets)
    present = np.bincount(counts.indices, minlength=counts.shape[1])
    idf = np.where(present >= least, np.log((1 + len(examples)) / (1 + present)) + 1, 0.0)
    root = np.maximum(counts @ idf**2, 1e-6) ** 0.25
    features = (sparse.diags(1 / root) @ counts @ sparse.diags(idf)).tocsr()
    unit = np.sqrt(features.power(2).sum() / features.shape[0])
    branch = LexicalBranch(vocab_size, buckets, 2)
    for column, name in enumerate(("anger", "urgency")):
        weights = _fit(features / unit, np.array([getattr(example, name) for example in examples]), prior) / unit
        branch.table.weight.data[:, column] = torch.from_numpy(weights * idf).float()
    branch.table.weight.data[:, -1] = torch.from_numpy(idf**2).float()
    return branch


def table_rows(ids: np.ndarray, vocab_size: int, buckets: int) -> np.ndarray:
    """Rows of a text's tokens and pairs in the branch's table."""
    return np.concatenate([ids, pair_rows(ids[:-1], ids[1:], vocab_size, buckets)])


def _counts(rows: Sequence[np.ndarray], width: int) -> sparse.csr_matrix:
    ends = np.cumsum([0, *map(len, rows)])
    values = np.ones(ends[-1])
    counts = sparse.csr_matrix((values, np.concatenate(rows), ends), shape=(len(rows), width))
    counts.sum_duplicates()
    return counts


def _fit(features: sparse.csr_matrix, targets: np.ndarray, prior: float) -> np.ndarray:
    """Weights ``(features,)`` of the cumulative link of ``targets`` ``(n, cuts)``, NaN where unknown."""
    known = ~np.isnan(targets)
    some = known.any(axis=1)
    features, known, targets = features[some], known[some], np.nan_to_num(targets[some])
    transposed, width = features.T.tocsr(), features.shape[1]

    def loss(values: np.ndarray) -> tuple[float, np.ndarray]:
        weights, cuts = values[:width], values[width:]
        margins = (features @ weights)[:, None] - cuts
        total = ((np.logaddexp(0, margins) - targets * margins) * known).sum() + prior / 2 * weights @ weights
        slope = (expit(margins) - targets) * known
        return float(total), np.concatenate([transposed @ slope.sum(1) + prior * weights, -slope.sum(0)])

    start = np.zeros(width + targets.shape[1])
    best = minimize(loss, start, jac=True, method="L-BFGS-B", options={"maxiter": _ITERATIONS}).x
    return np.asarray(best[:width])


def lexical_latents(branch: LexicalBranch, texts: Sequence[str], tokenizer: MessageTokenizer) -> np.ndarray:
    """Latents ``(len(texts), dimensions)`` of the branch alone."""
    found = np.zeros((len(texts), branch.table.embedding_dim - 1))
    with torch.no_grad():
        for row, item in enumerate(tokenizer.encode(texts)):
            if len(item.ids):
                ids = torch.from_numpy(item.ids)[None]
                found[row] = branch(ids, torch.ones_like(ids))[0].sum(0).numpy()
    return found


def mix(branch: LexicalBranch, encoder: np.ndarray, lexical: np.ndarray, grades: Sequence[np.ndarray]) -> list[float]:
    """Scale each dimension of the branch so that it best completes the encoder's latents; return the factors.

    The factor is that of the largest likelihood of ``grades`` (one array a dimension) given
    ``encoder + factor * lexical``, both ``(n, dimensions)``, after calibration.
    """
    factors = []
    for column, own in enumerate(grades):
        deep, wide = encoder[:, column], lexical[:, column]
        unit = float(deep.std() / max(wide.std(), 1e-9))

        def loss(factor: float, deep: np.ndarray = deep, wide: np.ndarray = wide, own: np.ndarray = own) -> float:
            latents = deep + factor * wide
            return calibration_loss(fit_calibration(latents, own), latents, own)

        # Beyond three times the encoder's spread the encoder would no longer count.
        factor = float(minimize_scalar(loss, bounds=(0, 3 * unit), method="bounded", options={"xatol": unit / 50}).x)
        branch.table.weight.data[:, column] *= factor
        factors.append(factor)
    branch.table.weight.data.clamp_(-_LARGEST, _LARGEST)
    return factors
