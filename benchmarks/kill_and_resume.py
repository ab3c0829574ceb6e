"""Kill ``stressnet build-corpus`` at random moments, resume it, compare with one clean run.

    python benchmarks/kill_and_resume.py RECORDINGS [--textgrids FOLDER] [--kills 20] [--jobs 2]

RECORDINGS is laid out like LibriSpeech. The first ``--given`` utterances get their TextGrid from
FOLDER (``textgrids/`` of a corpus built before), the next ``--aligned`` ones are aligned in the
build. Moments are drawn in turn from every stage: the process gets SIGKILL a random time after the
stage's first file appears. Each killed build is resumed with the same command and must have the
bytes of a run that was left alone, but for the manifest's times. After each kill no worker process
may be left. Exit code 1 if anything differs.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

UNSTABLE = {"created", "seconds", "command"}

MARKS = {
    "start": "",
    "align": "state/alignments.jsonl",
    "cut": "state/tokens.jsonl",
    "images": "spectrograms/stressnet/journal.jsonl",
    "tracks": "state/tracks/journal.jsonl",
    "tables": "tracks.parquet",
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


def started(command: Sequence[str]) -> subprocess.Popen[bytes]:
    """The build, in a process group of its own, so that its workers can be found."""
    return subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, start_new_session=True
    )


def finished(command: Sequence[str]) -> float:
    """Run a build to its end; seconds."""
    before = time.perf_counter()
    process = started(command)
    _, told = process.communicate()
    if process.returncode:
        raise SystemExit(f"{' '.join(command)}\n{told.decode()}")
    return time.perf_counter() - before


def first_seen(command: Sequence[str], out: Path) -> tuple[dict[str, float], float]:
    """Run a build to its end and note when each stage began; seconds from the start."""
    before = time.perf_counter()
    process = started(command)
    seen = {"start": 0.0}
    while process.poll() is None:
        for stage, mark in MARKS.items():
            if stage not in seen and (out / mark).exists():
                seen[stage] = time.perf_counter() - before
        time.sleep(0.01)
    whole_s = time.perf_counter() - before
    assert process.stderr is not None
    if process.returncode:
        raise SystemExit(process.stderr.read().decode())
    return seen, whole_s


def kill_in(stage: str, after_s: float, command: Sequence[str], out: Path) -> tuple[bool, int]:
    """Kill a build some seconds into a stage.

    Returns whether it was still running, and how many of its workers outlived it by two seconds.
    """
    process = started(command)
    while stage != "start" and process.poll() is None and not (out / MARKS[stage]).exists():
        time.sleep(0.002)
    time.sleep(after_s)
    was_running = process.poll() is None
    process.send_signal(signal.SIGKILL)
    process.wait()
    for _ in range(20):
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
    parser.add_argument("--given", type=int, default=40)
    parser.add_argument("--aligned", type=int, default=10)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--aligner", default="auto")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    rng = random.Random(options.seed)
    with tempfile.TemporaryDirectory() as name:
        source, clean, out = (Path(name) / n for n in ("recordings", "clean", "killed"))
        chosen_recordings(
            options.recordings, options.textgrids, options.given, options.aligned, source
        )
        command = [sys.executable, "-m", "stressnet", "build-corpus", str(source), "OUT", "-q"]
        command += ["--recipe", "librispeech", "-j", str(options.jobs), "--no-splits"]
        command += ["--aligner", options.aligner]

        def into(folder: Path) -> list[str]:
            return [str(folder) if part == "OUT" else part for part in command]

        seen, whole_s = first_seen(into(clean), clean)
        print(f"clean run: {whole_s:.1f} s; " + ", ".join(f"{k} {v:.1f}" for k, v in seen.items()))
        expected = content(clean)
        begins = sorted(seen.items(), key=lambda item: item[1])
        ends = [*(begin for _, begin in begins[1:]), whole_s]
        lasts = {stage: end - begin for (stage, begin), end in zip(begins, ends, strict=True)}
        n_same = n_running = n_orphans = 0
        for number in range(options.kills):
            stage = list(lasts)[number % len(lasts)]
            after_s = rng.uniform(0, lasts[stage])
            was_running, n_left = kill_in(stage, after_s, into(out), out)
            resumed_s = finished(into(out))
            found = content(out)
            differing = sorted(k for k in expected | found if expected.get(k) != found.get(k))
            n_same += not differing
            n_running += was_running
            n_orphans += n_left
            print(
                f"{number + 1:3d}  {stage:<7} +{after_s:6.2f} s  "
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
