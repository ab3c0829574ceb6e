"""Break stressnet's commands in every way that happens, and see that no result is lost.

    python benchmarks/faults.py [kills] [faults] [--kills 20] [--only NAME ...] [--seed 0]

Speaks a tiny corpus (or takes ``--recordings``), runs ten commands on it undisturbed, and then:

``kills``
    Ends each command with SIGKILL, every second time at a moment drawn at random, else before one
    of its changes to the file system (making, opening for writing, renaming, removing), drawn at
    random with the first and last more often, since folders are claimed and finished there. Every
    third kill is of a run with ``--overwrite`` over a finished folder. The same command must then
    finish, and give the bytes of the undisturbed run.
``faults``
    Does to each command what else happens: SIGTERM, Ctrl-C, a full disk (a small tmpfs if this may
    be mounted), files that may not grow, a read-only output, closed and full standard output, no
    home, a home that cannot be written, ``LC_ALL=C``, a limit of memory, a killed worker, a second
    command on the same folder. Each must end well, or with a line that is no traceback; the same
    command must then give the same bytes.

Not compared are times: in manifests, histories and pages. Exit code 1 if anything was lost.
Commands run in forks of this process, which has everything imported. Needs Linux.
"""

from __future__ import annotations

import argparse
import ctypes
import hashlib
import json
import os
import random
import resource
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from same_outputs import MEASURED_TIMES
from same_outputs import content as bytes_without_times

from stressnet.demo import corpus as demo

COMMANDS = """
build-corpus      build-corpus {recordings} {out} {options} --valid-share 0.3 --test-share 0.3
                  -j 1
measure           measure {base}/build-corpus {out} -j 1
train             train {base}/build-corpus {out} --max-epochs 2
evaluate          evaluate {base}/build-corpus {base}/train {out} --resamples 100
explain           explain {base}/build-corpus {base}/train {out} --null exchange --max-tokens 12
                  -j 1
stats             stats {base}/explain {out}
assess            assess {base}/build-corpus {base}/train {out} --composite epsilon-gamma
                  --baseline fill --max-tokens 2
manipulate        manipulate {base}/build-corpus {out} --measured {base}/measure
                  --model {base}/train --all --steps 3 --max-tokens 2 -j 1
validate-methods  validate-methods {out} --small --set f1 --words 60 --scored 6 --epochs 2 -j 1
report            report {base}/explain {out} --explorer-tokens 3 -j 1
"""

CHANGES = ("os.mkdir", "os.rename", "os.remove", "os.rmdir", "os.link", "os.symlink")
DONE = (0, 3)
"""Exit codes of a finished command: all good, or some items failed."""
NOT_COMPARED = ("created", "seconds", "command")


@dataclass(frozen=True)
class Command:
    """A command whose output can be compared.

    Parameters
    ----------
    name : str
    arguments : tuple of str
    out : Path
        Its output folder.
    finished : Path
        The folder of a run that was left alone.
    expected : dict
        Content of such a folder.
    largest : int
        Size in bytes of the largest file.
    size : int
        Size in bytes of all files.
    seconds : float
        How long that took.
    n_changes : int
        How often it changed its folder.
    """

    name: str
    arguments: tuple[str, ...]
    out: Path
    finished: Path
    expected: dict[str, str]
    largest: int
    size: int
    seconds: float
    n_changes: int


def content(folder: Path) -> dict[str, str]:
    """Hash of every file, without times."""
    hashes = {}
    for path in sorted(p for p in folder.rglob("*") if p.is_file()):
        data = bytes_without_times(path)
        if path.name == "manifest.json":
            manifest = {k: v for k, v in json.loads(data).items() if k not in NOT_COMPARED}
            for name in manifest["outputs"]:
                if Path(name).name in MEASURED_TIMES or name.endswith((".html", ".md")):
                    manifest["outputs"][name] = "holds times"
            data = json.dumps(manifest, sort_keys=True).encode()
        hashes[path.relative_to(folder).as_posix()] = hashlib.sha256(data).hexdigest()
    return hashes


def started(arguments: tuple[str, ...], log: Path, prepare: Callable[[], object]) -> int:
    """A command in a copy of this process, which leads a process group; its process id."""
    from stressnet.cli import main

    # A fork is safe without other threads, which could hold a lock for ever in the copy.
    assert threading.active_count() == 1
    sys.stdout.flush()
    process = os.fork()
    if process:
        return process
    code = 70
    try:
        os.setpgrp()
        signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's "&" ignores it
        file = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.dup2(file, 1)
        os.dup2(file, 2)
        prepare()
        main([*arguments, "-q"])
        code = 0
        sys.stdout.flush()
    except SystemExit as end:
        code = int(end.code or 0)
    except BaseException:  # noqa: BLE001
        traceback.print_exc()
    finally:
        os._exit(code)


def ended(process: int) -> int:
    """Exit code of a process when it has ended, or the negative number of its signal."""
    return os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])


def run(arguments: tuple[str, ...], log: Path, prepare: Callable[[], object] = lambda: None) -> int:
    """Run a command to its end; the exit code."""
    return ended(started(arguments, log, prepare))


def at_changes(out: Path, act: Callable[[int], object]) -> None:
    """Call ``act`` with a number before each change that this process makes in a folder."""
    n_changes = 0

    def hook(event: str, values: tuple[object, ...]) -> None:
        nonlocal n_changes
        if event == "open":
            flags = values[2] if isinstance(values[2], int) else 0
            if not flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT):
                return
        elif event not in CHANGES:
            return
        if str(values[0]).startswith(str(out)):
            n_changes += 1
            act(n_changes)

    sys.addaudithook(hook)


def kill_at(number: int, out: Path) -> None:
    """SIGKILL this process before its change of that number."""
    at_changes(out, lambda n: n == number and os.kill(os.getpid(), signal.SIGKILL))


def count_changes(file: Path, out: Path) -> None:
    """Keep the number of changes so far in a file."""
    at_changes(out, lambda n: file.write_text(str(n)))


def prepare_commands(
    work: Path, recordings: Path, options: str, only: list[str] | None
) -> Iterator[Command]:
    """Run the commands undisturbed, twice: as inputs of others, and for their content."""
    lines = COMMANDS.replace("\n ", " ").strip().splitlines()
    texts = dict(line.split(maxsplit=1) for line in lines)
    needed = set(only or texts)
    for name in reversed(texts):
        if name in needed:
            needed |= {other for other in texts if f"{{base}}/{other}" in texts[name].split()}
    base, out, log = work / "base", work / "out", work / "log.txt"
    for name, text in texts.items():
        if name not in needed:
            continue
        arguments = {}
        for folder in (base / name, out):
            words = {"recordings": recordings, "base": base, "out": folder, "options": options}
            arguments[folder] = tuple(shlex.split(text.format_map(words)))
        code = run(arguments[base / name], log)
        if code not in DONE:
            sys.exit(f"{name} ended with {code}: {log.read_text()}")
        if only and name not in only:
            continue
        began = time.perf_counter()
        run(arguments[out], log, partial(count_changes, work / "n_changes.txt", out))
        seconds = time.perf_counter() - began
        n_changes = int((work / "n_changes.txt").read_text())
        sizes = [path.stat().st_size for path in out.rglob("*") if path.is_file()]
        yield Command(
            name,
            arguments[out],
            out,
            base / name,
            content(out),
            max(sizes),
            sum(sizes),
            seconds,
            n_changes,
        )
        shutil.rmtree(out, ignore_errors=True)


def differing(command: Command) -> list[str]:
    """Names of files that are not as after an undisturbed run."""
    now, expected = content(command.out), command.expected
    return sorted(name for name in now | expected if now.get(name) != expected.get(name))


def resumed(command: Command, arguments: tuple[str, ...], log: Path) -> tuple[bool, str]:
    """Repeat a command: whether it finished, and what differs from an undisturbed run.

    A folder that was finished before the kill is refused, which is as good.
    """
    code = run(arguments, log)
    text = log.read_text(errors="replace")
    finished = code in DONE or (code == 1 and "already holds" in text and "other" not in text)
    if not finished:
        return False, text.strip().splitlines()[-1] if text.strip() else f"exit code {code}"
    return True, ", ".join(differing(command)[:3])


def kills(command: Command, n_kills: int, rng: random.Random, log: Path) -> Counter[str]:
    """Kill a command at random moments and resume it."""
    counts: Counter[str] = Counter(kills=n_kills)
    last = command.n_changes
    for number in range(n_kills):
        shutil.rmtree(command.out, ignore_errors=True)
        arguments, jobs = command.arguments, ("-j", "2")
        if number % 3 == 2:
            shutil.copytree(command.finished, command.out)
            arguments += ("--overwrite",)
        at_once = arguments + jobs * (number % 4 == 3 and "-j" in arguments)
        if number % 2:
            after_s = rng.uniform(0, command.seconds)
            process = started(at_once, log, lambda: None)
            time.sleep(after_s)
            os.kill(process, signal.SIGKILL)
            moment = f"after {after_s:.2f} s"
        else:
            near_ends = (rng.randint(1, 8), rng.randint(max(1, last - 8), last))
            change = rng.choice((*near_ends, rng.randint(1, last)))
            process = started(at_once, log, partial(kill_at, change, command.out))
            moment = f"before change {change} of {last}"
        counts["at work"] += ended(process) == -signal.SIGKILL
        orphans = left_behind(process)
        counts["workers left"] += orphans
        finished, wrong = resumed(command, arguments, log)
        counts["resumed"] += finished
        counts["identical"] += finished and not wrong and not orphans
        if wrong or orphans:
            what = "differs" if finished else "not resumed"
            told = " ".join(at_once[-2:])
            print(f"  {command.name} killed {moment}, {told}: {what}: {wrong}", flush=True)
    shutil.rmtree(command.out, ignore_errors=True)
    return counts


def left_behind(group: int) -> int:
    """Processes of a group that live ten seconds after its leader; they are ended."""
    for _ in range(100):
        stats = [stat_of(path) for path in Path("/proc").glob("[0-9]*/stat")]
        n_left = sum(state != "Z" and int(of) == group for state, _, of in stats)
        if not n_left:
            return 0
        time.sleep(0.1)
    os.killpg(group, signal.SIGKILL)
    return n_left


def stat_of(path: Path) -> tuple[str, str, str]:
    """State, parent and group of a process, or of none if it has ended meanwhile."""
    try:
        state, parent, group = path.read_text().rpartition(")")[2].split()[:3]
    except OSError:
        return "Z", "0", "0"
    return state, parent, group


# --- what else happens ------------------------------------------------------------------------


def at_half(command: Command, number: signal.Signals, target: Callable[[], int]) -> None:
    """Send a signal to this process, or with ``os.getpgrp`` its group, when half is done."""
    half = max(1, command.n_changes // 2)
    send = os.killpg if target is os.getpgrp else os.kill
    at_changes(command.out, lambda n: n == half and send(target(), number))


@contextmanager
def terminated(command: Command, log: Path) -> Iterator[int]:
    yield run(command.arguments, log, partial(at_half, command, signal.SIGTERM, os.getpid))


@contextmanager
def interrupted(command: Command, log: Path) -> Iterator[int]:
    yield run(command.arguments, log, partial(at_half, command, signal.SIGINT, os.getpgrp))


@contextmanager
def full_disk(command: Command, log: Path) -> Iterator[int]:
    """The output is a tmpfs of half the size; before the command is repeated it gets room."""
    command.out.mkdir()
    mount = ["mount", "-t", "tmpfs", "tmpfs", str(command.out), "-o"]
    if subprocess.run([*mount, f"size={command.size // 2}"], capture_output=True).returncode:
        yield SKIPPED
        return
    try:
        code = run(command.arguments, log)
        subprocess.run([*mount, "remount,size=1g"], check=True)
        yield code
    finally:
        subprocess.run(["umount", "-l", str(command.out)], check=True)


@contextmanager
def files_may_not_grow(command: Command, log: Path) -> Iterator[int]:
    limit = command.largest // 2
    yield run(
        command.arguments, log, lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
    )


@contextmanager
def read_only_output(command: Command, log: Path) -> Iterator[int]:
    command.out.mkdir(mode=0o555)
    yield run(command.arguments, log, without_rights)
    command.out.chmod(0o755)


def without_rights() -> None:
    """Give up root's right to write what is read-only, also for programs started from here."""
    libc = ctypes.CDLL(None)
    libc.prctl(28, 1, 0, 0, 0)  # PR_SET_SECUREBITS, SECBIT_NOROOT
    libc.capset((ctypes.c_uint32 * 2)(0x20080522, 0), (ctypes.c_uint32 * 6)())


@contextmanager
def closed_output(command: Command, log: Path) -> Iterator[int]:
    def close() -> None:
        read, write = os.pipe()
        os.close(read)
        os.dup2(write, 1)

    yield run(command.arguments, log, close)


@contextmanager
def full_output(command: Command, log: Path) -> Iterator[int]:
    yield run(command.arguments, log, lambda: os.dup2(os.open("/dev/full", os.O_WRONLY), 1))


@contextmanager
def little_memory(command: Command, log: Path) -> Iterator[int]:
    def limit() -> None:
        pages = int(Path("/proc/self/statm").read_text().split()[0])
        bytes_ = pages * resource.getpagesize() + EXTRA_MEMORY
        resource.setrlimit(resource.RLIMIT_AS, (bytes_, bytes_))

    yield run(command.arguments, log, limit)


@contextmanager
def killed_worker(command: Command, log: Path) -> Iterator[int]:
    if "-j" not in command.arguments:
        yield SKIPPED
        return
    process = started((*command.arguments, "-j", "2"), log, lambda: None)
    until = time.monotonic() + 60
    while time.monotonic() < until:
        children = Path(f"/proc/{process}/task/{process}/children")
        workers = [
            int(child)
            for child in (children.read_text().split() if children.exists() else ())
            if b"spawn_main" in Path(f"/proc/{child}/cmdline").read_bytes()
        ]
        if workers or not children.exists():
            break
        time.sleep(0.05)
    if workers:
        time.sleep(0.2)
        os.kill(workers[0], signal.SIGKILL)
    yield ended(process)


@contextmanager
def two_commands(command: Command, log: Path) -> Iterator[int]:
    """The first stands still at half, and goes on when the second has ended."""
    first = started(
        command.arguments,
        log.with_name("first.txt"),
        partial(at_half, command, signal.SIGSTOP, os.getpid),
    )
    os.waitpid(first, os.WUNTRACED)
    code = run(command.arguments, log)
    os.kill(first, signal.SIGCONT)
    first_code = ended(first)
    yield code if first_code in DONE else first_code


def fresh(command: Command, log: Path, **variables: str) -> int:
    """The command in a process of its own with another environment."""
    environment = {k: v for k, v in os.environ.items() if k not in ("HOME", "XDG_CACHE_HOME")}
    with log.open("w") as file:
        return subprocess.run(
            [sys.executable, "-m", "stressnet", *command.arguments, "-q"],
            env=environment | variables,
            stdout=file,
            stderr=file,
            preexec_fn=without_rights,
        ).returncode


@contextmanager
def no_home(command: Command, log: Path) -> Iterator[int]:
    yield fresh(command, log)


@contextmanager
def read_only_home(command: Command, log: Path) -> Iterator[int]:
    home = command.out.with_name("home")
    home.mkdir(mode=0o555, exist_ok=True)
    yield fresh(command, log, HOME=str(home))


@contextmanager
def c_locale(command: Command, log: Path) -> Iterator[int]:
    yield fresh(command, log, LC_ALL="C", PYTHONIOENCODING="ascii", HOME="/root")


SKIPPED = -1000
EXTRA_MEMORY = 40 << 20
"""Bytes that a command may take beyond what is in memory when it begins."""

FAULTS: dict[str, tuple[Callable[..., AbstractContextManager[int]], tuple[int, ...]]] = {
    "SIGTERM": (terminated, (143,)),
    "Ctrl-C": (interrupted, (130,)),
    "full disk": (full_disk, (1,)),
    "files may not grow": (files_may_not_grow, (1,)),
    "read-only output": (read_only_output, (1,)),
    "closed stdout": (closed_output, (1,)),
    "full stdout": (full_output, (1,)),
    # 127: the C library ends a process that has no room for the data of a thread.
    "little memory": (little_memory, (*DONE, 1, 127)),
    "killed worker": (killed_worker, (*DONE, 1)),
    "two commands": (two_commands, (1,)),
    "no HOME": (no_home, DONE),
    "read-only HOME": (read_only_home, DONE),
    "LC_ALL=C": (c_locale, DONE),
}
"""What is done, and the exit codes that are right then."""


def faults(command: Command, names: Sequence[str], log: Path) -> dict[str, str]:
    """Do each fault to a command; what came of it in a word."""
    outcomes = {}
    for name in names:
        shutil.rmtree(command.out, ignore_errors=True)
        fault, allowed = FAULTS[name]
        with fault(command, log) as code:
            text = log.read_text(errors="replace") if log.exists() else ""
            if code == SKIPPED:
                outcomes[name] = "-"
                continue
            silent = code not in DONE and not text.strip() and name != "closed stdout"
            finished, wrong = resumed(command, command.arguments, log)
        if code not in allowed or "Traceback" in text or silent:
            outcomes[name] = f"exit {code}"
            wrong = f"exit code {code}: {text.strip()[-600:]}"
        else:
            outcomes[name] = "same" if finished and not wrong else "LOST"
        if wrong:
            print(f"  {command.name}, {name}: {wrong}", flush=True)
    shutil.rmtree(command.out, ignore_errors=True)
    return outcomes


def warm_up() -> None:
    """Import what commands import, so that a copy of this process is at work at once."""
    import matplotlib
    import pandas
    import parselmouth
    import tqdm

    import stressnet.cli
    from stressnet.runs.stage import Stage, load

    matplotlib.use("agg")
    # Bars would start a thread, and share a lock with all copies: one killed while it holds the
    # lock would stop all later ones.
    tqdm.tqdm.monitor_interval = 0
    tqdm.tqdm.set_lock(threading.RLock())
    for stage in stressnet.cli.COMMANDS:
        if isinstance(stage, Stage):
            assert stage.runner
            assert not stage.text or load(stage.text)
    assert pandas and parselmouth


def main() -> None:
    """Print a table of kills and one of faults; exit with 1 if anything was lost."""
    names = [line.split()[0] for line in COMMANDS.splitlines() if line[:1].strip()]
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", nargs="*", choices=("kills", "faults", []), default=[])
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--only", nargs="+", choices=names, metavar="COMMAND")
    parser.add_argument("--faults", nargs="+", choices=[*FAULTS], default=[*FAULTS])
    parser.add_argument(
        "--spread", action="store_true", help="each fault to one command in turn, not to all"
    )
    parser.add_argument("--recordings", type=Path, help="instead of synthetic speech")
    parser.add_argument("--options", help="of build-corpus for these recordings", default="")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    warm_up()
    table, outcomes = {}, {}
    with tempfile.TemporaryDirectory() as name:
        work = Path(name)
        work.chmod(0o755)
        recordings, build_options = options.recordings, options.options
        if recordings is None:
            recordings, truth = work / "recordings", work / "truth"
            demo.SIZES["least"] = (3, 5)
            demo.speak_corpus(recordings, size="least", truth_out=truth)
            build_options = f"--recipe espeak-demo --labels {truth}/minimal_pairs.tsv"
        log = work / "log.txt"
        n_commands = len(options.only or names)
        commands = prepare_commands(work, recordings, build_options, options.only)
        for number, command in enumerate(commands):
            told = f"{command.name}: {command.seconds:.1f} s, {command.n_changes} changes"
            print(told, flush=True)
            if "faults" not in options.what:
                rng = random.Random(f"{options.seed} {command.name}")
                table[command.name] = kills(command, options.kills, rng, log)
                print(f"  {dict(table[command.name])}", flush=True)
            if "kills" not in options.what:
                chosen = options.faults[number::n_commands] if options.spread else options.faults
                outcomes[command.name] = faults(command, chosen, log)
                print(f"  {outcomes[command.name]}", flush=True)
    print_table(table, ("kills", "at work", "workers left", "resumed", "identical"))
    print_table(outcomes, options.faults)
    whole = all(row["identical"] == row["kills"] for row in table.values())
    well = all(outcome in ("same", "-") for row in outcomes.values() for outcome in row.values())
    sys.exit(0 if whole and well else 1)


def print_table(table: Mapping[str, Mapping[str, object]], columns: Sequence[str]) -> None:
    """A table in Markdown."""
    if table:
        print("\n| command | " + " | ".join(columns) + " |\n|" + "---|" * (len(columns) + 1))
        for name, row in table.items():
            print(
                f"| {name} | " + " | ".join(str(row.get(column, "-")) for column in columns) + " |"
            )


if __name__ == "__main__":
    main()
