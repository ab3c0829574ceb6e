"""Nulls that need only one token: its own tracks or boundaries, moved in time or in frequency.

The exchange between tokens is in :mod:`stressnet.regions.exchange`; nulls of other networks are the
measures of other maps under the token's own masks.

``time_shift``
    Time goes round in a circle. For regions of tracks the circle is the vowels' time: the tracks of
    both nuclei are laid end to end and read a third and two thirds of their length later, so that
    most of a vowel gets the formants of the other vowel of the same word and voice. For other
    regions the circle is the sound: the mask moves on by a third and by two thirds of the sounding
    frames. Time shifts say whether relevance needs *this* moment.
``frequency_shift``
    Bands around tracks move up and down by their own width, onto the places directly above and
    below them (harmonics: halfway to their neighbours). It says whether relevance needs *this*
    frequency and not just its surroundings. Only for regions of tracks.

Each is the mean of its two shifts; a shift that leaves nothing in the image is left out.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from stressnet.regions.exchange import joined_tracks, times_across
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
    times, columns = [], []
    for index, own_s in enumerate(times_across(nuclei)):
        # Frames centred just outside a vowel, which they cover in part, go with its edge.
        place = np.clip(own_s - starts[index], 0.0, lengths[index] - 1e-9) + lengths[:index].sum()
        place = (place + part * around) % around
        second = place >= lengths[0]
        there_s = np.where(second, starts[1] + place - lengths[0], starts[0] + place)
        formants, bandwidths = scene.tracks.formants.at(there_s)
        columns.append(np.vstack([formants, bandwidths, scene.tracks.pitch.at(there_s)]))
        times.append(own_s)
    return scene.with_tracks(joined_tracks(times, columns))


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


def time_shift_masks(
    regions: Sequence[Region], scene: Scene, masks: Mapping[str, Mask | Missing]
) -> list[Masks]:
    """Masks of the null ``time_shift``, one set per shift."""
    result: list[Masks] = []
    for part in TIME_SHIFTS:
        rotated = rotate_tracks(scene, part)
        moved: Masks = {}
        for region in regions:
            mask = masks[region.name]
            if isinstance(mask, Missing) or region.exchange == "none":
                moved[region.name] = _NOTHING
            elif region.exchange == "tracks":
                moved[region.name] = region.draw(rotated)
            else:
                moved[region.name] = rotate_mask(mask, scene, part)
        result.append(moved)
    return result


def frequency_shift_masks(
    regions: Sequence[Region], scene: Scene, masks: Mapping[str, Mask | Missing]
) -> list[Masks]:
    """Masks of the null ``frequency_shift``, one set per shift."""
    result: list[Masks] = []
    for shift in BAND_SHIFTS:
        shifted = replace(scene, band_shift=shift)
        result.append(
            {
                region.name: region.draw(shifted)
                if region.exchange == "tracks" and not isinstance(masks[region.name], Missing)
                else _NOTHING
                for region in regions
            }
        )
    return result


_NOTHING = Missing("nothing to move")

SHIFTS: dict[
    str,
    Callable[[Sequence[Region], Scene, Mapping[str, Mask | Missing]], list[Masks]],
] = {TIME_SHIFT: time_shift_masks, FREQUENCY_SHIFT: frequency_shift_masks}
"""Nulls of one token by name."""


def applies(null: str, region: Region) -> bool:
    """Whether a null says something about a region."""
    if null == FREQUENCY_SHIFT:
        return region.exchange == "tracks"
    return region.exchange != "none" or null not in (EXCHANGE, TIME_SHIFT)
