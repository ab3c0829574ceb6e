"""One figure per network: which attribution method is how faithful, with chance and intervals."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes as Plot
from matplotlib.figure import Figure

from stressnet.errors import ConfigError, require_columns
from stressnet.report.grid import TICK, blank, draw_estimate, footnote, legend, row_panels
from stressnet.report.style import NULL_COLOUR, Width, style, width_in

PANELS: tuple[tuple[str, str, str], ...] = (
    ("relevance_gain", "cells", "LeRF − MoRF area"),
    ("comprehensiveness", "cells", "comprehensiveness"),
    ("sufficiency", "cells", "sufficiency"),
    ("comprehensiveness", "phones", "compreh. over phones"),
    ("comprehensiveness", "formant bands", "compreh. over formants"),
    ("road", "cells", "ROAD"),
    ("infidelity", "rectangles", "infidelity"),
    ("max_sensitivity", "", "max-sensitivity"),
    ("parameter_randomisation", "", "likeness, random net"),
    ("efficient_parameter_randomisation", "", "complexity rise, eMPRT"),
    ("relevance_mass_accuracy", "nucleus_stressed", "share in stressed vowel"),
    ("complexity", "", "complexity (nats)"),
)
"""Metric, what it is over, and title of each panel, the one that methods are ranked by first."""

_MARKERS = ("o", "s", "^", "D", "v")
_DEFAULT_COLOUR, _OTHER_COLOUR = "#222222", "#7a5195"
_COLUMNS = ("method", "metric", "over", "baseline", "better", "mean", "low", "high", "chance")


def headline(summary: pd.DataFrame) -> pd.DataFrame:
    """Rows of the panels, with column ``title``; of several baselines the first.

    A table without any metric of :data:`PANELS` (only others were asked for) gets a panel for each
    metric it has, as many as :data:`PANELS` at most.
    """
    require_columns(summary, _COLUMNS, "table of metrics")
    measured = list(dict.fromkeys(zip(summary["metric"], summary["over"], strict=True)))
    panels = [panel for panel in PANELS if len(_rows(summary, *panel[:2]))] or [
        (metric, over, " ".join(f"{metric} {over}".replace("_", " ").split()))
        for metric, over in measured[: len(PANELS)]
    ]
    parts = []
    for metric, over, title in panels:
        rows = _rows(summary, metric, over)
        if len(rows):
            first = rows["baseline"].iloc[0]
            parts.append(rows[rows["baseline"] == first].assign(title=title))
    if not parts:
        raise ConfigError("table of metrics is empty; assess at least one metric")
    return pd.concat(parts, ignore_index=True)


def rank_methods(summary: pd.DataFrame) -> list[str]:
    """Methods, the best first, by the first panel's metric that there is, over all baselines."""
    first = headline(summary).iloc[0]
    rows = _rows(summary, str(first["metric"]), str(first["over"]))
    means = rows.groupby("method", sort=False)["mean"].mean()
    ranked = means.sort_values(
        ascending=first["better"] == "lower", kind="stable", na_position="last"
    )
    rest = [method for method in summary["method"].unique() if method not in ranked.index]
    return [str(method) for method in [*ranked.index, *rest]]


@style()
def plot_faithfulness(summary: pd.DataFrame, *, default: str = "", width: Width = "page") -> Figure:
    """A panel per metric, a row per method, ranked; markers are what removed cells become."""
    rows = headline(summary)
    panels = list(dict.fromkeys(zip(rows["metric"], rows["over"], rows["title"], strict=True)))
    methods = rank_methods(summary)
    baselines = [str(b) for b in summary["baseline"].fillna("").unique() if b and b != "linear"]
    markers = dict(zip(baselines, _MARKERS, strict=False))
    wide = width_in(width) > 5
    n_columns = max(1, min(len(panels), 4 if wide else 2))
    line_in = 0.19 * len(methods) + 0.6
    figure = blank(width, line_in * -(-len(panels) // n_columns) + 0.5)
    axes = row_panels(figure, methods, [title for _, _, title in panels], n_columns)
    for ax, (metric, over, title) in zip(axes, panels, strict=True):
        rows = _rows(summary, metric, over)
        _draw(ax, rows, methods, default, markers)
        arrow = "→" if rows["better"].iloc[0] == "higher" else "←"
        ax.set_title(f"{title} {arrow}", fontsize=6.5 if wide else 5.5, pad=3, loc="left")
    entries: dict[str, Any] = {
        f"removed cells: {name}": {
            "marker": marker, "markersize": 3.4, "color": _OTHER_COLOUR, "linewidth": 1.0,
        }
        for name, marker in markers.items()
    }  # fmt: skip
    entries["chance"] = TICK
    if default:
        entries[default] = {"marker": "o", "markersize": 3.4, "color": _DEFAULT_COLOUR}
    legend(figure, entries, loc="outside upper left", ncols=len(entries), handletextpad=0.4)
    text = "Mean over tokens, 95 % interval over speakers. Arrow: better. "
    footnote(figure, f"{text}Ranked by {panels[0][2]}.")
    return figure


def _draw(
    ax: Plot, rows: pd.DataFrame, methods: list[str], default: str, markers: Mapping[str, str]
) -> None:
    """Means, intervals and chance of one metric."""
    there = [str(b) for b in rows["baseline"].unique()]
    shifts = np.linspace(-0.24, 0.24, len(there)) if len(there) > 1 else np.zeros(1)
    for baseline, shift in zip(there, shifts, strict=True):
        look: Any = {"marker": markers.get(baseline, "o"), "tick": (0.13, NULL_COLOUR, 1.4, 2)}
        for one in rows[rows["baseline"] == baseline].to_dict("records"):
            y, limits = methods.index(one["method"]) + shift, (one["low"], one["high"])
            colour = _DEFAULT_COLOUR if one["method"] == default else _OTHER_COLOUR
            draw_estimate(ax, y, one["mean"], limits, one["chance"], colour=colour, **look)
    ax.margins(x=0.08)
    low, high = ax.get_xlim()
    if low < 0 < high:
        ax.axvline(0, color="#cccccc", linewidth=0.5, zorder=0)
    ax.locator_params(axis="x", nbins=4)


def _rows(summary: pd.DataFrame, metric: str, over: str) -> pd.DataFrame:
    # Read from a file, empty text is missing.
    summary = summary.assign(**{c: summary[c].fillna("") for c in ("over", "baseline")})
    chosen = (summary["metric"] == metric) & (summary["over"] == over)
    return summary[chosen & summary["mean"].notna()]
