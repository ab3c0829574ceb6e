"""Partitions: every cell of the image belongs to exactly one region, so that shares add to 1.

Regions overlap (F1 lies inside a nucleus, which lies inside a syllable). A partition is an ordered
list of regions: a cell goes to the first that covers at least half of it, and to ``rest`` if none
does. With split cells, a region takes of each cell the part that it covers, as far as the regions
before it have left that much; areas of regions that do not overlap are then exact. Regions that a
token does not have are skipped.
"""

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from stressnet.errors import check_names
from stressnet.languages.phones import MANNERS
from stressnet.regions.band_regions import BALANCE_BANDS_HZ, VALLEYS
from stressnet.regions.registry import Missing, get_regions
from stressnet.regions.scene import Scene

_ROLES = ("stressed", "unstressed")
REST = "rest"
_ROUNDING = 1e-12
_FORMANTS = [f"F{k}_{which}" for which in _ROLES for k in (1, 2, 3, 4)]
_REMAINDER = ("nucleus_stressed", "nucleus_unstressed", "consonants", "context")

PARTITIONS: dict[str, tuple[str, ...]] = {
    "time": ("padding", *_REMAINDER),
    "syllables": ("padding", "syllable_stressed", "syllable_unstressed", "context"),
    "parts": (
        "padding",
        *(f"{part}_{which}" for which in _ROLES for part in ("nucleus", "onset", "coda")),
        "context",
    ),
    "manners": ("padding", "vowel_full", "vowel_reduced", *MANNERS, "context"),
    "formants": ("padding", *_FORMANTS, *_REMAINDER),
    "valleys": (
        "padding",
        *_FORMANTS,
        *(f"{valley}_{which}" for which in _ROLES for valley in VALLEYS),
        *_REMAINDER,
    ),
    "harmonics": (
        "padding",
        *(f"{name}_{which}" for which in _ROLES for name in ("harmonics", "between_harmonics")),
        *_REMAINDER,
    ),
    "balance": (
        *("padding", "context"),
        *(f"band_{low_hz}_{high_hz}_hz" for low_hz, high_hz in BALANCE_BANDS_HZ),
        "word",
    ),
}
"""Partitions by name. In ``formants`` a nucleus is what its formant bands leave of it; where two
bands overlap, the lower formant has the cell. In ``balance`` the word is what lies above 4 kHz."""


def partition(
    scene: Scene, names: str | Iterable[str] = "time", *, split_cells: bool = False
) -> dict[str, NDArray[np.float64]]:
    """Masks that add to 1 in every cell.

    ``names``: a name in :data:`PARTITIONS`, or regions in order of precedence. ``split_cells``:
    whether a cell that a boundary cuts is shared; otherwise masks hold only 0 and 1. Returns a
    mask per region, ``rest`` last, without regions that got no cell.
    """
    if isinstance(names, str):
        check_names("partition", [names], PARTITIONS)
        names = PARTITIONS[names]
    free = np.ones(scene.axes.shape)
    masks: dict[str, NDArray[np.float64]] = {}
    for region in get_regions(names):
        mask = region.mask(scene)
        if isinstance(mask, Missing):
            continue
        mine = np.minimum(mask, free) if split_cells else free * (mask >= 0.5)
        free = free - mine
        if mine.any():
            masks[region.name] = mine
    free[free < _ROUNDING] = 0.0
    if free.any():
        masks[REST] = free
    return masks
