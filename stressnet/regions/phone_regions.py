"""Regions made of phones of one kind: manners of articulation, closures, full and reduced vowels.

Labels are ARPAbet. Closures and bursts are known only from alignments that label them apart, as
TIMIT's do (``TCL``, ``T``); elsewhere both regions are missing and say so.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from stressnet.axes import FloatArray
from stressnet.intervals import Interval
from stressnet.languages.phones import MANNERS
from stressnet.lexicon.pronunciation import REDUCED_VOWELS, bare
from stressnet.regions.registry import Missing, Region, add
from stressnet.regions.scene import Scene
from stressnet.regions.time_regions import in_syllable

CLOSURES = frozenset("PCL BCL TCL DCL KCL GCL".split())
"""Labels of closures in alignments that tell them from bursts (TIMIT)."""


def _consonants(scene: Scene, which: str | None = None) -> FloatArray | Missing:
    if which is not None:
        return in_syllable(scene, which, lambda t, k: (*t.onsets[k], *t.codas[k]), "consonants")
    phones = [phone for phone in scene.times.phones if phone not in scene.times.nuclei]
    return _cover(scene, phones, "the word has no consonants")


def _manner(scene: Scene, manner: str) -> FloatArray | Missing:
    labels = MANNERS[manner]
    if manner == "stops":
        labels = labels | CLOSURES
    found = [phone for phone in scene.times.phones if phone.label.upper() in labels]
    return _cover(scene, found, f"the word has no {manner}")


def _stop_part(scene: Scene, closure: bool) -> FloatArray | Missing:
    """Closures, or what follows them."""
    phones = scene.times.phones
    stops = [phone for phone in phones if phone.label.upper() in MANNERS["stops"] | CLOSURES]
    if not stops:
        return Missing("the word has no stops")
    closures = [phone for phone in stops if phone.label.upper() in CLOSURES]
    if not closures:
        return Missing("the alignment does not tell closures from bursts")
    bursts = [phone for phone in stops if phone not in closures]
    return _cover(scene, closures if closure else bursts, "the stops have no burst")


def _vowels(scene: Scene, reduced: bool) -> FloatArray | Missing:
    labels = [nucleus.label.upper() for nucleus in scene.times.nuclei]
    if any(label == bare(label) and label not in REDUCED_VOWELS for label in labels):
        return Missing("the vowels carry no stress digits")
    found = [
        cover
        for cover, label in zip(scene.nuclei_cover, labels, strict=True)
        if (label in REDUCED_VOWELS) is reduced
    ]
    if not found:
        return Missing(f"the word has no {'reduced' if reduced else 'full'} vowel")
    return scene.over_bins(sum(found).clip(max=1.0))


def _cover(scene: Scene, phones: Sequence[Interval], missing: str) -> FloatArray | Missing:
    return scene.over_bins(scene.in_time(*phones)) if phones else Missing(missing)


def add_regions() -> None:
    """Register the regions of this module."""
    add(Region("consonants", "all phones of the word but the two nuclei", _consonants))
    for which in ("stressed", "unstressed"):
        definition = f"the consonants of the {which} syllable"
        add(Region(f"consonants_{which}", definition, partial(_consonants, which=which)))
    for manner, labels in MANNERS.items():
        definition = f"the word's {manner} ({', '.join(sorted(labels))})"
        add(Region(manner, definition, partial(_manner, manner=manner)))
    for name, definition, closure in (
        ("closures", "closures of the stops, where the alignment labels them", True),
        ("bursts", "the stops after their closures, where the alignment labels these", False),
    ):
        add(Region(name, definition, partial(_stop_part, closure=closure)))
    reduced = ", ".join(sorted(REDUCED_VOWELS))
    for name, definition, is_reduced in (
        ("vowel_full", f"nuclei but {reduced}", False),
        ("vowel_reduced", f"nuclei with a reduced vowel ({reduced})", True),
    ):
        add(Region(name, definition, partial(_vowels, reduced=is_reduced)))
