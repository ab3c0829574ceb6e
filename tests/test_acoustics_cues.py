"""Cues: Praat's own numbers, synthetic words with known answers, what is missing and why."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy.signal import lfilter
from test_acoustics_tracks import RATE, VOWELS, vowel

from stressnet.acoustics.cue_table import CUES, contrast_columns, table_columns
from stressnet.acoustics.cues import Segments, articulation_rate, measure_token, place_vowels
from stressnet.acoustics.prosodic_cues import semitones
from stressnet.acoustics.speakers import (
    SpeakerSettings,
    Vowel,
    choose_ceiling,
    looks_too_low,
    low_ceiling_evidence,
    smoothest_ceiling,
    speaker_settings,
)
from stressnet.acoustics.tracks import (
    HIGH_PASS_HZ,
    FormantSettings,
    PitchSettings,
    hum_level_db,
    pitch_track,
)
from stressnet.acoustics.vowel_space import bark, centroid_bark, is_reduced, peripherality_bark
from stressnet.acoustics.vowel_spectrum import (
    expected_bandwidth_hz,
    h1_a3_corrected_db,
    resonance_db,
)
from stressnet.errors import ConfigError
from stressnet.intervals import Interval

parselmouth = pytest.importorskip("parselmouth")
call = parselmouth.praat.call

FIRST, SECOND = (0.30, 0.45), (0.55, 0.75)
SEGMENTS = Segments((0.25, 0.8), 0.5, (FIRST, SECOND))
VOICE = SpeakerSettings(
    PitchSettings(floor_hz=75, ceiling_hz=300),
    FormantSettings(ceiling_hz=5000),
    120.0,
    500,
    "two-pass",
    "sex",
)


def word(
    f0s_hz: tuple[float, float] = (120, 120),
    names: tuple[str, str] = ("AH", "AH"),
    gains: tuple[float, float] = (1.0, 1.0),
) -> np.ndarray:
    """Two vowels with 0.25 s of faint noise around and 0.1 s between them."""
    samples = 1e-5 * np.random.default_rng(0).standard_normal(RATE)
    for (start, end), f0, name, gain in zip((FIRST, SECOND), f0s_hz, names, gains, strict=True):
        sound = gain * vowel((f0, f0), VOWELS[name], duration_s=end - start)
        first = round(start * RATE)
        samples[first : first + len(sound)] += sound
    return samples


@pytest.fixture(scope="module")
def row() -> dict:
    return measure_token(word((150, 110), ("AA", "IY")), RATE, SEGMENTS, VOICE, speech_rate=5.0)


def test_columns_are_those_of_the_table(row: dict) -> None:
    own = [name for name in row if name != "missing_reason"]
    listed = [name for name in table_columns() if name in row and name != "missing_reason"]
    assert sorted(own) == sorted(listed)
    assert len(set(table_columns())) == len(table_columns())
    assert {cue.group for cue in CUES} == {
        "duration",
        "f0",
        "intensity",
        "spectral balance",
        "voice quality",
        "formants",
        "vowel quality",
    }


def test_numbers_are_praats_for_the_same_arguments(row: dict) -> None:
    samples = word((150, 110), ("AA", "IY"))
    sound = parselmouth.Sound(samples, RATE)
    formant = call(sound, "To Formant (burg)", 0.005, 5, 5000, 0.025, 50)
    intensity = call(sound, "To Intensity", 100, 0.005, "yes")
    raw = SpeakerSettings(PitchSettings.raw(75, 300), VOICE.formants, 120.0, 500, "two-pass", "sex")
    cues = measure_token(samples, RATE, SEGMENTS, raw, speech_rate=5.0)
    pitch = call(sound, "To Pitch (ac)", 0.005, 75, 15, "no", 0.03, 0.45, 0.01, 0.35, 0.14, 300)
    for number, (start, end) in ((1, FIRST), (2, SECOND)):
        name = f"nucleus_{number}_"
        expected = {
            "f0_mean_hz": call(pitch, "Get mean", start, end, "Hertz"),
            "f0_max_hz": call(pitch, "Get maximum", start, end, "Hertz", "Parabolic"),
            "f0_mean_st": call(pitch, "Get mean", start, end, "semitones re 1 Hz")
            - 12 * np.log2(120),
            "intensity_mean_db": call(intensity, "Get mean", start, end, "energy"),
            "intensity_max_db": call(intensity, "Get maximum", start, end, "Parabolic"),
        }
        middle = start + 0.3 * (end - start), start + 0.7 * (end - start)
        for k in range(1, 5):
            expected[f"f{k}_hz"] = call(formant, "Get quantile", k, *middle, "hertz", 0.5)
            expected[f"b{k}_hz"] = call(
                formant, "Get quantile of bandwidth", k, *middle, "hertz", 0.5
            )
        part = call(sound, "Extract part", start, end, "Hanning", 1.0, "no")
        spectrum = call(part, "To Spectrum", "yes")
        ltas = call(spectrum, "To Ltas (1-to-1)")
        expected["spectral_tilt_db"] = call(ltas, "Get slope", 0, 1000, 1000, 4000, "energy")
        low = call(spectrum, "Get band energy", 0, 500)
        high = call(spectrum, "Get band energy", 500, 4000)
        expected["spectral_emphasis_db"] = 10 * np.log10(high / low)
        expected["level_0_500_hz_db"] = 10 * np.log10(low / (0.375 * (end - start)) / 4e-10)
        for cue, value in expected.items():
            tolerance = 0.02 if cue == "spectral_emphasis_db" else 1e-9
            assert cues[name + cue] == pytest.approx(value, abs=tolerance), cue


def test_band_levels_add_up_to_the_intensity() -> None:
    """The four bands together are the vowel's level: the window's gain is accounted for."""
    time_s = np.arange(RATE) / RATE
    tones = sum(np.sin(2 * np.pi * f * time_s) for f in (250, 750, 1500, 3000))
    row = measure_token(0.1 * tones, RATE, SEGMENTS, VOICE)
    expected = 10 * np.log10(0.1**2 / 2 / 4e-10)
    for band in ("0_500", "500_1000", "1000_2000", "2000_4000"):
        assert row[f"nucleus_1_level_{band}_hz_db"] == pytest.approx(expected, abs=0.05)
    assert row["nucleus_1_spectral_emphasis_db"] == pytest.approx(10 * np.log10(3), abs=0.05)
    assert row["nucleus_1_intensity_mean_db"] == pytest.approx(expected + 6.02, abs=0.1)


@pytest.mark.parametrize("method", ["filtered-ac", "raw-ac"])
def test_known_pitch_duration_and_formants(method: str) -> None:
    pitch = PitchSettings() if method == "filtered-ac" else PitchSettings.raw()
    voice = SpeakerSettings(pitch, VOICE.formants, 120.0, 500, "two-pass", "sex")
    row = measure_token(word((150, 110), ("AA", "IY")), RATE, SEGMENTS, voice, speech_rate=5.0)
    assert row["nucleus_1_f0_mean_hz"] == pytest.approx(150, rel=0.01)
    assert row["nucleus_2_f0_mean_hz"] == pytest.approx(110, rel=0.01)
    step = semitones(150, 110)
    assert row["nucleus_diff_f0_mean_st"] == pytest.approx(step, abs=0.2)
    assert row["nucleus_1_f0_mean_st"] == pytest.approx(semitones(150, 120), abs=0.2)
    assert abs(row["nucleus_1_f0_slope_st_per_s"]) < 3
    assert row["nucleus_log2ratio_duration"] == pytest.approx(np.log2(0.15 / 0.2))
    assert row["syllable_log2ratio_duration"] == pytest.approx(np.log2(0.25 / 0.3))
    assert row["nucleus_1_relative_duration"] == pytest.approx(0.75)
    for number, name in ((1, "AA"), (2, "IY")):
        found = [row[f"nucleus_{number}_f{k}_hz"] for k in (1, 2, 3)]
        np.testing.assert_allclose(found, VOWELS[name], atol=40)
    assert row["nucleus_log2ratio_f1"] == pytest.approx(np.log2(710 / 280), abs=0.15)


def test_slope_of_a_rising_vowel() -> None:
    sound = np.zeros(RATE)
    rise = vowel((100, 130), VOWELS["AH"], duration_s=0.2)
    first = round(SECOND[0] * RATE)
    sound[first : first + len(rise)] = rise
    row = measure_token(sound, RATE, SEGMENTS, VOICE)
    assert row["nucleus_2_f0_slope_st_per_s"] == pytest.approx(semitones(130, 100) / 0.2, rel=0.15)


def test_twice_the_amplitude_is_six_decibels() -> None:
    loud = measure_token(word(gains=(1.0, 0.5)), RATE, SEGMENTS, VOICE)
    for cue in ("intensity_mean_db", "level_0_500_hz_db", "level_2000_4000_hz_db"):
        assert loud[f"nucleus_diff_{cue}"] == pytest.approx(6.02, abs=0.6)
    for cue in ("spectral_emphasis_db", "spectral_tilt_db"):
        assert abs(loud[f"nucleus_diff_{cue}"]) < 0.8


def test_contrasts_change_sign_when_the_syllables_change_places() -> None:
    there = measure_token(word((150, 110), ("AA", "IY"), (1, 0.4)), RATE, SEGMENTS, VOICE)
    mirrored = Segments((0.2, 0.75), 0.5, ((0.25, 0.45), (0.55, 0.70)))
    back = measure_token(
        word((150, 110), ("AA", "IY"), (1, 0.4))[::-1].copy(), RATE, mirrored, VOICE
    )
    for column in ("nucleus_diff_f0_max_st", "nucleus_diff_intensity_mean_db"):
        assert np.sign(there[column]) == -np.sign(back[column])


# -- what is missing -------------------------------------------------------------------------------


def test_a_short_excerpt_is_missing_with_a_reason() -> None:
    sound = vowel((200, 200), VOWELS["AA"])[: round(0.03 * RATE)]
    segments = Segments((0.0, 0.03), 0.015, ((0.002, 0.012), (0.016, 0.028)))
    row = measure_token(sound, RATE, segments, VOICE)
    for cue in ("f0_mean_hz", "intensity_mean_db", "f1_hz", "level_0_500_hz_db"):
        assert np.isnan(row[f"nucleus_1_{cue}"])
    for what in ("too short for F0", "too short for intensity", "too short for formants"):
        assert what in row["missing_reason"]
    assert "shorter than a spectrum needs" in row["missing_reason"]
    assert "no speech rate" in row["missing_reason"]
    assert np.isfinite(row["nucleus_1_duration_s"])


def test_an_unvoiced_vowel_has_no_pitch() -> None:
    samples = word()
    first, last = (round(t * RATE) for t in SECOND)
    hiss = np.diff(np.random.default_rng(1).standard_normal(last - first + 1))
    samples[first:last] = 0.05 * hiss
    row = measure_token(samples, RATE, SEGMENTS, VOICE, speech_rate=5.0)
    assert np.isnan(row["nucleus_2_f0_mean_hz"])
    assert np.isnan(row["nucleus_diff_f0_mean_st"])
    assert "nucleus 2: unvoiced" in row["missing_reason"]
    assert np.isfinite(row["nucleus_1_f0_mean_hz"])


def test_silence_has_no_level() -> None:
    row = measure_token(np.zeros(RATE), RATE, SEGMENTS, VOICE)
    assert np.isnan(row["nucleus_1_intensity_mean_db"])
    assert np.isnan(row["nucleus_1_spectral_emphasis_db"])
    assert "nucleus 1: silent" in row["missing_reason"]


def test_parts_out_of_order_are_refused() -> None:
    with pytest.raises(ConfigError, match="out of order"):
        Segments((0.2, 0.8), 0.5, (SECOND, FIRST))


# -- harmonics -------------------------------------------------------------------------------------


def test_resonances_are_those_of_the_synthesis() -> None:
    width, centre = 80.0, 500.0
    radius = np.exp(-np.pi * width / RATE)
    c = 2 * radius * np.cos(2 * np.pi * centre / RATE)
    impulse = lfilter([1 - c + radius**2], [1, -c, radius**2], np.r_[1.0, np.zeros(RATE - 1)])
    response = 20 * np.log10(np.abs(np.fft.rfft(impulse)))
    for frequency in (0, 120, 500, 2500):
        found = resonance_db(frequency, centre, width, RATE)
        assert found == pytest.approx(response[frequency], abs=1e-3)
    assert expected_bandwidth_hz([500.0], 132.0)[0] == pytest.approx(37.8, abs=0.5)


def test_corrected_harmonics_do_not_depend_on_the_vowel() -> None:
    """One source through ten vocal tracts: the formants are out, the source is left."""
    corrected, raw = [], []
    for formants in VOWELS.values():
        samples = vowel((120, 120), formants)[800:4000]
        corrected.append(h1_a3_corrected_db(samples, RATE, 120.0, formants))
        level = np.abs(np.fft.rfft(samples * np.hanning(len(samples)), 1 << 15))
        axis = np.fft.rfftfreq(1 << 15, 1 / RATE)
        h1 = level[np.abs(axis - 120) < 24].max()
        a3 = level[np.abs(axis - formants[2]) < 0.1 * formants[2]].max()
        raw.append(20 * np.log10(h1 / a3))
    assert np.std(corrected) < 0.5 * np.std(raw)
    assert np.std(corrected) < 4.0


def test_harmonics_need_pitch_formants_and_four_periods() -> None:
    samples = vowel((120, 120), VOWELS["AH"])
    for f0, formants, n in (
        (np.nan, VOWELS["AH"], 4800),
        (120.0, (640, np.nan, 2390), 4800),
        (120.0, VOWELS["AH"], 500),
        (120.0, (640, 1190, 7900), 4800),
    ):
        assert np.isnan(h1_a3_corrected_db(samples[:n], RATE, f0, formants))


# -- vowel space, rate -----------------------------------------------------------------------------


def test_bark_is_praats() -> None:
    sound = parselmouth.Sound(vowel((120, 120), VOWELS["AH"]), RATE)
    formant = sound.to_formant_burg(0.005, 5, 5000, 0.025, 50)
    hertz, barks = (
        call(formant, "Get value at time", 1, 0.15, unit, "Linear") for unit in ("hertz", "bark")
    )
    assert bark(hertz) == pytest.approx(barks)


def test_vowel_space() -> None:
    f1, f2 = np.array([300.0, 700, 500] * 4), np.array([2200.0, 1200, 1500] * 4)
    centre = centroid_bark(f1, f2)
    np.testing.assert_allclose(centre, bark([500, 1500]))
    distance = peripherality_bark(f1[:3], f2[:3], centre)
    assert distance[2] == 0
    assert (distance[:2] > 2).all()
    assert np.isnan(centroid_bark(f1[:9], f2[:9])).all()
    flags = is_reduced([0.5, 0.5, 2.0, np.nan], [0.05, 0.2, 0.05, 0.05], 1.0, 0.1)
    np.testing.assert_array_equal(flags, [1, 0, 0, np.nan])


def test_placing_vowels_needs_enough_of_them(row: dict) -> None:
    few = place_vowels(pd.DataFrame([row] * 2))
    assert few["nucleus_1_peripherality_bark"].isna().all()
    assert few["missing_reason"].str.contains("too few vowels").all()
    other = measure_token(word((150, 110), ("AH", "AH")), RATE, SEGMENTS, VOICE, speech_rate=5.0)
    placed = place_vowels(pd.DataFrame([row] * 3 + [other] * 4))
    assert placed["nucleus_1_peripherality_bark"].notna().all()
    # AA and IY lie far from AH, which here is the centre.
    assert placed["nucleus_2_peripherality_bark"][0] > placed["nucleus_2_peripherality_bark"][6] + 1
    assert (placed["nucleus_1_is_reduced"][3:] <= 1).all()


def test_articulation_rate_leaves_silence_out() -> None:
    phones = [Interval(0, 1, ""), Interval(1, 1.1, "B")]
    phones += [Interval(1.1 + 0.2 * k, 1.3 + 0.2 * k, "AA1") for k in range(3)]
    assert articulation_rate(phones) == pytest.approx(3 / 0.7)
    assert np.isnan(articulation_rate(phones[:3]))


# -- speakers --------------------------------------------------------------------------------------


def humming(f0_hz: float, hum_hz: float, seed: int) -> np.ndarray:
    time_s = np.arange(RATE) / RATE
    hum = 0.06 * np.sin(2 * np.pi * hum_hz * time_s + seed)
    return hum + 1e-3 * np.random.default_rng(seed).standard_normal(RATE) + word((f0_hz,) * 2)


@pytest.mark.parametrize("hum_hz", [50.0, 60.0])
def test_mains_hum_is_not_taken_for_a_voice(hum_hz: float) -> None:
    excerpts = [(humming(f0, hum_hz, seed), RATE) for seed, f0 in enumerate((100, 110, 120))]
    naive = pitch_track(*excerpts[0]).f0_hz
    assert np.nanmedian(naive) < 65  # what goes wrong without the remedy
    settings = speaker_settings(excerpts, "M", spans_s=[[FIRST, SECOND]] * 3)
    assert settings.f0_median_hz == pytest.approx(110, abs=5)
    assert settings.pitch.high_pass_hz == HIGH_PASS_HZ
    assert settings.pitch.floor_hz >= 62
    row = measure_token(excerpts[0][0], RATE, SEGMENTS, settings)
    assert row["nucleus_1_f0_mean_hz"] == pytest.approx(100, rel=0.02)


def test_clean_speech_is_not_filtered() -> None:
    excerpts = [(word((100, 100)), RATE)] * 3
    assert hum_level_db(*excerpts[0]) < -15
    assert speaker_settings(excerpts).pitch.high_pass_hz == 0
    assert np.isnan(hum_level_db(np.zeros(RATE), RATE))


def speakers_vowels(scale: float, f0_hz: float) -> list[Vowel]:
    sounds = (vowel((1.05 * f0_hz, 0.95 * f0_hz), f, scale=scale) for f in VOWELS.values())
    return [Vowel(n, s, RATE, 0.08, 0.22) for n, s in zip(VOWELS, sounds, strict=True)]


@pytest.mark.parametrize(
    ("scale", "f0_hz", "right_hz", "low_hz"),
    # The male tract is a little shorter than 17.5 cm, so that 4500 Hz loses its fifth formant.
    [(1.06, 120, 5000, 4500), (1.15, 200, 5500, 5000), (1.15, 300, 5500, 5000)],
)
def test_too_low_a_ceiling_is_flagged(scale, f0_hz, right_hz, low_hz) -> None:
    vowels = speakers_vowels(scale, f0_hz)
    flags = {
        ceiling: looks_too_low(*low_ceiling_evidence(vowels, FormantSettings(ceiling_hz=ceiling)))
        for ceiling in (low_hz, right_hz)
    }
    assert flags == {low_hz: True, right_hz: False}


def test_little_evidence_says_nothing() -> None:
    vowels = speakers_vowels(1.15, 200)[:5]
    assert not looks_too_low(*low_ceiling_evidence(vowels, FormantSettings(ceiling_hz=5000)))


def test_smoothest_ceiling_avoids_the_catastrophe() -> None:
    rng = np.random.default_rng(0)
    vowels = []
    for name, formants in list(VOWELS.items())[:6]:
        f0 = rng.uniform(190, 230)
        sound = vowel((f0, 0.8 * f0), formants, scale=1.15)
        vowels.append(Vowel(name, sound, RATE, 0.05, 0.25))
    assert smoothest_ceiling(vowels) >= 5200
    with pytest.raises(ConfigError, match="60 ms"):
        smoothest_ceiling([Vowel("AA", vowels[0].samples, RATE, 0.1, 0.14)])


def test_choice_of_ceilings() -> None:
    assert choose_ceiling("auto", "M", []).ceiling_hz == 5000
    assert choose_ceiling("sex", None, []).source == "unknown-sex"
    fixed = choose_ceiling(5200.0, "M", [])
    assert (fixed.ceiling_hz, fixed.source) == (5200, "fixed")
    fallen_back = choose_ceiling("auto", None, [])
    assert fallen_back.ceiling_hz == 5500
    assert "two usable tokens" in fallen_back.warning
    with pytest.raises(ConfigError, match="choose from"):
        choose_ceiling("best", None, [])  # type: ignore[arg-type]


def test_no_contrast_needs_the_stress() -> None:
    """Every contrast is of syllable 1 and 2; nothing is called stressed."""
    assert not [c for c in table_columns() if "stressed" in c]
    assert all("diff" in c or "log2ratio" in c for c in contrast_columns())
