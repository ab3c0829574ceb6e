"""Figures of manipulated words: psychometric curves, and relevance against the effect of a cue."""

from __future__ import annotations

from collections.abc import Sequence
from textwrap import fill
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from stressnet.errors import ConfigError, check_names
from stressnet.lexicon.stress import Stress
from stressnet.manipulation.causal import ALL_CUES
from stressnet.manipulation.psychometric import answers_of, clusters_of, fit_psychometric
from stressnet.report.grid import blank, footnote, labelled_panels, legend
from stressnet.report.style import (
    NULL_COLOUR,
    STRESS_COLOURS,
    Width,
    style,
    width_in,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes as Plot
    from matplotlib.figure import Figure, SubFigure

CUE_TITLES = {
    "f0": "F0",
    "duration": "duration",
    "intensity": "intensity",
    "tilt": "tilt",
    "f1": "F1",
    "f2": "F2",
    "f3": "F3",
    "reduction": "reduction (F1, F2)",
    "all": "all cues",
}
"""Names of cues in figures; others appear as they are."""

_SEED_COLOURS = ("#222222", "#7a5195", "#2a9d6f", "#b8860b", "#8a8a8a", "#4aa3df")
_NOTE_LETTERS = 26
"""Letters that fit into a line of a panel."""

_MOST_COLUMNS = 4

_NULL: dict[str, Any] = {
    "color": NULL_COLOUR,
    "linewidth": 4,
    "alpha": 0.4,
    "solid_capstyle": "butt",
}


def plot_psychometric(
    responses: pd.DataFrame,
    *,
    answers: str = "decision",
    width: Width = "page",
) -> Figure:
    """A panel per cue: share of FINAL answers at each step, the fitted curve with its interval.

    Parameters
    ----------
    responses : DataFrame
        As for :func:`stressnet.manipulation.psychometric.psychometric_table`; with a column
        ``model``, each network gets a colour.

    Raises
    ------
    ConfigError
        If there is nothing to show.
    """
    if responses.empty:
        raise ConfigError("no responses to draw")
    cues = list(dict.fromkeys(responses["cue"].astype(str)))
    models = list(dict.fromkeys(responses["model"])) if "model" in responses.columns else [""]
    total = width_in(width)
    n_columns = min(_MOST_COLUMNS, len(cues), max(1, int(total / 1.6)))
    with style():
        figure = blank(total, 1.5 * -(-len(cues) // n_columns) + 0.2 + 0.2 * (len(models) > 1))
        panels = _cue_panels(figure, cues, n_columns)
        for number, (cue, ax) in enumerate(zip(cues, panels, strict=True)):
            here = responses[responses["cue"] == cue]
            notes = []
            for place, model in enumerate(models):
                part = here[here["model"] == model] if model else here
                notes.append(_draw_curve(ax, part, answers, _colour(place)))
            _note(ax, notes)
            ax.set_ylim(-0.04, 1.04)
            ax.set_yticks([0, 0.5, 1], ["0", "0.5", "1"])
            ax.tick_params(labelleft=number % n_columns == 0)
            ax.axhline(0.5, color=NULL_COLOUR, linewidth=0.5, linestyle=(0, (3, 2)), zorder=0)
            ax.set_xlabel("step", labelpad=1)
        figure.supylabel("share of FINAL", fontsize=7.0)
        footnote(
            figure,
            "first step: INITIAL-like, last: FINAL-like; points: answers, band: 95 % interval",
        )
        if len(models) > 1:
            entries = {model: {"color": _colour(i)} for i, model in enumerate(models)}
            legend(figure, entries, loc="outside upper left", ncols=len(models))
    return figure


def _cue_panels(figure: Figure | SubFigure, cues: Sequence[str], n_columns: int) -> list[Plot]:
    """A panel per cue, named above it."""
    panels = labelled_panels(figure, cues, n_columns)
    for ax, cue in zip(panels, cues, strict=True):
        ax.set_title(_title(cue), loc="left", pad=3)
        ax.spines[["top", "right"]].set_visible(False)
    return panels


def _draw_curve(ax: Plot, part: pd.DataFrame, answers: str, colour: str) -> str:
    """One network's answers to one cue; what to write into the panel."""
    y = answers_of(part, answers)
    x = part["step"].to_numpy(np.float64)
    fit = fit_psychometric(x, y, clusters_of(part))
    steps = np.unique(x)
    shares = [y[x == step].mean() for step in steps]
    ax.plot(steps, shares, "o", color=colour, markersize=2.6, zorder=3)
    ax.fill_between(
        fit.grid, fit.curve_low, fit.curve_high, color=colour, alpha=0.15, linewidth=0, zorder=1
    )
    ax.plot(fit.grid, fit.curve, color=colour, zorder=2)
    if np.isfinite(fit.crossover):
        ax.plot([fit.crossover] * 2, [0, 0.5], color=colour, linewidth=0.5, zorder=1)
    ax.set_xticks(steps)
    if np.isfinite(fit.slope_low):
        return f"slope {fit.slope:.2f}".replace("-", "−")
    return fit.reason


def _note(ax: Plot, notes: Sequence[str]) -> None:
    """The slope of a single network, or why it has none, where curves leave room."""
    if len(notes) == 1:
        text = "\n".join(fill(part.strip(), _NOTE_LETTERS) for part in notes[0].split(";"))
        heights = np.concatenate([np.asarray(line.get_ydata(), float) for line in ax.lines])
        y, side = (0.03, "bottom") if np.nanmean(heights) > 0.5 else (0.98, "top")
        ax.text(0.03, y, text, transform=ax.transAxes, fontsize=6, va=side)


def plot_agreement(
    pairs: pd.DataFrame,
    table: pd.DataFrame,
    *,
    method: str | None = None,
    width: Width = "page",
) -> Figure:
    """Relevance against effect, token by token, and the rank correlations of all methods.

    Above, a panel per cue for one method: each point is a token. Below, rank correlations per cue
    and method with intervals, and the null as a grey bar.

    Parameters
    ----------
    pairs : DataFrame
        As for :func:`stressnet.manipulation.causal.agreement_table`.

    Raises
    ------
    ConfigError
        If there is nothing to show or the method is not in the table.
    """
    methods = [str(name) for name in dict.fromkeys(table["method"])]
    if not methods:
        raise ConfigError("no agreement to draw")
    shown = method or methods[0]
    check_names("method", [shown], methods)
    cues = [str(cue) for cue in dict.fromkeys(table["cue"]) if cue != ALL_CUES]
    names = [*cues, ALL_CUES]
    n_columns = min(_MOST_COLUMNS, len(cues))
    above_in = 1.46 * -(-len(cues) // n_columns)
    below_in = 0.5 + len(names) * (0.10 + 0.11 * len(methods))
    with style():
        figure = blank(width_in(width), above_in + below_in + 0.2 * (2 + len(methods) // 5))
        parts: Any = figure.subfigures(2, 1, height_ratios=[above_in, below_in])
        above, below = parts
        mine = pairs[pairs["method"] == shown]
        for cue, ax in zip(cues, _cue_panels(above, cues, n_columns), strict=True):
            row = table[(table["method"] == shown) & (table["cue"] == cue)].iloc[0]
            _draw_tokens(ax, mine[mine["cue"] == cue], row)
        above.supylabel("effect of the cue", fontsize=7.0)
        above.supxlabel("relevance of its region", fontsize=7.0)
        _draw_correlations(below.subplots(), table, names, methods)
        dot: dict[str, Any] = {"marker": "o", "markersize": 3}
        entries = {method: {"color": _colour(i), **dot} for i, method in enumerate(methods)}
        entries["null: relevance of another token of the class"] = _NULL
        for stress, colour in STRESS_COLOURS.items():
            entries[f"said {stress.value}"] = {"linewidth": 0, "color": colour, **dot}
        legend(figure, entries, loc="outside lower left", ncols=4, handlelength=1.4)
    return figure


def _title(cue: str) -> str:
    """A cue's name in figures; two at once are joined by +."""
    if cue == ALL_CUES:
        return "over the cues of a token"
    return " + ".join(CUE_TITLES.get(part, part) for part in cue.split("+"))


def _colour(place: int) -> str:
    """One colour per network or method."""
    return _SEED_COLOURS[place % len(_SEED_COLOURS)]


def _draw_tokens(ax: Plot, part: pd.DataFrame, row: Any) -> None:
    dot: dict[str, Any] = {"markersize": 1.8, "alpha": 0.6, "markeredgewidth": 0}
    for stress in Stress:
        here = part[part["stress_predicted"] == stress.value]
        ax.plot(here["relevance"], here["effect"], "o", color=STRESS_COLOURS[stress], **dot)
    for line in (ax.axhline, ax.axvline):
        line(0, color=NULL_COLOUR, linewidth=0.5, zorder=0)
    if np.isfinite(row["rho"]):
        text = f"ρ {row['rho']:.2f}, in class {row['rho_in_class']:.2f}"
        look: dict[str, Any] = {"transform": ax.transAxes, "ha": "right", "va": "top"}
        ax.text(1.0, 1.0, text.replace("-", "−"), fontsize=5.5, **look)
    ax.margins(y=0.2)
    ax.locator_params(nbins=4)


def _draw_correlations(
    ax: Plot, table: pd.DataFrame, names: Sequence[str], methods: Sequence[str]
) -> None:
    """A row per cue, within it a line per method."""
    step = 1.0 / (len(methods) + 1)
    for row, name in enumerate(names):
        for place, method in enumerate(methods):
            found = table[(table["method"] == method) & (table["cue"] == name)]
            if found.empty or not np.isfinite(found["rho"].iloc[0]):
                continue
            at, one, colour = row + (place + 1) * step, found.iloc[0], _colour(place)
            ax.plot(
                [one["null_low"], one["null_high"]],
                [at, at],
                zorder=1,
                **_NULL,
            )
            ax.plot([one["rho_low"], one["rho_high"]], [at, at], color=colour, zorder=2)
            ax.plot([one["rho"]], [at], "o", color=colour, markersize=3, zorder=3)
    ax.axvline(0, color=NULL_COLOUR, linewidth=0.5, zorder=0)
    for row in range(1, len(names)):
        ax.axhline(row, color="#dddddd", linewidth=0.5, zorder=0)
    ax.set_ylim(len(names), 0)
    ax.set_yticks(np.arange(len(names)) + 0.5, [_title(name) for name in names])
    ax.tick_params(axis="y", length=0)
    low = float(np.nanmin(table[["rho_low", "null_low", "rho"]].to_numpy(np.float64), initial=0.0))
    ax.set_xlim(min(-0.2, low - 0.05), 1.03)
    ax.set_xlabel("rank correlation of relevance with the effect of neutralising the cue")
    ax.spines[["top", "right"]].set_visible(False)
