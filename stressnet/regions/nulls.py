"""Nulls that need only one token: its own tracks or boundaries, moved in time or in frequency.

The exchange between tokens is in :mod:`stressnet.regions.exchange`; nulls of other networks are the
measures of other maps under the token's own masks. ``docs/regions.md`` says what each takes away.
Each is the mean of its two shifts; a shift that leaves nothing in the image is left out.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from stressnet.regions.exchange import times_across, with_tracks_of
from stressnet.regions.registry import Mask, Missing, Region, Stretch
from stressnet.regions.scene import Scene

FloatArray = NDArray[np.float64]
Masks = dict[str, Mask | Missing]

EXCHANGE, TIME_SHIFT, FREQUENCY_SHIFT = "exchange", "time_shift", "frequency_shift"
TIME_SHIFTS = (1 / 3, 2 / 3)
"""Parts of the circle by which times move on."""

BAND_SHIFTS = (2.0, -2.0)
"""By how many half-widths bands move up."""


def rotate_tracks(scene: Scene, part: float) -> Scene:
    """The scene whose vowels have the tracks of ``part`` of the vowels' joint duration later."""
    nuclei = scene.times.nuclei
    lengths = np.array([nucleus.duration_s for nucleus in nuclei])
    starts = np.array([nucleus.start_s for nucleus in nuclei])
    around = lengths.sum()
    places = []
    for index, own_s in enumerate(times_across(nuclei)):
        # Frames centred just outside a vowel, which they cover in part, go with its edge.
        place = np.clip(own_s - starts[index], 0.0, lengths[index] - 1e-9) + lengths[:index].sum()
        place = (place + part * around) % around
        second = place >= lengths[0]
        places.append(np.where(second, starts[1] + place - lengths[0], starts[0] + place))
    return with_tracks_of(scene, scene.tracks, places)


def rotate_mask(mask: Mask, scene: Scene, part: float) -> NDArray:
    """A mask moved on by ``part`` of the sounding frames, round in a circle."""
    if isinstance(mask, Stretch):
        mask = mask.whole(scene)
    frames = np.flatnonzero(scene.sound)
    source = np.roll(frames, round(part * len(frames)))
    if mask.strides[0] == 0:
        row = mask[0].copy()
        row[frames] = mask[0, source]
        return scene.over_bins(row)
    moved = mask.copy()
    moved[:, frames] = mask[:, source]
    return moved


def _time_shift_masks(
    regions: Sequence[Region], scene: Scene, masks: Mapping[str, Mask | Missing]
) -> list[Masks]:
    """Masks of the null ``time_shift``, one set per shift."""

    def moved(region: Region, part: float, rotated: Scene) -> Mask | Missing:
        mask = masks[region.name]
        if isinstance(mask, Missing) or region.exchange == "none":
            return _NOTHING
        return (
            region.draw(rotated) if region.exchange == "tracks" else rotate_mask(mask, scene, part)
        )

    scenes = {part: rotate_tracks(scene, part) for part in TIME_SHIFTS}
    return [
        {region.name: moved(region, part, rotated) for region in regions}
        for part, rotated in scenes.items()
    ]


def _frequency_shift_masks(
    regions: Sequence[Region], scene: Scene, masks: Mapping[str, Mask | Missing]
) -> list[Masks]:
    """Masks of the null ``frequency_shift``, one set per shift."""
    return [
        {
            region.name: region.draw(shifted)
            if region.exchange == "tracks" and not isinstance(masks[region.name], Missing)
            else _NOTHING
            for region in regions
        }
        for shifted in (replace(scene, band_shift=shift) for shift in BAND_SHIFTS)
    ]


_NOTHING = Missing("nothing to move")

SHIFTS: dict[
    str,
    Callable[[Sequence[Region], Scene, Mapping[str, Mask | Missing]], list[Masks]],
] = {TIME_SHIFT: _time_shift_masks, FREQUENCY_SHIFT: _frequency_shift_masks}
"""Nulls of one token by name."""


def applies(null: str, region: Region) -> bool:
    """Whether a null says something about a region."""
    if null == FREQUENCY_SHIFT:
        return region.exchange == "tracks"
    return region.exchange != "none" or null not in (EXCHANGE, TIME_SHIFT)
