"""Resynthesis: what was asked moves by what was asked, the rest of the word stays."""

from __future__ import annotations

import numpy as np
import pytest
from spoken_words import FORMANTS_HZ, RATE_HZ, Spoken, vowel, word

from stressnet.acoustics.cues import Segments
from stressnet.acoustics.tracks import formant_track
from stressnet.errors import AudioError, ConfigError
from stressnet.manipulation.check import Values, measure
from stressnet.manipulation.cues import CUE_NAMES, CueChange
from stressnet.manipulation.envelope import (
    plateau,
    shift_formants,
    slope_for_tilt,
    tilt_db,
    with_gain,
)
from stressnet.manipulation.pitch import TimeMap
from stressnet.manipulation.resynthesis import Source, Stimulus, analyse, resynthesise

NO = CueChange()


@pytest.fixture(scope="module")
def spoken() -> Spoken:
    return word()


@pytest.fixture(scope="module")
def source(spoken: Spoken) -> Source:
    return analyse(spoken.samples, RATE_HZ, spoken.segments, spoken.voice, spoken.phones)


@pytest.fixture(scope="module")
def natural(spoken: Spoken, source: Source) -> Values:
    return measure(source.samples, source.rate_hz, source.segments, spoken.voice)


def moved(stimulus: Stimulus, spoken: Spoken, natural: Values) -> dict[str, np.ndarray]:
    audio = stimulus.audio
    measured = measure(audio.samples, audio.rate_hz, stimulus.segments, spoken.voice)
    return {cue: np.array(measured[cue]) - np.array(natural[cue]) for cue in CUE_NAMES}


def test_the_synthetic_word_is_measured_as_made(natural: Values) -> None:
    formants = 2.0 ** np.array([natural[f"f{k}"] for k in (1, 2, 3)])
    np.testing.assert_allclose(formants[:, 0], (720, 1200, 2500), rtol=0.06)
    np.testing.assert_allclose(formants[:, 1], (550, 1750, 2500), rtol=0.06)
    f0_hz = 115.0 * 2.0 ** (np.array(natural["f0"]) / 12)
    np.testing.assert_allclose(f0_hz, (120, 110), rtol=0.01)


def test_no_change_is_the_recording(spoken: Spoken, source: Source) -> None:
    same = resynthesise(source, (NO, NO))
    assert not same.psola
    assert same.segments == spoken.segments
    assert same.phones == spoken.phones
    np.testing.assert_array_equal(same.audio.samples, spoken.samples)


CHANGES = {
    "f0": (CueChange(f0_st=2.0), CueChange(f0_st=-2.0)),
    "duration": (CueChange(duration_factor=1.4), CueChange(duration_factor=0.7)),
    "intensity": (CueChange(intensity_db=5.0), CueChange(intensity_db=-5.0)),
    "f1": (CueChange(f1_factor=0.8), CueChange(f1_factor=1.2)),
    "f2": (CueChange(f2_factor=1.2), CueChange(f2_factor=0.85)),
    "f3": (CueChange(f3_factor=0.9), CueChange(f3_factor=1.1)),
    "tilt": (CueChange(tilt_db_per_octave=-2.0), CueChange(tilt_db_per_octave=2.0)),
}
ASKED = {
    "f0": (2.0, -2.0),
    "duration": np.log2([1.4, 0.7]),
    "intensity": (5.0, -5.0),
    "f1": np.log2([0.8, 1.2]),
    "f2": np.log2([1.2, 0.85]),
    "f3": np.log2([0.9, 1.1]),
}
REACHED_WITHIN = {
    "f0": 0.25,
    "duration": 0.06,
    "intensity": 0.8,
    "f1": 0.10,
    "f2": 0.05,
    "f3": 0.05,
}
STAYS_WITHIN = {
    "f0": 0.15,
    "duration": 0.06,
    "intensity": 0.5,
    "f1": 0.12,
    "f2": 0.06,
    "f3": 0.06,
    "tilt": 1.5,
}
"""For every other cue: what may move along."""


@pytest.mark.parametrize("cue", CUE_NAMES)
def test_one_cue_moves_and_the_others_stay(
    cue: str, spoken: Spoken, source: Source, natural: Values
) -> None:
    found = moved(resynthesise(source, CHANGES[cue]), spoken, natural)
    if cue in ASKED:
        np.testing.assert_allclose(found[cue], ASKED[cue], atol=REACHED_WITHIN[cue])
    else:
        assert found["tilt"][0] < -1.5
        assert found["tilt"][1] > 1.5
    for other in CUE_NAMES:
        if other != cue:
            assert np.abs(found[other]).max() < STAYS_WITHIN[other], other


@pytest.mark.parametrize("cue", CUE_NAMES)
def test_outside_the_vowels_every_sample_stays(cue: str, spoken: Spoken, source: Source) -> None:
    stimulus = resynthesise(source, CHANGES[cue])
    before, after = spoken.samples, stimulus.audio.samples
    edges = [0.0, *np.ravel(spoken.segments.nuclei), len(before) / RATE_HZ]
    new = [0.0, *np.ravel(stimulus.segments.nuclei), len(after) / RATE_HZ]
    for k in (0, 2, 4):  # before, between and after the vowels
        old_part = before[round(edges[k] * RATE_HZ) : round(edges[k + 1] * RATE_HZ)]
        new_part = after[round(new[k] * RATE_HZ) : round(new[k + 1] * RATE_HZ)]
        np.testing.assert_allclose(new_part, old_part, atol=1e-7)
    inside = slice(round(new[1] * RATE_HZ), round(new[2] * RATE_HZ))
    assert not np.array_equal(after[inside], before[inside])


@pytest.mark.parametrize("factor", [0.5, 0.75, 1.0, 1.3, 2.0])
def test_duration_is_right_within_half_a_period(
    factor: float, spoken: Spoken, source: Source
) -> None:
    change = (CueChange(duration_factor=factor), CueChange(duration_factor=1 / factor))
    stimulus = resynthesise(source, change, psola=True)
    for k, f0_hz in enumerate((120.0, 110.0)):
        old, new = (s.nuclei[k] for s in (spoken.segments, stimulus.segments))
        asked_s = (old[1] - old[0]) * change[k].duration_factor
        assert new[1] - new[0] == pytest.approx(asked_s, abs=0.5 / f0_hz + 1.5 / RATE_HZ)
    # The sound is as long as its parts say, and the phones meet.
    grown_s = (len(stimulus.audio.samples) - len(spoken.samples)) / RATE_HZ
    word_s = np.diff(stimulus.segments.word)[0] - np.diff(spoken.segments.word)[0]
    assert grown_s == pytest.approx(word_s, abs=1e-9)
    ends = [phone.end_s for phone in stimulus.phones[:-1]]
    assert ends == pytest.approx([phone.start_s for phone in stimulus.phones[1:]])
    assert stimulus.phones[1].start_s == pytest.approx(stimulus.segments.nuclei[0][0])


def test_mere_resynthesis_moves_nothing(spoken: Spoken, source: Source, natural: Values) -> None:
    stimulus = resynthesise(source, (NO, NO), psola=True)
    assert stimulus.psola
    found = moved(stimulus, spoken, natural)
    for cue, most in STAYS_WITHIN.items():
        assert np.abs(found[cue]).max() < 0.5 * most, cue


@pytest.mark.parametrize("cue", CUE_NAMES)
def test_nothing_clicks(cue: str, spoken: Spoken, source: Source) -> None:
    """At the edges of the vowels the sound bends no more than it did there or in the vowels."""
    stimulus = resynthesise(source, CHANGES[cue])
    before, after = (
        np.abs(np.diff(samples.astype(float), 2))
        for samples in (spoken.samples, stimulus.audio.samples)
    )
    for new, old in zip(stimulus.segments.nuclei, spoken.segments.nuclei, strict=True):
        inside = before[round(old[0] * RATE_HZ) + 8 : round(old[1] * RATE_HZ) - 8]
        for new_s, old_s in zip(new, old, strict=True):
            here, there = (round(t * RATE_HZ) for t in (new_s, old_s))
            most = max(inside.max(), before[there - 80 : there + 80].max())
            # A step of the vowel's own level would bend by its full amplitude, 0.1 and more.
            assert after[here - 80 : here + 80].max() < 1.8 * most


@pytest.mark.parametrize("f0_st", [-3.0, 0.0, 2.0])
def test_splices_inside_a_voiced_stretch_do_not_click(f0_st: float, spoken: Spoken) -> None:
    """Both edges of a vowel lie where the sound goes on, as beside a nasal."""
    samples = np.pad(vowel(FORMANTS_HZ["AA"], 120.0, 0.6), 2000)
    nuclei = ((0.225, 0.325), (0.425, 0.525))
    source = analyse(samples, RATE_HZ, Segments((0.13, 0.72), 0.38, nuclei), spoken.voice)
    change = CueChange(f0_st=f0_st)
    stimulus = resynthesise(source, (change, change), psola=True)
    most = np.abs(np.diff(samples, 2)).max()
    bend = np.abs(np.diff(stimulus.audio.samples.astype(float), 2))
    for span in stimulus.segments.nuclei:
        for edge_s in span:
            near = round(edge_s * RATE_HZ)
            assert bend[near - 12 : near + 12].max() < 1.05 * most
    assert bend.max() < 2.0 * most


def test_a_gain_has_ramps() -> None:
    samples, span_s = np.ones(1600), (0.0, 1600 / RATE_HZ)
    louder = with_gain(samples, RATE_HZ, span_s, 6.0)
    assert louder[0] == pytest.approx(1.0, abs=1e-3)
    assert louder[800] == pytest.approx(10 ** (6 / 20))
    assert np.abs(np.diff(louder)).max() < 0.012
    np.testing.assert_array_equal(with_gain(samples, RATE_HZ, span_s, 0.0), samples)
    short = plateau(8, RATE_HZ)
    assert short.max() == 1.0
    assert short[0] == pytest.approx(short[-1])


def test_tilt_is_solved_on_the_vowel(source: Source) -> None:
    span = source.segments.nuclei[0]
    slope = slope_for_tilt(source.samples, RATE_HZ, span, 4.0)
    assert 0.5 < slope < 8.0
    stimulus = resynthesise(source, (CueChange(tilt_db_per_octave=slope), NO))
    change = tilt_db(stimulus.audio.samples.astype(float), RATE_HZ, span) - tilt_db(
        source.samples, RATE_HZ, span
    )
    assert change == pytest.approx(4.0, abs=0.3)
    assert slope_for_tilt(source.samples, RATE_HZ, span, 0.0) == 0.0
    assert slope_for_tilt(source.samples, RATE_HZ, span, 500.0) == 12.0
    assert slope_for_tilt(source.samples, RATE_HZ, span, -500.0) == -12.0


def test_all_cues_at_once(spoken: Spoken, source: Source, natural: Values) -> None:
    first = CueChange(
        f0_st=1.5, duration_factor=1.3, intensity_db=3.0, f1_factor=1.1, f2_factor=0.95
    )
    found = moved(resynthesise(source, (first, NO)), spoken, natural)
    assert found["f0"][0] == pytest.approx(1.5, abs=0.25)
    assert found["duration"][0] == pytest.approx(np.log2(1.3), abs=0.05)
    assert found["intensity"][0] == pytest.approx(3.0, abs=0.8)
    assert found["f1"][0] == pytest.approx(np.log2(1.1), abs=0.07)
    for cue in CUE_NAMES:
        assert abs(found[cue][1]) < STAYS_WITHIN[cue], cue


def test_the_same_request_gives_the_same_bytes(source: Source) -> None:
    changes = CHANGES["f0"][0], CHANGES["f1"][1]
    one, two = (resynthesise(source, changes).audio.samples for _ in range(2))
    assert one.tobytes() == two.tobytes()


def test_what_would_clip_is_made_softer() -> None:
    loud = word(levels=(0.2, 0.1))
    source = analyse(loud.samples, RATE_HZ, loud.segments, loud.voice)
    assert np.abs(loud.samples).max() < 0.99
    stimulus = resynthesise(source, (CueChange(intensity_db=12.0), NO))
    assert stimulus.scaled_db < -1.0
    assert np.abs(stimulus.audio.samples).max() == pytest.approx(0.99, abs=1e-3)


def test_a_formant_moves_over_the_whole_vowel(spoken: Spoken, source: Source) -> None:
    stimulus = resynthesise(source, (NO, CueChange(f2_factor=0.8)))
    audio = stimulus.audio
    start_s, end_s = stimulus.segments.nuclei[1]
    places = start_s + np.linspace(0.3, 0.7, 9) * (end_s - start_s)
    before = formant_track(spoken.samples, RATE_HZ, spoken.voice.formants).at(places)[0][1]
    after = formant_track(audio.samples, RATE_HZ, spoken.voice.formants).at(places)[0][1]
    np.testing.assert_allclose(after / before, 0.8, atol=0.05)


def test_bad_requests_say_what_is_wrong(spoken: Spoken, source: Source) -> None:
    with pytest.raises(ConfigError, match="1 changes for 2 nuclei"):
        resynthesise(source, (NO,))
    with pytest.raises(ConfigError, match="without overlap-add"):
        resynthesise(source, CHANGES["f0"], psola=False)
    for wrong in (
        {"f0_st": np.nan},
        {"f0_st": 40.0},
        {"duration_factor": 0.0},
        {"intensity_db": np.inf},
        {"f2_factor": 9.0},
    ):
        with pytest.raises(ConfigError, match=next(iter(wrong))):
            CueChange(**wrong)
    with pytest.raises(AudioError, match="finite"):
        analyse(np.full(16000, np.nan), RATE_HZ, spoken.segments, spoken.voice)
    with pytest.raises(AudioError, match="does not lie inside"):
        analyse(spoken.samples[:9000], RATE_HZ, spoken.segments, spoken.voice)
    with pytest.raises(AudioError, match="cannot be moved to"):
        track, span = source.tracks.formants, source.segments.nuclei[0]
        shift_formants(source.samples, RATE_HZ, span, track, (1.0, 1.0, 4.0))


def test_what_is_not_there_cannot_be_moved(spoken: Spoken) -> None:
    start, end = (round(t * RATE_HZ) for t in spoken.segments.nuclei[1])
    hissed = spoken.samples.copy()
    hissed[start:end] = 0.02 * np.random.default_rng(1).standard_normal(end - start)
    source = analyse(hissed, RATE_HZ, spoken.segments, spoken.voice)
    with pytest.raises(AudioError, match="vowel 2 is unvoiced"):
        resynthesise(source, (NO, CueChange(f0_st=1.0)))
    silent = 1e-6 * np.random.default_rng(1).standard_normal(len(hissed))
    source = analyse(silent, RATE_HZ, spoken.segments, spoken.voice)
    with pytest.raises(AudioError, match="nothing is voiced"):
        resynthesise(source, (CueChange(duration_factor=1.2), NO))


def test_times_move_with_their_neighbours() -> None:
    where = TimeMap.stretched([(1.0, 2.0), (3.0, 4.0)], [2.0, 0.5], 5.0)
    assert [where(t) for t in (0.5, 1.0, 1.5, 2.0, 2.5, 3.0, 4.0, 5.0)] == [
        *(0.5, 1.0, 2.0, 3.0, 3.5, 4.0, 4.5, 5.5)
    ]
    assert where(6.0) == 6.5
    with pytest.raises(ConfigError, match="rise"):
        TimeMap((0.0, 1.0), (1.0, 0.0))
    with pytest.raises(ConfigError, match="knots"):
        TimeMap((0.0,), (1.0,))
