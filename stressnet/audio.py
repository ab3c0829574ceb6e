"""Recordings: samples that always travel with their rate.

Reading goes through ``soundfile`` (WAV, FLAC, OGG, MP3, ...) or PyAV (M4A, ...), resampling
through ``soxr``.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile
import soxr
from numpy.typing import NDArray

from stressnet.errors import AudioError
from stressnet.media import decoded_blocks, decoded_facts, is_decoded, share_present

WORKING_RATE_HZ = 16_000  # Rate of all analysis: 8 kHz of bandwidth hold F4 and the sibilants
MINIMUM_RATE_HZ = 16_000  # Recordings below this rate lack upper frequencies and are refused


_UNKNOWN_FRAMES = 1 << 62  # libsndfile reports more if a header leaves the length open

_BLOCK_FRAMES = 1 << 20

_ROUNDING_S = 0.01  # A recording may be shorter than promised by so much
_DECODED_ROUNDING_S = 0.2  # Lengths that compressed formats state are rounded to their frames


@dataclass(frozen=True)
class Audio:
    """One channel of sound."""

    samples: NDArray[np.float32]  # Full scale is 1; shape (n,)
    rate_hz: int  # Samples per second

    @property
    def duration_s(self) -> float:
        """Length in seconds."""
        return len(self.samples) / self.rate_hz

    def cut(self, start_s: float, end_s: float) -> Audio:
        """The stretch from ``start_s`` to ``end_s``, clipped to the recording."""
        first = max(0, round(start_s * self.rate_hz))
        last = min(len(self.samples), round(end_s * self.rate_hz))
        return Audio(self.samples[first:last], self.rate_hz)

    def resampled(self, rate_hz: int) -> Audio:
        """The same sound at another rate (soxr, high quality)."""
        if rate_hz == self.rate_hz:
            return self
        return Audio(soxr.resample(self.samples, self.rate_hz, rate_hz), rate_hz)


@dataclass(frozen=True)
class AudioFacts:
    """Sampling rate, channels and length of a recording, from its header."""

    rate_hz: int
    channels: int
    duration_s: float


def audio_facts(path: Path) -> AudioFacts:
    """Read a file's header."""
    try:
        if path.stat().st_size == 0:
            raise AudioError(f"{path}: the file is empty; copy it again")
        str(path).encode()  # no table can hold other names
        if is_decoded(path):
            return AudioFacts(*decoded_facts(path))
        info = soundfile.info(str(path))
        share = share_present(path)
    except UnicodeEncodeError as error:
        raise AudioError(f"{path}: its name is not UTF-8; rename it") from error
    except OSError as error:
        what = "is a link to nothing" if path.is_symlink() else "cannot be opened"
        raise AudioError(f"{path}: {what} ({error.strerror}); check the path") from error
    except soundfile.LibsndfileError as error:
        raise AudioError(
            f"{path}: not readable as audio ({error.error_string}); copy it again or convert it to "
            f"FLAC"
        ) from error
    if info.frames == 0:
        raise AudioError(f"{path}: holds no samples; record or copy it again")
    if info.frames >= _UNKNOWN_FRAMES:
        raise AudioError(
            f"{path}: the header does not say how long it is; write it again, "
            f"e.g. with 'ffmpeg -i old.flac new.flac'"
        )
    duration_s = info.frames / info.samplerate
    # A few bytes too many are an old mistake of some programs, not a loss.
    if duration_s / share - duration_s > _ROUNDING_S:
        raise AudioError(
            f"{path}: truncated, the header promises {duration_s / share:.2f} s but "
            f"{duration_s:.2f} s are there; copy it again"
        )
    return AudioFacts(info.samplerate, info.channels, duration_s)


def check_rate(path: Path, rate_hz: int, minimum_rate_hz: int = MINIMUM_RATE_HZ) -> None:
    """Raise :class:`AudioError` if a recording is sampled too low to be analysed."""
    if rate_hz < minimum_rate_hz:
        raise AudioError(
            f"{path}: sampled at {rate_hz} Hz, which lacks everything above {rate_hz // 2} Hz; "
            f"supply at least {minimum_rate_hz} Hz"
        )


def read_audio(
    path: Path,
    rate_hz: int = WORKING_RATE_HZ,
    *,
    minimum_rate_hz: int = MINIMUM_RATE_HZ,
    channel: int | None = None,
) -> Audio:
    """Read a recording as one channel at ``rate_hz``.

    Channels are averaged, unless one is chosen, counted from 1. Recordings at a higher rate are
    resampled; those below ``minimum_rate_hz`` are refused, since nothing can restore the missing
    spectrum.
    """
    blocks = [np.zeros(0, dtype=np.float32), *_blocks(path, rate_hz, minimum_rate_hz, channel)]
    return Audio(np.concatenate(blocks), rate_hz)


def read_stretches(
    path: Path,
    spans_s: Sequence[tuple[float, float]],
    rate_hz: int = WORKING_RATE_HZ,
    *,
    minimum_rate_hz: int = MINIMUM_RATE_HZ,
    channel: int | None = None,
) -> tuple[list[Audio], float]:
    """Parts of a recording as `read_audio` and `Audio.cut` give them, without holding the whole.

    The recording is gone through block by block, so that one of many hours takes no more memory
    than one of minutes. Spans may overlap and come in any order; they are clipped to the recording.
    Returns one stretch per span, in their order, and the length of the recording in seconds. Raises
    `AudioError` as `read_audio` does, also for damage outside the spans.
    """
    limits = [(max(0, round(a * rate_hz)), max(0, round(b * rate_hz))) for a, b in spans_s]
    order = sorted(range(len(limits)), key=lambda i: limits[i])
    pieces: list[list[NDArray[np.float32]]] = [[] for _ in limits]
    n_read = n_begun = 0
    open_spans: list[int] = []
    for block in _blocks(path, rate_hz, minimum_rate_hz, channel):
        end = n_read + len(block)
        while n_begun < len(order) and limits[order[n_begun]][0] < end:
            open_spans.append(order[n_begun])
            n_begun += 1
        for i in open_spans:
            first, last = (max(0, limit - n_read) for limit in limits[i])
            pieces[i].append(block[first:last].copy())
        open_spans = [i for i in open_spans if limits[i][1] > end]
        n_read = end
    nothing = np.zeros(0, dtype=np.float32)
    stretches = [Audio(np.concatenate([nothing, *parts]), rate_hz) for parts in pieces]
    return stretches, n_read / rate_hz


def read_channels(path: Path, facts: AudioFacts) -> Iterator[NDArray[np.float32]]:
    """A recording's samples as they are, shape (n, channels), block by block.

    A header may promise the impossible, hence no array of its length is ever made. Raises
    `AudioError` if it is damaged, truncated, or holds samples that are no finite numbers.
    """
    n_read = 0
    try:
        for block in decoded_blocks(path) if is_decoded(path) else _sndfile_blocks(path):
            if not np.isfinite(block).all():
                raise AudioError(
                    f"{path}: holds samples that are no finite numbers; convert it again"
                )
            n_read += len(block)
            yield block
    except soundfile.LibsndfileError as error:
        raise AudioError(
            f"{path}: truncated or damaged ({error.error_string}); copy it again"
        ) from error
    read_s = n_read / facts.rate_hz
    if read_s + (_DECODED_ROUNDING_S if is_decoded(path) else 1e-3) < facts.duration_s:
        raise AudioError(
            f"{path}: truncated, the header promises {facts.duration_s:.2f} s but {read_s:.2f} s "
            f"are there; copy it again"
        )


def _sndfile_blocks(path: Path) -> Iterator[NDArray[np.float32]]:
    with soundfile.SoundFile(str(path)) as file:
        while len(block := file.read(_BLOCK_FRAMES, dtype="float32", always_2d=True)):
            yield block


def check_channel(path: Path, channels: int, channel: int | None) -> None:
    """Raise :class:`AudioError` if a recording lacks a channel, counted from 1."""
    if channel is not None and not 1 <= channel <= channels:
        raise AudioError(
            f"{path}: has {channels} channel{'s' * (channels != 1)}, not a channel {channel}; "
            f"choose another with --channel"
        )


def _blocks(
    path: Path, rate_hz: int, minimum_rate_hz: int, channel: int | None
) -> Iterator[NDArray[np.float32]]:
    """A recording's samples at ``rate_hz``, one channel or their mean, block by block."""
    facts = audio_facts(path)
    check_rate(path, facts.rate_hz, minimum_rate_hz)
    check_channel(path, facts.channels, channel)
    is_silent = True
    stream = _resampler(facts.rate_hz, rate_hz)
    for block in read_channels(path, facts):
        samples = block.mean(axis=1) if channel is None else block[:, channel - 1].copy()
        is_silent = is_silent and not samples.any()
        yield stream(samples, False)
    if is_silent:
        raise AudioError(f"{path}: holds only digital silence; check the recording")
    yield stream(np.zeros(0, dtype=np.float32), True)


def _resampler(
    from_hz: int, to_hz: int
) -> Callable[[NDArray[np.float32], bool], NDArray[np.float32]]:
    """Function of a block and of whether it is the last that gives the block at the new rate."""
    if from_hz == to_hz:
        return lambda samples, last: samples
    return soxr.ResampleStream(from_hz, to_hz, 1, dtype="float32").resample_chunk


def write_flac(path: Path, audio: Audio) -> None:
    """Write 16-bit FLAC; the file appears whole or not at all."""
    # Through memory, since libsndfile does not say that a disk is full.
    content = io.BytesIO()
    soundfile.write(content, audio.samples, audio.rate_hz, format="FLAC", subtype="PCM_16")
    part = path.with_name(f".{path.name}.part")
    part.write_bytes(content.getbuffer())
    part.replace(path)
