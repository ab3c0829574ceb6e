"""What every command that writes a folder promises, checked for every such command.

Nothing that exists is lost: not a folder of another kind, not one that is not stressnet's, not an
input, and not a finished result when an option or an input is wrong. A new command is checked, too:
the list comes from the command line.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest
import torch
from command_line import run_cli
from safetensors.torch import load_file, save_file
from spoken_words import write_recordings

from stressnet.cli import COMMANDS
from stressnet.corpus.store import Corpus
from stressnet.models.checkpoint import CheckpointInfo, save_checkpoint
from stressnet.models.registry import build_model
from stressnet.runs.folder import RunFolder
from stressnet.runs.options import options_of
from stressnet.runs.stage import Stage
from stressnet.stages.build_corpus import build_corpus
from stressnet.stages.explain import explain_corpus
from stressnet.stages.manipulate import manipulate_corpus
from stressnet.stages.measure import measure_corpus
from stressnet.stages.stats import run_statistics

STAGES = {one.name: one for one in COMMANDS if isinstance(one, Stage) and one.kind}

VOICES = {"anna": 205.0, "bea": 190.0, "dan": 118.0, "emil": 130.0}

every_command = pytest.mark.parametrize("name", STAGES)


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One finished folder of each kind that commands read."""
    folder = tmp_path_factory.mktemp("study")
    write_recordings(folder / "recordings", VOICES)
    write_recordings(folder / "others", {"gina": 215.0})
    for name, no_splits in (("recordings", False), ("others", True)):
        build_corpus(
            folder / name,
            folder / ("corpus" if name == "recordings" else "corpora"),
            recipe="generic",
            no_splits=no_splits,
            no_longer_words=True,
        )
    images = Corpus.open(folder / "corpus").images("stressnet")
    torch.manual_seed(0)
    info = CheckpointInfo("compact", *images.axes.shape, "stressnet", dict(images.preset))
    save_checkpoint(folder / "model", build_model("compact", *images.axes.shape).eval(), info)
    second = build_model("compact", *images.axes.shape).eval()
    save_checkpoint(folder / "second", second, info)
    measure_corpus(folder / "corpus", folder / "cues")
    explain_corpus(
        folder / "corpus", folder / "model", folder / "run", splits=("all",), max_tokens=6
    )
    run_statistics(folder / "run", folder / "stats")
    manipulate_corpus(
        folder / "corpus",
        folder / "stimuli",
        cues=("duration",),
        n_steps=3,
        max_tokens=4,
        models=(folder / "model",),
        measured=folder / "cues",
    )
    return folder


def copy_of(study: Path, world: Path) -> Path:
    """A copy of the study, whose run names the corpus of the copy."""
    shutil.copytree(study, world)
    manifest = world / "run" / "manifest.json"
    manifest.write_text(manifest.read_text().replace(str(study), str(world)))
    return world


@pytest.fixture
def world(study: Path, tmp_path: Path) -> Path:
    """A copy of the study that a command may harm."""
    return copy_of(study, tmp_path / "world")


@pytest.fixture(scope="module")
def shared(study: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, bytes]]:
    """A copy for all tests that leave it as it was, and its content."""
    world = copy_of(study, tmp_path_factory.mktemp("shared") / "world")
    return world, content(world)


@pytest.fixture
def lent(shared: tuple[Path, dict[str, bytes]]) -> Iterator[Path]:
    """The shared copy; folders in it that were changed are put in order again afterwards."""
    world, before = shared
    yield world
    after = content(world)
    changed = {path for path in {**before, **after} if before.get(path) != after.get(path)}
    for place in {world / Path(path).parts[0] for path in changed}:
        if place.is_dir():
            shutil.rmtree(place)
        place.unlink(missing_ok=True)
    for path, data in before.items():
        if not (world / path).exists():
            (world / path).parent.mkdir(parents=True, exist_ok=True)
            (world / path).write_bytes(data)


OF_INPUT = {"source": "run"}
"""Folders of the study that stand for an input, where its name is not the folder's."""

EXTRA = {
    "build-corpus": ["--recipe", "generic", "--no-splits"],
    "corpus folds": ["--folds", "3"],
    "corpus merge": ["--splits", "none"],
    "findings": ["--model", "{world}/model"],
    "patch": [
        *("--pairs", "synthetic", "--max-pairs", "1", "--min-difference", "0", "--units", "layer")
    ],
}
"""Options without which a command refuses the study."""


def command(world: Path, name: str, out: Path, *options: object) -> list[object]:
    """A command's arguments on the study."""
    stage = STAGES[name]
    inputs = [world / OF_INPUT.get(one.name, one.name) for one in stage.inputs]
    if name == "corpus merge":
        inputs.append(world / "corpus")
    if name == "ensemble":
        inputs.append(world / "second")
    place = ["--out", out] if stage.default_output else [out]
    extra = [text.format(world=world) for text in EXTRA.get(name, [])]
    return [*name.split(), *inputs, *place, "-q", *extra, *options]


def content(folder: Path) -> dict[str, bytes]:
    """Every file below a folder, by its path."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def finished(folder: Path, kind: str) -> Path:
    """A finished folder of a kind."""
    with RunFolder(folder, kind) as run:
        run.begin({"made": "before"}, inputs={})
        run.table("table.csv", pd.DataFrame({"value": [1]}))
        run.finish()
    return folder


def refused(capsys: pytest.CaptureFixture[str], *arguments: object) -> str:
    """The one line with which a command refuses."""
    code, out, err = run_cli(capsys, *arguments)
    lines = [line for line in err.splitlines() if line.strip()]
    assert code in (1, 2), f"exit code {code}: {out}{err}"
    assert "Traceback" not in err
    assert lines, "it says nothing"
    if code == 1:
        assert len(lines) == 1, err
    return lines[-1]


@pytest.fixture
def unharmed(lent: Path, shared: tuple[Path, dict[str, bytes]]) -> Iterator[Path]:
    """The study, which must be the same afterwards."""
    yield lent
    assert content(lent) == shared[1]


@every_command
def test_a_folder_of_another_kind_stays(name: str, unharmed: Path, tmp_path: Path, capsys) -> None:
    out = finished(tmp_path / "out", "something else")
    before = content(out)
    refused(capsys, *command(unharmed, name, out, "--overwrite"))
    assert content(out) == before


@every_command
def test_a_strangers_folder_stays(name: str, unharmed: Path, tmp_path: Path, capsys) -> None:
    out = tmp_path / "app"
    out.mkdir()
    (out / "manifest.json").write_text('{"name": "app", "start_url": "/"}')
    (out / "thesis.txt").write_text("years of work")
    before = content(out)
    refused(capsys, *command(unharmed, name, out, "--overwrite"))
    assert content(out) == before


@every_command
def test_a_foreign_file_stops_the_replacement(
    name: str, unharmed: Path, tmp_path: Path, capsys
) -> None:
    out = finished(tmp_path / "out", STAGES[name].kind)
    (out / "notes.txt").write_text("mine")
    before = content(out)
    assert "notes.txt" in refused(capsys, *command(unharmed, name, out, "--overwrite"))
    assert content(out) == before


@every_command
def test_a_finished_result_stays_without_overwrite(
    name: str, unharmed: Path, tmp_path: Path, capsys
) -> None:
    out = finished(tmp_path / "out", STAGES[name].kind)
    before = content(out)
    assert "already holds" in refused(capsys, *command(unharmed, name, out))
    assert content(out) == before


@every_command
def test_a_dry_run_writes_nothing(name: str, unharmed: Path, tmp_path: Path, capsys) -> None:
    out = finished(tmp_path / "out", STAGES[name].kind)
    before = content(out)
    for options in (["--overwrite"], []):
        place = out if options else tmp_path / "new"
        code, text, err = run_cli(capsys, *command(unharmed, name, place, "--dry-run", *options))
        assert code == 0, err
        assert "writes" in text
    assert content(out) == before
    assert not (tmp_path / "new").exists()


INPUTS = [(name, one.name) for name, stage in STAGES.items() for one in stage.inputs]


@pytest.mark.parametrize("where", ["same", "inside", "above", "link"])
@pytest.mark.parametrize(("name", "input_name"), INPUTS)
def test_output_and_inputs_are_apart(
    name: str, input_name: str, where: str, unharmed: Path, tmp_path: Path, capsys
) -> None:
    source = unharmed / OF_INPUT.get(input_name, input_name)
    (tmp_path / "link").symlink_to(source)
    places = {"same": source, "inside": source / "out", "above": unharmed, "link": "link"}
    out = tmp_path / places[where]
    refused(capsys, *command(unharmed, name, out, "--overwrite"))


WRONG = ("missing", "empty", "file", "other kind", "stranger")
WRONG += ("list", "numbers", "newer", "cut")
"""Ways in which an input can be wrong."""

WRONG_CORPUS = ("table cut", "no columns", "numbers for text", "text for numbers")
WRONG_CORPUS += ("outside", "above")
"""Ways in which a corpus can be wrong behind its manifest."""

WRONG_MODEL = ("NaN", "weights cut", "huge header", "other shapes")
"""Ways in which a model can be wrong behind its description."""


def spoil_corpus(folder: Path, how: str) -> None:
    """Change the token table of a corpus."""
    path = folder / "tokens.parquet"
    table = pd.read_parquet(path)
    if how == "table cut":
        path.write_bytes(path.read_bytes()[:500])
        return
    if how == "no columns":
        table = table[["word"]]
    elif how == "numbers for text":
        table["word"] = 5
    elif how == "text for numbers":
        table["start_s"] = "soon"
    elif how == "grid":
        outside = folder.parent / "secret.txt"
        outside.write_text("a secret of the person who opens the corpus")
        for file in (folder / "textgrids").iterdir():
            file.unlink()
            file.symlink_to(outside)
    else:
        outside = folder.parent / "secret.txt"
        outside.write_text("a secret of the person who opens the corpus")
        (folder / "link.flac").symlink_to(outside)
        names = {"outside": str(outside), "above": "../secret.txt", "link": "link.flac"}
        table["excerpt_file"] = names[how]
    table.to_parquet(path)


def spoil_model(folder: Path, how: str) -> None:
    """Change the weights of a model, and their hash with them."""
    path = folder / "model.safetensors"
    weights = load_file(path)
    if how == "NaN":
        floats = {n: w * torch.nan for n, w in weights.items() if w.is_floating_point()}
        save_file({**weights, **floats}, path)
    elif how == "weights cut":
        path.write_bytes(path.read_bytes()[:-100])
    elif how == "huge header":
        path.write_bytes((10**10).to_bytes(8, "little") + path.read_bytes()[8:])
    elif how == "other shapes":
        save_file({name: torch.zeros(3, 3) for name in weights}, path)
    about = json.loads((folder / "model.json").read_text())
    about["weights_sha256"] = hashlib.sha256(path.read_bytes()).hexdigest()
    (folder / "model.json").write_text(json.dumps(about))


def spoil(folder: Path, how: str) -> None:
    """Put something wrong in the place of an input."""
    manifest = folder / ("model.json" if folder.name == "model" else "manifest.json")
    if how in ("missing", "empty", "file", "other kind", "stranger"):
        shutil.rmtree(folder)
    if how == "empty":
        folder.mkdir()
    elif how == "file":
        folder.write_text("not a folder")
    elif how == "other kind":
        finished(folder, "something else")
    elif how == "stranger":
        folder.mkdir()
        manifest.write_text('{"name": "app", "start_url": "/"}')
    elif how == "list":
        manifest.write_text("[1, 2]")
    elif how == "numbers":
        manifest.write_text(json.dumps(dict.fromkeys(json.loads(manifest.read_text()), 5)))
    elif how == "hollow":
        about = json.loads(manifest.read_text())
        versions = {"versions": {"stressnet": "9.9"}}
        hollow = {k: {} if isinstance(v, dict) else v for k, v in about.items()}
        manifest.write_text(json.dumps(hollow | versions))
    elif how == "newer":
        about = json.loads(manifest.read_text())
        manifest.write_text(json.dumps({"kind": about.get("kind"), "format": 99, "new": 1}))
    elif how == "cut":
        manifest.write_bytes(manifest.read_bytes()[:100])


WRONG_INPUTS = [
    (name, input_name, how)
    for name, input_name in INPUTS
    for how in (WRONG[:3] if input_name == "recordings" else WRONG)
]


@pytest.mark.parametrize(("name", "input_name", "how"), WRONG_INPUTS)
def test_a_wrong_input_costs_nothing(
    name: str, input_name: str, how: str, lent: Path, tmp_path: Path, capsys
) -> None:
    spoil(lent / OF_INPUT.get(input_name, input_name), how)
    out = finished(tmp_path / "out", STAGES[name].kind)
    before = content(out)
    refused(capsys, *command(lent, name, out, "--overwrite"))
    assert content(out) == before
    refused(capsys, *command(lent, name, tmp_path / "new"))
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize(("name", "input_name"), [p for p in INPUTS if p[1] != "recordings"])
def test_a_manifest_that_says_nothing_is_no_traceback(
    name: str, input_name: str, lent: Path, tmp_path: Path, capsys
) -> None:
    """Some commands need nothing of it; the others say what is missing."""
    spoil(lent / OF_INPUT.get(input_name, input_name), "hollow")
    code, _, err = run_cli(capsys, *command(lent, name, tmp_path / "new"))
    assert code in (0, 1, 3), err
    assert (tmp_path / "new").exists() == (code != 1)


PATH_OPTIONS = [
    (name, item.flag.split(",")[-1])
    for name, stage in STAGES.items()
    for item in options_of(stage.config)
    if item.type is Path and item.name != "out"
]


@pytest.mark.parametrize(("name", "flag"), PATH_OPTIONS)
def test_a_wrong_option_costs_nothing(
    name: str, flag: str, unharmed: Path, tmp_path: Path, capsys
) -> None:
    out = finished(tmp_path / "out", STAGES[name].kind)
    before = content(out)
    (tmp_path / "damaged").write_bytes(b"\x00\xff[[[ not a file of any kind")
    for value in (tmp_path / "nowhere", tmp_path / "damaged"):
        refused(capsys, *command(unharmed, name, out, "--overwrite", flag, value))
        assert content(out) == before


@every_command
def test_an_unknown_key_of_a_config_costs_nothing(
    name: str, unharmed: Path, tmp_path: Path, capsys
) -> None:
    out = finished(tmp_path / "out", STAGES[name].kind)
    before = content(out)
    (tmp_path / "config.toml").write_text("no_such_option = 3\n")
    message = refused(
        capsys, *command(unharmed, name, out, "--overwrite", "--config", tmp_path / "config.toml")
    )
    assert "no_such_option" in message
    assert content(out) == before


CHANGED = [(n, how) for n, i in INPUTS if i in ("corpus", "corpora") for how in WRONG_CORPUS]


@pytest.mark.parametrize(("name", "how"), CHANGED)
def test_a_changed_corpus_costs_nothing(
    name: str, how: str, lent: Path, tmp_path: Path, capsys
) -> None:
    spoil_corpus(lent / STAGES[name].inputs[0].name, how)
    refused(capsys, *command(lent, name, tmp_path / "new"))
    assert not (tmp_path / "new").exists()


LINKS = [(n, "link") for n in ("measure", "evaluate", "corpus export", "corpus merge")]
LINKS += [("corpus merge", "grid")]
LINKS += [(n, how) for n in ("report", "export-praat") for how in ("link", "above")]
"""Commands that open sounds or TextGrids one by one, and so meet a link that leaves the folder."""


@pytest.mark.parametrize(("name", "how"), LINKS)
def test_a_link_gives_nothing_away(
    name: str, how: str, world: Path, tmp_path: Path, capsys
) -> None:
    first = STAGES[name].inputs[0].name
    spoil_corpus(world / ("corpus" if first == "run" else first), how)
    out = tmp_path / "out"
    code, _, err = run_cli(capsys, *command(world, name, out))
    assert code in (1, 3), err
    assert not any(b"a secret of" in data for data in content(out).values())


@pytest.mark.parametrize("how", WRONG_MODEL)
@pytest.mark.parametrize("name", [n for n, i in INPUTS if i == "model"])
def test_a_changed_model_costs_nothing(
    name: str, how: str, lent: Path, tmp_path: Path, capsys
) -> None:
    spoil_model(lent / "model", how)
    out = finished(tmp_path / "out", STAGES[name].kind)
    before = content(out)
    refused(capsys, *command(lent, name, out, "--overwrite"))
    assert content(out) == before


HEADED = (".parquet", ".npy", ".json", ".safetensors")
"""Endings of files that say themselves how they go on, so that what is cut off is noticed."""


@pytest.mark.parametrize(("name", "input_name"), [p for p in INPUTS if p[1] != "recordings"])
def test_a_file_that_is_cut_off_costs_nothing(
    name: str, input_name: str, lent: Path, tmp_path: Path, capsys
) -> None:
    """Tables and arrays of an input are looked at before the work begins, needed or not."""
    source, out = lent / OF_INPUT.get(input_name, input_name), tmp_path / "new"
    for file in [path for path in source.rglob("*") if path.suffix in (*HEADED, ".csv")]:
        whole = file.read_bytes()
        file.write_bytes(whole[: len(whole) // 2])
        if file.suffix in HEADED:
            assert file.name in refused(capsys, *command(lent, name, out, "--dry-run"))
        else:
            code, _, err = run_cli(capsys, *command(lent, name, out, "--dry-run"))
            assert code in (0, 1), err
        file.write_bytes(whole)
    assert not out.exists()


# -- commands that write a file -------------------------------------------------------------------

RECORDING = "{world}/recordings/anna/anna-0"
FILES = {
    "inspect": ["{world}/recordings", "--out", RECORDING + ".TextGrid", "-q"],
    "validate": ["{world}/recordings", "--csv", RECORDING + ".TextGrid", "-q"],
    "predict": [RECORDING + ".flac", "--word", "water", "--out", RECORDING + ".flac"],
    "look": [RECORDING + ".flac", RECORDING + ".flac", "--word", "water"],
    "export": ["{world}/model", "{world}/model/model.json"],
    "card": ["{world}/corpus", "{world}/model", "--out", "{world}/corpus/tokens.parquet"],
    "regions": ["{world}/corpus", "--figure", "{world}/corpus/tokens.parquet"],
    "word": ["{world}/run", "{token}", "{world}/run/maps.npy"],
}
"""Commands that write a file, told to write it over an input."""

WRITES_NOTHING = {"doctor", "recipes", "languages", "models", "corpus show"}
IN_A_FOLDER_OF_ITS_OWN = {"fetch"}  # tests/test_fetch.py


def test_every_command_is_known_here() -> None:
    names = {one.name for one in COMMANDS}
    assert names == {*STAGES, *FILES, *WRITES_NOTHING, *IN_A_FOLDER_OF_ITS_OWN}


@pytest.mark.parametrize("name", FILES)
def test_a_file_is_never_written_over_an_input(name: str, unharmed: Path, capsys) -> None:
    token = pd.read_parquet(unharmed / "run" / "tokens.parquet")["token_id"].iloc[0]
    arguments = [text.format(world=unharmed, token=token) for text in FILES[name]]
    assert "match" not in refused(capsys, name, *arguments)


# -- what is printed ------------------------------------------------------------------------------


@every_command
def test_names_send_no_terminal_codes(name: str, lent: Path, tmp_path: Path, capsys) -> None:
    """Names in folders, options and inputs are shown with the codes in them written out."""
    evil = "\x1b]0;owned\x07\x1b[2J"
    out = finished(tmp_path / f"out{evil}", "something else")
    config = ["--config", tmp_path / evil]
    for arguments in (
        command(lent, name, out, "--overwrite"),
        command(lent, name, tmp_path / "new", *config),
        [*name.split(), f"--{evil}"],
    ):
        code, text, err = run_cli(capsys, *arguments)
        assert code in (1, 2)
        assert "\\x1b]0;owned\\x07" in err
        assert "\x1b" not in text + err


def test_notes_of_an_error_are_printed(world: Path, tmp_path: Path, capsys) -> None:
    """What failed before a build stopped is said, too."""
    (world / "others" / "gina" / "gina-0.flac").write_bytes(b"")
    out = tmp_path / "out"
    code, _, err = run_cli(capsys, "build-corpus", world / "others", out, "--no-splits", "-q")
    assert code == 1
    first, second = err.splitlines()
    assert "no disyllabic content word" in first
    assert "failures.csv" in second
