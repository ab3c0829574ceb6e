"""What least squares on principal components leaves of a value, and whether it is uncorrelated."""

import numpy as np
import pandas as pd
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.metrics import roc_auc_score
from sklearn.preprocessing import OneHotEncoder
from threadpoolctl import threadpool_limits

from stressnet.axes import BoolArray, FloatArray
from stressnet.lexicon.pronunciation import bare

LIMIT_SD = 4.0  # Standardised values are cut off here, since trackers err by far
RARE = 10  # Training tokens below which a label shares its indicator with other rare ones
_CHUNK = 200  # permutations held in memory at a time


def as_numbers(table: pd.DataFrame, column: str) -> FloatArray:
    """A cue as numbers, NaN where missing; binary logarithms of frequencies and durations."""
    values = pd.to_numeric(table[column], errors="coerce")
    numbers = values.to_numpy(dtype=np.float64, na_value=np.nan)
    if column.endswith(("_hz", "duration_s", "relative_duration")):
        numbers = np.log2(np.where(numbers > 0, numbers, np.nan))
    return np.where(np.isfinite(numbers), numbers, np.nan)


def standardised(raw: FloatArray, train: BoolArray) -> FloatArray:
    """Columns in standard deviations of the training tokens, cut off at :data:`LIMIT_SD`."""
    there = pd.DataFrame(raw[train])
    mean, sd = there.mean().to_numpy(), there.std().to_numpy()
    scaled = (raw - mean) / np.where(sd > 0, sd, 1.0)
    middle = pd.DataFrame(scaled[train]).median().fillna(0.0).to_numpy()
    return np.clip(np.where(np.isfinite(raw), scaled, middle), -LIMIT_SD, LIMIT_SD)


def indicators(labels: pd.DataFrame, train: BoolArray) -> FloatArray:
    """One column per label of each column, stress digits left out; rare and new ones share one."""
    text = labels.fillna("").astype(str).map(bare)
    encoder = OneHotEncoder(handle_unknown="ignore", sparse_output=False)
    pooled = {}
    for column in text:
        counts = text[column][train].value_counts()
        common = counts.index[counts >= RARE]
        pooled[column] = text[column].where(text[column].isin(common), "(rare)")
    frame = pd.DataFrame(pooled)
    encoder.fit(frame[train])
    return np.asarray(encoder.transform(frame), dtype=np.float64)


class Components:
    """Principal components of cues, shape (n, n_cues), and indicators, which are always taken out,
    to be taken out of a value; components and weights are fitted on ``train`` tokens.
    """

    def __init__(self, cues: FloatArray, indicators: FloatArray, train: BoolArray) -> None:
        self.train = train
        self._always = np.hstack([np.ones((len(cues), 1)), indicators])
        centred = cues - cues[train].mean(axis=0)
        _, sizes, axes = np.linalg.svd(centred[train], full_matrices=False)
        self.n_components = int((sizes > 1e-8 * sizes.max(initial=0.0)).sum())
        self._scores = centred @ axes[: self.n_components].T

    def rest(self, values: FloatArray, n_components: int) -> FloatArray:
        """What so many components and the indicators leave of the values, shape (n,)."""
        design = np.hstack([self._always, self._scores[:, :n_components]])
        weights = np.linalg.lstsq(design[self.train], values[self.train], rcond=None)[0]
        return np.asarray(values - design @ weights)


def correlation(values: FloatArray, cues: FloatArray, measured: BoolArray) -> FloatArray:
    """Pearson's correlation with each cue over the tokens in which it was measured.

    ``cues`` and ``measured`` have shape (n, n_cues), the result (n_cues,); it is 0 for a constant.
    """
    weight = measured.astype(np.float64)
    n = np.maximum(weight.sum(axis=0), 1.0)
    a = (values[:, None] - (values @ weight) / n) * weight
    b = (cues - (cues * weight).sum(axis=0) / n) * weight
    size = np.sqrt((a * a).sum(axis=0) * (b * b).sum(axis=0))
    return np.divide((a * b).sum(axis=0), size, out=np.zeros(cues.shape[1]), where=size > 1e-12)


def permutation_p(
    values: FloatArray,
    cues: FloatArray,
    measured: BoolArray,
    *,
    n_permutations: int = 2000,
    seed: int = 0,
) -> FloatArray:
    """How often a correlation as large arises when the values are dealt out anew: two-sided p, not
    corrected for the number of cues.

    All cues, shape (n, n_cues), get the same permutations. What is missing stays where it is.
    """
    rng = np.random.default_rng([seed, len(values)])
    weight = measured.astype(np.float64)
    n = np.maximum(weight.sum(axis=0), 1.0)
    others = (cues - (cues * weight).sum(axis=0) / n) * weight
    centred = values - values.mean()
    # Rounding must not decide a tie: of a constant, all correlations are as large.
    observed = np.abs(centred @ others) - 1e-9
    count = np.zeros(cues.shape[1])
    for start in range(0, n_permutations, _CHUNK):
        rows = min(_CHUNK, n_permutations - start)
        dealt = rng.permuted(np.broadcast_to(centred, (rows, len(centred))).copy(), axis=1)
        count += (np.abs(dealt @ others) >= observed).sum(axis=0)
    return (1.0 + count) / (1.0 + n_permutations)


def auroc(scores: FloatArray, positive: BoolArray) -> float:
    """Chance that a positive token scores higher than another; NaN with one class only."""
    if len(np.unique(positive)) < 2:
        return float("nan")
    return float(roc_auc_score(positive, scores))


def leak(
    predictors: FloatArray,
    positive: BoolArray,
    train: BoolArray,
    held_out: BoolArray,
    *,
    seed: int = 0,
) -> float:
    """AUROC of gradient boosting, trained on training tokens, in held-out ones."""
    if len(np.unique(positive[train])) < 2:
        return float("nan")
    model = HistGradientBoostingClassifier(
        max_iter=150, learning_rate=0.05, max_leaf_nodes=8, min_samples_leaf=10, random_state=seed
    )
    with threadpool_limits(1):  # so little work that threads only wait for each other
        model.fit(predictors[train], positive[train])
        return auroc(model.predict_proba(predictors[held_out])[:, 1], positive[held_out])
