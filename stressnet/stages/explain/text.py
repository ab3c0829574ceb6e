"""What ``stressnet explain`` says on the screen."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from stressnet.explain.reference import REFERENCED
from stressnet.inference.twoway import MIN_CLUSTERS
from stressnet.lexicon.contrast import Contrast
from stressnet.runs.result import Result

_ROLES, _BESIDE = ("stressed", "unstressed"), ("before", "after")
SHOWN = (
    *(f"{part}_{which}" for part in ("syllable", "nucleus") for which in (*_ROLES, *_BESIDE)),
    *("consonants", "context", "padding"),
    *(f"F{k}" for k in range(1, 5)),
    *(f"F{k}_{which}" for which in _ROLES for k in range(1, 5)),
    *("F0", "F0_stressed", "F0_unstressed", "valley_F1_F2", "valley_F2_F3", "valley_F3_F4"),
)
"""Regions on the screen; the tables have all."""


_SMALL_SHARE = 0.5
_MOSTLY_ELSEWHERE = "maps show the smaller part of the verdict: read them with care"


def run_text(run: Result) -> str:
    """All that ``stressnet explain`` prints."""
    further = run.summary_nulls
    return summary_text(run) + (
        ""
        if further is None
        else f"\n{nulls_text(further, Contrast.in_manifest(run.manifest['parameters']))}"
    )


def _foreign(result: Mapping[str, Any]) -> list[str]:
    """What is known of whether a network has heard the tokens of a corpus that is not its own."""
    if result.get("trained_on_this_corpus", True):
        return []
    n = result.get("n_of_recordings_trained_on", 0)
    if n:
        return [
            f"WARNING: {n} of these tokens are of recordings that the network was trained on,",
            "whatever they are called here; leave them out, or explain its own corpus",
        ]
    return [
        "the network was not trained on this corpus: its splits do not say what the network has "
        "heard;",
        "make sure that it was not trained on these recordings; --split all explains all of them",
    ]


def summary_text(run: Result) -> str:
    """The summary for people: conservation, then density and share per region."""
    result = run.manifest["results"]
    density = run.summary[run.summary["measure"] == "density"]
    contrast = Contrast.in_manifest(run.manifest["parameters"])
    there, classes = set(density["region"]), contrast.among(density[contrast.column])
    columns = list(zip(classes, (26, *[28] * (len(classes) - 1)), strict=True))
    is_pair = replace(contrast, classes=classes).is_pair
    explained = "logit difference" if is_pair else "explained output"
    of_output = result["median_relevance_over_output"]
    elsewhere = "in the network's biases"
    if run.manifest["parameters"]["composite"] in REFERENCED:
        elsewhere = "the mean spectrum has itself"
    lines = [
        f"{result['n_tokens']} tokens explained "
        f"(accuracy on them {result['accuracy_on_explained_tokens']:.3f})",
        f"conservation: of the {explained} {100 * of_output:.0f} % lies on the image and "
        f"{100 * result['median_bias_share']:.0f} % {elsewhere} (medians); the ledger closes to "
        f"{result['largest_closure_residual']:.1e} (largest relative residual)",
        *([] if of_output >= _SMALL_SHARE else [_MOSTLY_ELSEWHERE]),
        *_foreign(result),
        "",
        f"{'relevance density':<22}"
        + "".join(f"{stress:>{width}}{'null':>8}" for stress, width in columns),
    ]
    for region in [name for name in SHOWN if name in there]:
        line = f"{region:<22}"
        for stress, width in columns:
            row = density[(density["region"] == region) & (density[contrast.column] == stress)]
            line += _density_cell(row, width)
        lines.append(line)
    lines += [
        "density: mean positive relevance for the token's own class per cell of the region, over",
        "the mean per cell of sound; 1 is what a region gets by its area; null: the same with the",
        f"tracks or times of other tokens; all {len(there)} regions: summary.csv",
    ]
    if 0 < density["n_speakers"].max() < MIN_CLUSTERS:
        n = density["n_speakers"].max()
        lines.append(f"intervals are over words: they speak of these {n} speakers only")
    return "\n".join(lines)


def nulls_text(summary_nulls: pd.DataFrame, contrast: Contrast) -> str:
    """The summary against several nulls for people: density over null density."""
    rows = summary_nulls[
        (summary_nulls["measure"] == "density") & (summary_nulls[contrast.column] == "ALL")
    ]
    names = list(dict.fromkeys(rows["null"]))
    widths = [max(len(name) + 2, 11) for name in names]
    header = "".join(f"{name:>{width}}" for name, width in zip(names, widths, strict=True))
    lines = ["", f"{'density / null':<22}{header}"]
    cells = rows.set_index(["region", "null"])[["ratio", "p_holm"]].to_dict("index")
    there = set(rows["region"])
    for region in [name for name in SHOWN if name in there]:
        line = f"{region:<22}"
        for name, width in zip(names, widths, strict=True):
            cell, text = cells.get((region, name)), "-"
            if cell is not None and np.isfinite(cell["ratio"]):
                text = f"{cell['ratio']:.2f}" + ("*" if cell["p_holm"] <= 0.05 else " ")
            line += f"{text:>{width}}"
        lines.append(line)
    lines.append("over all classes; * differs from the null (p <= 0.05 after Holm's correction)")
    return "\n".join(lines)


def _density_cell(row: pd.DataFrame, width: int) -> str:
    """Mean with its interval, and the null, or dashes where the region does not exist."""
    if row.empty or not np.isfinite(row["mean"].iloc[0]):
        return f"{'-':>{width}}{'-':>8}"
    mean, low, high, null = row[["mean", "mean_low", "mean_high", "null_mean"]].iloc[0]
    interval = f"[{low:.2f}, {high:.2f}]" if np.isfinite(low) else "[too few words]"
    return f"{f'{mean:.2f} {interval}':>{width}}" + (
        f"{null:>8.2f}" if np.isfinite(null) else f"{'-':>8}"
    )
