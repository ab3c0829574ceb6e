"""The regions that come with stressnet.

Time regions
    Syllables, nuclei, consonants, the word, context (sound beside the word) and padding.
Track regions
    Bands around F1 to F4 inside the nuclei; F0 and its harmonics inside the nuclei, only where the
    analysis window resolves them.
Spectral regions
    The bands of spectral balance (Sluijter & van Heuven 1996), over the word.
"""

from __future__ import annotations

from functools import partial

import numpy as np

from stressnet.axes import FloatArray
from stressnet.regions.registry import Missing, Region, add
from stressnet.regions.scene import Scene

MIN_MEASURED = 0.5
"""A track region is missing where the tracker was silent in more than half of its time."""

RESOLVED_FACTOR = 1.5
"""Harmonics count as resolved where F0 is at least so many main-lobe widths: the valley between
two equal harmonics of a Hann window is then at least 9 dB deep whatever their phases."""

BALANCE_BANDS_HZ = ((0, 500), (500, 1000), (1000, 2000), (2000, 4000))
HARMONICS = (2, 3, 4, 5)

_UNKNOWN_STRESS = Missing("the token's stress is unknown")
_ROLES = {"stressed": "of the stressed syllable", "unstressed": "of the unstressed syllable"}


def _columns(scene: Scene, cover: FloatArray) -> FloatArray:
    """A cover of frames as a mask over all bins."""
    return np.repeat(cover[None], scene.axes.shape[0], axis=0)


def _index(scene: Scene, which: str) -> int | None:
    """0 or 1 for ``"1"``, ``"2"``, ``"stressed"``, ``"unstressed"``; None if unknown."""
    if which in ("1", "2"):
        return int(which) - 1
    stressed = scene.times.stressed
    if stressed is None:
        return None
    return stressed if which == "stressed" else 1 - stressed


def _syllable(scene: Scene, which: str) -> FloatArray | Missing:
    index = _index(scene, which)
    if index is None:
        return _UNKNOWN_STRESS
    return _columns(scene, scene.in_time(scene.times.syllables[index]))


def _nucleus(scene: Scene, which: str) -> FloatArray | Missing:
    index = _index(scene, which)
    return _UNKNOWN_STRESS if index is None else _columns(scene, scene.nuclei_cover[index])


def _consonants(scene: Scene) -> FloatArray | Missing:
    consonants = [phone for phone in scene.times.phones if phone not in scene.times.nuclei]
    if not consonants:
        return Missing("the word has no consonants")
    return _columns(scene, scene.in_time(*consonants))


def _word(scene: Scene) -> FloatArray:
    return _columns(scene, scene.in_time(scene.times.word))


def _context(scene: Scene) -> FloatArray | Missing:
    cover = scene.sound - scene.in_time(scene.times.word)
    if cover.max() < 1:  # parts of frames at the word's limits are no context
        return Missing("the image holds no sound outside the word")
    return _columns(scene, cover)


def _padding(scene: Scene) -> FloatArray | Missing:
    if scene.sound.all():
        return Missing("the image has no padding")
    return 1.0 - scene.sound_mask


def _cover(scene: Scene, which: str | None) -> FloatArray | None:
    """Cover of both nuclei, or of one; None where the stress is unknown."""
    if which is None:
        return np.minimum(scene.nuclei_cover.sum(axis=0), 1.0)
    index = _index(scene, which)
    return None if index is None else scene.nuclei_cover[index]


def _formant(scene: Scene, number: int, which: str | None) -> FloatArray | Missing:
    cover = _cover(scene, which)
    if cover is None:
        return _UNKNOWN_STRESS
    found = np.isfinite(scene.formants_at_frames[0][number - 1])
    if cover.sum() > 0 and (cover * found).sum() < MIN_MEASURED * cover.sum():
        return Missing(f"F{number} was not found in most of the nucleus")
    return scene.formant_bands[number - 1] * cover


def _harmonic(scene: Scene, number: int, which: str | None) -> FloatArray | Missing:
    cover = _cover(scene, which)
    if cover is None:
        return _UNKNOWN_STRESS
    f0_hz = scene.f0_at_frames
    voiced = np.isfinite(f0_hz)
    if cover.sum() > 0 and (cover * voiced).sum() < MIN_MEASURED * cover.sum():
        return Missing("most of the nucleus is unvoiced")
    limit_hz = RESOLVED_FACTOR * scene.resolution_hz
    resolved = voiced & (f0_hz >= limit_hz)
    if (cover * resolved).sum() < MIN_MEASURED * (cover * voiced).sum():
        return Missing(f"the analysis window does not resolve harmonics below {limit_hz:.0f} Hz F0")
    f0_hz = np.where(resolved, f0_hz, np.nan)
    half_hz = np.clip(f0_hz / 4, scene.resolution_hz / 2, f0_hz / 2)
    band = scene.in_band(number * f0_hz - half_hz, number * f0_hz + half_hz)
    return band * cover


def _balance(scene: Scene, low_hz: float, high_hz: float) -> FloatArray:
    return np.outer(scene.in_band(low_hz, high_hz), scene.in_time(scene.times.word))


def _add_time_regions() -> None:
    for which in ("1", "2", "stressed", "unstressed"):
        text = {"1": "first", "2": "second"}.get(which, which)
        add(
            Region(
                f"syllable_{which}",
                f"the {text} syllable, divided by maximal onset",
                partial(_syllable, which=which),
            )
        )
    for which in ("1", "2", "stressed", "unstressed"):
        text = {"1": "first", "2": "second"}.get(which, which)
        add(
            Region(
                f"nucleus_{which}",
                f"the vowel of the {text} syllable",
                partial(_nucleus, which=which),
            )
        )
    add(Region("consonants", "all phones of the word but the two nuclei", _consonants))
    add(Region("word", "the whole word", _word))
    add(Region("context", "sound before and after the word", _context))
    add(Region("padding", "frames without sound that fill the image", _padding, exchange="none"))


def _add_track_regions() -> None:
    roles: tuple[str | None, ...] = (None, "stressed", "unstressed")
    for which in roles:
        suffix = f"_{which}" if which else ""
        text = f"the nucleus {_ROLES[which]}" if which else "the two nuclei"
        for k in range(1, 5):
            add(
                Region(
                    f"F{k}{suffix}",
                    f"a band around formant {k} inside {text}",
                    partial(_formant, number=k, which=which),
                    exchange="tracks",
                )
            )
        for h in (1, *HARMONICS) if which is None else (1,):
            name, what = ("F0", "F0") if h == 1 else (f"H{h}", f"harmonic {h}")
            add(
                Region(
                    f"{name}{suffix}",
                    f"a band around {what} inside {text}, where the window resolves harmonics",
                    partial(_harmonic, number=h, which=which),
                    exchange="tracks",
                )
            )


def _add_balance_regions() -> None:
    for low_hz, high_hz in BALANCE_BANDS_HZ:
        add(
            Region(
                f"band_{low_hz}_{high_hz}_hz",
                f"{low_hz} to {high_hz} Hz over the whole word",
                partial(_balance, low_hz=low_hz, high_hz=high_hz),
            )
        )


_add_time_regions()
_add_track_regions()
_add_balance_regions()
