"""What the numbers of a training image mean: sound and padding, magnitudes and their compression.

Noise and room act on power, so compression and normalisation of the preset are undone and done
again. With the scale ``log1p-peak`` that needs nothing but the image (its largest value is the
peak, its smallest is taken as silence); other normalised scales need each image's standard
deviation before it was normalised.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from stressnet.acoustics.spectrogram import SpectrogramPreset
from stressnet.errors import ConfigError
from stressnet.training.recipes import TrainConfig

TINY = 1e-12
"""Keeps logarithms and divisions finite."""


def sounding(images: Tensor) -> Tensor:
    """True for frames that hold sound, shape (batch, 1, 1, n_frames): padding is flat."""
    return images.amax(dim=2, keepdim=True) != images.amin(dim=2, keepdim=True)


def padding_value(images: Tensor, preset: SpectrogramPreset) -> Tensor:
    """What silence outside the sound looks like, shape (batch, 1, 1, 1).

    Zero for images that are not normalised or normalised over their sounding frames. Where the
    padding took part in the normalisation, the value in the last frame if that is padding, else
    the image's smallest value (zero before normalisation for the ``log1p`` scales).
    """
    if preset.normalisation != "zscore-image":
        return constant(images, 0.0)
    last = images[..., -1:]
    smallest, padded = last.amin(dim=2, keepdim=True), last.amax(dim=2, keepdim=True)
    return torch.where(padded == smallest, smallest, images.amin(dim=(2, 3), keepdim=True))


def needs_deviations(config: TrainConfig, preset: SpectrogramPreset) -> bool:
    """Whether :func:`augment` needs the images' standard deviations before normalisation."""
    in_power = config.noise_snr_db is not None or config.room_rt60_s is not None
    return in_power and preset.scale != "log1p-peak" and preset.normalisation != "none"


def to_magnitude(
    images: Tensor, mask: Tensor, preset: SpectrogramPreset, deviations: Tensor | None = None
) -> Tensor:
    """Undo normalisation and compression: magnitudes of the images' shape, zero in the padding.

    Their unit is the recording's for scale ``log1p-magnitude``, the knee for ``log1p-peak``, the
    peak for ``db``.
    """
    low, high = _range(images, mask)
    if preset.scale == "log1p-peak":
        top = math.log1p(10 ** (preset.knee_db / 20))
        return torch.expm1((images - low) * (top / (high - low).clamp_min(TINY))) * mask
    if preset.normalisation == "none":
        scale = torch.ones_like(low)
        low = torch.zeros_like(low)
    elif deviations is None:
        raise ConfigError(
            f"noise and room responses on images of preset {preset.name!r} need each image's "
            "standard deviation before normalisation; give StressData(deviations=...)"
        )
    else:
        scale = deviations.to(images).reshape(-1, 1, 1, 1)
        low = padding_value(images, preset) if preset.normalisation == "zscore-image" else low
    if preset.scale == "db":
        return 10 ** ((images - high) * scale / 20) * mask
    return torch.expm1(((images - low) * scale).clamp_min(0)) * mask


def compress(magnitude: Tensor, mask: Tensor, preset: SpectrogramPreset) -> Tensor:
    """The preset's scale of magnitudes, not normalised; zero in the padding."""
    peak = magnitude.amax(dim=(2, 3), keepdim=True).clamp_min(TINY)
    if preset.scale == "log1p-magnitude":
        return torch.log1p(magnitude)
    if preset.scale == "log1p-peak":
        return torch.log1p(magnitude * (10 ** (preset.knee_db / 20) / peak))
    level_db = 20 * torch.log10((magnitude / peak).clamp_min(TINY))
    return level_db.clamp_min(-preset.dynamic_range_db) * mask


def normalise(values: Tensor, mask: Tensor, preset: SpectrogramPreset) -> Tensor:
    """The preset's z-score of each image; values in any linear unit."""
    if preset.normalisation == "none":
        return values
    if preset.normalisation == "zscore-image":
        mean = values.mean(dim=(2, 3), keepdim=True)
        spread = values.std(dim=(2, 3), keepdim=True)
        return (values - mean) / spread.clamp_min(TINY)
    count = (mask.sum(dim=3, keepdim=True) * values.shape[2]).clamp_min(1)
    mean = (values * mask).sum(dim=(2, 3), keepdim=True) / count
    centred = (values - mean) * mask
    spread = (centred.square().sum(dim=(2, 3), keepdim=True) / count).sqrt()
    return centred / spread.clamp_min(TINY)


def constant(images: Tensor, value: float) -> Tensor:
    return torch.full((len(images), 1, 1, 1), value, device=images.device, dtype=images.dtype)


def _range(images: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
    """Smallest and largest value over the sounding frames."""
    low = torch.where(mask, images, torch.inf).amin(dim=(2, 3), keepdim=True)
    high = torch.where(mask, images, -torch.inf).amax(dim=(2, 3), keepdim=True)
    silent = low > high  # nothing sounds
    return torch.where(silent, 0.0, low), torch.where(silent, 0.0, high)
