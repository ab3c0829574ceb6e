"""A small network that says which phone sounds, every 5 ms.

It comes with the package (``model/``, with its card) and was trained on many readers, so it serves
corpora of any size. It is applied with numpy alone: five layers of convolution over time that see
0.3 s of sound around every frame.
"""

from dataclasses import dataclass
from functools import cache
from importlib import resources
from pathlib import Path

import numpy as np

from stressnet.alignment import features
from stressnet.errors import CheckpointError
from stressnet.lexicon.pronunciation import CONSONANTS, VOWELS

STEP_S = 0.005
BANDS = 40
CLASSES = ("", *sorted(CONSONANTS), *(vowel + digit for vowel in sorted(VOWELS) for digit in "01"))
"""Silence, consonants, vowels unstressed and stressed (primary and secondary together)."""

DILATIONS = (1, 1, 2, 4, 8)
_REACH = sum(DILATIONS)  # pairs of frames on either side that a pair depends on
_PIECE = 6000  # pairs of frames computed at a time
_LOUD = 4.0  # natural logarithms of energy below the level of loud speech
_FLOOR = -11.0
_SCALE = 3.0


def class_of(phone: str) -> int:
    """Position in `CLASSES` of an ARPAbet phone, or of silence (the empty string)."""
    return CLASSES.index(phone.replace("2", "1"))


def log_mel(samples: np.ndarray) -> np.ndarray:
    """Log energies of sound (mono, 16 kHz) in 40 mel bands, shape (frames, 40); windows of 20 ms.

    Row ``t`` is centred at ``(t + 0.5) * STEP_S`` seconds.
    """
    return features.log_mel(samples, STEP_S, 0.02, BANDS, high_hz=7600.0)


def normalised(energies: np.ndarray) -> np.ndarray:
    """Energies (frames, bands) relative to the mean spectrum of the loud frames.

    Loud are the frames within 17 dB of the 95th percentile, so pauses do not count, however many or
    noisy they are.
    """
    level = energies.mean(axis=1)
    loud = level > np.percentile(level, 95) - _LOUD
    relative = energies - energies[loud].mean(axis=0)
    return np.asarray(np.maximum(relative, _FLOOR) / _SCALE, dtype=np.float32)


@dataclass(frozen=True)
class FrameNet:
    """The network's weights.

    Weights of the convolutions, normalisation included, are of shape (3, inputs, channels) each,
    for the frame before, at, and after, their biases (channels,). The output layer is for both
    frames of a pair, shapes (channels, 2 * classes) and (2 * classes,). ``log_priors``, shape
    (classes,), are logarithms of each class's share of the training frames.
    """

    weights: tuple[np.ndarray, ...]
    biases: tuple[np.ndarray, ...]
    out_weight: np.ndarray
    out_bias: np.ndarray
    log_priors: np.ndarray

    def log_posteriors(self, energies: np.ndarray) -> np.ndarray:
        """Logarithm of the probability of every class in every frame, shape (frames, classes)."""
        frames = normalised(energies)
        if len(frames) % 2:
            frames = np.vstack([frames, frames[-1:]])
        pairs = frames.reshape(-1, 2 * BANDS)
        pieces = []
        for first in range(0, len(pairs), _PIECE):
            start = max(0, first - _REACH)
            end = min(len(pairs), first + _PIECE + _REACH)
            scores = self._scores(pairs[start:end])
            pieces.append(scores[first - start : first - start + _PIECE])
        scores = np.concatenate(pieces).reshape(len(frames), -1)[: len(energies)]
        scores -= scores.max(axis=1, keepdims=True)
        return np.asarray(scores - np.log(np.exp(scores).sum(axis=1, keepdims=True)))

    def _scores(self, pairs: np.ndarray) -> np.ndarray:
        """Outputs of the last layer, shape (pairs, 2 * classes)."""
        hidden = pairs
        for layer, (weight, bias) in enumerate(zip(self.weights, self.biases, strict=True)):
            reach = DILATIONS[layer]
            padded = np.pad(hidden, ((reach, reach), (0, 0)))
            count = len(hidden)
            total = bias + padded[:count] @ weight[0]
            total += hidden @ weight[1]
            total += padded[2 * reach :] @ weight[2]
            np.maximum(total, 0.0, out=total)
            hidden = total if layer == 0 else hidden + total
        return np.asarray(hidden @ self.out_weight + self.out_bias)


def read_net(path: Path) -> FrameNet:
    """Weights from a safetensors file as written by ``scripts/train-frame-net``."""
    from safetensors import SafetensorError
    from safetensors.numpy import load_file

    try:
        arrays = {name: value.astype(np.float32) for name, value in load_file(path).items()}
        count = len(DILATIONS)
        return FrameNet(
            tuple(arrays[f"weight{layer}"] for layer in range(count)),
            tuple(arrays[f"bias{layer}"] for layer in range(count)),
            arrays["out_weight"],
            arrays["out_bias"],
            arrays["log_priors"],
        )
    except (OSError, SafetensorError, KeyError) as error:
        raise CheckpointError(
            f"{path}: no weights of the aligner's network ({error}); install stressnet anew"
        ) from error


@cache
def default_net() -> FrameNet:
    """The network that comes with the package."""
    return read_net(Path(str(resources.files("stressnet.alignment"))) / "model/frames.safetensors")
