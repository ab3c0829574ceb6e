"""Nulls that need one token, whose own tracks or boundaries move, or a second one that lends its.

What the exchange between tokens does is in :mod:`stressnet.regions.exchange`; nulls of other
networks are the measures of other maps under the token's own masks. ``docs/regions.md`` says what
each takes away. A null is the mean of its draws; one that leaves nothing in the image is left out.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from stressnet.regions.exchange import exchange_times, exchange_tracks, times_across, with_tracks_of
from stressnet.regions.registry import Mask, Missing, Region, Stretch
from stressnet.regions.scene import Scene

Masks = dict[str, Mask | Missing]

EXCHANGE, TIME_SHIFT, FREQUENCY_SHIFT = "exchange", "time_shift", "frequency_shift"
SHIFTS = (TIME_SHIFT, FREQUENCY_SHIFT)
"""Nulls that need only one token."""

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


def null_masks(
    null: str,
    regions: Sequence[Region],
    scene: Scene,
    masks: Mapping[str, Mask | Missing],
    donors: Sequence[Scene] = (),
) -> list[Masks]:
    """Masks of regions under a null, one set per draw.

    The null is :data:`EXCHANGE`, with the tracks and boundaries of ``donors``, or one of
    :data:`SHIFTS`; ``masks`` are the regions' own.
    """
    moved: list[tuple[dict[str, Scene], float]]
    if null == EXCHANGE:
        moved = [
            ({"times": exchange_times(scene, other), "tracks": exchange_tracks(scene, other)}, 0.0)
            for other in donors
        ]
    elif null == FREQUENCY_SHIFT:
        moved = [({"tracks": replace(scene, band_shift=shift)}, 0.0) for shift in BAND_SHIFTS]
    else:
        moved = [({"tracks": rotate_tracks(scene, part)}, part) for part in TIME_SHIFTS]

    def drawn(region: Region, scenes: dict[str, Scene], part: float) -> Mask | Missing:
        mask = masks[region.name]
        if isinstance(mask, Missing) or not applies(null, region):
            return Missing("nothing to move or exchange")
        if region.exchange in scenes:
            return region.draw(scenes[region.exchange])
        return rotate_mask(mask, scene, part)

    return [{region.name: drawn(region, *each) for region in regions} for each in moved]


def applies(null: str, region: Region) -> bool:
    """Whether a null says something about a region."""
    if null == FREQUENCY_SHIFT:
        return region.exchange == "tracks"
    return region.exchange != "none" or null not in (EXCHANGE, TIME_SHIFT)
