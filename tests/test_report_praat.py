"""Praat objects: what Praat reads from the files is what the run and the tracks say."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import parselmouth
import pytest
from click.testing import CliRunner
from parselmouth.praat import call
from report_runs import make_run

from stressnet.acoustics.track_types import FormantTrack, PitchTrack
from stressnet.alignment.textgrid import read_textgrid
from stressnet.cli import cli
from stressnet.errors import ConfigError
from stressnet.lexicon.stress import Stress
from stressnet.regions.from_corpus import SceneReader
from stressnet.report.explorer.tokens import _tiers
from stressnet.report.praat import (
    answer_label,
    relevance_tier,
    syllable_tier,
    write_formant,
    write_pitch_tier,
)
from stressnet.report.run import RelevanceRun
from stressnet.report.word_data import phone_relevance
from stressnet.runs.manifest import read_manifest
from stressnet.stages.export_praat import PraatConfig, export_praat
from stressnet.stages.export_praat.run import chosen_tokens


@pytest.fixture(scope="module")
def run(make_corpus, tmp_path_factory) -> RelevanceRun:
    return RelevanceRun.open(make_run(make_corpus, tmp_path_factory.getbasetemp() / "report-run"))


@pytest.fixture(scope="module")
def reader(run: RelevanceRun) -> SceneReader:
    return SceneReader(run.open_corpus(), "stressnet")


def tiers_of(path: Path) -> dict[str, list[str]]:
    grid = parselmouth.read(str(path))
    names = [
        call(grid, "Get tier name", k) for k in range(1, call(grid, "Get number of tiers") + 1)
    ]
    return {
        name: [
            call(grid, "Get label of interval", k, i)
            for i in range(1, call(grid, "Get number of intervals", k) + 1)
        ]
        for k, name in enumerate(names, 1)
    }


def test_formants_come_back_through_praat(tmp_path: Path) -> None:
    time_s = np.arange(-0.2, 0.4, 0.005)
    frequency_hz = np.stack(
        [500 + 100 * time_s, 1500 + 0 * time_s, 2500 - 50 * time_s, 3500 + time_s]
    )
    track = FormantTrack(time_s, frequency_hz, np.full_like(frequency_hz, 80.0))
    frequency_hz[2, 30] = np.nan  # F4 of that frame cannot be written either
    write_formant(tmp_path / "a.Formant", track, 1.0, 0.25)
    formant = parselmouth.read(str(tmp_path / "a.Formant"))
    assert isinstance(formant, parselmouth.Formant)
    assert formant.xmax == 1.0
    assert formant.n_frames == len(time_s)
    np.testing.assert_allclose(formant.xs(), time_s + 0.25, atol=1e-6)
    for k in range(4):
        for i in (0, 17, len(time_s) - 1):
            at = formant.frame_number_to_time(i + 1)
            assert formant.get_value_at_time(k + 1, at) == pytest.approx(
                frequency_hz[k, i], abs=0.01
            )
            assert formant.get_bandwidth_at_time(k + 1, at) == pytest.approx(80.0, abs=0.01)
    at = formant.frame_number_to_time(31)
    assert np.isfinite(formant.get_value_at_time(2, at))
    assert np.isnan(formant.get_value_at_time(3, at))
    assert np.isnan(formant.get_value_at_time(4, at))


def test_pitch_tier_has_a_point_per_voiced_frame(tmp_path: Path) -> None:
    time_s = np.arange(0, 0.1, 0.01)
    f0_hz = np.where(np.arange(10) % 2, 120.0 + np.arange(10), np.nan)
    write_pitch_tier(tmp_path / "a.PitchTier", PitchTrack(time_s, f0_hz), 0.5, 0.25)
    tier = parselmouth.read(str(tmp_path / "a.PitchTier"))
    assert call(tier, "Get number of points") == 5
    assert call(tier, "Get value at index", 2) == pytest.approx(123.0)
    assert call(tier, "Get time from index", 2) == pytest.approx(0.28)
    write_pitch_tier(tmp_path / "b.PitchTier", PitchTrack(time_s, np.full(10, np.nan)), 0.5)
    assert call(parselmouth.read(str(tmp_path / "b.PitchTier")), "Get number of points") == 0


def test_tracks_that_praat_cannot_hold_are_refused(tmp_path: Path) -> None:
    nothing = FormantTrack(np.zeros(0), np.zeros((4, 0)), np.zeros((4, 0)))
    with pytest.raises(ConfigError, match="without frames"):
        write_formant(tmp_path / "x.Formant", nothing, 1.0)
    uneven = FormantTrack(np.array([0.0, 0.1, 0.3]), np.ones((4, 3)), np.ones((4, 3)))
    with pytest.raises(ConfigError, match="evenly spaced"):
        write_formant(tmp_path / "x.Formant", uneven, 1.0)


def test_phones_share_the_relevance_of_the_word(run: RelevanceRun, reader: SceneReader) -> None:
    """The known map: the class's nucleus holds all positive relevance."""
    for row in run.tokens.iloc[::7].itertuples():
        scene = reader.scene(row.token_id)
        records = phone_relevance(run.map_of(row.token_id), scene)
        positive = [r["positive_share"] for r in records]
        stressed = 0 if row.stress == "INITIAL" else 1
        at = scene.times.phones.index(scene.times.nuclei[stressed])
        assert int(np.argmax(positive)) == at
        assert sum(positive) == pytest.approx(1.0, abs=0.05)
        own = [r["signed_share"] for r in records]
        raw = [
            r["signed_share"]
            for r in phone_relevance(run.map_of(row.token_id), scene, towards_class=False)
        ]
        sign = 1 if row.stress == "INITIAL" else -1
        np.testing.assert_allclose(own, sign * np.array(raw))
        tier = relevance_tier(run.map_of(row.token_id), scene, origin_s=0.25)
        assert tier[at].label == f"{own[at]:+.3f}"
        assert tier[at].start_s == pytest.approx(scene.times.nuclei[stressed].start_s + 0.25)


def test_unknown_measure(run: RelevanceRun, reader: SceneReader) -> None:
    token_id = run.tokens["token_id"].iloc[0]
    with pytest.raises(ConfigError, match="no measure 'loudness'"):
        relevance_tier(run.map_of(token_id), reader.scene(token_id), measure="loudness")


def test_answers_in_words() -> None:
    assert answer_label(Stress.FINAL, 0.9, Stress.FINAL) == "FINAL, p = 0.90, right"
    assert answer_label(Stress.INITIAL, 0.6, Stress.FINAL) == "INITIAL, p = 0.60, wrong"
    assert answer_label(Stress.INITIAL, 0.6, None) == "INITIAL, p = 0.60"


def test_command_writes_what_praat_opens(run: RelevanceRun, tmp_path: Path) -> None:
    out = tmp_path / "praat"
    arguments = ["export-praat", str(run.path), str(out), "-q", "--word", "record"]
    result = CliRunner().invoke(cli, [*arguments, "--measure", "density"])
    assert result.exit_code == 0, result.output
    ids = run.tokens.loc[run.tokens["word"] == "RECORD", "token_id"].tolist()
    assert f"{len(ids)} tokens" in result.output
    assert read_manifest(out, "praat")["results"]["n_tokens"] == len(ids)
    for token_id in ids:
        tiers = tiers_of(out / f"{token_id}.TextGrid")
        assert list(tiers) == ["words", "phones", "syllables", "network", "relevance"]
        assert tiers["words"][1] == "record"
        labels = [label for label in tiers["relevance"] if label]
        assert len(labels) == len(run.open_corpus().phone_intervals(token_id))
        assert all(float(label) >= 0 for label in labels)
        sound = parselmouth.read(str(out / f"{token_id}.flac"))
        formant = parselmouth.read(str(out / f"{token_id}.Formant"))
        assert sound.xmax == pytest.approx(formant.xmax, abs=1e-6)
        assert call(parselmouth.read(str(out / f"{token_id}.PitchTier")), "Get number of points")
    again = CliRunner().invoke(cli, arguments)
    assert again.exit_code == 1


def test_utterances_and_several_methods(run: RelevanceRun, tmp_path: Path) -> None:
    made = export_praat(run.path, tmp_path / "out", utterances=True)
    assert made.n_tokens == 50
    assert made.n_files == 10
    assert pd.read_csv(tmp_path / "out" / "failures.csv").empty
    name = run.open_corpus().tokens["utterance_id"].iloc[0]
    tiers = tiers_of(tmp_path / "out" / f"{name}.TextGrid")
    assert list(tiers) == ["words", "phones", "network", "relevance"]
    assert sum("p = " in label for label in tiers["network"]) == 5
    original = read_textgrid(run.open_corpus().path / "textgrids" / f"{name}.TextGrid")
    again = read_textgrid(tmp_path / "out" / f"{name}.TextGrid")
    assert [w.label for w in again.spoken_words()] == [w.label for w in original.spoken_words()]


def test_selection(run: RelevanceRun) -> None:
    tokens = run.tokens
    assert len(chosen_tokens(PraatConfig(most=0), run)) == len(tokens)
    assert len(chosen_tokens(PraatConfig(most=7), run)) == 7
    some = chosen_tokens(PraatConfig(texts=("anna", "dan"), words=("water",), most=0), run)
    assert set(some["speaker"]) == {"anna", "dan"}
    assert set(some["word"]) == {"WATER"}
    wrong = PraatConfig(wrong=True, most=0)
    n_wrong = (tokens["stress"] != tokens["stress_predicted"]).sum()
    if n_wrong:
        assert len(chosen_tokens(wrong, run)) == n_wrong
    with pytest.raises(ConfigError, match="no token meets"):
        chosen_tokens(PraatConfig(words=("zebra",)), run)


def test_syllables_are_marked_by_the_label_in_textgrids_and_in_the_explorer(
    reader: SceneReader,
) -> None:
    scene = reader.scene(str(reader.corpus.tokens["token_id"].iloc[0]))
    parts = [(1 + (p.start_s >= scene.times.syllables[1].start_s), "") for p in scene.times.phones]
    for stress, marks in ((Stress.INITIAL, [True, False]), (Stress.FINAL, [False, True])):
        other = replace(scene, times=replace(scene.times, stress=stress))
        shown = [label.label for label in syllable_tier(other)]
        assert [label.startswith("ˈ") for label in shown] == marks
        assert [label for *_, label in _tiers(other, parts)["syllables"]] == shown
