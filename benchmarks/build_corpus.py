"""Speed and memory of ``stressnet build-corpus`` on recordings that have TextGrids.

    python benchmarks/build_corpus.py speed RECORDINGS TEXTGRIDS [--utterances 150]
    python benchmarks/build_corpus.py memory RECORDINGS TEXTGRIDS [--utterances 60] [--times 10]

RECORDINGS is laid out like LibriSpeech; TEXTGRIDS is the folder ``textgrids`` of a corpus built
from it (the aligner is measured by ``benchmarks/align.py``; ``--aligned N`` leaves N utterances
without TextGrid, so that it runs here too).

``speed`` builds with one and with two workers and prints audio hours per minute of wall time and of
CPU time (all processes together) for each stage, and beside it the straightforward script: for each
file ``librosa.load``, one short-time Fourier transform, Praat's pitch twice (wide, then in the
speaker's range) and formants through parselmouth, then each token's image, tracks and excerpt. The
script gets the tokens and their times for nothing.

``memory`` builds the same recordings once and ``--times`` times under other speakers' names, and
prints the peak resident memory of the parent process and of its largest worker.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stressnet.runs.work import Progress

if TYPE_CHECKING:
    from tqdm import tqdm

RECIPE = """[corpus]
name = "copies"
title = "Copies of one corpus under other names"
licence = "that of the corpus"
citation = "that of the corpus"

[audio]
pattern = "{copy}/{speaker}/{chapter}/{utterance}.flac"
id = "{copy}-{utterance}"

[speakers]
name = "{copy}-{speaker}"

[[transcript]]
kind = "lines"
pattern = "{folder}/{speaker}-{chapter}.trans.txt"

[[alignment]]
pattern = "{folder}/{utterance}.TextGrid"
"""

GROUPS = {
    "decode": ("scan", "cut"),
    "align": ("align",),
    "track": ("images stressnet", "tracks"),
    "write": ("tables",),
}
"""Stages of the build as the printed table groups them; excerpts are written by `cut`."""

_TICKS = os.sysconf("SC_CLK_TCK")


def linked(
    recordings: Path, textgrids: Path, target: Path, n: int, n_aligned: int, times: int
) -> None:
    """Links to utterances, their transcripts and TextGrids, each as often as asked for."""
    audios = sorted(recordings.glob("*/*/*.flac"))
    chosen = audios[:: max(1, len(audios) // n)][:n]
    for copy in range(times):
        for number, audio in enumerate(chosen):
            folder = target / f"c{copy:02d}" / audio.parent.relative_to(recordings)
            folder.mkdir(parents=True, exist_ok=True)
            (folder / audio.name).symlink_to(audio.resolve())
            for transcript in audio.parent.glob("*.trans.txt"):
                if not (folder / transcript.name).exists():
                    (folder / transcript.name).symlink_to(transcript.resolve())
            if number >= n_aligned:
                grid = textgrids / f"{audio.stem}.TextGrid"
                (folder / grid.name).symlink_to(grid.resolve())


# --- time ------------------------------------------------------------------------------------


def cpu_s() -> float:
    """CPU seconds of this process and of all it started, living or ended."""
    pending, total = [os.getpid()], 0.0
    children: dict[int, list[int]] = {}
    fields_of = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        pid = int(stat.parent.name)
        fields_of[pid] = fields
        children.setdefault(int(fields[1]), []).append(pid)
    while pending:
        pid = pending.pop()
        total += sum(int(f) for f in fields_of[pid][11:15]) / _TICKS
        pending += children.get(pid, [])
    return total


class CpuProgress(Progress):
    """Keeps the CPU time of each stage beside its wall time."""

    def __init__(self) -> None:
        super().__init__(verbose=False)
        self.cpu: dict[str, float] = {}

    @contextmanager
    def stage(self, name: str, total: int | None = None, unit: str = "it") -> Iterator[tqdm]:
        """A stage, see `Progress`."""
        before = cpu_s()
        with super().stage(name, total, unit) as bar:
            yield bar
        self.cpu[name] = self.cpu.get(name, 0.0) + cpu_s() - before


def build(source: Path, recipe: Path, out: Path, jobs: int) -> dict[str, Any]:
    """Seconds of wall and CPU time per group of stages, and of the whole."""
    from stressnet.stages.build_corpus import BuildConfig, build_corpus

    progress = CpuProgress()
    wall, cpu = time.perf_counter(), cpu_s()
    config = BuildConfig(str(recipe), no_splits=True, no_no_longer_words=False)
    summary = build_corpus(source, out, config=config, jobs=jobs, progress=progress)
    result = {
        "hours": summary.manifest["results"]["audio_hours"],
        "n_tokens": summary.manifest["results"]["n_tokens"],
        "wall": {},
        "cpu": {},
    }
    for group, stages in GROUPS.items():
        result["wall"][group] = sum(progress.seconds.get(s, 0.0) for s in stages)
        result["cpu"][group] = sum(progress.cpu.get(s, 0.0) for s in stages)
    result["wall"]["all"] = time.perf_counter() - wall
    result["cpu"]["all"] = cpu_s() - cpu
    return result


def plain_script(source: Path, corpus: Path, out: Path) -> dict[str, Any]:
    """The same measurements, file by file; seconds of wall and CPU time per stage."""
    import librosa
    import numpy as np
    import pandas as pd
    import soundfile

    from stressnet.acoustics.speakers import speaker_settings
    from stressnet.acoustics.spectrogram import get_preset
    from stressnet.acoustics.track_types import Tracks, tracks_frame
    from stressnet.acoustics.tracks import PitchSettings, formant_track, pitch_track

    out.mkdir()
    spent: dict[str, dict[str, float]] = {"wall": {}, "cpu": {}}

    @contextmanager
    def clock(name: str) -> Iterator[None]:
        wall, cpu = time.perf_counter(), time.process_time()
        yield
        for kind, value in (
            ("wall", time.perf_counter() - wall),
            ("cpu", time.process_time() - cpu),
        ):
            spent[kind][name] = spent[kind].get(name, 0.0) + value

    preset = get_preset("stressnet")
    tokens = pd.read_parquet(corpus / "tokens.parquet")
    settings: dict[str, Any] = {}
    librosa.load(source / str(tokens["recording"].iloc[0]), sr=16_000)  # imports, not counted
    with clock("track"):  # first pass: each speaker's range
        for speaker, rows in tokens.groupby("speaker"):
            f0_hz = []
            for recording in rows["recording"].unique():
                with clock_moved(spent, "track", "decode"):
                    samples, _ = librosa.load(source / str(recording), sr=16_000)
                track = pitch_track(samples, 16_000, PitchSettings(floor_hz=75.0))
                f0_hz.append(track.f0_hz[np.isfinite(track.f0_hz)])
            base = speaker_settings([], rows["sex"].iloc[0] or None)
            voiced_hz = np.concatenate(f0_hz)
            pitch = PitchSettings(floor_hz=75.0)
            if len(voiced_hz):
                q25, q75 = np.quantile(voiced_hz, [0.25, 0.75])
                pitch = PitchSettings(
                    floor_hz=max(62.0, 0.75 * q25), ceiling_hz=min(800.0, 1.5 * q75)
                )
            settings[str(speaker)] = (pitch, base.formants)
    images, frames = [], []
    for recording, rows in tokens.groupby("recording"):
        records: list[Any] = rows.to_dict("records")
        with clock("decode"):
            samples, rate_hz = librosa.load(source / str(recording), sr=16_000)
        pitch, formants = settings[rows["speaker"].iloc[0]]
        with clock("track"):
            spectrum = np.abs(
                librosa.stft(
                    samples,
                    n_fft=preset.n_fft,
                    hop_length=preset.hop_samples,
                    win_length=preset.window_samples,
                )
            )
            whole = Tracks(
                formant_track(samples, 16_000, formants), pitch_track(samples, 16_000, pitch)
            )
            for row in records:
                first = round(row["start_s"] * preset.rate_hz / preset.hop_samples)
                part = spectrum[: preset.n_bins, first : first + preset.n_frames]
                image = np.zeros(preset.shape, dtype=np.float32)
                level = np.log1p(part)
                image[:, : part.shape[1]] = (level - level.mean()) / level.std()
                images.append(image)
                start_s = row["excerpt_start_s"]
                part_of = whole.between(start_s, start_s + row["excerpt_duration_s"])
                frames.append(tracks_frame({row["token_id"]: part_of}))
        with clock("write"):
            for row in records:
                a = round(row["excerpt_start_s"] * rate_hz)
                b = a + round(row["excerpt_duration_s"] * rate_hz)
                soundfile.write(out / f"{row['token_id']}.flac", samples[a:b], 16_000)
    with clock("write"):
        np.save(out / "images.npy", np.stack(images))
        pd.concat(frames, ignore_index=True).to_parquet(out / "tracks.parquet")
        tokens.to_parquet(out / "tokens.parquet")
    for kind in spent:
        spent[kind]["all"] = sum(spent[kind].values())
    return spent


@contextmanager
def clock_moved(spent: dict[str, dict[str, float]], outer: str, inner: str) -> Iterator[None]:
    """Count a stretch inside another stage's for `inner`."""
    wall, cpu = time.perf_counter(), time.process_time()
    yield
    for kind, value in (("wall", time.perf_counter() - wall), ("cpu", time.process_time() - cpu)):
        spent[kind][inner] = spent[kind].get(inner, 0.0) + value
        spent[kind][outer] = spent[kind].get(outer, 0.0) - value


def apart(function: Any, *arguments: Any) -> Any:
    """Call a function in a fresh process, so that nothing is warm."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(function, arguments)


def _build_apart(source: Path, recipe: Path, out: Path, jobs: int, result: Path) -> None:
    result.write_text(json.dumps(build(source, recipe, out, jobs)))


def build_apart(source: Path, recipe: Path, out: Path, jobs: int) -> dict[str, Any]:
    """`build` in a fresh process that may have workers of its own."""
    result = out.with_suffix(".json")
    process = multiprocessing.get_context("spawn").Process(
        target=_build_apart, args=(source, recipe, out, jobs, result)
    )
    process.start()
    process.join()
    if process.exitcode:
        raise SystemExit(f"the build ended with {process.exitcode}")
    found: dict[str, Any] = json.loads(result.read_text())
    return found


def speed(options: argparse.Namespace, folder: Path) -> None:
    """Print hours of audio per minute, by stage, for one and two workers and the script."""
    source, recipe = folder / "recordings", folder / "copies.toml"
    recipe.write_text(RECIPE)
    linked(options.recordings, options.textgrids, source, options.utterances, options.aligned, 1)
    one = build_apart(source, recipe, folder / "one", 1)
    two = build_apart(source, recipe, folder / "two", 2)
    script = apart(plain_script, source, folder / "one", folder / "script")
    hours = one["hours"]
    print(f"{hours:.3f} h of audio, {one['n_tokens']} tokens; audio hours per minute of")
    print(f"{'stage':<8}{'wall, 1':>10}{'wall, 2':>10}{'CPU, 1':>10}{'CPU, 2':>10}{'script':>10}")
    for stage in (*GROUPS, "all"):
        cells = [one["wall"], two["wall"], one["cpu"], two["cpu"], script["cpu"]]
        rates = [60 * hours / c[stage] if c.get(stage, 0) > 0.005 else None for c in cells]
        print(f"{stage:<8}" + "".join("         -" if r is None else f"{r:10.2f}" for r in rates))

    def but_alignment(spent: dict[str, float]) -> float:
        return spent["all"] - spent.get("align", 0.0)

    ratio = but_alignment(script["cpu"]) / but_alignment(one["cpu"])
    work = ("decode", "track")
    by_wall = sum(one["wall"][s] for s in work) / (2 * sum(two["wall"][s] for s in work))
    by_cpu = sum(one["cpu"][s] for s in work) / sum(two["cpu"][s] for s in work)
    print(f"CPU time of the script / of the build without alignment: {ratio:.2f}")
    print(
        f"the same for tracks and images alone: {script['cpu']['track'] / one['cpu']['track']:.2f}"
    )
    print(
        f"efficiency of 2 workers (decode and track): {by_wall:.2f} by wall time, {by_cpu:.2f} "
        f"by CPU time; load now {os.getloadavg()[0]:.1f}"
    )


# --- memory ----------------------------------------------------------------------------------


def peaks_mb(command: list[str]) -> tuple[float, float, float]:
    """Peak memory of a command's process and of its largest worker in MB, and seconds."""
    started = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, start_new_session=True)
    peaks: dict[int, int] = {}
    while process.poll() is None:
        for status in Path("/proc").glob("[0-9]*/status"):
            try:
                fields = dict(
                    line.split(":", 1) for line in status.read_text().splitlines() if ":" in line
                )
                pid = int(status.parent.name)
                if os.getpgid(pid) == process.pid and "VmHWM" in fields:
                    peaks[pid] = max(peaks.get(pid, 0), int(fields["VmHWM"].split()[0]))
            except (OSError, ValueError):
                continue
        time.sleep(0.5)
    if process.returncode:
        raise SystemExit(f"{' '.join(command)} ended with {process.returncode}")
    workers = [kb for pid, kb in peaks.items() if pid != process.pid]
    return peaks[process.pid] / 1024, max(workers, default=0) / 1024, time.perf_counter() - started


def memory(options: argparse.Namespace, folder: Path) -> None:
    """Print peak memory for the recordings once and several times."""
    recipe = folder / "copies.toml"
    recipe.write_text(RECIPE)
    print(f"{'times':>5}{'utterances':>12}{'tokens':>8}{'parent MB':>11}{'worker MB':>11}{'s':>7}")
    for times in (1, options.times):
        source, out = folder / f"recordings{times}", folder / f"corpus{times}"
        linked(
            options.recordings,
            options.textgrids,
            source,
            options.utterances,
            options.aligned,
            times,
        )
        command = [sys.executable, "-m", "stressnet", "build-corpus", str(source), str(out), "-q"]
        command += ["--recipe", str(recipe), "--no-splits", "-j", str(options.jobs)]
        parent, worker, seconds = peaks_mb(command)
        results = json.loads((out / "manifest.json").read_text())["results"]
        n_utterances, n_tokens = results["n_recordings_found"], results["n_tokens"]
        print(
            f"{times:>5}{n_utterances:>12}{n_tokens:>8}{parent:>11.0f}{worker:>11.0f}"
            f"{seconds:>7.0f}",
            flush=True,
        )


def main() -> None:
    """Run what was asked for in a folder that is removed afterwards."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=["speed", "memory"])
    parser.add_argument("recordings", type=Path)
    parser.add_argument("textgrids", type=Path)
    parser.add_argument("--utterances", type=int, default=100)
    parser.add_argument("--aligned", type=int, default=0)
    parser.add_argument("--times", type=int, default=10)
    parser.add_argument("--jobs", type=int, default=2)
    options = parser.parse_args()
    for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ[variable] = "1"
    with tempfile.TemporaryDirectory() as name:
        {"speed": speed, "memory": memory}[options.what](options, Path(name))


if __name__ == "__main__":
    main()
