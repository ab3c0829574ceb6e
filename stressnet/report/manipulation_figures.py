"""Figures of manipulated words: psychometric curves, and relevance against the effect of a cue."""

from collections.abc import Mapping, Sequence
from itertools import cycle
from textwrap import fill
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes as Plot
from matplotlib.figure import Figure

from stressnet.errors import ConfigError, check_names
from stressnet.lexicon.stress import CLASSES
from stressnet.manipulation.causal import ALL_CUES
from stressnet.manipulation.psychometric import answers_of, clusters_of, fit_psychometric
from stressnet.report.grid import blank, footnote, labelled_panels, legend, lines_of_panels
from stressnet.report.style import (
    COLOURS,
    MARKERS,
    NULL_COLOUR,
    STRESS_COLOURS,
    STRESS_MARKERS,
    Width,
    style,
    width_in,
)

CUE_TITLES = {
    "f0": "F0",
    "duration": "duration",
    "intensity": "intensity",
    "tilt": "tilt",
    "f1": "F1",
    "f2": "F2",
    "f3": "F3",
    "quality": "quality (F1, F2, F3)",
    "prosody": "F0, duration, intensity",
    "source": "F0, intensity, tilt",
    "all": "all cues",
}
"""Names of cues in figures; others appear as they are."""

_LOOKS = [{"color": c, "marker": m} for c, m in zip(COLOURS, MARKERS, strict=True)]
_NOTE_LETTERS = 26  # Letters that fit into a line of a panel

_MOST_COLUMNS = 4
_NULL: dict[str, Any] = {"linewidth": 4, "alpha": 0.4, "solid_capstyle": "butt"}
_NULL["color"] = NULL_COLOUR


@style()
def plot_psychometric(
    responses: pd.DataFrame, *, answers: str = "decision", width: Width = "page"
) -> Figure:
    """A panel per cue: share of FINAL answers at each step, the fitted curve with its interval.

    ``responses``: as for :func:`stressnet.manipulation.psychometric.psychometric_table`; with a
    column ``model``, each network gets a colour.
    """
    if responses.empty:
        raise ConfigError("no responses to draw")
    cues = list(dict.fromkeys(responses["cue"].astype(str)))
    if "model" not in responses.columns:
        responses = responses.assign(model="")
    looks = dict(zip(responses["model"].unique(), cycle(_LOOKS), strict=False))
    n_columns = min(_MOST_COLUMNS, len(cues), max(1, int(width_in(width) / 1.6)))
    more_in = 0.4 if len(looks) > 1 else 0.2
    figure, panels = lines_of_panels(width, cues, n_columns, 1.5, more_in)
    for number, (cue, ax) in enumerate(zip(cues, _named(panels), strict=True)):
        here = responses[responses["cue"] == cue]
        notes = [
            _draw_curve(ax, here[here["model"] == model], answers, look, len(looks) <= 2)
            for model, look in looks.items()
        ]
        if len(notes) == 1:  # stands where the curve leaves room
            text = "\n".join(fill(part.strip(), _NOTE_LETTERS) for part in notes[0].split(";"))
            heights = np.concatenate([np.asarray(line.get_ydata(), float) for line in ax.lines])
            y, side = (0.03, "bottom") if np.nanmean(heights) > 0.5 else (0.98, "top")
            ax.text(0.03, y, text, transform=ax.transAxes, fontsize=6, va=side)
        ax.set_ylim(-0.04, 1.04)
        ax.set_yticks([0, 0.5, 1], ["0", "0.5", "1"])
        ax.tick_params(labelleft=number % n_columns == 0)
        ax.axhline(0.5, color=NULL_COLOUR, linewidth=0.5, linestyle=(0, (3, 2)), zorder=0)
        ax.set_xlabel("step", labelpad=1)
    figure.supylabel("share of FINAL", fontsize=7.0)
    text = "first step: INITIAL-like, last: FINAL-like; points: answers"
    footnote(figure, f"{text}, band: 95 % interval" if len(looks) <= 2 else text)
    if len(looks) > 1:
        entries = {model: {**look, "markersize": 3} for model, look in looks.items()}
        legend(figure, entries, loc="outside upper left", ncols=len(entries))
    return figure


def _named(panels: list[Plot]) -> list[Plot]:
    """Panels with the name of their cue above."""
    for ax in panels:
        ax.set_title(_title(str(ax.get_label())), loc="left", pad=3)
        ax.spines[["top", "right"]].set_visible(False)
    return panels


def _draw_curve(
    ax: Plot, part: pd.DataFrame, answers: str, look: dict[str, Any], band: bool
) -> str:
    """One network's answers to one cue; its slope, or why it has none."""
    y = answers_of(part, answers)
    x = part["step"].to_numpy(np.float64)
    fit = fit_psychometric(x, y, clusters_of(part))
    steps = np.unique(x)
    shares = [y[x == step].mean() for step in steps]
    colour = look["color"]
    ax.plot(steps, shares, linestyle="", markersize=2.6, zorder=3, **look)
    if band:  # more would hide each other
        shade: dict[str, Any] = {"color": colour, "alpha": 0.15, "linewidth": 0, "zorder": 1}
        ax.fill_between(fit.grid, fit.curve_low, fit.curve_high, **shade)
    ax.plot(fit.grid, fit.curve, color=colour, zorder=2)
    if np.isfinite(fit.crossover):
        ax.plot([fit.crossover] * 2, [0, 0.5], color=colour, linewidth=0.5, zorder=1)
    ax.set_xticks(steps)
    if np.isfinite(fit.slope_low):
        return f"slope {fit.slope:.2f}".replace("-", "−")
    return fit.reason


@style()
def plot_shapley(table: pd.DataFrame, *, width: Width = "page") -> Figure:
    """A row per cue: what it does alone, its Shapley value, and what it adds as the last one.

    ``table`` is that of :func:`stressnet.manipulation.shapley.shapley_tables` with ``model``; each
    network has a panel.
    """
    kinds = {"alone": "alone", "shapley": "Shapley value", "last": "as the last"}
    models = [str(model) for model in dict.fromkeys(table["model"])]
    names = [str(cue) for cue in dict.fromkeys(table["cue"])]
    figure = blank(width, 0.9 + 0.3 * len(names))
    panels = figure.subplots(1, len(models), sharex=True, sharey=True, squeeze=False)[0]
    looks = dict(zip(kinds, _LOOKS, strict=False))
    for model, ax in zip(models, panels, strict=True):
        part = table[table["model"] == model]
        for place, (kind, look) in enumerate(looks.items()):
            at = np.arange(len(part)) + 0.25 * (place - 1)
            ax.hlines(at, part[f"{kind}_low"], part[f"{kind}_high"], color=look["color"])
            ax.plot(part[kind], at, linestyle="", markersize=3, **look)
        ax.axvline(0, color=NULL_COLOUR, linewidth=0.5, zorder=0)
        ax.set_title(model if len(models) > 1 else "", loc="left", pad=3)
        ax.spines[["top", "right"]].set_visible(False)
    panels[len(models) // 2].set_xlabel("share of the distance between the classes")
    panels[0].set_yticks(np.arange(len(names)), [_title(name) for name in names])
    panels[0].set_ylim(len(names) - 0.5, -0.5)
    footnote(figure, "bars: 95 %; all cues: sum of what each does alone, and what all do together")
    entries = {kinds[kind]: {**look, "markersize": 3} for kind, look in looks.items()}
    legend(figure, entries, loc="outside upper left", ncols=len(entries))
    return figure


@style()
def plot_agreement(
    pairs: pd.DataFrame, table: pd.DataFrame, *, method: str | None = None, width: Width = "page"
) -> Figure:
    """Relevance against effect, token by token, and the rank correlations of all methods.

    Above, a panel per cue for one method: each point is a token. Below, rank correlations per cue
    and method with intervals, and the null as a grey bar. Both tables are those of
    :func:`stressnet.manipulation.causal.agreement_table`.
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
    figure = blank(width, above_in + below_in + 0.2 * (2 + len(methods) // 5))
    parts: Any = figure.subfigures(2, 1, height_ratios=[above_in, below_in])
    above, below = parts
    mine = pairs[pairs["method"] == shown]
    for cue, ax in zip(cues, _named(labelled_panels(above, cues, n_columns)), strict=True):
        row = table[(table["method"] == shown) & (table["cue"] == cue)].iloc[0]
        _draw_tokens(ax, mine[mine["cue"] == cue], row)
    above.supylabel("effect of the cue", fontsize=7.0)
    above.supxlabel("relevance of its region", fontsize=7.0)
    looks = dict(zip(methods, cycle(_LOOKS), strict=False))
    _draw_correlations(below.subplots(), table, names, looks)
    entries: dict[str, Any] = {name: {**look, "markersize": 3} for name, look in looks.items()}
    entries["null: relevance of another token of the class"] = _NULL
    for stress in CLASSES:
        dot = {"color": STRESS_COLOURS[stress], "marker": STRESS_MARKERS[stress], "markersize": 3}
        entries[f"said {stress.value}"] = {"linewidth": 0, **dot}
    legend(figure, entries, loc="outside lower left", ncols=4, handlelength=1.4)
    return figure


def _title(cue: str) -> str:
    """A cue's name in figures; two at once are joined by +."""
    if cue == ALL_CUES:
        return "over the cues of a token"
    return " + ".join(CUE_TITLES.get(part, part) for part in cue.split("+"))


def _draw_tokens(ax: Plot, part: pd.DataFrame, row: Any) -> None:
    dot: dict[str, Any] = {"markersize": 1.8, "alpha": 0.6, "markeredgewidth": 0}
    for stress in CLASSES:
        here = part[part["stress_predicted"] == stress.value]
        dot |= {"marker": STRESS_MARKERS[stress], "color": STRESS_COLOURS[stress]}
        ax.plot(here["relevance"], here["effect"], linestyle="", **dot)
    for line in (ax.axhline, ax.axvline):
        line(0, color=NULL_COLOUR, linewidth=0.5, zorder=0)
    if np.isfinite(row["rho"]):
        text = f"ρ {row['rho']:.2f}, in class {row['rho_in_class']:.2f}"
        look: dict[str, Any] = {"transform": ax.transAxes, "ha": "right", "va": "top"}
        ax.text(1.0, 1.0, text.replace("-", "−"), fontsize=5.5, **look)
    ax.margins(y=0.2)
    ax.locator_params(nbins=3)


def _draw_correlations(
    ax: Plot, table: pd.DataFrame, names: Sequence[str], looks: Mapping[str, Any]
) -> None:
    """A row per cue, within it a line per method."""
    step = 1.0 / (len(looks) + 1)
    index: dict[Any, Any] = table.set_index(["cue", "method"]).to_dict("index")
    for row, name in enumerate(names):
        for place, (method, look) in enumerate(looks.items(), start=1):
            one, at = index.get((name, method)), [row + place * step] * 2
            if one is None or not np.isfinite(one["rho"]):
                continue
            ax.plot([one["null_low"], one["null_high"]], at, zorder=1, **_NULL)
            ax.plot([one["rho_low"], one["rho_high"]], at, color=look["color"], zorder=2)
            ax.plot([one["rho"]], at[:1], markersize=3, zorder=3, **look)
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
