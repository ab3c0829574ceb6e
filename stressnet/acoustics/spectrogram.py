"""Spectrograms of word tokens under named presets, with their axes.

``docs/spectrograms.md`` has every step with shapes. All tokens of a preset share one pair of axes
(:meth:`SpectrogramPreset.axes`). Time zero is the onset of the word, which stands at the left,
padding at the right. Preset ``allouche2025`` is the
representation of arXiv:2508.07229, read from its authors' public code; its z-score includes the
padding, so that duration leaks into every value.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from functools import lru_cache
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from scipy.fft import rfft
from scipy.signal import get_window

from stressnet.axes import Axes, Spectrogram
from stressnet.errors import AudioError, ConfigError, check_names

Scale = Literal["log1p-magnitude", "log1p-peak", "db"]
Padding = Literal["zeros-around-word", "context"]
Normalisation = Literal["zscore-image", "zscore-sound", "none"]

_TINY = 1e-30
_SAME_TIME_S = 1e-6  # slack for times that went through text


@dataclass(frozen=True)
class SpectrogramPreset:
    """Everything that decides the values and axes of a token's image."""

    name: str  # Name in manifests and checkpoints
    # Sampling rate of the analysis; other rates are resampled (soxr, high quality).
    rate_hz: int = 16_000
    window_s: float = 0.025
    hop_s: float = 0.010
    n_fft: int = 400  # Length of the Fourier transform in samples; at least the window
    window: str = "hann"  # A window of `scipy.signal.get_window`, periodic
    # Natural logarithm of one plus magnitude; the same after scaling the token's largest magnitude
    # to `knee_db`; or decibels; {"log1p-magnitude", "log1p-peak", "db"}
    scale: Scale = "log1p-peak"
    max_frequency_hz: float = 6400.0  # Bins with a centre above are dropped
    # Frames of an image; shorter tokens are padded on the right, longer ones cut.
    n_frames: int = 101
    margin_s: float = 0.030  # Sound kept before and after the word, in seconds
    # What an analysis window sees beyond the word: zeros, as if the word had been cut out, or the
    # recording itself; {"zeros-around-word", "context"}
    padding: Padding = "context"
    # Mean and standard deviation over the whole image with its padding, over the sounding frames
    # only (padding is then exactly zero), or none; {"zscore-image", "zscore-sound", "none"}
    normalisation: Normalisation = "zscore-sound"
    # Only for `scale="log1p-peak"`: how far under the token's peak the scale turns from logarithmic
    # to linear. What is softer, background noise most of all, fades out.
    knee_db: float = 30.0
    # Only for `scale="db"`: levels further below the token's maximum are raised to this floor.
    dynamic_range_db: float = 70.0

    def __post_init__(self) -> None:
        problem = ""
        if self.hop_samples < 1 or abs(self.hop_s * self.rate_hz - self.hop_samples) > 1e-6:
            problem = f"hop_s={self.hop_s} is not a whole number of samples at {self.rate_hz} Hz"
        elif not 1 < self.window_samples <= self.n_fft:
            problem = f"window_s={self.window_s} must be more than one sample and fit n_fft"
        elif not 0 < self.max_frequency_hz <= self.rate_hz / 2:
            problem = f"max_frequency_hz={self.max_frequency_hz} must lie in (0, rate_hz / 2]"
        elif self.n_frames < 2:
            problem = "n_frames must be at least 2"
        elif self.margin_s < 0 or (self.padding == "zeros-around-word" and self.margin_s != 0):
            problem = "margin_s must be >= 0, and 0 where the word is cut out"
        elif self.dynamic_range_db <= 0:
            problem = "dynamic_range_db must be positive"
        for value, allowed in (
            (self.scale, ("log1p-magnitude", "log1p-peak", "db")),
            (self.padding, ("zeros-around-word", "context")),
            (self.normalisation, ("zscore-image", "zscore-sound", "none")),
        ):
            if value not in allowed:
                problem = f"{value!r} is not one of {', '.join(allowed)}"
        if problem:
            raise ConfigError(f"spectrogram preset {self.name!r}: {problem}")

    @property
    def hop_samples(self) -> int:
        """Distance of frames in samples."""
        return round(self.hop_s * self.rate_hz)

    @property
    def window_samples(self) -> int:
        """Length of the analysis window in samples."""
        return round(self.window_s * self.rate_hz)

    @property
    def n_bins(self) -> int:
        """Number of frequency bins kept."""
        return int(np.floor(self.max_frequency_hz * self.n_fft / self.rate_hz + 1e-9)) + 1

    @property
    def shape(self) -> tuple[int, int]:
        """``(n_bins, n_frames)``."""
        return self.n_bins, self.n_frames

    @property
    def resolution_hz(self) -> float:
        """Width of the window's main lobe at -6 dB, in hertz.

        Two equally strong sinusoids closer than this melt into one peak (Harris 1978).
        """
        return _main_lobe_hz(self.window, self.window_samples, self.rate_hz)

    def axes(self) -> Axes:
        """The axes every token of this preset shares (time zero = word onset)."""
        time_s = np.arange(self.n_frames, dtype=np.float64) * self.hop_s - self.margin_s
        return Axes(time_s, np.arange(self.n_bins) * self.rate_hz / self.n_fft)

    def to_dict(self) -> dict[str, Any]:
        """All fields, for manifests and checkpoints."""
        return asdict(self)

    @classmethod
    def from_dict(cls, fields: dict[str, Any]) -> SpectrogramPreset:
        """The preset a manifest describes; a `ConfigError` if a field is unknown or wrong."""
        if "parts" in fields:
            raise ConfigError(
                f"this is done for networks of one preset, and this ensemble takes "
                f"{fields['name'].replace('+', ' and ')}; give members, or an ensemble of one"
            )
        try:
            return cls(**fields)
        except TypeError as error:
            raise ConfigError(f"spectrogram preset is not usable: {error}") from None


PRESETS: dict[str, SpectrogramPreset] = {  # Presets by name. `PRESETS[p.name] = p` adds one
    preset.name: preset
    for preset in (
        SpectrogramPreset(name="stressnet"),
        SpectrogramPreset(
            name="allouche2025",
            window_s=0.020,
            n_fft=320,
            window="hamming",
            scale="log1p-magnitude",
            max_frequency_hz=8000.0,
            margin_s=0.0,
            padding="zeros-around-word",
            normalisation="zscore-image",
        ),
    )
}


def get_preset(name: str) -> SpectrogramPreset:
    """The preset called ``name``; a `ConfigError` that lists them if there is none."""
    check_names("spectrogram preset", [name], sorted(PRESETS))
    return PRESETS[name]


@dataclass(frozen=True)
class TokenSpectrogram(Spectrogram):
    """A token's image with what the image itself no longer tells.

    ``power``, shape (n_bins, n_frames), is the squared magnitude of the Fourier transform on a
    linear scale, zero in the padding: the energy that energy shares refer to. If ``truncated``, the
    word (with its margin) is longer than the image and was cut on the right.
    """

    power: NDArray[np.floating]
    truncated: bool

    def __post_init__(self) -> None:
        super().__post_init__()
        self.axes.check(self.power, "power")


def compute(
    preset: SpectrogramPreset,
    samples: NDArray,
    rate_hz: int,
    word_start_s: float,
    word_end_s: float,
) -> TokenSpectrogram:
    """The image of one word.

    ``samples``, shape (n_samples,), are an excerpt of the recording with context around the word,
    full scale 1; the word's limits are seconds from the start of the excerpt. ``values`` are
    float32 of :attr:`SpectrogramPreset.shape`; ``mask`` is True where a frame is centred on
    recorded sound.
    """
    samples = _checked(preset, samples, rate_hz)
    duration_s = len(samples) / rate_hz
    if not -_SAME_TIME_S <= word_start_s < word_end_s <= duration_s + 1.0 / rate_hz:
        raise ConfigError(
            f"word at {word_start_s:.3f}-{word_end_s:.3f} s does not lie inside its excerpt of "
            f"{duration_s:.3f} s; check the times' origin"
        )
    if rate_hz != preset.rate_hz:
        import soxr

        samples = soxr.resample(samples, rate_hz, preset.rate_hz, quality="HQ")

    start = max(0, round(word_start_s * preset.rate_hz))
    end = min(len(samples), round(word_end_s * preset.rate_hz))
    margin = round(preset.margin_s * preset.rate_hz)
    if preset.padding == "zeros-around-word":
        samples, start, end = samples[start:end], 0, end - start
    centres = start - margin + np.arange(preset.n_frames) * preset.hop_samples
    last = end + margin
    mask = (centres >= 0) & (centres <= min(last, len(samples)))
    truncated = bool(centres[-1] + preset.hop_samples <= last)

    magnitude = _magnitude(preset, samples, centres[mask])
    power = np.zeros(preset.shape, dtype=np.float32)
    power[:, mask] = magnitude**2
    values = np.zeros(preset.shape, dtype=np.float32)
    values[:, mask] = _scaled(preset, magnitude)
    return TokenSpectrogram(
        values=_normalised(preset, values, mask),
        axes=preset.axes(),
        mask=mask,
        power=power,
        truncated=truncated,
    )


def _checked(preset: SpectrogramPreset, samples: NDArray, rate_hz: int) -> NDArray[np.float32]:
    samples = np.ascontiguousarray(samples, dtype=np.float32)
    if samples.ndim != 1 or len(samples) == 0:
        raise AudioError(f"an excerpt must be one channel with samples, not shape {samples.shape}")
    if not np.isfinite(samples).all():
        raise AudioError("the excerpt holds values that are not finite; check the recording")
    if rate_hz < 2 * preset.max_frequency_hz - 1e-6:
        raise AudioError(
            f"audio at {rate_hz} Hz cannot carry {preset.max_frequency_hz:g} Hz of preset "
            f"{preset.name!r}; use recordings at {2 * preset.max_frequency_hz:g} Hz or more"
        )
    return samples


def _magnitude(
    preset: SpectrogramPreset, samples: NDArray[np.float32], centres: NDArray[np.intp]
) -> NDArray[np.float32]:
    """Magnitudes, shape (n_bins, len(centres)); beyond the samples a window sees zeros."""
    if len(centres) == 0:
        return np.zeros((preset.n_bins, 0), dtype=np.float32)
    half = preset.n_fft // 2
    padded = np.pad(samples, (half, preset.n_fft))
    frames = np.lib.stride_tricks.sliding_window_view(padded, preset.n_fft)[centres]
    spectrum = rfft(frames * _window(preset.window, preset.window_samples, preset.n_fft), axis=1)
    return np.abs(spectrum[:, : preset.n_bins]).T


def _scaled(preset: SpectrogramPreset, magnitude: NDArray[np.float32]) -> NDArray[np.float32]:
    if preset.scale == "log1p-magnitude":
        return np.log1p(magnitude)
    if preset.scale == "log1p-peak":
        peak = magnitude.max(initial=0.0)
        return np.log1p(magnitude * np.float32(10 ** (preset.knee_db / 20) / max(peak, _TINY)))
    level_db = 20.0 * np.log10(np.maximum(magnitude, _TINY))
    return np.maximum(level_db, level_db.max(initial=-np.inf) - preset.dynamic_range_db)


def _normalised(
    preset: SpectrogramPreset, values: NDArray[np.float32], mask: NDArray[np.bool_]
) -> NDArray[np.float32]:
    """Z-score; a constant image (digital silence) becomes zero instead of dividing by zero."""
    if preset.normalisation == "none":
        return values
    if preset.normalisation == "zscore-image":
        # ddof 1 is torch's default, which the reference code uses.
        mean, deviation = values.mean(dtype=np.float64), values.std(dtype=np.float64, ddof=1)
        return ((values - mean) / max(deviation, _TINY)).astype(np.float32)
    sound = values[:, mask].astype(np.float64)
    result = np.zeros_like(values)
    if sound.size and sound.std() > 0:
        result[:, mask] = (sound - sound.mean()) / sound.std()
    return result


@lru_cache(maxsize=32)
def _window(name: str, n_window: int, n_fft: int) -> NDArray[np.float32]:
    """A periodic window, centred in ``n_fft`` samples."""
    left = (n_fft - n_window) // 2
    return np.pad(get_window(name, n_window), (left, n_fft - n_window - left)).astype(np.float32)


@lru_cache(maxsize=32)
def _main_lobe_hz(name: str, n_window: int, rate_hz: int) -> float:
    """Full width of the main lobe at half amplitude."""
    n_fft = 1 << int(np.ceil(np.log2(256 * n_window)))
    response = np.abs(np.fft.rfft(get_window(name, n_window), n_fft))
    k = int(np.argmax(response < response[0] / 2))
    fall = (response[k - 1] - response[0] / 2) / (response[k - 1] - response[k])
    return float(2 * (k - 1 + fall) * rate_hz / n_fft)


def sound_statistics(
    images: NDArray[np.floating], sound: NDArray[np.bool_], rows: Iterable[int]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Mean and standard deviation of every bin over the frames with sound of some images.

    ``images``, shape (n, n_bins, n_frames), may be memory-mapped: those of ``rows`` are read one by
    one. ``sound``, shape (n, n_frames), says which frames have it.
    """
    if images.ndim != 3 or sound.shape != (len(images), images.shape[2]):
        raise ConfigError(
            f"a mean spectrum needs images (n, bins, frames) and their frames with sound, not "
            f"{images.shape} and {sound.shape}"
        )
    total, squares, count = np.zeros(images.shape[1]), np.zeros(images.shape[1]), 0
    for index in rows:
        cells = np.asarray(images[index], dtype=np.float64)[:, sound[index]]
        total += cells.sum(axis=1)
        squares += (cells**2).sum(axis=1)
        count += cells.shape[1]
    if not count:
        raise ConfigError("a mean spectrum needs frames with sound; there are none")
    mean = total / count
    return mean, np.sqrt(np.maximum(squares / count - mean**2, 0.0))
