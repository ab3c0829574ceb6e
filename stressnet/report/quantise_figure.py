"""Figure of what few bits cost."""

from __future__ import annotations

from typing import TYPE_CHECKING

from stressnet.quantise.cost import TOGETHER
from stressnet.report.grid import labelled_panels
from stressnet.report.style import NULL_COLOUR, style, width_in

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

COLOURS = {
    "uniform": "#000000",
    "relevance": "#d55e00",
    "lrp-qvit": "#e69f00",
    "mix-qvit": "#cc79a7",
    "sensitivity": "#0072b2",
    "hessian": "#009e73",
    "gradient": "#56b4e9",
    "parameters": "#7a5195",
    "random": NULL_COLOUR,
}


def plot_cost(cost: pd.DataFrame) -> Figure:
    """Balanced accuracy and agreement with the float network against mean bits, per score.

    Parameters
    ----------
    cost : DataFrame
        ``cost.parquet`` of ``stressnet quantise``; random plans are averaged.
    """
    from matplotlib.figure import Figure

    rows = cost[cost["test_set"] == TOGETHER]
    networks = list(dict.fromkeys(rows["network"]))
    measures = {"balanced_accuracy": "balanced accuracy", "agreement": "same answer as float"}
    titles = [f"{name}: {title}" for name in networks for title in measures.values()]
    with style():
        size = (width_in("page"), 2.4 * len(networks) + 0.3)
        figure = Figure(figsize=size, layout="constrained")
        panels = labelled_panels(figure, titles, 2, sharex=True)
        pairs = [(name, measure) for name in networks for measure in measures]
        for ax, title, (name, measure) in zip(panels, titles, pairs, strict=True):
            part = rows[rows["network"] == name]
            for score, group in part.groupby("score", sort=False):
                line = group.groupby("mean_bits")[measure].mean()
                ax.plot(
                    line.index, line, ".-", color=COLOURS[str(score)], label=score, markersize=4,
                    linewidth=1.4 if score == "uniform" else 0.8,
                )  # fmt: skip
                if score == "uniform":
                    low, high = (
                        group.groupby("mean_bits")[f"{measure}_{end}"].mean()
                        for end in ("low", "high")
                    )
                    ax.fill_between(
                        low.index, low, high, color=COLOURS["uniform"], alpha=0.12, lw=0
                    )
            ax.set_title(title, fontsize=6.5, loc="left", pad=3)
            ax.set_xlabel("mean bits")
            ax.spines[["top", "right"]].set_visible(False)
        panels[0].legend(ncol=2, loc="lower right")
    return figure
