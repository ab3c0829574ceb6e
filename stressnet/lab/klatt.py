"""A word from its parameters, by synthesis with Praat's KlattGrid (Klatt & Klatt 1990).

Every cue of a vowel acts within the vowel and moves nothing else:

- oral formants are in parallel, so that moving one leaves the levels of the others alone;
- between the vowels the tract rests at positions that belong to the consonants, and formants glide
  from there to the vowel's own values inside the vowel;
- F1 does not glide: resonating past a harmonic it would pull the phase of the voice with it, which
  shows as a movement of F0;
- consonants are voiceless, so that F0 exists in the vowels only;
- intensity and spectral tilt are what is *measured* in the finished vowel: the word is synthesised,
  measured, and synthesised again with corrected amplitudes until it fits.

Levels are decibels re 20 µPa with full scale 1 Pa, Praat's convention. Noise comes from Praat's
generator, seeded per word, and numpy's for the background: the same plan gives the same samples.
"""

from __future__ import annotations

from collections import defaultdict
from math import isfinite
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import parselmouth
from numpy.typing import NDArray
from parselmouth.praat import call

from stressnet.audio import WORKING_RATE_HZ
from stressnet.axes import FloatArray
from stressnet.errors import AudioError
from stressnet.lab.candidates import TILT_SPLIT_HZ
from stressnet.lab.plans import (
    BANDWIDTHS_HZ,
    NEUTRAL_HZ,
    STEP_S,
    STOPS,
    WordPlan,
    f0_contour,
    formant_points,
    noise_spans,
)

RATE_HZ = WORKING_RATE_HZ
_AMPLITUDES_DB = (0.0, -3.0, -8.0, -15.0, -24.0, -32.0)
_N_ORAL = len(NEUTRAL_HZ)

BACKGROUND_DB = 26.0  # White noise under the whole recording, about 40 dB below the vowels

TILT_TOP_HZ = 4000.0
_TILT_SHARES = (0.0, 0.8, 1.0, 1.2, 1.3, 1.3)
"""How strongly the formants' levels follow the tilt. F1 does not: a source that tilts below 1 kHz,
too, moves the peak that Praat takes for F1."""

_BURST_S = 0.008
_MAX_ROUNDS = 6
_CLOSE_DB = 0.3
_TILT_STEP = 1.2  # F1's skirt is above 1 kHz, too: a decibel on the others gives 0.8 of tilt
TOLERANCE_DB = 1.0  # How far a vowel may miss its planned level and tilt

_OFF_DB = -60.0
_VOICING_DB = 90.0
_NOISE_DB = 60.0
_ASPIRATION_DB = 10.0

_FRICATION: dict[str, tuple[tuple[float, float, float], ...]] = {
    "P": ((900, 600, 0), (2300, 1500, -6), (5000, 2500, -10)),
    "T": ((2600, 900, -14), (4300, 900, 0), (6200, 1500, -4)),
    "K": ((1800, 350, 0), (3600, 900, -8), (5600, 1500, -16)),
    "F": ((1500, 1500, -8), (4500, 2500, -4), (7000, 2000, -2)),
    "S": ((3200, 900, -20), (5200, 900, 0), (6800, 1200, -2)),
    "SH": ((2500, 500, -2), (4200, 1000, -2), (6200, 1500, -10)),
}
"""Frequency, bandwidth and amplitude (dB) of the noise's three resonances."""

_PHONATION = (
    *("pitch", "flutter", "voicing amplitude", "double pulsing", "open phase", "collision phase"),
    *("power1", "power2", "spectral tilt", "aspiration amplitude", "breathiness amplitude"),
)
FRICATION_TIERS = tuple(f"frication formant {n}" for n in ("frequency", "bandwidth", "amplitude"))
"""Tiers of a KlattGrid."""


def synthesise(plan: WordPlan) -> NDArray[np.float32]:
    """Samples of a word at :data:`RATE_HZ`."""
    try:
        samples = _fitted(plan)
    except parselmouth.PraatError as error:
        reason = str(error).strip().splitlines()[0]
        raise AudioError(f"word cannot be synthesised: Praat says {reason}") from error
    samples = _levelled(plan, samples)
    level, tilt, _ = _measure(plan, samples)
    for k, vowel in enumerate(plan.vowels):
        pairs = ("level", vowel.intensity_db, level[k]), ("tilt", vowel.tilt_db, tilt[k])
        for name, wanted, got in pairs:
            if not abs(wanted - got) <= TOLERANCE_DB:
                raise AudioError(
                    f"word cannot be synthesised: {name} of vowel {k + 1} is {got:.1f} dB, not the "
                    f"{wanted:.1f} dB it was to be"
                )
    if np.abs(samples).max() >= 1.0:
        raise AudioError("word cannot be synthesised: it clips; lower its intensity")
    return samples.astype(np.float32)


def _fitted(plan: WordPlan) -> FloatArray:
    """Synthesised again and again until tilt and levels are the planned ones, or nearly so."""
    voicing_db, upper_formants_db = np.full(2, _VOICING_DB), np.zeros(2)
    noise_db = np.full(len(plan.consonants), _NOISE_DB)
    wanted_level = np.array([v.intensity_db for v in plan.vowels])
    wanted_tilt = np.array([v.tilt_db for v in plan.vowels])
    wanted_noise = np.array([c.level_db for c in plan.consonants])
    tiers = _tiers(plan)
    with TemporaryDirectory() as folder:
        for _ in range(_MAX_ROUNDS):
            _set_amplitudes(tiers, plan, voicing_db, upper_formants_db, noise_db)
            samples = _render(tiers.grid(Path(folder)), plan)
            level, tilt, noise = _measure(plan, samples)
            missing_tilt = wanted_tilt - tilt
            if max(np.abs(missing_tilt).max(), np.abs(wanted_noise - noise).max()) < _CLOSE_DB:
                break
            upper_formants_db += _TILT_STEP * missing_tilt
            voicing_db += wanted_level - level
            noise_db += wanted_noise - noise
    return samples


def _render(grid: parselmouth.Data, plan: WordPlan) -> FloatArray:
    # Praat's generator is one for the whole process; it is left in a random state afterwards.
    seed = int(plan.noise_seed)
    parselmouth.praat.run(f"random_initializeWithSeedUnsafelyButPredictably ({seed})")
    try:
        made = call(grid, "To Sound (special)", 0, 0, RATE_HZ, *_TO_SOUND)
    finally:
        parselmouth.praat.run("random_initializeSafelyAndUnpredictably ()")
    samples = made.values[0]
    if not np.isfinite(samples).all() or not samples.any():
        raise AudioError("word cannot be synthesised: Praat made no finite sound")
    return samples


_TO_SOUND = (
    *("no", "yes", "yes", "yes", "yes", "yes", "Powers in tiers", "yes", "yes", "yes"),
    *("Parallel", 1, _N_ORAL, *(1, 1) * 6, 1, 3, "no"),
)
"""No scaling of the peak, everything voiced and noisy on, six oral and three noise resonances."""


def _tiers(plan: WordPlan) -> KlattTiers:
    """Everything but the amplitudes that :func:`_set_amplitudes` fills in."""
    tiers = KlattTiers(plan.duration_s, _N_ORAL, 3)
    voice = plan.voice
    tiers.add("open phase", 0.0, voice.open_phase)
    tiers.add("flutter", 0.0, voice.flutter)
    tiers.add("spectral tilt", 0.0, voice.tilt_db)
    for vowel, span in zip(plan.vowels, plan.vowel_spans, strict=True):
        for time_s, f0 in zip(*f0_contour(voice, vowel, span), strict=True):
            tiers.add("pitch", time_s, f0)
    for number in range(_N_ORAL):
        times, values = formant_points(plan, number)
        for time_s, value in zip(times, values, strict=True):
            tiers.add("oral formant frequency", time_s, value, number + 1)
        tiers.add("oral formant bandwidth", 0.0, BANDWIDTHS_HZ[number], number + 1)
    for consonant, span in zip(plan.consonants, plan.spans[0::2], strict=True):
        for i, resonance in enumerate(_FRICATION[consonant.label], start=1):
            for name, value in zip(FRICATION_TIERS, resonance, strict=True):
                for time_s in (span[0], span[1] - 1e-3):
                    tiers.add(name, time_s, value, i)
    return tiers


_SET_AGAIN = (
    *("voicing amplitude", "breathiness amplitude", "frication amplitude"),
    *("aspiration amplitude", "oral formant amplitude"),
)


def _set_amplitudes(
    tiers: KlattTiers,
    plan: WordPlan,
    voicing_db: FloatArray,
    upper_formants_db: FloatArray,
    noise_db: FloatArray,
) -> None:
    """Amplitudes of voice, breath, upper formants and noise, in place of any there were."""
    tiers.clear(*_SET_AGAIN)
    tiers.add("oral formant amplitude", 0.0, _AMPLITUDES_DB[0], 1)
    for span, voice_db, upper_db in zip(
        plan.vowel_spans, voicing_db, upper_formants_db, strict=True
    ):
        tiers.hold("voicing amplitude", span, voice_db, _OFF_DB)
        breath_db = plan.voice.breath_db + voice_db - _VOICING_DB
        tiers.hold("breathiness amplitude", span, breath_db, _OFF_DB)
        for number in range(1, _N_ORAL):
            base_db = _AMPLITUDES_DB[number]
            in_vowel_db = base_db + _TILT_SHARES[number] * upper_db
            tiers.hold("oral formant amplitude", span, in_vowel_db, base_db, number + 1)
    for consonant, (start, end), level_db in zip(
        plan.consonants, plan.spans[0::2], noise_db, strict=True
    ):
        burst = start + consonant.closure_s
        is_stop = consonant.label in STOPS
        burst_end = min(burst + _BURST_S, end) if is_stop else end
        tiers.hold("frication amplitude", (burst, burst_end - 1e-3), level_db, _OFF_DB)
        if burst_end < end:
            breath_db = level_db - _ASPIRATION_DB
            tiers.hold("aspiration amplitude", (burst_end, end - 1e-3), breath_db, _OFF_DB)


def level_db(samples: FloatArray) -> float:
    """Level of samples re 20 µPa."""
    return float(10 * np.log10(np.mean(np.square(samples)) / 4e-10 + 1e-30))


def tilt_db(samples: FloatArray, rate_hz: int = RATE_HZ) -> float:
    """Level of 1 to 4 kHz above that of 0 to 1 kHz, under one Hann window over all samples."""
    n_fft = 1 << int(np.ceil(np.log2(len(samples))) + 1)
    power = np.abs(np.fft.rfft(samples * np.hanning(len(samples)), n_fft)) ** 2
    frequency = np.fft.rfftfreq(n_fft, 1 / rate_hz)
    low = power[frequency < TILT_SPLIT_HZ].sum()
    high = power[(frequency >= TILT_SPLIT_HZ) & (frequency < TILT_TOP_HZ)].sum()
    return float(10 * np.log10((high + 1e-30) / (low + 1e-30)))


def cut(samples: NDArray, span: tuple[float, float]) -> FloatArray:
    """Samples between two times of the recording."""
    return np.asarray(samples[round(span[0] * RATE_HZ) : round(span[1] * RATE_HZ)], dtype=float)


def _measure(plan: WordPlan, samples: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Level and tilt of the vowels, level of the consonants' noise."""
    vowels, noises = (
        [cut(samples, span) for span in spans] for spans in (plan.vowel_spans, noise_spans(plan))
    )
    measures = map(level_db, vowels), map(tilt_db, vowels), map(level_db, noises)
    level, tilt, noise = (np.array(list(values)) for values in measures)
    return level, tilt, noise


def _levelled(plan: WordPlan, samples: FloatArray) -> FloatArray:
    """What is left of the levels' error, by a gain that changes over 6 ms; then the background."""
    level, _, noise = _measure(plan, samples)
    times, gains = [0.0], [0.0]
    wanted = [
        *zip(plan.vowel_spans, [v.intensity_db for v in plan.vowels] - level, strict=True),
        *zip(noise_spans(plan), [c.level_db for c in plan.consonants] - noise, strict=True),
    ]
    for (start, end), gain in sorted(wanted):
        edge = min(0.003, 0.25 * (end - start))
        times += [start - 1e-4 if start - 1e-4 > times[-1] else times[-1] + 1e-6]
        times += [start + edge, end - edge]
        gains += [0.5 * (gains[-1] + gain), gain, gain]
    clock = np.arange(len(samples)) / RATE_HZ
    samples = samples * 10 ** (np.interp(clock, times, gains) / 20)
    background = np.random.default_rng([plan.noise_seed, 1]).standard_normal(len(samples))
    return samples + background * 2e-5 * 10 ** (BACKGROUND_DB / 20)


class KlattTiers:
    """Points of a KlattGrid with oral formants and frication, and no other resonances.

    A word has some four hundred. Praat reads them from a file (its manual, "Types of files") in a
    fraction of a millisecond; added command by command they take longer than the synthesis.
    """

    def __init__(self, duration_s: float, n_oral: int, n_frication: int) -> None:
        self.duration_s, self.n_oral, self.n_frication = duration_s, n_oral, n_frication
        self._points: dict[tuple[str, int], dict[float, float]] = defaultdict(dict)

    def add(self, tier: str, time_s: float, value: float, number: int = 0) -> None:
        """Add a point; where there is one already, it stays, as in Praat.

        The ``tier`` has Praat's name, e.g. ``oral formant frequency``; ``number`` is that of the
        resonance, from 1, or 0 for tiers that have none.
        """
        positive = tier == "pitch" or tier.endswith(("frequency", "bandwidth"))
        if not (isfinite(time_s) and isfinite(value)) or (positive and value <= 0):
            raise AudioError(
                f"word cannot be synthesised: {tier} is to be {value:g} at {time_s:.3f} s"
            )
        self._points[tier, number].setdefault(float(time_s), float(value))

    def hold(
        self, tier: str, span: tuple[float, float], value: float, outside: float, number: int = 0
    ) -> None:
        """Set a value between two times and another just outside."""
        self.add(tier, span[0] - STEP_S, outside, number)
        self.add(tier, span[0], value, number)
        self.add(tier, span[1], value, number)
        self.add(tier, span[1] + STEP_S, outside, number)

    def clear(self, *tiers: str) -> None:
        """Remove all points of some tiers, of every resonance."""
        for key in [key for key in self._points if key[0] in tiers]:
            del self._points[key]

    def text(self) -> str:
        """The grid in Praat's short text format."""
        limits = ["0", repr(float(self.duration_s))]
        there = ["<exists>", *limits]

        def tier(name: str, number: int = 0) -> list[str]:
            points = sorted(self._points.get((name, number), {}).items())
            return [str(len(points)), *(repr(number) for point in points for number in point)]

        def tiers(name: str, n: int) -> list[str]:
            lines = [str(n)]
            for number in range(1, n + 1):
                lines += [*limits, *tier(name, number)]
            return lines

        nothing = [*there, "0", "0"]
        lines = ['File type = "ooTextFile"', 'Object class = "KlattGrid"', "", *limits, *there]
        for name in _PHONATION:
            lines += [*there, *tier(name)]
        lines += [*there, *there]  # vocal tract, its oral formants
        lines += tiers("oral formant frequency", self.n_oral)
        lines += tiers("oral formant bandwidth", self.n_oral)
        lines += nothing * 2  # nasal formants and antiformants
        lines += [*tiers("oral formant amplitude", self.n_oral), "0"]
        lines += [*there, *nothing * 2, "0", *nothing]  # coupling: tracheal and delta formants
        lines += [*there, *there, *tier("frication amplitude"), *there]
        for name in FRICATION_TIERS:
            lines += tiers(name, self.n_frication)
        lines += [*there, *tier("frication bypass"), *there, "0"]  # and the gain
        return "\n".join(lines) + "\n"

    def grid(self, folder: Path) -> parselmouth.Data:
        """The grid as an object of Praat's."""
        file = folder / "word.KlattGrid"
        file.write_text(self.text(), encoding="ascii")
        return parselmouth.Data.read(str(file))
