"""What fewer bits cost: accuracy on every test set, agreement with the network in float32."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stressnet.evaluation.sets import TestSets, asked
from stressnet.inference.bootstrap import Estimate, bootstrapped, mean_of_sides
from stressnet.training.comparison import compare

TOGETHER = "together"
"""All test sets together; no set of :data:`stressnet.evaluation.sets.TITLES`."""


def cost_rows(
    scores: NDArray[np.float64],
    others: Mapping[str, NDArray[np.float64]],
    tests: TestSets,
    seed: int,
    n_resamples: int,
) -> list[dict[str, Any]]:
    """One plan on every test set.

    Parameters
    ----------
    scores : ndarray, shape (n_tokens,)
        Logit differences INITIAL - FINAL of the rounded network.
    others : mapping of str to ndarray
        Those of what it is compared with, ``float`` first, e.g. ``uniform``.

    Returns
    -------
    list of dict
        ``test_set, n``, ``balanced_accuracy`` and ``agreement`` (share of words with the answer of
        the float network), and per other network the ``difference`` in balanced accuracy, each with
        its interval over speakers and words, differences paired.
    """
    options = {"seed": seed, "n_resamples": n_resamples}
    masks = {TOGETHER: np.any(list(tests.masks.values()), axis=0), **tests.masks}
    rows = []
    for name, mask in masks.items():
        labels, mine, *clusters = asked(tests.tokens[mask], scores[mask])
        first = labels == labels.min()
        sides = [side for side in (first, ~first) if side.any()]
        answers = mine >= 0
        hits = (answers == (tests.tokens[mask]["stress"] == "INITIAL").to_numpy()).astype(float)
        same = (answers == (others["float"][mask] >= 0)).astype(float)
        row: dict[str, Any] = {"test_set": name, "n": len(mine)}
        row |= _mean(hits, sides, clusters, options).columns("balanced_accuracy")
        row |= _mean(same, [slice(None)], clusters, options).columns("agreement")
        for other, theirs in others.items():
            apart = compare(labels, mine, theirs[mask], *clusters, **options).balanced_accuracy
            row |= apart.columns(f"difference_to_{other}")
        rows.append(row)
    return rows


def _mean(values: Any, sides: Any, clusters: Any, options: Mapping[str, int]) -> Estimate:
    return bootstrapped(lambda weights: mean_of_sides(weights, values, sides), *clusters, **options)


def map_correlation(
    first: NDArray[np.floating], second: NDArray[np.floating]
) -> NDArray[np.float64]:
    """Pearson's correlation of two maps of each word, shape (n,); maps are (n, bins, frames)."""
    pair = [maps.reshape(len(maps), -1).astype(np.float64) for maps in (first, second)]
    a, b = (maps - maps.mean(axis=1, keepdims=True) for maps in pair)
    norm = np.sqrt((a**2).sum(axis=1) * (b**2).sum(axis=1))
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray((a * b).sum(axis=1) / norm)
