"""Causal agreement: does the relevance of a cue's region predict what changing the cue does?

What is compared is explained in ``docs/causal.md``. Measured is rank correlation (Spearman) within
a cue over tokens (does the map know *for which token* the cue matters?), also within the predicted
classes, since the mean difference between the classes alone makes relevance and effect agree; and
over cues within a token (*which cue* matters?). Null: relevance of another token of the same
predicted class, so that the cue and the class remain and what is known of the token is gone.
"""

from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from stressnet.axes import FloatArray
from stressnet.errors import ConfigError, require_columns
from stressnet.inference.jackknife import jackknife, mean_of
from stressnet.inference.twoway import Inference, holm
from stressnet.manipulation.cues import needs_psola
from stressnet.manipulation.psychometric import clusters_of, counts_of

CUE_REGIONS: dict[str, tuple[str, ...]] = {
    "f0": ("F0",),
    "duration": ("nuclei",),
    "intensity": ("nuclei",),
    "tilt": ("nuclei",),
    "f1": ("F1",),
    "f2": ("F2",),
    "f3": ("F3",),
    "quality": ("F1", "F2", "F3"),
    "prosody": ("nuclei",),
    "source": ("nuclei",),
    "all": ("nuclei",),
}
"""Regions whose relevance is compared with the effect of a cue. F0 has its band where the window
resolves harmonics; duration, level and tilt have no place of their own, so they and groups with
one of them get the whole vowels."""

ALL_AT_ONCE = "all"  # The continuum on which all cues move together
ALL_CUES = "(cues of a token)"  # Name of the rows about the ranking of cues within tokens

MIN_TOKENS, MIN_CUES = 10, 3

N_NULL = 1999  # Draws of each null, so that the smallest p-value survives Holm over forty tests

NEEDED = ("token_id", "speaker", "word", "method", "cue", "relevance", "effect", "stress_predicted")
"""Columns that pairs of relevance and effect must have."""

COLUMNS = (  # Columns of `agreement_table`
    *("method", "cue", "n_tokens", "n_speakers", "n_words", "rho", "rho_low", "rho_high"),
    *("null", "null_low", "null_high", "p_value", "p_holm"),
    *("rho_in_class", "rho_in_class_low", "rho_in_class_high", "p_in_class"),
    *("same_sign", "mean_relevance", "mean_effect", "reason"),
)


def _signs(values: FloatArray) -> FloatArray:
    """1 where a row's value is above a column's, -1 below, 0 where equal; along the last axis."""
    with np.errstate(invalid="ignore"):
        return np.sign(values[..., :, None] - values[..., None, :])


def _correlations(one: FloatArray, other: FloatArray, kept: FloatArray) -> FloatArray:
    """Correlation of ranks within sets of rows, each of shape (n_rows, n_sets)."""
    one, other = one * kept, other * kept
    scale = np.sqrt((one**2).sum(axis=0) * (other**2).sum(axis=0))
    with np.errstate(divide="ignore", invalid="ignore"):
        found = (one * other).sum(axis=0) / scale
    return np.where((scale > 0) & (kept.sum(axis=0) >= 3), found, np.nan)


def rank_correlations(
    x: ArrayLike, y: ArrayLike, classes: ArrayLike, kept: FloatArray | None = None
) -> FloatArray:
    """Rank correlations over all rows, and within classes; shape (n_sets, 2).

    Within classes, each class has its own ranks, centred and divided by its size, so that no
    difference between classes enters. NaN where either does not vary or there are fewer than three
    pairs. ``kept``, of shape (n_rows, n_sets), is 1 for the rows of each set, else 0.
    """
    x, y = np.asarray(x, dtype=np.float64), np.asarray(y, dtype=np.float64)
    names = np.asarray(classes)
    same = (names[:, None] == names[None, :]).astype(np.float64)
    kept = np.ones((len(x), 1)) if kept is None else kept
    sizes = np.maximum(same @ kept, 1.0)
    above, above_y = _signs(x), _signs(y)
    # The number of rows below minus the number above is the centred midrank, twice.
    overall = _correlations(above @ kept, above_y @ kept, kept)
    in_class = _correlations(
        ((above * same) @ kept) / sizes, ((above_y * same) @ kept) / sizes, kept
    )
    return np.column_stack([overall, in_class])


def agreement_table(pairs: pd.DataFrame, *, seed: int = 0, n_null: int = N_NULL) -> pd.DataFrame:
    """Agreement of relevance with effects, per method and cue and over cues: :data:`COLUMNS`.

    ``pairs`` have a row per method, token and cue with columns :data:`NEEDED`; rows without a
    finite relevance or effect are left out. Columns are explained in ``docs/causal.md``. In the row
    with cue :data:`ALL_CUES`, ``rho`` is the mean over tokens of the correlation over cues, and
    ``rho_in_class`` that after each cue's mean was taken out of relevance and of effects: what is
    known of this token beyond the cue's average.
    """
    require_columns(pairs, NEEDED, "table of relevance and effects")
    finite = np.isfinite(pairs[["relevance", "effect"]].to_numpy(np.float64)).all(axis=1)
    kept = pairs[finite]
    if kept.empty:
        raise ConfigError("no token has both relevance and effect of a cue")
    rows: list[dict[str, Any]] = []
    for method, part in kept.groupby("method", sort=False):
        for number, (cue, here) in enumerate(part.groupby("cue", sort=False)):
            rng = np.random.default_rng([seed, 11, number])
            rows.append({"method": method, "cue": cue, **_within_cue(here, rng, n_null)})
        rng = np.random.default_rng([seed, 12])
        single = part[part["cue"] != ALL_AT_ONCE]
        rows.append({"method": method, "cue": ALL_CUES, **_over_cues(single, rng, n_null)})
    table = pd.DataFrame(rows)
    # Over the methods and cues that are claimed together, not over the two kinds of rows.
    table["p_holm"] = table.groupby(table["cue"] == ALL_CUES)["p_value"].transform(
        lambda p: holm(p.to_numpy(np.float64))
    )
    return table[list(COLUMNS)]


def _counts(part: pd.DataFrame) -> dict[str, Any]:
    return {
        **counts_of(part),
        "mean_relevance": float(part["relevance"].mean()),
        "mean_effect": float(part["effect"].mean()),
        "same_sign": float((part["relevance"] * part["effect"] > 0).mean()),
    }


def _within_cue(part: pd.DataFrame, rng: np.random.Generator, n_null: int) -> dict[str, Any]:
    row: dict[str, Any] = dict.fromkeys(COLUMNS[2:], np.nan) | _counts(part) | {"reason": ""}
    x = part["relevance"].to_numpy(np.float64)
    y = part["effect"].to_numpy(np.float64)
    classes = part["stress_predicted"].to_numpy()
    if len(part) < MIN_TOKENS:
        return row | {"reason": f"{len(part)} tokens: fewer than {MIN_TOKENS}"}
    if np.ptp(x) == 0 or np.ptp(y) == 0:
        what = "relevance" if np.ptp(x) == 0 else "effect"
        return row | {"reason": f"{what} is the same for all tokens"}

    def statistic(kept: FloatArray) -> FloatArray:
        found = rank_correlations(x, y, classes, kept)
        return np.arctanh(np.clip(found, -1 + 1e-12, 1 - 1e-12))

    found = jackknife(statistic, len(x), clusters_of(part))
    value, low, high = (np.tanh(v) for v in (found.value, found.low, found.high))
    found = replace(found, value=value, low=low, high=high)
    return row | _agreement(found, _exchanged(x, y, classes, rng, n_null))


def _agreement(found: Inference, nulls: tuple[FloatArray, FloatArray]) -> dict[str, Any]:
    """Columns of two correlations, plain and in class, each with draws of its null."""
    null_low, null_high = np.quantile(nulls[0], [0.025, 0.975])
    # One-sided: how often chance agrees at least as well; the value itself is one draw.
    p_value, p_in_class = (
        float((1 + (null >= value).sum()) / (1 + len(null)))
        for value, null in zip(found.value, nulls, strict=True)
    )
    return {
        **found[0].columns("rho"),
        "null": float(nulls[0].mean()),
        "null_low": float(null_low),
        "null_high": float(null_high),
        "p_value": p_value,
        **found[1].columns("rho_in_class"),
        "p_in_class": p_in_class,
        "reason": str(found.remark[0]),
    }


def _exchanged(
    x: FloatArray, y: FloatArray, classes: NDArray[Any], rng: np.random.Generator, n_null: int
) -> tuple[FloatArray, FloatArray]:
    """Correlations after tokens of one class have exchanged their relevance."""
    same = (classes[:, None] == classes[None, :]).astype(np.float64)
    kept = np.ones((len(x), n_null))
    orders = np.column_stack([_within_classes(classes, rng) for _ in range(n_null)])
    found = []
    for inside in (np.ones_like(same), same):
        # Rows of a class have ranks among themselves that an exchange within it only reorders.
        size = inside.sum(axis=1)
        one, other = ((_signs(values) * inside).sum(axis=1) / size for values in (x, y))
        found.append(_correlations(one[orders], other[:, None] * kept, kept))
    return found[0], found[1]


def _within_classes(classes: NDArray[Any], rng: np.random.Generator) -> NDArray[np.intp]:
    """An order in which rows have changed places with others of their class."""
    order = np.arange(len(classes))
    for name in np.unique(classes):
        places = np.flatnonzero(classes == name)
        order[places] = rng.permutation(places)
    return order


def _over_cues(part: pd.DataFrame, rng: np.random.Generator, n_null: int) -> dict[str, Any]:
    row: dict[str, Any] = dict.fromkeys(COLUMNS[2:], np.nan) | {"reason": ""}
    wide = part.pivot(index="token_id", columns="cue", values=["relevance", "effect"])
    named = part.drop_duplicates("token_id").set_index("token_id").loc[wide.index].reset_index()
    x, y = (wide[name].to_numpy(np.float64) for name in ("relevance", "effect"))
    enough = np.isfinite(x).sum(axis=1) >= MIN_CUES
    x, y, named = x[enough], y[enough], named[enough]
    row |= _counts(part[part["token_id"].isin(named["token_id"])])
    if len(x) < MIN_TOKENS:
        return row | {"reason": f"{len(x)} tokens with {MIN_CUES} cues: fewer than {MIN_TOKENS}"}
    values = _each_token(x, y)
    beyond = _each_token(x - np.nanmean(x, axis=0), y - np.nanmean(y, axis=0))
    known = np.isfinite(values) & np.isfinite(beyond)
    if known.sum() < MIN_TOKENS:
        return row | {"reason": "relevance or effects do not differ between cues"}
    x, y, named = x[known], y[known], named[known]
    both = np.column_stack([values[known], beyond[known]])
    found = jackknife(mean_of(both), len(both), clusters_of(named))
    classes = named["stress_predicted"].to_numpy()
    null, null_beyond = np.empty(n_null), np.empty(n_null)
    for draw in range(n_null):
        mixed = x[_within_classes(classes, rng)]
        null[draw] = np.nanmean(_each_token(mixed, y))
        null_beyond[draw] = np.nanmean(
            _each_token(mixed - np.nanmean(x, axis=0), y - np.nanmean(y, axis=0))
        )
    return row | _agreement(found, (null, null_beyond))


def _each_token(x: FloatArray, y: FloatArray) -> FloatArray:
    """Rank correlation over the cues of each token, shape (n_tokens,); NaN where there is none."""
    both = np.isfinite(x) & np.isfinite(y)
    pairs = both[:, :, None] & both[:, None, :]
    # The number of cues below minus the number above is the centred midrank, twice.
    one, other = (np.where(pairs, _signs(values), 0.0).sum(axis=2) for values in (x, y))
    scale = np.sqrt((one**2).sum(axis=1) * (other**2).sum(axis=1))
    enough = (both.sum(axis=1) >= MIN_CUES) & (scale > 0)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(enough, (one * other).sum(axis=1) / scale, np.nan)


def effects_from_responses(responses: pd.DataFrame) -> pd.DataFrame:
    """What neutralising each cue does, and what moving it from one end to the other does.

    ``responses`` are ``responses.parquet`` of ``stressnet manipulate``, of one network, with a
    neutral step: ``token_id, kind, cue, position, logit_difference``. Returns one row per token and
    cue (``all``: all cues at once): ``token_id, cue, effect, swing``. ``effect`` is the logit
    difference of the word as it is minus that at position 0.5; where the continuum went through
    overlap-add, so did the word as it is. ``swing`` is that of the INITIAL-like end minus that of
    the FINAL-like end.
    """
    if "model" in responses.columns and responses["model"].nunique() > 1:
        raise ConfigError("responses of several networks; take those of one")
    logit = responses.set_index("token_id")["logit_difference"]
    whole = {
        kind: logit[(responses["kind"] == kind).to_numpy()] for kind in ("natural", "resynthesised")
    }
    steps = responses[responses["kind"].isin(["single", "all"])]
    if not np.isclose(steps["position"], 0.5).any():
        raise ConfigError("no continuum has a neutral step; make them with an odd number of steps")
    parts = []
    for cue, part in steps.groupby("cue", sort=False):
        through_psola = cue == ALL_AT_ONCE or needs_psola([str(cue)])
        at = {
            position: part[np.isclose(part["position"], position)].set_index("token_id")[
                "logit_difference"
            ]
            for position in (0.0, 0.5, 1.0)
        }
        own = whole["resynthesised" if through_psola else "natural"]
        table = pd.DataFrame({"effect": own - at[0.5], "swing": at[0.0] - at[1.0]})
        table = table.dropna(how="all").rename_axis("token_id").reset_index()
        parts.append(table.assign(cue=str(cue)))
    return pd.concat(parts, ignore_index=True)[["token_id", "cue", "effect", "swing"]]
