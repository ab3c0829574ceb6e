"""Augmentation: each change does what it says, and nothing to padding, labels or level."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor

from stressnet.acoustics.spectrogram import PRESETS, SpectrogramPreset, compute
from stressnet.errors import ConfigError
from stressnet.lab.drawn import NARROWBAND
from stressnet.training import image_changes
from stressnet.training.augment import augment, draw
from stressnet.training.recipes import TrainConfig, get_recipe

RATE = 16_000
KINDS = sorted(PRESETS)
PADDED_WITH_ZERO = ("stressnet", NARROWBAND.name)
FREE = SpectrogramPreset(name="free", normalisation="none", scale="log1p-magnitude")


def config(**changes: object) -> TrainConfig:
    return replace(TrainConfig(name="x"), **changes)


def vowel(
    f0_hz: float = 150.0, formants_hz: tuple[float, ...] = (500.0, 1500.0, 2500.0), s: float = 0.5
) -> np.ndarray:
    """Harmonics under resonances, with a slow rise and fall."""
    t = np.arange(int(s * RATE)) / RATE
    sound = np.zeros_like(t)
    for harmonic in np.arange(f0_hz, 7000, f0_hz):
        gain = sum(1 / (1 + ((harmonic - f) / 80) ** 2) for f in formants_hz)
        sound += gain * np.cos(2 * math.pi * harmonic * t)
    return (0.1 * sound * np.sin(math.pi * t / s) ** 0.5).astype(np.float32)


def image(preset: SpectrogramPreset, sound: np.ndarray) -> Tensor:
    margin = np.zeros(RATE // 10, dtype=np.float32)
    noise = np.random.default_rng(0).normal(0, 1e-5, len(sound) + 2 * len(margin))
    samples = np.concatenate([margin, sound, margin]) + noise.astype(np.float32)
    made = compute(preset, samples, RATE, 0.1, 0.1 + len(sound) / RATE)
    return torch.from_numpy(made.values)[None, None]


def one(value: float) -> Tensor:
    return torch.tensor([value])


def fill(images: Tensor, preset: SpectrogramPreset) -> Tensor:
    return image_changes.padding_value(images, preset)


# -- what images are


@pytest.mark.parametrize("name", KINDS)
def test_padding_is_found_and_valued(name: str) -> None:
    preset = PRESETS[name]
    made = image(preset, vowel())
    mask = image_changes.sounding(made)[0, 0, 0]
    n = int(mask.sum())
    assert 48 <= n <= 58
    assert bool(mask[:n].all())
    value = float(fill(made, preset))
    assert bool((made[0, 0, :, n:] == value).all())
    assert value == 0 if name in PADDED_WITH_ZERO else value < 0
    full = image(preset, vowel(s=1.2))  # no padding left: silence is the softest there is
    expected = 0.0 if name in PADDED_WITH_ZERO else float(full.min())
    assert float(fill(full, preset)) == expected


@pytest.mark.parametrize("name", KINDS)
def test_power_is_recovered_and_put_back(name: str) -> None:
    preset = PRESETS[name]
    plain = replace(preset, normalisation="none")
    made, raw = image(preset, vowel()), image(plain, vowel())
    mask = image_changes.sounding(made)
    deviation = raw.std() if name == "allouche2025" else None
    magnitude = image_changes.to_magnitude(made, mask, preset, deviation)
    if name == "stressnet":  # unit: the knee
        assert float(magnitude.max()) == pytest.approx(10 ** (30 / 20), rel=1e-4)
    assert float((magnitude - torch.expm1(raw)).abs().max()) < 0.01 * float(magnitude.max())
    again = image_changes.normalise(image_changes.compress(magnitude, mask, preset), mask, preset)
    torch.testing.assert_close(again, made, atol=2e-3, rtol=0)


def test_deviations_are_asked_for() -> None:
    preset = PRESETS["allouche2025"]
    made = image(preset, vowel())
    noisy = config(noise_snr_db=(10.0, 10.0), noise_share=1.0)
    assert image_changes.needs_deviations(noisy, preset)
    assert not image_changes.needs_deviations(noisy, PRESETS["stressnet"])
    draws = draw(np.random.default_rng(0), 1, noisy, 161, 101)
    with pytest.raises(ConfigError, match="standard deviation before normalisation"):
        augment(made, draws, preset)
    assert augment(made, draws, preset, deviations=torch.ones(1)).shape == made.shape


# -- each change


def test_speed_moves_frames_and_keeps_bins() -> None:
    ramp = (1.0 + torch.arange(60.0)).repeat(5, 1) + 100.0 * torch.arange(5.0)[:, None]
    images = torch.zeros(1, 1, 5, 101)
    images[..., :60] = ramp
    zero = torch.zeros(1, 1, 1, 1)
    for speed in (0.8, 1.0, 1.25):
        out, mask = image_changes.change_speed(
            images, image_changes.sounding(images), one(speed), zero
        )
        n = int(mask.sum())
        assert n == math.floor(59 / speed + 1e-3) + 1
        expected = ramp[:, :1] + speed * torch.arange(n)
        torch.testing.assert_close(out[0, 0, :, :n], expected, atol=1e-3, rtol=0)
        assert not out[..., n:].any()


def test_a_slow_word_is_never_cut() -> None:
    images = torch.zeros(1, 1, 4, 101)
    images[..., :95] = torch.randn(1, 1, 4, 95)
    out, mask = image_changes.change_speed(
        images, image_changes.sounding(images), one(0.5), torch.zeros(1, 1, 1, 1)
    )
    assert bool(mask.all())
    torch.testing.assert_close(out[..., 100], images[..., 94])


def peak_hz(column: Tensor, preset: SpectrogramPreset, low_hz: float, high_hz: float) -> float:
    """Frequency of the largest value between two limits, by a parabola."""
    width = preset.rate_hz / preset.n_fft
    first, last = round(low_hz / width), round(high_hz / width)
    k = first + int(column[first : last + 1].argmax())
    left, top, right = (float(column[i]) for i in (k - 1, k, k + 1))
    return (k + (left - right) / (2 * (left - 2 * top + right))) * width


NARROW = replace(
    PRESETS["stressnet"], name="narrow", window_s=0.050, n_fft=1600, max_frequency_hz=4000
)


@pytest.mark.parametrize("factor", [0.94, 1.06])
def test_pitch_moves_harmonics_and_not_formants(factor: float) -> None:
    made = image(NARROW, vowel(150.0))
    envelope, fine = image_changes.split_envelope(made, NARROW)
    torch.testing.assert_close(envelope + fine, made)
    middle = made.shape[3] // 4
    moved = image_changes.stretch_fine_structure(fine, one(factor))[0, 0, :, middle]
    for harmonic in (5, 10):
        before = peak_hz(fine[0, 0, :, middle], NARROW, 150 * harmonic - 60, 150 * harmonic + 60)
        target = 150 * harmonic * factor
        assert before == pytest.approx(150 * harmonic, abs=6)
        assert peak_hz(moved, NARROW, target - 60, target + 60) == pytest.approx(target, abs=6)
    for formant in (500, 1500, 2500):  # and the envelope has them where they were put
        found = peak_hz(envelope[0, 0, :, middle], NARROW, formant - 200, formant + 200)
        assert found == pytest.approx(formant, abs=60)


def test_vocal_tract_moves_formants_up_to_the_knee() -> None:
    bins = torch.arange(161.0)
    bump = torch.exp(-(((bins - 60) / 4) ** 2))[None, None, :, None].expand(2, 1, 161, 3)
    moved = image_changes.warp_vocal_tract(bump.contiguous(), torch.tensor([0.9, 1.1]))
    assert moved[:, 0, :, 0].argmax(1).tolist() == [54, 66]
    line = bins[None, None, :, None].expand(2, 1, 161, 3).contiguous()
    warped = image_changes.warp_vocal_tract(line, torch.tensor([0.9, 1.1]))[:, 0, :, 0]
    torch.testing.assert_close(warped[:, [0, -1]], torch.tensor([[0.0, 160.0]] * 2))
    assert bool((warped.diff(dim=1) > 0).all())


@pytest.mark.parametrize("snr_db", [0.0, 10.0, 20.0])
@pytest.mark.parametrize("slope", [0.0, 1.0])
def test_noise_has_the_energy_and_the_colour_asked_for(snr_db: float, slope: float) -> None:
    clean = torch.expm1(image(FREE, vowel())).expand(20, -1, -1, -1)
    mask = image_changes.sounding(clean)
    many = torch.ones(20)
    noisy = image_changes.add_noise(clean, mask, snr_db * many, slope * many, np.arange(20), FREE)
    added = noisy.square().sum((1, 2, 3)) - clean.square().sum((1, 2, 3))
    ratio = float(clean[0].square().sum() / added.mean())
    assert 10 * math.log10(ratio) == pytest.approx(snr_db, abs=1.0)
    assert not (noisy * ~mask).any()
    silent = clean * 1e-6
    only = image_changes.add_noise(silent, mask, -60 * many, slope * many, np.arange(20), FREE)
    power = (only**2)[..., :50].mean(dim=(0, 1, 3))
    fall_db = 10 * math.log10(float(power[10:20].mean() / power[100:120].mean()))
    expected = slope * 10 * math.log10(float((1 / torch.arange(10.0, 20)).mean() * 109.5))
    assert fall_db == pytest.approx(expected, abs=1.0)


def test_noise_has_the_grain_of_the_window() -> None:
    """The window's main lobe spans bins; independent cells would be rougher than any recording."""
    clean = torch.full((1, 1, 161, 101), 1e-6)
    mask = torch.ones(1, 1, 1, 101, dtype=torch.bool)
    noise = image_changes.add_noise(clean, mask, one(-100), one(0), np.array([1]), FREE)[0, 0].log()

    def correlation(lag: int) -> float:
        return float(torch.corrcoef(torch.stack([noise[:-lag].ravel(), noise[lag:].ravel()]))[0, 1])

    assert correlation(1) > 0.25 > 0.05 > abs(correlation(4))


def test_room_decays_by_sixty_db() -> None:
    click = torch.zeros(3, 1, 2, 101)
    click[..., 10] = 1.0
    out = image_changes.add_room(
        click, torch.tensor([0.5, 0.2, 0.0]), torch.tensor([3.0, 3.0, 3.0]), 0.010
    )
    power = out[:, 0, 0].square()
    assert not power[:, :10].any()
    assert power[:, 10].tolist() == [1.0, 1.0, 1.0]
    assert 10 * math.log10(float(power[0, 61] / power[0, 11])) == pytest.approx(-60, abs=0.1)
    assert 10 * math.log10(float(power[1, 31] / power[1, 11])) == pytest.approx(-60, abs=0.1)
    for i in (0, 1):
        assert 10 * math.log10(float(1 / power[i, 11:].sum())) == pytest.approx(3.0, abs=0.1)
    assert torch.equal(out[2], click[2])


def test_shift_moves_everything_and_fills_with_padding() -> None:
    columns = torch.arange(1.0, 13.0).expand(64, 1, 5, 12)
    draws = draw(np.random.default_rng(0), 64, config(time_shift_frames=3), 5, 12)
    shifted = augment(columns, draws, FREE, fill_value=-7.0)
    seen = set()
    for moved in shifted[:, 0]:
        assert (moved == moved[0]).all()  # every bin alike
        row = moved[0]
        shift = int((row == -7).sum()) * (1 if row[0] == -7 else -1)
        seen.add(shift)
        expected = torch.full((12,), -7.0)
        if shift >= 0:
            expected[shift:] = torch.arange(1.0, 13.0 - shift)
        else:
            expected[:shift] = torch.arange(1.0 - shift, 13.0)
        assert torch.equal(row, expected)
    assert seen == set(range(-3, 4))


def test_masks_are_one_band_and_one_stretch_no_longer_than_asked() -> None:
    ones = torch.ones(200, 1, 30, 20)
    draws = draw(np.random.default_rng(0), 200, config(mask_frames=4, mask_bins=6), 30, 20)
    masked = augment(ones, draws, FREE)
    assert ones.min() == 1
    n_frames = (masked[:, 0] == 0).all(1).sum(1)
    n_bins = (masked[:, 0] == 0).all(2).sum(1)
    assert (int(n_frames.max()), int(n_frames.min())) == (4, 0)
    assert (int(n_bins.max()), int(n_bins.min())) == (6, 0)
    untouched = (30 - n_bins) * (20 - n_frames)
    assert torch.equal(masked.sum((1, 2, 3)).long(), untouched)
    assert torch.equal(augment(ones, {}, FREE), ones)


# -- all of them


EVERYTHING = config(
    time_shift_frames=3,
    mask_frames=8,
    mask_bins=24,
    speed_range=0.15,
    pitch_semitones=2.0,
    vocal_tract_range=0.1,
    noise_snr_db=(5.0, 30.0),
    room_rt60_s=(0.2, 0.8),
)


@pytest.mark.parametrize("name", KINDS)
def test_result_is_an_image_of_the_same_preset(name: str) -> None:
    """Normalised as the preset does, with its padding, and finite, even for silence."""
    preset = PRESETS[name]
    made = torch.cat([image(preset, vowel(f0)) for f0 in (90.0, 150.0, 220.0, 300.0)])
    made = torch.cat([made, torch.zeros(1, 1, *preset.shape)])
    kept = replace(EVERYTHING, time_shift_frames=0, mask_frames=0, mask_bins=0)
    draws = draw(np.random.default_rng(1), 5, kept, *preset.shape)
    out = augment(made, draws, preset, deviations=torch.full((5,), 0.3))
    assert bool(torch.isfinite(out).all())
    mask = image_changes.sounding(out)
    for i in range(4):
        cells = out[i, 0] if name == "allouche2025" else out[i, 0][:, mask[i, 0, 0]]
        assert float(cells.mean()) == pytest.approx(0, abs=1e-3)
        assert float(cells.std()) == pytest.approx(1, abs=1e-3)
        value = float(image_changes.padding_value(out[i : i + 1], preset))
        assert bool((out[i, 0][:, ~mask[i, 0, 0]] == value).all())
    full = augment(
        made,
        draw(np.random.default_rng(1), 5, EVERYTHING, *preset.shape),
        preset,
        deviations=torch.full((5,), 0.3),
    )
    assert bool(torch.isfinite(full).all())


@pytest.mark.parametrize("name", KINDS)
def test_an_image_depends_on_its_own_numbers_only(name: str) -> None:
    preset = PRESETS[name]
    made = torch.cat([image(preset, vowel(f0)) for f0 in (90.0, 150.0, 220.0)])
    draws = draw(np.random.default_rng(2), 3, EVERYTHING, *preset.shape)
    deviations = torch.full((3,), 0.3)
    together = augment(made, draws, preset, deviations=deviations)
    alone = augment(
        made[1:2], {k: v[1:2] for k, v in draws.items()}, preset, deviations=deviations[1:2]
    )
    torch.testing.assert_close(alone[0], together[1], atol=1e-4, rtol=1e-4)


def test_nothing_is_drawn_for_what_is_off() -> None:
    rng = np.random.default_rng(0)
    assert draw(rng, 4, config(), 161, 101) == {}
    assert rng.integers(1000) == np.random.default_rng(0).integers(1000)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"speed_range": 0.9}, r"speed_range=0.9 must lie in \[0, 0.5\]"),
        ({"noise_snr_db": (30, 10)}, "lower and an upper"),
        ({"noise_snr_db": [5, 10, 20]}, "lower and an upper"),
        ({"room_rt60_s": (0, 1)}, "must be positive"),
        ({"room_share": 1.5}, "room_share"),
        ({"precision": "int8"}, "not float32, bfloat16 or float16"),
    ],
)
def test_bad_switches(changes: dict, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        get_recipe("compact", **changes)


def test_lists_as_toml_gives_them() -> None:
    assert get_recipe("compact", noise_snr_db=[5, 20]).noise_snr_db == (5, 20)
