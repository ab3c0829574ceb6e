"""Which formant ceiling a speaker gets, by one of four ways, and whether it looks too low.

``docs/cues.md`` describes the ways. All are per speaker, since a word has too few frames to decide
by. FormantPath itself is not used: the Praat inside parselmouth 0.4 does not tell which ceiling it
preferred, and decides anew along every word.

A ceiling that is too low is the error to fear: Praat then merges two formants and everything above
is wrong, with bandwidths that give it away. :func:`low_ceiling_evidence` compares with the next
higher ceiling.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from stressnet.acoustics.speakers import UNKNOWN_CEILING_HZ, Vowel, ceiling_of, optimise_ceiling
from stressnet.acoustics.tracks import FormantSettings, formant_track
from stressnet.errors import ConfigError

CeilingMethod = Literal["auto", "sex", "optimise", "smoothest"]
METHODS: tuple[CeilingMethod, ...] = ("auto", "sex", "optimise", "smoothest")

PATH_STEP = 0.05
PATH_STEPS = 4
"""Candidates are middle · exp(i · 0.05) for i = -4 ... 4, as FormantPath's defaults have it."""

SMOOTHEST_MIN_S = 0.06
"""Shorter vowels have too few frames to tell a smooth track from a rough one."""

HIGHER = 1.1
LOW_CEILING_EXCESS = 0.2
"""A ceiling looks too low if this much larger a share of vowels is suspect under it than under one
10 % higher."""

MIN_EVIDENCE = 10
"""Vowels without which nothing is said about a ceiling."""

_DEGREE = 3
_N_TRACKS = 3


@dataclass(frozen=True)
class Ceiling:
    """A speaker's formant ceiling, the vowels it was chosen on, and why not as asked for.

    The source is ``sex``, ``unknown-sex``, ``optimised``, ``smoothest`` or ``fixed``.
    """

    ceiling_hz: float
    source: str
    n_vowels: int = 0
    warning: str = ""


def choose_ceiling(
    method: CeilingMethod | float, sex: str | None, vowels: Sequence[Vowel]
) -> Ceiling:
    """A speaker's ceiling by one of :data:`METHODS`, or a fixed one in hertz.

    Where the speaker's vowels do not suffice, the ceiling of the sex is taken, with a warning.
    """
    if isinstance(method, int | float):
        return Ceiling(float(method), "fixed")
    if method not in METHODS:
        raise ConfigError(f"no formant ceiling '{method}'; choose from {', '.join(METHODS)} or Hz")
    default = Ceiling(*ceiling_of(sex))
    if method == "sex" or (method == "auto" and default.source == "sex"):
        return default
    try:
        if method == "smoothest":
            chosen = smoothest_ceiling(vowels, middle_hz=default.ceiling_hz)
            return Ceiling(chosen, "smoothest", len(vowels))
        return Ceiling(optimise_ceiling(vowels), "optimised", len(vowels))
    except ConfigError as error:
        return replace(default, warning=f"{error}; {default.ceiling_hz:g} Hz was used")


def smoothest_ceiling(
    vowels: Sequence[Vowel],
    *,
    middle_hz: float = UNKNOWN_CEILING_HZ,
    settings: FormantSettings | None = None,
) -> float:
    """The candidate ceiling under which a speaker's formant tracks are smoothest.

    For each vowel of 60 ms or more and each candidate, log F1 to F3 are fitted with cubics over the
    vowel; the roughness is the mean square of the residuals. Candidates that lose a formant
    anywhere are out for that vowel. The speaker's ceiling is the median of the vowels' best.

    Raises
    ------
    ConfigError
        If no vowel is long enough.
    """
    settings = settings or FormantSettings()
    steps = np.arange(-PATH_STEPS, PATH_STEPS + 1)
    candidates_hz = middle_hz * np.exp(PATH_STEP * steps)
    best = []
    for vowel in vowels:
        if vowel.end_s - vowel.start_s < SMOOTHEST_MIN_S:
            continue
        usable = candidates_hz[2 * candidates_hz <= vowel.rate_hz]
        roughness = np.array([_roughness(vowel, settings, ceiling) for ceiling in usable])
        if np.isfinite(roughness).any():
            best.append(float(usable[np.nanargmin(roughness)]))
    if not best:
        raise ConfigError(
            "the smoothest formant ceiling cannot be found: no vowel of the speaker is 60 ms long"
        )
    return float(np.median(best))


def _roughness(vowel: Vowel, settings: FormantSettings, ceiling_hz: float) -> float:
    """Mean square residual of cubic fits to log F1 to F3; NaN if a value is missing."""
    track = formant_track(vowel.samples, vowel.rate_hz, replace(settings, ceiling_hz=ceiling_hz))
    track = track.between(vowel.start_s, vowel.end_s)
    tracks: NDArray[np.float64] = np.log(track.frequency_hz[:_N_TRACKS].T)
    if len(tracks) <= _DEGREE + 1 or not np.isfinite(tracks).all():
        return float("nan")
    time = np.linspace(-1.0, 1.0, len(tracks))
    basis = np.polynomial.legendre.legvander(time, _DEGREE)
    fit = basis @ np.linalg.lstsq(basis, tracks, rcond=None)[0]
    return float(np.mean((tracks - fit) ** 2))


def suspect_share(vowels: Sequence[Vowel], settings: FormantSettings) -> float:
    """Share of vowels whose middle is mostly wide-band (:attr:`FormantTrack.wide_band_share`)."""
    middles = (vowel.middle(settings) for vowel in vowels)
    suspect = [middle.wide_band_share > 0.5 for middle in middles if len(middle.time_s)]
    return float(np.mean(suspect)) if suspect else float("nan")


def low_ceiling_evidence(vowels: Sequence[Vowel], settings: FormantSettings) -> tuple[float, float]:
    """Shares of suspect vowels under the ceiling and under one 10 % higher.

    NaN with fewer than ten vowels; the second also where the sampling rate carries no higher
    ceiling.
    """
    if len(vowels) < MIN_EVIDENCE:
        return float("nan"), float("nan")
    higher_hz = HIGHER * settings.ceiling_hz
    under = suspect_share(vowels, settings)
    if any(2 * higher_hz > vowel.rate_hz for vowel in vowels):
        return under, float("nan")
    return under, suspect_share(vowels, replace(settings, ceiling_hz=higher_hz))


def looks_too_low(share: float, share_higher: float) -> bool:
    """Whether a ceiling looks too low: raising it clears up many suspect vowels."""
    return bool(share - share_higher > LOW_CEILING_EXCESS)
