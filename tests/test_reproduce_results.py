"""The script that makes all results: its commands exist, and what is whole is not made again."""

import re
import runpy
import sys
from itertools import pairwise
from pathlib import Path

import click
import pytest

from stressnet.cli import cli

ROOT = Path(__file__).parents[1]
SCRIPT = runpy.run_path(str(ROOT / "scripts" / "reproduce-results"))
SIZES = pytest.mark.parametrize("small", [True, False])


def steps(small: bool) -> list:
    return list(SCRIPT["steps"](Path("first"), Path("second"), small=small))


@SIZES
def test_every_command_and_option_exists_and_each_output_has_one_step(small: bool) -> None:
    made = [step.made for step in steps(small)]
    assert len(made) == len(set(made))
    for step in steps(small):
        words = SCRIPT["argv"](step)[1:]
        if words[0] != "-m":
            assert Path(words[0]).is_file(), step.command
            continue
        command: click.Command = cli
        words = words[2:]
        while isinstance(command, click.Group) and words[0] in command.commands:
            command = command.commands[words.pop(0)]
        options = {name for p in command.params for name in (*p.opts, *p.secondary_opts)}
        for word in words:
            if re.match(r"--[a-z]", word):
                assert word in options, step.command


def test_every_folder_is_made_before_it_is_read() -> None:
    every = steps(small=False)
    folders, known = {step.made.split("/")[0] for step in every}, set[str]()
    for step in every:
        known.add(step.made.split("/")[0])
        words = step.command.split()
        for before, word in pairwise(words):
            is_value = before.startswith("--") and "/" not in word
            place = word.split("/")[0]
            assert is_value or place not in folders - known, f"{step.command}: no {word} yet"


def test_whole_steps_are_skipped_and_parts_get_their_name_at_the_end(tmp_path, monkeypatch) -> None:
    step = SCRIPT["Step"]("table.csv", "bench made table.csv", "=name.csv")
    for name in ("logs", "docs"):
        (tmp_path / name).mkdir()
    write = "import sys, pathlib; pathlib.Path(sys.argv[1]).write_text('x'); sys.exit({})"
    code, argv = {"value": 1}, SCRIPT["argv"](step)
    assert argv[-1] == "table.csv.part"
    inside = SCRIPT["run"].__globals__
    fake = lambda _: [sys.executable, "-c", write.format(code["value"]), argv[-1]]  # noqa: E731
    monkeypatch.setitem(inside, "argv", fake)
    assert not SCRIPT["run"](tmp_path, step) and not SCRIPT["is_whole"](tmp_path, step)
    code["value"] = 0
    assert SCRIPT["run"](tmp_path, step) and SCRIPT["is_whole"](tmp_path, step)
    SCRIPT["publish"](tmp_path, step)
    assert (tmp_path / "docs" / "name.csv").read_text() == "x"
    assert [line.split(",")[-1] for line in (tmp_path / "times.csv").read_text().split()] == [
        "1",
        "0",
    ]
