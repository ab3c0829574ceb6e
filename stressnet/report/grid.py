"""Panels of figures: where they stand, what frames them, and arrays on their own axes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from stressnet.axes import Axes, cell_edges
from stressnet.report.style import NULL_COLOUR

if TYPE_CHECKING:
    from matplotlib.axes import Axes as Ax
    from matplotlib.collections import QuadMesh
    from matplotlib.figure import Figure, SubFigure


def blank(width_in: float, height_in: float) -> Figure:
    """An empty figure of so many inches, whose panels make room for what is written around them."""
    from matplotlib.figure import Figure

    return Figure(figsize=(width_in, height_in), layout="constrained")


def panel(
    figure: Figure, left_in: float, bottom_in: float, size_in: tuple[float, float], **options: Any
) -> Ax:
    """A panel at a place in inches from the figure's lower left corner; width before height."""
    total, tall = figure.get_size_inches()
    box = (left_in / total, bottom_in / tall, size_in[0] / total, size_in[1] / tall)
    return figure.add_axes(box, **options)


def bare_rows(ax: Ax, *, lines: bool = False) -> None:
    """Leave only the axis below rows that are named at the left; ``lines`` marks each row."""
    ax.spines[["top", "right", "left"]].set_visible(False)
    ax.tick_params(axis="y", length=0)
    if lines:
        ax.grid(axis="y", color="#eeeeee", linewidth=0.5)
        ax.set_axisbelow(True)


def write_on_row(ax: Ax, x: float, y: float, text: str, **look: Any) -> None:
    """A word on a row; ``x`` is a share of the panel's width."""
    ax.text(x, y, text, transform=ax.get_yaxis_transform(), va="center", **look)


def labelled_panels(
    figure: Figure | SubFigure, labels: Sequence[str], n_columns: int, **options: Any
) -> list[Ax]:
    """A panel per label, in lines of so many; options are those of ``subplots``."""
    n_lines = -(-len(labels) // n_columns)
    grid = figure.subplots(n_lines, n_columns, squeeze=False, **options).ravel()
    for ax, label in zip(grid, labels, strict=False):
        ax.set_label(label)
    for ax in grid[len(labels) :]:
        ax.remove()
    return list(grid[: len(labels)])


def row_panels(
    figure: Figure | SubFigure, names: Sequence[str], titles: Sequence[str], n_columns: int
) -> list[Ax]:
    """A panel per title, in lines of so many, with the same named rows from top to bottom."""
    panels = labelled_panels(figure, titles, n_columns, sharey=True)
    for ax, title in zip(panels, titles, strict=True):
        ax.set_title(title, fontsize=6.5, loc="left", pad=3)
        bare_rows(ax, lines=True)
    panels[0].set_yticks(range(len(names)), names)
    panels[0].set_ylim(len(names) - 0.4, -0.6)
    return panels


def draw_estimate(
    ax: Ax,
    y: float,
    value: float,
    interval: tuple[float, float] = (np.nan, np.nan),
    chance: float = np.nan,
    **look: Any,
) -> None:
    """A mean on its row with interval and the tick of chance; what is not finite is left out.

    Parameters
    ----------
    **look
        ``colour``, ``marker`` and ``size`` of the mean; ``tick``: reach up and down, colour, width
        and order of the tick of chance; ``width`` of the interval's line.
    """
    colour = look["colour"]
    reach, tick, width, order = look.get("tick", (0.3, "#bbbbbb", 1.6, 1))
    if np.isfinite(chance):
        ax.plot([chance] * 2, [y - reach, y + reach], color=tick, linewidth=width, zorder=order)
    if np.isfinite(interval[0]):
        ax.plot(interval, [y, y], color=colour, linewidth=look.get("width", 0.9))
    if np.isfinite(value):
        marker, size = look.get("marker", "o"), look.get("size", 2.8)
        ax.plot([value], [y], marker, markersize=size, color=colour)


TICK = {
    "marker": "|",
    "markersize": 7,
    "markeredgewidth": 1.6,
    "color": NULL_COLOUR,
    "linewidth": 0,
}
"""The tick of chance or of a null in a legend."""


def legend(figure: Figure, entries: Mapping[str, Mapping[str, Any]], **options: Any) -> None:
    """A legend below everything; entries are looks of lines by what they mean."""
    from matplotlib.lines import Line2D

    handles = [Line2D([], [], **look) for look in entries.values()]
    look: dict[str, Any] = {"borderpad": 0.1, "columnspacing": 1.2, **options}
    look.setdefault("loc", "outside lower center")
    figure.legend(handles, list(entries), **look)


def footnote(figure: Figure, text: str) -> None:
    """Small grey text under everything."""
    look: dict[str, Any] = {"fontsize": 6.0, "color": "#444444", "linespacing": 1.4}
    figure.supxlabel(text, x=0.008, ha="left", **look)


def mesh(ax: Ax, values: NDArray, axes: Axes, **style: Any) -> QuadMesh:
    """Cells (n_bins, n_frames) at their centres' seconds and hertz; NaN is left blank.

    Only they are rasterised in vector files. Limits of time that were set stay.
    """
    x, y = cell_edges(axes.time_s), cell_edges(axes.frequency_hz)
    xlim = ax.get_xlim() if ax.get_autoscalex_on() is False else None
    drawn = ax.pcolormesh(
        x, y, values, shading="flat", rasterized=True, linewidth=0, antialiased=False, **style
    )
    if xlim is not None:
        ax.set_xlim(xlim)
    return drawn


def kilohertz_ticks(ax: Ax) -> None:
    """Ticks every kilohertz or two; the unit stays hertz."""
    from matplotlib.ticker import FixedLocator

    top_hz = ax.get_ylim()[1]
    step_hz = 1000.0 if top_hz <= 6500 else 2000.0
    # Not at the very top, where the label would touch the panel above.
    ax.yaxis.set_major_locator(FixedLocator(list(np.arange(0.0, 0.97 * top_hz, step_hz))))
    ax.set_ylabel("frequency (Hz)")
