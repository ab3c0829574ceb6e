"""What classical acoustic cues alone tell about stress: baselines beside the networks.

Trained on the corpus's own training split, tuned in validation, and evaluated on the same test sets
with the same metrics as the networks, so that the tables stand side by side and two rows can be
compared token by token; ``docs/cues.md`` lists them. Predictors are only comparisons of the two
syllables, first minus second (:func:`stressnet.acoustics.cue_table.contrast_columns`); none knows
which one is stressed. Both classes weigh the same. Logistic regression gets medians for missing
values and standardised predictors; gradient boosting handles missing values itself. The positive
class is INITIAL.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
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

from stressnet.acoustics.cue_table import contrast_columns
from stressnet.corpus.splits import TEST_SPLITS, VALIDATION_SPLITS
from stressnet.errors import ConfigError
from stressnet.lexicon.stress import Stress

TRAIN, VALID = "train", "valid"
MAJORITY, LOGISTIC, BOOSTING, FIVE = (
    "majority",
    "logistic-regression",
    "gradient-boosting",
    "five-cues",
)
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
    """A classifier on the cues in ``columns``, logistic regression or gradient boosting.

    ``kind`` is ``majority``, ``single cue``, ``cue group`` or ``several cues``.
    """

    name: str
    kind: str
    columns: tuple[str, ...] = ()
    is_boosting: bool = False


@dataclass(frozen=True)
class CueData:
    """Labelled tokens of ``cues.parquet``; all validation cells are one split ``valid``."""

    table: pd.DataFrame

    @cached_property
    def is_initial(self) -> NDArray[np.bool_]:
        """Whether each token is INITIAL, shape (n,)."""
        return (self.table["stress"] == Stress.INITIAL.value).to_numpy(dtype=bool)

    def rows(self, splits: Sequence[str]) -> NDArray[np.int64]:
        """Positions of the tokens of some splits."""
        return np.flatnonzero(self.table["split"].isin(splits).to_numpy())

    def values(self, columns: Sequence[str]) -> NDArray[np.float64]:
        """Predictors, shape (n, n_columns), NaN where missing."""
        return self.table[list(columns)].to_numpy(np.float64)


def cue_data(table: pd.DataFrame) -> CueData:
    """Labelled tokens of ``cues.parquet``.

    Raises
    ------
    ConfigError
        If a contrast is missing from the table, or the training split lacks a class.
    """
    missing = [column for column in contrast_columns() if column not in table.columns]
    if missing:
        raise ConfigError(f"the table of cues lacks {missing[0]}; measure the corpus again")
    labelled = table[table["stress"].notna()].reset_index(drop=True)
    split = labelled["split"].replace(dict.fromkeys(VALIDATION_SPLITS, VALID))
    data = CueData(labelled.assign(split=split))
    if len(np.unique(data.is_initial[data.rows([TRAIN])])) < 2:
        raise ConfigError(
            "cue baselines need a training split with both classes; build the corpus with splits"
        )
    return data


def baselines() -> Iterator[Baseline]:
    """All baselines, from the simplest on."""
    contrasts = contrast_columns()
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
    scores, models = {}, {}
    for penalty in PENALTIES if can_tune else PENALTIES[-2:-1]:
        models[penalty] = make_pipeline(
            SimpleImputer(strategy="median", keep_empty_features=True),
            StandardScaler(),
            LogisticRegression(C=penalty, max_iter=2000, class_weight="balanced"),
        ).fit(values[train], truth[train])
        scores[penalty] = 0.0
        if can_tune:
            answers = models[penalty].predict(values[valid])
            scores[penalty] = balanced_accuracy_score(truth[valid], answers)
    best = max(scores, key=lambda penalty: scores[penalty])
    return Fitted(baseline, models[best], f"C={best:g}")


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
    """Predictions for validation and all test sets, as a network's ``predictions.parquet``.

    The two logits are half the log odds of INITIAL and its negative.
    """
    rows = data.rows([VALID, *TEST_SPLITS])
    half = fitted.logits(data, rows) / 2.0
    table = data.table.iloc[rows]
    known = set(data.table["speaker"].iloc[data.rows([TRAIN])])
    names = np.array([Stress.INITIAL.value, Stress.FINAL.value], dtype=object)
    texts = ["token_id", "split", "speaker", "family", "stress", "word", "sex", "label_source"]
    columns = {name: table[name].to_numpy(dtype=object) for name in texts}
    return pd.DataFrame(
        {
            **{name: columns[name] for name in ("token_id", "split", "speaker")},
            "lemma": columns["family"],
            "speaker_is_known": table["speaker"].isin(known).to_numpy(),
            "stress_true": columns["stress"],
            "stress_predicted": np.where(half >= 0, *names),
            "logit_initial": half,
            "logit_final": -half,
            "p_initial": 1.0 / (1.0 + np.exp(-2.0 * half)),
            **{name: columns[name] for name in ("word", "sex", "label_source")},
            "is_prosody_only_pair": table["is_prosody_only_pair"].to_numpy(),
        }
    )
