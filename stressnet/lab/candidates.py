"""The regions among which a map has to single out the true one.

===================  ===============================================================================
name                 region (``_1``, ``_2``: in the first or second syllable)
===================  ===============================================================================
``F0_1``             the band around the first harmonic in the vowel, where the window resolves it
``harmonics_1``      the bands around harmonics 1 to 10 in the vowel, where the window resolves them
``F1_1`` … ``F4_1``  the bands around the formants in the vowel
``low_1``            the vowel below 1 kHz
``high_1``           the vowel from 1 kHz upwards
``vowel_edges_1``    all frequencies within 15 ms of the vowel's limits
``onset_1``          the consonants before the vowel, and ``coda_1`` those after it
``word_start``       all frequencies within 20 ms of the word's first moment, ``word_end`` its last
``before``           sound in the image before the word, and ``after`` behind it
``padding``          frames without sound
===================  ===============================================================================

Regions overlap: a formant lies in a vowel. A rival of the true region therefore counts without the
cells of the *wide* truth (:func:`rivals`): relevance that lies on the cue is not held against a
map because the same cells also have another name.
"""

from collections.abc import Container

import numpy as np
from scipy.ndimage import binary_dilation

from stressnet.acoustics.track_types import N_FORMANTS
from stressnet.axes import BoolArray
from stressnet.intervals import Interval
from stressnet.regions.registry import Missing, get_regions
from stressnet.regions.scene import Scene

TILT_SPLIT_HZ = 1000.0
"""Where the halves of the spectrum meet whose balance is spectral tilt (Sluijter & van Heuven 1996
find the cue above 500 Hz; 1 kHz is above F1 of nearly every vowel)."""

VOWEL_EDGE_S = 0.015
WORD_EDGE_S = 0.020

MIN_CELLS = 12  # A rival with fewer cells left is too small to be ranked: its mean is luck
MIN_PART = 0.25  # The same for the part of a rival's cells that is left

_BANDS = ("F0", "harmonics", *(f"F{k}" for k in range(1, N_FORMANTS + 1)))
_PARTS = (*_BANDS, "low", "high", "vowel_edges", "onset", "coda")

CANDIDATES: tuple[str, ...] = (  # Names of all candidate regions, in the order of tables
    *(f"{part}_{syllable}" for syllable in (1, 2) for part in _PARTS),
    *("word_start", "word_end", "before", "after", "padding"),
)

_PAIRS = [("word_start", "word_end"), ("before", "after"), *((f"{p}_1", f"{p}_2") for p in _PARTS)]
_MIRRORED = dict([*_PAIRS, *((other, one) for one, other in _PAIRS)])
_INSTEAD = {"coda_1": "onset_2", "coda_2": "onset_1"}
"""Where the other syllable is open: the other consonants at its edge away from this one."""


def counterpart(name: str, there: Container[str] = CANDIDATES) -> str | None:
    """The mirrored control: the same part of the other syllable, or the word's other end.

    None for ``padding``, and where the word, which has the regions ``there``, has no counterpart.
    The control of a final consonant is the first one if the first syllable is open.
    """
    options = _MIRRORED.get(name), _INSTEAD.get(name)
    return next((other for other in options if other is not None and other in there), None)


def candidate_masks(scene: Scene) -> dict[str, BoolArray]:
    """All candidate regions that a word has, shape (n_bins, n_frames) each.

    A cell belongs to a region from a part of one half on. All but ``padding`` hold sounding cells
    only.
    """
    found: dict[str, BoolArray] = {}
    bands = {region.name: region.mask(scene) for region in get_regions(_BANDS)}
    low = scene.axes.frequency_hz < TILT_SPLIT_HZ
    everywhere = np.ones(scene.axes.shape[0], dtype=bool)
    for syllable, nucleus in enumerate(scene.times.nuclei):
        end = f"_{syllable + 1}"
        frames = scene.in_time(nucleus) >= 0.5
        for name, mask in bands.items():
            if not isinstance(mask, Missing):
                found[name + end] = (mask >= 0.5) & frames
        found["low" + end] = np.outer(low, frames)
        found["high" + end] = np.outer(~low, frames)
        limits = [around(t, VOWEL_EDGE_S) for t in (nucleus.start_s, nucleus.end_s)]
        found["vowel_edges" + end] = np.outer(everywhere, scene.in_time(*limits) >= 0.5)
    for part, groups in (("onset", scene.times.onsets), ("coda", scene.times.codas)):
        for syllable, phones in enumerate(groups):
            if phones:
                frames = scene.in_time(*phones) >= 0.5
                found[f"{part}_{syllable + 1}"] = np.outer(everywhere, frames)
    word = scene.times.word
    time_s, sound = scene.axes.time_s, scene.sound
    for name, frames in (
        ("word_start", scene.in_time(around(word.start_s, WORD_EDGE_S)) >= 0.5),
        ("word_end", scene.in_time(around(word.end_s, WORD_EDGE_S)) >= 0.5),
        ("before", sound & (time_s < word.start_s)),
        ("after", sound & (time_s >= word.end_s)),
        ("padding", ~sound),
    ):
        found[name] = np.outer(everywhere, frames)
    return {name: found[name] for name in CANDIDATES if name in found and found[name].any()}


def rivals(
    masks: dict[str, BoolArray], wide: BoolArray, true_regions: tuple[str, ...]
) -> dict[str, BoolArray]:
    """Candidates other than the true ones, without the cells of the wide truth."""
    left = {}
    for name, mask in masks.items():
        rest = mask & ~wide
        n_left, n_all = int(rest.sum()), int(mask.sum())
        if name not in true_regions and n_left >= MIN_CELLS and n_left >= MIN_PART * n_all:
            left[name] = rest
    return left


def true_masks(
    masks: dict[str, BoolArray], truth: BoolArray, scene: Scene, true_regions: tuple[str, ...]
) -> dict[str, BoolArray]:
    """The true regions of a word: the candidates' masks, or the part of the truth in the syllable.

    The latter where the word lacks the candidate, e.g. because its harmonics are not resolved.
    """
    found = {}
    for name in true_regions:
        mask = masks.get(name)
        if mask is None:
            mask = truth
            if name[-2:] in ("_1", "_2"):
                syllable = scene.times.syllables[int(name[-1]) - 1]
                mask = truth & (scene.in_time(syllable) >= 0.5)
        if mask.any():
            found[name] = mask
    return found


def grown(mask: BoolArray, bins: int, frames: int) -> BoolArray:
    """A mask with what lies within so many bins and frames of it."""
    return binary_dilation(mask, np.ones((2 * bins + 1, 2 * frames + 1), dtype=bool))


def around(time_s: float, reach_s: float) -> Interval:
    """What lies within so many seconds of a time."""
    return Interval(time_s - reach_s, time_s + reach_s, "")
