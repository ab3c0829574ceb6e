"""Acoustic cues as predictors of stress: coefficients and importance, one dot per cue.

A contrast is first minus second syllable, so a positive coefficient says that more of the cue in
the first syllable speaks for INITIAL (warm). Bars are 95 % intervals of the clustered bootstrap.
Importance is the loss of balanced accuracy on the test sets when the cue is dealt out anew among
the tokens. ``docs/figures.md`` tells how to read coefficients beside relevance.
"""

from collections.abc import Iterable, Sequence
from itertools import cycle, pairwise
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes as Ax
from matplotlib.figure import Figure
from matplotlib.transforms import blended_transform_factory

from stressnet.acoustics.cue_table import BANDS_HZ, NUCLEUS, band_name, contrast_columns
from stressnet.errors import ConfigError, require_columns
from stressnet.lexicon.contrast import STRESS, Contrast
from stressnet.lexicon.stress import Stress
from stressnet.report.grid import bare_rows, blank, draw_estimate, lines_of_panels, write_on_row
from stressnet.report.names import region_name
from stressnet.report.style import NULL_COLOUR, STRESS_COLOURS, Width, style, width_in

_NAMES = {
    "duration_s": "duration (log₂ ratio)",
    "relative_duration": "duration re speech rate",
    "f0_mean_st": "F0 mean (st)",
    "f0_max_st": "F0 maximum (st)",
    "f0_slope_st_per_s": "F0 slope (st/s)",
    "voiced_fraction": "voiced fraction",
    "intensity_mean_db": "intensity mean (dB)",
    "intensity_max_db": "intensity maximum (dB)",
    "spectral_emphasis_db": "spectral emphasis (dB)",
    "spectral_tilt_db": "spectral tilt (dB)",
    "h1_a3_corrected_db": "H1*–A3* (dB)",
    "peripherality_bark": "peripherality (Bark)",
    **{f"f{k}_hz": f"F{k} (log₂ ratio)" for k in range(1, 5)},
    **{f"b{k}_hz": f"bandwidth {k} (log₂ ratio)" for k in range(1, 5)},
    **{
        band_name(low, high): f"level {low / 1000:g}–{high / 1000:g} kHz (dB)"
        for low, high in BANDS_HZ
    },
}
_REGIONS_OF_FAMILY: dict[str, tuple[str, ...]] = {
    "duration": (),
    "f0": ("F0", "H2", "H3"),
    "intensity": ("nucleus_stressed", "nucleus_unstressed"),
    "spectral balance": tuple(
        f"band_{low}_{high}_hz" for low, high in pairwise((0, 500, 1000, 2000, 4000))
    ),
    "formants": ("F1", "F2", "F3", "F4"),
    "vowel quality": ("F1_unstressed", "F2_unstressed"),
    "voice quality": (),
}
"""Where in the image a family of cues would show; nowhere, if it has no place of its own."""

_ROW_IN = 0.165
_DENSITY: dict[str, Any] = {
    "colour": "#222222", "marker": "D", "size": 3, "width": 1.0,
    "tick": (0.35, NULL_COLOUR, 1.6, 2),
}  # fmt: skip
COEFFICIENT_COLUMNS = ("cue", "group", "coefficient", "low", "high", "baseline")

_MODEL_LOOKS = (("o", "#222222"), ("s", "#7a3b8f"), ("D", "#2b8a3e"), ("^", NULL_COLOUR))


def cue_label(column: str) -> str:
    """A contrast's column in words: ``nucleus_diff_f0_max_st`` is ``vowel: F0 maximum (st)``."""
    cue = contrast_columns().get(column)
    if cue is None:
        return column.replace("word_", "word: ").replace("_", " ")
    part = "vowel" if column.startswith(NUCLEUS) else "syllable"
    return f"{part}: {_NAMES[cue.name]}"


def draw_coefficients(
    ax: Ax,
    coefficients: pd.DataFrame,
    place: Sequence[float] | None = None,
    contrast: Contrast = STRESS,
) -> None:
    """Standardised coefficients of one logistic regression with intervals, in the rows ``place``;
    by default in 0, 1 and so on, with a line between families.
    """
    value, low, high = (coefficients[c].to_numpy(float) for c in ("coefficient", "low", "high"))
    colours = [STRESS_COLOURS[Stress.INITIAL if v >= 0 else Stress.FINAL] for v in value]
    labels = [cue_label(name) for name in coefficients["cue"]]
    if place is None:
        place = range(len(coefficients))
        _rows(ax, labels, list(coefficients["group"]))
    else:
        ax.set_yticks(place, labels)
    ax.axvline(0.0, color=NULL_COLOUR, linewidth=0.6)
    ax.hlines(place, low, high, colors=colours, linewidth=1.0)
    ax.scatter(value, place, s=10, c=colours, zorder=3)
    ax.set_xlabel(f"log odds of {contrast.classes[0]} per standard deviation")


def draw_importance(
    ax: Ax, importance: pd.DataFrame, order: list[str] | None = None, *, legend: bool = True
) -> None:
    """Permutation importance, a marker per baseline, from top to bottom in the given ``order`` of
    names; otherwise by the first baseline, the most important first.
    """
    names = list(dict.fromkeys(importance["baseline"]))
    first = importance[importance["baseline"] == names[0]]
    if order is None:
        order = list(first.sort_values("importance", ascending=False)["name"])
    offset = np.linspace(-0.22, 0.22, len(names)) if len(names) > 1 else [0.0]
    ax.axvline(0.0, color=NULL_COLOUR, linewidth=0.6)
    for name, shift, look in zip(names, offset, cycle(_MODEL_LOOKS), strict=False):
        rows = importance[importance["baseline"] == name].set_index("name").reindex(order)
        place = np.arange(len(order)) + shift
        ax.hlines(place, 100 * rows["low"], 100 * rows["high"], colors=look[1], linewidth=0.9)
        dots = {"marker": look[0], "color": look[1], "label": name.replace("-", " ")}
        ax.scatter(100 * rows["importance"], place, s=10, zorder=3, **dots)
    groups = first.set_index("name").reindex(order)["group"]
    is_cue = (first["unit"] == "cue").all()
    _rows(ax, [cue_label(name) for name in order], list(groups) if is_cue else [])
    ax.set_xlabel("loss of balanced accuracy (points)")
    if legend:
        ax.legend(frameon=False, loc="lower right")


def _rows(ax: Ax, labels: list[str], groups: list[str]) -> None:
    """Labels from top to bottom, with a faint line between families."""
    ax.set_yticks(np.arange(len(labels)), labels)
    ax.set_ylim(len(labels) - 0.5, -0.5)
    bare_rows(ax)
    for index, (above, below) in enumerate(pairwise(groups)):
        if above != below:
            ax.axhline(index + 0.5, color="#dddddd", linewidth=0.6, zorder=0)


@style()
def plot_cues(
    coefficients: pd.DataFrame,
    importance: pd.DataFrame,
    contrast: Contrast = STRESS,
    *,
    baseline: str = "logistic-regression",
    width: Width = "page",
) -> Figure:
    """Coefficients of all cues beside their importance, families of cues below."""
    chosen = coefficients[coefficients["baseline"] == baseline]
    codes = pd.factorize(chosen["group"])[0]
    chosen = chosen.iloc[np.argsort(codes, kind="stable")]
    shown = importance[importance["baseline"] != "five-cues"]
    cues, groups = (shown[shown["unit"] == unit] for unit in ("cue", "group"))
    n_groups = groups["name"].nunique()
    figure = blank(width, 1.3 + 0.16 * len(chosen) + 0.22 * n_groups, layout=None)
    heights = [len(chosen), n_groups]
    grid = figure.add_gridspec(2, 2, height_ratios=heights, hspace=0.22, wspace=0.06)
    left, right, below = (figure.add_subplot(grid[place]) for place in ((0, 0), (0, 1), (1, 1)))
    draw_coefficients(left, chosen, contrast=contrast)
    left.set_title("coefficients, logistic regression", loc="left")
    draw_importance(right, cues, list(chosen["cue"]), legend=False)
    right.set_yticks(np.arange(len(chosen)), [])
    right.set_title("importance of each cue", loc="left")
    draw_importance(below, groups, legend=False)
    below.set_title("importance of families of cues", loc="left")
    names = below.get_legend_handles_labels()
    figure.legend(*names, frameon=False, loc="lower left", bbox_to_anchor=(0.24, 0.04))
    figure.subplots_adjust(left=0.25, right=0.98, top=0.96, bottom=0.06)
    return figure


@style()
def plot_cues_beside_relevance(
    coefficients: pd.DataFrame,
    summary: pd.DataFrame,
    contrast: Contrast = STRESS,
    *,
    baseline: str = "logistic-regression",
    width: Width = "page",
) -> Figure:
    """Coefficients of cues on the left, density of a run's ``summary`` on the right, by family.

    ``coefficients``: ``coefficients.csv`` of ``stressnet cue-baselines``. ``width`` ({"page",
    "column"}): below 5 inches the labels do not fit and the figure is refused.
    """
    require_columns(coefficients, COEFFICIENT_COLUMNS, "table of coefficients")
    chosen = coefficients[coefficients["baseline"] == baseline]
    rows = summary[(summary["measure"] == "density") & (summary[contrast.column] == "ALL")]
    by_region: dict[Any, Any] = rows.set_index("region").to_dict("index")
    families = [f for f in _REGIONS_OF_FAMILY if (chosen["group"] == f).any()]
    families += [str(f) for f in dict.fromkeys(chosen["group"]) if f not in _REGIONS_OF_FAMILY]
    if not families or not by_region:
        raise ConfigError(
            f"nothing to draw: no coefficient of baseline {baseline!r} or no density of a region"
        )
    total = width_in(width)
    if total < 5:
        raise ConfigError(f"cues beside relevance need 5 inches of width, not {total:g}")
    cues: dict[str, float] = {}
    regions: dict[str, tuple[float, list[str]]] = {}
    heads, at = {}, 0.0
    for family in families:
        heads[family] = at
        own = chosen.loc[chosen["group"] == family, "cue"].tolist()
        cues |= {cue: at + 1.1 + number for number, cue in enumerate(own)}
        there = [r for r in _REGIONS_OF_FAMILY.get(family, ()) if r in by_region]
        regions[family] = (at + 1.1, there)
        at += 1.1 + max(len(own), len(there), 1) + 0.35
    figure, axes = lines_of_panels(width, ("cues", "relevance"), 2, _ROW_IN * (at + 0.2), 0.72)
    ordered = chosen.set_index("cue").loc[list(cues)].reset_index()
    draw_coefficients(axes[0], ordered, list(cues.values()), contrast)
    _draw_regions(axes[1], by_region, regions.values())
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
    axes[1].set_xlabel("density of relevance; grey bar: null")
    return figure


def _draw_regions(
    ax: Ax, by_region: dict[Any, Any], families: Iterable[tuple[float, list[str]]]
) -> None:
    """Densities of each family's regions, from its first row on."""
    ticks = {}
    ax.set_xscale("log")
    for start, regions in families:
        if not regions:
            look: dict[str, Any] = {"fontsize": 6, "style": "italic", "color": NULL_COLOUR}
            write_on_row(ax, 0.02, start, "no region: spread over all cells", **look)
        for number, region in enumerate(regions):
            row, y = by_region[region], start + number
            if not (np.isfinite(row["mean"]) and row["mean"] > 0):
                continue
            limits = (
                (row["mean_low"], row["mean_high"]) if row["mean_low"] > 0 else (np.nan, np.nan)
            )
            null = row["null_mean"] if row["null_mean"] > 0 else np.nan
            draw_estimate(ax, y, row["mean"], limits, null, **_DENSITY)
            ticks[y] = region_name(region)
    ax.axvline(1.0, color="#bbbbbb", linewidth=0.6, zorder=0)
    ax.xaxis.set_major_formatter("{x:g}")
    ax.set_yticks(list(ticks), list(ticks.values()))
