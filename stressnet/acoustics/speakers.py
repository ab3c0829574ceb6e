"""What one speaker's voice needs from the trackers: a pitch range and a formant ceiling.

A word is too short to tell a speaker's range, so both are derived from several excerpts of the
speaker and kept; ``docs/cues.md`` says how (De Looze & Hirst 2008; Escudero, Boersma, Rauber & Bion
2009). Quartiles are taken over vowels where these are known: between words the trackers may follow
mains hum or a fan, which in a home recording can outnumber the voiced frames of speech.

A ceiling that is too low is the error to fear: Praat then merges two formants and everything above
is wrong, with bandwidths that give it away, while one that is too high costs a few hertz.
:func:`low_ceiling_evidence` compares with the next higher ceiling. FormantPath itself is not used:
the Praat inside parselmouth 0.4 does not tell which ceiling it preferred, and decides anew along
every word.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal, Self

import numpy as np
from numpy.typing import NDArray

from stressnet.acoustics.track_types import FormantTrack, Tracks
from stressnet.acoustics.tracks import (
    HIGH_PASS_HZ,
    HUM_THRESHOLD_DB,
    FormantSettings,
    PitchSettings,
    formant_track,
    hum_level_db,
    pitch_track,
)
from stressnet.errors import ConfigError

CEILING_HZ = {"male": 5000.0, "female": 5500.0}
UNKNOWN_CEILING_HZ = 5500.0
FLOOR_FACTOR = 0.75
CEILING_FACTOR = 1.5
FIRST_PASS_FLOOR_HZ = 75.0  # Praat's own default of old; also above mains hum
LOWEST_FLOOR_HZ = 62.0  # Above mains hum (50 or 60 Hz) as a tracker sees it
MIN_VOICED_FRAMES = 20  # With fewer voiced frames (0.1 s at 5 ms) the wide range is kept


@dataclass(frozen=True)
class SpeakerSettings:
    """Tracker settings of one speaker and where they come from."""

    pitch: PitchSettings
    formants: FormantSettings
    f0_median_hz: float  # Of the first pass; NaN if nothing was voiced
    n_voiced_frames: int  # What the range rests on
    pitch_source: str  # `two-pass`, or `wide` with too few voiced frames for quartiles
    ceiling_source: str  # As of `Ceiling`

    def to_dict(self) -> dict[str, Any]:
        """All of it as plain values, for manifests."""
        fields = asdict(self)
        fields["pitch"] = self.pitch.praat_arguments()
        fields["formants"] = self.formants.praat_arguments()
        return fields

    @classmethod
    def from_dict(cls, fields: Mapping[str, Any]) -> Self:
        """The inverse of :meth:`to_dict`."""
        pitch = {k: v for k, v in fields["pitch"].items() if k != "command"}
        pitch["method"] = str(pitch["method"]).split(" ")[0]  # the rest is for readers
        formants = {k: v for k, v in fields["formants"].items() if k != "command"}
        settings = {"pitch": PitchSettings(**pitch), "formants": FormantSettings(**formants)}
        return cls(**{**fields, **settings})


@dataclass(frozen=True)
class Vowel:
    """A vowel between ``start_s`` and ``end_s`` of an excerpt with context, and its category."""

    label: str
    samples: NDArray
    rate_hz: int
    start_s: float
    end_s: float

    def middle(self, settings: FormantSettings) -> FormantTrack:
        """Formants in its middle 40 %."""
        track = formant_track(self.samples, self.rate_hz, settings)
        length_s = self.end_s - self.start_s
        return track.between(self.start_s + 0.3 * length_s, self.end_s - 0.3 * length_s)


def sex_of(text: str | None) -> str | None:
    """``"male"``, ``"female"`` or None from ``M``, ``f``, ``Female``, ``?`` and the like."""
    first = (text or "").strip().lower()[:1]
    return {"m": "male", "f": "female", "w": "female"}.get(first)


def ceiling_of(sex: str | None) -> tuple[float, str]:
    """Formant ceiling of a sex in hertz, and ``sex`` or ``unknown-sex``."""
    known = sex_of(sex)
    return (CEILING_HZ[known], "sex") if known else (UNKNOWN_CEILING_HZ, "unknown-sex")


def speaker_settings(
    excerpts: Iterable[tuple[NDArray, int]],
    sex: str | None = None,
    *,
    pitch: PitchSettings | None = None,
    ceiling_factor: float = CEILING_FACTOR,
    spans_s: Sequence[Sequence[tuple[float, float]]] | None = None,
) -> SpeakerSettings:
    """Pitch range and formant ceiling of one speaker.

    Excerpts are samples, each with its rate in hertz; a few dozen words are plenty. ``pitch`` are
    the settings of the first pass. For the pitch ceiling q75 is multiplied with ``ceiling_factor``:
    1.5, or 2.5 for expressive speech. ``spans_s`` are, for each excerpt, the (start_s, end_s) in
    which to look for the speaker's F0: the vowels. Everywhere if left out.
    """
    wide = pitch or PitchSettings()
    wide = replace(wide, floor_hz=max(wide.floor_hz, FIRST_PASS_FLOOR_HZ))

    parts = [np.zeros(0)]
    heard = list(excerpts)
    spans = [[(0.0, float("inf"))]] * len(heard) if spans_s is None else spans_s
    if _hums(heard):
        wide = replace(wide, high_pass_hz=HIGH_PASS_HZ)
    for (samples, rate_hz), places in zip(heard, spans, strict=True):
        track = pitch_track(samples, rate_hz, wide)
        parts += [track.between(start_s, end_s).f0_hz for start_s, end_s in places]
    f0_hz = np.concatenate(parts)
    f0_hz = f0_hz[np.isfinite(f0_hz)]

    narrow, pitch_source = wide, "wide"
    if len(f0_hz) >= MIN_VOICED_FRAMES:
        q25, q75 = np.quantile(f0_hz, [0.25, 0.75])
        # Whole hertz keep manifests readable and reruns identical.
        floor_hz = max(LOWEST_FLOOR_HZ, float(np.floor(FLOOR_FACTOR * q25)))
        ceiling_hz = min(wide.ceiling_hz, float(np.ceil(ceiling_factor * q75)))
        narrow, pitch_source = replace(wide, floor_hz=floor_hz, ceiling_hz=ceiling_hz), "two-pass"

    ceiling_hz, ceiling_source = ceiling_of(sex)
    return SpeakerSettings(
        pitch=narrow,
        formants=FormantSettings(ceiling_hz=ceiling_hz),
        f0_median_hz=float(np.median(f0_hz)) if len(f0_hz) else float("nan"),
        n_voiced_frames=len(f0_hz),
        pitch_source=pitch_source,
        ceiling_source=ceiling_source,
    )


def _hums(excerpts: Sequence[tuple[NDArray, int]]) -> bool:
    """Whether the speaker's excerpts, by their median, carry mains hum."""
    levels = np.array([hum_level_db(samples, rate_hz) for samples, rate_hz in excerpts])
    levels = levels[np.isfinite(levels)]
    return bool(len(levels) and np.median(levels) > HUM_THRESHOLD_DB)


def tracks_of(
    samples: NDArray, rate_hz: int, settings: SpeakerSettings, *, origin_s: float = 0.0
) -> Tracks:
    """Formants and pitch of an excerpt under a speaker's settings; ``origin_s`` becomes zero."""
    return Tracks(
        formant_track(samples, rate_hz, settings.formants, origin_s=origin_s),
        pitch_track(samples, rate_hz, settings.pitch, origin_s=origin_s),
    )


def optimise_ceiling(
    vowels: Sequence[Vowel],
    *,
    ceilings_hz: Sequence[float] = tuple(np.arange(4500.0, 6501.0, 100.0)),
) -> float:
    """The formant ceiling under which a speaker's vowels vary least.

    For each ceiling, F1 and F2 are the medians over the middle 40 % of each vowel; the loss is the
    within-category variance of log F1 plus that of log F2, pooled over categories (Escudero et al.
    2009, who do this per vowel). Only vowels measurable under every ceiling count. Raises
    `ConfigError` if no category has two usable vowels.
    """
    groups: dict[str, list[int]] = defaultdict(list)
    measured = np.full((len(vowels), len(ceilings_hz), 2), np.nan)
    for index, vowel in enumerate(vowels):
        measured[index] = np.log([_middle(vowel, c) for c in ceilings_hz])
        if np.isfinite(measured[index]).all():
            groups[vowel.label].append(index)
    groups = {label: members for label, members in groups.items() if len(members) >= 2}
    if not groups:
        raise ConfigError(
            "the formant ceiling cannot be optimised: no vowel category has two usable tokens; "
            "give more of the speaker's vowels or use the ceiling of the speaker's sex"
        )
    squares = np.zeros(len(ceilings_hz))
    for members in groups.values():
        squares += (measured[members].var(axis=0) * len(members)).sum(axis=-1)
    return float(ceilings_hz[int(np.argmin(squares))])


def _middle(vowel: Vowel, ceiling_hz: float) -> NDArray[np.float64]:
    """Median F1 and F2 over the middle 40 % of a vowel, NaN if it has no frame there."""
    middle = vowel.middle(FormantSettings(ceiling_hz=ceiling_hz))
    if len(middle.time_s) == 0:
        return np.full(2, np.nan)
    return np.median(middle.frequency_hz[:2], axis=1)


CeilingMethod = Literal["auto", "sex", "optimise", "smoothest"]
METHODS: tuple[CeilingMethod, ...] = ("auto", "sex", "optimise", "smoothest")

PATH_STEP = 0.05
PATH_STEPS = 4  # Candidates: middle · exp(i · 0.05) for i = -4 ... 4, FormantPath's defaults
SMOOTHEST_MIN_S = 0.06  # Shorter vowels have too few frames to tell a smooth track from a rough one

HIGHER = 1.1
LOW_CEILING_EXCESS = 0.2
"""A ceiling looks too low if this much larger a share of vowels is suspect under it than under one
10 % higher."""

MIN_EVIDENCE = 10  # Vowels without which nothing is said about a ceiling

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
    """A speaker's ceiling by one of :data:`METHODS`, or a fixed one in hertz."""
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


def smoothest_ceiling(vowels: Sequence[Vowel], *, middle_hz: float = UNKNOWN_CEILING_HZ) -> float:
    """The candidate ceiling under which a speaker's formant tracks are smoothest.

    For each vowel of 60 ms or more and each candidate, log F1 to F3 are fitted with cubics over the
    vowel; the roughness is the mean square of the residuals. Candidates that lose a formant
    anywhere are out for that vowel. The speaker's ceiling is the median of the vowels' best. Raises
    `ConfigError` if no vowel is long enough.
    """
    steps = np.arange(-PATH_STEPS, PATH_STEPS + 1)
    candidates_hz = middle_hz * np.exp(PATH_STEP * steps)
    best = []
    for vowel in vowels:
        if vowel.end_s - vowel.start_s < SMOOTHEST_MIN_S:
            continue
        usable = candidates_hz[2 * candidates_hz <= vowel.rate_hz]
        roughness = np.array([_roughness(vowel, ceiling) for ceiling in usable])
        if np.isfinite(roughness).any():
            best.append(float(usable[np.nanargmin(roughness)]))
    if not best:
        raise ConfigError(
            "the smoothest formant ceiling cannot be found: no vowel of the speaker is 60 ms long"
        )
    return float(np.median(best))


def _roughness(vowel: Vowel, ceiling_hz: float) -> float:
    """Mean square residual of cubic fits to log F1 to F3; NaN if a value is missing."""
    track = formant_track(vowel.samples, vowel.rate_hz, FormantSettings(ceiling_hz=ceiling_hz))
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
    """Shares of suspect vowels under the ceiling and under one 10 % higher."""
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
