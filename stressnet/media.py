"""Files of sound: which endings are read, how much of a file its header promises, other codecs.

What libsndfile reads is read by it. Compressed formats of telephones and video (``.m4a``) are
decoded by PyAV, an optional part.
"""

import os
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from stressnet.errors import AudioError

LIBSNDFILE_ENDINGS = frozenset(
    ".wav .wave .flac .mp3 .ogg .oga .opus .aif .aiff .aifc .au .snd .caf .w64 .rf64 .sph".split()
)
"""Endings of formats that libsndfile reads."""

DECODER_ENDINGS = frozenset(
    ".m4a .m4b .mp4 .aac .wma .amr .3gp .webm .mka .mkv .mov .mp2 .ac3".split()
)
"""Endings of formats that only PyAV decodes."""

AUDIO_ENDINGS = LIBSNDFILE_ENDINGS | DECODER_ENDINGS
"""Endings of files that hold sound, in lower case."""

_OPEN_LENGTH = 0x7FFF0000  # Programs that write into a pipe put so many bytes or more into headers


def is_decoded(path: Path) -> bool:
    """Whether a file needs PyAV."""
    return path.suffix.lower() in DECODER_ENDINGS


def share_present(path: Path) -> float:
    """How much of the sound that a file's header promises is there, from 0 to 1.

    Looks at the chunks of WAV, RF64 and AIFF and at the header of NIST SPHERE, whose missing ends
    libsndfile passes over; 1 for other formats, and where the header leaves the length open.
    """
    size = path.stat().st_size
    with path.open("rb") as file:
        head = file.read(12)
        if head[:4] in (b"RIFF", b"RF64", b"BW64") and head[8:] == b"WAVE":
            promised, start = _chunk(file, size, b"data", "<I")
        elif head[:4] == b"FORM" and head[8:] in (b"AIFF", b"AIFC"):
            promised, start = _chunk(file, size, b"SSND", ">I")
        elif head[:7] == b"NIST_1A":
            promised, start = _nist(head + file.read(1012))
        else:
            return 1.0
    if promised is None or promised <= 0:
        return 1.0
    return min(1.0, max(0, size - start) / promised)


def _chunk(file: BinaryIO, size: int, wanted: bytes, number: str) -> tuple[int | None, int]:
    """Length that the chunk of the sound states, None if left open; and where it begins."""
    long_length: int | None = None
    place = 12
    while place + 8 <= size:
        file.seek(place)
        name, stated = file.read(4), file.read(4)
        (length,) = struct.unpack(number, stated)
        if name == b"ds64":
            long_length = struct.unpack("<QQ", file.read(16))[1]
        if name == wanted:
            if length == 0xFFFFFFFF and long_length is not None:
                return long_length, place + 8
            return (None if length >= _OPEN_LENGTH else length), place + 8
        place += 8 + length + length % 2
    return None, size


def _nist(header: bytes) -> tuple[int | None, int]:
    fields = {}
    for line in header.decode("latin-1").split("\n"):
        name, _, rest = line.partition(" ")
        fields[name] = rest.split(" ")[-1]
    try:
        counts = [fields[f"{n}"] for n in ("sample_count", "channel_count", "sample_n_bytes")]
        samples, channels, width = map(int, counts)
    except (KeyError, ValueError):
        return None, 1024
    if fields.get("sample_coding", "pcm") != "pcm":
        return None, 1024
    return samples * channels * width, 1024


@contextmanager
def _opened(path: Path) -> Iterator[tuple[Any, Any]]:
    """A file and its first stream of sound, opened by PyAV."""
    try:
        import av
    except ImportError as error:
        raise AudioError(
            f"{path}: only PyAV decodes '{path.suffix}'; pip install 'stressnet[media]', or "
            f"convert the file to FLAC or WAV"
        ) from error
    try:
        with av.open(os.fspath(path)) as container:
            if not container.streams.audio:
                raise AudioError(f"{path}: holds no sound; check the file")
            yield container, container.streams.audio[0]
    except (av.FFmpegError, OSError, ValueError) as error:
        raise AudioError(
            f"{path}: not readable as audio ({str(error).splitlines()[0]}); copy it again or "
            f"convert it to FLAC"
        ) from error


def decoded_facts(path: Path) -> tuple[int, int, float]:
    """Sampling rate, channels and length in seconds of a file that PyAV decodes."""
    with _opened(path) as (container, stream):
        if stream.duration is not None:
            duration_s = float(stream.duration * stream.time_base)
        else:
            duration_s = (container.duration or 0) / 1e6
        return stream.rate, stream.channels, duration_s


def decoded_blocks(path: Path) -> Iterator[NDArray[np.float32]]:
    """Samples of a file that PyAV decodes, shape (n, channels), full scale 1, block by block."""
    with _opened(path) as (container, stream):
        import av

        resampler = av.AudioResampler(format="fltp")
        for frame in container.decode(stream):
            for part in resampler.resample(frame):
                yield part.to_ndarray().T.astype(np.float32, copy=False)
