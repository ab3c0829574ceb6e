"""Changes of training images that leave their stress as it is, one function each.

Every change is a function on images ``(batch, 1, n_bins, n_frames)`` with one number per image, so
that what was done is known and can be looked at. ``docs/models.md`` has a picture of each and says
what it approximates. All of them work on the spectrogram, on whatever device it lies; no sound is
read again, so that a batch costs milliseconds.

Noise and room act on power, so compression and normalisation of the preset are undone and done
again. With the scale ``log1p-peak`` that needs nothing but the image (its largest value is the
peak, its smallest is taken as silence); other normalised scales need each image's standard
deviation before it was normalised.

References
----------
Jaitly & Hinton (2013), *Vocal tract length perturbation improves speech recognition*, ICML
workshop. Ko et al. (2015), *Audio augmentation for speech recognition*, Interspeech. Park et al.
(2019), *SpecAugment*, Interspeech. Polack (1993), *Playing billiards in the concert hall*, Applied
Acoustics 38.
"""

import math
from functools import lru_cache

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.fft import dct
from scipy.signal import get_window
from torch import Tensor

from stressnet.acoustics.spectrogram import SpectrogramPreset
from stressnet.errors import ConfigError
from stressnet.training.recipes import TrainConfig

TINY = 1e-12  # Keeps logarithms and divisions finite

FINE_STRUCTURE_S = 0.0025  # Quefrency from which structure along frequency counts as harmonics

VOCAL_TRACT_KNEE = 0.75
"""Share of the frequency axis up to which a vocal-tract warp is proportional."""


def change_speed(
    images: Tensor, mask: Tensor, speed: Tensor, fill: Tensor
) -> tuple[Tensor, Tensor]:
    """Say it faster (``speed`` above 1) or slower, at the same pitch: images and their new mask.

    The sounding frames in ``mask`` follow each other without a gap; ``speed`` has shape (batch,),
    ``fill`` is the value of the padding. Where a slower word would not fit the image, it is slowed
    only as far as it does.
    """
    n_frames = images.shape[3]
    frames = torch.arange(n_frames, device=images.device)
    sound = mask[:, 0, 0]
    start = torch.where(sound, frames, n_frames).amin(dim=1)
    end = torch.where(sound, frames, -1).amax(dim=1)
    start = torch.minimum(start, end.clamp_min(0))
    slowest = (end - start) / (n_frames - 1 - start).clamp_min(1)
    speed = torch.maximum(speed, slowest)
    source = start[:, None] + (frames - start[:, None]) * speed[:, None]
    kept = ((source >= start[:, None]) & (source <= end[:, None] + 1e-4))[:, None, None]
    return torch.where(kept, _resample(images, source, 3), fill), kept


def split_envelope(images: Tensor, preset: SpectrogramPreset) -> tuple[Tensor, Tensor]:
    """Envelope and fine structure of every frame, which add up to the image.

    The envelope is the part below :data:`FINE_STRUCTURE_S` of the cosine transform along frequency
    (the cepstrum, as the images are logarithmic above their knee): harmonics are told apart from
    about 80 Hz up with a window of 25 ms, and voices above 400 Hz count as envelope.
    """
    n_bins = images.shape[2]
    width_hz = n_bins * preset.rate_hz / preset.n_fft
    basis = _envelope_basis(n_bins, math.ceil(2 * width_hz * FINE_STRUCTURE_S))
    smoother = torch.from_numpy(basis).to(images)
    envelope = smoother @ images
    return envelope, images - envelope


def stretch_fine_structure(fine: Tensor, factor: Tensor) -> Tensor:
    """Move harmonics to ``factor`` times their frequency (second result of split_envelope)."""
    bins = torch.arange(fine.shape[2], device=fine.device)
    source = bins / factor[:, None]
    inside = (source <= fine.shape[2] - 1)[:, None, :, None]
    return _resample(fine, source, 2) * inside


def warp_vocal_tract(envelope: Tensor, factor: Tensor) -> Tensor:
    """Move formants to ``factor`` times their frequency: above 1 a shorter vocal tract.

    Proportional up to :data:`VOCAL_TRACT_KNEE` of the axis, from there linear so that its top
    stays its top.
    """
    top = envelope.shape[2] - 1
    bins = torch.arange(top + 1, device=envelope.device, dtype=torch.float32)
    factor = factor[:, None]
    knee = VOCAL_TRACT_KNEE * top * factor.clamp(max=1.0)
    knee_source = knee / factor
    upper = knee_source + (bins - knee) * (top - knee_source) / (top - knee)
    return _resample(envelope, torch.where(bins <= knee, bins / factor, upper), 2)


def add_room(magnitude: Tensor, rt60_s: Tensor, drr_db: Tensor, hop_s: float) -> Tensor:
    """Late reverberation of magnitudes: power that falls by 60 dB in ``rt60_s``, shape (batch,).

    A time of 0 leaves an image as it is. ``drr_db``, of shape (batch,), is the energy of direct
    sound over that of reverberation, for a sound that ends long before the image does; ``hop_s``
    the distance of frames.
    """
    n_frames = magnitude.shape[3]
    frames = torch.arange(n_frames, device=magnitude.device)
    lag = frames[None, :] - frames[:, None]  # from row to column
    decay = 10 ** (-6 * hop_s / rt60_s.clamp_min(1e-3))
    late = decay[:, None, None] ** lag.clamp_min(0) * (lag > 0)
    late = late * ((1 - decay) / decay.clamp_min(TINY) * 10 ** (-drr_db / 10))[:, None, None]
    late = torch.where((rt60_s > 0)[:, None, None], late, 0.0)
    power = magnitude.square()
    return (power + torch.matmul(power, late[:, None])).sqrt()


def add_noise(
    magnitude: Tensor,
    mask: Tensor,
    snr_db: Tensor,
    slope: Tensor,
    seeds: NDArray[np.int64],
    preset: SpectrogramPreset,
) -> Tensor:
    """Stationary noise at a signal-to-noise ratio.

    ``snr_db`` is the energy of the sounding frames (``mask``) over that of the noise in them,
    infinite for none; the power of the noise falls with the power ``slope`` of frequency (0 is
    white, 1 pink); ``seeds`` are those of each image's noise. All have shape (batch,). The preset's
    window and hop make the noise's spectrum; it must not have fewer bins than the images.
    """
    n_bins, n_frames = magnitude.shape[2:]
    if n_bins > preset.n_fft // 2 + 1:
        raise ConfigError(
            f"images have {n_bins} bins, preset {preset.name!r} at most {preset.n_fft // 2 + 1}; "
            "train on the preset that made them"
        )
    wanted = torch.isfinite(snr_db)
    chosen = wanted.nonzero()[:, 0]
    if not len(chosen):
        return magnitude
    size = (n_frames - 1) * preset.hop_samples + preset.n_fft
    generator = torch.Generator(device=magnitude.device)
    sound = torch.stack(
        [
            torch.randn(size, generator=generator.manual_seed(int(seeds[i])), device=mask.device)
            for i in chosen.tolist()
        ]
    )
    left = (preset.n_fft - preset.window_samples) // 2
    window = np.zeros(preset.n_fft, dtype=np.float32)
    window[left : left + preset.window_samples] = get_window(preset.window, preset.window_samples)
    spectrum = torch.stft(
        sound,
        preset.n_fft,
        preset.hop_samples,
        window=torch.from_numpy(window).to(mask.device),
        center=False,
        return_complex=True,
    )[:, None, :n_bins]
    frequency = torch.arange(n_bins, device=mask.device).clamp_min(1).to(magnitude)
    tilt = frequency[None, :] ** (-slope[chosen, None] / 2)
    noise = spectrum * tilt[:, None, :, None] * mask[chosen]
    clean = magnitude[chosen]
    energy = (noise.real.square() + noise.imag.square()).sum(dim=(1, 2, 3))
    ratio = clean.square().sum(dim=(1, 2, 3)) / energy.clamp_min(TINY)
    gain = (ratio * 10 ** (-snr_db[chosen] / 10)).sqrt()
    result = magnitude.clone()
    result[chosen] = (clean + noise * gain[:, None, None, None]).abs()
    return result


def shift_time(images: Tensor, frames: Tensor, fill: Tensor) -> Tensor:
    """Move each image by whole frames, to the right if positive; what enters is ``fill``.

    The word moves together with its padding, so that padding stays padding.
    """
    n_frames = images.shape[3]
    source = torch.arange(n_frames, device=images.device) - frames[:, None]
    inside = ((source >= 0) & (source < n_frames))[:, None, None]
    index = source.clamp(0, n_frames - 1)[:, None, None].expand(images.shape)
    return torch.where(inside, images.gather(3, index), fill)


def mask_stretch(images: Tensor, start: Tensor, length: Tensor, dim: int, fill: Tensor) -> Tensor:
    """Hide one stretch of frames (``dim`` 3) or band of bins (``dim`` 2) of each image."""
    positions = torch.arange(images.shape[dim], device=images.device)
    hidden = (positions >= start[:, None]) & (positions < (start + length)[:, None])
    shape = [len(images), 1, 1, 1]
    shape[dim] = -1
    return torch.where(hidden.reshape(shape), fill, images)


def _resample(images: Tensor, source: Tensor, dim: int) -> Tensor:
    """Values at positions ``source`` (batch, size) along ``dim``, interpolated linearly."""
    last = images.shape[dim] - 1
    source = source.to(images).clamp(0, last)
    below = source.floor().long().clamp(max=max(last - 1, 0))
    shape = [len(images), 1, 1, 1]
    shape[dim] = -1
    share = (source - below).reshape(shape)
    low, high = (
        images.gather(dim, index.reshape(shape).expand(images.shape))
        for index in (below, (below + 1).clamp(max=last))
    )
    return low + share * (high - low)


@lru_cache(maxsize=8)
def _envelope_basis(n_bins: int, cut: int) -> NDArray[np.float32]:
    """Smoother along frequency, shape (n_bins, n_bins): cosines up to about number ``cut``.

    Fades out over a third of the cut to either side, as a sharp edge would ring.
    """
    cosines = dct(np.eye(n_bins), axis=0, norm="ortho")
    place = (np.arange(n_bins) / max(cut, 1) - 2 / 3) * 3 / 2
    kept = 0.5 + 0.5 * np.cos(np.pi * place.clip(0, 1))
    return (cosines.T @ (kept[:, None] * cosines)).astype(np.float32)


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
