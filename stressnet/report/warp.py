"""Means of maps over words of different length, on a time axis warped to seven landmarks.

``docs/figures.md`` says how. Warping moves cells in time and leaves their values: a stretched vowel
is not given more relevance per cell. Each map is divided by its own Σ|R| first, so that the unit of
the mean is the share of a token's absolute relevance per cell.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes as Ax
from matplotlib.collections import QuadMesh
from matplotlib.figure import Figure

from stressnet.axes import Axes, FloatArray
from stressnet.corpus.images import Images
from stressnet.corpus.landmarks import SEGMENTS, landmarks_of, warp_columns
from stressnet.corpus.store import Corpus
from stressnet.errors import ConfigError, CorpusError
from stressnet.intervals import Interval
from stressnet.lexicon.contrast import Contrast
from stressnet.lexicon.stress import Stress
from stressnet.report import layers
from stressnet.report.grid import blank, stacked_panels
from stressnet.report.names import count_of
from stressnet.report.run import RelevanceRun
from stressnet.report.style import (
    Width,
    class_colour,
    relevance_limit,
    style,
    text_width_in,
    width_in,
)

MARGIN_S = 0.03  # Sound beside the word that is kept, not warped
STEP_S = 0.004  # Step of the common axis

_LEFT_IN, _BAR_IN, _GAP_IN, _TOP_IN, _BOTTOM_IN, _BETWEEN_IN = 0.62, 0.72, 0.16, 0.28, 0.38, 0.045
_HEIGHTS_IN = {"map": 1.9, "time": 0.55, "segments": 0.18, "syllables": 0.18}


@dataclass(frozen=True)
class WarpedMean:
    """Mean map of some tokens on a common time axis.

    ``relevance``, the mean of R / Σ|R| (NaN where no token has a value), and ``image``, the mean of
    the network's images, have the shape of ``axes``; ``landmarks_s``, shape (7,), lie on them. The
    ``stress`` of these tokens is None if it is not one.
    """

    contrast: Contrast
    of_class: str
    stress: Stress | None
    relevance: FloatArray
    image: FloatArray
    axes: Axes
    landmarks_s: FloatArray
    n_tokens: int
    n_words: int
    n_speakers: int


def warped_means(
    corpus: Corpus, run: RelevanceRun, *, correct_only: bool = False, max_tokens: int = 4000
) -> list[WarpedMean]:
    """Mean relevance of the tokens of each class, warped to common landmarks.

    ``max_tokens``: per class; of more, a random sample. Returns INITIAL before FINAL; a class
    without tokens is left out.
    """
    contrast = corpus.contrast
    table = run.tokens[["token_id", "map_index", contrast.predicted]].merge(
        corpus.tokens.assign(position=np.arange(len(corpus.tokens))), on="token_id", how="inner"
    )
    if table.empty:
        raise CorpusError(f"{run.path}: none of its tokens is in {corpus.path}; give its corpus")
    images = run.images(corpus)
    if correct_only:
        table = table[table[contrast.column] == table[contrast.predicted]]
    landmarks = landmarks_of(table, corpus.path)
    target_s = landmarks.mean(axis=0) if len(landmarks) else np.zeros(len(SEGMENTS) + 1)
    grid_s = np.arange(-MARGIN_S, target_s[-1] + MARGIN_S + STEP_S / 2, STEP_S)
    rng = np.random.default_rng(0)
    results = []
    for one in contrast.classes:
        rows = np.flatnonzero((table[contrast.column] == one).to_numpy())
        if len(rows) > max_tokens:
            rows = np.sort(rng.choice(rows, max_tokens, replace=False))
        if len(rows) == 0:
            continue
        part = table.iloc[rows]
        means = _means(run, images, part, landmarks[rows], target_s, grid_s)
        axes = Axes(grid_s, run.axes.frequency_hz)
        n_words, n_speakers = (part[column].nunique() for column in ("word", "speaker"))
        stresses = set(part["stress"])
        stress = Stress(stresses.pop()) if len(stresses) == 1 else None
        about = contrast, str(one), stress
        results.append(WarpedMean(*about, *means, axes, target_s, len(part), n_words, n_speakers))
    if not results:
        raise ConfigError(f"{run.path}: no token with known {contrast.name} to average")
    return results


def _means(
    run: RelevanceRun,
    images: Images,
    tokens: pd.DataFrame,
    landmarks: FloatArray,
    target_s: FloatArray,
    grid_s: FloatArray,
) -> tuple[FloatArray, FloatArray]:
    """Mean relevance and mean image, one token in memory at a time."""
    shape = (run.axes.shape[0], len(grid_s))
    sums, counts = np.zeros((2, *shape)), np.zeros(len(grid_s))
    places = tokens["map_index"], tokens["position"], landmarks
    for which, where, source_s in zip(*places, strict=True):
        relevance = np.asarray(run.maps[which], dtype=np.float64)
        total = np.abs(relevance).sum()
        if total == 0:
            continue
        left, weight = warp_columns(run.axes, source_s, target_s, grid_s)
        there = left >= 0
        left, weight = left[there], weight[there]
        counts[there] += 1
        for number, values in enumerate((relevance / total, np.asarray(images.values[where]))):
            sums[number][:, there] += values[:, left] * (1 - weight) + values[:, left + 1] * weight
    with np.errstate(invalid="ignore", divide="ignore"):
        relevance, image = sums / counts
    return relevance, image


@style()
def plot_warped_means(means: Sequence[WarpedMean], *, width: Width = "page") -> Figure:
    """Mean relevance maps of the classes on their common warped time axis.

    Returns panels labelled ``map INITIAL``, ``time INITIAL``, ``segments INITIAL``, ``syllables
    INITIAL`` and so on. Under each map is its sum over frequency.
    """
    if not means:
        raise ConfigError("no mean relevance maps to draw")
    total = width_in(width)
    stacked = total < 5
    columns, rows = (1, len(means)) if stacked else (len(means), 1)
    panel_in = (total - _LEFT_IN - _BAR_IN - _GAP_IN * (columns - 1)) / columns
    block = _TOP_IN + sum(_HEIGHTS_IN.values()) + _GAP_IN + _BOTTOM_IN
    tall = block * rows
    limit = relevance_limit(np.concatenate([m.relevance.ravel() for m in means]))
    figure = blank(total, tall, layout=None)
    shared: Ax | None = None
    for number, mean in enumerate(means):
        column, row = (0, number) if stacked else (number, 0)
        x = _LEFT_IN + column * (panel_in + _GAP_IN)
        y = tall - row * block - _TOP_IN
        panels = stacked_panels(figure, (x, y), panel_in, _HEIGHTS_IN, _BETWEEN_IN, time=shared)
        for name, ax in panels.items():
            ax.set_label(f"{name} {mean.of_class}")
        shared = panels["time"]
        mesh = _draw_warped(panels, mean, limit, panel_in)
        if column > 0:
            for ax in panels.values():
                ax.set_ylabel("")
                ax.tick_params(axis="y", labelleft=False)
        if column == columns - 1:
            label = "mean relevance ({power}of Σ|R| per cell)"
            layers.add_colour_bar(panels["map"], mesh, label, mean.contrast.classes)
    return figure


def _draw_warped(
    panels: dict[str, Ax], mean: WarpedMean, limit: float, panel_in: float
) -> QuadMesh:
    """One class: map, its sum over frequency, and what lies between the landmarks."""
    panels["map"].set_xlim(mean.axes.time_s[0], mean.axes.time_s[-1])
    there = np.isfinite(mean.image[0])
    layers.draw_image(panels["map"], mean.image, mean.axes, there)
    mesh = layers.draw_relevance(panels["map"], mean.relevance, mean.axes, limit=limit)
    contrast, speakers = mean.contrast, count_of(mean.n_speakers, "speaker")
    colour = class_colour(mean.of_class, contrast)
    title = (
        f"{contrast.say(mean.of_class)}  ({mean.n_tokens} tokens, {mean.n_words} words, {speakers})"
    )
    panels["map"].set_title(title, color=colour, fontsize=7, loc="left", pad=4)
    # The map summed over frequency, per frame.
    percent = 100.0 * mean.relevance.sum(axis=0)
    signed = np.where(percent > 0, percent, 0.0), np.where(percent < 0, percent, 0.0)
    for one, part in zip(contrast.classes, signed, strict=True):
        fill: dict[str, Any] = {
            "color": class_colour(one, contrast), "alpha": 0.75, "linewidth": 0,
        }  # fmt: skip
        panels["time"].fill_between(mean.axes.time_s, 0.0, part, **fill)
    panels["time"].axhline(0.0, color="black", linewidth=0.5)
    panels["time"].margins(y=0.2)  # else its uppermost tick meets the map's lowest
    panels["time"].set_ylabel("% of Σ|R|\nper frame")
    marks = [float(t) for t in mean.landmarks_s]
    span = mean.axes.time_s[-1] - mean.axes.time_s[0]
    stretches = list(zip(SEGMENTS, marks[:-1], marks[1:], strict=True))
    rooms_in = {name: (b - a) / span * panel_in for name, a, b in stretches}
    segments = [Interval(a, b, _segment_label(name, rooms_in)) for name, a, b in stretches]
    labels = ["first", "second"]
    if mean.stress is not None:
        labels = ["stressed" if i == mean.stress.class_index else "unstressed" for i in range(2)]
    syllables = [Interval(marks[3 * i], marks[3 * i + 3], labels[i]) for i in range(2)]
    look: dict[str, Any] = {"shaded": (segments[1], segments[4]), "fontsize": 5.5}
    layers.draw_tier(panels["segments"], segments, "segments", **look)
    strong = [syllable for syllable in syllables if syllable.label == "stressed"]
    look = {"emphasised": strong, "fontsize": 6.0}
    look |= {"emphasis_colour": colour} if contrast.is_stress else {}
    layers.draw_tier(panels["syllables"], syllables, "syllables", **look)
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
