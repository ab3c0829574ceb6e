"""``stressnet manipulate``: tables, sounds, answers, resuming, workers, failures."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import soundfile
from command_line import run_cli
from spoken_words import write_recordings

from stressnet.alignment.textgrid import read_textgrid
from stressnet.corpus.store import Corpus
from stressnet.errors import CheckpointError, ConfigError, CorpusError
from stressnet.manipulation.cues import CUE_NAMES
from stressnet.models.checkpoint import CheckpointInfo, save_checkpoint
from stressnet.models.registry import build_model
from stressnet.runs.manifest import hash_file
from stressnet.stages.build_corpus import BuildConfig, build_corpus
from stressnet.stages.manipulate import ManipulateConfig, manipulate_corpus
from stressnet.stages.manipulate import run as workflow
from stressnet.stages.manipulate.results import read_manipulation
from stressnet.stages.measure import measure_corpus

TABLES = ("stimuli.parquet", "measures.parquet", "endpoints.parquet", "responses.parquet")
WORDS = ("MONEY", "HOTEL")
CONFIG = ManipulateConfig(
    cues=("f0", "intensity"),
    n_steps=2,
    pairs=("f0+intensity",),
    together=True,
    min_tokens=3,
    words=WORDS,
    max_tokens=2,
)
N_STIMULI = 2 * (2 + 2 * 2 + 4 + 2)


@pytest.fixture(scope="module")
def corpus(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("manipulate")
    source = write_recordings(folder / "source", {"anna": 200.0, "bo": 185.0, "carl": 115.0})
    return build_corpus(source, folder / "corpus", config=BuildConfig("generic")).path


@pytest.fixture(scope="module")
def measured(corpus: Path) -> Path:
    return measure_corpus(corpus, corpus.with_name("cues")).path


@pytest.fixture(scope="module")
def network(corpus: Path) -> Path:
    images = Corpus.open(corpus).images("stressnet")
    shape = images.axes.shape
    info = CheckpointInfo("compact", *shape, "stressnet", dict(images.preset))
    folder = corpus.with_name("network")
    save_checkpoint(folder, build_model("compact", *shape).eval(), info)
    return folder


@pytest.fixture(scope="module")
def made(corpus: Path, measured: Path, network: Path) -> Path:
    out = corpus.with_name("made")
    manipulate_corpus(
        corpus, out, config=replace(CONFIG, measured=measured, models=(network,), save_audio=True)
    )
    return out


def test_tables_hold_every_stimulus(made: Path) -> None:
    tables = read_manipulation(made)
    stimuli = tables["stimuli"]
    failures = pd.read_csv(made / "failures.csv")
    assert len(stimuli) + len(failures) == N_STIMULI
    assert len(stimuli) > 0.8 * N_STIMULI
    assert stimuli["stimulus_id"].is_unique
    assert set(stimuli["word"]) <= set(WORDS)
    measures = tables["measures"]
    assert len(measures) == len(stimuli) * len(CUE_NAMES) * 2
    assert set(measures["stimulus_id"]) == set(stimuli["stimulus_id"])
    pairs = stimuli[stimuli["kind"] == "pair"]
    assert set(pairs["cue"]) == {"f0+intensity"}
    assert set(zip(pairs["step_1"], pairs["step_2"], strict=True)) <= {
        (i, j) for i in (0.0, 1.0) for j in (0.0, 1.0)
    }
    natural = stimuli[stimuli["kind"] == "natural"]
    assert len(natural) == 2
    np.testing.assert_array_equal(natural[[f"moved_{cue}" for cue in CUE_NAMES]], 0.0)
    ends = tables["endpoints"]
    assert set(ends["cue"]) == {"f0", "intensity"}
    assert set(ends["source"]) <= {"speaker", "sex", "all"}


def test_cues_move_as_asked(made: Path) -> None:
    stimuli = read_manipulation(made)["stimuli"]
    for cue, most in (("f0", 0.5), ("intensity", 1.0)):
        part = stimuli[(stimuli["kind"] == "single") & (stimuli["cue"] == cue)]
        np.testing.assert_allclose(part[f"moved_{cue}"], part["asked"], atol=most)
        for _, token in part.groupby("token_id"):  # INITIAL-like has more in the first vowel
            values = token.sort_values("step")["value"].to_numpy()
            assert (np.diff(values) < 0).all()
    summary = pd.read_csv(made / "crosstalk.csv")
    intended = summary[summary["is_intended"]].set_index("continuum")
    assert intended.loc["f0", "reached_median"] == pytest.approx(1.0, abs=0.15)
    still = summary[(summary["continuum"] == "intensity") & (summary["cue"] == "f0")]
    assert still["moved_p90"].iloc[0] < 0.1


def test_sounds_can_be_heard(made: Path) -> None:
    stimuli = read_manipulation(made)["stimuli"]
    for row in stimuli.to_dict("records"):
        file = made / row["audio_file"]
        samples, rate_hz = soundfile.read(file)
        grid = read_textgrid(file.with_suffix(".TextGrid"))
        (word,) = grid.spoken_words()
        assert word.label == row["word"]
        assert word.end_s == pytest.approx(row["word_end_s"], abs=1e-6)
        assert word.end_s < len(samples) / rate_hz
        spans = {(round(p.start_s, 5), round(p.end_s, 5)) for p in grid.phones}
        for k in (1, 2):
            span = row[f"nucleus_{k}_start_s"], row[f"nucleus_{k}_end_s"]
            assert tuple(round(t, 5) for t in span) in spans


def test_the_network_hears_what_a_corpus_would_hold(
    corpus: Path, made: Path, network: Path
) -> None:
    import torch

    from stressnet.models.checkpoint import load_checkpoint

    tables = read_manipulation(made)
    answers = tables["responses"]
    assert list(answers["stimulus_id"]) == list(tables["stimuli"]["stimulus_id"])
    assert set(answers["model"]) == {"network"}
    store = Corpus.open(corpus)
    images = store.images("stressnet").values
    index = {token_id: i for i, token_id in enumerate(store.tokens["token_id"])}
    model, _ = load_checkpoint(network)
    for row in answers[answers["kind"] == "natural"].to_dict("records"):
        image = torch.from_numpy(np.array(images[index[row["token_id"]]]))[None, None]
        with torch.inference_mode():
            logits = model(image)[0].tolist()
        found = [row["logit_initial"], row["logit_final"]]
        assert found == pytest.approx(logits, abs=1e-5)
    difference = answers["logit_initial"] - answers["logit_final"]
    np.testing.assert_allclose(answers["logit_difference"], difference)


def test_the_manifest_says_what_was_done(made: Path, corpus: Path) -> None:
    manifest = json.loads((made / "manifest.json").read_text())
    assert manifest["kind"] == "manipulation"
    assert manifest["parameters"]["n_steps"] == 2
    assert manifest["inputs"]["corpus"] == Corpus.open(corpus).fingerprint
    for name, digest in manifest["outputs"].items():
        assert hash_file(made / name) == digest
    assert not (made / "state").exists()


def test_workers_and_interruptions_do_not_change_a_byte(
    corpus: Path, measured: Path, network: Path, made: Path, tmp_path: Path, monkeypatch
) -> None:
    given = {"measured": measured, "models": (network,), "save_audio": True}
    manipulate_corpus(corpus, tmp_path / "two", config=replace(CONFIG, **given), jobs=2)
    original, done = workflow.make_token, []

    def stop_after_one(task):
        if done:
            raise KeyboardInterrupt
        done.append(task)
        return original(task)

    with monkeypatch.context() as patch:
        patch.setattr(workflow, "make_token", stop_after_one)
        with pytest.raises(KeyboardInterrupt):
            manipulate_corpus(corpus, tmp_path / "torn", config=replace(CONFIG, **given))
    assert not (tmp_path / "torn" / "manifest.json").exists()
    manipulate_corpus(corpus, tmp_path / "torn", config=replace(CONFIG, **given))
    sounds = sorted(path.relative_to(made) for path in made.glob("audio/*/*.wav"))
    assert len(sounds) == len(read_manipulation(made)["stimuli"])
    for name in (*TABLES, "crosstalk.csv", "failures.csv", *sounds):
        expected = (made / name).read_bytes()
        assert (tmp_path / "two" / name).read_bytes() == expected, name
        assert (tmp_path / "torn" / name).read_bytes() == expected, name


def test_the_command(corpus: Path, measured: Path, tmp_path: Path, capsys) -> None:
    given = ["--measured", measured, "--min-tokens", 3, "--words", "hotel", "--max-tokens", 1]
    given += ["--steps", 2, "-j", 1, "-q"]
    code, out, _ = run_cli(
        capsys, "manipulate", corpus, tmp_path / "out", "--cues", "intensity", *given
    )
    assert code == 0
    assert "4 stimuli of 1 tokens" in out
    assert "intensity" in out
    again, _, err = run_cli(
        capsys, "manipulate", corpus, tmp_path / "out", "--cues", "intensity", *given
    )
    assert again == 1
    assert "already holds a manipulation" in err
    wrong, _, err = run_cli(
        capsys, "manipulate", corpus, tmp_path / "b", "--cues", "loudness", *given
    )
    assert wrong == 1
    assert "no cue 'loudness' to change; there are f0, duration" in err
    both, _, err = run_cli(
        capsys, "manipulate", corpus, tmp_path / "b", "--pairs", "--pair", "f0+f1", *given
    )
    assert both == 2
    assert "not both" in err


def test_what_fails_is_left_out_and_reported(
    corpus: Path, measured: Path, tmp_path: Path, capsys, monkeypatch
) -> None:
    """A stimulus whose cue does not move is not kept, and the exit code says so."""
    from stressnet.manipulation import resynthesis

    monkeypatch.setattr(resynthesis, "with_gain", lambda samples, rate_hz, span, gain_db: samples)
    given = ["--measured", measured, "--min-tokens", 3, "--words", "HOTEL", "--max-tokens", 1]
    code, out, _ = run_cli(
        capsys,
        *("manipulate", corpus, tmp_path / "out", "--cues", "intensity", "--steps", 2),
        *(*given, "-j", 1, "-q"),
    )
    assert code == 3
    assert "left out: {'error: check': " in out
    failures = pd.read_csv(tmp_path / "out" / "failures.csv")
    stimuli = read_manipulation(tmp_path / "out")["stimuli"]
    assert not set(failures["item"]) & set(stimuli["stimulus_id"])
    assert failures["reason"].str.contains("asked to move by").all()
    assert set(stimuli["kind"]) == {"natural", "resynthesised"} or len(stimuli) == 3


def test_a_damaged_excerpt_is_a_row_of_the_failures(
    measured: Path, corpus: Path, tmp_path: Path
) -> None:
    other = tmp_path / "corpus"
    shutil.copytree(corpus, other)
    tokens = Corpus.open(other).tokens
    chosen = tokens[tokens["word"] == "HOTEL"]
    (other / chosen["excerpt_file"].iloc[0]).write_bytes(b"no sound")
    config = ManipulateConfig(cues=("intensity",), n_steps=2, min_tokens=3, words=("HOTEL",))
    result = manipulate_corpus(other, tmp_path / "out", config=replace(config, measured=measured))
    assert [problem.stage for problem in result.problems] == ["analyse"]
    assert result.problems[0].item == chosen["token_id"].iloc[0]
    assert set(result.stimuli["token_id"]) == set(chosen["token_id"].iloc[1:])


def test_only_cues_that_move_need_ends(corpus: Path, measured: Path, tmp_path: Path) -> None:
    """Without F1 there are no ends for it; the pair does not ask for them."""
    cues = tmp_path / "cues"
    shutil.copytree(measured, cues)
    table = pd.read_parquet(cues / "cues.parquet").assign(nucleus_1_f1_hz=np.nan)
    table.to_parquet(cues / "cues.parquet")
    config = ManipulateConfig(
        cues=("f1",), no_single=True, pairs=("f0+intensity",), n_steps=2, min_tokens=3,
        words=("HOTEL",), max_tokens=1, measured=cues,
    )  # fmt: skip
    assert not manipulate_corpus(corpus, tmp_path / "out", config=config).problems
    asked = replace(config, no_single=False)
    problems = manipulate_corpus(corpus, tmp_path / "asked", config=asked).problems
    assert {problem.item.rpartition("/")[2] for problem in problems} == {"f1"}


def test_cues_are_measured_where_none_are_given(corpus: Path, tmp_path: Path) -> None:
    config = ManipulateConfig(
        cues=("intensity",), n_steps=2, min_tokens=3, words=("HOTEL",), max_tokens=1
    )
    result = manipulate_corpus(corpus, tmp_path / "out", config=config)
    assert (tmp_path / "out" / "cues" / "cues.parquet").is_file()
    assert len(result.stimuli) == 4
    assert result.responses is None


def test_bad_requests(corpus: Path, measured: Path, tmp_path: Path) -> None:
    with pytest.raises(CorpusError, match="no labelled token of BANANA"):
        config = ManipulateConfig(words=("BANANA",))
        manipulate_corpus(corpus, tmp_path / "a", config=replace(config, measured=measured))
    with pytest.raises(CorpusError, match="cues of another corpus"):
        manifest = json.loads((measured / "manifest.json").read_text())
        other = tmp_path / "cues"
        other.mkdir()
        manifest["inputs"]["corpus"] = "0" * 64
        (other / "manifest.json").write_text(json.dumps(manifest))
        manipulate_corpus(corpus, tmp_path / "b", measured=other)
    with pytest.raises(CheckpointError):
        manipulate_corpus(corpus, tmp_path / "c", measured=measured, models=[tmp_path])
    assert not (tmp_path / "c").exists()
    with pytest.raises(ConfigError, match="no pair of cues; write f0\\+duration"):
        _ = ManipulateConfig(pairs=("f0",)).pair_list
    assert ManipulateConfig(pairs=("tilt+f0",)).pair_list == (("f0", "tilt"),)
