"""Regions made of phones of one kind: manners of articulation, closures, full and reduced vowels.

Labels are ARPAbet or the IPA. Closures and bursts are known only from alignments that label them
apart, as TIMIT's do (``TCL``, ``T``); elsewhere both regions are missing and say so.
"""

from collections.abc import Sequence
from functools import partial

from stressnet.axes import FloatArray
from stressnet.intervals import Interval
from stressnet.languages import language
from stressnet.languages.phones import MANNERS, bare, manner
from stressnet.lexicon.pronunciation import REDUCED_VOWELS
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


def _of_manner(scene: Scene, name: str) -> FloatArray | Missing:
    found = [phone for phone in scene.times.phones if _manner_of(phone) == name]
    return _cover(scene, found, f"the word has no {name}")


def _manner_of(phone: Interval) -> str | None:
    is_closure = phone.label.upper() in CLOSURES
    return "stops" if is_closure else manner(phone.label)


def _stop_part(scene: Scene, closure: bool) -> FloatArray | Missing:
    """Closures, or what follows them."""
    phones = scene.times.phones
    stops = [phone for phone in phones if _manner_of(phone) == "stops"]
    if not stops:
        return Missing("the word has no stops")
    closures = [phone for phone in stops if phone.label.upper() in CLOSURES]
    if not closures:
        return Missing("the alignment does not tell closures from bursts")
    bursts = [phone for phone in stops if phone not in closures]
    return _cover(scene, closures if closure else bursts, "the stops have no burst")


def _vowels(scene: Scene, reduced: bool) -> FloatArray | Missing:
    of = language(scene.times.language)
    if reduced and not of.reduced:
        return Missing(f"{of.name} has no reduced vowels")
    labels = [nucleus.label for nucleus in scene.times.nuclei]
    labels = [label.upper() for label in labels] if of.is_english else labels
    if of.reduced and any(label == bare(label) and label not in of.reduced for label in labels):
        return Missing("the vowels carry no stress digits")
    found = [
        cover
        for cover, label in zip(scene.nuclei_cover, labels, strict=True)
        if (label in of.reduced) is reduced
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
    for name, labels in MANNERS.items():
        definition = f"the word's {name} (English {', '.join(sorted(labels))})"
        add(Region(name, definition, partial(_of_manner, name=name)))
    for name, definition, closure in (
        ("closures", "closures of the stops, where the alignment labels them", True),
        ("bursts", "the stops after their closures, where the alignment labels these", False),
    ):
        add(Region(name, definition, partial(_stop_part, closure=closure)))
    reduced = ", ".join(sorted(REDUCED_VOWELS))
    for name, definition, is_reduced in (
        ("vowel_full", f"nuclei but reduced vowels (English {reduced})", False),
        ("vowel_reduced", f"nuclei with a reduced vowel (English {reduced})", True),
    ):
        add(Region(name, definition, partial(_vowels, reduced=is_reduced)))
