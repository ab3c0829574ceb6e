"""What half a second of noise between two words costs, with a mark in the transcript and without.

    uv run python benchmarks/noises.py TEXTGRIDS OTHERS [--clips 39]

TEXTGRIDS holds audio with a TextGrid of the same name each, OTHERS recordings of other people. Into
each clip a cough, laughter or somebody else's voice is put before one of the middle words, as loud
as the clip and with 20 ms of silence on both sides. Printed are mean and median absolute errors at
the end of the word before and the start of the word after, in milliseconds, and the mean at their
far edges; then the same without noise, to see what a mark costs at which nothing sounds.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import soundfile
from scipy.signal import butter, sosfilt

from stressnet.alignment.aligner import AlignmentFailure, Utterance
from stressnet.alignment.kaldi_gmm import KaldiGmmAligner
from stressnet.alignment.textgrid import read_textgrid
from stressnet.audio import WORKING_RATE_HZ as RATE_HZ
from stressnet.audio import read_audio
from stressnet.corpus.written import split_words
from stressnet.lexicon.dictionary import load_dictionary

N = RATE_HZ // 2
GAP = RATE_HZ // 50
ADDED_S = (N + 2 * GAP) / RATE_HZ
TIME_S = np.arange(N) / RATE_HZ


def band(low_hz: float, high_hz: float, samples: np.ndarray) -> np.ndarray:
    sections = butter(2, [low_hz, high_hz], "bandpass", fs=RATE_HZ, output="sos")
    return np.asarray(sosfilt(sections, samples))


def cough(rng: np.random.Generator) -> np.ndarray:
    """Two bursts of noise that die away."""
    return band(300, 4000, rng.normal(size=N)) * np.exp(-(TIME_S % 0.25) / 0.06)


def laughter(rng: np.random.Generator) -> np.ndarray:
    """A falling voice, five times a second, with breath between."""
    phase = 2 * np.pi * np.cumsum(280 * np.exp(-0.6 * TIME_S)) / RATE_HZ
    voice = sum(np.sin(k * phase) / k**1.2 for k in range(1, 15))
    loud = np.maximum(0, np.sin(2 * np.pi * 5 * TIME_S)) ** 0.7
    return band(500, 3500, voice * loud + 0.4 * (1 - loud) * rng.normal(size=N))


def voices(folder: Path) -> Callable[[np.random.Generator], np.ndarray]:
    """Half seconds of other people's speech."""
    files = sorted(folder.rglob("*.flac")) + sorted(folder.rglob("*.wav"))

    def voice(rng: np.random.Generator) -> np.ndarray:
        while True:
            samples = read_audio(files[rng.integers(len(files))], minimum_rate_hz=0).samples
            start = rng.integers(max(1, len(samples) - N))
            piece = samples[start : start + N]
            if len(piece) == N and np.sqrt(np.mean(piece**2)) > 0.03:
                return piece

    return voice


def rms(samples: np.ndarray) -> float:
    return float(np.sqrt(np.mean(np.square(samples))))


def clips(arguments: argparse.Namespace, folder: Path) -> pd.DataFrame:
    """Sounds with and without noise in a folder, and for each clip its words and their times."""
    rng = np.random.default_rng(0)
    kinds = {"voice": voices(arguments.others), "laughter": laughter, "cough": cough}
    rows = []
    for grid in sorted(arguments.textgrids.glob("*.TextGrid"))[: arguments.clips]:
        words = [word for word in read_textgrid(grid).spoken_words() if split_words(word.label)]
        if any(len(split_words(word.label)) > 1 for word in words):
            continue
        kind = list(kinds)[len(rows) % len(kinds)]
        place = int(rng.integers(len(words) // 4, 3 * len(words) // 4))
        audio = next(p for p in grid.parent.glob(f"{grid.stem}.*") if p.suffix in (".flac", ".wav"))
        samples = read_audio(audio, minimum_rate_hz=0).samples
        noise = kinds[kind](rng)
        ramp = np.minimum(1, np.minimum(np.arange(N), np.arange(N)[::-1]) / 240)
        noise = noise / rms(noise) * rms(samples) * ramp
        at = round(words[place].start_s * RATE_HZ)
        parts = (samples[:at], np.zeros(GAP), noise, np.zeros(GAP), samples[at:])
        for name, sound in (("clean", samples), ("noisy", np.concatenate(parts))):
            soundfile.write(folder / f"{grid.stem}-{name}.flac", np.clip(sound, -1, 1), RATE_HZ)
        texts = [" ".join(split_words(word.label)) for word in words]
        times = [(word.start_s, word.end_s) for word in words]
        rows.append({"id": grid.stem, "kind": kind, "place": place, "words": texts, "times": times})
    return pd.DataFrame(rows)


def errors(table: pd.DataFrame, folder: Path, sound: str, marked: bool) -> pd.DataFrame:
    """Absolute errors in milliseconds around the place of the noise, a row per clip."""
    utterances = [
        Utterance(row.id, "one", folder / f"{row.id}-{sound}.flac", tuple(row.words))
        for row in table.itertuples()
    ]
    if marked:
        places = table["place"]
        utterances = [replace(u, noises=(p,)) for u, p in zip(utterances, places, strict=True)]
    rows = []
    aligned = KaldiGmmAligner().align(utterances, load_dictionary().pronounce, jobs=2)
    for (_, found), row in zip(aligned, table.itertuples(), strict=True):
        if isinstance(found, AlignmentFailure):
            continue
        before, after = found.spoken_words()[row.place - 1 : row.place + 1]
        added_s = ADDED_S if sound == "noisy" else 0.0
        (start_s, end_s), (next_s, last_s) = row.times[row.place - 1 : row.place + 1]
        rows.append(
            {
                "kind": row.kind,
                "before": 1000 * abs(before.end_s - end_s),
                "after": 1000 * abs(after.start_s - next_s - added_s),
                "far": 500 * (abs(before.start_s - start_s) + abs(after.end_s - last_s - added_s)),
            }
        )
    return pd.DataFrame(rows)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("textgrids", type=Path)
    parser.add_argument("others", type=Path)
    parser.add_argument("--clips", type=int, default=39)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        table = clips(arguments, Path(name))
        for sound, marked in (("noisy", False), ("noisy", True), ("clean", False), ("clean", True)):
            frame = errors(table, Path(name), sound, marked)
            print(
                f"{sound}, {'with' if marked else 'without'} mark, {len(frame)} clips", flush=True
            )
            means = frame.groupby("kind").mean()
            means.loc["all"] = frame.drop(columns="kind").mean()
            means.loc["all, median"] = frame.drop(columns="kind").median()
            print(means.round().astype(int).to_string(), flush=True)


if __name__ == "__main__":
    main()
