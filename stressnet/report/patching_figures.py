"""Figures of patching: effects by layer and part of the word, estimates against the truth, curves
of circuits, and a circuit."""

from collections.abc import Sequence
from itertools import cycle
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes as Ax
from matplotlib.colors import Colormap, LinearSegmentedColormap
from matplotlib.figure import Figure
from matplotlib.patches import FancyArrowPatch

from stressnet.lexicon.stress import Stress
from stressnet.patching.pairs import NULL, STRESS
from stressnet.report.grid import blank, lines_of_panels
from stressnet.report.style import (
    COLOURS,
    MARKERS,
    NULL_COLOUR,
    STRESS_COLOURS,
    STRESS_MARKERS,
    style,
    symmetric_norm,
    width_in,
)

MAX_PANELS = 12
_MAX_POINTS = 4000
MAX_EDGES = 30


def _diverging() -> Colormap:
    ends = (STRESS_COLOURS[Stress.FINAL], "#ffffff", STRESS_COLOURS[Stress.INITIAL])
    return LinearSegmentedColormap.from_list("stressnet_effect", ends)


@style()
def plot_places(places: pd.DataFrame, kind: str) -> Figure:
    """Share of the decision that each unit of each layer carries; a panel per network and cue."""
    rows = places[(places["kind"] == kind) & (places["cue"] != NULL)]
    parts: list[Any] = list(rows.groupby(["network", "cue"], sort=False))[:MAX_PANELS]
    titles = [n if cue == STRESS else f"{n}: {cue}" for (n, cue), _ in parts]
    units = list(dict.fromkeys(rows["unit"]))
    line_in, n_columns = 0.75 + 0.17 * len(units), min(3, len(parts))
    figure, panels = lines_of_panels("page", titles, n_columns, line_in, 0.1, sharey=True)
    limit = float(np.nanmax(np.abs(rows["share"])))
    for ax, title, (_, part) in zip(panels, titles, parts, strict=True):
        wide = part.pivot(index="unit", columns="layer", values="share").reindex(units)
        wide = wide[list(dict.fromkeys(part["layer"]))]
        drawn = ax.imshow(wide, cmap=_diverging(), norm=symmetric_norm(limit), aspect="auto")
        for (y, x), value in np.ndenumerate(wide.to_numpy()):
            look: Any = {"ha": "center", "va": "center", "fontsize": 5.0}
            look["color"] = "white" if abs(value) > 0.7 * limit else "black"
            ax.text(x, y, "" if np.isnan(value) else f"{value:.2f}", **look)
        ax.set_xticks(range(wide.shape[1]), wide.columns, rotation=45, ha="right")
        ax.set_yticks(range(len(units)), units)
        ax.set_title(title, fontsize=6.5, loc="left", pad=3)
        ax.tick_params(length=0)
        ax.spines[:].set_visible(False)
    figure.colorbar(drawn, ax=panels, fraction=0.03, pad=0.01).set_label("share of the decision")
    return figure


@style()
def plot_agreement(effects: pd.DataFrame, agreement: pd.DataFrame) -> Figure:
    """Estimated against measured effects of one network: a line per kind of unit, a column per
    estimator; ``agreement`` is of :func:`stressnet.patching.agreement.agreement_table`."""
    from stressnet.patching.agreement import ALL_LAYERS, TRUTH

    whole = agreement[agreement["layer"] == ALL_LAYERS]
    kinds, names = (list(dict.fromkeys(whole[column])) for column in ("kind", "estimator"))
    side = min(width_in("page") / max(len(names), 3), 2.3)
    figure = blank(side * len(names) + 0.9, side * len(kinds) + 0.1)
    grid = figure.subplots(len(kinds), len(names), squeeze=False)
    for line, kind in enumerate(kinds):
        part = effects[effects["kind"] == kind]
        keys = ["pair", "layer", "unit"]
        wide = part.pivot(index=keys, columns="estimator", values="effect").reset_index()
        wide = wide.iloc[np.random.default_rng(0).permutation(len(wide))[:_MAX_POINTS]]
        layers = list(dict.fromkeys(part["layer"]))
        limit = float(np.nanpercentile(np.abs(wide[[TRUTH, *names]]), 99.8)) or 1.0
        for column, name in enumerate(names):
            ax: Ax = grid[line, column]
            ax.plot([-limit, limit], [-limit, limit], color=NULL_COLOUR, linewidth=0.7)
            dot: Any = {"markersize": 2.2, "alpha": 0.5, "markeredgewidth": 0, "rasterized": True}
            for layer, colour in zip(layers, cycle(COLOURS), strict=False):
                points = wide[wide["layer"] == layer]
                ax.plot(points[TRUTH], points[name], ".", color=colour, label=layer, **dot)
            row = whole[(whole["kind"] == kind) & (whole["estimator"] == name)].iloc[0]
            title = f"{name}\nr {row['r']:.2f}, scale {row['scale']:.2f}"
            ax.set_title(title, fontsize=6.5, loc="left")
            ax.set(xlim=(-limit, limit), ylim=(-limit, limit), aspect="equal")
            ax.set_xlabel("measured effect" if line == len(kinds) - 1 else "")
        name = {"time": "part of the word"}.get(kind, kind)
        grid[line, 0].set_ylabel(f"estimated effect of a {name}")
    entries = grid[0, 0].get_legend_handles_labels()
    figure.legend(*entries, loc="outside right center", markerscale=3)
    return figure


@style()
def plot_curves(circuit: pd.DataFrame) -> Figure:
    """Faithfulness (solid) and completeness (dashed) in ``circuit.csv`` by number of units."""
    from stressnet.patching.circuits import KEPT, RANDOM

    parts: list[Any] = list(circuit.groupby(["network", "kind"], sort=False))[:MAX_PANELS]
    titles = [f"{network}: {kind}s" for (network, kind), _ in parts]
    rankings = [name for name in dict.fromkeys(circuit["ranking"]) if name != RANDOM]
    colours = {**dict(zip(rankings, COLOURS, strict=False)), RANDOM: NULL_COLOUR}
    n_columns = min(3, len(parts))
    width = "column" if n_columns == 1 else "page"
    figure, panels = lines_of_panels(width, titles, n_columns, 2.1, 0.35, sharey=True)
    for ax, title, (_, part) in zip(panels, titles, parts, strict=True):
        ax.axhline(KEPT, color=NULL_COLOUR, linewidth=0.5, linestyle=(0, (1, 2)))
        for number, (name, colour) in enumerate(colours.items()):
            wide = 1.8 - 0.8 * number / len(colours)  # equal curves lie on each other
            curves = part[part["ranking"] == name]
            kept, left = (curves[curves["measure"] == m] for m in ("faithfulness", "completeness"))
            look: Any = {"color": colour, "linewidth": wide}
            marker = MARKERS[number % len(MARKERS)]
            mark: Any = {"marker": marker, "markersize": 3, "markevery": 0.2}
            ax.plot(kept["n_units"], kept["mean"], label=name, **look, **mark)
            look |= {"linewidth": 0, "alpha": 0.12}
            ax.fill_between(kept["n_units"], kept["low"], kept["high"], **look)
            look |= {"linewidth": wide, "alpha": 1, "linestyle": (0, (4, 2))}
            ax.plot(left["n_units"], left["mean"], **look)
        ax.set(xscale="log", ylim=(-0.25, 1.35), xlabel="units in the circuit")
        ax.set_title(title, fontsize=6.5, loc="left", pad=3)
        ax.spines[["top", "right"]].set_visible(False)
    panels[0].set_ylabel("share of the decision kept (solid)\nleft without them (dashed)")
    handles, labels = panels[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper center", ncols=len(labels))
    return figure


@style()
def plot_circuit(
    units: pd.DataFrame,
    edges: pd.DataFrame,
    heard: dict[tuple[str, str], str],
    layers: Sequence[str],
) -> Figure:
    """A circuit, layer by layer from left to right.

    Marks are channels: their area is the size of the effect, warm discs carry what makes the word
    INITIAL, cool squares speak against it. Lines are as wide as the later channel hangs on the
    earlier one. ``units``: ``layer, unit, effect`` of the circuit, strongest first. ``heard``: what
    a channel listens to, by layer and unit.
    """
    from stressnet.patching.circuits import N_DRAWN

    shown = units.groupby("layer", sort=False).head(N_DRAWN)
    shown = shown[shown["layer"].isin(layers)]
    places: dict[Any, tuple[float, float]] = {}
    present = [layer for layer in layers if layer in set(shown["layer"])]
    for x, layer in enumerate(present):
        rows = shown[shown["layer"] == layer]
        top = 0.5 * (len(rows) - 1)
        places |= {(layer, unit): (float(x), top - y) for y, unit in enumerate(rows["unit"])}
    tall = int(shown["layer"].value_counts().max())
    figure = blank("page", 0.6 + 0.5 * tall)
    ax = figure.subplots()
    for edge in edges.to_dict("records"):
        ends = (edge["source_layer"], edge["source"]), (edge["target_layer"], edge["target"])
        if abs(edge["share"]) < 0.1 or not all(end in places for end in ends):
            continue
        colour = "#555555" if edge["share"] > 0 else "#bbbbbb"
        look: Any = {"color": colour, "alpha": 0.6, "zorder": 1, "solid_capstyle": "round"}
        line = zip(*(places[end] for end in ends), strict=True)
        ax.plot(*line, linewidth=4.0 * min(abs(edge["share"]), 1.0), **look)
    largest = float(shown["effect"].abs().max()) or 1.0
    for row in shown.to_dict("records"):
        at = places[row["layer"], row["unit"]]
        stress = Stress.INITIAL if row["effect"] > 0 else Stress.FINAL
        area = 30 + 220 * abs(row["effect"]) / largest
        look = {"color": STRESS_COLOURS[stress], "marker": STRESS_MARKERS[stress]}
        ax.scatter(*at, s=area, zorder=2, linewidth=0, **look)
        text = f"{row['unit']}  {heard.get((row['layer'], row['unit']), '')}".rstrip()
        box = {"facecolor": "white", "alpha": 0.75, "linewidth": 0, "pad": 0.6}
        look = {"textcoords": "offset points", "va": "center", "fontsize": 5.5, "bbox": box}
        ax.annotate(text, at, xytext=(9, 0), **look)
    for column, layer in enumerate(present):
        n_all, n_shown = ((table["layer"] == layer).sum() for table in (units, shown))
        text = f"{layer}\n(and {n_all - n_shown} more)" if n_all > n_shown else layer
        ax.text(column, 0.5 * tall + 0.15, text, ha="center", va="bottom", fontsize=7.0)
    ax.set(xlim=(-0.3, len(present) - 0.3), ylim=(-0.5 * tall - 0.1, 0.5 * tall + 0.75))
    ax.set_axis_off()
    return figure


@style()
def plot_edges(circuit: pd.DataFrame, every: pd.DataFrame) -> Figure:
    """The strongest edges of a transformer's circuit, from its start on the left to its end.

    ``circuit`` holds ``layer`` (the reader's input), ``unit`` (the sender) and ``effect``, the
    strongest first; ``every`` has ``layer`` and ``unit`` of all edges, in the order of the network.
    Bars are readers, discs behind each the senders that it feeds.
    """
    readers = {reader: x for x, reader in enumerate(dict.fromkeys(every["layer"]))}
    first = every.drop_duplicates("unit")["layer"].map(readers)  # reader by which a sender is new
    columns = [every["unit"].drop_duplicates()[first == x].tolist() for x in readers.values()]
    tall = 0.5 * max(map(len, columns))
    figure = blank("page", 0.9 + 0.9 * tall)
    ax = figure.subplots()
    places: dict[str, tuple[float, float]] = {}
    text: Any = {"va": "center", "fontsize": 5.0, "zorder": 4}
    for x, units in enumerate(columns):
        for y, unit in enumerate(units):
            places[unit] = at = (x - 0.6, 0.5 * (len(units) - 1) - y)
            ax.plot(*at, "o", color=NULL_COLOUR, markersize=4, zorder=3)
            name = unit.rpartition(" ")[2]
            name = f"head {name}" if name.isdigit() else name
            ax.annotate(name, at, (0, 5), textcoords="offset points", ha="center", **text)
    for reader, x in readers.items():
        ax.plot([x, x], [-tall, tall], color="#777777", linewidth=1.5, zorder=2)
        look: Any = {"rotation": 30, "ha": "right", "va": "top", "fontsize": 6.0}
        ax.text(x, -tall - 0.15, reader.removesuffix(":input"), **look)
    largest = float(circuit["effect"].abs().max()) or 1.0
    for edge in circuit.head(MAX_EDGES).to_dict("records"):
        start, x = places[edge["unit"]], readers[edge["layer"]]
        stress = Stress.INITIAL if edge["effect"] > 0 else Stress.FINAL
        bend = 0.25 if x - start[0] > 1 else 0.0
        look = {
            "linewidth": 0.4 + 3.6 * abs(edge["effect"]) / largest,
            "color": STRESS_COLOURS[stress],
            "connectionstyle": f"arc3,rad={-bend if edge['effect'] > 0 else bend}",
        }
        end = (x, 0.8 * start[1])
        ax.add_patch(FancyArrowPatch(start, end, arrowstyle="-", alpha=0.7, zorder=1, **look))
    ax.set(xlim=(-0.9, len(readers) - 0.8), ylim=(-tall - 0.9, tall + 0.6))
    ax.set_axis_off()
    return figure
