"""Relevance within regions: shares, areas, energies and densities.

Measures
--------
Let R be a token's relevance, R⁺ its positive part, m a region's mask and P the linear power of the
sound.

``signed_share``
    Σ m R / Σ |R|. Between -1 and 1, defined for every map that is not zero. Over a partition it
    adds to Σ R / Σ |R|.
``net_share``
    Σ m R / Σ R. Adds to 1 over a partition, but has no meaning where positive and negative
    relevance cancel: missing if |Σ R| is under 5 % of Σ |R|.
``positive_share``, ``absolute_share``
    Σ m R⁺ / Σ R⁺ and Σ m |R| / Σ |R|, over the whole image, padding included.
``area_share``
    Cells of the region that hold sound, as a share of all cells that hold sound. Padding is left
    out because a network sees nothing there: with it, any region of a short word would look small
    and its relevance dense.
``area_share_image``, ``area_share_word``
    The same over all cells of the image, and over the cells of the word.
``energy_share``
    Σ m P over the sound divided by Σ P over the sound. P is the squared magnitude of the Fourier
    transform, passed in beside the image: values of an image are logarithms and standardised, so
    that their sum is no energy.
``density``, ``density_absolute``
    Mean R⁺ (or |R|) in the region's cells divided by the mean in cells that hold sound. 1 is what a
    region gets if relevance is strewn evenly over the sound. Where no relevance lies on padding,
    this is ``positive_share / area_share``.
``density_energy``
    Share of the sound's positive relevance divided by ``energy_share``.

A missing region has NaN everywhere and its reason in ``missing``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from stressnet.errors import ConfigError
from stressnet.lexicon.stress import Stress
from stressnet.regions.exchange import exchange_times, exchange_tracks
from stressnet.regions.registry import Missing, Region, get_regions
from stressnet.regions.scene import Scene

FloatArray = NDArray[np.float64]
Record = dict[str, object]

MEASURES = (
    "signed_share",
    "net_share",
    "positive_share",
    "absolute_share",
    "area_share",
    "area_share_image",
    "area_share_word",
    "energy_share",
    "density",
    "density_absolute",
    "density_energy",
)
"""Columns of numbers in the records of :func:`project`."""

NULL_MEASURES = (
    "signed_share",
    "positive_share",
    "absolute_share",
    "area_share",
    "energy_share",
    "density",
    "density_absolute",
    "density_energy",
)
"""Measures that also come as ``null_<measure>``."""

MIN_NET = 0.05
"""Below this share of Σ R in Σ |R| a net share is missing."""

_EXCHANGES: dict[str, Callable[[Scene, Scene], Scene]] = {
    "times": exchange_times,
    "tracks": exchange_tracks,
}


def orient(relevance: NDArray, scene: Scene, positive_for: Stress | None) -> FloatArray:
    """Relevance whose positive values speak for the token's own class.

    Parameters
    ----------
    relevance : ndarray, shape (n_bins, n_frames)
        The map.
    scene : Scene
        The token.
    positive_for : Stress or None
        The class for which the map's positive values speak (INITIAL for the logit difference
        INITIAL - FINAL); None if the map is of the token's own class already.

    Raises
    ------
    ConfigError
        If the token's stress is unknown, or the map has another shape or values that are not
        finite.
    """
    scene.axes.check(relevance, "relevance")
    if not np.isfinite(relevance).all():
        raise ConfigError("relevance holds values that are not finite; explain the token again")
    values = np.asarray(relevance, dtype=np.float64)
    if positive_for is None:
        return values
    if scene.times.stress is None:
        raise ConfigError(
            "relevance cannot be oriented towards the token's class: its stress is unknown; "
            "pass positive_for=None to keep the map's own sign"
        )
    return values if scene.times.stress is positive_for else -values


def project(
    relevance: NDArray,
    scene: Scene,
    *,
    power: NDArray | None = None,
    regions: Iterable[str] | None = None,
    donors: Sequence[Scene] = (),
    positive_for: Stress | None = Stress.INITIAL,
) -> list[Record]:
    """One record per region of one token.

    Parameters
    ----------
    relevance : ndarray, shape (n_bins, n_frames)
        The map.
    scene : Scene
        The token on the map's axes.
    power : ndarray, shape (n_bins, n_frames), optional
        Linear power of the sound; without it energies are missing.
    regions : iterable of str, optional
        Names; all registered regions if left out.
    donors : sequence of Scene
        Tokens to exchange tracks or boundaries with; ``null_*`` are means over them.
    positive_for : Stress or None
        See :func:`orient`.

    Returns
    -------
    list of dict
        ``region``, ``missing`` (empty if not), :data:`MEASURES`, and ``null_<measure>`` for
        :data:`NULL_MEASURES` if there are donors.
    """
    chosen = get_regions(regions)
    oriented = orient(relevance, scene, positive_for)
    sums = _Sums(oriented, scene, power)
    masks = {region.name: region.mask(scene) for region in chosen}
    records = sums.records(masks)
    if donors:
        nulls = [_null_records(chosen, sums, scene, donor) for donor in donors]
        for record in records:
            for measure in NULL_MEASURES:
                values = [null[str(record["region"])][measure] for null in nulls]
                record[f"null_{measure}"] = _mean(values) if not record["missing"] else np.nan
    return records


def project_masks(
    relevance: NDArray,
    scene: Scene,
    masks: Mapping[str, NDArray | Missing],
    *,
    power: NDArray | None = None,
    positive_for: Stress | None = Stress.INITIAL,
) -> list[Record]:
    """Records of given masks, e.g. those of :func:`stressnet.regions.partition.partition`."""
    return _Sums(orient(relevance, scene, positive_for), scene, power).records(masks)


def _null_records(
    chosen: Sequence[Region], sums: _Sums, scene: Scene, donor: Scene
) -> dict[str, Record]:
    masks: dict[str, NDArray | Missing] = {}
    exchanged = {kind: swap(scene, donor) for kind, swap in _EXCHANGES.items()}
    for region in chosen:
        if region.exchange == "none":
            masks[region.name] = Missing("nothing to exchange")
        else:
            masks[region.name] = region.mask(exchanged[region.exchange])
    return {str(record["region"]): record for record in sums.records(masks)}


def _mean(values: Sequence[object]) -> float:
    numbers = np.array(values, dtype=np.float64)
    numbers = numbers[np.isfinite(numbers)]
    return float(numbers.mean()) if len(numbers) else float("nan")


class _Sums:
    """Weighted sums of one token's map under any mask."""

    def __init__(self, relevance: FloatArray, scene: Scene, power: NDArray | None) -> None:
        sound = scene.sound_mask
        word = np.broadcast_to(scene.in_time(scene.times.word), scene.axes.shape)
        positive, absolute = np.maximum(relevance, 0.0), np.abs(relevance)
        if power is None:
            energy = np.zeros(scene.axes.shape)
        else:
            scene.axes.check(power, "power")
            energy = np.asarray(power, dtype=np.float64) * sound
        self._quantities = np.stack(
            [
                relevance,
                positive,
                absolute,
                positive * sound,
                absolute * sound,
                np.ones(scene.axes.shape),
                sound,
                word,
                energy,
            ],
        ).reshape(9, -1)
        self._totals = self._quantities.sum(axis=1)

    def records(self, masks: Mapping[str, NDArray | Missing]) -> list[Record]:
        # One product per mask: stacking the masks first costs more than it saves.
        present = [mask for mask in masks.values() if not isinstance(mask, Missing)]
        sums = np.array([self._quantities @ mask.ravel() for mask in present])
        rows = iter(self._measures(sums) if present else ())
        records: list[Record] = []
        for name, mask in masks.items():
            record: Record = {"region": name, "missing": ""}
            if isinstance(mask, Missing):
                record["missing"] = mask.reason
                record.update(dict.fromkeys(MEASURES, np.nan))
            else:
                record.update(zip(MEASURES, next(rows), strict=True))
            records.append(record)
        return records

    def _measures(self, sums: FloatArray) -> list[list[float]]:
        """Measures per region, in the order of :data:`MEASURES`."""
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
        )
        return np.stack(columns, axis=1).tolist()


def _divide(top: FloatArray, bottom: FloatArray | float) -> FloatArray:
    """Division that gives NaN where the divisor is zero."""
    divisor = np.broadcast_to(np.asarray(bottom, dtype=np.float64), np.shape(top))
    return np.divide(top, divisor, out=np.full(np.shape(top), np.nan), where=divisor != 0)
