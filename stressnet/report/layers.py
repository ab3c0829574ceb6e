"""What a word's figure is made of; every layer draws into an ``ax`` it is given.

Conventions
-----------
Times are seconds from the word's onset, frequencies hertz. A layer sets the limits of its frequency
axis but never those of time, which all panels share.

Examples
--------
A spectrogram with formants in a figure of one's own::

    ax = figure.add_subplot()
    draw_spectrogram(ax, word.audio, word.origin_s)
    draw_formants(ax, word.tracks.formants)
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from stressnet.axes import Axes, cell_edges
from stressnet.intervals import Interval
from stressnet.lexicon.stress import Stress
from stressnet.report.grid import kilohertz_ticks, mesh
from stressnet.report.sound import (
    draw_formants,
    draw_formants_plain,
    draw_pitch,
    draw_spectrogram,
    draw_waveform,
)
from stressnet.report.style import (
    BOUNDARY_COLOUR,
    STRESS_COLOURS,
    relevance_colormap,
    relevance_limit,
    symmetric_norm,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes as Ax
    from matplotlib.collections import QuadMesh

__all__ = [
    "add_colour_bar",
    "draw_boundaries",
    "draw_formants",
    "draw_formants_plain",
    "draw_image",
    "draw_pitch",
    "draw_relevance",
    "draw_spectrogram",
    "draw_tier",
    "draw_waveform",
]

_IMAGE_DARKNESS = 0.7
"""Darkest grey under relevance; 1 is black."""


def draw_image(
    ax: Ax, values: NDArray, axes: Axes, mask: NDArray[np.bool_] | None = None
) -> QuadMesh:
    """What the network was shown, in grey; frames without sound (False in ``mask``) are
    hatched.

    Raises
    ------
    ConfigError
        If the image does not fit its axes.
    """
    axes.check(values, "image")
    shown = np.asarray(values, dtype=np.float64)
    sound = shown if mask is None or not mask.any() else shown[:, mask]
    low, high = np.percentile(sound, (10.0, 99.7))
    if mask is not None:
        shown = np.where(mask[None], shown, np.nan)
        _hatch_padding(ax, axes, mask)
    # Less dark than it could be, so that colours laid over it stay clear.
    darkest = low + max(high - low, 1e-9) / _IMAGE_DARKNESS
    drawn = mesh(ax, shown, axes, cmap="Greys", vmin=low, vmax=darkest)
    ax.set_ylim(max(0.0, cell_edges(axes.frequency_hz)[0]), axes.frequency_hz[-1])
    kilohertz_ticks(ax)
    return drawn


def draw_relevance(
    ax: Ax, relevance: NDArray, axes: Axes, *, limit: float | None = None
) -> QuadMesh:
    """Signed relevance, transparent at zero, on whatever ``ax`` holds.

    Parameters
    ----------
    relevance : ndarray, shape (n_bins, n_frames)
        Positive for INITIAL (warm), negative for FINAL (cool).
    limit : float, optional
        Absolute value at which colours saturate; the 99.5th percentile of |R| by default.

    Raises
    ------
    ConfigError
        If the map does not fit its axes.
    """
    axes.check(relevance, "relevance")
    limit = relevance_limit(relevance) if limit is None else limit
    drawn = mesh(ax, relevance, axes, cmap=relevance_colormap(), norm=symmetric_norm(limit))
    drawn.set_zorder(1.5)
    ax.set_ylim(max(0.0, cell_edges(axes.frequency_hz)[0]), axes.frequency_hz[-1])
    kilohertz_ticks(ax)
    return drawn


def add_colour_bar(ax: Ax, mesh: QuadMesh, label: str) -> Ax:
    """A symmetric colour bar beside a panel, with the classes' names at its ends.

    Parameters
    ----------
    ax : matplotlib Axes
        The panel; its position must be final, with 0.6 inches free to its right.
    label : str
        Quantity and unit; ``{power}`` becomes the power of ten that the ticks lack.
    """
    from matplotlib.ticker import MaxNLocator

    figure: Any = ax.figure
    box = ax.get_position()
    wide, tall = figure.get_size_inches()
    name_in = 0.11  # above and below the bar stands which class its end speaks for
    place = (box.x1 + 0.07 / wide, box.y0 + name_in / tall)
    size = (0.085 / wide, box.height - 2 * name_in / tall)
    bar_ax = figure.add_axes((*place, *size), label="colour bar")
    limit = float(np.max(np.abs(mesh.get_clim())))
    exponent = int(np.floor(np.log10(limit)))
    bar: Any = figure.colorbar(mesh, cax=bar_ax, extend="both", extendfrac=0.06)
    bar.outline.set_linewidth(0.5)
    bar.locator = MaxNLocator(nbins=5, steps=[1, 2, 5, 10], symmetric=True)
    bar.formatter = lambda value, _position: f"{value / 10**exponent:g}".replace("-", "−")
    bar.update_ticks()
    raised = str(exponent).translate(str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹"))
    power = "" if exponent == 0 else f"10{raised} "
    bar.set_label(label.format(power=power))
    for stress, y, va in ((Stress.INITIAL, box.y1, "top"), (Stress.FINAL, box.y0, "bottom")):
        look = {"fontsize": 5.5, "fontweight": "bold", "color": STRESS_COLOURS[stress]}
        figure.text(box.x1 + 0.05 / wide, y, stress.value, va=va, **look)
    return bar_ax


def _hatch_padding(ax: Ax, axes: Axes, mask: NDArray[np.bool_]) -> None:
    from matplotlib.patches import Rectangle

    x, y = cell_edges(axes.time_s), cell_edges(axes.frequency_hz)
    look: dict[str, Any] = {"edgecolor": "#c8c8c8", "hatch": "////", "linewidth": 0}
    changes = np.flatnonzero(np.diff(np.r_[0, (~mask).astype(int), 0]))
    for first, last in zip(changes[::2], changes[1::2], strict=True):
        corner, size = (x[first], y[0]), (x[last] - x[first], y[-1] - y[0])
        ax.add_patch(Rectangle(corner, *size, facecolor="none", zorder=0.5, **look))


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
