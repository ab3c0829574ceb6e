"""K-fold variant of the splits, and classes matched for duration and frequency.

Speakers and word families are each dealt into *k* folds. In run *i* the test set is what speakers
of fold *i* say of families of fold *i* (new words of new speakers); fold *i + 1* is for
validation in the same way; the remaining cells are those of `stressnet.corpus.splits`. Over the
*k* runs a *k*-th of all tokens is tested once; ``rotation`` pairs speakers' folds with other
families', so that *k* rotations test every token once.
"""

from collections.abc import Collection, Mapping

import numpy as np
import pandas as pd

from stressnet.corpus.splits import (
    PAIR_SPLITS,
    dealt_apart,
    families_by_class,
    with_families,
    with_split,
)
from stressnet.errors import ConfigError, CorpusError
from stressnet.lexicon.contrast import STRESS, Contrast

MATCHABLE = ("duration", "frequency")
UNMATCHED = "unmatched"  # Split of tokens that matching leaves out
_DURATION_STEP = 1.1  # Durations within 10 % count as equal


def deal_folds(
    weights: Mapping[str, float], n_folds: int, rng: np.random.Generator
) -> dict[str, int]:
    """Deal groups into folds of nearly equal weight: heavy ones first, each to the lightest fold.

    Equal weights are visited in random order.
    """
    names = sorted(weights)
    order = [names[i] for i in rng.permutation(len(names))]
    order.sort(key=lambda name: -weights[name])
    filled = np.zeros(n_folds)
    dealt = {}
    for name in order:
        fold = int(np.argmin(filled))
        dealt[name] = fold
        filled[fold] += weights[name]
    return dealt


def assign_folds(
    tokens: pd.DataFrame, n_folds: int = 5, seed: int = 0, contrast: Contrast = STRESS
) -> pd.DataFrame:
    """A copy of a token table with ``family``, ``speaker_fold`` and ``family_fold`` (from 0).

    ``tokens`` have ``word``, ``speaker``, ``stress`` and ``is_minimal_pair``, and ``corpus`` if
    there are several, whose speakers are then dealt one corpus after the other. ``family_fold`` is
    -1 for unlabelled tokens and for families of minimal pairs, which are in no fold. Raises
    `ConfigError` if there are fewer than three folds (one each to test and to validate, the rest to
    train), `CorpusError` if there are fewer speakers than folds, or fewer families of a class.
    """
    if n_folds < 3:
        raise ConfigError(f"{n_folds} folds are too few; 3 or more (test, validation, training)")
    tokens = with_families(tokens)
    n_speakers = tokens["speaker"].nunique()
    if n_speakers < n_folds:
        raise CorpusError(f"{n_speakers} speakers are too few for {n_folds} folds; use fewer folds")
    rng = np.random.default_rng([seed, 2])
    speaker_folds: dict[str, int] = {}
    corpora = tokens["corpus"] if "corpus" in tokens else pd.Series("", index=tokens.index)
    for _, members in tokens["speaker"].groupby(corpora, sort=True):
        for _, weights in dealt_apart(tokens.loc[members.index], "speaker", contrast):
            speaker_folds |= deal_folds(weights, n_folds, rng)
    family_folds: dict[str, int] = {}
    for name, weights in families_by_class(tokens, contrast):
        if len(weights) < n_folds:
            raise CorpusError(
                f"{len(weights)} word families with {name} are too few for {n_folds} "
                f"folds; use fewer folds"
            )
        family_folds |= deal_folds(weights, n_folds, rng)
    tokens["speaker_fold"] = tokens["speaker"].map(speaker_folds)
    labelled = tokens["family"].where(tokens["stress"].notna())
    tokens["family_fold"] = labelled.map(family_folds).fillna(-1).astype(int)
    return tokens


def fold_splits(
    tokens: pd.DataFrame, fold: int, n_folds: int = 5, *, rotation: int = 0
) -> pd.DataFrame:
    """A copy of tokens from :func:`assign_folds` with the sets of one run, counted from 0.

    ``speaker_set``, ``family_set`` and ``split`` are as `assign_splits` writes them; ``rotation``
    says how far families' folds are turned against speakers'.
    """
    tokens = tokens.copy()
    roles = {fold % n_folds: "test", (fold + 1) % n_folds: "valid"}
    turned = (tokens["family_fold"] - rotation) % n_folds
    in_fold = tokens["family_fold"] >= 0
    tokens["speaker_set"] = tokens["speaker_fold"].map(roles).fillna("train")
    tokens["family_set"] = turned.map(roles).fillna("train").where(in_fold, None)
    return with_split(tokens)


def match_classes(
    tokens: pd.DataFrame,
    by: Collection[str] = MATCHABLE,
    seed: int = 0,
    contrast: Contrast = STRESS,
) -> pd.DataFrame:
    """Leave out tokens until the classes are alike within each set.

    Tokens of a set fall into cells of equal duration (steps of 10 %) and of equal frequency of
    their family in this corpus (steps of a factor of two). In each cell as many tokens of either
    class are drawn as the rarer one has; the others get the split ``unmatched``. What remains are
    equal numbers of both classes with nearly equal distributions. Sets of minimal pairs are left
    alone. ``tokens`` has ``split``, ``stress``, ``duration_s`` and ``family``.
    """
    unknown = set(by) - set(MATCHABLE)
    if unknown or not by:
        raise ConfigError(
            f"classes cannot be matched by '{min(unknown, default='')}'; there are "
            f"{', '.join(MATCHABLE)}"
        )
    tokens = tokens.copy()
    cells = pd.DataFrame({"split": tokens["split"]})
    if "duration" in by:
        steps = np.log(tokens["duration_s"]) / np.log(_DURATION_STEP)
        cells["duration"] = np.floor(steps).astype(int)
    if "frequency" in by:
        counts = tokens["family"].map(tokens["family"].value_counts())
        cells["frequency"] = np.floor(np.log2(counts)).astype(int)
    classes = contrast.among(tokens[contrast.column])
    eligible = tokens["stress"].notna() & ~tokens["split"].isin([*PAIR_SPLITS, "unlabelled"])
    order = np.random.default_rng([seed, 3]).permutation(len(tokens))
    kept = pd.Series(~eligible.to_numpy(), index=tokens.index)
    shuffled = tokens.iloc[order]
    shuffled = shuffled[eligible.iloc[order]]
    for _, cell in shuffled.groupby(
        [cells[c].loc[shuffled.index] for c in cells.columns], sort=True
    ):
        of_class = [cell.index[cell[contrast.column] == one] for one in classes]
        n = min(len(members) for members in of_class)
        for members in of_class:
            kept.loc[members[:n]] = True
    tokens.loc[~kept, "split"] = UNMATCHED
    return tokens
