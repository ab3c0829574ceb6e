"""The claims of ``stressnet stats`` in one picture."""

from typing import Any

import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import NullFormatter, StrMethodFormatter

from stressnet.report.grid import blank, draw_estimate, named_rows
from stressnet.report.style import COLOURS, MARKERS, NULL_COLOUR, style

_AGAINST = {
    "": "other parts of the word, or other words' tracks",
    "untrained": "untrained networks",
    "input": "the input itself",
}
"""What effects are ratios to, by the column ``null``."""

_APART = 0.24


def plot_claims(claims: pd.DataFrame) -> Figure:
    """Ratios of the primary criteria over all tokens: a panel per network, a row per claim."""
    primary = (claims["stratum"] == "ALL") & (claims["role"] == "primary")
    shown = claims[primary & (claims["scale"] == "ratio")]
    names, networks = list(dict.fromkeys(shown["claim"])), list(dict.fromkeys(shown["network"]))
    with style():
        figure = blank("page", 0.9 + 0.3 * len(names))
        panels = figure.subplots(1, max(1, len(networks)), squeeze=False, sharex=True, sharey=True)
        for ax, network in zip(panels[0], networks, strict=False):
            own = shown[shown["network"] == network]
            ax.axvline(1, color="#cccccc", linewidth=0.6)
            ax.axvline(own["margin"].iloc[0], color=NULL_COLOUR, linewidth=0.8, linestyle="--")
            for row in own.to_dict("records"):
                place = list(_AGAINST).index(row["null"] if row["null"] in _AGAINST else "")
                y = names.index(row["claim"]) + _APART * (place - 1)
                look: dict[str, Any] = {"colour": COLOURS[place], "marker": MARKERS[place]}
                limits = row["low"], row["high"]
                draw_estimate(ax, y, row["effect"], limits, size=3.5, width=1.2, **look)
            ax.set_xscale("log")
            ax.xaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
            ax.xaxis.set_minor_formatter(NullFormatter())
            ax.set_xticks([0.25, 0.5, 1, 2, 4, 8])
            ax.set_title(network if len(networks) > 1 else "", loc="left")
            named_rows(ax, names)
            ax.set_xlabel("ratio of densities")
        for place, label in enumerate(_AGAINST.values()):
            key: dict[str, Any] = {"color": COLOURS[place], "marker": MARKERS[place]}
            panels[0][0].plot([], [], label=f"against {label}", markersize=3.5, **key)
        figure.legend(loc="outside upper center", ncols=3)
    return figure
