"""Panels of figures: where they stand, what frames them, and arrays on their own axes."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes as Ax
from matplotlib.collections import QuadMesh
from matplotlib.figure import Figure, SubFigure
from matplotlib.lines import Line2D
from matplotlib.ticker import FixedLocator
from numpy.typing import NDArray

from stressnet.axes import Axes, cell_edges
from stressnet.report.style import NULL_COLOUR, Width, width_in


def blank(width: Width, height_in: float, layout: Any = "constrained") -> Figure:
    """An empty figure, whose panels make room for what is written around them unless told not to.

    ``width`` is a name or inches (:func:`~stressnet.report.style.width_in`).
    """
    return Figure(figsize=(width_in(width), height_in), layout=layout)


def stacked_panels(
    figure: Figure,
    corner_in: tuple[float, float],
    width_in: float,
    heights_in: Mapping[str, float],
    gap_in: float,
    **shared_y: Ax | None,
) -> dict[str, Ax]:
    """Panels of exact height below each other, on one time axis that the last one is labelled with.

    ``corner_in`` is the upper left corner in inches from the figure's lower left one; ``shared_y``
    names panels elsewhere with which panels of these names share the other axis.
    """
    panels: dict[str, Ax] = {}
    (total, tall), (left_in, top_in) = figure.get_size_inches(), corner_in
    for name, height in heights_in.items():
        box = left_in / total, (top_in - height) / tall, width_in / total, height / tall
        first = next(iter(panels.values()), None)
        look: dict[str, Any] = {"label": name, "sharex": first, "sharey": shared_y.get(name)}
        panels[name] = figure.add_axes(box, **look)
        top_in -= height + gap_in
    last = list(panels)[-1]
    for name, ax in panels.items():
        ax.tick_params(axis="x", bottom=name == last, labelbottom=name == last)
    return panels


def bare_rows(ax: Ax, *, lines: bool = False) -> None:
    """Leave only the axis below rows that are named at the left; ``lines`` marks each row."""
    ax.spines[["top", "right", "left"]].set_visible(False)
    ax.tick_params(axis="y", length=0)
    if lines:
        ax.grid(axis="y", color="#eeeeee", linewidth=0.5)
        ax.set_axisbelow(True)


def named_rows(ax: Ax, names: Sequence[str]) -> None:
    """Bare rows with their names, from the top down."""
    ax.set_yticks(range(len(names)), names)
    ax.set_ylim(len(names) - 0.4, -0.6)
    bare_rows(ax)


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


def lines_of_panels(
    width: Width,
    labels: Sequence[str],
    n_columns: int,
    line_in: float,
    more_in: float,
    **options: Any,
) -> tuple[Figure, list[Ax]]:
    """A figure of :func:`labelled_panels`: so many inches a line, and some more for all."""
    figure = blank(width, line_in * -(-len(labels) // n_columns) + more_in)
    return figure, labelled_panels(figure, labels, n_columns, **options)


def row_panels(
    figure: Figure | SubFigure, names: Sequence[str], titles: Sequence[str], n_columns: int
) -> list[Ax]:
    """A panel per title, in lines of so many, with the same named rows from top to bottom."""
    panels = labelled_panels(figure, titles, n_columns, sharey=True)
    for ax, title in zip(panels, titles, strict=True):
        ax.set_title(title, fontsize=6.5, loc="left", pad=3)
        bare_rows(ax, lines=True)
    named_rows(panels[0], names)
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

    ``look`` holds ``colour``, ``marker`` and ``size`` of the mean, reach up and down, colour, width
    and order of the ``tick`` of chance, and the ``width`` of the interval's line.
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
    handles = [Line2D([], [], **look) for look in entries.values()]
    look: dict[str, Any] = {"borderpad": 0.1, "columnspacing": 1.2, **options}
    look.setdefault("loc", "outside lower center")
    figure.legend(handles, list(entries), **look)


def footnote(figure: Figure, text: str) -> None:
    """Small grey text under everything."""
    look: dict[str, Any] = {"fontsize": 6.0, "color": "#444444", "linespacing": 1.4}
    figure.supxlabel(text, x=0.008, ha="left", **look)


def mesh(
    ax: Ax, values: NDArray, axes: Axes, limits_hz: tuple[float, float] | None = None, **style: Any
) -> QuadMesh:
    """Cells (n_bins, n_frames) at their centres' seconds and hertz; NaN is left blank.

    Only they are rasterised in vector files. Limits of time that were set stay. Frequency goes to
    the last bin's centre unless limits are given, with ticks every kilohertz or two.
    """
    x, y = cell_edges(axes.time_s), cell_edges(axes.frequency_hz)
    xlim = ax.get_xlim() if ax.get_autoscalex_on() is False else None
    drawn = ax.pcolormesh(
        x, y, values, shading="flat", rasterized=True, linewidth=0, antialiased=False, **style
    )
    if xlim is not None:
        ax.set_xlim(xlim)
    low_hz, top_hz = limits_hz or (max(0.0, y[0]), axes.frequency_hz[-1])
    ax.set_ylim(low_hz, top_hz)
    step_hz = 1000.0 if top_hz <= 6500 else 2000.0
    # Not at the very top, where the label would touch the panel above.
    ax.yaxis.set_major_locator(FixedLocator(list(np.arange(0.0, 0.97 * top_hz, step_hz))))
    ax.set_ylabel("frequency (Hz)")
    return drawn
