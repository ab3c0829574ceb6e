"""Methods that explain the difference to a typical input instead of to nothing.

A map answers "why this output and not that of the baseline?". With a baseline of zeros it cannot
say that a cue is *weak*: cells without energy contribute nothing, and the evidence for the class
that has less of the cue goes to whatever else speaks for it. Against the training data's mean
spectrum, less than usual is a contribution like more than usual.

==============================  ==================================================================
name                            method of :data:`stressnet.explain.METHODS`, with this baseline
==============================  ==================================================================
``integrated-gradients-mean``   ``integrated-gradients``
``deeplift-mean``               ``deeplift`` (needs captum)
==============================  ==================================================================

The baseline holds the mean spectrum in every frame with sound. In frames without, it is the input
itself, which gets no relevance there.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from stressnet.errors import ConfigError

REFERENCED: Mapping[str, str] = MappingProxyType(
    {"integrated-gradients-mean": "integrated-gradients", "deeplift-mean": "deeplift"}
)
"""Methods by name."""


def mean_spectrum(
    images: NDArray[np.floating], sound: NDArray[np.bool_], batch: int = 512
) -> NDArray[np.float64]:
    """Mean of every bin over all frames with sound, float64 of shape (n_bins,).

    Parameters
    ----------
    images : ndarray, shape (n, n_bins, n_frames)
        May be memory-mapped; read ``batch`` at a time.
    sound : ndarray of bool, shape (n, n_frames)
        Frames with sound.

    Raises
    ------
    ConfigError
        If shapes differ or no frame has sound.
    """
    if images.ndim != 3 or sound.shape != (len(images), images.shape[2]) or not sound.any():
        raise ConfigError(
            f"a mean spectrum needs images (n, bins, frames) and their frames with sound, not "
            f"{images.shape} and {sound.shape} with {int(sound.sum())} of them"
        )
    total = np.zeros(images.shape[1])
    for start in range(0, len(images), batch):
        part = np.asarray(images[start : start + batch], dtype=np.float64)
        total += np.einsum("nbf,nf->b", part, sound[start : start + batch].astype(np.float64))
    return np.asarray(total / sound.sum())


def reference_images(
    images: NDArray[np.floating], sound: NDArray[np.bool_], spectrum: NDArray[np.floating]
) -> NDArray[np.float32]:
    """Images (n, n_bins, n_frames) whose ``sound`` is replaced by the mean spectrum, float32."""
    filled = np.where(sound[:, None, :], spectrum[None, :, None], images)
    return filled.astype(np.float32)
