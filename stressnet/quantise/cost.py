"""What fewer bits cost: accuracy on every test set, agreement with the network in float32."""

from collections.abc import Mapping
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stressnet.evaluation.sets import TestSets, asked
from stressnet.inference.bootstrap import bootstrapped, mean_of_sides
from stressnet.lexicon.stress import Stress
from stressnet.training.comparison import compare

TOGETHER = "together"  # All test sets together; no set of `stressnet.evaluation.sets.TITLES`


def cost_rows(
    scores: NDArray[np.float64],
    others: Mapping[str, NDArray[np.float64]],
    tests: TestSets,
    seed: int,
    n_resamples: int,
) -> list[dict[str, Any]]:
    """One plan on every test set.

    ``scores`` (shape (n_tokens,)): logit differences INITIAL - FINAL of the rounded network.
    ``others``: those of what it is compared with, ``float`` first, e.g. ``uniform``. Returns
    ``test_set, n``, ``balanced_accuracy`` and ``agreement`` (share of words with the answer of the
    float network), and per other network the ``difference`` in balanced accuracy, each with its
    interval over speakers and words, differences paired.
    """
    options = {"seed": seed, "n_resamples": n_resamples}
    masks = {TOGETHER: np.any(list(tests.masks.values()), axis=0), **tests.masks}
    rows = []
    for name, mask in masks.items():
        labels, mine, *clusters = asked(tests.tokens[mask], scores[mask])
        is_initial = labels == Stress.INITIAL.class_index
        sides = [side for side in (is_initial, ~is_initial) if side.any()]
        answers = mine >= 0
        hits = answers == is_initial
        same = answers == (others["float"][mask] >= 0)
        row: dict[str, Any] = {"test_set": name, "n": len(mine)}
        measured = {"balanced_accuracy": (hits, sides), "agreement": (same, [slice(None)])}
        for measure, (values, parts) in measured.items():
            figure = partial(mean_of_sides, values=values.astype(float), sides=parts)
            row |= bootstrapped(figure, *clusters, **options).columns(measure)
        for other, theirs in others.items():
            apart = compare(labels, mine, theirs[mask], *clusters, **options).balanced_accuracy
            row |= apart.columns(f"difference_to_{other}")
        rows.append(row)
    return rows
