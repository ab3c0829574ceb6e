"""Arrays on axes in seconds and hertz, drawn where their axes say."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from stressnet.axes import Axes
from stressnet.report.style import edges

if TYPE_CHECKING:
    from matplotlib.axes import Axes as Ax
    from matplotlib.collections import QuadMesh


def mesh(ax: Ax, values: NDArray, axes: Axes, **style: Any) -> QuadMesh:
    """Cells at their centres' seconds and hertz; only they are rasterised in vector files.

    Parameters
    ----------
    ax : matplotlib Axes
        Keeps its limits of time if they were set.
    values : ndarray, shape (n_bins, n_frames)
        NaN is left blank.
    **style
        Colours, as for ``pcolormesh``.
    """
    x, y = edges(axes.time_s), edges(axes.frequency_hz)
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
