"""Figures about a whole corpus: relevance by region, and mean maps on a warped time axis."""

import textwrap
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes as Ax
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, NullLocator
from numpy.typing import NDArray

from stressnet.errors import ConfigError, require_columns
from stressnet.lexicon.contrast import STRESS, Contrast
from stressnet.report.grid import TICK, bare_rows, legend, lines_of_panels, write_on_row
from stressnet.report.names import count_of, grouped, region_name
from stressnet.report.style import NULL_COLOUR, Width, class_colour, style, width_in
from stressnet.report.warp import plot_warped_means, warped_means

__all__ = ["MEASURE_LABELS", "plot_regions", "plot_warped_means", "warped_means"]

MEASURE_LABELS = {
    "density": "density of relevance for the word's class (1 = spread evenly over the sound)",
    "density_absolute": "density of |relevance| (1 = spread evenly over the sound)",
    "density_energy": "relevance for the word's class per energy (1 = as much as energy)",
    "positive_share": "share of the relevance for the word's class",
    "signed_share": "signed share of relevance (positive: for the word's class)",
    "absolute_share": "share of |relevance|",
    "area_share": "share of the sounding cells",
    "energy_share": "share of the energy",
}
_CHANCE = {"density": 1.0, "density_absolute": 1.0, "density_energy": 1.0, "signed_share": 0.0}
_LOGARITHMIC = frozenset({"density", "density_absolute", "density_energy"})
_SMALLEST = 0.01
_ROW_IN, _GROUP_GAP = 0.165, 0.5
_GREY = "#444444"
_LEGEND: dict[str, Any] = {
    "mean, 95 % interval over speakers and words": {
        "marker": "D", "markersize": 3.4, "color": _GREY, "linewidth": 1.5,
    },
    "one speaker": {
        "marker": "o", "markersize": 2.2, "color": _GREY, "alpha": 0.5, "linewidth": 0,
    },
    "null: another token's tracks or boundaries": TICK,
}  # fmt: skip


@style()
def plot_regions(
    relevance: pd.DataFrame,
    summary: pd.DataFrame,
    *,
    measure: str = "density",
    regions: Sequence[str] | None = None,
    width: Width = "page",
    contrast: Contrast = STRESS,
) -> Figure:
    """Relevance by region, classes side by side, with null, intervals and speakers.

    ``relevance``: one row per token and region, with ``speaker`` and ``stress``: gives one dot per
    speaker (the mean over the speaker's tokens). ``summary``: as
    :func:`stressnet.statistics.summarise` makes it: gives means, intervals and the null.
    ``regions``: regions in order; by default those of :data:`~stressnet.report.names.GROUPS` that
    are there.
    """
    of = contrast.column
    require_columns(relevance, ("region", of, "speaker", measure), "table of relevance")
    columns = ("region", of, "measure", "mean", "mean_low", "mean_high", "null_mean")
    require_columns(summary, (*columns, "n_tokens", "n_speakers"), "summary of relevance")
    rows = summary[summary["measure"] == measure]
    classes = contrast.among(rows[of])
    there = rows.loc[rows["mean"].notna() & rows[of].isin(list(classes)), "region"]
    groups = grouped(there) if regions is None else [("", [r for r in regions if r in set(there)])]
    places, headings = _places(groups)
    if not places:
        raise ConfigError(f"summary of relevance has no region to draw for measure {measure!r}")
    rows = rows[rows["region"].isin(places) & rows[of].isin(list(classes))]
    keys = [of, "region", "speaker"]
    speakers = relevance.groupby(keys, observed=True)[measure].mean().reset_index()
    dots = speakers[speakers["region"].isin(places) & speakers[of].isin(list(classes))]
    stacked = width_in(width) < 5
    n_columns = 1 if stacked else len(classes)
    labels = [str(one) for one in classes]
    line_in, more_in = (
        _ROW_IN * (max(places.values()) + 1.0),
        1.9 if stacked else 0.96 + 0.12 * (n_columns > 2),
    )
    figure, panels = lines_of_panels(
        width, labels, n_columns, line_in, more_in, sharex=True, sharey=True
    )
    between = "  " if n_columns < 3 else "\n"
    for ax, name in zip(panels, classes, strict=True):
        one, other = (table[table[of] == name] for table in (dots, rows))
        title = contrast.say(name), class_colour(name, contrast), between
        _draw_regions(ax, one, other, title, measure, places)
    panels[0].set_ylim(max(places.values()) + 0.6, -0.6)
    labels = [region_name(region) for region in places]
    if regions is None:  # a heading already names the nucleus
        labels = [n.split(",")[0] if n.endswith("stressed nucleus") else n for n in labels]
    panels[0].set_yticks(list(places.values()), labels)
    for ax in panels if stacked else panels[:1]:
        for name, place in headings.items():
            write_on_row(ax, -0.03, place, name, ha="right", fontsize=6.5, fontweight="bold")
    drawn = rows[["mean", "mean_low", "mean_high", "null_mean"]].to_numpy(np.float64).ravel()
    values = np.r_[drawn, dots[measure].to_numpy(np.float64), _CHANCE.get(measure, 0.0)]
    values = values[np.isfinite(values)]
    if measure in _LOGARITHMIC:
        _set_logarithmic(panels, values, width_in(width) / n_columns - 0.7)
    else:
        low, high = min(0.0, float(values.min())), float(values.max())
        room = 0.04 * (high - low)
        panels[0].set_xlim(low - (room if low < 0 else 0.0), high + room)
    label = MEASURE_LABELS.get(measure, measure)
    figure.supxlabel(textwrap.fill(label, 60 if stacked else 100), fontsize=7.0)
    entries = dict(_LEGEND)
    if measure in _CHANCE:
        level = "even spread" if _CHANCE[measure] else "zero"
        entries[level] = {"color": "#bbbbbb", "linewidth": 0.6}
    look = {"ncols": 1 if stacked else len(entries), "handletextpad": 0.5}
    legend(figure, entries, loc="outside upper center", **look)
    return figure


def _draw_regions(
    ax: Ax,
    dots: pd.DataFrame,
    summary: pd.DataFrame,
    title: tuple[str, str, str],
    measure: str,
    places: dict[str, float],
) -> None:
    """One class: name, colour and what stands behind its name; ``dots`` are means of speakers."""
    name, colour, gap = title
    rows: dict[Any, Any] = summary.set_index("region").to_dict("index")
    rng = np.random.default_rng(0)  # of the jitter, which means nothing
    if measure in _CHANCE:
        ax.axvline(_CHANCE[measure], color="#bbbbbb", linewidth=0.6, zorder=0)
    n_tokens = n_speakers = 0
    for region, place in places.items():
        ax.axhline(place, color="#f0f0f0", linewidth=3.5, zorder=-1)
        if region not in rows or not np.isfinite(rows[region]["mean"]):
            write_on_row(
                ax, 0.02, place, "missing", fontsize=5.5, color=NULL_COLOUR, style="italic"
            )
            continue
        row = rows[region]
        n_tokens, n_speakers = max(n_tokens, row["n_tokens"]), max(n_speakers, row["n_speakers"])
        if measure in _LOGARITHMIC and row["mean"] < _SMALLEST:
            value = "0" if row["mean"] == 0 else f"{row['mean']:.0e}"
            write_on_row(ax, 0.01, place, f"← {value}", fontsize=6, color=colour)
            continue
        values = dots.loc[dots["region"] == region, measure].dropna().to_numpy()
        jitter = rng.uniform(-0.22, 0.22, len(values))
        look: dict[str, Any] = {"markersize": 1.9, "alpha": 0.35, "markeredgewidth": 0}
        ax.plot(values, place + jitter, "o", zorder=2, color=colour, **look)
        _draw_row(ax, place, row, colour)
    text = f"{name}{gap}({n_tokens} tokens, {count_of(n_speakers, 'speaker')})"
    ax.set_title(text, color=colour, fontsize=7, loc="left", pad=4)
    bare_rows(ax)
    ax.tick_params(labelbottom=True)


def _draw_row(ax: Ax, place: float, row: dict[str, Any], colour: str) -> None:
    """Null, interval and mean of one region."""
    butt: dict[str, Any] = {"solid_capstyle": "butt"}
    if np.isfinite(row["null_mean"]):
        reach = [place - 0.38, place + 0.38]
        ax.plot([row["null_mean"]] * 2, reach, color=NULL_COLOUR, linewidth=1.6, zorder=2.5, **butt)
    if np.isfinite(row["mean_low"]):
        limits = [row["mean_low"], row["mean_high"]]
        ax.plot(limits, [place] * 2, color=colour, linewidth=1.5, zorder=3, **butt)
    rim: dict[str, Any] = {"markeredgecolor": "white", "markeredgewidth": 0.5}
    ax.plot([row["mean"]], [place], "D", markersize=3.4, color=colour, zorder=4, **rim)


def _set_logarithmic(panels: Sequence[Ax], values: NDArray[np.float64], panel_in: float) -> None:
    """A ratio's axis: as far above as below 1 look alike; below a hundredth is the left edge."""
    positive = values[values > 0]
    low = float(np.clip(positive.min(initial=0.5) / 1.2, _SMALLEST, 0.5))
    high = max(2.0, 1.2 * float(positive.max(initial=2.0)))
    ticks = [m * 10.0**e for e in range(-2, 4) for m in (1, 2, 5)]
    if np.log10(high / low) > 1.4 * panel_in:  # three labels per decade need 0.7 inches
        ticks = [t for t in ticks if f"{t:e}"[0] == "1"]
    for ax in panels:
        ax.set_xscale("log")
        ax.set_xlim(low, high)
        ax.xaxis.set_major_locator(FixedLocator([t for t in ticks if low <= t <= high]))
        ax.xaxis.set_minor_locator(NullLocator())
        ax.xaxis.set_major_formatter("{x:g}")


def _places(groups: list[tuple[str, list[str]]]) -> tuple[dict[str, float], dict[str, float]]:
    """Rows of regions from the top, and of the headings that some groups need."""
    places: dict[str, float] = {}
    headings: dict[str, float] = {}
    at = 0.0
    for name, members in groups:
        if name.endswith("nucleus"):
            headings[name] = at
            at += 1.0
        places |= {region: at + number for number, region in enumerate(members)}
        at += len(members) + _GROUP_GAP
    return places, headings
