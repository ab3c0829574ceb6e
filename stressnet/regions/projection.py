"""Relevance within regions: one record per region of a token, beside its nulls."""

import warnings
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from stressnet.axes import FloatArray
from stressnet.errors import ConfigError, check_names
from stressnet.lexicon.stress import Stress
from stressnet.regions.measures import MEASURES, MapSums
from stressnet.regions.nulls import EXCHANGE, SHIFTS, Masks, null_masks
from stressnet.regions.registry import Mask, Missing, Region, get_regions
from stressnet.regions.scene import Scene

Record = dict[str, object]

ControlKey = tuple[str, int | None]  # Name of a null of other maps, and which draw of it

NULL_MEASURES = (  # Measures that also come as `null_<measure>`: the same under the null `exchange`
    *("signed_share", "positive_share", "absolute_share", "area_share", "energy_share"),
    *("density", "density_absolute", "density_energy", "share_in_nucleus", "density_in_nucleus"),
)

_NULL_COLUMNS = [MEASURES.index(measure) for measure in NULL_MEASURES]


@dataclass(frozen=True)
class Projection:
    """One token's map in regions."""

    regions: tuple[Region, ...]
    missing: tuple[str, ...]  # Per region why it is missing; empty if it is not
    # Columns `stressnet.regions.measures.MEASURES`; shape (n_regions, n_measures)
    values: FloatArray
    # The same under each null, NaN where it says nothing about a region; and other maps under the
    # token's own masks and under the exchanged ones.
    nulls: dict[str, FloatArray]
    others: dict[ControlKey, tuple[FloatArray, FloatArray]] = field(default_factory=dict)

    def records(self) -> list[Record]:
        """A row per region: ``region``, ``missing``, measures, and ``null_<measure>`` if known."""
        rows: list[Record] = []
        exchanged = self.nulls.get(EXCHANGE)
        for i, region in enumerate(self.regions):
            row: Record = {"region": region.name, "missing": self.missing[i]}
            row.update(zip(MEASURES, self.values[i].tolist(), strict=True))
            if exchanged is not None:
                for name, column in zip(NULL_MEASURES, _NULL_COLUMNS, strict=True):
                    row[f"null_{name}"] = float(exchanged[i, column])
            rows.append(row)
        return rows


def _orient(relevance: NDArray, scene: Scene, positive_for: Stress | None) -> FloatArray:
    """Relevance whose positive values speak for the token's own class; errors as `project_map`."""
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


def project_map(
    relevance: NDArray,
    scene: Scene,
    *,
    power: NDArray | None = None,
    regions: Iterable[str] | None = None,
    donors: Sequence[Scene] = (),
    shifts: Sequence[str] = (),
    other_maps: Mapping[ControlKey, NDArray] | None = None,
    positive_for: Stress | None = Stress.INITIAL,
) -> Projection:
    """One token's map in regions, and under any nulls.

    Map and power have the shape (n_bins, n_frames); without the sound's linear power, energies are
    missing. All registered regions are taken if none are named. With ``donors`` the null
    ``exchange`` takes tracks or boundaries; ``shifts`` are of `stressnet.regions.nulls.SHIFTS`.

    ``other_maps`` are of the same token (of other networks, of the input), by the name and draw of
    their null. Their positive values should speak for the class that the other network predicts:
    one that has learnt nothing is right by chance only, and its evidence against the token's own
    class would be what it has no reason for. ``positive_for`` is the class for which the map's
    positive values speak (INITIAL for the logit difference INITIAL - FINAL), None if the map is of
    the token's own class already.
    """
    check_names("null", shifts, SHIFTS)
    chosen = get_regions(regions)
    sums = MapSums(_orient(relevance, scene, positive_for), scene, power)
    masks: Masks = {region.name: region.draw(scene) for region in chosen}
    missing = tuple(mask.reason if isinstance(mask, Missing) else "" for mask in masks.values())
    drawn = {
        null: null_masks(null, chosen, scene, masks, donors)
        for null in (*([EXCHANGE] if donors else []), *shifts)
    }
    nulls = {null: _mean_measures(sums, chosen, sets) for null, sets in drawn.items()}
    others = {}
    for key, other in (other_maps or {}).items():
        own = MapSums(_orient(other, scene, None), scene, power)
        exchanged = _mean_measures(own, chosen, drawn.get(EXCHANGE, []), localise=False)
        others[key] = own.measure(chosen, masks), exchanged
    return Projection(tuple(chosen), missing, sums.measure(chosen, masks), nulls, others)


def project_masks(
    relevance: NDArray,
    scene: Scene,
    masks: Mapping[str, Mask | Missing],
    *,
    power: NDArray | None = None,
    positive_for: Stress | None = Stress.INITIAL,
) -> list[Record]:
    """Records of given masks, e.g. those of :func:`stressnet.regions.partition.partition`."""
    sums = MapSums(_orient(relevance, scene, positive_for), scene, power)
    named = tuple(Region(name, "", _drawn_already) for name in masks)
    missing = tuple(mask.reason if isinstance(mask, Missing) else "" for mask in masks.values())
    return Projection(named, missing, sums.measure(named, masks), {}).records()


def _drawn_already(_: Scene) -> Missing:
    return Missing("its mask was passed in")


def _mean_measures(
    sums: MapSums, chosen: Sequence[Region], masks: Sequence[Masks], localise: bool = True
) -> FloatArray:
    """Mean measures over several sets of masks, without those that are missing."""
    if not masks:
        return np.full((len(chosen), len(MEASURES)), np.nan)
    values = np.stack(
        [sums.measure(chosen, each, chance=False, localise=localise) for each in masks]
    )
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Mean of empty slice", RuntimeWarning)
        return np.nanmean(values, axis=0)
