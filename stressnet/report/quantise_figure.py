"""Figure of what few bits cost."""

import pandas as pd
from matplotlib.figure import Figure

from stressnet.quantise.cost import TOGETHER
from stressnet.report.grid import labelled_panels
from stressnet.report.style import COLOURS, MARKERS, NULL_COLOUR, style, width_in

MEASURES = {"balanced_accuracy": "balanced accuracy", "agreement": "same answer as in float32"}


def plot_cost(cost: pd.DataFrame) -> Figure:
    """Balanced accuracy and agreement with the float network against mean bits, per score."""
    rows = cost[cost["test_set"] == TOGETHER]
    pairs = [(name, measure) for name in rows["network"].unique() for measure in MEASURES]
    titles = [f"{name}: {MEASURES[measure]}" for name, measure in pairs]
    with style():
        size = (width_in("page"), 1.2 * len(pairs) + 0.6)
        figure = Figure(figsize=size, layout="constrained")
        panels = labelled_panels(figure, titles, 2, sharex=True)
        for ax, title, (network, measure) in zip(panels, titles, pairs, strict=True):
            groups = rows[rows["network"] == network].groupby("score", sort=False)
            colours = (*COLOURS, "#d55e00", "#0072b2")
            for place, (score, group) in enumerate(groups):
                line = group.groupby("mean_bits")[[measure, f"{measure}_low", f"{measure}_high"]]
                x, (y, low, high) = line.mean().index, line.mean().to_numpy().T
                colour = NULL_COLOUR if score == "random" else colours[place % len(colours)]
                marker = MARKERS[place % len(MARKERS)]
                ax.plot(x, y, color=colour, label=score, marker=marker, markersize=3)
                if place == 0:
                    ax.fill_between(x, low, high, color=colour, alpha=0.12, linewidth=0)
            ax.set_title(title, fontsize=6.5, loc="left", pad=3)
            ax.set_xticks(sorted(rows["mean_bits"].unique()))
            ax.set_xlabel("mean bits")
            ax.spines[["top", "right"]].set_visible(False)
        handles, names = panels[0].get_legend_handles_labels()
        figure.legend(handles, names, ncol=5, loc="outside lower center")
    return figure
