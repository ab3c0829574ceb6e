"""Psychometric functions: how answers change along a continuum from INITIAL-like to FINAL-like.

    P(FINAL | x) = 1 / (1 + exp(-(a + b x)))

with x the step of a continuum, or the cue's value in its own unit. The **slope** b is in log odds
per step or per unit; the **crossover** -a / b is where both answers are equally likely. A curve is
fitted to the answers to all tokens at once, by maximum likelihood with the penalty of Firth (1993),
with intervals over speakers and words from each row's linearised contribution
(:mod:`stressnet.inference.twoway`). The crossover's limits are those of the x whose log odds are
not distinguishable from zero (Fieller's construction), hence open where the continuum does not
bound them. ``docs/causal.md`` says what cannot be estimated.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy.special import expit

from stressnet.axes import FloatArray
from stressnet.errors import ConfigError, require_columns
from stressnet.inference.jackknife import spread_of
from stressnet.inference.twoway import infer

ALWAYS_INITIAL, ALWAYS_FINAL = "always INITIAL", "always FINAL"
SEPARATED = "complete separation"
NO_CROSSOVER = "no crossover within the continuum"
NOT_BOUNDED = "crossover not bounded by the continuum"
ONE_STEP = "only one step"

N_GRID = 241  # Places along the continuum where the curve and its band are given


@dataclass(frozen=True)
class Psychometric:
    """A psychometric function."""

    # Places along x, probability of FINAL there, and its limits; shape (N_GRID,)
    grid: FloatArray
    curve: FloatArray
    curve_low: FloatArray
    curve_high: FloatArray
    n_rows: int
    reason: str  # What is special or missing, else an empty string
    # Log odds of FINAL at x = 0, and per unit of x; the slope's limits are NaN without interval.
    intercept: float = np.nan
    slope: float = np.nan
    slope_low: float = np.nan
    slope_high: float = np.nan
    # Where both answers are equally likely; NaN where it lies outside the continuum. A limit beyond
    # the continuum is infinite.
    crossover: float = np.nan
    crossover_low: float = np.nan
    crossover_high: float = np.nan
    p_value: float = np.nan  # That the slope is zero


def fit_psychometric(
    x: ArrayLike, answers: ArrayLike, clusters: Mapping[str, ArrayLike]
) -> Psychometric:
    """The psychometric function of answers along a continuum.

    ``x`` is the step or the cue's value, ``answers`` are 1 for FINAL, 0 for INITIAL, or
    probabilities of FINAL; ``clusters`` name the ``"speakers"`` and ``"words"`` (one kind is
    enough) that answers belong to. All arrays have shape (n_rows,).
    """
    x = np.asarray(x, dtype=np.float64)
    y = np.asarray(answers, dtype=np.float64)
    if not x.size:
        raise ConfigError("no answers to fit a psychometric function to")
    grid = np.linspace(x.min(), x.max(), N_GRID)
    nothing = np.full(N_GRID, np.nan)
    constant = _constant(x, y)
    if constant:
        mean = np.full(N_GRID, y.mean())
        return Psychometric(grid, mean, nothing, nothing, len(y), constant)
    coefficients, contributions = fit_logistic(x, y)
    a, b = map(float, coefficients)
    places = np.column_stack([np.ones(N_GRID), grid])
    odds = places @ coefficients
    line = Psychometric(grid, expit(odds), nothing, nothing, len(y), SEPARATED, a, b)
    switch = separation(x, y)
    if switch is not None:
        low, high = switch
        crossover = min(max(-a / b, low), high)
        return replace(line, crossover=crossover, crossover_low=low, crossover_high=high)
    each = contributions @ np.vstack([[0.0, 1.0], places]).T
    found = infer(np.concatenate([[b], odds]), spread_of(each, clusters))
    at, at_low, at_high, note = _crossover(a, b, grid, found.low[1:], found.high[1:])
    return replace(
        line,
        slope_low=found[0].low,
        slope_high=found[0].high,
        crossover=at,
        crossover_low=at_low,
        crossover_high=at_high,
        p_value=float(found.p_value[0]),
        reason="; ".join(part for part in (found[0].reason, note) if part),
        curve_low=expit(found.low[1:]),
        curve_high=expit(found.high[1:]),
    )


def separation(x: ArrayLike, answers: ArrayLike) -> tuple[float, float] | None:
    """The steps between which all answers change, or None if they overlap.

    The last step at which, as at all below it, everyone gave one answer, and the first from which
    on everyone gave the other. Answers may be mixed at one step between them.
    """
    x, y = np.asarray(x, dtype=np.float64), np.asarray(answers, dtype=np.float64)
    if not np.isin(y, (0.0, 1.0)).all() or y.min(initial=1) == y.max(initial=0):
        return None
    steps = np.unique(x)
    for one, other in ((0.0, 1.0), (1.0, 0.0)):
        last, first = x[y == one].max(), x[y == other].min()
        if last > first:
            continue
        below, above = steps[steps < first], steps[steps > last]
        return (
            float(below[-1]) if below.size else float(first),
            float(above[0]) if above.size else float(last),
        )
    return None


def _constant(x: FloatArray, y: FloatArray) -> str:
    if np.unique(x).size < 2:
        return ONE_STEP
    if y.max() == 0:
        return ALWAYS_INITIAL
    return ALWAYS_FINAL if y.min() == 1 else ""


def _crossover(
    a: float, b: float, grid: FloatArray, low: FloatArray, high: FloatArray
) -> tuple[float, float, float, str]:
    """Crossover with limits (to a step of the grid, outwards), and what is missing."""
    at = -a / b if b else np.nan
    if not grid[0] <= at <= grid[-1]:
        return np.nan, np.nan, np.nan, NO_CROSSOVER
    if not np.isfinite(low).all():
        return at, np.nan, np.nan, ""
    decided = (low > 0) | (high < 0)
    before, after = grid[decided & (grid < at)], grid[decided & (grid > at)]
    at_low = float(before[-1]) if before.size else -np.inf
    at_high = float(after[0]) if after.size else np.inf
    return at, at_low, at_high, "" if before.size and after.size else NOT_BOUNDED


COLUMNS = (  # Columns of `psychometric_table`
    *("cue", "unit", "n_stimuli", "n_tokens", "n_speakers", "n_words"),
    *("slope_per_step", "slope_per_step_low", "slope_per_step_high", "p_value"),
    *("crossover_step", "crossover_step_low", "crossover_step_high", "reason"),
    *("slope_per_unit", "slope_per_unit_low", "slope_per_unit_high"),
    *("crossover_unit", "crossover_unit_low", "crossover_unit_high", "reason_unit"),
    *("p_final_first", "p_final_last"),
    *("logit_per_step", "logit_per_step_low", "logit_per_step_high"),
)

NEEDED = ("token_id", "speaker", "word", "cue", "step", "logit_difference")
"""Columns that responses must have; ``value`` and ``unit`` are used where they are there."""


def psychometric_table(
    responses: pd.DataFrame, *, by: Sequence[str] = ("cue",), answers: str = "decision"
) -> pd.DataFrame:
    """Psychometric functions of every cue: a row per group with columns ``by`` and :data:`COLUMNS`.

    ``logit_per_step`` is the mean slope over tokens of the log odds of FINAL, which differences
    between words do not flatten. ``responses``: one row per stimulus with columns :data:`NEEDED`;
    steps count from INITIAL-like to FINAL-like, ``logit_difference`` is INITIAL minus FINAL,
    ``value`` the cue's value in ``unit``. ``by``: what has a curve of its own, e.g. ``("model",
    "cue")``. ``answers`` ({"decision", "probability"}): what a network answers: its class, as a
    listener would, or its probability.
    """
    require_columns(responses, (*NEEDED, *by), "table of responses")
    if responses.empty:
        raise ConfigError("no responses to fit psychometric functions to")
    rows = []
    for keys, part in responses.groupby(list(by), sort=False):
        rows.append({**dict(zip(by, keys, strict=True)), **_row(part, answers)})
    return pd.DataFrame(rows)[list(dict.fromkeys([*by, *COLUMNS]))]


def answers_of(responses: pd.DataFrame, answers: str) -> FloatArray:
    """Answers as numbers, 1 for FINAL; ``answers`` as of :func:`psychometric_table`."""
    difference = responses["logit_difference"].to_numpy(np.float64)
    if answers == "decision":
        return (difference < 0).astype(np.float64)
    if answers == "probability":
        return np.asarray(expit(-difference), dtype=np.float64)
    raise ConfigError(f"answers are 'decision' or 'probability', not {answers!r}")


def clusters_of(table: pd.DataFrame) -> dict[str, NDArray[Any]]:
    """Speakers and words (families, where they are known) of each row."""
    word = "family" if "family" in table.columns else "word"
    return {
        "speakers": table["speaker"].astype(str).to_numpy(),
        "words": table[word].astype(str).to_numpy(),
    }


def counts_of(table: pd.DataFrame) -> dict[str, int]:
    """``n_tokens``, ``n_speakers`` and ``n_words`` of a table's rows."""
    counts = {f"n_{kind}": len(np.unique(names)) for kind, names in clusters_of(table).items()}
    return {"n_tokens": table["token_id"].nunique(), **counts}


def _row(part: pd.DataFrame, answers: str) -> dict[str, Any]:
    clusters = clusters_of(part)
    y = answers_of(part, answers)
    steps = part["step"].to_numpy(np.float64)
    by_step = fit_psychometric(steps, y, clusters)
    row: dict[str, Any] = {
        "cue": str(part["cue"].iloc[0]),
        "unit": str(part["unit"].iloc[0]) if "unit" in part.columns else "",
        "n_stimuli": len(part),
        **counts_of(part),
        **_named(by_step, "step"),
        "p_value": by_step.p_value,
        "reason": by_step.reason,
        "p_final_first": float(y[steps == steps.min()].mean()),
        "p_final_last": float(y[steps == steps.max()].mean()),
        **_within(part),
    }
    row |= dict.fromkeys((name for name in COLUMNS if "unit" in name and name != "unit"), np.nan)
    row["reason_unit"] = "values are not known"
    if "value" in part.columns:
        known = np.isfinite(part["value"].to_numpy(np.float64))
        if known.any():
            there = {kind: names[known] for kind, names in clusters.items()}
            values = part["value"].to_numpy(np.float64)[known]
            by_unit = fit_psychometric(values, y[known], there)
            row |= {**_named(by_unit, "unit"), "reason_unit": by_unit.reason}
    return row


def _named(fit: Psychometric, what: str) -> dict[str, float]:
    return {
        f"{name}_{what}{limit}": getattr(fit, f"{field}{limit}")
        for name, field in (("slope_per", "slope"), ("crossover", "crossover"))
        for limit in ("", "_low", "_high")
    }


def _within(part: pd.DataFrame) -> dict[str, float]:
    """Mean slope of the log odds of FINAL within tokens."""

    def slope(rows: pd.DataFrame) -> float:
        x, y = rows["step"].to_numpy(np.float64), -rows["logit_difference"].to_numpy(np.float64)
        x = x - x.mean()
        return float(x @ y / (x @ x)) if (x @ x) > 0 else np.nan

    slopes = part.groupby("token_id", sort=False)[["step", "logit_difference"]].apply(slope)
    kept = slopes[np.isfinite(slopes)]
    if kept.empty:
        names = ("logit_per_step", "logit_per_step_low", "logit_per_step_high")
        return dict.fromkeys(names, np.nan)
    firsts = part.drop_duplicates("token_id").set_index("token_id").loc[kept.index]
    values = kept.to_numpy(np.float64)
    mean = float(values.mean())
    spread = spread_of(((values - mean) / len(values))[:, None], clusters_of(firsts))
    return infer(np.array([mean]), spread)[0].columns("logit_per_step")


_MOST_STEPS = 100
_TOLERANCE = 1e-9
_LARGEST_MOVE = 2.0


def fit_logistic(predictors: ArrayLike, answers: ArrayLike) -> tuple[FloatArray, FloatArray]:
    """Logistic regression by Firth's penalised likelihood: coefficients, and what rows contribute.

    ``predictors``, of shape (n_rows,) or (n_rows, n_predictors), are without the intercept, and
    each must vary; ``answers``, decisions or probabilities, lie in [0, 1]. Coefficients, of shape
    (1 + n_predictors,), are log odds, the intercept first; contributions to them, of shape
    (n_rows, 1 + n_predictors), are linearised: columns sum to about zero.
    """
    x = np.asarray(predictors, dtype=np.float64)
    x = x[:, None] if x.ndim == 1 else x
    y = np.asarray(answers, dtype=np.float64)
    if not (np.isfinite(x).all() and np.isfinite(y).all()):
        raise ConfigError("steps and answers must be finite numbers; leave out missing rows")
    if y.size and not (y.min() >= 0 and y.max() <= 1):
        raise ConfigError("answers must lie between 0 (INITIAL) and 1 (FINAL)")
    middle = x.mean(axis=0) if len(x) else np.zeros(x.shape[1])
    spread = x.std(axis=0) if len(x) else np.zeros(x.shape[1])
    if not (spread > 0).all():
        raise ConfigError("a predictor has only one value; a slope needs two steps at least")
    # Standardised while fitting, so that hertz and octaves converge alike.
    design = np.column_stack([np.ones(len(x)), (x - middle) / spread])
    theta = np.zeros(design.shape[1])
    inverse = np.eye(len(theta))
    for _ in range(_MOST_STEPS):
        p = expit(design @ theta)
        weight = np.maximum(p * (1 - p), 1e-12)
        inverse = np.linalg.inv((design * weight[:, None]).T @ design)
        leverage = weight * np.einsum("ij,jk,ik->i", design, inverse, design)
        move = inverse @ (design.T @ (y - p + leverage * (0.5 - p)))
        move *= min(1.0, _LARGEST_MOVE / max(float(np.abs(move).max()), 1e-300))
        theta = theta + move
        if float(np.abs(move).max()) < _TOLERANCE:
            break
    p = expit(design @ theta)
    contributions = (design * (y - p)[:, None]) @ inverse
    # Back to the predictors' own units.
    change = np.eye(len(theta))
    change[1:, 1:] = np.diag(1 / spread)
    change[0, 1:] = -middle / spread
    return change @ theta, contributions @ change.T
