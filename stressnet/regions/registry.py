"""Regions by name: a definition in words and a function from a scene to a mask.

Adding one takes a few lines; see ``docs/regions.md``::

    @region("onset_of_word", "the first 50 ms of the word")
    def _(scene):
        return scene.in_time(Interval(0.0, 0.05, ""))[None] * np.ones(scene.axes.shape)
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Literal

import numpy as np

from stressnet.axes import FloatArray
from stressnet.errors import ConfigError, check_names
from stressnet.regions.scene import Scene

Exchange = Literal["times", "tracks", "none"]
HOSTS = ("nuclei", "nucleus_stressed", "nucleus_unstressed", "nucleus_1", "nucleus_2")
"""Regions within which relevance is normalised beside the whole image."""


@dataclass(frozen=True)
class Missing:
    """Why a region does not exist in a token; it is reported, never replaced by a guess."""

    reason: str


@dataclass(frozen=True)
class Stretch:
    """A mask without its zeros outside a stretch of frames, of which ``start`` is the first."""

    values: FloatArray
    start: int

    def whole(self, scene: Scene) -> FloatArray:
        """The mask over all frames, shape (n_bins, n_frames)."""
        mask = np.zeros(scene.axes.shape)
        mask[:, self.start : self.start + self.values.shape[1]] = self.values
        return mask


Mask = FloatArray | Stretch
MaskFunction = Callable[[Scene], Mask | Missing]


@dataclass(frozen=True)
class Region:
    """A named part of the image.

    Parameters
    ----------
    name, definition : str
        Name in tables, and what it is, in words.
    mask_fn : callable
        From a :class:`~stressnet.regions.scene.Scene` to a mask of values in [0, 1] with the shape
        of its axes (or a :class:`Stretch` of it), or :class:`Missing`.
    exchange : {"times", "tracks", "none"}
        What another token lends for the null: its boundaries, or its tracks inside this token's
        boundaries; nothing for regions that have no null.
    within : str, optional
        The region of :data:`HOSTS` inside which it lies, whose relevance the measures
        ``*_in_nucleus`` are shares of.
    from_syllables : int
        Only corpora whose longest words have so many syllables have it.
    """

    name: str
    definition: str
    mask_fn: MaskFunction
    exchange: Exchange = "times"
    within: str | None = None
    from_syllables: int = 2

    def __post_init__(self) -> None:
        if self.exchange not in ("times", "tracks", "none"):
            raise ConfigError(
                f"region {self.name!r}: exchange {self.exchange!r} is not times, tracks or none"
            )
        if self.within is not None and self.within not in HOSTS:
            raise ConfigError(
                f"region {self.name!r}: within {self.within!r} is not one of {', '.join(HOSTS)}"
            )

    def mask(self, scene: Scene) -> FloatArray | Missing:
        """The region's mask in a scene, shape (n_bins, n_frames); a `ConfigError` if it is none."""
        mask = self.draw(scene)
        return mask.whole(scene) if isinstance(mask, Stretch) else mask

    def draw(self, scene: Scene) -> Mask | Missing:
        """The same as the mask function gives it, which saves time where zeros are left out."""
        mask = self.mask_fn(scene)
        if isinstance(mask, Missing):
            return mask
        if isinstance(mask, Stretch):
            values, n_frames = mask.values, scene.axes.shape[1]
            fits = 0 <= mask.start <= n_frames - values.shape[1]
            if values.shape[:1] != scene.axes.shape[:1] or not fits:
                raise ConfigError(f"mask of region {self.name!r} does not fit its axes")
        else:
            scene.axes.check(mask, f"mask of region {self.name!r}")
            # A mask that is the same in every bin is a view of one row; there is no more to check.
            values = mask[0] if mask.strides[0] == 0 else mask
        largest = values.max(initial=0.0)
        if not (values.min(initial=0.0) >= -1e-9 and largest <= 1 + 1e-9):
            raise ConfigError(f"mask of region {self.name!r} has values outside [0, 1]")
        return mask if largest > 0 else Missing("outside the image")


REGIONS: dict[str, Region] = {}  # All regions by name, in the order of registration


def region(
    name: str, definition: str, *, exchange: Exchange = "times", within: str | None = None
) -> Callable[[MaskFunction], MaskFunction]:
    """Decorator that registers a mask function; parameters and errors as of :class:`Region`."""

    def register(mask_fn: MaskFunction) -> MaskFunction:
        add(Region(name, definition, mask_fn, exchange, within))
        return mask_fn

    return register


def add(new: Region) -> None:
    """Register a region; its name must be free."""
    if new.name in REGIONS:
        raise ConfigError(f"there is already a region {new.name!r}; choose another name")
    REGIONS[new.name] = new


def load_regions(path: Path | str) -> list[str]:
    """Run a Python file that registers regions, once per process; give their names."""
    file = Path(path).resolve()
    if file in _LOADED:
        return _LOADED[file]
    before = set(REGIONS)
    spec = spec_from_file_location(f"stressnet_regions_{file.stem}", file)
    if spec is None or spec.loader is None or not file.is_file():
        raise ConfigError(f"{path}: no Python file with regions")
    module = module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    except (SyntaxError, ImportError, NameError, TypeError, ValueError, AttributeError) as error:
        raise ConfigError(f"{path}: {type(error).__name__}: {error}; mend the file") from error
    added = [name for name in REGIONS if name not in before]
    if not added:
        raise ConfigError(f"{path}: registers no region; see docs/regions.md, 'Your own region'")
    _LOADED[file] = added
    return added


_LOADED: dict[Path, list[str]] = {}


def get_regions(names: Iterable[str] | None = None, n_syllables: int = 2) -> list[Region]:
    """Regions by name, or all those of words of up to so many syllables."""
    if names is None:
        return [region for region in REGIONS.values() if region.from_syllables <= n_syllables]
    names = list(names)
    check_names("region", names, REGIONS)
    return [REGIONS[name] for name in names]
