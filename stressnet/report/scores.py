"""Figures of networks' success: accuracy per test set, confusions, leak audits, reliability."""

import textwrap
from collections.abc import Sequence
from itertools import cycle
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes as Ax
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure

from stressnet.errors import ConfigError, require_columns
from stressnet.evaluation.sets import TITLES
from stressnet.lexicon.contrast import STRESS, Contrast
from stressnet.report.grid import (
    TICK,
    bare_rows,
    blank,
    draw_estimate,
    legend,
    lines_of_panels,
    named_rows,
)
from stressnet.report.style import (
    COLOURS,
    MARKERS,
    NULL_COLOUR,
    Width,
    class_colour,
    style,
    width_in,
)

SET_NAMES = {
    **TITLES,
    "train": "training",
    "valid": "validation",
    "valid_known_words": "validation, known words",
    "valid_known_speakers": "validation, known speakers",
    "valid_test_mixed": "unused (validation × test)",
    "minimal_pairs_unverified": "minimal pairs, unchecked",
    "minimal_pair_relatives": "relatives of minimal pairs",
    "unlabelled": "without label",
}
"""Splits and test sets as readers see them; others keep their name."""

_ORDER = ("test", "minimal_pair", "valid", "train", "unlabelled")

_MAJORITY = (0.35, NULL_COLOUR, 1.6, 1)
_SHOWN = (("balanced_accuracy", "D", "#222222"), ("accuracy", "o", "#888888"))

_AUDIT_MARKERS = {"padding": "v", "envelope": "s", "phones": "^"}
_DASHED: dict[str, Any] = {"color": NULL_COLOUR, "linewidth": 0.7, "linestyle": (0, (4, 3))}


def set_name(name: str) -> str:
    """A test set's name for people."""
    return SET_NAMES.get(name, name.replace("_", " "))


def test_order(name: str) -> tuple[int, int]:
    """Sorts test sets: new words of new speakers, other tests, minimal pairs, validation, rest."""
    first = next((i for i, start in enumerate(_ORDER) if name.startswith(start)), len(_ORDER))
    known = list(SET_NAMES)
    return first, known.index(name) if name in known else len(known)


@style()
def plot_accuracy(metrics: pd.DataFrame, *, width: Width = "page") -> Figure:
    """Balanced accuracy and accuracy of every test set with intervals and the majority rate."""
    needed = ("test_set", "metric", "estimate", "low", "high", "n", "majority_rate")
    require_columns(metrics, needed, "table of metrics")
    there = metrics.loc[metrics["n"] > 0, "test_set"].unique()
    sets = sorted((str(name) for name in there), key=test_order)
    if not sets:
        raise ConfigError("table of metrics has no test set with tokens")
    first: dict[Any, Any] = (
        metrics.drop_duplicates("test_set").set_index("test_set").to_dict("index")
    )
    figure = blank(width, 0.34 * len(sets) + 0.8)
    ax = figure.add_subplot(label="accuracy")
    looks: dict[str, Any] = {
        metric: {"marker": marker, "colour": colour, "size": 3.6, "width": 1.4}
        for metric, marker, colour in _SHOWN
    }
    for place, name in enumerate(sets):
        majority = first[name]["majority_rate"]
        draw_estimate(ax, place, np.nan, chance=majority, colour="", tick=_MAJORITY)
        part = metrics[metrics["test_set"] == name]
        rows: dict[Any, Any] = part.set_index("metric").to_dict("index")
        for (metric, look), shift in zip(looks.items(), (-0.14, 0.14), strict=True):
            row = rows.get(metric)
            if row is not None and np.isfinite(row["estimate"]):
                limits = row["low"], row["high"]
                draw_estimate(ax, place + shift, row["estimate"], limits, **look)
    ax.axvline(0.5, color="#bbbbbb", linewidth=0.6, zorder=0)
    low = metrics.loc[metrics["metric"].isin(list(looks)), ["low", "estimate"]]
    ax.set_xlim(min(0.4, np.nanmin(low.to_numpy(np.float64), initial=0.4) - 0.02), 1.01)
    named_rows(ax, [f"{set_name(name)}\n{first[name]['n']} tokens" for name in sets])
    ax.set_xlabel("share of tokens", labelpad=2)
    entries: dict[str, Any] = {
        f"{metric.replace('_', ' ')}, 95 % interval": {
            "marker": marker, "markersize": 3.6, "color": colour, "linewidth": 1.4,
        }
        for metric, marker, colour in _SHOWN
    }  # fmt: skip
    legend(figure, {**entries, "majority rate": TICK}, ncols=3 if width_in(width) > 5 else 1)
    return figure


@style()
def plot_confusion(
    predictions: pd.DataFrame, *, width: Width = "page", contrast: Contrast = STRESS
) -> Figure:
    """How often each class was heard as each, one small matrix per test set."""
    truth = contrast.true if contrast.true in predictions.columns else contrast.column
    require_columns(predictions, ("split", truth, contrast.predicted), "table of predictions")
    classes = contrast.among(predictions[truth])
    ticks = [str(one) for one in classes]
    known = predictions[predictions[truth].isin(ticks)]
    names = sorted((str(s) for s in known["split"].unique()), key=test_order)
    if not names:
        raise ConfigError("table of predictions has no tokens with known stress")
    columns = max(1, int((width_in(width) - 0.4) // (0.6 * len(ticks))))
    labels = [f"confusion {name}" for name in names]
    tall_in = 1.8 + 0.6 * (len(ticks) - 2)
    figure, panels = lines_of_panels(width, labels, columns, tall_in, 0.0, sharey=True)
    for number, (name, ax) in enumerate(zip(names, panels, strict=True)):
        part = known[known["split"] == name]
        table = pd.crosstab(part[truth], part[contrast.predicted])
        counts = table.reindex(index=ticks, columns=ticks, fill_value=0).to_numpy()
        shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
        for (i, j), share in np.ndenumerate(shares):
            ramp = LinearSegmentedColormap.from_list(
                "", ["white", class_colour(classes[i], contrast)]
            )
            square = [j - 0.5, j + 0.5], i - 0.5, i + 0.5
            ax.fill_between(*square, color=ramp(0.75 * share), linewidth=0)
            text = f"{counts[i, j]}\n{100 * share:.0f} %"
            ax.text(j, i, text, ha="center", va="center", fontsize=6.5)
        last = len(ticks) - 0.5
        ax.set(xlim=(-0.5, last), ylim=(last, -0.5), aspect="equal")
        labels = [tick.replace("ULTIMATE", "ULT.") for tick in ticks]
        ax.set_xticks(range(len(ticks)), labels, fontsize=5.5 if len(ticks) == 2 else 4.5)
        ax.set_yticks(range(len(ticks)), labels, fontsize=5.5 if len(ticks) == 2 else 4.5)
        ax.tick_params(length=0, pad=2)
        ax.set_xlabel("heard as", labelpad=1)
        if number % columns == 0:
            ax.set_ylabel(contrast.name, labelpad=2)
        ax.set_title(textwrap.fill(set_name(name), 20), fontsize=6.5, pad=3)
    return figure


@style()
def accuracy_figure(
    scores: pd.DataFrame, audits: pd.DataFrame, models: Sequence[str], contrast: Contrast = STRESS
) -> Figure:
    """Balanced accuracy with interval per test set and network, audits in grey."""
    table = scores[scores["metric"] == "balanced_accuracy"]
    first = table.drop_duplicates("test_set").set_index("test_set")
    place = {name: -float(number) for number, name in enumerate(first.index)}
    offsets = np.linspace(0.26, -0.02, len(models)) if len(models) > 1 else [0.0]
    figure = blank("page", 0.9 + 0.36 * len(place))
    ax = figure.subplots()
    ax.axvline(0.5, **_DASHED)
    looks = cycle(zip(COLOURS, MARKERS, strict=True))
    for model, offset, (colour, marker) in zip(models, offsets, looks, strict=False):
        rows = table[table["model"] == model]
        value = rows["estimate"].to_numpy()
        reach = [value - rows["low"].to_numpy(), rows["high"].to_numpy() - value]
        dot: dict[str, Any] = {"fmt": marker, "markersize": 3.5, "color": colour, "elinewidth": 1.0}
        dot["xerr"] = np.nan_to_num(np.maximum(reach, 0.0))
        ax.errorbar(value, rows["test_set"].map(place) + offset, label=model, **dot)
    for name, marker in _AUDIT_MARKERS.items():
        rows = audits[(audits["audit"] == name) & audits["test_set"].isin(place)]
        if len(rows):
            dot = {"markersize": 3.5, "markerfacecolor": "none", "color": "#6f6f6f"}
            y = rows["test_set"].map(place) - 0.24
            ax.plot(rows["estimate"], y, marker, label=f"only {name}", **dot)
    labels = [
        f"{TITLES[str(name)]}\nn = {row['n']}, {row['n_final']} {contrast.classes[-1]}"
        for name, row in first.iterrows()
    ]
    ax.set_yticks(list(place.values()), labels)
    ax.set_ylim(min(place.values()) - 0.5, 0.5)
    lowest = [table["low"].min(), audits["estimate"].min() if len(audits) else 1.0]
    ax.set_xlim(min(0.48, max(0.0, np.nanmin(lowest) - 0.02)), 1.005)
    ax.set_xlabel("balanced accuracy (95 % interval over speakers and words; dashes: chance)")
    bare_rows(ax)
    handles, labels = ax.get_legend_handles_labels()
    order = sorted(range(len(labels)), key=lambda i: labels[i] not in models)
    entries = [handles[i] for i in order], [labels[i] for i in order]
    figure.legend(*entries, loc="outside upper center", ncols=4)
    return figure


@style()
def reliability_figure(bins: pd.DataFrame, model: str, contrast: Contrast = STRESS) -> Figure:
    """Observed against predicted share of the first class, plain and calibrated."""
    bins = bins[bins["model"] == model]
    names = list(dict.fromkeys(bins["test_set"]))
    width = width_in("page")
    figure = blank(width, 0.6 + 2 * 0.99 * min(width / len(names), 2.2))
    grid = figure.subplots(2, len(names), squeeze=False, sharex=True, sharey=True)
    for row, kind in enumerate(("tokens as they are", "both classes weigh the same")):
        for ax, name in zip(grid[row], names, strict=True):
            _draw_reliability(
                ax, bins[(bins["test_set"] == name) & (bins["balanced"] == bool(row))]
            )
        grid[row, 0].set_ylabel(f"share of {contrast.classes[0]}\n({kind})")
    for name, upper, lower in zip(names, *grid, strict=True):
        upper.set_title(TITLES[name], fontsize=7.0)
        lower.set_xlabel(f"probability of {contrast.classes[0]}")
    entries = grid[0, 0].get_legend_handles_labels()
    figure.legend(*entries, loc="outside upper center", ncols=3)
    return figure


def _draw_reliability(ax: Ax, bins: pd.DataFrame) -> None:
    ax.plot([0, 1], [0, 1], **_DASHED)
    for kind, colour, marker in (("plain", "#000000", "o"), ("calibrated", "#009e73", "D")):
        part = bins[(bins["probability"] == kind) & (bins["n"] > 0)]
        if len(part):
            at = part["predicted"], part["observed"]
            ax.plot(*at, color=colour, linewidth=0.7)
            area = 4 + 90 * part["n"] / part["n"].sum()
            rim: dict[str, Any] = {"facecolor": "white", "edgecolor": colour, "linewidth": 0.8}
            label = f"{kind} (area: tokens in the bin)"
            ax.scatter(*at, s=np.asarray(area), marker=marker, zorder=3, label=label, **rim)
    ax.set(xlim=(-0.03, 1.03), ylim=(-0.03, 1.03), aspect="equal")
    ax.set_xticks([0, 0.5, 1], ["0", "0.5", "1"])
    ax.set_yticks([0, 0.5, 1], ["0", "0.5", "1"])
