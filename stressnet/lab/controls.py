"""Deliberately broken explanations. A measure that one of them passes measures nothing.

No control may beat all three chance levels of :mod:`stressnet.lab.scores` in any measure, while the
intact map does; ``docs/validation.md`` tells why it takes three, and that a control is one only
where it breaks the perfect map. :func:`breaks` asks this of the truth.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from stressnet.axes import BoolArray
from stressnet.errors import ConfigError, check_names
from stressnet.lab.scores import CHANCES, MEASURES, Scorer

Maps = NDArray[np.float32]

KEPT = 0.1
"""A control keeps at most this part of what the perfect map has above chance; the rest is luck of
the draws of other words."""


def time_reversed(maps: Maps, sound: BoolArray, rng: np.random.Generator) -> Maps:
    """Sounding frames in reverse order; padding as it was."""
    broken = maps.copy()
    for one, frames in zip(broken, sound, strict=True):
        one[:, frames] = one[:, frames][:, ::-1]
    return broken


def frequency_flipped(maps: Maps, sound: BoolArray, rng: np.random.Generator) -> Maps:
    """The lowest bin becomes the highest."""
    return maps[:, ::-1].copy()


def other_word(maps: Maps, sound: BoolArray, rng: np.random.Generator) -> Maps:
    """The map of another word, drawn so that no word keeps its own."""
    if len(maps) < 2:
        raise ConfigError("the map of another word needs at least two words")
    order = rng.permutation(len(maps))
    return maps[order[(np.argsort(order) + 1) % len(maps)]]


def random(maps: Maps, sound: BoolArray, rng: np.random.Generator) -> Maps:
    """Noise with the spread of each map, on sounding frames."""
    noise = rng.standard_normal(maps.shape).astype(np.float32)
    return noise * maps.std(axis=(1, 2), keepdims=True) * sound[:, None, :]


Control = Callable[[Maps, BoolArray, np.random.Generator], Maps]

CONTROLS: dict[str, Control] = {
    "time-reversed": time_reversed,
    "frequency-flipped": frequency_flipped,
    "other-word": other_word,
    "random": random,
}
"""Broken explanations by name."""


def break_maps(name: str, maps: Maps, sound: BoolArray, seed: int = 0) -> Maps:
    """Maps broken in one way.

    Raises
    ------
    ConfigError
        For an unknown name or shapes that do not fit.
    """
    check_names("control", [name], CONTROLS)
    if sound.shape != (len(maps), maps.shape[2]):
        raise ConfigError(f"sound has shape {sound.shape}, not {(len(maps), maps.shape[2])}")
    return CONTROLS[name](maps, sound, np.random.default_rng([seed, 13]))


def breaks(name: str, scorer: Scorer, seed: int = 0) -> bool:
    """Whether a control breaks the perfect map of these words, which is their truth.

    That is so if the broken truth keeps next to nothing (:data:`KEPT`) of what the truth has above
    chance in relevance rank accuracy.
    """
    words, at = scorer.words, MEASURES.index("rank")

    def gain(maps: Maps) -> float:
        scores = scorer.score(maps)
        level = max(float(np.nanmean(scores.chance[chance][:, at])) for chance in CHANCES)
        return float(np.nanmean(scores.values[:, at])) - level

    perfect = words.truth.astype(np.float32)
    broken = gain(break_maps(name, perfect, words.sound, seed))
    return bool(broken <= KEPT * gain(perfect))
