"""What fitted cue baselines rest on: coefficients and permutation importance."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import pandas as pd
from sklearn.linear_model import LogisticRegression

from stressnet.acoustics.cue_table import contrast_columns
from stressnet.corpus.splits import TEST_SPLITS
from stressnet.errors import ConfigError
from stressnet.training.bootstrap import cluster_weights, interval_of, mean_of_sides
from stressnet.training.cue_baselines import TRAIN, CueData, Fitted


def coefficients(
    fitted: Fitted, data: CueData, *, seed: int = 0, n_resamples: int = 300
) -> pd.DataFrame:
    """Standardised coefficients of a logistic regression with clustered intervals.

    The interval is from the pigeonhole bootstrap over speakers and word families of the training
    split; every resample is fitted anew with the same penalty and the same standardisation.

    Returns
    -------
    DataFrame
        ``baseline``, ``cue``, ``group``, ``coefficient`` (change of the log odds of INITIAL per
        standard deviation of the cue), ``low``, ``high``, ``standard_deviation`` (of the cue, in
        its own unit), ``n_missing`` (training tokens), ``n``.
    """
    train = data.rows([TRAIN])
    columns = fitted.baseline.columns
    raw = data.values(columns)[train]
    truth = data.is_initial[train]
    scale, regression = fitted.model[:-1], fitted.model[-1]
    values = scale.transform(raw)
    groups = data.table[["speaker", "family"]].iloc[train].fillna("")
    draws = cluster_weights(groups["speaker"], groups["family"], seed=seed, n_resamples=n_resamples)
    found = []
    for weights in draws:
        for weight in weights:
            if any(weight[truth == side].sum() == 0 for side in (True, False)):
                continue
            again = LogisticRegression(C=regression.C, max_iter=2000, class_weight="balanced")
            found.append(again.fit(values, truth, sample_weight=weight).coef_[0])
    resampled = np.array(found).reshape(-1, len(columns))
    contrasts = contrast_columns()
    rows = []
    for index, column in enumerate(columns):
        value = float(regression.coef_[0, index])
        interval = interval_of(value, resampled[:, index], n_resamples)
        rows.append(
            {
                "baseline": fitted.baseline.name,
                "cue": column,
                "group": contrasts[column].group,
                "coefficient": value,
                "low": interval.low,
                "high": interval.high,
                "standard_deviation": float(fitted.model[1].scale_[index]),
                "n_missing": int(np.isnan(raw[:, index]).sum()),
                "n": len(train),
            }
        )
    return pd.DataFrame(rows)


def permutation_importance(
    models: Sequence[Fitted],
    data: CueData,
    *,
    n_repeats: int = 20,
    seed: int = 0,
    n_resamples: int = 500,
) -> pd.DataFrame:
    """How much balanced accuracy is lost when a cue, or a family of cues, is dealt out anew.

    Cues that say the same cover for each other: alone each may look unimportant. Families are
    therefore permuted as a whole too, which scikit-learn's own function does not do.

    Parameters
    ----------
    models : sequence of Fitted
        The same baseline under several seeds; losses are averaged.
    n_repeats : int
        Permutations per cue and seed.

    Returns
    -------
    DataFrame
        ``baseline``, ``unit`` (``cue`` or ``group``), ``name``, ``group``, ``importance`` (loss of
        balanced accuracy), ``low``, ``high``, ``sd_repeats``, ``n``, ``n_seeds``, ``n_repeats``.
    """
    baseline = models[0].baseline
    rows = data.rows(TEST_SPLITS)
    truth = data.is_initial[rows]
    if len(np.unique(truth)) < 2:
        raise ConfigError("importance needs test tokens of both classes; build the corpus larger")
    values = data.values(baseline.columns)[rows]
    groups = data.table[["speaker", "family"]].iloc[rows].fillna("")
    draws = cluster_weights(groups["speaker"], groups["family"], seed=seed, n_resamples=n_resamples)
    weights = np.concatenate([*draws, np.zeros((0, len(rows)))])
    classes = [truth, ~truth]
    lines = []
    for unit, name, columns in _units(baseline.columns):
        rng = np.random.default_rng(seed)  # the same permutations for every cue
        losses, gains = [], np.zeros(len(rows))
        for model in models:
            hits = (model.logits_of(values, len(rows)) >= 0) == truth
            for _ in range(n_repeats):
                dealt = values.copy()
                dealt[:, columns] = values[rng.permutation(len(rows))][:, columns]
                gain = hits.astype(float) - ((model.logits_of(dealt, len(rows)) >= 0) == truth)
                losses.append(float(mean_of_sides(np.ones((1, len(gain))), gain, classes)[0]))
                gains += gain
        gains /= len(losses)
        value = float(np.mean(losses))
        interval = interval_of(value, mean_of_sides(weights, gains, classes), n_resamples)
        lines.append(
            {
                "baseline": baseline.name,
                "unit": unit,
                "name": name,
                "group": name if unit == "group" else contrast_columns()[name].group,
                "importance": value,
                "low": interval.low,
                "high": interval.high,
                "sd_repeats": float(np.std(losses)),
                "n": len(rows),
                "n_seeds": len(models),
                "n_repeats": n_repeats,
            }
        )
    return pd.DataFrame(lines)


def _units(columns: Sequence[str]) -> Iterator[tuple[str, str, list[int]]]:
    contrasts = contrast_columns()
    for index, column in enumerate(columns):
        yield "cue", column, [index]
    for group in dict.fromkeys(contrasts[column].group for column in columns):
        yield "group", group, [i for i, c in enumerate(columns) if contrasts[c].group == group]
