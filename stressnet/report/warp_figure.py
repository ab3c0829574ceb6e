"""Mean relevance maps on a warped time axis, one panel per class of stress."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from stressnet.corpus.landmarks import SEGMENTS
from stressnet.errors import ConfigError
from stressnet.intervals import Interval
from stressnet.lexicon.stress import Stress
from stressnet.report import layers
from stressnet.report.grid import panel
from stressnet.report.names import count_of
from stressnet.report.style import (
    STRESS_COLOURS,
    Width,
    relevance_limit,
    style,
    text_width_in,
    width_in,
)
from stressnet.report.warp import WarpedMean

if TYPE_CHECKING:
    from matplotlib.axes import Axes as Ax
    from matplotlib.collections import QuadMesh
    from matplotlib.figure import Figure

_LEFT_IN, _BAR_IN, _GAP_IN, _TOP_IN, _BOTTOM_IN, _BETWEEN_IN = 0.62, 0.72, 0.16, 0.28, 0.38, 0.045
_HEIGHTS_IN = {"map": 1.9, "time": 0.55, "segments": 0.18, "syllables": 0.18}


def plot_warped_means(means: Sequence[WarpedMean], *, width: Width = "page") -> Figure:
    """Mean relevance maps of INITIAL and FINAL tokens on their common warped time axis.

    Returns
    -------
    Figure
        Panels labelled ``map INITIAL``, ``time INITIAL``, ``segments INITIAL``,
        ``syllables INITIAL`` and so on. Under each map is its sum over frequency.

    Raises
    ------
    ConfigError
        If there are no means.
    """
    from matplotlib.figure import Figure

    if not means:
        raise ConfigError("no mean relevance maps to draw")
    total = width_in(width)
    stacked = total < 5
    columns, rows = (1, len(means)) if stacked else (len(means), 1)
    panel_in = (total - _LEFT_IN - _BAR_IN - _GAP_IN * (columns - 1)) / columns
    block = _TOP_IN + sum(_HEIGHTS_IN.values()) + _GAP_IN + _BOTTOM_IN
    tall = block * rows
    limit = relevance_limit(np.concatenate([m.relevance.ravel() for m in means]))
    with style():
        figure = Figure(figsize=(total, tall))
        shared: Ax | None = None
        for number, mean in enumerate(means):
            column, row = (0, number) if stacked else (number, 0)
            x = _LEFT_IN + column * (panel_in + _GAP_IN)
            y = tall - row * block - _TOP_IN
            panels: dict[str, Ax] = {}
            for name, height in _HEIGHTS_IN.items():
                panels[name] = panel(
                    figure,
                    x,
                    y - height,
                    (panel_in, height),
                    label=f"{name} {mean.stress}",
                    sharex=panels.get("map"),
                    sharey=shared if name == "time" else None,
                )
                y -= height + _BETWEEN_IN
            shared = panels["time"]
            mesh = _draw_warped(panels, mean, limit, panel_in)
            if column > 0:
                for ax in panels.values():
                    ax.set_ylabel("")
                    ax.tick_params(axis="y", labelleft=False)
            if column == columns - 1:
                layers.add_colour_bar(
                    panels["map"], mesh, "mean relevance ({power}of Σ|R| per cell)"
                )
    return figure


def _draw_warped(
    panels: dict[str, Ax], mean: WarpedMean, limit: float, panel_in: float
) -> QuadMesh:
    """One class: map, its sum over frequency, and what lies between the landmarks."""
    panels["map"].set_xlim(mean.axes.time_s[0], mean.axes.time_s[-1])
    there = np.isfinite(mean.image[0])
    layers.draw_image(panels["map"], mean.image, mean.axes, there)
    mesh = layers.draw_relevance(panels["map"], mean.relevance, mean.axes, limit=limit)
    panels["map"].set_title(
        f"{mean.stress} stress  ({mean.n_tokens} tokens, {mean.n_words} words, "
        f"{count_of(mean.n_speakers, 'speaker')})",
        color=STRESS_COLOURS[mean.stress],
        fontsize=7,
        loc="left",
        pad=4,
    )
    _draw_over_time(panels["time"], mean)
    marks = [float(t) for t in mean.landmarks_s]
    span = mean.axes.time_s[-1] - mean.axes.time_s[0]
    stretches = list(zip(SEGMENTS, marks[:-1], marks[1:], strict=True))
    rooms_in = {name: (b - a) / span * panel_in for name, a, b in stretches}
    segments = [Interval(a, b, _segment_label(name, rooms_in)) for name, a, b in stretches]
    stressed = mean.stress.class_index
    labels = ["stressed" if i == stressed else "unstressed" for i in range(2)]
    syllables = [Interval(marks[3 * i], marks[3 * i + 3], labels[i]) for i in range(2)]
    layers.draw_tier(
        panels["segments"], segments, "segments", shaded=(segments[1], segments[4]), fontsize=5.5
    )
    layers.draw_tier(
        panels["syllables"],
        syllables,
        "syllables",
        emphasised=[syllables[stressed]],
        emphasis_colour=STRESS_COLOURS[mean.stress],
        fontsize=6.0,
    )
    for name, ax in panels.items():
        last = name == "syllables"
        ax.tick_params(axis="x", bottom=last, labelbottom=last)
    panels["syllables"].set_xlabel("time in the mean word (s)", labelpad=1.5)
    outer, inner = [marks[0], marks[3], marks[6]], [marks[k] for k in (1, 2, 4, 5)]
    layers.draw_boundaries(panels["map"], panels["syllables"], outer, strong=True)
    layers.draw_boundaries(panels["map"], panels["segments"], inner)
    return mesh


def _segment_label(name: str, rooms_in: dict[str, float]) -> str:
    """The full name if it fits in both syllables, else without number, else C or V."""
    kind = name.split()[0]
    for label in (name, kind):
        both = [room for other, room in rooms_in.items() if other.startswith(kind)]
        if text_width_in(label, 5.5) < 0.92 * min(both):
            return label
    short = "V" if kind == "nucleus" else "C"
    return short if text_width_in(short, 5.5) < 0.92 * rooms_in[name] else ""


def _draw_over_time(ax: Ax, mean: WarpedMean) -> None:
    """The map summed over frequency, warm above and cool below zero, per frame in per cent."""
    over_time = 100.0 * mean.relevance.sum(axis=0)
    for stress, sign in ((Stress.INITIAL, 1.0), (Stress.FINAL, -1.0)):
        ax.fill_between(
            mean.axes.time_s,
            0.0,
            np.where(sign * over_time > 0, over_time, 0.0),
            color=STRESS_COLOURS[stress],
            alpha=0.75,
            linewidth=0,
        )
    ax.axhline(0.0, color="black", linewidth=0.5)
    ax.set_ylabel("% of Σ|R|\nper frame")
