"""Formant and pitch tracks through Praat, on their own time axes.

Analyse wide, then slice: tracks are computed on an excerpt with context around the word, because
an analysis window that meets an edge gives wrong numbers. Times are seconds from ``origin_s`` of
the excerpt (for a token: word onset = 0), frequencies hertz. What could not be measured is NaN;
an excerpt too short for the analysis gives a track without frames, never a number. Praat's frames
and a spectrogram's frames are different grids: tracks are read at any times by their ``at``.

``"filtered-ac"`` is the pitch method that Praat recommends for intonation since version 6.4; the
Praat inside parselmouth 0.4 is older, so its filter is applied here (:func:`low_pass`) in front of
*To Pitch (ac)*, which ``"raw-ac"`` is alone (Praat manual, *Sound: To Pitch (filtered ac)...*).

Home recordings carry mains hum that can be as strong as the voice's first harmonic; the trackers,
the filtered one above all, then find a perfectly periodic voice of 60 Hz. Where a speaker's
excerpts show it, everything below 67 Hz is removed before the pitch analysis, and only there.
"""

from collections.abc import Mapping
from dataclasses import asdict, astuple, dataclass
from typing import Any, Literal, Self

import numpy as np
import parselmouth
from numpy.typing import NDArray
from parselmouth.praat import call

from stressnet.acoustics.track_types import N_FORMANTS, FormantTrack, PitchTrack, Tracks
from stressnet.axes import FloatArray
from stressnet.errors import AudioError, ConfigError


@dataclass(frozen=True)
class FormantSettings:
    """Arguments of Praat's *To Formant (burg)*; its physical window is twice ``window_s``."""

    time_step_s: float = 0.005
    max_n_formants: float = 5.0
    ceiling_hz: float = 5500.0
    window_s: float = 0.025
    pre_emphasis_from_hz: float = 50.0

    @property
    def shortest_s(self) -> float:
        """Shortest sound that holds one whole analysis window."""
        return 2 * self.window_s

    def praat_arguments(self) -> dict[str, Any]:
        """The command and all its arguments, for manifests."""
        return {"command": "To Formant (burg)", **asdict(self)}


@dataclass(frozen=True)
class PitchSettings:
    """Arguments of Praat's *To Pitch (ac)*, with the filter of *(filtered ac)* in front.

    The defaults are those of Praat 6.4's filtered autocorrelation; :meth:`raw` gives those of the
    raw one. ``filter_top_hz`` is the pitch top in Praat's dialogue, where it is also the ceiling;
    here it stays wide when the ceiling is narrowed to a speaker's range. ``high_pass_hz`` above 0
    removes mains hum first, see :mod:`stressnet.acoustics.tracks`.
    """

    method: Literal["filtered-ac", "raw-ac"] = "filtered-ac"
    time_step_s: float = 0.005
    floor_hz: float = 50.0
    ceiling_hz: float = 800.0
    max_n_candidates: int = 15
    very_accurate: bool = False
    silence_threshold: float = 0.09
    voicing_threshold: float = 0.50
    octave_cost: float = 0.055
    octave_jump_cost: float = 0.35
    voiced_unvoiced_cost: float = 0.14
    attenuation_at_top: float = 0.03
    filter_top_hz: float = 800.0
    high_pass_hz: float = 0.0

    def __post_init__(self) -> None:
        if self.method not in ("filtered-ac", "raw-ac"):
            raise ConfigError(f"pitch method {self.method!r} is not filtered-ac or raw-ac")
        if not 0 < self.floor_hz < self.ceiling_hz:
            raise ConfigError(
                f"pitch floor {self.floor_hz} Hz must be positive and below the ceiling "
                f"{self.ceiling_hz} Hz"
            )

    @classmethod
    def raw(cls, floor_hz: float = 75.0, ceiling_hz: float = 600.0) -> Self:
        """Praat's defaults for raw autocorrelation."""
        return cls(
            method="raw-ac",
            floor_hz=floor_hz,
            ceiling_hz=ceiling_hz,
            silence_threshold=0.03,
            voicing_threshold=0.45,
            octave_cost=0.01,
        )

    @property
    def shortest_s(self) -> float:
        """Shortest sound that holds one whole analysis window (three periods of the floor)."""
        return (6.0 if self.very_accurate else 3.0) / self.floor_hz

    def praat_arguments(self) -> dict[str, Any]:
        """The command and all its arguments, for manifests."""
        arguments = {"command": "To Pitch (ac)", **asdict(self)}
        if self.method == "raw-ac":
            del arguments["attenuation_at_top"], arguments["filter_top_hz"]
        else:
            arguments["method"] = "filtered-ac (Gaussian low-pass of Praat 6.4, emulated)"
        return arguments


def formant_track(
    samples: NDArray,
    rate_hz: int,
    settings: FormantSettings | None = None,
    *,
    origin_s: float = 0.0,
) -> FormantTrack:
    """F1 to F4 of an excerpt by Praat's Burg method; ``origin_s`` of it becomes zero."""
    formant = praat_formant(samples, rate_hz, settings)
    return Tracks.missing().formants if formant is None else formant_track_of(formant, origin_s)


def formant_track_of(formant: parselmouth.Formant, origin_s: float = 0.0) -> FormantTrack:
    """A Praat Formant as a track; ``origin_s`` becomes zero."""
    times = np.asarray(formant.xs())
    numbers = range(1, N_FORMANTS + 1)
    return FormantTrack(
        times - origin_s,
        np.array([[formant.get_value_at_time(k, t) for t in times] for k in numbers]),
        np.array([[formant.get_bandwidth_at_time(k, t) for t in times] for k in numbers]),
    )


def pitch_track(
    samples: NDArray, rate_hz: int, settings: PitchSettings | None = None, *, origin_s: float = 0.0
) -> PitchTrack:
    """F0 of an excerpt by autocorrelation, filtered or raw; arguments as of :func:`formant_track`.

    30 ms of context and more are needed for low floors, since a window spans three periods.
    """
    pitch = praat_pitch(samples, rate_hz, settings)
    return Tracks.missing().pitch if pitch is None else pitch_track_of(pitch, origin_s)


def pitch_track_of(pitch: parselmouth.Pitch, origin_s: float = 0.0) -> PitchTrack:
    """A Praat Pitch as a track, unvoiced frames NaN; ``origin_s`` becomes zero."""
    f0_hz = pitch.selected_array["frequency"].astype(np.float64)
    f0_hz[f0_hz == 0] = np.nan
    return PitchTrack(np.asarray(pitch.xs()) - origin_s, f0_hz)


def praat_formant(
    samples: NDArray, rate_hz: int, settings: FormantSettings | None = None
) -> parselmouth.Formant | None:
    """Praat's own Formant object, to be queried; None if the excerpt is too short."""
    settings = settings or FormantSettings()
    sound = praat_sound(samples, rate_hz)
    if rate_hz < 2 * settings.ceiling_hz:
        raise AudioError(
            f"audio at {rate_hz} Hz cannot carry a formant ceiling of {settings.ceiling_hz:g} Hz; "
            "use a higher rate or a lower ceiling"
        )
    if sound.duration < settings.shortest_s:
        return None
    return sound.to_formant_burg(*astuple(settings))


def praat_pitch(
    samples: NDArray, rate_hz: int, settings: PitchSettings | None = None
) -> parselmouth.Pitch | None:
    """Praat's own Pitch object, to be queried; None if the excerpt is too short."""
    settings = settings or PitchSettings()
    sound = praat_sound(samples, rate_hz)
    # Praat also needs the window to be strictly shorter than the sound.
    if sound.duration <= settings.shortest_s + 1.0 / rate_hz:
        return None
    if settings.high_pass_hz > 0:
        sound = call(sound, "Filter (stop Hann band)", 0.0, settings.high_pass_hz, SMOOTHING_HZ)
    if settings.method == "filtered-ac":
        filtered = low_pass(sound.values[0], rate_hz, settings)
        sound = praat_sound(filtered, rate_hz)
    return sound.to_pitch_ac(
        settings.time_step_s,
        settings.floor_hz,
        settings.max_n_candidates,
        settings.very_accurate,
        settings.silence_threshold,
        settings.voicing_threshold,
        settings.octave_cost,
        settings.octave_jump_cost,
        settings.voiced_unvoiced_cost,
        settings.ceiling_hz,
    )


def low_pass(samples: FloatArray, rate_hz: int, settings: PitchSettings) -> FloatArray:
    """The Gaussian low-pass of Praat's filtered autocorrelation, by Fourier transform.

    The amplitude at frequency f is multiplied by exp(-f² / 2c²) with
    c = ``filter_top_hz`` / sqrt(-2 ln ``attenuation_at_top``).
    """
    n_fft = 1 << max(1, (len(samples) - 1).bit_length())
    width_hz = settings.filter_top_hz / np.sqrt(-2 * np.log(settings.attenuation_at_top))
    gain = np.exp(-0.5 * (np.fft.rfftfreq(n_fft, 1 / rate_hz) / width_hz) ** 2)
    return np.fft.irfft(np.fft.rfft(samples, n_fft) * gain, n_fft)[: len(samples)]


def versions() -> Mapping[str, str]:
    """Versions of parselmouth and of the Praat inside it, for manifests."""
    return {"parselmouth": parselmouth.__version__, "praat": parselmouth.PRAAT_VERSION}


def praat_sound(samples: NDArray, rate_hz: int) -> parselmouth.Sound:
    """One channel of finite samples as a Praat Sound; anything else raises ``AudioError``."""
    samples = np.asarray(samples, dtype=np.float64)
    if samples.ndim != 1 or len(samples) == 0 or not np.isfinite(samples).all():
        raise AudioError("an excerpt must be one channel of finite samples")
    return parselmouth.Sound(samples, sampling_frequency=rate_hz)


HUM_BAND_HZ = (45.0, 65.0)
VOICE_BAND_HZ = (75.0, 400.0)
HUM_THRESHOLD_DB = -12.0
"""Level of the hum's band re the voice's above which a speaker's recordings count as humming. Of
177 LibriSpeech speakers the median is -32 dB, and nine in ten are below -20 dB."""

HIGH_PASS_HZ = 67.0
SMOOTHING_HZ = 10.0


def hum_level_db(samples: NDArray, rate_hz: int) -> float:
    """Energy from 45 to 65 Hz re that from 75 to 400 Hz in an excerpt, dB; NaN for silence."""
    windowed = np.asarray(samples, dtype=np.float64) * np.hanning(len(samples))
    power = np.abs(np.fft.rfft(windowed)) ** 2
    axis_hz = np.fft.rfftfreq(len(samples), 1.0 / rate_hz)
    low, voice = (
        power[(axis_hz >= band[0]) & (axis_hz < band[1])].sum()
        for band in (HUM_BAND_HZ, VOICE_BAND_HZ)
    )
    return float(10.0 * np.log10(low / voice)) if low > 0 and voice > 0 else float("nan")
