"""Figures of the validation lab: the board of methods, and one page per cue.

The board shows for every method how often it puts the true region first, how often it marks a
place that the network does not use, and how well the most relevant cells match the true ones. The
page of a cue shows a word, where its cue is, what the best and the default methods make of it, and
the scores of all of them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from stressnet.errors import ConfigError
from stressnet.lab.board_plan import SEEDLESS
from stressnet.lab.scoreboard import BAR_FALSE, BAR_FIRST
from stressnet.report.grid import draw_estimate, footnote, row_panels
from stressnet.report.style import NULL_COLOUR, Width, style, width_in

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes as Plot
    from matplotlib.figure import Figure, SubFigure

ROW_IN = 0.155


def plot_board(methods: pd.DataFrame, *, width: Width = "page") -> Figure:
    """A row per method, a panel per measure; the bar is dashed, chance is a grey tick.

    Raises
    ------
    ConfigError
        If the table is empty.
    """
    from matplotlib.figure import Figure

    if not len(methods):
        raise ConfigError("the board is empty: no network solved a set whose cue has a place")
    # Of each method the best seed and part, in the order of the table.
    rows = methods[methods["kind"] != "no control"].drop_duplicates(["method", "kind"])
    names = [_label(row) for row in rows.to_dict("records")]
    panels = [
        ("true region first →", "first", BAR_FIRST),
        ("false positives ←", "false_positive", BAR_FALSE),
        ("rank accuracy →", "rank", None),
        ("pointing →", "pointing", None),
    ]
    rows = rows.assign(
        rank_chance=rows["rank"] - rows["rank_gain"],
        pointing_chance=rows["pointing"] - rows["pointing_gain"],
    )
    with style():
        size_in = (width_in(width), ROW_IN * len(rows) + 1.0)
        figure = Figure(figsize=size_in, layout="constrained")
        axes = score_panels(figure, rows, names, [(title, column) for title, column, _ in panels])
        for ax, (_, _, bar) in zip(axes, panels, strict=True):
            if bar is not None:
                ax.axvline(bar, color="#555555", linewidth=0.6, linestyle=(0, (4, 3)), zorder=0)
        footnote(
            figure,
            "Best seed and part of each map (+ positive, ± absolute). Mean over cues with spectral "
            "place; intervals over voices and sets; n: cue × voice units.\n"
            "Dashed: the bar. Grey tick: highest chance level. Brown: deliberately broken maps. "
            "Arrow: better.",
        )
    return figure


def _label(row: Mapping[Any, Any]) -> str:
    sign = "+" if row["part"] == "positive" else "±"
    seed = "" if row["seed_output"] == "logit-difference" else ", logit"
    return f"{row['method']}{seed} ({sign}, n = {row['n_units']})"


def score_panels(
    figure: Figure | SubFigure,
    rows: pd.DataFrame,
    names: Sequence[str],
    panels: Sequence[tuple[str, str]],
) -> list[Plot]:
    """A panel per title and column of scores from 0 to 1, a row per method.

    Parameters
    ----------
    rows : DataFrame
        ``method``, ``kind``, the columns, and ``_low``, ``_high``, ``_chance`` of those that have
        them.
    """
    axes = row_panels(figure, names, [title for title, _ in panels], len(panels))
    for ax, (_, column) in zip(axes, panels, strict=True):
        for y, row in enumerate(rows.to_dict("records")):
            low, high, chance = (
                row.get(f"{column}_{k}", np.nan) for k in ("low", "high", "chance")
            )
            draw_estimate(ax, y, row[column], (low, high), chance, colour=row_colour(row))
        ax.set_xlim(-0.03, 1.03)
        ax.set_xticks([0, 0.5, 1], ["0", ".5", "1"])
    return axes


def row_colour(row: Mapping[Any, Any]) -> str:
    """Brown for broken maps, grey for methods that are not ranked, else black."""
    if row["method"] in SEEDLESS:
        return NULL_COLOUR
    return "#303030" if row["kind"] == "method" else "#b0721e"
