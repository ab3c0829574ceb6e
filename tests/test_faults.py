"""Kills, faults and damaged files in short; ``benchmarks/faults.py`` and ``fuzz.py`` do more."""

from __future__ import annotations

import csv
import errno
import json
import os
import random
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import parselmouth
import pytest
from command_line import run_cli
from report_runs import make_run

from stressnet.cli import cli
from stressnet.corpus.images import read_images, write_images_header
from stressnet.errors import CheckpointError, ConfigError, CorpusError, FolderError, StressnetError
from stressnet.models.checkpoint import CheckpointInfo, load_checkpoint, save_checkpoint
from stressnet.models.registry import build_model
from stressnet.runs.arrays import ArrayFile, open_array
from stressnet.runs.held import Held
from stressnet.runs.manifest import write_manifest
from stressnet.runs.options import make_config
from stressnet.runs.problems import Problem, Severity, write_rows
from stressnet.runs.tables import no_formulas, read_table
from stressnet.runs.toml_file import read_toml
from stressnet.stages.explain import ExplainConfig
from stressnet.stages.predict.text import as_csv
from stressnet.stages.predict.words import WordPrediction
from stressnet.statistics.analysis import read_config
from stressnet.training.calibration import load_calibration

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"


# --- kills and faults -------------------------------------------------------------------------


@pytest.mark.long
@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="needs Linux")
def test_kills_and_faults_cost_nothing(make_corpus, tmp_path: Path) -> None:
    """Two kills of a build, and the faults that are done quickly."""
    source = make_corpus(tmp_path / "recordings")
    commands = ["build-corpus"]
    quick = ["SIGTERM", "Ctrl-C", "files may not grow", "read-only output", "closed stdout"]
    arguments = ["--recordings", source, "--kills", "2", "--only", *commands]
    arguments += ["--spread", "--faults", *quick]
    done = subprocess.run(
        [sys.executable, BENCHMARKS / "faults.py", *map(str, arguments)],
        capture_output=True,
        text=True,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
    )
    assert done.returncode == 0, done.stdout + done.stderr
    for command in commands:
        assert f"| {command} | 2 |" in done.stdout
    outcomes = [line for line in done.stdout.splitlines() if line.startswith("| ")][-4:]
    assert sum(line.count(" same |") for line in outcomes) == len(quick), done.stdout


def test_a_full_disk_under_the_maps_is_a_line(
    make_corpus, tmp_path_factory, tmp_path: Path, monkeypatch, capsys
) -> None:
    """Written through a memory map, they ended the process with a signal."""
    corpus = make_run(make_corpus, tmp_path_factory.getbasetemp() / "report-run").parent / "corpus"

    def refuse(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    arguments = ("explain", corpus, "pretrained", tmp_path / "run", "--split", "all")
    options = ("--max-tokens", 2, "--untrained", 0)
    with monkeypatch.context() as full:
        full.setattr(ArrayFile, "write", refuse)
        code, _, text = run_cli(capsys, *arguments, *options)
    assert code == 1 and "No space left on device; what is finished is kept" in text
    assert run_cli(capsys, *arguments, *options)[0] == 0


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory"),
        RuntimeError("can't start new thread"),
        parselmouth.PraatFatal("Praat will crash.\nOut of memory: there is not enough room"),
    ],
)
def test_lack_of_memory_is_a_line(monkeypatch, capsys, error: BaseException) -> None:
    def refuse(**_: object) -> None:
        raise error

    monkeypatch.setattr(cli, "main", refuse)
    code, _, text = run_cli(capsys, "doctor")
    assert code == 1 and "not enough memory; run the same command again" in text


def test_what_a_terminal_acts_on_is_shown(tmp_path: Path, capsys) -> None:
    name = "red\x1b[31m\x07\u202e.toml"
    code, printed, error = run_cli(capsys, "stats", tmp_path / name, tmp_path / "out")
    assert code == 1 and not printed
    assert r"red\x1b[31m\x07\u202e.toml" in error and "\x1b" not in error


def test_long_values_of_damaged_files_are_not_poured_out(tmp_path: Path, capsys) -> None:
    (tmp_path / "a.toml").write_text(f'level = "{"9" * 50_000}"\n')
    _, _, error = run_cli(capsys, "stats", tmp_path / "a.toml", tmp_path / "out")
    assert "a.toml: level" in error and "must be a number" in error and len(error) < 2500


@pytest.mark.parametrize("change", ["cut", "edited"])
def test_a_csv_of_a_finished_folder_that_was_changed(tmp_path: Path, change: str) -> None:
    file = tmp_path / "speakers.csv"
    file.write_text("speaker,n\na,1\nb,2\n")
    write_manifest(tmp_path, "corpus", parameters={}, outputs=[file])
    assert len(read_table(file)) == 2
    text = file.read_text()
    file.write_text(text[:-4] if change == "cut" else text.replace("2", "3"))
    with pytest.raises(CorpusError, match=r"speakers\.csv: was changed or cut since"):
        read_table(file)


# --- spreadsheets -----------------------------------------------------------------------------

FORMULAS = ["=1+1", "+1", "-1", "@A1", "\t=1", "\r=1"]


def test_formulas_become_text() -> None:
    frame = pd.DataFrame({"word": [*FORMULAS, "A=1", ""], "x": -1.5, "is": True})
    safe = no_formulas(frame)
    assert safe["word"].tolist() == [*(f"'{text}" for text in FORMULAS), "A=1", ""]
    pd.testing.assert_frame_equal(safe[["x", "is"]], frame[["x", "is"]])


def test_failures_hold_no_formulas(tmp_path: Path) -> None:
    problem = Problem("=cmd()", "scan", Severity.ERROR, "-1 is bad")
    write_rows(tmp_path / "a.csv", Problem, [problem])
    with (tmp_path / "a.csv").open(newline="") as file:
        assert [*csv.reader(file)][1] == ["'=cmd()", "scan", "error", "'-1 is bad"]


def test_predictions_hold_no_formulas_when_asked() -> None:
    word = WordPrediction("@a.wav", "=HOTEL", 0.0, 1.0, None, reason="not disyllabic")
    assert as_csv([word]).splitlines()[1].startswith("@a.wav,=HOTEL,")
    assert as_csv([word], spreadsheet=True).splitlines()[1].startswith("'@a.wav,'=HOTEL,")


# --- what fuzzing found -----------------------------------------------------------------------


@pytest.fixture
def model(tmp_path: Path) -> Path:
    info = CheckpointInfo("compact", 40, 50, "stressnet", {})
    save_checkpoint(tmp_path, build_model("compact", 40, 50, 2), info)
    return tmp_path


@pytest.mark.parametrize(
    "change",
    [
        {"n_bins": [1]},
        {"n_frames": 3.5},
        {"n_frames": -1},
        {"n_bins": 10**400},
        {"n_bins": True},
        {"classes": 3},
        {"classes": [["INITIAL"], "FINAL"]},
        {"architecture": ["compact"]},
        {"preset_parameters": []},
        {"training": None},
        {"a\nb": 1},
    ],
    ids=str,
)
def test_checkpoints_of_the_wrong_type(model: Path, change: dict[str, object]) -> None:
    about = json.loads((model / "model.json").read_text())
    (model / "model.json").write_text(json.dumps(about | change))
    with pytest.raises(CheckpointError, match=r"model\.json: .*") as caught:
        load_checkpoint(model)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("text", ['{"a":' * 100_000, "[" + "9" * 5000 + "]"])
def test_checkpoints_of_odd_json(model: Path, text: str) -> None:
    (model / "model.json").write_text(text)
    with pytest.raises(CheckpointError, match=r"model\.json"):
        load_checkpoint(model)


@pytest.fixture
def images(tmp_path: Path) -> Path:
    from stressnet.axes import Axes

    np.save(tmp_path / "values.npy", np.zeros((4, 3, 2), np.float32))
    axes = Axes(np.array([0.0, 0.1]), np.array([1.0, 2.0, 3.0]))
    write_images_header(tmp_path, axes, {"name": "x"}, np.ones((4, 2), bool))
    assert read_images(tmp_path).values.shape == (4, 3, 2)
    return tmp_path


@pytest.mark.parametrize(
    "change",
    [
        *({"time_s": wrong} for wrong in (None, "x", [0, "x"], [0, [1]], [0, {}], [0, 10**400])),
        {"frequency_hz": [1.0, 1.0, 2.0]},
        {"preset": []},
        {"n_truncated": "x"},
    ],
    ids=str,
)
def test_damaged_axes(images: Path, change: dict[str, object]) -> None:
    header = json.loads((images / "axes.json").read_text())
    (images / "axes.json").write_text(json.dumps(header | change))
    with pytest.raises(CorpusError, match=r"axes\.json: damaged"):
        read_images(images)


@pytest.mark.parametrize("text", ["", "[]", '{"a": 1}', "{" * 100_000, "\xff"])
def test_axes_that_are_none(images: Path, text: str) -> None:
    (images / "axes.json").write_bytes(text.encode("latin-1"))
    with pytest.raises(CorpusError, match=r"axes\.json: damaged"):
        read_images(images)


def npy(header: str) -> bytes:
    return b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header.encode()


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\x93NUMPY",
        b"PK\x03\x04",
        npy("{'descr': '<f4', 'fortran_order': False, 'shape': (4, 3, 2"),
        npy("{'descr': '<f4', 'fortran_order': False, 'shape': (4, 3, 2)}"),
        npy("{'descr': '<f4', 'fortran_order': False, 'shape': (99999999999999999999, 3, 2)}"),
        npy("{'descr': '<f4', 'fortran_order': False, 'shape': (2500000000, 3, 2)}"),
        npy("{'descr': '|O', 'fortran_order': False, 'shape': (1,)}") + b"cos\nsystem\n",
        npy("{'descr': '<f4', 'fortran_order': False, 'shape': ('a',)}"),
        npy("[" * 9000),
    ],
    ids=range(10),
)
def test_damaged_arrays(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "a.npy").write_bytes(data)
    with pytest.raises(CorpusError, match=r"a\.npy: "):
        open_array(tmp_path / "a.npy")


def test_values_that_options_cannot_have(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="nulls = 3: expected a list"):
        make_config(ExplainConfig, {"nulls": 3})
    (tmp_path / "a.toml").write_text("a = " + "[" * 20_000)
    with pytest.raises(ConfigError, match=r"a\.toml: not valid TOML"):
        read_toml(tmp_path / "a.toml", ConfigError)
    (tmp_path / "b.toml").write_text('[[run]]\npath = "a\\u0000b"\n')
    with pytest.raises(ConfigError, match="holds a NUL"):
        read_config(tmp_path / "b.toml")


@pytest.mark.parametrize("trees", [[3.5], [None], {"a": 1, "b": []}, 3])
def test_manifests_that_list_no_names(tmp_path: Path, trees: object) -> None:
    manifest = {"kind": "corpus", "parameters": {}, "versions": {"stressnet": "0.1"}}
    manifest |= {"outputs": {}, "trees": trees}
    (tmp_path / "manifest.json").write_text(json.dumps(manifest))
    if isinstance(trees, dict):
        assert Held.read(tmp_path, "corpus").names == ("a", "b")
        return
    with pytest.raises(FolderError, match="its manifest is damaged"):
        Held.read(tmp_path, "corpus")


@pytest.mark.parametrize(
    "name",
    "textgrid,mfa-json,timit,buckeye,ctm,csv,librispeech,recipe,speakers,labels,transcripts,splits,"
    "dictionary,stats config,command config,training recipe,manifest,audio,checkpoint,axes,"
    "images".split(","),
)
def test_forty_mutations_of_every_reader(readers, name: str, tmp_path: Path) -> None:
    by_name, mutated = readers
    reader = by_name[name]
    rng = random.Random(name)
    for file, data in reader.beside.items():
        (tmp_path / file).write_bytes(data)
    for _ in range(40):
        (tmp_path / reader.file).write_bytes(mutated(rng.choice(reader.examples), rng))
        try:
            reader.read(tmp_path)
        except StressnetError as error:
            assert "\n" not in str(error)


@pytest.fixture(scope="module")
def readers(tmp_path_factory):
    sys.path.insert(0, str(BENCHMARKS))
    try:
        from fuzz import all_readers, mutated
    finally:
        sys.path.remove(str(BENCHMARKS))
    return all_readers(tmp_path_factory.mktemp("readers")), mutated


@pytest.mark.parametrize("text", ["[" * 100_000, '{"a\\nb": 1}', "[]", "\xff"])
def test_damaged_calibrations(model: Path, text: str) -> None:
    (model / "calibration.json").write_bytes(text.encode("latin-1"))
    with pytest.raises(CheckpointError, match=r"calibration\.json: damaged") as caught:
        load_calibration(model, "")
    assert "\n" not in str(caught.value)
