"""Cepstral features for alignment, computed by Kaldi's own code."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Self

import kaldi_native_fbank as knf
import numpy as np

from stressnet.audio import WORKING_RATE_HZ as RATE_HZ

FRAME_S, WINDOW_S = 0.01, 0.025
"""Step of the frames and length of the window of the cepstra, in seconds.

Frame ``t`` is centred at ``(t + 0.5) * FRAME_S``, so that a change between frames ``t - 1`` and
``t`` lies at ``t * FRAME_S``, unbiased.
"""

N_CEPSTRA = 13  # Cepstral coefficients, the zeroth included, of 23 mel filters
DELTA_FRAMES = 2  # Half width of the regression window of the deltas


def cepstra(samples: np.ndarray) -> np.ndarray:
    """Mel-frequency cepstral coefficients, shape (frames, 13), the same at every call."""
    options = knf.MfccOptions()
    options.mel_opts.num_bins = 23
    options.num_ceps = N_CEPSTRA
    options.use_energy = False
    return _frames(knf.OnlineMfcc, options, samples, FRAME_S, WINDOW_S, N_CEPSTRA)


def log_mel(
    samples: np.ndarray,
    shift_s: float,
    length_s: float,
    bands: int,
    high_hz: float = RATE_HZ / 2,
    noise: float = 1.0,
) -> np.ndarray:
    """Log energies in mel bands from 60 Hz to ``high_hz``, Hann windows, shape (frames, bands).

    ``samples`` are mono, 16 kHz; ``noise`` is added, in units of 16-bit samples. Row ``t`` is
    centred at ``(t + 0.5) * shift_s`` seconds; with less than one frame there is none.
    """
    options = knf.FbankOptions()
    options.frame_opts.window_type = "hanning"
    options.mel_opts.num_bins = bands
    options.mel_opts.low_freq = 60.0
    options.mel_opts.high_freq = high_hz
    return _frames(knf.OnlineFbank, options, samples, shift_s, length_s, bands, noise)


def _frames(
    extractor_class: Callable[[Any], Any],
    options: Any,
    samples: np.ndarray,
    shift_s: float,
    length_s: float,
    columns: int,
    noise: float = 1.0,
) -> np.ndarray:
    if round(len(samples) / RATE_HZ / shift_s) < 1:
        return np.zeros((0, columns), dtype=np.float32)
    options.frame_opts.samp_freq = RATE_HZ
    options.frame_opts.dither = 0.0
    options.frame_opts.snip_edges = False
    options.frame_opts.frame_shift_ms = 1000.0 * shift_s
    options.frame_opts.frame_length_ms = 1000.0 * length_s
    # A faint, fixed noise keeps digital silence from having a logarithm of zero.
    faint = noise * np.random.default_rng(0).standard_normal(len(samples))
    extractor = extractor_class(options)
    extractor.accept_waveform(RATE_HZ, (32768.0 * samples + faint).astype(np.float32).tolist())
    extractor.input_finished()
    frames = [extractor.get_frame(t) for t in range(extractor.num_frames_ready)]
    return np.stack(frames).astype(np.float32)


def with_deltas(static: np.ndarray) -> np.ndarray:
    """Cepstra with first and second regression coefficients, shape (frames, 39)."""
    first = _slope(static)
    return np.hstack([static, first, _slope(first)]).astype(np.float32)


def _slope(values: np.ndarray) -> np.ndarray:
    """Least-squares slope over ``2 * half + 1`` frames, in units of 1 / (2 * half) frames."""
    half = DELTA_FRAMES
    padded = np.pad(values, ((half, half), (0, 0)), mode="edge")
    count = len(values)
    total = sum(k * padded[half + k : half + k + count] for k in range(-half, half + 1))
    return np.asarray(total * (half / (half * (half + 1) * (2 * half + 1) / 3.0)))


@dataclass(frozen=True, slots=True)
class Normalisation:
    """Mean and standard deviation of a speaker's cepstra, each of shape (13,)."""

    mean: np.ndarray
    deviation: np.ndarray

    def apply(self, static: np.ndarray) -> np.ndarray:
        """Cepstra of zero mean and unit deviation, shape kept."""
        return np.asarray((static - self.mean) / self.deviation, dtype=np.float32)

    @classmethod
    def from_sums(cls, count: int, total: np.ndarray, total_squared: np.ndarray) -> Self:
        """From the number of a speaker's frames and the sums of cepstra and of their squares."""
        count = max(count, 1)
        mean = total / count
        variance = np.maximum(total_squared / count - mean**2, 1e-6)
        return cls(mean, np.sqrt(variance))
