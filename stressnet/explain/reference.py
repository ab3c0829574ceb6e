"""Methods that explain the difference to a typical input instead of to nothing.

A map answers "why this output and not that of the baseline?". With a baseline of zeros it cannot
say that a cue is *weak*: cells without energy contribute nothing, and the evidence for the class
that has less of the cue goes to whatever else speaks for it. Against the training data's mean
spectrum, less than usual is a contribution like more than usual.

The baseline holds the mean spectrum in every frame with sound. In frames without, it is the input
itself, which gets no relevance there. ``integrated-gradients-mean`` and ``deeplift-mean`` (which
needs captum) are the methods of :data:`stressnet.explain.METHODS` of those names with this
baseline.
"""

from collections.abc import Mapping
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

REFERENCED: Mapping[str, str] = MappingProxyType(
    {"integrated-gradients-mean": "integrated-gradients", "deeplift-mean": "deeplift"}
)
"""Methods by name."""


def reference_images(
    images: NDArray[np.floating], sound: NDArray[np.bool_], spectrum: NDArray[np.floating]
) -> NDArray[np.float32]:
    """Images (n, n_bins, n_frames) whose ``sound`` is replaced by the mean spectrum, float32."""
    filled = np.where(sound[:, None, :], spectrum[None, :, None], images)
    return filled.astype(np.float32)
