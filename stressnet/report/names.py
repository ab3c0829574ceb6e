"""Regions and classes of stress as readers see them."""

from collections.abc import Iterable

_WHICH = {"1": "1st", "2": "2nd", "stressed": "stressed", "unstressed": "unstressed"}
_NAMES = {
    **{
        f"{part}_{w}": f"{name} {part}"
        for part in ("syllable", "nucleus")
        for w, name in _WHICH.items()
    },
    "word": "whole word",
    "context": "context (outside the word)",
}
_PARTS = {"": "nuclei", "_stressed": "stressed nucleus", "_unstressed": "unstressed nucleus"}

GROUPS: dict[str, tuple[str, ...]] = {
    "nuclei": ("nucleus_stressed", "nucleus_unstressed"),
    "syllables": ("syllable_stressed", "syllable_unstressed"),
    "rest": ("consonants", "context", "padding"),
    "stressed nucleus": ("F0_stressed", *(f"F{k}_stressed" for k in range(1, 5))),
    "unstressed nucleus": ("F0_unstressed", *(f"F{k}_unstressed" for k in range(1, 5))),
}
"""Regions of the summary figure in order; the nuclei, which nobody contests, come first."""


def region_name(region: str) -> str:
    """A region's name for people: ``region_name("F1_stressed") == "F1, stressed nucleus"``."""
    if region in _NAMES:
        return _NAMES[region]
    if region.startswith("band_") and region.endswith("_hz"):
        low, high = region.removeprefix("band_").removesuffix("_hz").split("_")
        return f"{low}–{high} Hz, whole word"
    for suffix in ("_unstressed", "_stressed", ""):
        stem = region.removesuffix(suffix)
        if region.endswith(suffix) and stem[:1] in "FH" and stem[1:].isdigit():
            return f"{stem}, {_PARTS[suffix]}"
    return region.replace("_", " ")


_FAMILIES = (
    ("syllables", ("syllable",)),
    ("nuclei", ("nucleus", "nuclei")),
    ("whole word and around it", ("word", "context", "padding", "silence")),
    ("bands of frequency", ("band", "balance")),
    ("between formants", ("valley", "between")),
    (
        "consonants",
        ("consonant", "onset", "coda", "plosive", "stop", "closure", "burst", "fricative",
         "affricate", "nasal", "approximant", "liquid", "glide", "sonorant", "obstruent",
         "release", "aspiration"),
    ),
)  # fmt: skip


def region_group(region: str) -> str:
    """The heading under which a list of all regions shows a region."""
    stem = region.split("_")[0]
    if stem == "F0" or (stem[:1] == "H" and stem[1:].isdigit()) or stem.startswith("harmonic"):
        return "F0 and harmonics"
    if stem[:1] == "F" and stem[1:].isdigit():
        return "formants"
    for group, starts in _FAMILIES:
        if region.startswith(starts):
            return group
    return "other"


def grouped(available: Iterable[str]) -> list[tuple[str, list[str]]]:
    """The groups of :data:`GROUPS` with the regions that are there; empty groups left out."""
    there = set(available)
    groups = [(name, [r for r in regions if r in there]) for name, regions in GROUPS.items()]
    return [(name, regions) for name, regions in groups if regions]


def count_of(n: int, noun: str) -> str:
    """A number with its noun: ``count_of(1, "speaker") == "1 speaker"``."""
    return f"{n} {noun}" if n == 1 else f"{n} {noun}s"


_AGAINST_MEAN = {"integrated-gradients-mean": "integrated gradients", "deeplift-mean": "DeepLIFT"}


def method_text(composite: str) -> str:
    """How a run's maps were made, in words."""
    if composite in _AGAINST_MEAN:
        return f"{_AGAINST_MEAN[composite]} against the mean spectrum of speech"
    return f"layer-wise relevance propagation ({composite or 'rules unknown'})"
