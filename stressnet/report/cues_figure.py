"""Acoustic cues as predictors of stress: coefficients and importance, one dot per cue.

Conventions
-----------
A contrast is first minus second syllable, so a positive coefficient says that more of the cue in
the first syllable speaks for INITIAL (warm), a negative one for FINAL (cool). Bars are 95 %
intervals of the clustered bootstrap. Importance is the loss of balanced accuracy on the test sets
when the cue is dealt out anew among the tokens.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from stressnet.acoustics.cue_table import BANDS_HZ, NUCLEUS, band_name, contrast_columns
from stressnet.lexicon.stress import Stress
from stressnet.report.grid import bare_rows
from stressnet.report.style import NULL_COLOUR, STRESS_COLOURS, Width, style, width_in

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

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
_MODEL_MARKERS = ("o", "s", "D", "^")
_MODEL_COLOURS = ("#222222", "#7a3b8f", "#2b8a3e", NULL_COLOUR)


def cue_label(column: str) -> str:
    """A contrast's column in words: ``nucleus_diff_f0_max_st`` is ``vowel: F0 maximum (st)``."""
    cue = contrast_columns().get(column)
    if cue is None:
        return column
    part = "vowel" if column.startswith(NUCLEUS) else "syllable"
    return f"{part}: {_NAMES[cue.name]}"


def draw_coefficients(ax: Axes, coefficients: pd.DataFrame) -> None:
    """Standardised coefficients of one logistic regression with intervals.

    Parameters
    ----------
    coefficients : DataFrame
        Rows of one baseline in ``coefficients.csv``; drawn from top to bottom in their order.
    """
    place = np.arange(len(coefficients))
    value = coefficients["coefficient"].to_numpy(float)
    colours = [STRESS_COLOURS[Stress.INITIAL if v >= 0 else Stress.FINAL] for v in value]
    low, high = (coefficients[name].to_numpy(float) for name in ("low", "high"))
    ax.axvline(0.0, color=NULL_COLOUR, linewidth=0.6)
    ax.hlines(place, low, high, colors=colours, linewidth=1.0)
    ax.scatter(value, place, s=10, c=colours, zorder=3)
    _rows(ax, [cue_label(name) for name in coefficients["cue"]], list(coefficients["group"]))
    ax.set_xlabel("log odds of INITIAL per standard deviation")


def draw_importance(
    ax: Axes,
    importance: pd.DataFrame,
    order: list[str] | None = None,
    *,
    legend: bool = True,
) -> None:
    """Permutation importance, a marker per baseline.

    Parameters
    ----------
    importance : DataFrame
        Rows of one unit (cues or groups) in ``importance.csv``, of one or more baselines.
    order : list of str, optional
        Names from top to bottom; otherwise by the first baseline, the most important first.
    """
    names = list(dict.fromkeys(importance["baseline"]))
    first = importance[importance["baseline"] == names[0]]
    if order is None:
        order = list(first.sort_values("importance", ascending=False)["name"])
    offset = np.linspace(-0.22, 0.22, len(names)) if len(names) > 1 else [0.0]
    ax.axvline(0.0, color=NULL_COLOUR, linewidth=0.6)
    for number, name in enumerate(names):
        rows = importance[importance["baseline"] == name].set_index("name").reindex(order)
        place = np.arange(len(order)) + offset[number]
        colour = _MODEL_COLOURS[number % len(_MODEL_COLOURS)]
        ax.hlines(place, 100 * rows["low"], 100 * rows["high"], colors=colour, linewidth=0.9)
        ax.scatter(
            100 * rows["importance"],
            place,
            s=10,
            color=colour,
            marker=_MODEL_MARKERS[number % len(_MODEL_MARKERS)],
            label=name.replace("-", " "),
            zorder=3,
        )
    groups = first.set_index("name").reindex(order)["group"]
    is_cue = order[0] in contrast_columns()
    _rows(ax, [cue_label(name) for name in order], list(groups) if is_cue else None)
    ax.set_xlabel("loss of balanced accuracy (points)")
    if legend:
        ax.legend(frameon=False, loc="lower right")


def _rows(ax: Axes, labels: list[str], groups: list[str] | None) -> None:
    """Labels from top to bottom, with a faint line between families."""
    ax.set_yticks(np.arange(len(labels)), labels)
    ax.set_ylim(len(labels) - 0.5, -0.5)
    bare_rows(ax)
    if groups is not None:
        for index in range(1, len(groups)):
            if groups[index] != groups[index - 1]:
                ax.axhline(index - 0.5, color="#dddddd", linewidth=0.6, zorder=0)


def plot_cues(
    coefficients: pd.DataFrame,
    importance: pd.DataFrame,
    *,
    baseline: str = "logistic-regression",
    width: Width = "page",
) -> Figure:
    """Coefficients of all cues beside their importance, families of cues below."""
    from matplotlib.figure import Figure

    chosen = coefficients[coefficients["baseline"] == baseline]
    group_order = list(dict.fromkeys(chosen["group"]))
    chosen = chosen.sort_values(
        "group", key=lambda column: column.map(group_order.index), kind="stable"
    )
    models = [name for name in dict.fromkeys(importance["baseline"]) if name != "five-cues"]
    shown = importance[importance["baseline"].isin(models)]
    cues, groups = (shown[shown["unit"] == unit] for unit in ("cue", "group"))
    n_groups = groups["name"].nunique()
    with style():
        heights = [len(chosen), n_groups]
        figure = Figure(figsize=(width_in(width), 1.3 + 0.16 * len(chosen) + 0.22 * n_groups))
        grid = figure.add_gridspec(2, 2, height_ratios=heights, hspace=0.22, wspace=0.06)
        left = figure.add_subplot(grid[0, 0])
        right = figure.add_subplot(grid[0, 1])
        draw_coefficients(left, chosen)
        left.set_title("coefficients, logistic regression", loc="left")
        draw_importance(right, cues, list(chosen["cue"]))
        right.set_yticks(np.arange(len(chosen)), [])
        right.set_title("importance of each cue", loc="left")
        below = figure.add_subplot(grid[1, 1])
        draw_importance(below, groups, legend=False)
        below.set_title("importance of families of cues", loc="left")
        figure.subplots_adjust(left=0.25, right=0.98, top=0.96, bottom=0.06)
    return figure
