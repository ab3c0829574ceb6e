"""Lab words: determinism, what Praat measures back, matched pairs, problems."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest

from stressnet.acoustics.spectrogram import get_preset
from stressnet.errors import AudioError, ConfigError
from stressnet.lab import words as lab_words
from stressnet.lab.designs import CUE_KINDS, DESIGNS, CueRule, Design, get_design
from stressnet.lab.drawing import CUES, NaturalCues, PairTask, draw_plans, natural_cues
from stressnet.lab.klatt import KlattTiers, level_db, synthesise, tilt_db
from stressnet.lab.measured import MEASURES
from stressnet.lab.plans import VOICES, ConsonantPlan, Voice, WordPlan, get_voices
from stressnet.lab.words import LabWord, draw_words
from stressnet.lexicon.stress import CLASSES, Stress
from stressnet.regions.band_regions import RESOLVED_FACTOR
from stressnet.runs.problems import Problem

PARAMETER = {
    "f0_level": {"f0_level_st"},
    "f0_peak": {"f0_peak_position"},
    "duration": {"duration_s"},
    "intensity": {"intensity_db"},
    "tilt": {"tilt_db"},
    "f1": {"f1_hz"},
    "f2": {"f2_hz"},
    "f3": {"f3_hz"},
    "reduction": {"f1_hz", "f2_hz"},
    "consonant": {"level_db"},
}


def task(
    design: str | Design, pair: int = 0, voice: str = "birch", effect: float = 1.0
) -> PairTask:
    return PairTask(get_design(design), pair, 1, VOICES[voice], pair, effect)


def plans(design: str | Design, pair: int = 0, effect: float = 1.0) -> dict[Stress, WordPlan]:
    voice = list(VOICES)[pair % len(VOICES)]
    return draw_plans(task(design, pair, voice, effect))[0]


def parts(plan: WordPlan) -> dict[tuple[int, str], float]:
    """Numbers of a plan by syllable and name."""
    row: dict[tuple[int, str], float] = {}
    for kind in (plan.vowels, plan.consonants):
        for k, part in enumerate(kind, start=1):
            row |= {(k, name): v for name, v in asdict(part).items() if name != "label"}
    return row


@pytest.fixture(scope="module")
def drawn() -> list[LabWord]:
    return draw_words("none", 16, seed=3)


def test_same_seed_same_sound_however_many_are_drawn(drawn: list[LabWord]) -> None:
    again = draw_words("none", 4, seed=3)
    for one, other in zip(drawn, again, strict=False):
        assert one.word_id == other.word_id
        assert np.array_equal(one.audio, other.audio)
        assert one.measured == other.measured
    assert not np.array_equal(draw_words("none", 2, seed=4)[0].audio, drawn[0].audio)


def test_order_in_which_pairs_are_made_does_not_matter(drawn: list[LabWord]) -> None:
    def backwards(make: object, tasks: Iterable[PairTask]) -> list:
        return [lab_words.make_pair(one) for one in reversed(list(tasks))][::-1]

    for one, other in zip(drawn, draw_words("none", 4, seed=3, apply=backwards), strict=False):
        assert np.array_equal(one.audio, other.audio)


def test_words_are_complete(drawn: list[LabWord]) -> None:
    assert [word.stress for word in drawn].count(Stress.FINAL) == len(drawn) // 2
    assert {word.voice for word in drawn} == set(VOICES)
    longest_s = get_preset("stressnet").n_frames * get_preset("stressnet").hop_s - 0.06
    for word in drawn:
        assert word.audio.dtype == np.float32
        assert 0.02 < np.abs(word.audio).max() < 1.0
        assert word.shape == ("CVCVC" if len(word.phones) == 5 else "CVCV")
        assert word.phones[0].start_s == word.start_s
        assert word.phones[-1].end_s == word.end_s < len(word.audio) / word.sample_rate_hz
        assert word.end_s - word.start_s < longest_s
        assert set(word.measured) == set(MEASURES)
    assert len({word.word_id for word in drawn}) == len(drawn)
    assert all(a.word == b.word for a, b in zip(drawn[::2], drawn[1::2], strict=True))


def test_praat_measures_back_what_was_planned(drawn: list[LabWord]) -> None:
    errors: dict[str, list[float]] = {}
    for word in drawn:
        for k, vowel in enumerate(word.plan.vowels, start=1):
            for name, planned in (
                ("log_f1", np.log(vowel.f1_hz)),
                ("log_f2", np.log(vowel.f2_hz)),
                ("log_f3", np.log(vowel.f3_hz)),
                ("f0_level_st", vowel.f0_level_st),
                ("intensity_db", vowel.intensity_db),
                ("tilt_db", vowel.tilt_db),
                ("log_duration", np.log(vowel.duration_s)),
            ):
                errors.setdefault(name, []).append(word.measured[f"{name}_{k}"] - planned)
            consonant = word.plan.consonants[k - 1]
            errors.setdefault("consonant_db", []).append(
                word.measured[f"consonant_db_{k}"] - consonant.level_db
            )
    for name, limit in (
        ("log_f1", 0.08),
        ("log_f2", 0.04),
        ("log_f3", 0.03),
        ("f0_level_st", 0.5),
        ("intensity_db", 1.0),
        ("tilt_db", 0.5),
        ("consonant_db", 1.0),
    ):
        assert np.median(np.abs(errors[name])) < limit, name
    assert np.abs(errors["log_duration"]).max() < 1e-9
    assert np.abs(errors["tilt_db"]).max() < 1.0


def test_true_tracks_are_the_plan(drawn: list[LabWord]) -> None:
    for word in drawn[:4]:
        onset_s = word.start_s
        for vowel, span in zip(word.plan.vowels, word.plan.vowel_spans, strict=True):
            middle = np.array([0.5 * sum(span) - onset_s])
            formants, _ = word.tracks.formants.at(middle)
            assert formants[:3, 0] == pytest.approx([vowel.f1_hz, vowel.f2_hz, vowel.f3_hz])
            inside = word.tracks.pitch.between(span[0] - onset_s, span[1] - onset_s)
            level_st = 12 * np.log2(np.nanmean(inside.f0_hz) / VOICES[word.voice].f0_hz)
            assert level_st == pytest.approx(vowel.f0_level_st, abs=0.4)
        silent = np.array([word.phones[0].middle_s - onset_s])
        assert np.isnan(word.tracks.pitch.at(silent)).all()
        assert np.isnan(word.tracks.formants.at(silent)[0]).all()


@pytest.mark.parametrize("name", sorted(DESIGNS))
def test_only_the_cue_tells_a_pair_apart(name: str) -> None:
    design = DESIGNS[name]
    allowed = {(v, p) for rule in design.rules for v in rule.vowels for p in PARAMETER[rule.cue]}
    seen = set()
    for pair in range(24):
        both = plans(design, pair)
        one, other = parts(both[Stress.INITIAL]), parts(both[Stress.FINAL])
        seen |= {key for key in one if one[key] != other[key]}
        assert both[Stress.INITIAL].noise_seed != both[Stress.FINAL].noise_seed
        labels = [[c.label for c in plan.consonants] for plan in both.values()]
        assert labels[0] == labels[1]
    assert seen == allowed


@pytest.mark.parametrize("name", [n for n in DESIGNS if "+" not in n and n != "none"])
def test_direction_of_the_cue(name: str) -> None:
    rule = DESIGNS[name].rules[0]
    if rule.cue == "reduction":
        return
    (parameter,) = PARAMETER[rule.cue]
    differences = []
    for pair in range(16):
        both = {stress: parts(plan) for stress, plan in plans(name, pair).items()}
        values = [
            {stress: both[stress][vowel, parameter] for stress in CLASSES} for vowel in rule.vowels
        ]
        second_more = values[-1][Stress.FINAL] - values[-1][Stress.INITIAL]
        differences.append(-second_more if rule.where == 1 else second_more)
        if rule.where == "relation":
            assert (values[0][Stress.FINAL] - values[0][Stress.INITIAL]) * second_more <= 0
    assert min(differences) >= 0 and np.median(differences) > 0


def test_reduction_moves_towards_schwa() -> None:
    for pair in range(16):
        both = plans("reduction", pair)
        distance = {}
        for stress, plan in both.items():
            vowel, tract = plan.vowels[1], plan.voice.tract
            distance[stress] = np.hypot(
                np.log(vowel.f1_hz / (500 * tract)), np.log(vowel.f2_hz / (1600 * tract))
            )
        assert distance[Stress.INITIAL] < distance[Stress.FINAL]


def test_effect_scales_the_cue_and_nothing_else() -> None:
    def step(effect: float) -> float:
        both = plans("tilt", effect=effect)
        return both[Stress.FINAL].vowels[1].tilt_db - both[Stress.INITIAL].vowels[1].tilt_db

    assert step(1.0) == pytest.approx(CUE_KINDS["tilt"].step)
    assert step(0.25) == pytest.approx(0.25 * step(1.0))
    assert step(0.0) == 0.0
    weak, strong = plans("tilt", effect=0.25), plans("tilt", effect=1.0)
    assert weak[Stress.FINAL].vowels[0] == strong[Stress.FINAL].vowels[0]
    assert weak[Stress.FINAL].noise_seed == strong[Stress.FINAL].noise_seed


def test_one_cue_of_a_conjunction_does_not_decide() -> None:
    design = DESIGNS["f1_v1+f0_level"]
    final = [design.signs(Stress.FINAL, case) for case in range(3)]
    initial = [design.signs(Stress.INITIAL, case) for case in range(3)]
    assert set(final) == {(1, 1)}
    assert sorted(initial) == [(-1, -1), (-1, 1), (1, -1)]
    for rule in range(2):
        right = 3 + sum(signs[rule] == -1 for signs in initial)
        assert right / 6 == pytest.approx(5 / 6)
    assert design.true_regions == ("F1_1", "F0_2", "harmonics_2")
    assert design.cue == "f1+f0_level"


def test_nuisance_has_natural_variance_and_correlation() -> None:
    natural = natural_cues()
    assert natural.root @ natural.root.T == pytest.approx(
        (natural.root @ natural.root.T).T, abs=1e-12
    )
    drawn = [plans("none", pair)[Stress.FINAL].vowels for pair in range(400)]
    for k in (0, 1):
        column = {
            name: np.array([getattr(vowels[k], name) for vowels in drawn])
            for name in ("f0_level_st", "tilt_db", "intensity_db")
        }
        for name, values in column.items():
            i = CUES.index(name)
            # Cut at two standard deviations, what is drawn spreads a little less.
            assert 0.75 < values.std() / natural.sd[k, i] < 1.0, name
            mean = natural.mean[k, i] - (5.0 if name == "intensity_db" else 0.0)
            assert values.mean() == pytest.approx(mean, abs=0.2 * natural.sd[k, i])
        assert np.corrcoef(column["f0_level_st"], column["intensity_db"])[0, 1] > 0.3


def test_natural_draw_has_the_tables_correlations() -> None:
    natural = natural_cues()
    rng = np.random.default_rng(0)
    z = np.array([natural.draw(rng, limit_sd=10.0).ravel() for _ in range(4000)])
    assert np.corrcoef(z.T) == pytest.approx(natural.root @ natural.root.T, abs=0.06)
    assert isinstance(natural, NaturalCues)


def test_levels_of_known_sounds() -> None:
    time_s = np.arange(8000) / 16000
    tone = np.sin(2 * np.pi * 500 * time_s)
    assert level_db(tone) == pytest.approx(20 * np.log10(np.sqrt(0.5) / 2e-5), abs=0.01)
    assert tilt_db(tone + 0.1 * np.sin(2 * np.pi * 2000 * time_s)) == pytest.approx(-20, abs=0.1)


def test_word_that_cannot_be_made_is_an_error() -> None:
    plan = plans("none")[Stress.FINAL]
    loud = replace(plan, vowels=(plan.vowels[0], replace(plan.vowels[1], intensity_db=110.0)))
    with pytest.raises(AudioError, match="clips"):
        synthesise(loud)
    impossible = replace(plan, vowels=(plan.vowels[0], replace(plan.vowels[1], tilt_db=60.0)))
    with pytest.raises(AudioError, match="tilt of vowel 2"):
        synthesise(impossible)
    nonsense = replace(plan, vowels=(plan.vowels[0], replace(plan.vowels[1], f1_hz=-500.0)))
    with pytest.raises(AudioError, match="cannot be synthesised"):
        synthesise(nonsense)


def test_failing_pairs_are_reported_and_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = lab_words.synthesise

    def fails_for_birch(plan: WordPlan) -> np.ndarray:
        if plan.voice.name == "birch":
            raise AudioError("word cannot be synthesised: Praat says no")
        return whole(plan)

    monkeypatch.setattr(lab_words, "synthesise", fails_for_birch)
    problems: list[Problem] = []
    found = draw_words("none", 4, 3, voices=["alder", "birch"], problems=problems)
    assert {word.voice for word in found} == {"alder"} and len(found) == 2
    assert len(problems) == 1
    assert "Praat says no" in problems[0].reason and "left out" in problems[0].reason
    with pytest.raises(AudioError, match="Praat says no"):
        draw_words("none", 4, 3, voices=["alder", "birch"])


def test_pair_that_praat_measures_apart_is_drawn_again(monkeypatch: pytest.MonkeyPatch) -> None:
    measure = lab_words.measure_word
    calls = []

    def first_differs(plan: WordPlan, samples: np.ndarray) -> dict[str, float]:
        calls.append(plan)
        row = measure(plan, samples)
        return row | {"log_f2_1": row["log_f2_1"] + 0.5} if len(calls) == 1 else row

    monkeypatch.setattr(lab_words, "measure_word", first_differs)
    found = draw_words("none", 2, seed=3, voices=["alder"])
    assert len(found) == 2 and len(calls) >= 4
    assert calls[0].vowels != found[0].plan.vowels


def test_bad_requests_are_refused() -> None:
    with pytest.raises(ConfigError, match="even"):
        draw_words("none", 3, 0)
    with pytest.raises(ConfigError, match="effect"):
        draw_words("none", 2, 0, effect=3.0)
    with pytest.raises(ConfigError, match="no design"):
        draw_words("f9", 2, 0)
    with pytest.raises(ConfigError, match="no voice"):
        get_voices(["nobody"])
    with pytest.raises(ConfigError, match="no cue"):
        CueRule("nasality", 1)
    with pytest.raises(ConfigError, match="no consonant"):
        ConsonantPlan("ZZ", 0.0, 0.1, 50.0)
    with pytest.raises(ConfigError, match="F0"):
        Voice("squeak", 900.0, 1.0)


def test_half_of_the_voices_have_resolved_harmonics() -> None:
    limit_hz = RESOLVED_FACTOR * get_preset("stressnet").resolution_hz
    resolved = [voice for voice in VOICES.values() if voice.f0_hz > 1.2 * limit_hz]
    assert len(resolved) >= len(VOICES) / 2
    assert len(resolved) < len(VOICES)


def test_grid_as_text_is_the_grid_that_praat_writes(tmp_path: Path) -> None:
    from parselmouth.praat import call

    tiers = KlattTiers(0.5, 6, 3)
    grid = call("Create KlattGrid", "word", 0, 0.5, 6, 0, 0, 3, 0, 0, 0)
    for tier, number, value in (
        ("pitch", 0, 120.0),
        ("voicing amplitude", 0, 90.0),
        ("aspiration amplitude", 0, 30.0),
        ("oral formant frequency", 2, 1500.0),
        ("oral formant bandwidth", 6, 320.0),
        ("oral formant amplitude", 1, -3.0),
        ("frication amplitude", 0, 60.0),
        ("frication formant amplitude", 3, -6.0),
    ):
        for time_s, shift in ((0.3, 0.0), (0.1, 1.0), (0.3, 9.0)):
            tiers.add(tier, time_s, value + shift, number)
        for time_s, shift in ((0.3, 0.0), (0.1, 1.0)):
            call(grid, f"Add {tier} point", *([number] if number else []), time_s, value + shift)
    read = tiers.grid(tmp_path)
    grid.save_as_text_file(str(tmp_path / "one"))
    read.save_as_text_file(str(tmp_path / "other"))
    assert (tmp_path / "one").read_text() == (tmp_path / "other").read_text()
    tiers.clear("pitch")
    assert "120.0" not in tiers.text() and "1501.0" in tiers.text()
    with pytest.raises(AudioError, match="oral formant frequency is to be -5"):
        tiers.add("oral formant frequency", 0.1, -5.0, 1)
    with pytest.raises(AudioError, match="voicing amplitude is to be nan"):
        tiers.add("voicing amplitude", 0.1, float("nan"))
