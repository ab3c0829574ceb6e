"""Relevance within masks of one token: shares, areas, energies, densities, localisation.

``docs/regions.md`` defines every measure. With R a token's relevance, m a region's mask and P the
linear power of the sound: shares of R over the whole image include padding; areas and energies are
of cells that hold sound, since a network sees nothing in padding and with it any region of a short
word would look small and its relevance dense. ``net_share`` has no meaning where positive and
negative relevance cancel: missing if |Σ R| is under 5 % of Σ |R|. ``density`` is the mean R⁺ in the
region's cells by that in cells with sound, ``density_energy`` the share of the sound's R⁺ by
``energy_share``. ``mass_accuracy`` (Arras et al. 2022) differs from ``positive_share`` only where
padding carries relevance. Measures ``*_in_nucleus`` are only of regions with
:attr:`~stressnet.regions.registry.Region.within`.

Measures of localisation are those of :mod:`stressnet.explain.faithfulness.map_measures` (the
test-suite checks that they agree), over one token's sounding cells and without torch. A cell
belongs to a region from a part of one half on; chance is what a map gets whose values are strewn at
random over the N sounding cells, for a region of K cells K / N, the overlap K² / N, or the share of
cells from which the region is pointed at (Zhang et al. 2018). All are missing if the region holds
no whole sounding cell or all of them, or if the map has no positive relevance.
"""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from stressnet.axes import BoolArray, FloatArray
from stressnet.regions.registry import HOSTS, Mask, Missing, Region, Stretch
from stressnet.regions.scene import Scene
from stressnet.regions.time_regions import nucleus_cover

LOCALISATION = (  # Measures of localisation, in the order of `Localiser`'s results
    *("rank_accuracy", "rank_accuracy_chance", "iou", "iou_chance"),
    *("iou_top10", "iou_top10_chance", "pointing", "pointing_chance"),
)

TOP_SHARE = 0.10  # Share of the sounding cells above the threshold of `iou_top10`
TOLERANCE_S = 0.020  # How far beside a region a peak may lie: what good alignments are off by
TOLERANCE_HZ = 80.0  # The same in frequency: what labellers of formants differ by (two bins)


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
        """Measures of a region given its mask in a stretch of frames, shape (n, n_bins)."""
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


MEASURES = (  # All measures, in the order of `MapSums.measure`'s columns
    *("signed_share", "net_share", "positive_share", "absolute_share"),
    *("area_share", "area_share_image", "area_share_word", "energy_share"),
    *("density", "density_absolute", "density_energy", "mass_accuracy"),
    *("share_in_nucleus", "signed_share_in_nucleus", "area_share_in_nucleus", "density_in_nucleus"),
    *LOCALISATION,
)

_N_BASIC, _N_NUCLEUS = 12, 4

MIN_NET = 0.05  # Below this share of Σ R in Σ |R| a net share is missing

_N_QUANTITIES = 9


class MapSums:
    """Sums of one token's map under any mask.

    ``relevance`` has the shape (n_bins, n_frames), its positive values speaking for the token's own
    class, and so has ``power``, the linear power of the sound; without it energies are missing.
    """

    def __init__(self, relevance: FloatArray, scene: Scene, power: NDArray | None) -> None:
        n_bins, n_frames = self.shape = scene.axes.shape
        sound = scene.sound.astype(np.float64)
        word = scene.in_time(scene.times.word)
        # Frame by frame, so that the few frames of a region lie together in memory.
        quantities = np.empty((n_frames, n_bins, _N_QUANTITIES))
        by_frame = relevance.T
        np.maximum(by_frame, 0.0, out=quantities[..., 1])
        np.abs(by_frame, out=quantities[..., 2])
        quantities[..., 0] = by_frame
        quantities[..., 3] = quantities[..., 1] * sound[:, None]
        quantities[..., 4] = quantities[..., 2] * sound[:, None]
        quantities[..., 5] = 1.0
        quantities[..., 6] = sound[:, None]
        quantities[..., 7] = word[:, None]
        if power is None:
            quantities[..., 8] = 0.0
        else:
            scene.axes.check(power, "power")
            quantities[..., 8] = np.asarray(power, dtype=np.float64).T * sound[:, None]
        self._quantities = quantities
        self._per_frame = quantities.sum(axis=1)
        self._totals = self._per_frame.sum(axis=0)
        self._hosts: dict[str, FloatArray] = {}
        for host in HOSTS:
            which = None if host == "nuclei" else host.removeprefix("nucleus_")
            cover = nucleus_cover(scene, which)
            if not isinstance(cover, Missing):
                self._hosts[host] = cover @ self._per_frame
        self._localiser = Localiser(by_frame, scene)

    def measure(
        self,
        regions: Sequence[Region],
        masks: Mapping[str, Mask | Missing],
        *,
        chance: bool = True,
        localise: bool = True,
    ) -> FloatArray:
        """Measures of some regions by their masks, shape (n_regions, n_measures).

        Columns are :data:`MEASURES`, NaN throughout where the mask is missing. Left out for time
        may be ``pointing_chance``, the costliest of all, and all measures of localisation, which
        cost most of the rest.
        """
        result = np.full((len(regions), len(MEASURES)), np.nan)
        sums = np.full((len(regions), _N_QUANTITIES), np.nan)
        hosts = np.full((len(regions), _N_QUANTITIES), np.nan)
        for row, region in enumerate(regions):
            mask = masks[region.name]
            if isinstance(mask, Missing):
                continue
            if not isinstance(mask, Stretch) and mask.strides[0] == 0:  # the same in every bin
                sums[row] = mask[0] @ self._per_frame
                if localise:
                    places = self._localiser.of_frames(mask[0])
            else:
                if not isinstance(mask, Stretch):
                    frames = np.flatnonzero(mask.max(axis=0))
                    first, last = (frames[0], frames[-1] + 1) if len(frames) else (0, 0)
                    mask = Stretch(mask[:, first:last], int(first))
                cells = np.ascontiguousarray(mask.values.T)
                part = slice(mask.start, mask.start + len(cells))
                sums[row] = cells.ravel() @ self._quantities[part].reshape(-1, _N_QUANTITIES)
                if localise:
                    places = self._localiser.of_cells(cells, part, chance=chance)
            if localise:
                result[row, -len(LOCALISATION) :] = places
            if region.within in self._hosts:
                hosts[row] = self._hosts[region.within]
        result[:, :_N_BASIC] = self._basic(sums)
        result[:, _N_BASIC : _N_BASIC + _N_NUCLEUS] = _in_nucleus(sums, hosts)
        return result

    def _basic(self, sums: FloatArray) -> FloatArray:
        """The first measures, up to densities."""
        net, pos, absolute, pos_sound, _, cells, sound, word, energy = sums.T
        (t_net, t_pos, t_abs, t_pos_sound, t_abs_sound, t_cells, t_sound, t_word, t_energy) = (
            self._totals
        )
        cancels = abs(t_net) < MIN_NET * t_abs
        energy_share = _divide(energy, t_energy)
        columns = (
            _divide(net, t_abs),
            _divide(net, 0.0 if cancels else t_net),
            _divide(pos, t_pos),
            _divide(absolute, t_abs),
            _divide(sound, t_sound),
            _divide(cells, t_cells),
            _divide(word, t_word),
            energy_share,
            _divide(_divide(pos, cells), t_pos_sound / t_sound if t_sound else 0.0),
            _divide(_divide(absolute, cells), t_abs_sound / t_sound if t_sound else 0.0),
            _divide(_divide(pos_sound, t_pos_sound), energy_share),
            _divide(pos_sound, t_pos_sound),
        )
        return np.stack(columns, axis=1)


def _in_nucleus(sums: FloatArray, hosts: FloatArray) -> FloatArray:
    net, pos, _, _, _, cells, *_ = sums.T
    _, h_pos, h_abs, _, _, h_cells, *_ = hosts.T
    share, area = _divide(pos, h_pos), _divide(cells, h_cells)
    return np.stack([share, _divide(net, h_abs), area, _divide(share, area)], axis=1)


def _divide(top: FloatArray, bottom: FloatArray | float) -> FloatArray:
    """Division that gives NaN where the divisor is zero."""
    divisor = np.broadcast_to(np.asarray(bottom, dtype=np.float64), np.shape(top))
    return np.divide(top, divisor, out=np.full(np.shape(top), np.nan), where=divisor != 0)
