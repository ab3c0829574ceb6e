"""What classical acoustic cues alone tell about stress: baselines, and what they rest on.

Trained on the corpus's own training split, tuned in validation, and evaluated on the same test sets
with the same metrics as the networks, so that the tables stand side by side and two rows can be
compared token by token; ``docs/cues.md`` lists them. Predictors are only comparisons of the two
syllables, first minus second (:func:`stressnet.acoustics.cue_table.contrast_columns`); none knows
which one is stressed. Both classes weigh the same. Logistic regression gets medians for missing
values and standardised predictors; gradient boosting handles missing values itself. The positive
class is INITIAL.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import balanced_accuracy_score, log_loss
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.class_weight import compute_sample_weight

from stressnet.acoustics.cue_table import Cue, predictors
from stressnet.corpus.splits import TEST_SPLITS, VALIDATION_SPLITS
from stressnet.errors import ConfigError
from stressnet.inference.bootstrap import cluster_weights, interval_of, mean_of_sides
from stressnet.lexicon.contrast import STRESS, Contrast

TRAIN, VALID = "train", "valid"
MAJORITY, FIVE = "majority", "five-cues"
LOGISTIC, BOOSTING = "logistic-regression", "gradient-boosting"
FIVE_CUES = (
    "nucleus_log2ratio_duration",
    "nucleus_diff_f0_max_st",
    "nucleus_diff_intensity_max_db",
    "nucleus_diff_spectral_emphasis_db",
    "nucleus_diff_peripherality_bark",
)
PENALTIES = (0.01, 0.03, 0.1, 0.3, 1.0)
"""Values of C to choose from in validation."""

MAX_TREES = 400
_USUAL_TREES = 150  # where validation cannot decide


@dataclass(frozen=True)
class Baseline:
    """A classifier on the cues in ``columns``, logistic regression or gradient boosting."""

    name: str
    kind: str
    columns: tuple[str, ...] = ()
    is_boosting: bool = False


@dataclass(frozen=True)
class CueData:
    """Labelled tokens of ``cues.parquet``; all validation cells are one split ``valid``."""

    table: pd.DataFrame
    contrast: Contrast = STRESS

    @property
    def predictors(self) -> dict[str, Cue]:
        """Columns that baselines may use, with the cue of each."""
        return predictors(self.contrast.column)

    @cached_property
    def is_initial(self) -> NDArray[np.bool_]:
        """Whether each token is INITIAL (of the first class), shape (n,)."""
        return (self.table[self.contrast.column] == self.contrast.classes[0]).to_numpy(dtype=bool)

    def rows(self, splits: Sequence[str]) -> NDArray[np.int64]:
        """Positions of the tokens of some splits."""
        return np.flatnonzero(self.table["split"].isin(splits).to_numpy())

    def values(self, columns: Sequence[str]) -> NDArray[np.float64]:
        """Predictors, shape (n, n_columns), NaN where missing."""
        return self.table[list(columns)].to_numpy(np.float64)


def cue_data(table: pd.DataFrame, contrast: Contrast = STRESS) -> CueData:
    """Labelled tokens of ``cues.parquet``."""
    missing = [column for column in predictors(contrast.column) if column not in table.columns]
    if missing:
        raise ConfigError(f"the table of cues lacks {missing[0]}; measure the corpus again")
    labelled = table[table[contrast.column].notna()].reset_index(drop=True)
    split = labelled["split"].replace(dict.fromkeys(VALIDATION_SPLITS, VALID))
    data = CueData(labelled.assign(split=split), contrast)
    if len(np.unique(data.is_initial[data.rows([TRAIN])])) < 2:
        raise ConfigError(
            "cue baselines need a training split with both classes; build the corpus with splits"
        )
    return data


def baselines(contrast: Contrast = STRESS) -> Iterator[Baseline]:
    """All baselines, from the simplest on."""
    contrasts = predictors(contrast.column)
    yield Baseline(MAJORITY, "majority")
    for column in contrasts:
        yield Baseline(column, "single cue", (column,))
    for group in dict.fromkeys(cue.group for cue in contrasts.values()):
        members = tuple(column for column, cue in contrasts.items() if cue.group == group)
        yield Baseline(f"group-{group.replace(' ', '-')}", "cue group", members)
    yield Baseline(FIVE, "several cues", FIVE_CUES)
    yield Baseline(LOGISTIC, "several cues", tuple(contrasts))
    yield Baseline(BOOSTING, "several cues", tuple(contrasts), is_boosting=True)


@dataclass(frozen=True)
class Fitted:
    """A trained baseline."""

    baseline: Baseline
    model: Any
    setting: str

    def logits(self, data: CueData, rows: NDArray[np.int64]) -> NDArray[np.float64]:
        """Log odds of INITIAL for some tokens."""
        return self.logits_of(data.values(self.baseline.columns)[rows], len(rows))

    def logits_of(self, values: NDArray[np.float64], n: int) -> NDArray[np.float64]:
        """Log odds of INITIAL for given predictors."""
        if self.baseline.kind == "majority":
            return np.full(n, float(self.model))
        return np.asarray(self.model.decision_function(values), dtype=np.float64)


def fit_baseline(baseline: Baseline, data: CueData, seed: int = 0) -> Fitted:
    """Train a baseline on the training split.

    Its one setting (penalty, number of trees) is what does best in validation; without both classes
    there, a usual value. Predictors that are missing throughout the training split say nothing.
    """
    train, valid = data.rows([TRAIN]), data.rows([VALID])
    truth = data.is_initial
    if baseline.kind == "majority":
        share = truth[train].mean()
        return Fitted(baseline, np.log(share / (1.0 - share)), "")
    values = data.values(baseline.columns)
    can_tune = len(np.unique(truth[valid])) == 2
    if baseline.is_boosting:
        return _fit_boosting(baseline, values, truth, train, valid if can_tune else None, seed)
    models = {
        penalty: make_pipeline(
            SimpleImputer(strategy="median", keep_empty_features=True),
            StandardScaler(),
            LogisticRegression(C=penalty, max_iter=2000, class_weight="balanced"),
        )
        for penalty in (PENALTIES if can_tune else PENALTIES[-2:-1])
    }
    best = best_in_validation(models, values, truth, train, valid)
    return Fitted(baseline, models[best], f"C={best:g}")


def best_in_validation(
    models: Mapping[Any, Any], values: NDArray, truth: NDArray, train: NDArray, valid: NDArray
) -> Any:
    """Fit classifiers; the key of the first with the highest balanced accuracy in validation."""
    for model in models.values():
        model.fit(values[train], truth[train])
    if len(np.unique(truth[valid])) < 2:
        return next(iter(models))
    scores = {
        key: balanced_accuracy_score(truth[valid], model.predict(values[valid]))
        for key, model in models.items()
    }
    return max(scores, key=lambda key: scores[key])


def _fit_boosting(
    baseline: Baseline,
    values: NDArray[np.float64],
    truth: NDArray[np.bool_],
    train: NDArray[np.int64],
    valid: NDArray[np.int64] | None,
    seed: int,
) -> Fitted:
    """Small trees, as many as do best in validation by log loss."""
    model = HistGradientBoostingClassifier(
        learning_rate=0.05,
        max_iter=MAX_TREES if valid is not None else _USUAL_TREES,
        max_leaf_nodes=8,
        min_samples_leaf=10,
        l2_regularization=1.0,
        max_features=0.5,
        early_stopping=False,
        class_weight="balanced",
        random_state=seed,
    )
    model.fit(values[train], truth[train])
    n_trees = _USUAL_TREES
    if valid is not None:
        weight = compute_sample_weight("balanced", truth[valid])
        losses = [
            log_loss(truth[valid], p[:, 1], sample_weight=weight)
            for p in model.staged_predict_proba(values[valid])
        ]
        n_trees = int(np.argmin(losses)) + 1
        model = model.set_params(max_iter=n_trees).fit(values[train], truth[train])
    return Fitted(baseline, model, f"{n_trees} trees")


def predictions_of(fitted: Fitted, data: CueData) -> pd.DataFrame:
    """Predictions for validation and all test sets, as a network's ``predictions.parquet``."""
    rows = data.rows([VALID, *TEST_SPLITS])
    half = fitted.logits(data, rows) / 2.0
    table = data.table.iloc[rows]
    known = set(data.table["speaker"].iloc[data.rows([TRAIN])])
    contrast = data.contrast
    names = np.array([str(one) for one in contrast.classes], dtype=object)
    first, second = (f"logit_{key}" for key in contrast.keys)
    texts = ["token_id", "split", "speaker", "family", "word", "sex", "label_source"]
    columns = {name: table[name].to_numpy(dtype=object) for name in texts}
    return pd.DataFrame(
        {
            **{name: columns[name] for name in ("token_id", "split", "speaker")},
            "lemma": columns["family"],
            "speaker_is_known": table["speaker"].isin(known).to_numpy(),
            contrast.true: table[contrast.column].to_numpy(dtype=object),
            contrast.predicted: np.where(half >= 0, *names),
            first: half,
            second: -half,
            contrast.p: 1.0 / (1.0 + np.exp(-2.0 * half)),
            **{name: columns[name] for name in ("word", "sex", "label_source")},
            "is_prosody_only_pair": table["is_prosody_only_pair"].to_numpy(),
        }
    )


def coefficients(
    fitted: Fitted, data: CueData, *, seed: int = 0, n_resamples: int = 300
) -> pd.DataFrame:
    """Standardised coefficients of a logistic regression with clustered intervals.

    The interval is from the pigeonhole bootstrap over speakers and word families of the training
    split; every resample is fitted anew with the same penalty and the same standardisation.
    Returns ``baseline``, ``cue``, ``group``, ``coefficient`` (change of the log odds of INITIAL per
    standard deviation of the cue), ``low``, ``high``, ``standard_deviation`` (of the cue, in its
    own unit), ``n_missing`` (training tokens), ``n``.
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
                found.append(np.full(len(columns), np.nan))
                continue
            again = LogisticRegression(C=regression.C, max_iter=2000, class_weight="balanced")
            found.append(again.fit(values, truth, sample_weight=weight).coef_[0])
    resampled = np.array(found).reshape(-1, len(columns))
    intervals = [
        interval_of(float(value), resamples)
        for value, resamples in zip(regression.coef_[0], resampled.T, strict=True)
    ]
    return pd.DataFrame(
        {
            "baseline": fitted.baseline.name,
            "cue": columns,
            "group": [data.predictors[column].group for column in columns],
            "coefficient": regression.coef_[0],
            "low": [interval.low for interval in intervals],
            "high": [interval.high for interval in intervals],
            "standard_deviation": fitted.model[1].scale_,
            "n_missing": np.isnan(raw).sum(axis=0),
            "n": len(train),
        }
    )


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
    therefore permuted as a whole too, which scikit-learn's own function does not do. ``models`` are
    the same baseline under several seeds, whose losses are averaged; there are ``n_repeats``
    permutations per cue and seed. Returns ``baseline``, ``unit`` (``cue`` or ``group``), ``name``,
    ``group``, ``importance`` (loss of balanced accuracy), ``low``, ``high``, ``sd_repeats``, ``n``,
    ``n_seeds``, ``n_repeats``.
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
    for unit, name, columns in _units(baseline.columns, data.predictors):
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
        interval = interval_of(value, mean_of_sides(weights, gains, classes))
        lines.append(
            {
                "baseline": baseline.name,
                "unit": unit,
                "name": name,
                "group": name if unit == "group" else data.predictors[name].group,
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


def _units(
    columns: Sequence[str], contrasts: dict[str, Cue]
) -> Iterator[tuple[str, str, list[int]]]:
    for index, column in enumerate(columns):
        yield "cue", column, [index]
    for group in dict.fromkeys(contrasts[column].group for column in columns):
        yield "group", group, [i for i, c in enumerate(columns) if contrasts[c].group == group]
