"""Nulls: a token whose own tracks or boundaries move, or another one that lends its.

``docs/regions.md`` says what each null takes away; nulls of other networks are the measures of
other maps under the token's own masks. A null is the mean of its draws; one that leaves nothing in
the image is left out. Tracks of the donor's nuclei are mapped by relative time into this token's,
stressed to stressed where both are known; boundaries count from the word's onset.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from stressnet.acoustics.track_types import N_FORMANTS, FormantTrack, PitchTrack, Tracks
from stressnet.axes import FloatArray
from stressnet.errors import ConfigError
from stressnet.intervals import Interval
from stressnet.regions.registry import Mask, Missing, Region, Stretch
from stressnet.regions.scene import Scene, TokenTimes

TRACK_STEP_S = 0.005
_BEYOND_S = 0.010  # frames centred just outside a nucleus still cover a part of it


def draw_partners(
    duration_s: Sequence[float] | FloatArray,
    rng: np.random.Generator,
    *,
    groups: Sequence[str] | None = None,
    strata: Sequence[Sequence[str]] = (),
    block: int = 32,
) -> NDArray[np.intp]:
    """For every token the index of another token, each token being used exactly once.

    ``groups``: partners should differ in this, e.g. the word family; kept to wherever a stratum
    allows. ``strata``: partners agree in these, from the finest to the coarsest, e.g. sex and both
    vowels, then sex and stressed vowel, then sex: a token without a partner of another group in its
    stratum looks for one in the next. What is left in the end is paired without regard to strata.
    ``block``: partners are drawn among so many tokens neighbouring in duration. Returns a
    permutation without fixed points.
    """
    duration = np.asarray(duration_s, dtype=np.float64)
    n = len(duration)
    if n < 2:
        raise ConfigError("an exchange between tokens needs at least two of them")
    if block < 2:
        raise ConfigError("a block of exchange must hold at least two tokens")
    group = np.asarray(groups if groups is not None else np.arange(n)).astype(str)
    partner = np.full(n, -1, dtype=np.intp)
    for stratum in (*_levels(strata, n), np.zeros(n).astype(str)):
        left = np.flatnonzero(partner < 0)
        for name in np.unique(stratum[left]):
            members = left[stratum[left] == name]
            # Everybody can get a partner of another group if none has more than half.
            largest = np.unique(group[members], return_counts=True)[1].max()
            if len(members) < 2 or 2 * largest > len(members):
                continue
            members = members[np.argsort(duration[members], kind="stable")]
            for part in np.array_split(members, max(1, len(members) // block)):
                partner[part] = _derange(part, group, rng)
    left = np.flatnonzero(partner < 0)
    if len(left) > 1:  # all of one group, or one group outnumbers the rest
        partner[left] = _derange(left, group, rng)
    elif len(left) == 1:  # enters the chain before the token nearest in duration
        alone = left[0]
        others = np.delete(np.arange(n), alone)
        different = others[group[others] != group[alone]]
        others = different if len(different) else others
        nearest = others[np.argmin(np.abs(duration[others] - duration[alone]))]
        partner[partner == nearest] = alone
        partner[alone] = nearest
    return partner


def matched_share(partner: NDArray[np.intp], strata: Sequence[Sequence[str]]) -> tuple[float, ...]:
    """Which part of the tokens agrees with its partner in each of some strata."""
    return tuple(float(np.mean(level == level[partner])) for level in _levels(strata, len(partner)))


def _levels(strata: Sequence[Sequence[str]], n: int) -> list[NDArray[np.str_]]:
    levels = [np.asarray(level).astype(str) for level in strata]
    if any(level.shape != (n,) for level in levels):
        raise ConfigError("strata must name one stratum per token")
    return levels


def _derange(
    members: NDArray[np.intp], group: NDArray[np.str_], rng: np.random.Generator
) -> NDArray[np.intp]:
    """A random cyclic shift of the members in groups, past the largest group if possible."""
    order = rng.permutation(len(members))
    labels = group[members[order]]
    names, codes, counts = np.unique(labels, return_inverse=True, return_counts=True)
    order = order[np.argsort(rng.permutation(len(names))[codes], kind="stable")]
    longest, n = int(counts.max()), len(members)
    # A shift by at least the largest group leaves every group, also across the end.
    shift = int(rng.integers(longest, n - longest + 1)) if 2 * longest <= n else n // 2
    shuffled = members[order]
    result = np.empty_like(members)
    result[order] = np.roll(shuffled, -shift)
    return result


def exchange_times(scene: Scene, donor: Scene) -> Scene:
    """The scene with the donor's boundaries; sound, stress and tracks stay."""
    return replace(scene, times=replace(donor.times, stress=scene.times.stress))


def exchange_tracks(scene: Scene, donor: Scene) -> Scene:
    """The scene with the donor's formants and F0 inside its own nuclei."""
    nuclei = scene.times.nuclei
    places = []
    for own_s, nucleus, source in zip(
        times_across(nuclei), nuclei, _counterparts(scene.times, donor.times), strict=True
    ):
        relative = (own_s - nucleus.start_s) / nucleus.duration_s
        places.append(source.start_s + relative * source.duration_s)
    return with_tracks_of(scene, donor.tracks, places)


def _counterparts(own: TokenTimes, donor: TokenTimes) -> list[Interval]:
    """For each nucleus that of a donor; where the donor has fewer, its last serves again."""
    n, there = len(own.nuclei), list(donor.nuclei)
    if own.stressed is None or donor.stressed is None:
        return [there[min(k, len(there) - 1)] for k in range(n)]
    stressed = there.pop(donor.stressed)
    others = [there[min(k, len(there) - 1)] for k in range(n - 1)]
    return [*others[: own.stressed], stressed, *others[own.stressed :]]


def times_across(nuclei: Sequence[Interval]) -> list[FloatArray]:
    """Times every 5 ms across nuclei and a little beyond, none reaching into another."""
    middles_s = [0.5 * (one.end_s + next_.start_s) for one, next_ in pairwise(nuclei)]
    lows_s = [-np.inf, *(middle_s + 1e-6 for middle_s in middles_s)]
    highs_s = [*(middle_s - 1e-6 for middle_s in middles_s), np.inf]
    return [_across(*each) for each in zip(nuclei, lows_s, highs_s, strict=True)]


def with_tracks_of(scene: Scene, tracks: Tracks, places: Sequence[FloatArray]) -> Scene:
    """The scene with what some tracks are at given places, and nothing between its nuclei.

    For each nucleus, ``places`` are times in these tracks, one for each of :func:`times_across`.
    """
    times = times_across(scene.times.nuclei)
    time_s, there_s = np.concatenate(times), np.concatenate(places)
    values = np.vstack([*tracks.formants.at(there_s), tracks.pitch.at(there_s)])
    ends = np.cumsum([len(part) for part in times])[:-1]
    for at, (before, after) in reversed(list(zip(ends, pairwise(times), strict=True))):
        if after[0] - before[-1] > TRACK_STEP_S:
            time_s = np.insert(time_s, at, [before[-1] + 1e-6, after[0] - 1e-6])
            values = np.insert(values, [at, at], np.nan, axis=1)
    formants = FormantTrack(time_s, values[:N_FORMANTS], values[N_FORMANTS : 2 * N_FORMANTS])
    return replace(scene, tracks=Tracks(formants, PitchTrack(time_s, values[-1])))


def _across(nucleus: Interval, low_s: float, high_s: float) -> FloatArray:
    start_s = max(nucleus.start_s - _BEYOND_S, low_s)
    end_s = min(nucleus.end_s + _BEYOND_S, high_s)
    return np.linspace(start_s, end_s, max(2, int((end_s - start_s) / TRACK_STEP_S) + 1))


Masks = dict[str, Mask | Missing]

EXCHANGE, TIME_SHIFT, FREQUENCY_SHIFT = "exchange", "time_shift", "frequency_shift"
SHIFTS = (TIME_SHIFT, FREQUENCY_SHIFT)  # Nulls that need only one token
TIME_SHIFTS = (1 / 3, 2 / 3)  # Parts of the circle by which times move on
BAND_SHIFTS = (2.0, -2.0)  # By how many half-widths bands move up


def rotate_tracks(scene: Scene, part: float) -> Scene:
    """The scene whose vowels have the tracks of ``part`` of the vowels' joint duration later."""
    nuclei = scene.times.nuclei
    lengths = np.array([nucleus.duration_s for nucleus in nuclei])
    starts = np.array([nucleus.start_s for nucleus in nuclei])
    around = lengths.sum()
    before = np.cumsum(lengths) - lengths
    places = []
    for index, own_s in enumerate(times_across(nuclei)):
        # Frames centred just outside a vowel, which they cover in part, go with its edge.
        place = np.clip(own_s - starts[index], 0.0, lengths[index] - 1e-9) + before[index]
        place = (place + part * around) % around
        into = np.searchsorted(before, place, side="right") - 1
        places.append(starts[into] + place - before[into])
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
