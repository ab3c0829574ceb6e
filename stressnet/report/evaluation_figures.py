"""Figures of an evaluation: scores per test set, and reliability."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from stressnet.evaluation.sets import TITLES
from stressnet.report.grid import bare_rows, blank
from stressnet.report.style import NULL_COLOUR, style, width_in

if TYPE_CHECKING:
    from matplotlib.axes import Axes as Ax
    from matplotlib.figure import Figure

COLOURS = ("#000000", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#7a5195")
"""One per network; apart for colour-blind readers (Okabe & Ito) and unlike those of the classes."""

AUDIT_MARKERS = {"padding": "v", "envelope": "s", "phones": "^"}


def accuracy_figure(scores: pd.DataFrame, audits: pd.DataFrame, models: Sequence[str]) -> Figure:
    """Balanced accuracy with interval per test set and network, audits in grey."""
    table = scores[scores["metric"] == "balanced_accuracy"]
    names = list(dict.fromkeys(table["test_set"]))
    place = {name: -float(number) for number, name in enumerate(names)}
    offsets = np.linspace(0.26, -0.02, max(len(models), 2))
    with style():
        figure = blank(width_in("page"), 0.9 + 0.36 * len(names))
        ax = figure.subplots()
        ax.axvline(0.5, color=NULL_COLOUR, linewidth=0.7, linestyle=(0, (4, 3)))
        for number, model in enumerate(models):
            rows = table[table["model"] == model]
            y = [place[name] + offsets[number] for name in rows["test_set"]]
            value = rows["estimate"].to_numpy()
            reach = [value - rows["low"].to_numpy(), rows["high"].to_numpy() - value]
            colour = COLOURS[number % len(COLOURS)]
            ax.errorbar(
                value, y, xerr=np.nan_to_num(np.maximum(reach, 0.0)), fmt="o", markersize=3.5,
                color=colour, elinewidth=1.0, label=model,
            )  # fmt: skip
        for name, marker in AUDIT_MARKERS.items():
            rows = audits[(audits["audit"] == name) & audits["test_set"].isin(place)]
            if len(rows):
                y = [place[test_set] - 0.24 for test_set in rows["test_set"]]
                ax.plot(
                    rows["estimate"], y, marker=marker, markersize=3.5, linestyle="",
                    markerfacecolor="none", color="#6f6f6f", label=f"only {name}",
                )  # fmt: skip
        first = table.drop_duplicates("test_set").set_index("test_set")
        labels = [
            f"{TITLES[name]}\nn = {first.loc[name, 'n']}, {first.loc[name, 'n_final']} FINAL"
            for name in names
        ]
        ax.set_yticks([place[name] for name in names], labels)
        ax.set_ylim(min(place.values()) - 0.5, 0.5)
        found = [table["low"].min(), audits["estimate"].min() if len(audits) else 1.0]
        ax.set_xlim(min(0.48, max(0.0, np.nanmin(found) - 0.02)), 1.005)
        ax.set_xlabel("balanced accuracy (95 % interval over speakers and words; dashes: chance)")
        bare_rows(ax)
        handles, said = ax.get_legend_handles_labels()
        order = sorted(range(len(said)), key=lambda i: said[i] not in models)
        figure.legend(
            [handles[i] for i in order],
            [said[i] for i in order],
            loc="outside upper center",
            ncols=4,
        )
    return figure


def reliability_figure(bins: pd.DataFrame, model: str) -> Figure:
    """Observed against predicted share of INITIAL, plain and calibrated."""
    bins = bins[bins["model"] == model]
    names = list(dict.fromkeys(bins["test_set"]))
    with style():
        width = width_in("page")
        figure = blank(width, 0.6 + 2 * 0.99 * min(width / len(names), 2.2))
        grid = figure.subplots(2, len(names), squeeze=False, sharex=True, sharey=True)
        for row, balanced in enumerate((False, True)):
            for column, name in enumerate(names):
                part = bins[(bins["test_set"] == name) & (bins["balanced"] == balanced)]
                _reliability_panel(grid[row, column], part)
                if row == 0:
                    grid[row, column].set_title(TITLES[name], fontsize=7.0)
            kind = "both classes weigh the same" if balanced else "tokens as they are"
            grid[row, 0].set_ylabel(f"share of INITIAL\n({kind})")
        for ax in grid[1]:
            ax.set_xlabel("probability of INITIAL")
        handles, labels = grid[0, 0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside upper center", ncols=3)
    return figure


def _reliability_panel(ax: Ax, bins: pd.DataFrame) -> None:
    ax.plot([0, 1], [0, 1], color=NULL_COLOUR, linewidth=0.7, linestyle=(0, (4, 3)))
    for kind, colour, marker in (("plain", "#000000", "o"), ("calibrated", "#009e73", "D")):
        part = bins[(bins["probability"] == kind) & (bins["n"] > 0)]
        if len(part):
            ax.plot(part["predicted"], part["observed"], color=colour, linewidth=0.7)
            size = 4 + 90 * part["n"] / bins.loc[bins["probability"] == kind, "n"].sum()
            ax.scatter(
                part["predicted"], part["observed"], s=np.asarray(size), marker=marker,
                facecolor="white", edgecolor=colour, linewidth=0.8, zorder=3,
                label=f"{kind} (area: tokens in the bin)",
            )  # fmt: skip
    ax.set_xlim(-0.03, 1.03)
    ax.set_ylim(-0.03, 1.03)
    ax.set_aspect("equal")
    ax.set_xticks([0, 0.5, 1], ["0", "0.5", "1"])
    ax.set_yticks([0, 0.5, 1], ["0", "0.5", "1"])
