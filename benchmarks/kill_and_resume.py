"""Kill ``stressnet build-corpus`` at random moments, resume it, compare with one clean run.

    python benchmarks/kill_and_resume.py RECORDINGS [--textgrids FOLDER] [--kills 20]

RECORDINGS is laid out like LibriSpeech. The first ``--given`` utterances get their TextGrid from
FOLDER (``textgrids/`` of a corpus built before), the next ``--aligned`` ones are aligned in the
build. Moments are drawn in turn from every stage: the process gets SIGKILL a random time after the
stage's first file appears, every second time (or ``--two-every``) with two workers. Each killed
build is resumed with the same command and must have the bytes of a run that was left alone, but for
the manifest's times. After each kill no worker process may be left. Exit code 1 if anything
differs. Needs fork.
"""

from __future__ import annotations

import argparse
import hashlib
import io
import json
import multiprocessing
import os
import random
import shutil
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from contextlib import redirect_stdout
from pathlib import Path

UNSTABLE = {"created", "seconds", "command"}

MARKS = {
    "start": "",
    "align": "state/alignments.jsonl",
    "cut": "state/tokens.jsonl",
    "images": "spectrograms/stressnet/journal.jsonl",
    "tracks": "state/tracks/journal.jsonl",
    "longer": "state/longer_words.jsonl",
    "tables": "splits.csv",
    "end": "corpus-card.md",
}
"""Stage to the file that says that it has begun."""


def content(folder: Path) -> dict[str, str]:
    """Hash of every file, the manifest without its times."""
    found = {}
    for path in sorted(p for p in folder.rglob("*") if p.is_file()):
        data = path.read_bytes()
        if path.name == "manifest.json":
            manifest = json.loads(data)
            stable = {k: v for k, v in manifest.items() if k not in UNSTABLE}
            data = json.dumps(stable, sort_keys=True).encode()
        found[path.relative_to(folder).as_posix()] = hashlib.sha256(data).hexdigest()
    return found


def chosen_recordings(
    recordings: Path, textgrids: Path | None, n_given: int, n_aligned: int, target: Path
) -> None:
    """Copy some utterances with their transcripts, the first ones with a TextGrid beside them."""
    audios = sorted(recordings.glob("**/*.flac"))[: n_given + n_aligned]
    for copied, audio in enumerate(audios):
        folder = target / audio.parent.relative_to(recordings)
        folder.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(audio, folder / audio.name)
        for transcript in audio.parent.glob("*.trans.txt"):
            shutil.copyfile(transcript, folder / transcript.name)
        if textgrids is not None and copied < n_given:
            grid = textgrids / f"{audio.stem}.TextGrid"
            shutil.copyfile(grid, folder / grid.name)
    speakers = recordings / "speakers.tsv"
    if speakers.is_file():
        shutil.copyfile(speakers, target / speakers.name)


def started(arguments: Sequence[str]) -> multiprocessing.process.BaseProcess:
    """The command in a copy of this process, which has everything imported already.

    It leads a process group of its own, so that its workers can be found.
    """
    # A fork is safe here: `main` sees to it that this process has no other threads, which could
    # hold a lock for ever in the copy, and no lock in common with copies killed before.
    assert threading.active_count() == 1
    process = multiprocessing.get_context("fork").Process(target=_command, args=(arguments,))
    process.start()
    return process


def _command(arguments: Sequence[str]) -> None:
    from stressnet.cli import main

    os.setpgrp()
    with redirect_stdout(io.StringIO()):
        main(arguments)


def finished(arguments: Sequence[str]) -> float:
    """Run a build to its end; seconds."""
    before = time.perf_counter()
    process = started(arguments)
    process.join()
    if process.exitcode:
        raise SystemExit(f"stressnet {' '.join(arguments)} ended with {process.exitcode}")
    return time.perf_counter() - before


def first_seen(arguments: Sequence[str], out: Path) -> tuple[dict[str, float], float]:
    """Run a build to its end and note when each stage began; seconds from the start."""
    before = time.perf_counter()
    process = started(arguments)
    seen = {"start": 0.0}
    while process.is_alive():
        for stage, mark in MARKS.items():
            if stage not in seen and (out / mark).exists():
                seen[stage] = time.perf_counter() - before
        time.sleep(0.02)
    if process.exitcode:
        raise SystemExit(f"stressnet {' '.join(arguments)} ended with {process.exitcode}")
    return seen, time.perf_counter() - before


def kill_in(stage: str, after_s: float, arguments: Sequence[str], out: Path) -> tuple[bool, int]:
    """Kill a build some seconds into a stage.

    Returns whether it was still running, and how many of its workers outlived it by ten seconds.
    """
    process = started(arguments)
    while stage != "start" and process.is_alive() and not (out / MARKS[stage]).exists():
        time.sleep(0.005)
    process.join(after_s)
    was_running = process.is_alive()
    process.kill()
    process.join()
    assert process.pid is not None
    n_left = 0
    for _ in range(100):
        n_left = _n_in_group(process.pid)
        if not n_left:
            return was_running, 0
        time.sleep(0.1)
    os.killpg(process.pid, signal.SIGKILL)
    return was_running, n_left


def _n_in_group(group: int) -> int:
    """Living processes of a group; Linux only, elsewhere none is found."""
    n_found = 0
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        n_found += fields[0] != "Z" and int(fields[2]) == group
    return n_found


def main() -> None:
    """Print one line per kill and the count; exit with 1 if a corpus differs."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("recordings", type=Path)
    parser.add_argument("--textgrids", type=Path)
    parser.add_argument("--given", type=int, default=20)
    parser.add_argument("--aligned", type=int, default=6)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--two-every", type=int, default=2, help="so often with two workers")
    parser.add_argument("--aligner", default="auto")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    rng = random.Random(options.seed)
    with tempfile.TemporaryDirectory() as name:
        source, warm, clean, out = (Path(name) / n for n in ("recordings", "warm", "clean", "out"))
        chosen_recordings(
            options.recordings, options.textgrids, options.given, options.aligned, source
        )

        def into(folder: Path, jobs: int = 1) -> list[str]:
            command = ["build-corpus", str(source), str(folder), "-q", "-j", str(jobs)]
            # A shard of one: no splits, for which there may be too few speakers, but longer words.
            command += ["--recipe", "librispeech", "--shard", "1/1", "--aligner", options.aligner]
            return command

        from tqdm import tqdm

        from stressnet.stages.build_corpus import BuildConfig, build_corpus

        # Bars would start a thread, and share a lock with all copies: one killed while it holds the
        # lock would stop all later ones.
        tqdm.monitor_interval = 0
        tqdm.set_lock(threading.RLock())
        config = BuildConfig("librispeech", no_splits=True, shard="1/1", aligner=options.aligner)
        build_corpus(source, warm, config=config)  # imports and dictionaries, which all kills share
        seen, whole_s = first_seen(into(clean), clean)
        print(f"clean run: {whole_s:.1f} s; " + ", ".join(f"{k} {v:.1f}" for k, v in seen.items()))
        expected = content(clean)
        expected_again = content(warm)
        print(f"a second clean run has the same bytes: {expected_again == expected}", flush=True)
        begins = sorted(seen.items(), key=lambda item: item[1])
        ends = [*(begin for _, begin in begins[1:]), whole_s]
        lasts = {stage: end - begin for (stage, begin), end in zip(begins, ends, strict=True)}
        n_same = n_running = n_orphans = 0
        for number in range(options.kills):
            stage = list(lasts)[number % len(lasts)]
            after_s = rng.uniform(0, lasts[stage])
            jobs = 1 if number % options.two_every else 2
            was_running, n_left = kill_in(stage, after_s, into(out, jobs), out)
            resumed_s = finished(into(out))
            found = content(out)
            differing = sorted(k for k in expected | found if expected.get(k) != found.get(k))
            n_same += not differing
            n_running += was_running
            n_orphans += n_left
            print(
                f"{number + 1:3d}  -j {jobs}  {stage:<7} +{after_s:6.2f} s  "
                f"{'killed' if was_running else 'was done'}  resumed in {resumed_s:5.1f} s  "
                f"{'same bytes' if not differing else 'DIFFERS: ' + ', '.join(differing[:3])}"
                + (f"  {n_left} workers left" if n_left else ""),
                flush=True,
            )
            shutil.rmtree(out)
    print(
        f"{n_same} of {options.kills} resumed builds have the bytes of the clean run; "
        f"{n_running} were killed at work; workers left behind: {n_orphans}"
    )
    sys.exit(0 if n_same == options.kills and not n_orphans else 1)


if __name__ == "__main__":
    main()
