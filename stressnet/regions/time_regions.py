"""Regions that are stretches of time: syllables and their parts, the word, what lies beside it."""

from collections.abc import Callable, Sequence
from functools import partial

import numpy as np

from stressnet.axes import FloatArray
from stressnet.intervals import Interval
from stressnet.regions.registry import MaskFunction, Missing, Region, add
from stressnet.regions.scene import Scene, TokenTimes

STRESS_UNKNOWN = Missing("the token's stress is unknown")
WHICH = {
    "1": "first syllable",
    "2": "second syllable",
    "stressed": "stressed syllable",
    "unstressed": "unstressed syllable",
    "3": "third syllable",
    "4": "fourth syllable",
    "before": "syllables before the stressed one",
    "after": "syllables after the stressed one",
}
"""Which syllables, as in names and in words. In words of more than two syllables the unstressed
ones are several."""

FROM_SYLLABLES = {"3": 3, "4": 4, "before": 3, "after": 3}
"""Regions of which syllables exist only in corpora of words that are so long."""


def syllable_indices(scene: Scene, which: str) -> list[int] | Missing:
    """Indices, from 0, of the syllables that a key of `WHICH` means, or why there are none."""
    n, stressed = len(scene.times.nuclei), scene.times.stressed
    if which.isdecimal():
        none = Missing(f"the word has no {WHICH[which]}")
        return [int(which) - 1] if int(which) <= n else none
    if stressed is None:
        return STRESS_UNKNOWN
    others = [k for k in range(n) if k != stressed]
    meant = {
        "stressed": [stressed],
        "unstressed": others,
        "before": others[:stressed],
        "after": others[stressed:],
    }[which]
    return meant or Missing(f"the word has no {WHICH[which]}")


def nucleus_cover(scene: Scene, which: str | None) -> FloatArray | Missing:
    """Cover of all nuclei (None), or of those of some syllables."""
    if which is None:
        return np.minimum(scene.nuclei_cover.sum(axis=0), 1.0)
    indices = syllable_indices(scene, which)
    if isinstance(indices, Missing):
        return indices
    return np.minimum(scene.nuclei_cover[indices].sum(axis=0), 1.0)


def in_syllable(
    scene: Scene, which: str, parts: Callable[[TokenTimes, int], Sequence[Interval]], what: str
) -> FloatArray | Missing:
    """Mask of some parts of syllables, given an index; missing if the syllables have none."""
    indices = syllable_indices(scene, which)
    if isinstance(indices, Missing):
        return indices
    phones = [phone for index in indices for phone in parts(scene.times, index)]
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


def _add(name: str, definition: str, mask_fn: MaskFunction) -> None:
    which = name.partition("_")[2]
    add(Region(name, definition, mask_fn, from_syllables=FROM_SYLLABLES.get(which, 2)))


def add_regions() -> None:
    """Register the regions of this module."""
    for which, text in WHICH.items():
        definition = f"the {text}, divided by maximal onset"
        _add(f"syllable_{which}", definition, partial(_part, which=which, part="syllable"))
    for which, text in WHICH.items():
        definition = f"the vowel of the {text}"
        _add(f"nucleus_{which}", definition, partial(_nucleus, which=which))
    add(Region("nuclei", "the vowels of both syllables", partial(_nucleus, which=None)))
    for part, side in (("onset", "before"), ("coda", "after")):
        for which, text in WHICH.items():
            definition = f"the consonants {side} the vowel in the {text}"
            _add(f"{part}_{which}", definition, partial(_part, which=which, part=part))
    add(Region("word", "the whole word", _word))
    add(Region("context", "sound before and after the word", _context))
    for name, definition, silent in (
        ("silence", "context in which nothing is said", True),
        ("other_words", "context in which the word before or after is said", False),
    ):
        mask_fn = partial(_beside, silent=silent)
        add(Region(name, definition, mask_fn, exchange="none"))
    add(Region("padding", "frames without sound that fill the image", _padding, exchange="none"))
