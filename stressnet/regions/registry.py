"""Regions by name: a definition in words and a function from a scene to a mask.

Adding one takes a few lines; see ``docs/regions.md``::

    @region("onset_of_word", "the first 50 ms of the word")
    def _(scene):
        return scene.in_time(Interval(0.0, 0.05, ""))[None] * np.ones(scene.axes.shape)
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Literal

from stressnet.axes import FloatArray
from stressnet.errors import ConfigError
from stressnet.regions.scene import Scene

Exchange = Literal["times", "tracks", "none"]


@dataclass(frozen=True)
class Missing:
    """Why a region does not exist in a token; it is reported, never replaced by a guess."""

    reason: str


MaskFunction = Callable[[Scene], FloatArray | Missing]


@dataclass(frozen=True)
class Region:
    """A named part of the image.

    Parameters
    ----------
    name : str
        Name in tables.
    definition : str
        What it is, in words.
    mask_fn : callable
        From a :class:`~stressnet.regions.scene.Scene` to a mask of values in [0, 1] with the shape
        of its axes, or :class:`Missing`.
    exchange : {"times", "tracks", "none"}
        What another token lends for the null: its boundaries, or its tracks inside this token's
        boundaries; nothing for regions that have no null.
    """

    name: str
    definition: str
    mask_fn: MaskFunction
    exchange: Exchange = "times"

    def mask(self, scene: Scene) -> FloatArray | Missing:
        """The region's mask in a scene.

        Raises
        ------
        ConfigError
            If the mask function breaks its contract.
        """
        mask = self.mask_fn(scene)
        if isinstance(mask, Missing):
            return mask
        scene.axes.check(mask, f"mask of region {self.name!r}")
        if not (mask.min() >= -1e-9 and mask.max() <= 1 + 1e-9):
            raise ConfigError(f"mask of region {self.name!r} has values outside [0, 1]")
        if mask.max() <= 0:
            return Missing("outside the image")
        return mask


REGIONS: dict[str, Region] = {}
"""All regions by name, in the order of registration."""


def region(
    name: str, definition: str, *, exchange: Exchange = "times"
) -> Callable[[MaskFunction], MaskFunction]:
    """Decorator that registers a mask function as a region.

    Raises
    ------
    ConfigError
        If the name is taken.
    """

    def register(mask_fn: MaskFunction) -> MaskFunction:
        add(Region(name, definition, mask_fn, exchange))
        return mask_fn

    return register


def add(new: Region) -> None:
    """Register a region; its name must be free."""
    if new.name in REGIONS:
        raise ConfigError(f"there is already a region {new.name!r}; choose another name")
    REGIONS[new.name] = new


def get_regions(names: Iterable[str] | None = None) -> list[Region]:
    """Regions by name, or all.

    Raises
    ------
    ConfigError
        If a name is unknown; the message lists those there are.
    """
    if names is None:
        return list(REGIONS.values())
    names = list(names)
    unknown = [name for name in names if name not in REGIONS]
    if unknown:
        raise ConfigError(f"no region {', '.join(unknown)}; there are {', '.join(REGIONS)}")
    return [REGIONS[name] for name in names]
