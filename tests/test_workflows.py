"""The whole chain on a tiny spoken corpus: commands, folders, resuming, refusals."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from command_line import run_cli

from stressnet.cli import TOPICS, cli, main
from stressnet.corpus.store import Corpus
from stressnet.errors import CheckpointError, ConfigError, CorpusError
from stressnet.models.checkpoint import TrainedNetwork, load_checkpoint
from stressnet.runs.held import Held
from stressnet.runs.manifest import hash_file
from stressnet.stages.explain import explain_corpus
from stressnet.stages.train import train_model
from stressnet.training.calibration import calibration_of

HEAVY = {"torch", "pandas", "numpy", "scipy", "librosa", "parselmouth", "matplotlib", "sklearn"}


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny demo, made by the command."""
    out = tmp_path_factory.mktemp("demo") / "with space é"
    main(["demo", "--out", str(out), "--size", "tiny", "--quiet", "--jobs", "2"])
    return out


def test_every_command_has_a_topic_and_an_example(capsys) -> None:
    assert sorted(" ".join(TOPICS.values()).split()) == sorted(cli.commands)
    assert run_cli(capsys, "explain", "--help")[1].endswith("explain my-corpus my-model my-run\n")
    merge = run_cli(capsys, "corpus", "merge", "--help")[1]
    assert merge.endswith("corpus merge my-corpus another-corpus my-out\n")


def test_help_imports_nothing_heavy() -> None:
    code = (
        "import sys; from stressnet.cli import main\n"
        "try: main(['--help'])\n"
        "except SystemExit: pass\n"
        f"print(sorted({HEAVY!r} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "build-corpus" in done.stdout
    assert done.stdout.rstrip().endswith("[]")


@pytest.mark.parametrize(
    "command", ["build-corpus", "train", "explain", "report", "word", "demo", "fetch", "doctor"]
)
def test_every_command_explains_itself(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = run_cli(capsys, command, "--help")
    assert code == 0
    assert out.startswith("Usage:")


def test_doctor_names_what_matters(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = run_cli(capsys, "doctor")
    assert code == 0
    for name in ("Python", "torch", "torchaudio", "Praat", "librosa", "devices", "cpu", "mfa"):
        assert name in out


def test_recipes_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = run_cli(capsys, "recipes")
    assert code == 0
    assert "stressnet fetch librispeech:dev-clean" in out


@pytest.mark.parametrize("part", ["", "corpus", "model", "run", "report"])
def test_every_file_of_a_folder_is_listed_in_its_manifest(demo: Path, part: str) -> None:
    """Else --overwrite refuses the command's own folder."""
    Held.read(demo / part).check("", overwrite=True, reuse=False)


def test_demo_leaves_every_part(demo: Path) -> None:
    assert (demo / "report" / "index.html").stat().st_size > 1000
    corpus = Corpus.open(demo / "corpus")
    assert {"train", "valid", "test"} <= set(corpus.tokens["split"])
    assert set(corpus.tokens["stress"].dropna()) == {"INITIAL", "FINAL"}
    pairs = corpus.tokens[corpus.tokens["is_minimal_pair"]]
    assert set(pairs["label_source"]) == {"table"}
    errors = json.loads((demo / "corpus" / "alignment-error.json").read_text())
    assert errors["word"]["n"] > 300
    assert 0 < errors["word"]["median_ms"] < 60
    for folder, kind in (
        ("corpus", "corpus"),
        ("model", "model"),
        ("run", "relevance"),
        ("report", "report"),
    ):
        manifest = json.loads((demo / folder / "manifest.json").read_text())
        assert manifest["kind"] == kind
        for name, digest in manifest["outputs"].items():
            assert hash_file(demo / folder / name) == digest, name


def test_finished_demo_is_not_overwritten_unasked(
    demo: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, _, err = run_cli(capsys, "demo", "--out", str(demo), "--quiet")
    assert code == 1
    assert err.count("\n") == 1
    assert "--overwrite" in err


def test_demo_refuses_a_foreign_folder(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "thesis.txt").write_text("precious")
    code, _, err = run_cli(capsys, "demo", "--out", str(tmp_path), "--quiet", "--overwrite")
    assert code == 1
    assert "not a demo" in err
    assert (tmp_path / "thesis.txt").read_text() == "precious"


def test_maps_tables_and_ledger_agree(demo: Path) -> None:
    run = demo / "run"
    tokens = pd.read_parquet(run / "tokens.parquet")
    maps = np.load(run / "maps.npy", mmap_mode="r")
    assert len(maps) == len(tokens)
    sums = maps.reshape(len(maps), -1).sum(axis=1, dtype=np.float64)
    np.testing.assert_allclose(sums, tokens["relevance_sum"], rtol=1e-3, atol=1e-4)
    closure = tokens["relevance_sum"] + tokens["bias_share"] + tokens["stabiliser_share"]
    np.testing.assert_allclose(closure, tokens["output"], rtol=1e-3, atol=1e-3)
    threshold = calibration_of(TrainedNetwork.load(demo / "model")).threshold
    said = np.where(tokens["output"] >= threshold, "INITIAL", "FINAL")
    assert (said == tokens["stress_predicted"]).all()
    # Padding holds exact zeros, so nothing multiplied with it can be relevant.
    images = Corpus.open(demo / "corpus").images("stressnet")
    order = Corpus.open(demo / "corpus").tokens["token_id"].tolist()
    padded = ~images.mask[order.index(tokens["token_id"].iloc[0])]
    assert padded.any()
    assert not maps[0][:, padded].any()


def test_explained_output_is_the_networks_own(demo: Path) -> None:
    import torch

    model, info = load_checkpoint(demo / "model")
    corpus = Corpus.open(demo / "corpus")
    tokens = pd.read_parquet(demo / "run" / "tokens.parquet")
    first = corpus.tokens["token_id"].tolist().index(tokens["token_id"].iloc[0])
    image = np.array(corpus.images(info.preset).values[first])
    with torch.no_grad():
        initial, final = model(torch.from_numpy(image)[None, None])[0].tolist()
    assert tokens["output"].iloc[0] == pytest.approx(initial - final, rel=1e-4, abs=1e-5)


def test_relevance_table_covers_tokens_and_regions(demo: Path) -> None:
    relevance = pd.read_parquet(demo / "run" / "relevance.parquet")
    tokens = pd.read_parquet(demo / "run" / "tokens.parquet")
    wanted = {"syllable_stressed", "nucleus_1", "nucleus_2", "consonants", "context", "padding"}
    wanted |= {"F1", "F2", "F3", "F4", "F0", "H2"}
    assert wanted <= set(relevance["region"])
    assert len(relevance) == len(tokens) * relevance["region"].nunique()
    parts = relevance[relevance["region"].isin(["word", "context"])]
    shares = parts.groupby("token_id")["absolute_share"].sum()
    np.testing.assert_allclose(shares, 1.0, atol=1e-6)
    missing = relevance[relevance["missing"] != ""]
    assert missing["density"].isna().all()


def test_summary_has_intervals_and_null(demo: Path) -> None:
    summary = pd.read_csv(demo / "run" / "summary.csv")
    assert {"ALL", "INITIAL", "FINAL"} == set(summary["stress"])
    row = summary[(summary["region"] == "F2") & (summary["measure"] == "density")]
    assert row["null_mean"].notna().all()
    assert (row["n_tokens"] > 0).all()


def test_explaining_again_gives_the_same_bytes_with_any_workers(demo: Path, tmp_path: Path) -> None:
    explain_corpus(demo / "corpus", demo / "model", tmp_path / "again", jobs=1)
    for name in ("maps.npy", "relevance.parquet", "summary.csv"):
        assert hash_file(demo / "run" / name) == hash_file(tmp_path / "again" / name), name


def test_interrupted_explaining_continues(
    demo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("stressnet.stages.explain.tables.project_run", interrupt)
    with pytest.raises(KeyboardInterrupt):
        explain_corpus(demo / "corpus", demo / "model", tmp_path / "run")
    monkeypatch.undo()

    def recompute(*_: object, **__: object) -> None:
        raise AssertionError("maps that were finished are computed again")

    monkeypatch.setattr("stressnet.explain.explain_batch", recompute)
    explain_corpus(demo / "corpus", demo / "model", tmp_path / "run")
    assert hash_file(tmp_path / "run" / "maps.npy") == hash_file(demo / "run" / "maps.npy")


def test_checkpoint_of_another_preset_is_refused(demo: Path, tmp_path: Path) -> None:
    model, info = load_checkpoint(demo / "model")
    from dataclasses import replace

    from stressnet.models.checkpoint import save_checkpoint

    other = {**info.preset_parameters, "hop_s": 0.005}
    save_checkpoint(tmp_path / "model", model, replace(info, preset_parameters=other))
    with pytest.raises(CheckpointError, match="hop_s"):
        explain_corpus(demo / "corpus", tmp_path / "model", tmp_path / "run")


def test_missing_preset_names_the_remedy(demo: Path, tmp_path: Path) -> None:
    with pytest.raises(CorpusError, match="--preset allouche2025"):
        train_model(demo / "corpus", tmp_path / "model", architecture="lenet")


def test_unknown_composite_lists_those_there_are(demo: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="epsilon-plus"):
        explain_corpus(demo / "corpus", demo / "model", tmp_path / "run", composite="magic")


def test_output_folders_are_protected(demo: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, _, err = run_cli(capsys, "train", str(demo / "corpus"), str(demo / "model"), "-q")
    assert code == 1
    assert "already holds a model" in err
    code, _, err = run_cli(
        capsys, "explain", str(demo / "corpus"), str(demo / "model"), str(demo / "run"), "-q"
    )
    assert code == 1
    assert "already holds a run" in err


def test_word_figure_by_part_of_its_id(
    demo: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    token = pd.read_parquet(demo / "run" / "tokens.parquet")["token_id"].iloc[3]
    figure = tmp_path / "word.svg"
    code, out, _ = run_cli(capsys, "word", str(demo / "run"), token, str(figure))
    assert code == 0
    assert str(figure) in out
    assert figure.read_text(encoding="utf-8").lstrip().startswith("<?xml")
    code, _, err = run_cli(capsys, "word", str(demo / "run"), "no such word", str(figure))
    assert code == 1
    assert "0 tokens match" in err


def test_demo_speech_is_the_same_with_the_same_seed(demo: Path, tmp_path: Path) -> None:
    from stressnet.demo.corpus import speak_corpus

    speak_corpus(tmp_path / "recordings", size="tiny", seed=0)
    ours = sorted((tmp_path / "recordings").rglob("*.flac"))
    theirs = sorted((demo / "recordings").rglob("*.flac"))
    assert [hash_file(path) for path in ours] == [hash_file(path) for path in theirs]
