"""Folds over speakers and word families at once, for cross-validation.

Speakers are dealt into folds, and so are word families, each class by itself. Fold *k* tests on the
*k*-th speakers and the *k*-th families: every speaker and every family is new exactly once, and
as in :mod:`stressnet.corpus.splits` a token's set follows from both of its margins. Of what is
left, a tenth of the speakers and of the families is for validation. Words with both readings are
never trained on, in no fold; they and tokens without a label keep their split.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from stressnet.corpus.splits import PAIR_SPLITS, check_leaks
from stressnet.errors import ConfigError, CorpusError

VALID_PARTS = 10
"""One part in so many of what is not for testing is for validation."""

_FIXED = (*PAIR_SPLITS, "unlabelled")

_CELLS = {
    ("train", "train"): "train",
    ("train", "valid"): "valid_known_speakers",
    ("train", "test"): "test_known_speakers",
    ("valid", "train"): "valid_known_words",
    ("valid", "valid"): "valid",
    ("test", "train"): "test_known_words",
    ("test", "test"): "test",
}


def deal_folds(
    weights: Mapping[str, float], n_folds: int, rng: np.random.Generator
) -> dict[str, int]:
    """Deal groups into folds, numbered from 0, of about the same weight.

    Groups are visited in random order, heavy ones first among every eight, and each goes to the
    lightest fold. With at least ``n_folds`` groups no fold stays empty.
    """
    names = sorted(weights)
    order = [names[i] for i in rng.permutation(len(names))]
    filled = np.zeros(n_folds)
    dealt: dict[str, int] = {}
    for start in range(0, len(order), 8):
        for name in sorted(order[start : start + 8], key=lambda n: -weights[n]):
            dealt[name] = int(np.argmin(filled))
            filled[dealt[name]] += max(weights[name], 1e-9)
    return dealt


def fold_splits(tokens: pd.DataFrame, n_folds: int, fold: int, seed: int = 0) -> pd.Series:
    """The split of every token in one fold.

    Parameters
    ----------
    tokens : DataFrame
        With ``speaker``, ``family``, ``stress``, ``split`` and ``is_minimal_pair``, as a corpus
        that was built with splits has them.
    n_folds : int
        Number of folds, at least 2.
    fold : int
        From 1 to ``n_folds``.
    seed : int
        Of the deal; the same for all folds of a cross-validation.

    Returns
    -------
    Series of str
        With the index of ``tokens``; names as in :mod:`stressnet.corpus.splits`. What is new in one
        way and was seen by early stopping in the other is ``valid_test_mixed``.

    Raises
    ------
    ConfigError
        If there is no such fold.
    CorpusError
        If the corpus has too few speakers or word families, or was built without splits.
    """
    if n_folds < 2 or not 1 <= fold <= n_folds:
        raise ConfigError(f"no fold {fold} of {n_folds}; there must be at least two")
    if "family" not in tokens or (tokens["split"] == "unsplit").all():
        raise CorpusError("the corpus was built without splits; build it with splits to make folds")
    free = tokens[~tokens["split"].isin(_FIXED)]
    rng = np.random.default_rng([seed, 11])
    speaker_sets = _sets(free["speaker"], n_folds, fold, rng, "speakers")
    family_sets: dict[str, str] = {}
    is_initial = (free["stress"] == "INITIAL").groupby(free["family"]).mean()
    mostly_initial = free["family"].map(is_initial) >= 0.5
    for name, members in (("INITIAL", free[mostly_initial]), ("FINAL", free[~mostly_initial])):
        what = f"word families with stress {name}"
        family_sets |= _sets(members["family"], n_folds, fold, rng, what)
    splits = tokens["split"].astype(object).copy()
    splits.loc[free.index] = [
        _CELLS.get((speaker_sets[s], family_sets[f]), "valid_test_mixed")
        for s, f in zip(free["speaker"], free["family"], strict=True)
    ]
    check_leaks(tokens.assign(split=splits))
    return splits


def _sets(
    column: pd.Series, n_folds: int, fold: int, rng: np.random.Generator, what: str
) -> dict[str, str]:
    """Each group's set in one fold."""
    weights = {str(name): float(n) for name, n in column.value_counts().items()}
    if len(weights) < n_folds + 1:
        raise CorpusError(
            f"{len(weights)} {what}: too few for {n_folds} folds, of which each also needs some to "
            "validate; use fewer folds or more speech"
        )
    of_fold = deal_folds(weights, n_folds, rng)
    # Drawn for all folds, so that the deal of what follows is the same whatever fold is asked for.
    rngs = rng.spawn(n_folds)
    left = {name: n for name, n in weights.items() if of_fold[name] != fold - 1}
    parts = deal_folds(left, min(VALID_PARTS, len(left)), rngs[fold - 1])
    return {
        name: "test" if name not in left else "valid" if parts[name] == 0 else "train"
        for name in weights
    }
