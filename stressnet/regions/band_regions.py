"""Regions bounded in frequency: formants, valleys between them, harmonics, spectral balance.

Bands around tracks lie inside the nuclei, where the tracks mean something. Harmonics are drawn only
in frames whose F0 the analysis window resolves. Bands of spectral balance are those of Sluijter &
van Heuven (1996).
"""

from collections.abc import Callable, Sequence
from functools import partial

import numpy as np

from stressnet.acoustics.track_types import N_FORMANTS
from stressnet.axes import FloatArray
from stressnet.regions.registry import Missing, Region, Stretch, add
from stressnet.regions.scene import Scene
from stressnet.regions.time_regions import nucleus_cover

MIN_MEASURED = 0.5  # A track region is missing where half of its time has no track

RESOLVED_FACTOR = 1.5
"""Harmonics count as resolved where F0 is at least so many main-lobe widths: the valley between
two equal harmonics of a Hann window is then at least 9 dB deep whatever their phases."""

BALANCE_BANDS_HZ = ((0, 500), (500, 1000), (1000, 2000), (2000, 4000))
HARMONICS = (2, 3, 4, 5)  # Harmonics that are regions of their own

VALLEYS = ("below_F1", *(f"valley_F{k}_F{k + 1}" for k in (1, 2, 3)), "above_F4")
"""Regions between formants, and beyond the outer ones."""

N_COMB = 10  # Harmonics of the comb; those above the image's range fall away

_ROLES: tuple[str | None, ...] = (None, "stressed", "unstressed")


def _host(which: str | None) -> str:
    return "nuclei" if which is None else f"nucleus_{which}"


def _inside(
    scene: Scene,
    which: str | None,
    cover_of: Callable[[Scene, str | None], FloatArray | Missing],
    draw: Callable[[Scene, FloatArray], Stretch | Missing],
) -> Stretch | Missing:
    """What is drawn inside a nucleus or both, if its cover is known."""
    cover = cover_of(scene, which)
    return cover if isinstance(cover, Missing) else draw(scene, cover)


def _formant(scene: Scene, cover: FloatArray, number: int) -> Stretch | Missing:
    def bands() -> list[Stretch]:
        frequency_hz, half_hz = scene.formants_at_frames
        return _in_vowels(scene, frequency_hz - half_hz, frequency_hz + half_hz)

    absent = _absent(scene, cover, number)
    return absent or _cut(scene.once("formants", bands)[number - 1], cover)


def _valley(scene: Scene, cover: FloatArray, number: int) -> Stretch | Missing:
    """Between the bands of formants ``number`` and ``number + 1``; 0 below F1, 4 above F4."""
    for neighbour in (number, number + 1):
        if 1 <= neighbour <= N_FORMANTS and (absent := _absent(scene, cover, neighbour)):
            return absent
    mask = _cut(scene.once("valleys", lambda: _valleys(scene))[number], cover)
    nothing = Missing("the bands on both sides leave nothing between them")
    return mask if mask.values.any() else nothing


def _valleys(scene: Scene) -> list[Stretch]:
    """Masks below F1, between neighbours, and above F4."""
    frequency_hz, half_hz = scene.formants_at_frames
    n_frames = scene.axes.shape[1]
    low_hz = np.vstack([np.zeros(n_frames), frequency_hz + half_hz])
    high_hz = np.vstack([frequency_hz - half_hz, np.full(n_frames, np.inf)])
    # A frame without the formant has nothing below or above it.
    absent = np.isnan(low_hz) | np.isnan(high_hz)
    low_hz, high_hz = np.where(absent, np.nan, low_hz), np.where(absent, np.nan, high_hz)
    return _in_vowels(scene, low_hz, high_hz)


def _absent(scene: Scene, cover: FloatArray, number: int) -> Missing | None:
    found = np.isfinite(scene.formants_at_frames[0][number - 1])
    if cover.sum() > 0 and (cover * found).sum() < MIN_MEASURED * cover.sum():
        return Missing(f"F{number} was not found in most of the nucleus")
    return None


def _resolved_cover(scene: Scene, which: str | None) -> FloatArray | Missing:
    """Cover of the nucleus if the window tells harmonics apart in most of its voiced frames."""
    cover = nucleus_cover(scene, which)
    if isinstance(cover, Missing):
        return cover
    f0_hz = scene.f0_at_frames
    voiced = np.isfinite(f0_hz)
    if cover.sum() > 0 and (cover * voiced).sum() < MIN_MEASURED * cover.sum():
        return Missing("most of the nucleus is unvoiced")
    limit_hz = RESOLVED_FACTOR * scene.resolution_hz
    if (cover * (f0_hz >= limit_hz)).sum() < MIN_MEASURED * (cover * voiced).sum():
        return Missing(f"the analysis window does not resolve harmonics below {limit_hz:.0f} Hz F0")
    return cover


def _harmonic_limits(scene: Scene) -> tuple[FloatArray, FloatArray]:
    """Lower and upper limits of the bands of H1 to H10, each (10, n_frames); NaN if unresolved."""
    f0_hz = scene.f0_at_frames
    f0_hz = np.where(f0_hz >= RESOLVED_FACTOR * scene.resolution_hz, f0_hz, np.nan)
    half_hz = np.clip(f0_hz / 4, scene.resolution_hz / 2, f0_hz / 2)
    centre_hz = np.arange(1, N_COMB + 1)[:, None] * f0_hz + scene.band_shift * half_hz
    return centre_hz - half_hz, centre_hz + half_hz


def _harmonic_bands(scene: Scene) -> list[Stretch]:
    return scene.once("harmonics", lambda: _in_vowels(scene, *_harmonic_limits(scene)))


def _harmonic(scene: Scene, cover: FloatArray, number: int) -> Stretch:
    return _cut(_harmonic_bands(scene)[number - 1], cover)


def _comb(scene: Scene, cover: FloatArray) -> Stretch:
    """Bands around H1 to H10."""
    return _cut(scene.once("comb", lambda: _sum(_harmonic_bands(scene))), cover)


def _gaps(scene: Scene, cover: FloatArray) -> Stretch | Missing:
    """What lies between the bands of H1 to H10."""

    def between() -> Stretch:
        low_hz, high_hz = _harmonic_limits(scene)
        return _sum(_in_vowels(scene, high_hz[:-1], low_hz[1:]))

    mask = _cut(scene.once("gaps", between), cover)
    return mask if mask.values.any() else Missing("the harmonics' bands leave nothing between them")


def _in_vowels(scene: Scene, low_hz: FloatArray, high_hz: FloatArray) -> list[Stretch]:
    """Bands (n, n_frames) as n masks from the first frame of a vowel to the last."""
    frames = np.flatnonzero(scene.nuclei_cover.any(axis=0))
    if not len(frames):
        return [Stretch(np.zeros((scene.axes.shape[0], 0)), 0)] * len(low_hz)
    part = slice(frames[0], frames[-1] + 1)
    bands = scene.in_band(low_hz[:, part], high_hz[:, part])
    return [Stretch(band, int(frames[0])) for band in bands]


def _cut(mask: Stretch, cover: FloatArray) -> Stretch:
    """What a cover of frames leaves of a mask."""
    frames = np.flatnonzero(cover)
    if not len(frames) or not mask.values.shape[1]:
        return Stretch(mask.values[:, :0], 0)
    part = slice(int(frames[0]), int(frames[-1]) + 1)
    here = mask.values[:, part.start - mask.start : part.stop - mask.start]
    return Stretch(here * cover[part], part.start)


def _sum(masks: Sequence[Stretch]) -> Stretch:
    """Masks of the same frames added up."""
    total = np.sum([mask.values for mask in masks], axis=0)
    return Stretch(np.minimum(total, 1.0), masks[0].start)


def _balance(scene: Scene, low_hz: float, high_hz: float, which: str | None) -> Stretch | Missing:
    cover = nucleus_cover(scene, which) if which else scene.in_time(scene.times.word)
    if isinstance(cover, Missing):
        return cover
    frames = np.flatnonzero(cover)
    if not len(frames):
        return Missing("outside the image")
    part = slice(int(frames[0]), int(frames[-1]) + 1)
    return Stretch(np.outer(scene.in_band(low_hz, high_hz), cover[part]), part.start)


def _add_track_region(
    name: str, definition: str, which: str | None, draw: Callable[..., Stretch | Missing]
) -> None:
    suffix = f"_{which}" if which else ""
    where = f"the nucleus of the {which} syllable" if which else "the two nuclei"
    text, cover_of = f"{definition} inside {where}", nucleus_cover
    if "harmonic" in definition or name == "F0":
        text += ", where the window resolves harmonics"
        cover_of = _resolved_cover
    mask_fn = partial(_inside, which=which, cover_of=cover_of, draw=draw)
    add(Region(f"{name}{suffix}", text, mask_fn, exchange="tracks", within=_host(which)))


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
        for k, name in enumerate(VALLEYS):
            where = f"between the bands of F{k} and F{k + 1}"
            ends = {0: "all below the band of F1", N_FORMANTS: "all above the band of F4"}
            _add_track_region(name, ends.get(k, where), which, partial(_valley, number=k))
        comb = f"bands around the harmonics 1 to {N_COMB}"
        _add_track_region("harmonics", comb, which, _comb)
        gaps = f"between the bands of the harmonics 1 to {N_COMB}"
        _add_track_region("between_harmonics", gaps, which, _gaps)
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
