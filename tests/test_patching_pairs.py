"""Pairs for patching: the same sound stands at the same place in both images."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import soundfile

from stressnet.acoustics.spectrogram import get_preset
from stressnet.corpus.images import Images
from stressnet.corpus.landmarks import LANDMARK_COLUMNS
from stressnet.errors import CorpusError
from stressnet.lab.designs import get_design
from stressnet.patching import pairs as pairs_module
from stressnet.patching.pairs import (
    MAX_USES,
    NULL,
    STRESS,
    Pairs,
    manipulated_pairs,
    natural_pairs,
    synthetic_pairs,
)
from stressnet.runs.problems import Problem

PRESET = get_preset("stressnet")
AXES = PRESET.axes()
SEGMENTS_S = np.array([0.05, 0.10, 0.06, 0.05, 0.12, 0.04])


def words(rows: list[tuple[str, str, str, str]], scale=None, segments=None) -> pd.DataFrame:
    """Tokens ``(word, stress, speaker, sex)`` with parts of :data:`SEGMENTS_S` seconds, stretched.

    ``segments`` replaces the parts of some tokens.
    """
    table = pd.DataFrame(rows, columns=["word", "stress", "speaker", "sex"])
    times = []
    for number in range(len(rows)):
        parts = (segments or {}).get(number, SEGMENTS_S * (1.0 if scale is None else scale[number]))
        times.append(3.0 + np.concatenate([[0.0], np.cumsum(parts)]))
    table[list(LANDMARK_COLUMNS)] = times
    table["token_id"] = [f"t{number}" for number in range(len(rows))]
    return table.assign(image=np.arange(len(rows)))


def images_of(tokens: pd.DataFrame) -> Images:
    """Images that are 1 in the second nucleus and -1 in the first."""
    values = np.zeros((len(tokens), *AXES.shape), dtype=np.float32)
    for image, row in zip(values, tokens.to_dict("records"), strict=True):
        for k, value in ((1, -1.0), (2, 1.0)):
            limits = [row[f"nucleus_{k}_{end}_s"] - row["start_s"] for end in ("start", "end")]
            image[:, AXES.frames_within(*limits)] = value
    mask = np.ones((len(tokens), len(AXES.time_s)), dtype=bool)
    return Images(values, mask, AXES, PRESET.to_dict())


def made(tokens: pd.DataFrame, problems: list[Problem] | None = None, max_pairs: int = 50):
    problems = [] if problems is None else problems
    return natural_pairs(tokens, images_of(tokens), Path("corpus"), max_pairs, 0, problems)


def of_class(pairs: Pairs, cue: str) -> pd.DataFrame:
    return pairs.table[pairs.table["cue"] == cue].reset_index(drop=True)


def test_natural_pairs_are_of_one_word_and_stand_at_the_same_place() -> None:
    tokens = words(
        [
            ("PERMIT", "INITIAL", "anna", "female"),
            ("PERMIT", "FINAL", "anna", "female"),
            ("REBEL", "INITIAL", "bea", "female"),
            ("REBEL", "FINAL", "carl", "male"),
            ("WATER", "INITIAL", "anna", "female"),
        ],
        scale=[1.0, 1.5, 1.0, 1.0, 1.0],
    )
    pairs = made(tokens)
    assert pairs.table["word"].tolist() == ["PERMIT"], "REBEL is by speakers of other sexes"
    assert pairs.parts[0]["nucleus 2"] == pytest.approx((0.325, 0.475))
    assert pairs.table.loc[0, ["clean_id", "corrupted_id", "cue"]].tolist() == [
        "t0",
        "t1",
        "stress",
    ]
    mean_s = 1.25 * np.concatenate([[0.0], np.cumsum(SEGMENTS_S)])
    assert np.allclose(pairs.landmarks_s[0], mean_s)
    assert np.abs(pairs.recorded[0, 0] - pairs.recorded[0, 1]).max() > 0.9
    inside = AXES.frames_within(mean_s[4] + 0.01, mean_s[5] - 0.01)
    assert np.all(pairs.clean[0][:, inside] == 1) and np.all(pairs.corrupted[0][:, inside] == 1)
    # Nothing but the edges of frames is left of the difference between the two durations.
    apart = np.abs(pairs.clean[0] - pairs.corrupted[0]).mean(axis=0)
    before = np.abs(pairs.recorded[0, 0] - pairs.recorded[0, 1]).mean(axis=0)
    assert apart.sum() < 0.3 * before.sum()


def test_the_same_speaker_comes_first_and_no_token_too_often() -> None:
    rows = [("PERMIT", "INITIAL", f"s{k}", "male") for k in range(4)]
    rows += [("PERMIT", "FINAL", "s3", "male")]
    pairs = of_class(made(words(rows)), STRESS)
    assert pairs.loc[0, "speaker"] == pairs.loc[0, "corrupted_speaker"] == "s3"
    assert (pairs["corrupted_id"] == "t4").sum() == len(pairs) == MAX_USES
    null = of_class(made(words(rows)), NULL)
    assert len(null) > 1
    assert (null["clean_stress"] == null["corrupted_stress"]).all()
    assert (null["clean_id"] != null["corrupted_id"]).all()
    assert len(of_class(made(words(rows), max_pairs=2), STRESS)) == 2


def test_consonants_divided_otherwise_align_and_missing_parts_do_not() -> None:
    record = np.array([0.05, 0.10, 0.06, 0.00, 0.12, 0.04])
    recorded = np.array([0.05, 0.10, 0.00, 0.08, 0.12, 0.04])
    bare = np.array([0.00, 0.10, 0.06, 0.05, 0.12, 0.04])
    rows = [("RECORD", "INITIAL", "anna", "f"), ("RECORD", "FINAL", "anna", "f")]
    pairs = made(words(rows, segments={0: record, 1: recorded}))
    target_s = pairs.landmarks_s[0]
    assert target_s[3] == target_s[2], "all consonants between the vowels are the second onset"
    assert target_s[4] - target_s[2] == pytest.approx(0.07)
    problems: list[Problem] = []
    with pytest.raises(CorpusError, match="no pair of words whose images can be aligned"):
        made(words(rows, segments={0: bare}), problems)
    assert "lacks a part" in problems[0].reason
    with pytest.raises(CorpusError, match="no word with both stresses"):
        made(words(rows[:1]))


def test_synthetic_pairs_differ_in_their_cue_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    names = [design.name for design in pairs_module.SINGLE_CUES]
    assert {"f0_level", "f0_level_v1", "f0_level_relation", "tilt", "consonant_v1"} <= set(names)
    designs = [get_design(name) for name in ("f1", "duration")]
    monkeypatch.setattr(pairs_module, "SINGLE_CUES", designs)
    pairs = synthetic_pairs(PRESET, 3, 0, [])
    assert pairs.table["cue"].tolist() == ["f1", "f1", "duration"]
    assert set(pairs.table["clean_stress"]) == {"INITIAL"}
    number = pairs.table.index[pairs.table["cue"] == "f1"][0]
    apart = np.abs(pairs.clean[number] - pairs.corrupted[number]).mean(axis=0)
    first, second = (AXES.frames_within(*pairs.landmarks_s[number, k : k + 2]) for k in (1, 4))
    assert apart[second].mean() > 2 * apart[first].mean()
    number = pairs.table.index[pairs.table["cue"] == "duration"][0]
    moved = np.abs(pairs.recorded[number, 0] - pairs.recorded[number, 1]).mean()
    assert np.abs(pairs.clean[number] - pairs.corrupted[number]).mean() < moved


def test_manipulated_pairs_lead_from_the_token_to_the_other_class(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    steps = [("natural", np.nan), ("resynthesised", np.nan), ("single", 0.0), ("single", 1.0)]
    rows = []
    for token, stress in (("a", "INITIAL"), ("b", "FINAL")):
        for kind, position in steps:
            for cue in ("f0", "f1") if kind == "single" else (kind,):
                name = f"{cue}-{position:.0f}" if kind == "single" else kind
                file = f"audio/{token}-{name}.wav"
                (tmp_path / "audio").mkdir(exist_ok=True)
                soundfile.write(tmp_path / file, 0.1 * rng.standard_normal(16_000), 16_000)
                about = {"stimulus_id": f"{token}/{name}", "token_id": token, "word": "PERMIT"}
                times = dict.fromkeys(LANDMARK_COLUMNS, 0.0)
                times |= dict(zip(LANDMARK_COLUMNS, np.arange(0.2, 0.9, 0.1), strict=True))
                times |= {"word_start_s": times["start_s"], "word_end_s": times["end_s"]}
                kinds = {"kind": kind, "cue": cue, "position": position, "audio_file": file}
                rows.append({**about, **times, **kinds, "speaker": "s", "stress": stress})
    stimuli = pd.DataFrame(rows)
    pairs = manipulated_pairs(stimuli, tmp_path, PRESET, 10, [])
    ends = set(zip(pairs.table["clean_id"], pairs.table["corrupted_id"], strict=True))
    # F0 goes through overlap-add, F1 does not; the INITIAL-like word is the clean one.
    assert ends == {
        ("a/resynthesised", "a/f0-1"),
        ("b/f0-0", "b/resynthesised"),
        ("a/natural", "a/f1-1"),
        ("b/f1-0", "b/natural"),
    }
    with pytest.raises(CorpusError, match="--save-audio"):
        manipulated_pairs(stimuli.assign(audio_file=""), tmp_path, PRESET, 10, [])
