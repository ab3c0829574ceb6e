"""Acoustic cues beside relevance: what predicts stress in the sound, where the network looks.

Rows are families of cues. On the left stand the standardised coefficients of a logistic regression
on the cues, on the right the relevance of the regions of the image in which such a cue would show.
The two axes answer different questions and share no unit: a cue may predict stress and the network
may yet not use it, and relevance in a region does not say which property of it was used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from stressnet.errors import ConfigError, require_columns
from stressnet.lexicon.stress import Stress
from stressnet.report.cues_figure import cue_label
from stressnet.report.grid import bare_rows, draw_estimate, labelled_panels
from stressnet.report.names import region_name
from stressnet.report.style import (
    NULL_COLOUR,
    STRESS_COLOURS,
    Width,
    style,
    width_in,
)

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes as Ax
    from matplotlib.figure import Figure

REGIONS_OF_FAMILY: dict[str, tuple[str, ...]] = {
    "duration": (),
    "f0": ("F0", "H2", "H3"),
    "intensity": ("nucleus_stressed", "nucleus_unstressed"),
    "spectral balance": (
        "band_0_500_hz",
        "band_500_1000_hz",
        "band_1000_2000_hz",
        "band_2000_4000_hz",
    ),
    "formants": ("F1", "F2", "F3", "F4"),
    "vowel quality": ("F1_unstressed", "F2_unstressed"),
    "voice quality": (),
}
"""Where in the image a family of cues would show; nowhere, if it has no place of its own."""

_NO_PLACE = "no region: spread over all cells"
_ROW_IN = 0.165
COEFFICIENT_COLUMNS = ("cue", "group", "coefficient", "low", "high", "baseline")


def plot_cues_beside_relevance(
    coefficients: pd.DataFrame,
    summary: pd.DataFrame,
    *,
    baseline: str = "logistic-regression",
    width: Width = "page",
) -> Figure:
    """Coefficients of cues on the left, density of relevance on the right, family by family.

    Parameters
    ----------
    coefficients : DataFrame
        ``coefficients.csv`` of ``stressnet cue-baselines``: ``baseline``, ``cue``, ``group``,
        ``coefficient``, ``low``, ``high``. Positive: more of the cue in the first syllable speaks
        for INITIAL.
    summary : DataFrame
        A run's ``summary.csv``; density of all tokens is drawn with interval and null.
    width : {"page", "column"} or float
        Inches or a name; below 5 inches the labels do not fit and the figure is refused.

    Returns
    -------
    Figure
        Panels labelled ``cues`` and ``relevance``.

    Raises
    ------
    ConfigError
        If a table lacks columns, the baseline or every region, or the figure is too narrow.
    """
    from matplotlib.figure import Figure
    from matplotlib.transforms import blended_transform_factory

    require_columns(coefficients, COEFFICIENT_COLUMNS, "table of coefficients")
    chosen = coefficients[coefficients["baseline"] == baseline]
    rows = summary[(summary["measure"] == "density") & (summary["stress"] == "ALL")]
    by_region: dict[Any, Any] = rows.set_index("region").to_dict("index")
    families = [f for f in REGIONS_OF_FAMILY if (chosen["group"] == f).any()]
    families += [str(f) for f in dict.fromkeys(chosen["group"]) if f not in REGIONS_OF_FAMILY]
    if not families or not by_region:
        raise ConfigError(
            f"nothing to draw: no coefficient of baseline {baseline!r} or no density of a region"
        )
    total = width_in(width)
    if total < 5:
        raise ConfigError(f"cues beside relevance need 5 inches of width, not {total:g}")
    places, heads, at = {}, {}, 0.0
    for family in families:
        heads[family] = at
        cues = list(chosen.loc[chosen["group"] == family, "cue"])
        regions = [r for r in REGIONS_OF_FAMILY.get(family, ()) if r in by_region]
        places[family] = (cues, regions, at + 1.1)
        at += 1.1 + max(len(cues), len(regions), 1) + 0.35
    with style():
        figure = Figure(figsize=(total, _ROW_IN * (at + 0.2) + 0.72), layout="constrained")
        axes = labelled_panels(figure, ("cues", "relevance"), 2)
        _draw_cues(axes[0], chosen, places)
        _draw_regions(axes[1], by_region, places)
        for ax in axes:
            ax.set_ylim(at, -0.3)
            bare_rows(ax)
        left = blended_transform_factory(figure.transFigure, axes[0].transData)
        for family, place in heads.items():
            name = "F0" if family == "f0" else family
            look: dict[str, Any] = {"fontsize": 7, "fontweight": "bold", "va": "center"}
            figure.text(0.06 / total, place + 0.4, name, transform=left, in_layout=False, **look)
            for ax in axes:
                ax.axhline(place - 0.1, color="#dddddd", linewidth=0.5)
        axes[0].set_title("cues in the sound", fontsize=7.5, loc="left")
        axes[1].set_title("relevance in the image", fontsize=7.5, loc="left")
        axes[0].set_xlabel("log odds of INITIAL per standard deviation")
        axes[1].set_xlabel("density of relevance; grey bar: null")
    return figure


Places = dict[str, tuple[list[str], list[str], float]]


def _draw_cues(ax: Ax, chosen: pd.DataFrame, places: Places) -> None:
    index: dict[Any, Any] = chosen.set_index("cue").to_dict("index")
    ticks = {}
    for cues, _, start in places.values():
        for number, cue in enumerate(cues):
            row, y = index[cue], start + number
            value = float(row["coefficient"])
            colour = STRESS_COLOURS[Stress.INITIAL if value >= 0 else Stress.FINAL]
            limits = row["low"], row["high"]
            draw_estimate(ax, y, value, limits, colour=colour, size=3, width=1.0)
            ticks[y] = cue_label(cue)
    ax.axvline(0.0, color=NULL_COLOUR, linewidth=0.6, zorder=0)
    ax.set_yticks(list(ticks), list(ticks.values()))


def _draw_regions(ax: Ax, by_region: dict[Any, Any], places: Places) -> None:
    ticks = {}
    ax.set_xscale("log")
    for _, regions, start in places.values():
        if not regions:
            ax.text(
                0.02,
                start,
                _NO_PLACE,
                transform=ax.get_yaxis_transform(),
                fontsize=6,
                style="italic",
                color=NULL_COLOUR,
                va="center",
            )
        for number, region in enumerate(regions):
            row, y = by_region[region], start + number
            if not (np.isfinite(row["mean"]) and row["mean"] > 0):
                continue
            draw_estimate(
                ax,
                y,
                row["mean"],
                (row["mean_low"], row["mean_high"]) if row["mean_low"] > 0 else (np.nan, np.nan),
                row["null_mean"] if row["null_mean"] > 0 else np.nan,
                colour="#222222",
                marker="D",
                size=3,
                width=1.0,
                tick=(0.35, NULL_COLOUR, 1.6, 2),
            )
            ticks[y] = region_name(region)
    ax.axvline(1.0, color="#bbbbbb", linewidth=0.6, zorder=0)
    ax.xaxis.set_major_formatter("{x:g}")
    ax.set_yticks(list(ticks), list(ticks.values()))
