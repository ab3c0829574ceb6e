"""Cue weights from two cues at a time, beside what is known of listeners.

As in studies of listeners (Holt & Lotto 2006, *JASA* 119:3059-3071), two cues are changed
independently; a logistic regression of the answers on both steps, each standardised over the
stimuli, gives two coefficients, and their absolute values divided by their sum are the weights. A
weight compares cues over the ranges that the stimuli span; with other end points there are others.
"""

from collections.abc import Mapping
from importlib import resources
from typing import Any

import numpy as np
import pandas as pd
from scipy.special import expit

from stressnet.errors import ConfigError, require_columns
from stressnet.inference.jackknife import spread_of
from stressnet.inference.twoway import infer
from stressnet.manipulation.psychometric import answers_of, clusters_of, counts_of, fit_logistic

NEEDED = ("token_id", "speaker", "word", "cue_1", "cue_2", "step_1", "step_2", "logit_difference")
"""Columns that responses to two cues must have."""

COLUMNS = (  # Columns of `cue_weights`
    *("cue_1", "cue_2", "n_steps_1", "n_steps_2", "n_stimuli", "n_tokens", "n_speakers", "n_words"),
    *("coefficient_1", "coefficient_1_low", "coefficient_1_high"),
    *("coefficient_2", "coefficient_2_low", "coefficient_2_high"),
    *("weight_1", "weight_1_low", "weight_1_high", "weight_2", "weight_2_low", "weight_2_high"),
    *("stronger", "reason"),
)


def cue_weights(responses: pd.DataFrame, *, answers: str = "decision") -> pd.DataFrame:
    """Weights of two cues against each other, a row for every pair of cues with :data:`COLUMNS`.

    ``responses`` have one row per stimulus with columns :data:`NEEDED`; steps count from
    INITIAL-like to FINAL-like, ``logit_difference`` is INITIAL minus FINAL. Coefficients are log
    odds of FINAL per standard deviation of the steps; weights are their absolute values over their
    sum. ``stronger`` names a cue if the interval of the weights excludes one half.
    """
    require_columns(responses, NEEDED, "table of responses")
    if responses.empty:
        raise ConfigError("no responses to two cues")
    rows = [
        _row(str(one), str(other), part, answers)
        for (one, other), part in responses.groupby(["cue_1", "cue_2"], sort=False)
    ]
    return pd.DataFrame(rows)[list(COLUMNS)]


def _row(one: str, other: str, part: pd.DataFrame, answers: str) -> dict[str, Any]:
    steps = part[["step_1", "step_2"]].to_numpy(np.float64)
    row: dict[str, Any] = dict.fromkeys(COLUMNS, np.nan)
    row |= {
        "cue_1": one,
        "cue_2": other,
        "n_steps_1": part["step_1"].nunique(),
        "n_steps_2": part["step_2"].nunique(),
        "n_stimuli": len(part),
        **counts_of(part),
        "stronger": "",
        "reason": "",
    }
    y = answers_of(part, answers)
    if y.min() == y.max() and y.min() in (0.0, 1.0):
        return row | {"reason": f"always {'FINAL' if y.min() else 'INITIAL'}"}
    if min(row["n_steps_1"], row["n_steps_2"]) < 2:
        return row | {"reason": "a cue has only one step"}
    z = (steps - steps.mean(axis=0)) / steps.std(axis=0)
    coefficients, contributions = fit_logistic(z, y)
    first, second = map(float, coefficients[1:])
    each = contributions[:, 1:]
    ratio = (each[:, :1] / first) - (each[:, 1:] / second)
    # Limits of the weights are on the scale of their log ratio.
    values = np.array([first, second, np.log(abs(first)) - np.log(abs(second))])
    found = infer(values, spread_of(np.column_stack([each, ratio]), clusters_of(part)))
    weight, low, high = (float(expit(v[2])) for v in (found.value, found.low, found.high))
    return row | {
        **found[0].columns("coefficient_1"),
        **found[1].columns("coefficient_2"),
        "weight_1": weight,
        "weight_1_low": low,
        "weight_1_high": high,
        "weight_2": 1 - weight,
        "weight_2_low": 1 - high,
        "weight_2_high": 1 - low,
        "stronger": one if low > 0.5 else other if high < 0.5 else "",
        "reason": str(found.remark[2]),
    }


def beside_listeners(weights: pd.DataFrame) -> pd.DataFrame:
    """The network's weights beside what studies found about the same two cues.

    One row per study and pair of cues that it ranks: ``study, about, who, n_steps, finding,
    people_stronger, people_weaker, network_stronger`` (empty if undecided), ``network_weight`` (of
    the cue that people weigh more) with limits, ``same`` (``yes``, ``no``, ``undecided``) and
    ``source``. Studies without a ranking of these cues have one row with the cues left empty.
    """
    with resources.as_file(resources.files("stressnet.manipulation") / "listeners.csv") as file:
        studies = pd.read_csv(file, keep_default_na=False).to_dict("records")
    texts = ("people_stronger", "people_weaker", "network_stronger", "same")
    rows: list[dict[Any, Any]] = []
    for study in studies:
        found = [
            study | _compared(row, (stronger, weaker))
            for stronger, weaker in (pair.split(">") for pair in study["stronger"].split())
            for row in weights.to_dict("records")
            if {row["cue_1"], row["cue_2"]} == {stronger, weaker}
        ]
        rows += found or [study | dict.fromkeys(texts, "")]
    columns = [
        *("study", "about", "who", "n_steps", "finding", "people_stronger", "people_weaker"),
        *("network_stronger", "network_weight", "network_low", "network_high", "same", "source"),
    ]
    return pd.DataFrame(rows, columns=columns)


def _compared(row: Mapping[Any, Any], pair: tuple[str, str]) -> dict[str, Any]:
    number = 1 if row["cue_1"] == pair[0] else 2
    stronger = str(row["stronger"])
    return {
        "people_stronger": pair[0],
        "people_weaker": pair[1],
        "network_stronger": stronger,
        "network_weight": row[f"weight_{number}"],
        "network_low": row[f"weight_{number}_low"],
        "network_high": row[f"weight_{number}_high"],
        "same": "undecided" if not stronger else "yes" if stronger == pair[0] else "no",
    }


def listeners_text(table: pd.DataFrame) -> str:
    """The comparison for people: one line per study and pair of cues, with its source."""
    lines = []
    for row in table.to_dict("records"):
        steps = f", {row['n_steps']} steps" if row["n_steps"] else ""
        lines.append(f"{row['study']} ({row['about']}; {row['who']}{steps}): {row['finding']}")
        if row["people_stronger"]:
            lines.append(
                f"    {row['people_stronger']} over {row['people_weaker']}; network: weight "
                f"{row['network_weight']:.2f} [{row['network_low']:.2f}, "
                f"{row['network_high']:.2f}], same: {row['same']}"
            )
        lines.append(f"    {row['source']}")
    return "\n".join(dict.fromkeys(lines))
