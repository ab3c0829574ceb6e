"""Layers of figures that show labelled stretches of time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from stressnet.intervals import Interval
from stressnet.report.style import BOUNDARY_COLOUR

if TYPE_CHECKING:
    from matplotlib.axes import Axes as Ax


def draw_tier(
    ax: Ax,
    intervals: Sequence[Interval],
    name: str,
    *,
    shaded: Sequence[Interval] = (),
    emphasised: Sequence[Interval] = (),
    emphasis_colour: str = "black",
    fontsize: float = 8.0,
) -> None:
    """One tier with centred labels and its own boundaries.

    Parameters
    ----------
    intervals : sequence of Interval
        Time zero is the word's onset; silences have no label.
    shaded : sequence of Interval
        Drawn on grey (the nuclei).
    emphasised : sequence of Interval
        Labels in bold and ``emphasis_colour`` (the stressed syllable).
    """
    ax.set_ylim(0.0, 1.0)
    ax.set_yticks([])
    ax.set_ylabel(name, rotation=0, ha="right", va="center", labelpad=4)
    for part in shaded:
        ax.axvspan(part.start_s, part.end_s, color="#e6e6e6", linewidth=0, zorder=0)
    for part in intervals:
        strong = part in emphasised
        ax.text(
            part.middle_s,
            0.46,
            part.label,
            ha="center",
            va="center",
            fontsize=fontsize,
            color=emphasis_colour if strong else "black",
            fontweight="bold" if strong else "normal",
            clip_on=True,
        )
    ax.spines[:].set_linewidth(0.4)


def draw_boundaries(top: Ax, bottom: Ax, times_s: Sequence[float], *, strong: bool = False) -> None:
    """Thin vertical lines from the top of one panel to the bottom of another, gaps included.

    Parameters
    ----------
    top, bottom : matplotlib Axes
        Panels of one figure on one time axis; their positions must be final.
    times_s : sequence of float
        Times; those outside the axis are left out.
    """
    from matplotlib.lines import Line2D
    from matplotlib.transforms import blended_transform_factory

    figure = top.figure
    transform = blended_transform_factory(top.transData, figure.transFigure)
    y = [bottom.get_position().y0, top.get_position().y1]
    first, last = top.get_xlim()
    look: dict[str, Any] = {"linewidth": 0.4, "linestyle": (0, (3, 2)), "color": BOUNDARY_COLOUR}
    if strong:
        look |= {"linewidth": 0.7, "linestyle": "-"}
    for time_s in times_s:
        if first < time_s < last:
            figure.add_artist(Line2D([time_s, time_s], y, transform=transform, **look))
