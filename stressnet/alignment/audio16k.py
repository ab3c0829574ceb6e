"""Recordings as the aligners want them: mono, 16 kHz, float samples."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import soundfile
import soxr

from stressnet.errors import AudioError

RATE_HZ = 16_000


def read_mono_16k(path: Path) -> np.ndarray:
    """Read a recording, mix its channels and resample it to 16 kHz.

    Parameters
    ----------
    path : Path
        Anything libsndfile reads, at any rate and with any number of channels.

    Returns
    -------
    ndarray of float32, shape (samples,)
        Amplitude within about -1 and 1.

    Raises
    ------
    AudioError
        If the file is absent, damaged, cut off, holds no samples or samples that are no numbers.
    """
    try:
        with soundfile.SoundFile(path) as sound:
            announced = sound.frames
            rate_hz = sound.samplerate
            samples = sound.read(dtype="float32", always_2d=True)
    except (soundfile.LibsndfileError, OSError) as error:
        raise AudioError(
            f"{path}: cannot be read as audio ({error}); check that the file is complete"
        ) from error
    if len(samples) == 0:
        raise AudioError(f"{path}: holds no samples; record or copy it again")
    if len(samples) < announced:
        raise AudioError(
            f"{path}: {announced} samples are announced but only {len(samples)} can be read; "
            "the file is cut off, copy it again"
        )
    if not np.isfinite(samples).all():
        raise AudioError(f"{path}: holds samples that are no finite numbers; convert it again")
    mono = samples.mean(axis=1)
    if rate_hz != RATE_HZ:
        mono = soxr.resample(mono, rate_hz, RATE_HZ)
    return np.ascontiguousarray(mono, dtype=np.float32)
