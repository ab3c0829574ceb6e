"""Layers of a word's figure that show the sound: waveform, spectrogram, formants, F0."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import parselmouth
from numpy.typing import NDArray

from stressnet.acoustics.track_types import FormantTrack, PitchTrack
from stressnet.audio import Audio
from stressnet.axes import Axes
from stressnet.errors import ConfigError
from stressnet.intervals import Interval
from stressnet.report.grid import kilohertz_ticks, mesh
from stressnet.report.style import FORMANT_COLOUR, PITCH_COLOUR

if TYPE_CHECKING:
    from matplotlib.axes import Axes as Ax
    from matplotlib.collections import QuadMesh

WIDE_BAND_WINDOW_S = 0.005
"""Praat's default for wide-band spectrograms (Gaussian, effective length)."""

PRE_EMPHASIS_HZ = 50.0
FORMANT_RANGE_DB = 30.0
"""Formants are drawn where the sound is at most so far below its loudest moment, as in Praat."""

PITCH_RANGE_HZ = (75.0, 500.0)
PITCH_TICKS_HZ = (75, 100, 150, 200, 300, 500)


def draw_waveform(ax: Ax, audio: Audio, origin_s: float = 0.0) -> None:
    """The waveform, thin and black, without frame; ``origin_s`` of the excerpt becomes zero."""
    time_s = np.arange(len(audio.samples)) / audio.rate_hz - origin_s
    ax.plot(time_s, audio.samples, color="black", linewidth=0.35, rasterized=len(time_s) > 50_000)
    peak = float(np.max(np.abs(audio.samples), initial=1e-6))
    ax.set_ylim(-1.05 * peak, 1.05 * peak)
    ax.set_yticks([])
    ax.spines[:].set_visible(False)


def wide_band(audio: Audio, max_hz: float = 5500.0) -> tuple[NDArray[np.float64], Axes]:
    """Praat's wide-band spectrogram.

    Returns
    -------
    level_db : ndarray, shape (n_bins, n_frames)
        Level after pre-emphasis (6 dB per octave above 50 Hz) re the maximum.
    axes : Axes
        Time zero is the excerpt's start.

    Raises
    ------
    ConfigError
        If the excerpt is too short.
    """
    if audio.duration_s < 4 * WIDE_BAND_WINDOW_S:
        raise ConfigError(
            f"an excerpt of {1000 * audio.duration_s:.0f} ms is too short for a spectrogram"
        )
    sound = parselmouth.Sound(audio.samples.astype(np.float64), sampling_frequency=audio.rate_hz)
    sound.pre_emphasize(from_frequency=PRE_EMPHASIS_HZ)
    spectrogram = sound.to_spectrogram(
        window_length=WIDE_BAND_WINDOW_S,
        maximum_frequency=max_hz,
        time_step=0.001,
        frequency_step=20.0,
    )
    level_db = 10.0 * np.log10(np.maximum(spectrogram.values, 1e-30))
    return level_db - level_db.max(), Axes(spectrogram.xs(), spectrogram.ys())


def draw_spectrogram(
    ax: Ax,
    audio: Audio,
    origin_s: float = 0.0,
    *,
    max_hz: float = 5500.0,
    range_db: float = 60.0,
) -> QuadMesh:
    """A wide-band spectrogram in grey, dark where loud, as in a Praat picture.

    Parameters
    ----------
    origin_s : float
        Time in the excerpt that becomes zero.
    range_db : float
        What lies further below the maximum is white; 50 to 70 is usual.

    Raises
    ------
    ConfigError
        If the excerpt is shorter than two analysis windows.
    """
    level_db, axes = wide_band(audio, max_hz)
    drawn = mesh(ax, level_db, axes.shifted(-origin_s), cmap="Greys", vmin=-range_db, vmax=0.0)
    ax.set_ylim(0.0, max_hz)
    kilohertz_ticks(ax)
    return drawn


def draw_formants(
    ax: Ax,
    formants: FormantTrack,
    audio: Audio | None = None,
    origin_s: float = 0.0,
    *,
    colour: str = FORMANT_COLOUR,
    size: float = 1.0,
) -> None:
    """F1 to F4 as small dots, fainter where the tracker reports a wide bandwidth.

    Parameters
    ----------
    formants : FormantTrack
        Time zero is the word's onset.
    audio : Audio, optional
        With it, dots stand only where the sound is within :data:`FORMANT_RANGE_DB` of its loudest.
    origin_s : float
        Time in ``audio`` that is zero.
    size : float
        Diameter of the dots re 1.6 points.
    """
    from matplotlib.colors import to_rgba

    time_s = np.broadcast_to(formants.time_s, formants.frequency_hz.shape)
    drawn = np.isfinite(formants.frequency_hz)
    if audio is not None and len(formants.time_s):
        drawn = drawn & is_loud(audio, formants.time_s + origin_s)[None]
    bandwidth = np.nan_to_num(formants.bandwidth_hz[drawn], nan=1e3)
    colours = np.tile(to_rgba(colour), (int(drawn.sum()), 1))
    colours[:, 3] = np.clip(150.0 / np.maximum(bandwidth, 1.0), 0.25, 1.0)
    area = 2.6 * size**2
    ax.scatter(
        time_s[drawn], formants.frequency_hz[drawn], s=area, c=colours, linewidths=0, zorder=3
    )


def draw_formants_plain(
    ax: Ax, formants: FormantTrack, within: Sequence[Interval], *, size: float = 1.0
) -> None:
    """F1 to F4 inside some intervals as black dots with a white rim, to lie on colours.

    Parameters
    ----------
    formants : FormantTrack
        Time zero is the word's onset.
    size : float
        Diameter of the dots re 1.3 points.
    """
    dots: dict[str, Any] = {"linestyle": "", "marker": "o", "markeredgewidth": 0}
    for part in within:
        piece = formants.between(part.start_s, part.end_s)
        for colour, points in (("white", 2.3), ("black", 1.3)):
            dots |= {"color": colour, "markersize": points * size, "zorder": 3}
            ax.plot(piece.time_s, piece.frequency_hz.T, **dots)


def draw_pitch(
    ax: Ax,
    pitch: PitchTrack,
    *,
    range_hz: tuple[float, float] = PITCH_RANGE_HZ,
    size: float = 1.0,
) -> None:
    """F0 as blue dots with a white halo on a logarithmic axis.

    Parameters
    ----------
    pitch : PitchTrack
        Time zero is the word's onset.
    range_hz : tuple of float
        Limits of the axis; widened if F0 leaves them.
    size : float
        Diameter of the dots re 1.6 points.
    """
    from matplotlib.ticker import FixedLocator, NullFormatter, NullLocator

    found = np.isfinite(pitch.f0_hz)
    time_s, f0_hz = pitch.time_s[found], pitch.f0_hz[found]
    low, high = range_hz
    if len(f0_hz):
        low, high = min(low, 0.95 * f0_hz.min()), max(high, 1.05 * f0_hz.max())
    dots: dict[str, Any] = {"linestyle": "", "marker": "o", "markeredgewidth": 0}
    ax.plot(time_s, f0_hz, markersize=3.0 * size, color="white", zorder=4, **dots)
    ax.plot(time_s, f0_hz, markersize=1.6 * size, color=PITCH_COLOUR, zorder=5, **dots)
    ax.set_yscale("log")
    ax.set_ylim(low, high)
    ax.yaxis.set_major_locator(FixedLocator([t for t in PITCH_TICKS_HZ if low <= t <= high]))
    ax.yaxis.set_major_formatter("{x:.0f}")
    ax.yaxis.set_minor_locator(NullLocator())
    ax.yaxis.set_minor_formatter(NullFormatter())
    ax.set_ylabel("F0 (Hz)", color=PITCH_COLOUR)
    ax.tick_params(axis="y", colors=PITCH_COLOUR)


def is_loud(audio: Audio, time_s: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Whether the level around each time is within :data:`FORMANT_RANGE_DB` of the loudest moment.

    Times are seconds from the sound's start.
    """
    half = max(1, round(0.010 * audio.rate_hz))
    power = np.convolve(audio.samples.astype(np.float64) ** 2, np.hanning(2 * half + 1), "same")
    index = np.clip(np.round(time_s * audio.rate_hz).astype(int), 0, len(power) - 1)
    return power[index] >= power.max() * 10 ** (-FORMANT_RANGE_DB / 10)
