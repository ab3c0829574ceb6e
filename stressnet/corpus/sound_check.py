"""Whether a recording sounds as its header says: clipping, silence, offset, channels, bandwidth."""

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from stressnet.audio import audio_facts, check_channel, read_channels
from stressnet.corpus.speaking_rate import frame_levels, speech_time_s
from stressnet.errors import AudioError
from stressnet.runs.problems import Severity

_FRAME = 512
_MOST_FRAMES_PER_BLOCK = 400  # Spectra taken of a block of a million samples, evenly spread

_MIN_CLIPPED_RUNS = 10
_MIN_CLIPPED_SHARE = 1e-4
_CLIPPED_PEAK = 0.05  # Peaks of quieter recordings are flat because of their few steps

_QUIET_PEAK = 0.003
_LOST_SHARE = 0.01  # Of samples beyond full scale; with fewer, some peaks are cut
_SHORTEST_S = 0.25  # Means of less are no offset
_OFFSET = 0.05  # Real recordings are shifted by up to half of this without harm

_CANCELLED = 0.05
_DIFFERENT = 0.3
_SILENT_CHANNEL = 1e-4
_BAND_FLOOR = 10**-4.5
_LOWEST_CUTOFF_HZ = 4_800
"""Speech without anything above this is speech of a telephone or of 8 kHz; F4 and s are missing."""


@dataclass(frozen=True)
class Sound:
    """What is wrong with a recording, and how long somebody speaks."""

    # A severity, `error` if the recording cannot be used, and one line: file, what is wrong, what
    # to do.
    findings: list[tuple[str, str]] = field(default_factory=list)
    speech_s: tuple[float, float] | None = None  # At least and at most, in seconds


class _Measured:
    """Sums over the blocks of each channel, and its runs of three or more samples at the peak."""

    def __init__(self, channels: int, rate_hz: int) -> None:
        self.channels, self.rate_hz = channels, rate_hz
        self.n = self.n_beyond = 0
        self.peak, self.total, self._flat_level = np.zeros((3, channels))
        self.products = np.zeros((channels, channels))
        self.runs, self._flat_samples = np.zeros((2, channels), dtype=int)
        self.spectra: list[NDArray[np.float64]] = []
        self.levels: list[NDArray[np.float64]] = []

    def add(self, block: NDArray[np.float32]) -> None:
        values = block.astype(np.float64)
        sizes = np.abs(values)
        self.n += len(values)
        self.n_beyond += int((sizes > 1.0).any(axis=1).sum())
        self.peak = np.maximum(self.peak, sizes.max(axis=0))
        for k, size in enumerate(sizes.T):
            peak = size.max()
            if peak > self._flat_level[k] * 1.001:  # what was flat further down was no clipping
                self._flat_level[k], self.runs[k], self._flat_samples[k] = peak, 0, 0
            flat = size >= self._flat_level[k] * 0.9995
            inside = flat[2:] & flat[1:-1] & flat[:-2]
            starts = inside & ~np.concatenate([[False], inside[:-1]])
            self.runs[k] += int(starts.sum())
            self._flat_samples[k] += int(inside.sum() + 2 * starts.sum())
        self.total += values.sum(axis=0)
        self.products += values.T @ values
        mono = values.mean(axis=1)
        self.levels.append(frame_levels(mono, self.rate_hz))
        n_frames = len(values) // _FRAME
        if n_frames:
            step = -(-n_frames // _MOST_FRAMES_PER_BLOCK)
            frames = mono[: n_frames * _FRAME].reshape(n_frames, _FRAME)[::step]
            frames = frames - frames.mean(axis=1, keepdims=True)
            self.spectra.append(np.abs(np.fft.rfft(frames * np.hanning(_FRAME))) ** 2)

    def is_clipped(self) -> bool:
        at_peak = self._flat_level >= _CLIPPED_PEAK
        enough = self._flat_samples >= _MIN_CLIPPED_SHARE * self.n
        return bool((at_peak & (self.runs >= _MIN_CLIPPED_RUNS) & enough).any())


def check_sound(path: Path, channel: int | None = None) -> Sound:
    """Check the sound of one channel of a recording, counted from 1, or else the mean of all."""
    findings: list[tuple[str, str]] = []

    def tell(severity: Severity, text: str) -> None:
        findings.append((severity.value, f"{path}: {text}"))

    try:
        facts = audio_facts(path)
        check_channel(path, facts.channels, channel)
        picked = slice(None) if channel is None else slice(channel - 1, channel)
        n_channels = facts.channels if channel is None else 1
        measured = _Measured(n_channels, facts.rate_hz)
        for block in read_channels(path, facts):
            measured.add(block[:, picked])
    except AudioError as error:
        return Sound([(Severity.ERROR.value, str(error))])
    peak = float(measured.peak.max())
    if not peak:
        tell(Severity.ERROR, "holds only digital silence; check the recording")
        return Sound(findings)
    beyond = measured.n_beyond / measured.n
    if beyond:
        tell(
            Severity.ERROR if beyond > _LOST_SHARE else Severity.WARNING,
            f"{100 * beyond:.2g} % of the samples lie beyond full scale (peak {peak:.3g}); "
            f"export it again at a lower level",
        )
    elif measured.is_clipped():
        tell(
            Severity.WARNING,
            f"clipped at {20 * np.log10(peak):.1f} dB of full scale in {measured.runs.max()} "
            f"places; loudness and formants suffer: record it again, or look at the tokens",
        )
    if peak < _QUIET_PEAK:
        text = f"nearly silent (peak {20 * np.log10(peak):.0f} dB); check the recording"
        tell(Severity.WARNING, text)
    mean = measured.total / measured.n
    power = np.diag(measured.products) / measured.n
    spread = np.sqrt(np.maximum(power - mean**2, 0.0))
    worst = int(np.argmax(np.abs(mean)))
    is_long = measured.n >= _SHORTEST_S * facts.rate_hz
    if is_long and abs(mean[worst]) > max(_OFFSET, 0.2 * spread[worst]):
        tell(
            Severity.WARNING,
            f"shifted by {mean[worst]:+.3f} of full scale (DC offset); intensity suffers: "
            f"filter it, e.g. with Praat's 'Subtract mean'",
        )
    if measured.channels > 1 and (problem := _of_channels(measured, power, mean)):
        tell(*problem)
    cutoff_hz = _cutoff_hz(measured.spectra, facts.rate_hz)
    if cutoff_hz is not None and cutoff_hz < _LOWEST_CUTOFF_HZ:
        tell(
            Severity.WARNING,
            f"sampled at {facts.rate_hz} Hz, but nothing lies above {cutoff_hz:.0f} Hz, as "
            f"in speech of a telephone or of 8000 Hz; use the original, or leave it out",
        )
    return Sound(findings, speech_time_s(np.concatenate(measured.levels)))


def _of_channels(
    measured: _Measured, power: NDArray[np.float64], mean: NDArray[np.float64]
) -> tuple[Severity, str] | None:
    """Whether several channels cancel each other, differ, or are empty."""
    loudest = int(np.argmax(power))
    mix = measured.products.sum() / measured.n / measured.channels**2
    if mix < _CANCELLED * power.mean():
        return Severity.ERROR, (
            f"its channels cancel each other when averaged (antiphase); choose one with "
            f"--channel {loudest + 1}"
        )
    silent = [k + 1 for k in range(measured.channels) if power[k] < _SILENT_CHANNEL * power.max()]
    if silent:
        return Severity.WARNING, (
            f"channel {silent[0]} is silent, so the mean is half as loud; choose the other with "
            f"--channel {loudest + 1}"
        )
    covariance = measured.products / measured.n - np.outer(mean, mean)
    scale = np.sqrt(np.maximum(np.diag(covariance), 1e-20))
    likeness = (covariance / np.outer(scale, scale))[~np.eye(measured.channels, dtype=bool)]
    if likeness.min() < _DIFFERENT:
        return Severity.WARNING, (
            f"its channels hold different sound (correlation {likeness.min():.2f}), e.g. a speaker "
            f"each, and are averaged; choose one with --channel"
        )
    return None


def _cutoff_hz(spectra: list[NDArray[np.float64]], rate_hz: int) -> float | None:
    """Frequency above which, up to 8 kHz, even the strongest frames hold nothing; None if short.

    Nothing is 45 dB below the strongest band, in bands of 250 Hz; the 98th percentile over frames
    lets a few fricatives speak for the recording.
    """
    frames = np.concatenate(spectra) if spectra else np.zeros((0, 0))
    if len(frames) < 50:
        return None
    frequencies_hz = np.fft.rfftfreq(_FRAME, 1 / rate_hz)
    strong = np.percentile(frames, 98, axis=0)
    width_hz = max(250.0, rate_hz / _FRAME)  # no band is narrower than a bin
    edges_hz = np.arange(0, min(8000.0, rate_hz / 2) + 1, width_hz)
    bands = [
        strong[(frequencies_hz >= low) & (frequencies_hz < low + width_hz)].mean()
        for low in edges_hz[:-1]
    ]
    if not max(bands):
        return None
    there = np.flatnonzero(np.array(bands) > _BAND_FLOOR * max(bands))
    return float(edges_hz[there[-1] + 1])
