"""Trackers: synthetic vowels with known F0 and formants, Praat's own numbers, short input."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.signal import lfilter, resample_poly

from stressnet.acoustics.speakers import (
    Vowel,
    choose_ceiling,
    optimise_ceiling,
    sex_of,
    speaker_settings,
    tracks_of,
)
from stressnet.acoustics.track_types import (
    TRACK_COLUMNS,
    FormantTrack,
    PitchTrack,
    Tracks,
    tracks_frame,
)
from stressnet.acoustics.tracks import (
    FormantSettings,
    PitchSettings,
    formant_track,
    low_pass,
    pitch_track,
    versions,
)
from stressnet.errors import AudioError, ConfigError

parselmouth = pytest.importorskip("parselmouth")
RATE = 16_000
# Mean formants of ten vowels, roughly those of American men (Peterson & Barney 1952).
VOWELS = {
    "IY": (280, 2250, 2890),
    "IH": (400, 1920, 2560),
    "EH": (550, 1770, 2490),
    "AE": (690, 1660, 2490),
    "AA": (710, 1100, 2540),
    "AO": (590, 880, 2540),
    "UH": (450, 1030, 2380),
    "UW": (310, 870, 2250),
    "AH": (640, 1190, 2390),
    "ER": (490, 1350, 1690),
}
BANDWIDTHS = (60, 80, 110, 150, 200, 250, 300, 350)


def vowel(
    f0_hz: tuple[float, float],
    formants_hz: tuple[float, ...],
    *,
    scale: float = 1.0,
    duration_s: float = 0.3,
) -> np.ndarray:
    """Source-filter vowel with F0 from ``f0_hz[0]`` to ``f0_hz[1]``; -6 dB/octave source."""
    rate = 3 * RATE
    n = round(duration_s * rate)
    phase = np.cumsum(np.linspace(*f0_hz, n)) / rate
    sound = np.r_[0.0, np.diff(np.floor(phase)) > 0]
    pole = np.exp(-2 * np.pi * 100 / rate)
    sound = np.diff(lfilter([1], [1, -2 * pole, pole * pole], sound), prepend=0)
    resonances = [scale * f for f in (*formants_hz, 3500, 4500, 5500, 6500, 7500)]
    for frequency, width in zip(resonances, BANDWIDTHS, strict=True):
        if frequency < RATE / 2:
            radius = np.exp(-np.pi * width / rate)
            c = 2 * radius * np.cos(2 * np.pi * frequency / rate)
            sound = lfilter([1 - c + radius**2], [1, -c, radius**2], sound)
    sound = resample_poly(sound, 1, 3)
    return 0.3 * sound / np.abs(sound).max()


def formant_errors(scale: float, f0s_hz: tuple[float, ...], ceiling_hz: float) -> np.ndarray:
    errors = []
    for f0 in f0s_hz:
        for formants in VOWELS.values():
            sound = vowel((1.05 * f0, 0.95 * f0), formants, scale=scale)
            track = formant_track(sound, RATE, FormantSettings(ceiling_hz=ceiling_hz))
            middle = track.between(0.08, 0.22)
            truth = scale * np.array(formants)[:, None]
            errors.append(np.abs(middle.frequency_hz[:3] - truth).mean(axis=1))
    return np.mean(errors, axis=0)


@pytest.mark.parametrize(
    ("scale", "f0s_hz", "ceiling_hz", "gates_hz"),
    [
        (1.0, (100, 130), 5000, (10, 15, 30)),
        # F1 is the harmonic nearest to it at such an F0; 25 Hz would be missed by 1.3 Hz here.
        (1.15, (180, 210, 240), 5500, (27, 25, 30)),
        (1.15, (280, 300, 320), 5500, (40, 40, 35)),
    ],
)
def test_formants_of_synthetic_vowels(scale, f0s_hz, ceiling_hz, gates_hz) -> None:
    assert np.all(formant_errors(scale, f0s_hz, ceiling_hz) <= gates_hz)


def test_too_low_a_ceiling_shows_in_the_bandwidths() -> None:
    sound = vowel((210, 190), VOWELS["AH"], scale=1.15)
    shares = {
        ceiling: formant_track(sound, RATE, FormantSettings(ceiling_hz=ceiling))
        .between(0.08, 0.22)
        .wide_band_share
        for ceiling in (5000.0, 5500.0)
    }
    assert shares[5500.0] < 0.1 < 0.9 < shares[5000.0]


def test_numbers_are_praats_for_the_same_arguments() -> None:
    sound = vowel((120, 100), VOWELS["AH"])
    praat = parselmouth.Sound(sound, RATE)
    formant = parselmouth.praat.call(praat, "To Formant (burg)", 0.005, 5, 5000, 0.025, 50)
    track = formant_track(sound, RATE, FormantSettings(ceiling_hz=5000), origin_s=0.1)
    n = parselmouth.praat.call(formant, "Get number of frames")
    assert len(track.time_s) == n
    for frame in (1, n // 2, n):
        time_s = parselmouth.praat.call(formant, "Get time from frame number", frame)
        assert track.time_s[frame - 1] == pytest.approx(time_s - 0.1, abs=1e-12)
        for k in range(1, 5):
            for command, values in (
                ("Get value at time", track.frequency_hz),
                ("Get bandwidth at time", track.bandwidth_hz),
            ):
                expected = parselmouth.praat.call(formant, command, k, time_s, "hertz", "Linear")
                assert values[k - 1, frame - 1] == pytest.approx(expected, nan_ok=True)

    settings = PitchSettings.raw()
    pitch = parselmouth.praat.call(
        praat, "To Pitch (ac)", 0.005, 75, 15, "no", 0.03, 0.45, 0.01, 0.35, 0.14, 600
    )
    ours = pitch_track(sound, RATE, settings)
    theirs = pitch.selected_array["frequency"]
    np.testing.assert_array_equal(np.nan_to_num(ours.f0_hz), theirs)
    np.testing.assert_allclose(ours.time_s, pitch.xs())


@pytest.mark.parametrize("snr_db", [40, 10])
def test_filtered_pitch_makes_no_gross_errors(snr_db: float) -> None:
    rng = np.random.default_rng(1)
    n_gross = n_voiced = 0
    for f0 in (80, 120, 200, 300):
        for name in ("IY", "AA", "UW"):
            sound = vowel((0.9 * f0, 1.1 * f0), VOWELS[name])
            level = np.sqrt(np.mean(sound**2)) * 10 ** (-snr_db / 20)
            noisy = sound + level * rng.standard_normal(len(sound))
            track = pitch_track(noisy, RATE).between(0.05, 0.25)
            truth = f0 * (0.9 + 0.2 * track.time_s / 0.3)
            voiced = np.isfinite(track.f0_hz)
            n_voiced += voiced.sum()
            n_gross += np.sum(np.abs(track.f0_hz[voiced] / truth[voiced] - 1) > 0.2)
    assert n_voiced > 400
    assert n_gross == 0


def test_filter_lets_through_what_it_promises() -> None:
    t = np.arange(RATE) / RATE
    settings = PitchSettings()
    for frequency, gain in ((800.0, 0.03), (100.0, np.exp(np.log(0.03) * (100 / 800) ** 2))):
        tone = np.sin(2 * np.pi * frequency * t)
        middle = slice(RATE // 4, 3 * RATE // 4)
        passed = low_pass(tone, RATE, settings)[middle].std() / tone[middle].std()
        assert passed == pytest.approx(gain, rel=0.01)


def test_noise_and_silence_are_unvoiced() -> None:
    assert np.isnan(pitch_track(np.zeros(RATE), RATE).f0_hz).all()
    hiss = np.diff(np.random.default_rng(0).standard_normal(RATE + 1))
    assert np.isfinite(pitch_track(hiss, RATE, PitchSettings.raw()).f0_hz).mean() < 0.2


@pytest.mark.parametrize("duration_s", [0.001, 0.010, 0.020, 0.045])
def test_too_short_is_missing_not_wrong(duration_s: float) -> None:
    sound = vowel((200, 200), VOWELS["AA"])[: round(duration_s * RATE)]
    assert len(formant_track(sound, RATE).time_s) == 0
    assert len(pitch_track(sound, RATE).time_s) == 0
    assert np.isnan(formant_track(sound, RATE).at(np.array([0.0]))[0]).all()
    assert np.isnan(pitch_track(sound, RATE).at(np.array([0.0]))).all()


@pytest.mark.parametrize("floor_hz", [50.0, 75.0, 133.0])
def test_the_shortest_sound_praat_accepts_does_not_crash(floor_hz: float) -> None:
    settings = PitchSettings.raw(floor_hz=floor_hz)
    edge = round(3 / floor_hz * RATE)
    sound = vowel((200, 200), VOWELS["AA"])
    for n in range(edge - 3, edge + 4):
        pitch_track(sound[:n], RATE, settings)


def test_bad_input_is_refused() -> None:
    with pytest.raises(AudioError, match="cannot carry a formant ceiling"):
        formant_track(np.zeros(8000), 8000)
    with pytest.raises(AudioError, match="finite"):
        pitch_track(np.full(RATE, np.nan), RATE)
    with pytest.raises(ConfigError, match="floor"):
        PitchSettings(floor_hz=300, ceiling_hz=200)
    with pytest.raises(ConfigError, match="shape"):
        FormantTrack(np.arange(3.0), np.zeros((4, 2)), np.zeros((4, 3)))


def test_reading_a_track_between_frames() -> None:
    track = PitchTrack(np.array([0.0, 0.01, 0.02, 0.03]), np.array([100.0, 110.0, np.nan, 130.0]))
    values = track.at(np.array([-0.1, 0.005, 0.01, 0.015, 0.03, 0.2]))
    np.testing.assert_allclose(values, [np.nan, 105.0, 110.0, np.nan, 130.0, np.nan])


def test_tables_round_trip() -> None:
    sound = vowel((120, 100), VOWELS["AH"])
    settings = speaker_settings([(sound, RATE)], "M")
    tracks = tracks_of(sound, RATE, settings, origin_s=0.05)
    empty = tracks_of(sound[:100], RATE, settings)

    frame = tracks_frame({"a": tracks, "e": empty, "b": tracks})
    assert list(frame.columns) == TRACK_COLUMNS
    back = Tracks.from_frame(frame)
    assert sorted(back) == ["a", "b"]  # a token without frames has no rows
    for name in ("time_s", "frequency_hz", "bandwidth_hz"):
        expected = getattr(tracks.formants, name)
        np.testing.assert_array_equal(getattr(back["b"].formants, name), expected)
    np.testing.assert_array_equal(back["a"].pitch.f0_hz, tracks.pitch.f0_hz)
    with pytest.raises(ConfigError, match="lacks column f0_hz"):
        Tracks.from_frame(frame.drop(columns="f0_hz"))


def test_two_passes_and_ceilings() -> None:
    excerpts = [(vowel((f0, f0), VOWELS["AA"], duration_s=0.4), RATE) for f0 in (100, 120, 140)]
    settings = speaker_settings(excerpts, "M")
    assert settings.pitch_source == "two-pass"
    assert settings.f0_median_hz == pytest.approx(120, abs=2)
    assert settings.pitch.floor_hz == pytest.approx(0.75 * 100, abs=3)
    assert settings.pitch.ceiling_hz == pytest.approx(1.5 * 140, abs=4)
    assert settings.formants.ceiling_hz == 5000
    assert speaker_settings(excerpts, "female").formants.ceiling_hz == 5500
    unknown = speaker_settings([(np.zeros(RATE), RATE)], None)
    assert (unknown.formants.ceiling_hz, unknown.ceiling_source) == (5500, "unknown-sex")
    assert (unknown.pitch_source, unknown.pitch) == ("wide", PitchSettings(floor_hz=75))
    assert np.isnan(unknown.f0_median_hz)
    assert [sex_of(s) for s in ("M", "female", " w", "", None, "?")] == [
        "male",
        "female",
        "female",
        None,
        None,
        None,
    ]


def test_optimised_ceiling_avoids_the_catastrophe() -> None:
    rng = np.random.default_rng(3)
    vowels = []
    for label in ("IY", "AE", "AA", "UW"):
        for _ in range(4):
            formants = tuple(f * rng.normal(1, 0.02) for f in VOWELS[label])
            f0 = rng.uniform(190, 230)
            sound = vowel((f0, 0.9 * f0), formants, scale=1.15)
            vowels.append(Vowel(label, sound, RATE, 0.05, 0.25))
    ceiling_hz = optimise_ceiling(vowels, ceilings_hz=(4500, 5000, 5500, 6000))
    assert ceiling_hz >= 5500
    assert choose_ceiling("optimise", None, vowels[:8]).source == "optimised"
    with pytest.raises(ConfigError, match="two usable tokens"):
        optimise_ceiling(vowels[:1])
    with pytest.raises(ConfigError, match="two usable tokens"):
        optimise_ceiling([])


def test_manifest_holds_every_argument() -> None:
    settings = speaker_settings([], "F").to_dict()
    assert settings["formants"]["command"] == "To Formant (burg)"
    assert settings["formants"]["ceiling_hz"] == 5500
    assert "emulated" in settings["pitch"]["method"]
    assert "filter_top_hz" not in PitchSettings.raw().praat_arguments()
    assert set(versions()) == {"parselmouth", "praat"}
