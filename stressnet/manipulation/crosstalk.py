"""Did the intended cue move, and how far did the others? One table over all stimuli."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from stressnet.manipulation.cues import CUE_NAMES, CUES, get_cue

SUMMARY_COLUMNS = (
    *("continuum", "cue", "unit", "is_intended", "n_stimuli"),
    *("reached_p10", "reached_median", "reached_p90"),
    *("moved_median", "moved_p90", "share_of_range"),
)


def crosstalk(stimuli: pd.DataFrame, measures: pd.DataFrame, endpoints: pd.DataFrame) -> Any:
    """Rows of ``crosstalk.csv``: each single continuum, and the mere resynthesis, by cue.

    Returns
    -------
    DataFrame
        ``reached_*``: of the intended cue, the share of what was asked, over stimuli that were
        asked to move by more than twice the cue's tolerance. ``moved_*``: absolute move of a
        nucleus's value, over stimuli and nuclei. ``share_of_range``: median move of the contrast
        by the median distance between the two ends of that cue's own continuum.
    """
    ranges = endpoints.groupby("cue")["range"].agg(lambda values: values.abs().median())
    singles = measures[measures["kind"].isin(["single", "resynthesised"])]
    by_stimulus = stimuli.set_index("stimulus_id")
    rows = []
    for continuum in ["resynthesised", *CUE_NAMES]:
        part = singles[singles["continuum"] == continuum]
        if not len(part):
            continue
        for cue in CUES:
            own = part[part["cue"] == cue.name]
            moved = own["moved"].abs()
            contrast = by_stimulus.loc[own["stimulus_id"].unique(), f"moved_{cue.name}"].abs()
            row: dict[str, Any] = {
                "continuum": continuum,
                "cue": cue.name,
                "unit": cue.unit,
                "is_intended": continuum == cue.name,
                "n_stimuli": own["stimulus_id"].nunique(),
                **_reached(own if continuum == cue.name else None),
                "moved_median": moved.median(),
                "moved_p90": moved.quantile(0.9),
                "share_of_range": contrast.median() / ranges.get(cue.name, np.nan),
            }
            rows.append(row)
    return pd.DataFrame(rows, columns=list(SUMMARY_COLUMNS))


def _reached(own: pd.DataFrame | None) -> dict[str, float]:
    shares = []
    for _, part in own.groupby("stimulus_id", sort=False) if own is not None else ():
        asked, moved = part["asked"].to_numpy(), part["moved"].to_numpy()
        if np.abs(asked).max() > 2 * get_cue(part["cue"].iloc[0]).tolerance:
            shares.append(float(asked @ moved / (asked @ asked)))
    names = ("reached_p10", "reached_median", "reached_p90")
    if not shares:
        return dict.fromkeys(names, float("nan"))
    return dict(zip(names, np.quantile(shares, [0.1, 0.5, 0.9]).tolist(), strict=True))
