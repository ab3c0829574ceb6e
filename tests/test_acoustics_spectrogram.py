"""Spectrogram presets: reference numbers, axes, margins, masks, and what must not leak."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from stressnet.acoustics.spectrogram import (
    PRESETS,
    SpectrogramPreset,
    TokenSpectrogram,
    compute,
    get_preset,
)
from stressnet.errors import AudioError, ConfigError

RATE = 16_000


def noise(duration_s: float, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return (0.1 * rng.standard_normal(round(duration_s * RATE))).astype(np.float32)


def tone(frequency_hz: float, duration_s: float = 1.0) -> np.ndarray:
    t = np.arange(round(duration_s * RATE)) / RATE
    return np.sin(2 * np.pi * frequency_hz * t).astype(np.float32)


@pytest.mark.parametrize("duration_s", [0.2134, 0.5, 1.0, 1.4])
def test_allouche2025_equals_librosa(duration_s: float) -> None:
    librosa = pytest.importorskip("librosa")
    samples = noise(2.0)
    start_s = 0.31
    word = samples[round(start_s * RATE) : round((start_s + duration_s) * RATE)]
    magnitude = np.abs(
        librosa.stft(word, n_fft=320, hop_length=160, win_length=320, window="hamming")
    )
    reference = np.zeros((161, 101))
    n = min(101, magnitude.shape[1])
    reference[:, :n] = np.log1p(magnitude)[:, :n]
    reference = (reference - reference.mean()) / reference.std(ddof=1)

    image = compute(get_preset("allouche2025"), samples, RATE, start_s, start_s + duration_s)
    assert image.values.shape == (161, 101)
    np.testing.assert_allclose(image.values, reference, atol=2e-5)
    assert image.mask.sum() == n
    assert image.truncated == (magnitude.shape[1] > 101)


def test_allouche2025_hears_nothing_outside_the_word() -> None:
    samples = noise(1.5)
    other = samples.copy()
    other[: round(0.4 * RATE)] = 0.9
    other[round(0.9 * RATE) :] = -0.9
    preset = get_preset("allouche2025")
    a, b = (compute(preset, s, RATE, 0.4, 0.9) for s in (samples, other))
    np.testing.assert_array_equal(a.values, b.values)


@pytest.mark.parametrize("name", sorted(PRESETS))
def test_a_tone_and_a_click_fall_where_the_axes_say(name: str) -> None:
    preset = get_preset(name)
    axes = preset.axes()
    image = compute(preset, tone(2000.0), RATE, 0.3, 0.7)
    middle = np.searchsorted(axes.time_s, 0.2)
    assert axes.frequency_hz[image.power[:, middle].argmax()] == pytest.approx(2000.0, abs=1)

    samples = np.zeros(RATE, dtype=np.float32)
    samples[round(0.45 * RATE)] = 1.0
    image = compute(preset, samples, RATE, 0.3, 0.7)
    assert axes.time_s[image.power.sum(axis=0).argmax()] == pytest.approx(0.15, abs=1e-9)


def test_axes_of_the_presets() -> None:
    ours = get_preset("stressnet").axes()
    assert ours.time_s[0] == pytest.approx(-0.030)
    assert 0.0 in np.round(ours.time_s, 9)
    assert ours.frequency_hz[-1] == pytest.approx(6400.0)
    theirs = get_preset("allouche2025").axes()
    assert theirs.time_s[0] == 0.0
    assert theirs.frequency_step_hz == pytest.approx(50.0)
    assert theirs.shape == (161, 101)


def test_default_sees_real_context_and_marks_padding() -> None:
    preset = get_preset("stressnet")
    samples = noise(1.5)
    image = compute(preset, samples, RATE, 0.5, 0.8)
    sounding = image.axes.time_s[image.mask]
    assert sounding[0] == pytest.approx(-0.03)
    assert sounding[-1] == pytest.approx(0.33)
    assert np.all(image.values[:, ~image.mask] == 0)
    assert np.all(image.power[:, ~image.mask] == 0)
    changed = samples.copy()
    changed[round(0.49 * RATE)] = 5.0
    assert not np.array_equal(image.values, compute(preset, changed, RATE, 0.5, 0.8).values)
    changed = samples.copy()
    changed[: round(0.45 * RATE)] = 0.9  # more than margin plus half a window away
    np.testing.assert_array_equal(image.values, compute(preset, changed, RATE, 0.5, 0.8).values)


def test_amount_of_padding_leaks_only_in_the_reference() -> None:
    for name, leaks in (("stressnet", False), ("allouche2025", True)):
        wide = get_preset(name)
        narrow = dataclasses.replace(wide, n_frames=60)
        a, b = (compute(p, noise(1.5), RATE, 0.5, 0.8) for p in (wide, narrow))
        same = np.array_equal(a.values[:, a.mask], b.values[:, b.mask])
        assert same is not leaks


def test_default_is_indifferent_to_gain_and_standardised() -> None:
    preset = get_preset("stressnet")
    a = compute(preset, noise(1.0), RATE, 0.3, 0.7)
    b = compute(preset, 0.01 * noise(1.0), RATE, 0.3, 0.7)
    np.testing.assert_allclose(a.values, b.values, atol=1e-4)
    sound = a.values[:, a.mask]
    assert sound.mean() == pytest.approx(0, abs=1e-5)
    assert sound.std() == pytest.approx(1, abs=1e-5)


def test_truncation_starts_one_frame_past_the_image() -> None:
    preset = get_preset("stressnet")  # last centre at 0.97 s
    samples = noise(2.0)
    assert not compute(preset, samples, RATE, 0.5, 0.5 + 0.949).truncated
    assert compute(preset, samples, RATE, 0.5, 0.5 + 0.951).truncated
    assert compute(preset, samples, RATE, 0.5, 1.9).mask.all()


def test_missing_context_at_the_start_of_a_recording_is_not_called_sound() -> None:
    image = compute(get_preset("stressnet"), noise(0.4), RATE, 0.01, 0.4)
    np.testing.assert_array_equal(image.mask[:4], [False, False, True, True])
    assert np.all(image.values[:, 0] == 0)


def test_digital_silence_gives_zeros_not_nan() -> None:
    for name in PRESETS:
        image = compute(get_preset(name), np.zeros(RATE), RATE, 0.3, 0.7)
        assert np.all(np.isfinite(image.values))


def test_same_input_same_bits() -> None:
    for preset in PRESETS.values():
        a, b = (compute(preset, noise(1.0), RATE, 0.3, 0.7) for _ in range(2))
        assert a.values.tobytes() == b.values.tobytes()


def test_other_rates_are_resampled_or_refused() -> None:
    t = np.arange(44_100) / 44_100
    image = compute(get_preset("stressnet"), np.sin(2 * np.pi * 1000 * t), 44_100, 0.3, 0.7)
    assert image.axes.frequency_hz[image.power[:, 20].argmax()] == pytest.approx(1000.0)
    with pytest.raises(AudioError, match="8000 Hz cannot carry"):
        compute(get_preset("stressnet"), noise(1.0), 8_000, 0.3, 0.7)


@pytest.mark.parametrize(("start_s", "end_s"), [(0.7, 0.3), (0.9, 1.2), (-0.1, 0.3), (0.3, 0.3)])
def test_words_outside_their_excerpt_are_refused(start_s: float, end_s: float) -> None:
    with pytest.raises(ConfigError, match="does not lie inside"):
        compute(get_preset("stressnet"), noise(1.0), RATE, start_s, end_s)


def test_bad_samples_are_refused() -> None:
    with pytest.raises(AudioError, match="one channel"):
        compute(get_preset("stressnet"), np.zeros((2, RATE)), RATE, 0.3, 0.7)
    with pytest.raises(AudioError, match="not finite"):
        compute(get_preset("stressnet"), np.full(RATE, np.nan), RATE, 0.3, 0.7)


def test_presets_round_trip_and_refuse_nonsense() -> None:
    for preset in PRESETS.values():
        assert SpectrogramPreset.from_dict(preset.to_dict()) == preset
    with pytest.raises(ConfigError, match="no spectrogram preset 'mel'"):
        get_preset("mel")
    for bad in ({"hop_s": 0.00001}, {"n_fft": 100}, {"scale": "mel"}, {"max_frequency_hz": 9000.0}):
        with pytest.raises(ConfigError):
            SpectrogramPreset(name="bad", **bad)  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="not usable"):
        SpectrogramPreset.from_dict({"name": "x", "colour": "jet"})


def test_resolution_is_the_known_width_of_the_windows() -> None:
    # Harris (1978): 6 dB bandwidth is 2.00 bins for Hann, 1.81 for Hamming; a bin is 1 / window_s.
    assert get_preset("stressnet").resolution_hz == pytest.approx(2.00 / 0.025, rel=0.01)
    assert get_preset("allouche2025").resolution_hz == pytest.approx(1.81 / 0.020, rel=0.01)


def test_token_spectrogram_checks_its_power() -> None:
    image = compute(get_preset("stressnet"), noise(1.0), RATE, 0.3, 0.7)
    with pytest.raises(ConfigError, match="power"):
        TokenSpectrogram(image.values, image.axes, image.mask, image.power[:-1], False)


def test_knee_is_where_the_scale_turns_linear() -> None:
    preset = dataclasses.replace(PRESETS["stressnet"], normalisation="none", knee_db=30.0)
    time_s = np.arange(16_000) / 16_000
    samples = np.sin(2 * np.pi * 1000 * time_s).astype(np.float32)
    values = compute(preset, samples, 16_000, 0.2, 0.8).values
    # The peak is scaled to 30 dB, that is to a magnitude of 31.6.
    assert values.max() == pytest.approx(np.log1p(10**1.5), rel=1e-4)
