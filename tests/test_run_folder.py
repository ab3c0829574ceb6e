"""What a run folder promises: nothing foreign is removed, and nothing finished is lost."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import pytest

from stressnet.errors import FolderError
from stressnet.runs.folder import RunFolder
from stressnet.runs.manifest import read_manifest
from stressnet.runs.options import option
from stressnet.runs.problems import Problem, Severity
from stressnet.runs.work import DryRun, Step, Work


@dataclass(frozen=True)
class ToyConfig:
    """A config."""

    value: int = option(1, help="A value.")


def write(path: Path, kind: str = "toy", value: int = 1, **how: object) -> dict:
    """A small finished folder."""
    with RunFolder(path, kind, **how) as folder:
        folder.begin(ToyConfig(value), inputs={})
        folder.table("table.csv", pd.DataFrame({"value": [value]}))
        (folder.tree("many/*.txt") / "one.txt").write_text("1")
        return folder.finish({"n": 1})


def content(path: Path) -> dict[str, bytes]:
    return {str(p.relative_to(path)): p.read_bytes() for p in path.rglob("*") if p.is_file()}


def double(number: int) -> int:
    return 2 * number


def test_finished_folder_has_a_manifest_and_no_working_files(tmp_path: Path) -> None:
    manifest = write(tmp_path / "out")
    assert read_manifest(tmp_path / "out", "toy") == json.loads(json.dumps(manifest))
    assert set(content(tmp_path / "out")) == {"manifest.json", "table.csv", "many/one.txt"}
    assert set(manifest["outputs"]) == {"table.csv"}
    assert manifest["trees"] == ["many/*.txt"]
    assert manifest["parameters"]["value"] == 1


def test_same_kind_is_replaced_only_when_asked(tmp_path: Path) -> None:
    write(tmp_path / "out")
    with pytest.raises(FolderError, match="already holds a toy"):
        write(tmp_path / "out", value=2)
    write(tmp_path / "out", value=2, overwrite=True)
    assert (tmp_path / "out" / "table.csv").read_text() == "value\n2\n"


@pytest.mark.parametrize("overwrite", [False, True])
def test_another_kind_is_never_touched(tmp_path: Path, overwrite: bool) -> None:
    write(tmp_path / "out", kind="corpus")
    before = content(tmp_path / "out")
    with pytest.raises(FolderError, match="holds a corpus, not a toy"):
        write(tmp_path / "out", overwrite=overwrite)
    assert content(tmp_path / "out") == before


@pytest.mark.parametrize("manifest", ['{"name": "an app"}', "[]", "nothing", '{"kind": "toy"}'])
def test_a_folder_that_is_not_ours_is_never_touched(tmp_path: Path, manifest: str) -> None:
    out = tmp_path / "out"
    out.mkdir()
    (out / "manifest.json").write_text(manifest)
    (out / "thesis.txt").write_text("years of work")
    before = content(out)
    with pytest.raises(FolderError):
        write(out, overwrite=True)
    assert content(out) == before


def test_files_of_other_people_stop_the_replacement(tmp_path: Path) -> None:
    write(tmp_path / "out")
    (tmp_path / "out" / "notes.txt").write_text("mine")
    before = content(tmp_path / "out")
    with pytest.raises(FolderError, match=r"does not list: notes\.txt"):
        write(tmp_path / "out", overwrite=True)
    assert content(tmp_path / "out") == before


def test_a_manifest_cannot_name_files_outside(tmp_path: Path) -> None:
    (tmp_path / "secret.txt").write_text("mine")
    write(tmp_path / "out")
    file = tmp_path / "out" / "manifest.json"
    manifest = json.loads(file.read_text())
    manifest["trees"] = ["../*.txt"]
    file.write_text(json.dumps(manifest))
    with pytest.raises(FolderError, match="lies outside"):
        write(tmp_path / "out", overwrite=True)
    assert (tmp_path / "secret.txt").exists()


def test_links_are_foreign_and_never_followed(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "one.txt").write_text("mine")
    write(tmp_path / "out")
    (tmp_path / "out" / "many" / "deep").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(FolderError, match="does not list"):
        write(tmp_path / "out", overwrite=True)
    assert (tmp_path / "elsewhere" / "one.txt").exists()


@pytest.mark.parametrize("where", [".", "inner", "inner/deeper"])
def test_output_and_input_are_apart(tmp_path: Path, where: str) -> None:
    source = tmp_path / "source"
    (source / "inner").mkdir(parents=True)
    link = tmp_path / "link"
    link.symlink_to(source)
    for out in (source / where, link / where):
        with pytest.raises(FolderError, match=r"also an input|lies inside the input"):
            RunFolder(out, "toy", inputs=[source], overwrite=True)
    with pytest.raises(FolderError, match="lies inside it"):
        RunFolder(source, "toy", inputs=[source / "inner"])


def test_killed_before_the_manifest_continues_or_is_replaced(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path / "out", "toy")
    folder.begin(ToyConfig(), inputs={})
    folder.table("table.csv", pd.DataFrame({"value": [0]}))
    folder.__exit__(None, None, None)
    with pytest.raises(FolderError, match="unfinished toy of other settings"):
        write(tmp_path / "out", value=2)
    write(tmp_path / "out")
    folder = RunFolder(tmp_path / "other", "toy")
    folder.begin(ToyConfig(), inputs={})
    folder.file("half.csv").write_text("half")
    folder.__exit__(None, None, None)
    write(tmp_path / "other", value=2, overwrite=True)
    assert not (tmp_path / "other" / "half.csv").exists()


def test_nothing_is_removed_before_the_work_begins(tmp_path: Path) -> None:
    write(tmp_path / "out")
    before = content(tmp_path / "out")
    with (
        pytest.raises(ZeroDivisionError),
        RunFolder(tmp_path / "out", "toy", overwrite=True) as folder,
    ):
        folder.begin({"value": 1 // (1 - 1)}, inputs={})
    assert content(tmp_path / "out") == before


def test_failures_are_written_however_the_command_ends(tmp_path: Path) -> None:
    with pytest.raises(FolderError) as raised, RunFolder(tmp_path / "out", "toy") as folder:
        folder.begin(ToyConfig(), inputs={})
        folder.problems.append(Problem("utterance", "align", Severity.ERROR, "no sound"))
        raise FolderError("only 2 word families")
    assert "utterance,align,error,no sound" in (tmp_path / "out" / "failures.csv").read_text()
    assert "failures.csv" in raised.value.__notes__[0]


@pytest.mark.parametrize("jobs", [1, 2])
def test_chunks_come_in_order_and_survive(tmp_path: Path, jobs: int) -> None:
    def tasks(numbers: range) -> list[tuple[str, int]]:
        return [(str(n), n) for n in numbers]

    folder = RunFolder(tmp_path / "out", "toy", work=Work(jobs=jobs))
    with folder:
        folder.begin(ToyConfig(), inputs={})
        assert dict(folder.chunks("double", tasks(range(3, 5)), double)) == {"3": 6, "4": 8}
    again = RunFolder(tmp_path / "out", "toy", work=Work(jobs=jobs))
    with again:
        again.begin(ToyConfig(), inputs={})
        done = list(again.chunks("double", tasks(range(6)), double))
        assert done == [(str(n), 2 * n) for n in range(6)]
        with again.journal("double") as journal:
            assert list(journal.done) == ["3", "4", "0", "1", "2", "5"]


def test_folders_within_are_replaced_with_their_parent(tmp_path: Path) -> None:
    def parent(**how: object) -> None:
        with RunFolder(tmp_path / "out", "set", **how) as folder:
            folder.begin(ToyConfig(), inputs={})
            with folder.folder("seed-0", "toy") as child:
                if not child.begin(ToyConfig(), inputs={}):
                    child.file("weights").write_text("1")
                    child.finish()
            folder.finish()

    parent()
    parent(overwrite=True)
    (tmp_path / "out" / "seed-0" / "mine.txt").write_text("mine")
    with pytest.raises(FolderError, match=r"seed-0/mine\.txt"):
        parent(overwrite=True)


def test_a_dry_run_writes_nothing(tmp_path: Path) -> None:
    with (
        pytest.raises(DryRun, match="explain: 100 tokens"),
        RunFolder(tmp_path / "out", "toy", dry_run=True) as folder,
    ):
        folder.begin(ToyConfig(), inputs={"corpus": "abc"}, steps=[Step("explain", 100)])
    assert not (tmp_path / "out").exists()


def test_a_finished_folder_of_the_same_request_is_reused(tmp_path: Path) -> None:
    write(tmp_path / "out")
    folder = RunFolder(tmp_path / "out", "toy", reuse=True)
    assert folder.begin(ToyConfig(), inputs={})
    with pytest.raises(FolderError, match="already holds"):
        RunFolder(tmp_path / "out", "toy", reuse=True).begin(ToyConfig(2), inputs={})


@pytest.mark.parametrize("n_removed", range(6))
def test_a_kill_while_the_old_result_is_removed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, n_removed: int
) -> None:
    """The folder is then no finished one, still ours, and the same command replaces it."""
    out, left = tmp_path / "out", n_removed

    def parent(**how: object) -> None:
        with RunFolder(out, "set", **how) as folder:
            folder.begin(ToyConfig(), inputs={})
            with folder.folder("seed-0", "toy") as child:
                if not child.begin(ToyConfig(), inputs={}):
                    child.file("weights").write_text("1")
                    child.finish()
            (folder.tree("many/*.txt") / "one.txt").write_text("1")
            folder.finish()

    class Killed(BaseException):
        pass

    unlink = Path.unlink

    def kill(path: Path, missing_ok: bool = False) -> None:
        nonlocal left
        left -= 1
        if left < 0:
            raise Killed
        unlink(path, missing_ok=missing_ok)

    parent()
    expected = set(content(out))
    with monkeypatch.context() as patch, pytest.raises(Killed):
        patch.setattr(Path, "unlink", kill)
        parent(overwrite=True)
    if n_removed:
        with pytest.raises(FolderError, match="unfinished set of other settings"):
            parent()
    (out / "mine.txt").write_text("mine")
    with pytest.raises(FolderError, match=r"does not list: mine\.txt"):
        parent(overwrite=True)
    (out / "mine.txt").unlink()
    parent(overwrite=True)
    assert set(content(out)) == expected


def test_a_kill_at_the_very_end_leaves_no_working_files(tmp_path: Path) -> None:
    write(tmp_path / "out")
    expected = content(tmp_path / "out")
    (tmp_path / "out" / "state").mkdir()
    (tmp_path / "out" / "request.json").write_text('{"kind": "toy", "request": ""}')
    with pytest.raises(FolderError, match="already holds a toy"):
        write(tmp_path / "out")
    assert content(tmp_path / "out") == expected
    assert not (tmp_path / "out" / "state").exists()


def test_what_the_file_system_refuses_is_one_line(tmp_path: Path) -> None:
    with (
        pytest.raises(FolderError, match="No space left on device; what is finished is kept"),
        RunFolder(tmp_path / "out", "toy") as folder,
    ):
        folder.begin(ToyConfig(), inputs={})
        folder.problems.append(Problem("utterance", "align", Severity.ERROR, "no sound"))
        raise OSError(28, "No space left on device")
    assert (tmp_path / "out" / "failures.csv").exists()


def test_an_output_that_is_gone_stops_the_end(tmp_path: Path) -> None:
    with RunFolder(tmp_path / "out", "toy") as folder:
        folder.begin(ToyConfig(), inputs={})
        folder.file("maybe.csv", optional=True)
        folder.file("table.csv").write_text("1")
        (tmp_path / "out" / "table.csv").unlink()
        with pytest.raises(FolderError, match=r"table\.csv: was written and is gone"):
            folder.finish()
        folder.file("table.csv").write_text("1")
        assert set(folder.finish()["outputs"]) == {"table.csv"}


def test_a_folder_of_other_people_that_is_called_state(tmp_path: Path) -> None:
    write(tmp_path / "out")
    (tmp_path / "out" / "state").mkdir()
    (tmp_path / "out" / "state" / "mine.txt").write_text("mine")
    before = content(tmp_path / "out")
    with pytest.raises(FolderError, match="already holds a toy"):
        write(tmp_path / "out")
    with pytest.raises(FolderError, match=r"does not list: state/mine\.txt"):
        write(tmp_path / "out", overwrite=True)
    assert content(tmp_path / "out") == before


def test_failures_of_an_interrupted_attempt_do_not_stay(tmp_path: Path) -> None:
    with pytest.raises(FolderError), RunFolder(tmp_path / "out", "toy") as folder:
        folder.begin(ToyConfig(), inputs={})
        folder.problems.append(Problem("utterance", "align", Severity.ERROR, "no sound"))
        raise FolderError("stopped")
    manifest = write(tmp_path / "out")
    assert "no sound" not in (tmp_path / "out" / "failures.csv").read_text()
    assert "failures.csv" in manifest["outputs"]


def test_what_is_added_to_a_finished_folder_leaves_its_failures(tmp_path: Path) -> None:
    with RunFolder(tmp_path / "out", "toy") as folder:
        folder.begin(ToyConfig(), inputs={})
        folder.problems.append(Problem("utterance", "align", Severity.ERROR, "no sound"))
        manifest = folder.finish()
    with RunFolder(tmp_path / "out", "toy", reuse=True) as folder:
        folder.has_failures = True
        assert folder.begin(ToyConfig(), inputs={})
        folder.reopen(manifest)
        folder.file("more.txt").write_text("1")
        assert set(folder.finish()["outputs"]) == {"failures.csv", "more.txt"}
    assert "no sound" in (tmp_path / "out" / "failures.csv").read_text()


def test_a_figure_is_listed_before_it_is_drawn(tmp_path: Path) -> None:
    """A command killed after drawing and before its end takes its folder up again."""
    out = tmp_path / "out"
    with pytest.raises(KeyboardInterrupt), RunFolder(out, "toy") as folder:
        folder.begin(ToyConfig(), inputs={})
        path = folder.figure("parts/board")
        assert path == out / "parts" / "board"
        for suffix in ("png", "pdf"):
            path.with_name(f"board.{suffix}").write_text("1")
        raise KeyboardInterrupt
    write(out, overwrite=True)
    assert set(content(out)) == {"manifest.json", "table.csv", "many/one.txt"}


@pytest.mark.parametrize("pattern", ["many/*.txt", "many/*/*.txt", "many/**", "many/**/*.txt"])
def test_whatever_a_kill_left_of_a_tree_is_replaced(tmp_path: Path, pattern: str) -> None:
    """Also a file half written, whose finished one is not there yet."""
    out = tmp_path / "out"
    with RunFolder(out, "toy") as folder:
        folder.begin(ToyConfig(), inputs={})
        within = folder.tree(pattern) / ("a" * ("*/" in pattern))
        within.mkdir(exist_ok=True)
        (within / "b.txt").write_text("1")
        (within / ".c.txt.part").write_text("1")
        folder.finish()
    (within / "ours.md").write_text("1")
    if pattern.endswith(".txt"):
        with pytest.raises(FolderError, match=r"does not list: many/(a/)?ours\.md;"):
            write(out, overwrite=True)
        (within / "ours.md").unlink()
    write(out, overwrite=True)
    assert set(content(out)) == {"manifest.json", "table.csv", "many/one.txt"}
