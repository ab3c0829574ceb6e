"""Regions that are stretches of time: syllables and their parts, the word, what lies beside it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

import numpy as np

from stressnet.axes import FloatArray
from stressnet.intervals import Interval
from stressnet.regions.registry import Missing, Region, add
from stressnet.regions.scene import Scene, TokenTimes

STRESS_UNKNOWN = Missing("the token's stress is unknown")
WHICH = {"1": "first", "2": "second", "stressed": "stressed", "unstressed": "unstressed"}
"""Which syllable, as in names and in words."""


def syllable_index(scene: Scene, which: str) -> int | None:
    """0 or 1 for ``"1"``, ``"2"``, ``"stressed"``, ``"unstressed"``; None if unknown."""
    if which in ("1", "2"):
        return int(which) - 1
    stressed = scene.times.stressed
    if stressed is None:
        return None
    return stressed if which == "stressed" else 1 - stressed


def nucleus_cover(scene: Scene, which: str | None) -> FloatArray | Missing:
    """Cover of both nuclei (None), or of one."""
    if which is None:
        return np.minimum(scene.nuclei_cover.sum(axis=0), 1.0)
    index = syllable_index(scene, which)
    return STRESS_UNKNOWN if index is None else scene.nuclei_cover[index]


def in_syllable(
    scene: Scene, which: str, parts: Callable[[TokenTimes, int], Sequence[Interval]], what: str
) -> FloatArray | Missing:
    """Mask of some parts of a syllable, given its index; missing if the syllable has none."""
    index = syllable_index(scene, which)
    if index is None:
        return STRESS_UNKNOWN
    phones = parts(scene.times, index)
    missing = Missing(f"the syllable has no {what}")
    return scene.over_bins(scene.in_time(*phones)) if phones else missing


def _nucleus(scene: Scene, which: str | None) -> FloatArray | Missing:
    cover = nucleus_cover(scene, which)
    return cover if isinstance(cover, Missing) else scene.over_bins(cover)


_PARTS: dict[str, Callable[[TokenTimes, int], Sequence[Interval]]] = {
    "syllable": lambda times, index: [times.syllables[index]],
    "onset": lambda times, index: times.onsets[index],
    "coda": lambda times, index: times.codas[index],
}


def _part(scene: Scene, which: str, part: str) -> FloatArray | Missing:
    return in_syllable(scene, which, _PARTS[part], part)


def _word(scene: Scene) -> FloatArray:
    return scene.over_bins(scene.in_time(scene.times.word))


def _context(scene: Scene) -> FloatArray | Missing:
    cover = scene.sound - scene.in_time(scene.times.word)
    if cover.max() < 1:  # parts of frames at the word's limits are no context
        return Missing("the image holds no sound outside the word")
    return scene.over_bins(cover)


def _beside(scene: Scene, silent: bool) -> FloatArray | Missing:
    """The context where the word tier says silence, or where it says another word."""
    context = _context(scene)
    if isinstance(context, Missing):
        return context
    if scene.times.beside is None:
        return Missing("it is not known what lies beside the word")
    intervals = [i for i in scene.times.beside if i.is_silence is silent]
    cover = np.minimum(scene.in_time(*intervals), context[0]) if intervals else np.zeros(1)
    if cover.max() <= 0:
        what = "no silence" if silent else "no other word"
        return Missing(f"{what} beside the word within the image")
    return scene.over_bins(cover)


def _padding(scene: Scene) -> FloatArray | Missing:
    if scene.sound.all():
        return Missing("the image has no padding")
    return scene.over_bins((~scene.sound).astype(np.float64))


def add_regions() -> None:
    """Register the regions of this module."""
    for which, text in WHICH.items():
        definition = f"the {text} syllable, divided by maximal onset"
        add(Region(f"syllable_{which}", definition, partial(_part, which=which, part="syllable")))
    for which, text in WHICH.items():
        definition = f"the vowel of the {text} syllable"
        add(Region(f"nucleus_{which}", definition, partial(_nucleus, which=which)))
    add(Region("nuclei", "the vowels of both syllables", partial(_nucleus, which=None)))
    for part, side in (("onset", "before"), ("coda", "after")):
        for which, text in WHICH.items():
            definition = f"the consonants {side} the vowel in the {text} syllable"
            mask_fn = partial(_part, which=which, part=part)
            add(Region(f"{part}_{which}", definition, mask_fn))
    add(Region("word", "the whole word", _word))
    add(Region("context", "sound before and after the word", _context))
    for name, definition, silent in (
        ("silence", "context in which nothing is said", True),
        ("other_words", "context in which the word before or after is said", False),
    ):
        mask_fn = partial(_beside, silent=silent)
        add(Region(name, definition, mask_fn, exchange="none"))
    add(Region("padding", "frames without sound that fill the image", _padding, exchange="none"))
