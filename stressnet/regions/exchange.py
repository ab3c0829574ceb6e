"""The null in which a token borrows the tracks or the boundaries of another token.

If relevance lies where *this* token's formants are, and not merely where formants usually are, it
must leave the bands when another token's formants draw them. Likewise for boundaries.

Tracks
    Formants and F0 of the donor's nuclei are mapped by relative time into this token's nuclei
    (stressed to stressed where both stresses are known, else first to first): the regions keep
    their extent in time, only their place in frequency is exchanged.
Times
    The donor's boundaries, counted from its word's onset, replace this token's; what runs beyond
    this token's sound is cut off. The token keeps its own stress, so ``nucleus_stressed`` is where
    its stressed vowel would be if it had the donor's rhythm.

Partners are of similar duration, and of another group (word) where possible.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from stressnet.acoustics.tracks import N_FORMANTS, FormantTrack, PitchTrack, Tracks
from stressnet.errors import ConfigError
from stressnet.intervals import Interval
from stressnet.regions.scene import Scene

FloatArray = NDArray[np.float64]

TRACK_STEP_S = 0.005
_BEYOND_S = 0.010  # frames centred just outside a nucleus still cover a part of it


def draw_partners(
    duration_s: Sequence[float] | FloatArray,
    rng: np.random.Generator,
    *,
    groups: Sequence[str] | None = None,
    strata: Sequence[str] | None = None,
    block: int = 32,
) -> NDArray[np.intp]:
    """For every token the index of another token, each token being used exactly once.

    Parameters
    ----------
    duration_s : sequence of float, shape (n,)
        Durations of the words.
    rng : numpy.random.Generator
        Source of randomness.
    groups : sequence of str, optional
        Partners should differ in this, e.g. the word; kept to as far as a block allows.
    strata : sequence of str, optional
        Partners agree in this, e.g. the speaker's sex; a stratum of one joins the rest.
    block : int
        Partners are drawn among so many tokens neighbouring in duration; the number of tokens or
        more for any token.

    Returns
    -------
    ndarray of int, shape (n,)
        A permutation without fixed points.

    Raises
    ------
    ConfigError
        If there are fewer than two tokens.
    """
    duration = np.asarray(duration_s, dtype=np.float64)
    n = len(duration)
    if n < 2:
        raise ConfigError("an exchange between tokens needs at least two of them")
    if block < 2:
        raise ConfigError("a block of exchange must hold at least two tokens")
    group = np.asarray(groups if groups is not None else np.arange(n)).astype(str)
    stratum = np.asarray(strata if strata is not None else np.zeros(n)).astype(str)
    names, counts = np.unique(stratum, return_counts=True)
    lonely = np.isin(stratum, names[counts < 2])
    if lonely.sum() == 1:  # a single left-over joins the largest stratum
        stratum[lonely] = names[counts.argmax()] if counts.max() > 1 else "rest"
    else:
        stratum = np.where(lonely, "", stratum)

    partner = np.empty(n, dtype=np.intp)
    for name in np.unique(stratum):
        members = np.flatnonzero(stratum == name)
        members = members[np.argsort(duration[members], kind="stable")]
        n_blocks = max(1, len(members) // block)
        for part in np.array_split(members, n_blocks):
            partner[part] = _derange(part, group, rng)
    return partner


def _derange(
    members: NDArray[np.intp], group: NDArray[np.str_], rng: np.random.Generator
) -> NDArray[np.intp]:
    """A cyclic shift of a random order, the one with the fewest partners in the same group."""
    order = rng.permutation(len(members))
    shuffled = members[order]
    labels = group[shuffled]
    shifts = rng.permutation(np.arange(1, len(members)))
    clashes = [int(np.sum(labels == np.roll(labels, -s))) for s in shifts]
    donors = np.roll(shuffled, -int(shifts[int(np.argmin(clashes))]))
    result = np.empty_like(members)
    result[order] = donors
    return result


def exchange_times(scene: Scene, donor: Scene) -> Scene:
    """The scene with the donor's boundaries; sound, stress and tracks stay."""
    return replace(scene, times=replace(donor.times, stress=scene.times.stress))


def exchange_tracks(scene: Scene, donor: Scene) -> Scene:
    """The scene with the donor's formants and F0 inside its own nuclei."""
    same_role = None not in (scene.times.stressed, donor.times.stressed)
    swap = same_role and scene.times.stressed != donor.times.stressed
    nuclei = scene.times.nuclei
    sources = donor.times.nuclei[::-1] if swap else donor.times.nuclei
    # Neighbouring vowels: neither may reach into the other.
    middle_s = 0.5 * (nuclei[0].end_s + nuclei[1].start_s)
    spans = ((-np.inf, middle_s - 1e-6), (middle_s + 1e-6, np.inf))
    times, columns = [], []
    for nucleus, source, (low, high) in zip(nuclei, sources, spans, strict=True):
        own_s, there_s = _paired_times(nucleus, source, low, high)
        formants, bandwidths = donor.tracks.formants.at(there_s)
        columns.append(np.vstack([formants, bandwidths, donor.tracks.pitch.at(there_s)]))
        times.append(own_s)
    time_s = np.concatenate(times)
    values = np.concatenate(columns, axis=1)
    if times[1][0] - times[0][-1] > TRACK_STEP_S:  # nothing is known between the nuclei
        gap_s = [times[0][-1] + 1e-6, times[1][0] - 1e-6]
        at = len(times[0])
        time_s = np.insert(time_s, at, gap_s)
        values = np.insert(values, [at, at], np.nan, axis=1)
    return scene.with_tracks(
        Tracks(
            FormantTrack(time_s, values[:N_FORMANTS], values[N_FORMANTS : 2 * N_FORMANTS]),
            PitchTrack(time_s, values[-1]),
        )
    )


def _paired_times(
    nucleus: Interval, source: Interval, low_s: float, high_s: float
) -> tuple[FloatArray, FloatArray]:
    """Times across a nucleus and the times at the same relative place in another."""
    start_s = max(nucleus.start_s - _BEYOND_S, low_s)
    end_s = min(nucleus.end_s + _BEYOND_S, high_s)
    own_s = np.linspace(start_s, end_s, max(2, int((end_s - start_s) / TRACK_STEP_S) + 1))
    relative = (own_s - nucleus.start_s) / nucleus.duration_s
    return own_s, source.start_s + relative * source.duration_s
