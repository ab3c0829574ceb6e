"""Partitions: every cell of the image belongs to exactly one region, so that shares add to 1.

Regions overlap (F1 lies inside a nucleus, which lies inside a syllable). A partition is an ordered
list of regions: a cell goes to the first that covers at least half of it, and to ``rest`` if none
does. Regions that a token does not have are skipped.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from stressnet.errors import ConfigError
from stressnet.regions.registry import Missing, get_regions
from stressnet.regions.scene import Scene

REST = "rest"

PARTITIONS: dict[str, tuple[str, ...]] = {
    "time": ("padding", "nucleus_stressed", "nucleus_unstressed", "consonants", "context"),
    "syllables": ("padding", "syllable_stressed", "syllable_unstressed", "context"),
    "formants": (
        "padding",
        *(f"F{k}_{which}" for which in ("stressed", "unstressed") for k in (1, 2, 3, 4)),
        "nucleus_stressed",
        "nucleus_unstressed",
        "consonants",
        "context",
    ),
}
"""Partitions by name. In ``formants`` a nucleus is what its formant bands leave of it; where two
bands overlap, the lower formant has the cell."""


def partition(scene: Scene, names: str | Iterable[str] = "time") -> dict[str, NDArray[np.float64]]:
    """Masks of 0 and 1 that add to 1 in every cell.

    Parameters
    ----------
    scene : Scene
        The token.
    names : str or iterable of str
        A name in :data:`PARTITIONS`, or regions in order of precedence.

    Returns
    -------
    dict
        Mask per region, ``rest`` last, without regions that got no cell.

    Raises
    ------
    ConfigError
        If a name is unknown.
    """
    if isinstance(names, str):
        if names not in PARTITIONS:
            raise ConfigError(f"no partition {names!r}; there are {', '.join(PARTITIONS)}")
        names = PARTITIONS[names]
    free = np.ones(scene.axes.shape, dtype=bool)
    masks: dict[str, NDArray[np.float64]] = {}
    for region in get_regions(names):
        mask = region.mask(scene)
        if isinstance(mask, Missing):
            continue
        mine = free & (mask >= 0.5)
        free &= ~mine
        if mine.any():
            masks[region.name] = mine.astype(np.float64)
    if free.any():
        masks[REST] = free.astype(np.float64)
    return masks
