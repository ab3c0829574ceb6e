"""Change training images at random: what happens to each is drawn first, then done.

The changes themselves, and what each approximates, are in :mod:`stressnet.training.image_changes`.
"""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from stressnet.acoustics.spectrogram import SpectrogramPreset
from stressnet.training.image_changes import (
    add_noise,
    add_room,
    change_speed,
    compress,
    constant,
    mask_stretch,
    normalise,
    padding_value,
    shift_time,
    sounding,
    split_envelope,
    stretch_fine_structure,
    to_magnitude,
    warp_vocal_tract,
)
from stressnet.training.recipes import TrainConfig

Draws = dict[str, NDArray]
"""What happens to each image of a batch: one number per image and kind of change."""


def draw(
    rng: np.random.Generator, n: int, config: TrainConfig, n_bins: int, n_frames: int
) -> Draws:
    """Random numbers for ``n`` images; only those of the changes that are switched on.

    Returns ``shift_frames``; ``mask_frame``, ``mask_n_frames``, ``mask_bin``, ``mask_n_bins``;
    ``speed`` and ``pitch`` and ``vocal_tract`` (factors); ``rt60_s`` (0 for no room) and
    ``drr_db``; ``snr_db`` (infinite for no noise), ``noise_slope`` and ``noise_seed``, shape (n,).
    """
    draws: Draws = {}
    if config.time_shift_frames:
        reach = config.time_shift_frames
        draws["shift_frames"] = rng.integers(-reach, reach + 1, size=n)
    for name, longest, size in (
        ("frame", config.mask_frames, n_frames),
        ("bin", config.mask_bins, n_bins),
    ):
        if longest:
            length = rng.integers(0, min(longest, size) + 1, size=n)
            draws[f"mask_{name}"] = rng.integers(0, size - length + 1)
            draws[f"mask_n_{name}s"] = length
    if config.speed_range:
        draws["speed"] = rng.uniform(1 - config.speed_range, 1 + config.speed_range, n)
    if config.pitch_semitones:
        semitones = rng.uniform(-config.pitch_semitones, config.pitch_semitones, n)
        draws["pitch"] = 2 ** (semitones / 12)
    if config.vocal_tract_range:
        widest = config.vocal_tract_range
        draws["vocal_tract"] = rng.uniform(1 - widest, 1 + widest, n)
    if config.room_rt60_s is not None:
        chosen = rng.random(n) < config.room_share
        draws["rt60_s"] = np.where(chosen, rng.uniform(*config.room_rt60_s, n), 0.0)
        draws["drr_db"] = rng.uniform(*config.room_drr_db, n)
    if config.noise_snr_db is not None:
        chosen = rng.random(n) < config.noise_share
        draws["snr_db"] = np.where(chosen, rng.uniform(*config.noise_snr_db, n), np.inf)
        draws["noise_slope"] = rng.uniform(0.0, 1.0, n)
        draws["noise_seed"] = rng.integers(2**62, size=n)
    return draws


def augment(
    images: Tensor,
    draws: Draws,
    preset: SpectrogramPreset,
    *,
    fill_value: float | None = None,
    deviations: Tensor | None = None,
) -> Tensor:
    """Change the images of a batch, each as drawn for it.

    Raises :class:`ConfigError` if images and preset do not fit together. ``images`` (shape (batch,
    1, n_bins, n_frames)): left as they are. ``draws``: from :func:`draw`, for these images.
    ``preset``: what made the images. ``fill_value``: value of what enters or is masked; that of the
    preset's padding by default (:func:`stressnet.training.image_changes.padding_value`).
    ``deviations`` (shape (batch,)): standard deviation of each image before it was normalised; see
    :func:`stressnet.training.image_changes.needs_deviations`.
    """
    device = images.device

    def numbers(name: str) -> Tensor:
        return torch.as_tensor(draws[name], device=device, dtype=torch.float32)

    fill = padding_value(images, preset) if fill_value is None else constant(images, fill_value)
    mask = sounding(images)
    if "speed" in draws:
        images, mask = change_speed(images, mask, numbers("speed"), fill)
    if "pitch" in draws or "vocal_tract" in draws:
        envelope, fine = split_envelope(images, preset)
        if "pitch" in draws:
            fine = stretch_fine_structure(fine, numbers("pitch"))
        if "vocal_tract" in draws:
            envelope = warp_vocal_tract(envelope, numbers("vocal_tract"))
        images = torch.where(mask, envelope + fine, fill)
    if "rt60_s" in draws or "snr_db" in draws:
        magnitude = to_magnitude(images, mask, preset, deviations)
        if "rt60_s" in draws:
            magnitude = add_room(magnitude, numbers("rt60_s"), numbers("drr_db"), preset.hop_s)
            magnitude = magnitude * mask
        if "snr_db" in draws:
            magnitude = add_noise(
                magnitude,
                mask,
                numbers("snr_db"),
                numbers("noise_slope"),
                draws["noise_seed"],
                preset,
            )
        images = compress(magnitude, mask, preset)
    if not draws.keys().isdisjoint({"speed", "pitch", "vocal_tract", "rt60_s", "snr_db"}):
        images = normalise(images, mask, preset)
        if fill_value is None:
            fill = padding_value(images, preset)
        else:
            images = torch.where(mask, images, fill)
    if "shift_frames" in draws:
        images = shift_time(images, torch.as_tensor(draws["shift_frames"], device=device), fill)
    for name, dim in (("frame", 3), ("bin", 2)):
        if f"mask_{name}" in draws:
            start, length = (
                torch.as_tensor(draws[key], device=device)
                for key in (f"mask_{name}", f"mask_n_{name}s")
            )
            images = mask_stretch(images, start, length, dim, fill)
    return images
