"""Endpoints from class means and pairs, plans of continua, and the check of what came out."""

from __future__ import annotations

from dataclasses import replace
from itertools import combinations

import numpy as np
import pandas as pd
import pytest
from spoken_words import RATE_HZ, word

from stressnet.acoustics.cues import measure_token
from stressnet.errors import ConfigError, ManipulationError
from stressnet.languages import language
from stressnet.manipulation.check import Checked, check, make_stimulus, measure
from stressnet.manipulation.continua import Asked, Step, ask, plan_steps
from stressnet.manipulation.cues import CUE_NAMES, CUES, get_cue, in_order
from stressnet.manipulation.endpoints import Endpoint, Reference
from stressnet.manipulation.resynthesis import analyse, resynthesise

NEUTRAL_ROW = {
    "f0_mean_st": 0.0,
    "duration_s": 0.1,
    "intensity_mean_db": 70.0,
    "f1_hz": 500.0,
    "f2_hz": 1500.0,
    "f3_hz": 2500.0,
    "spectral_tilt_db": -15.0,
    "formants_suspect": False,
}


def row(number: int, stress: str, speaker: str = "anna", **changes: float | str) -> dict:
    """A row of measured cues; ``f0_mean_st_1=2.0`` changes one nucleus."""
    found: dict = {
        "token_id": f"{speaker}-{stress}-{number}",
        "speaker": speaker,
        "sex": "female",
        "word": f"WORD{number}",
        "stress": stress,
        "nucleus_1": "IY1" if stress == "INITIAL" else "IY0",
        "nucleus_2": "IY0" if stress == "INITIAL" else "IY1",
    }
    for name, value in NEUTRAL_ROW.items():
        for k in (1, 2):
            found[f"nucleus_{k}_{name}"] = changes.pop(f"{name}_{k}", value)
    return found | changes


def rows_of(speaker: str, n: int, initial_st: float, final_st: float) -> list[dict]:
    """Tokens whose first vowel is higher than the second by so much in each class."""
    return [
        row(i, stress, speaker, f0_mean_st_1=contrast + 0.1 * (i % 3 - 1))
        for stress, contrast in (("INITIAL", initial_st), ("FINAL", final_st))
        for i in range(n)
    ]


def test_ends_are_the_speakers_class_means() -> None:
    table = pd.DataFrame(rows_of("anna", 6, 4.0, -2.0) + rows_of("bo", 6, 8.0, 0.0))
    token = row(0, "INITIAL", f0_mean_st_1=3.0, f0_mean_st_2=1.0)
    end = Reference(table).endpoint(token, "f0")
    assert end.source == "speaker"
    assert (end.n_initial, end.n_final) == (6, 6)
    assert end.natural == (3.0, 1.0)
    # The contrast becomes the class mean, the mean of both vowels stays 2.
    assert end.initial == pytest.approx((4.0, 0.0))
    assert end.final == pytest.approx((1.0, 3.0))
    assert end.range == pytest.approx(-6.0)
    assert end.at(0.5) == pytest.approx((2.5, 1.5))


def test_few_tokens_fall_back_to_sex_and_all() -> None:
    others = rows_of("bo", 8, 6.0, 0.0)
    men = [r | {"sex": "male"} for r in rows_of("carl", 8, 2.0, 0.0)]
    table = pd.DataFrame(rows_of("anna", 3, 4.0, -2.0) + others + men)
    token = row(0, "FINAL")
    by_sex = Reference(table).endpoint(token, "f0")
    assert by_sex.source == "sex"
    assert by_sex.n_initial == 11
    assert Reference(table, min_tokens=3).endpoint(token, "f0").source == "speaker"
    nobody = Reference(table).endpoint(token | {"sex": None}, "f0")
    assert nobody.source == "all"
    with pytest.raises(ManipulationError, match="fewer than 99"):
        Reference(table, min_tokens=99).endpoint(token, "f0")


def test_a_speaker_the_other_way_round_counts_as_too_few() -> None:
    table = pd.DataFrame(rows_of("anna", 6, -1.0, 1.0) + rows_of("bo", 30, 6.0, 0.0))
    assert Reference(table).endpoint(row(0, "INITIAL"), "f0").source == "sex"


def test_formants_move_by_what_stress_does_to_that_vowel() -> None:
    tokens = []
    for i in range(8):  # IY falls to 300 Hz under stress, AA0 does not exist, AH0 has 450 Hz
        tokens.append(row(i, "INITIAL", f1_hz_1=300.0, f1_hz_2=360.0))
        tokens.append(
            row(i, "FINAL", nucleus_1="AH0", nucleus_2="AA1", f1_hz_1=450.0, f1_hz_2=750.0)
        )
    reference = Reference(pd.DataFrame(tokens))
    token = row(0, "INITIAL", f1_hz_1=310.0, f1_hz_2=350.0)
    end = reference.endpoint(token, "f1")
    assert end.initial == end.natural == pytest.approx(np.log2([310, 350]))
    # Stress takes F1 of IY from 360 to 300 Hz, so the ends exchange that.
    np.testing.assert_allclose(2.0 ** np.array(end.final), [310 * 360 / 300, 350 * 300 / 360])
    full = row(0, "FINAL", nucleus_1="IY0", nucleus_2="AA1", f1_hz_1=360.0, f1_hz_2=700.0)
    end = reference.endpoint(full, "f1")
    assert end.final == end.natural
    # A full vowel loses its stress by becoming a schwa.
    np.testing.assert_allclose(2.0 ** np.array(end.initial), [300, 700 * 450 / 750])
    lone = row(0, "FINAL", nucleus_1="AA0", nucleus_2="IY1")
    with pytest.raises(ManipulationError, match="vowels AA with stress or AA without"):
        reference.endpoint(lone, "f1")


def test_formants_of_other_languages_move_by_their_own_vowels() -> None:
    tokens = []
    for i in range(8):  # German: a stands unstressed, œ does not; ə is the reduced vowel
        tokens.append(row(i, "INITIAL", nucleus_1="œ1", nucleus_2="a0", f1_hz_1=500, f1_hz_2=700))
        tokens.append(row(i, "INITIAL", nucleus_1="a1", nucleus_2="ə0", f1_hz_1=800, f1_hz_2=450))
    reference = Reference(pd.DataFrame(tokens), spoken=language("de"))
    end = reference.endpoint(tokens[0], "f1")
    np.testing.assert_allclose(2.0 ** np.array(end.final), [450, 800])
    with pytest.raises(ManipulationError, match="vowels ə with stress or ə without"):
        reference.endpoint(tokens[1], "f1")
    italian = Reference(pd.DataFrame(tokens), spoken=language("it"))
    with pytest.raises(ManipulationError, match="vowels œ with stress or œ without"):
        italian.endpoint(tokens[0], "f1")


def test_suspect_formants_do_not_enter_the_means() -> None:
    tokens = [row(i, "INITIAL", f1_hz_1=300.0, f1_hz_2=360.0) for i in range(6)]
    wrong = [row(i, "INITIAL", f1_hz_1=900.0, f1_hz_2=360.0) for i in range(6)]
    for token in wrong:
        token["nucleus_1_formants_suspect"] = True
        token["speaker"] = "bo"
    clean, mixed = (
        Reference(pd.DataFrame(rows)).endpoint(tokens[0], "f1") for rows in (tokens, tokens + wrong)
    )
    assert clean.final == pytest.approx(mixed.final)


def test_the_other_member_of_a_pair() -> None:
    other = [
        row(i, "FINAL", word="PERMIT", f0_mean_st_1=-3.0, f1_hz_1=400.0, f1_hz_2=600.0)
        for i in range(2)
    ]
    strangers = [row(i, "FINAL", "bo", word="PERMIT", f0_mean_st_1=9.0) for i in range(3)]
    token = row(0, "INITIAL", word="PERMIT", f0_mean_st_1=2.0, f0_mean_st_2=0.0)
    reference = Reference(pd.DataFrame([token, *other, *strangers]))
    end = reference.endpoint(token, "f0", "pair")
    assert (end.source, end.n_initial, end.n_final) == ("speaker", 1, 2)
    assert end.initial == (2.0, 0.0)
    assert end.final == pytest.approx((-0.5, 2.5))
    formant = reference.endpoint(token, "f1", "pair")
    np.testing.assert_allclose(2.0 ** np.array(formant.final), [400, 600])
    # Another speaker's formants count relative to that speaker's own mean.
    away = Reference(pd.DataFrame([token, *strangers])).endpoint(token, "f1", "pair")
    assert away.source == "sex"
    np.testing.assert_allclose(2.0 ** np.array(away.final), [500, 500])
    with pytest.raises(ManipulationError, match="no measured token of WORD0"):
        reference.endpoint(row(0, "INITIAL"), "f0", "pair")


def test_what_has_no_ends_says_why() -> None:
    reference = Reference(pd.DataFrame(rows_of("anna", 6, 4.0, -2.0)))
    found, missing = reference.endpoints(row(0, "INITIAL", f0_mean_st_2=np.nan), ["f0", "tilt"])
    assert list(found) == ["tilt"]
    assert "could not be measured in vowel 2" in missing["f0"]
    with pytest.raises(ManipulationError, match="stress is not known"):
        reference.endpoint(row(0, "INITIAL") | {"stress": None}, "f0")
    with pytest.raises(ConfigError, match="no cue 'loudness'"):
        reference.endpoint(row(0, "INITIAL"), "loudness")
    with pytest.raises(ConfigError, match="no endpoints 'mean'"):
        reference.endpoint(row(0, "INITIAL"), "f0", "mean")  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="min_tokens"):
        Reference(pd.DataFrame(rows_of("anna", 1, 1.0, 0.0)), 0)


# -- plans -----------------------------------------------------------------------------------------


def test_plans_hold_every_step_once() -> None:
    names = ("tilt", "f0", "f1")
    plan = plan_steps(names, 5, pairs=[*combinations(names, 2)], together=True)
    kinds = pd.Series([step.kind for step in plan]).value_counts()
    assert kinds.to_dict() == {
        **{"natural": 1, "resynthesised": 1},
        **{"single": 15, "pair": 75, "all": 5},
    }
    names = [step.name for step in plan]
    assert len(set(names)) == len(names)
    assert {"f0-0", "f0+f1-4-0", "f1+tilt-2-3", "all-4", "natural"} <= set(names)
    by_name = {step.name: step for step in plan}
    assert by_name["f0-2"].positions == (0.5,)
    assert by_name["f0+f1-4-0"].positions == (1.0, 0.0)
    assert [by_name[n].psola for n in ("f0-2", "f1-2", "f0+f1-4-0", "natural")] == [
        *(True, False, True, False)
    ]
    only = plan_steps(["f0"], 3, single=False, pairs=[("f1", "f0")], together=True)
    assert {step.continuum for step in only} == {"natural", "resynthesised", "f0+f1"}


def test_bad_plans() -> None:
    with pytest.raises(ConfigError, match="no ends"):
        plan_steps(["f0"], 1)
    with pytest.raises(ConfigError, match="no cue to change"):
        plan_steps([])
    with pytest.raises(ConfigError, match="no cue 'pitch'"):
        plan_steps(["pitch"])
    with pytest.raises(ConfigError, match="two different cues"):
        plan_steps(["f0"], pairs=[("f0", "f0")])
    assert in_order(["tilt", "f0", "tilt"]) == ("f0", "tilt")
    with pytest.raises(ConfigError, match="quality and f1 share a cue"):
        plan_steps(["f0"], pairs=[("quality", "f1")])
    with pytest.raises(ConfigError, match="f0 and source share a cue"):
        plan_steps(["f0", "source"], subsets=True)


def test_groups_move_together_and_in_subsets() -> None:
    names = ("quality", "duration", "tilt")
    plan = plan_steps(names, 3, pairs=[("quality", "duration")], subsets=True, together=True)
    by_name = {step.name: step for step in plan}
    assert len(by_name) == len(plan) == 2 + 3 * 3 + 9 + 2 * (3 + 1) + 3
    assert by_name["quality-1"].cues == ("quality",)
    assert not by_name["tilt+quality-2"].psola
    assert by_name["duration+tilt+quality-2"].positions == (1.0, 1.0, 1.0)
    assert by_name["all-0"].cues == ("duration", "f1", "f2", "f3", "tilt")
    spoken = word()
    source = analyse(spoken.samples, RATE_HZ, spoken.segments, spoken.voice)
    cues = ("f1", "f2", "f3", "duration", "tilt")
    ends = {cue: Endpoint(cue, (0.0, 0.0), (0.0, 0.0), (-0.1, 0.1), "all", 9, 9) for cue in cues}
    asked = ask(by_name["duration+quality-2-0"], source, ends)
    assert asked.moves == {
        **{"duration": (-0.1, 0.1)},
        **dict.fromkeys(("f1", "f2", "f3"), (0.0, 0.0)),
    }


# -- stimuli ---------------------------------------------------------------------------------------


def end_of(cue: str, natural: tuple[float, float], half: float) -> Endpoint:
    """Ends half a contrast away from the natural values on both sides."""
    first, second = natural
    return Endpoint(
        cue, natural, (first + half, second - half), (first - half, second + half), "speaker", 9, 9
    )


@pytest.fixture(scope="module")
def spoken():
    return word()


@pytest.fixture(scope="module")
def source(spoken):
    return analyse(spoken.samples, RATE_HZ, spoken.segments, spoken.voice, spoken.phones)


@pytest.fixture(scope="module")
def natural(source, spoken):
    return measure(source.samples, source.rate_hz, source.segments, spoken.voice)


def test_measured_as_the_cue_table_is(spoken, natural) -> None:
    full = measure_token(spoken.samples, RATE_HZ, spoken.segments, spoken.voice)
    for cue in CUES:
        assert natural[cue.name] == pytest.approx(cue.values(full))


HALF = {
    **{"f0": 2.0, "duration": 0.5, "intensity": 3.0},
    **{"f1": 0.2, "f2": 0.15, "f3": 0.1, "tilt": 2.5},
}


@pytest.mark.parametrize("cue", CUE_NAMES)
def test_a_continuum_goes_from_end_to_end(cue, spoken, source, natural) -> None:
    ends = {cue: end_of(cue, natural[cue], HALF[cue])}
    contrasts = []
    for step in [s for s in plan_steps([cue], 3) if s.kind == "single"]:
        stimulus, asked, checked = make_stimulus(step, source, ends, natural, spoken.voice)
        assert checked.problems() == []
        assert stimulus.psola == get_cue(cue).needs_psola
        measured = checked.measured[cue]
        contrasts.append(measured[0] - measured[1])
        wanted = np.array(natural[cue]) + asked.moves[cue]
        np.testing.assert_allclose(measured, wanted, atol=get_cue(cue).tolerance)
    wanted = (natural[cue][0] - natural[cue][1]) + 2 * HALF[cue] * np.array([1, 0, -1])
    np.testing.assert_allclose(contrasts, wanted, atol=2 * get_cue(cue).tolerance)


def test_neutral_is_the_middle(source, natural) -> None:
    end = end_of("f0", (3.0, 1.0), 2.0)
    end = replace(end, initial=(4.0, 0.0), final=(1.0, 3.0))
    middle = ask(Step("single", ("f0",), (0,), (0.5,)), source, {"f0": end})
    assert middle.moves["f0"] == pytest.approx((-0.5, 0.5))


def test_aiming_brings_formants_closer(spoken, source, natural) -> None:
    ends = {"f1": end_of("f1", natural["f1"], 0.35)}
    step = Step("single", ("f1",), (2,), (1.0,))
    misses = []
    for tries in (0, 3):
        _, asked, checked = make_stimulus(step, source, ends, natural, spoken.voice, tries=tries)
        moved = np.array(checked.moved("f1"))
        misses.append(np.abs(moved - asked.moves["f1"]).max())
    assert misses[1] < misses[0]
    assert misses[1] < 0.05


def test_too_much_is_cut_and_said(source, natural) -> None:
    ends = {"f0": end_of("f0", natural["f0"], 30.0), "f1": end_of("f1", natural["f1"], 0.1)}
    asked = ask(Step("all", ("f0", "f1"), (0, 0), (0.0, 0.0)), source, ends)
    assert asked.limited == ("f0",)
    assert asked.moves["f0"] == (12.0, -12.0)
    assert asked.changes[0].f0_st == 12.0
    with pytest.raises(ConfigError, match="no ends of cue 'tilt'"):
        ask(Step("single", ("tilt",), (0,), (0.0,)), source, ends)


def test_the_check_notices(spoken, source, natural) -> None:
    """A stimulus that does not do what was asked, or lost a vowel, is not to be used."""
    unchanged = resynthesise(source, ask(Step("natural"), source, {}).changes)
    lie = Asked(unchanged.changes, {"f0": (2.0, -2.0)})  # type: ignore[arg-type]
    (reason,) = check(unchanged, lie, natural, spoken.voice).problems()
    assert reason.startswith("f0: asked to move by +2.00 and -2.00 st, moved by +0.00 and")
    fair = Asked(unchanged.changes, {"f0": (0.3, -0.3)})  # type: ignore[arg-type]
    assert check(unchanged, fair, natural, spoken.voice).problems() == []
    audio = unchanged.audio
    measured = measure(audio.samples, audio.rate_hz, unchanged.segments, spoken.voice)
    measured |= {"f0": (0.0, float("nan"))}
    lost = Checked({"f0": (1.0, -1.0)}, natural, measured)
    assert lost.problems() == ["f0: cannot be measured any more in vowel 2"]
    back = Checked({"f0": (1.0, -1.0)}, {"f0": (0.0, 0.0)}, {"f0": (-1.0, 1.0)})
    assert back.reached("f0") == pytest.approx(-1.0)
    assert back.problems()
    assert np.isnan(Checked({}, natural, measured).reached("tilt"))
