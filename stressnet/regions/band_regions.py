"""Regions bounded in frequency: formants, valleys between them, harmonics, spectral balance.

Bands around tracks lie inside the nuclei, where the tracks mean something. Harmonics are drawn only
in frames whose F0 the analysis window resolves. Bands of spectral balance are those of Sluijter &
van Heuven (1996).
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np

from stressnet.acoustics.tracks import N_FORMANTS
from stressnet.axes import FloatArray
from stressnet.regions.registry import Missing, Region, add
from stressnet.regions.scene import Scene
from stressnet.regions.time_regions import STRESS_UNKNOWN, nucleus_cover

MIN_MEASURED = 0.5
"""A track region is missing where the tracker was silent in more than half of its time."""

RESOLVED_FACTOR = 1.5
"""Harmonics count as resolved where F0 is at least so many main-lobe widths: the valley between
two equal harmonics of a Hann window is then at least 9 dB deep whatever their phases."""

BALANCE_BANDS_HZ = ((0, 500), (500, 1000), (1000, 2000), (2000, 4000))
HARMONICS = (2, 3, 4, 5)
"""Harmonics that are regions of their own."""

N_COMB = 10
"""Harmonics of the comb; those above the image's range fall away."""

_ROLES: tuple[str | None, ...] = (None, "stressed", "unstressed")


def _host(which: str | None) -> str:
    return "nuclei" if which is None else f"nucleus_{which}"


def _formant(scene: Scene, number: int, which: str | None) -> FloatArray | Missing:
    cover = nucleus_cover(scene, which)
    if cover is None:
        return STRESS_UNKNOWN
    absent = _absent(scene, cover, number)
    return absent or scene.formant_bands[number - 1] * cover


def _valley(scene: Scene, number: int, which: str | None) -> FloatArray | Missing:
    """Between the bands of formants ``number`` and ``number + 1``; 0 below F1, 4 above F4."""
    cover = nucleus_cover(scene, which)
    if cover is None:
        return STRESS_UNKNOWN
    for neighbour in (number, number + 1):
        if 1 <= neighbour <= N_FORMANTS:
            absent = _absent(scene, cover, neighbour)
            if absent:
                return absent
    frequency_hz, half_hz = scene.formants_at_frames
    n_frames = scene.axes.shape[1]
    low_hz, high_hz = np.zeros(n_frames), np.full(n_frames, np.inf)
    if number >= 1:
        low_hz = frequency_hz[number - 1] + half_hz[number - 1]
    if number < N_FORMANTS:
        high_hz = frequency_hz[number] - half_hz[number]
    if number == N_FORMANTS:  # a frame without the formant has no region above it
        high_hz = np.where(np.isfinite(low_hz), high_hz, np.nan)
    mask = _in_cover(scene, low_hz, high_hz, cover)
    return mask if mask.any() else Missing("the bands on both sides leave nothing between them")


def _absent(scene: Scene, cover: FloatArray, number: int) -> Missing | None:
    found = np.isfinite(scene.formants_at_frames[0][number - 1])
    if cover.sum() > 0 and (cover * found).sum() < MIN_MEASURED * cover.sum():
        return Missing(f"F{number} was not found in most of the nucleus")
    return None


def _resolved_f0(scene: Scene, which: str | None) -> tuple[FloatArray, FloatArray] | Missing:
    """Cover of the nucleus, and F0 in the frames where the window tells harmonics apart."""
    cover = nucleus_cover(scene, which)
    if cover is None:
        return STRESS_UNKNOWN
    f0_hz = scene.f0_at_frames
    voiced = np.isfinite(f0_hz)
    if cover.sum() > 0 and (cover * voiced).sum() < MIN_MEASURED * cover.sum():
        return Missing("most of the nucleus is unvoiced")
    limit_hz = RESOLVED_FACTOR * scene.resolution_hz
    resolved = voiced & (f0_hz >= limit_hz)
    if (cover * resolved).sum() < MIN_MEASURED * (cover * voiced).sum():
        return Missing(f"the analysis window does not resolve harmonics below {limit_hz:.0f} Hz F0")
    return cover, np.where(resolved, f0_hz, np.nan)


def _half_hz(scene: Scene, f0_hz: FloatArray) -> FloatArray:
    """Half-width of a harmonic's band: a quarter of F0, and no less than the image is sharp."""
    return np.clip(f0_hz / 4, scene.resolution_hz / 2, f0_hz / 2)


def _harmonic(scene: Scene, number: int, which: str | None) -> FloatArray | Missing:
    found = _resolved_f0(scene, which)
    if isinstance(found, Missing):
        return found
    cover, f0_hz = found
    half_hz = _half_hz(scene, f0_hz)
    centre_hz = number * f0_hz + scene.band_shift * half_hz
    return _in_cover(scene, centre_hz - half_hz, centre_hz + half_hz, cover)


def _comb(scene: Scene, which: str | None, between: bool) -> FloatArray | Missing:
    """Bands around H1 to H10, or what lies between them up to H10."""
    found = _resolved_f0(scene, which)
    if isinstance(found, Missing):
        return found
    cover, f0_hz = found
    half_hz = _half_hz(scene, f0_hz)
    centre_hz = np.arange(1, N_COMB + 1)[:, None] * f0_hz + scene.band_shift * half_hz
    low_hz, high_hz = centre_hz - half_hz, centre_hz + half_hz
    if between:
        low_hz, high_hz = high_hz[:-1], low_hz[1:]
        if not (high_hz > low_hz).any():
            return Missing("the harmonics' bands leave nothing between them")
    masks = _in_cover(scene, low_hz, high_hz, cover)
    return np.minimum(masks.sum(axis=0), 1.0)


def _in_cover(
    scene: Scene, low_hz: FloatArray, high_hz: FloatArray, cover: FloatArray
) -> FloatArray:
    """Bands (..., n_frames) in the frames of a cover as masks (..., n_bins, n_frames).

    Only the frames of the cover are computed; they are a fraction of the image.
    """
    frames = np.flatnonzero(cover)
    mask = np.zeros((*low_hz.shape[:-1], *scene.axes.shape))
    mask[..., frames] = scene.in_band(low_hz[..., frames], high_hz[..., frames]) * cover[frames]
    return mask


def _balance(
    scene: Scene, low_hz: float, high_hz: float, which: str | None
) -> FloatArray | Missing:
    if which is None:
        cover: FloatArray | None = scene.in_time(scene.times.word)
    else:
        cover = nucleus_cover(scene, which)
    if cover is None:
        return STRESS_UNKNOWN
    return np.outer(scene.in_band(low_hz, high_hz), cover)


def _add_track_region(
    name: str,
    definition: str,
    which: str | None,
    mask_fn: Callable[..., FloatArray | Missing],
) -> None:
    suffix = f"_{which}" if which else ""
    where = f"the nucleus of the {which} syllable" if which else "the two nuclei"
    text = f"{definition} inside {where}"
    if "harmonic" in definition or name == "F0":
        text += ", where the window resolves harmonics"
    bound = partial(mask_fn, which=which)
    add(Region(f"{name}{suffix}", text, bound, exchange="tracks", within=_host(which)))


def add_regions() -> None:
    """Register the regions of this module."""
    for which in _ROLES:
        for k in range(1, N_FORMANTS + 1):
            _add_track_region(
                f"F{k}", f"a band around formant {k}", which, partial(_formant, number=k)
            )
        for h in (1, *HARMONICS) if which is None else (1,):
            name, what = ("F0", "F0") if h == 1 else (f"H{h}", f"harmonic {h}")
            _add_track_region(name, f"a band around {what}", which, partial(_harmonic, number=h))
        valleys = [
            ("below_F1", "all below the band of F1"),
            *(
                (f"valley_F{k}_F{k + 1}", f"between the bands of F{k} and F{k + 1}")
                for k in (1, 2, 3)
            ),
            ("above_F4", "all above the band of F4"),
        ]
        for k, (name, definition) in enumerate(valleys):
            _add_track_region(name, definition, which, partial(_valley, number=k))
        comb = f"bands around the harmonics 1 to {N_COMB}"
        _add_track_region("harmonics", comb, which, partial(_comb, between=False))
        gaps = f"between the bands of the harmonics 1 to {N_COMB}"
        _add_track_region("between_harmonics", gaps, which, partial(_comb, between=True))
    for which in _ROLES:
        for low_hz, high_hz in BALANCE_BANDS_HZ:
            where = f"in the nucleus of the {which} syllable" if which else "over the whole word"
            add(
                Region(
                    f"band_{low_hz}_{high_hz}_hz" + (f"_{which}" if which else ""),
                    f"{low_hz} to {high_hz} Hz {where}",
                    partial(_balance, low_hz=low_hz, high_hz=high_hz, which=which),
                    within=_host(which) if which else None,
                )
            )
