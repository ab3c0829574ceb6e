"""Output folders: one command at a time, and no lock outlives its process."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys

import pytest
from command_line import run_cli

from stressnet.errors import CorpusError
from stressnet.runs.folder import RunFolder
from stressnet.runs.held import hold, release

pytest.importorskip("fcntl")

_HOLD = """
import sys
from pathlib import Path
from stressnet.runs.held import hold
hold(Path(sys.argv[1]))
print("held", flush=True)
sys.stdin.read()
"""


def _try(folder):
    """The same in another process that ends at once."""
    code = [sys.executable, "-c", _HOLD, str(folder)]
    return subprocess.run(code, stdin=subprocess.DEVNULL, capture_output=True, text=True)


@pytest.fixture
def other(tmp_path):
    """Another process that holds ``tmp_path``."""
    process = subprocess.Popen(
        [sys.executable, "-c", _HOLD, str(tmp_path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None and process.stdout.readline() == "held\n"
    yield process
    process.kill()
    process.communicate()


def test_second_process_is_refused_and_free_after_a_kill(tmp_path, other):
    with pytest.raises(CorpusError, match="another stressnet command is writing it"):
        hold(tmp_path)
    with pytest.raises(CorpusError, match="another stressnet command is writing it"):
        RunFolder(tmp_path, "run").begin({}, inputs={})
    other.send_signal(signal.SIGKILL)
    other.wait()
    hold(tmp_path)
    release(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_same_process_may_hold_twice_and_after_removal(tmp_path):
    folder = tmp_path / "out"
    folder.mkdir()
    hold(folder)
    hold(folder)
    shutil.rmtree(folder)
    folder.mkdir()
    hold(folder)
    refused = _try(folder)
    assert refused.returncode and "another stressnet command" in refused.stderr
    release(folder)
    release(folder)  # not held: nothing happens
    assert _try(folder).returncode == 0


def test_forked_children_do_not_hold(tmp_path):
    hold(tmp_path)
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        os.read(read, 1)
        os._exit(0)
    release(tmp_path)
    free = _try(tmp_path)
    os.write(write, b"x")
    os.waitpid(child, 0)
    assert free.returncode == 0, free.stderr


def test_a_command_is_refused_in_one_line(tmp_path, other, capsys):
    code, _, printed = run_cli(capsys, "validate-methods", tmp_path, "--small", "-q")
    assert code == 1
    assert "another stressnet command is writing it" in printed and "Traceback" not in printed
