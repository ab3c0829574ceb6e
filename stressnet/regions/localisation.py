"""Does relevance point at a region? Ranks, overlap and the largest value, with chance beside them.

The definitions are those of :mod:`stressnet.explain.faithfulness.map_measures` (the test-suite
checks that they agree) and in ``docs/regions.md``, over one token's sounding cells and without
torch, which tables need not load. A cell belongs to a region from a part of one half on; chance is
what a map gets whose values are strewn at random over the N sounding cells, for a region of K cells
K / N, the overlap K² / N, or the share of cells from which the region is pointed at (Zhang et al.
2018). All are missing if the region holds no whole sounding cell or all of them, or if the map has
no positive relevance.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from stressnet.axes import BoolArray, FloatArray
from stressnet.regions.scene import Scene

LOCALISATION = (
    *("rank_accuracy", "rank_accuracy_chance", "iou", "iou_chance"),
    *("iou_top10", "iou_top10_chance", "pointing", "pointing_chance"),
)
"""Measures of localisation, in the order of :class:`Localiser`'s results."""

TOP_SHARE = 0.10
"""Share of the sounding cells above the threshold of ``iou_top10``."""

TOLERANCE_S = 0.020
"""How far beside a region the most relevant cell may lie: what good alignments are off by."""

TOLERANCE_HZ = 80.0
"""The same in frequency: what human labellers of formants differ by, up to two bins."""


class Localiser:
    """Where one token's most relevant cells lie.

    ``relevance`` has the shape (n_frames, n_bins), its positive values speaking for the token's own
    class.
    """

    def __init__(self, relevance: FloatArray, scene: Scene) -> None:
        self._sound = scene.sound
        self._n_bins = scene.axes.shape[0]
        self._values = relevance
        sounding = relevance[scene.sound]
        self._n = sounding.size
        self._void = self._n == 0 or not sounding.max() > 0
        if self._void:
            return
        self._ordered = np.sort(sounding, axis=None)
        peak = self._ordered[-1]
        frames, bins = np.nonzero(sounding == peak)
        self._peaks = np.flatnonzero(scene.sound)[frames], bins
        axes = scene.axes
        self._tolerance = (
            int(TOLERANCE_S / axes.time_step_s + 1e-6),
            int(TOLERANCE_HZ / axes.frequency_step_hz + 1e-6),
        )
        self._n_top = max(1, round(TOP_SHARE * self._n))
        self._top = self._threshold(self._n_top)

    def of_frames(self, cover: FloatArray) -> FloatArray:
        """Measures of a region of whole frames, given its cover of them, shape (n_frames,)."""
        frames = (cover >= 0.5) & self._sound
        k = int(np.count_nonzero(frames)) * self._n_bins
        if self._void or not 0 < k < self._n:
            return np.full(len(LOCALISATION), np.nan)
        wide = _widened(frames[:, None], (self._tolerance[0], 0))[:, 0]
        hits = float(np.mean(wide[self._peaks[0]]))
        area = float(np.count_nonzero(wide & self._sound)) * self._n_bins / self._n
        return self._result(self._values[frames], k, hits, area)

    def of_cells(self, mask: NDArray, part: slice, *, chance: bool = True) -> FloatArray:
        """Measures of a region given its mask in a stretch of frames, shape (n, n_bins).

        Without ``chance``, ``pointing_chance``, which costs most, is left out (NaN).
        """
        hard = (mask >= 0.5) & self._sound[part, None]
        k = int(np.count_nonzero(hard))
        if self._void or not 0 < k < self._n:
            return np.full(len(LOCALISATION), np.nan)
        up, over = self._tolerance
        start, stop = max(0, part.start - up), min(len(self._sound), part.stop + up)
        frames, bins = self._peaks
        hits, area = 0.0, np.nan
        if chance or len(frames) > 1:
            wide = np.zeros((stop - start, self._n_bins), dtype=bool)
            wide[part.start - start : part.stop - start] = hard
            wide = _widened(wide, self._tolerance)
            near = (frames >= start) & (frames < stop)
            hits = float(np.count_nonzero(wide[frames[near] - start, bins[near]])) / len(frames)
            area = np.count_nonzero(wide & self._sound[start:stop, None]) / self._n
        elif start <= frames[0] < stop:
            at, bin_ = frames[0] - part.start, bins[0]
            box = hard[max(0, at - up) : at + up + 1, max(0, bin_ - over) : bin_ + over + 1]
            hits = float(box.any())
        return self._result(self._values[part][hard], k, hits, area if chance else np.nan)

    def _result(
        self, inside: FloatArray, k: int, pointing: float, pointing_chance: float
    ) -> FloatArray:
        n, n_top = self._n, self._n_top
        common = self._members(inside, self._threshold(k))
        common_top = self._members(inside, self._top)
        expected, expected_top = k * k / n, n_top * k / n
        return np.array(
            [
                common / k,
                k / n,
                common / (2 * k - common),
                expected / (2 * k - expected),
                common_top / (n_top + k - common_top),
                expected_top / (n_top + k - expected_top),
                pointing,
                pointing_chance,
            ]
        )

    def _threshold(self, k: int) -> tuple[float, float]:
        """Value of the k-th most relevant cell, and the chance of a cell with it to be counted."""
        value = float(self._ordered[self._n - k])
        first = np.searchsorted(self._ordered, value, side="left")
        last = np.searchsorted(self._ordered, value, side="right")
        return value, float((k - (self._n - last)) / (last - first))

    @staticmethod
    def _members(inside: FloatArray, threshold: tuple[float, float]) -> float:
        """How many cells of a region are among the most relevant; ties by their chance."""
        value, part = threshold
        return float(np.count_nonzero(inside > value)) + part * np.count_nonzero(inside == value)


def _widened(cells: BoolArray, by: tuple[int, int]) -> BoolArray:
    """Cells that are within ``by`` rows and columns of a true one."""
    for axis, reach in enumerate(by):
        wide = cells.copy()
        for step in range(1, reach + 1):
            if step >= cells.shape[axis]:
                break
            here, there = [slice(None)] * 2, [slice(None)] * 2
            here[axis], there[axis] = slice(step, None), slice(None, -step)
            wide[tuple(here)] |= cells[tuple(there)]
            wide[tuple(there)] |= cells[tuple(here)]
        cells = wide
    return cells
