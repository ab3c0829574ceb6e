"""Boundary errors of the embedded aligners on the same utterances.

    uv run python benchmarks/align.py textgrids FOLDER     # audio, .txt and .TextGrid side by side
    uv run python benchmarks/align.py espeak [--size tiny] # speaks the demo corpus, times known
    uv run python benchmarks/align.py espeak --language es --size 6x12 --only "flat start"

Every candidate learns from the audio it then aligns. Printed are median, mean and 90th percentile
of the absolute difference to the reference (word starts and ends; starts and ends of phones where
the segments agree), the mean after taking out the median difference (``mean*``: a reference may be
late or early as a whole), failures, and time relative to the duration of the audio.

The last columns need no reference: at boundaries between vowels and sibilants, the median and the
mean absolute distance to the steepest change of the balance between the bands above 3.5 kHz and
below 1.2 kHz (positive: the boundary is late). The reference itself is measured likewise. (The
aligner's own landmark step looks for another quantity, but on the same edges: compare that row with
the reference columns too.)
"""

from __future__ import annotations

import argparse
import re
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import soundfile
from scipy.signal import butter, sosfiltfilt

from stressnet.alignment.accuracy import signed_boundary_errors, summarise
from stressnet.alignment.aligner import Aligner, AlignmentFailure, Utterance
from stressnet.alignment.first_pass import PocketsphinxAligner
from stressnet.alignment.kaldi_gmm import KaldiGmmAligner
from stressnet.alignment.textgrid import read_textgrid
from stressnet.audio import WORKING_RATE_HZ as RATE_HZ
from stressnet.audio import read_audio
from stressnet.intervals import Alignment, Interval
from stressnet.languages.phones import is_vowel
from stressnet.lexicon.dictionary import load_dictionary

SIBILANTS = frozenset({"S", "SH", "s", "ʃ"})


CANDIDATES: dict[str, Callable[[], Aligner]] = {
    "pocketsphinx": PocketsphinxAligner,
    "flat start": lambda: KaldiGmmAligner(english=False),
    "gmm from pocketsphinx": lambda: KaldiGmmAligner(landmarks=False, average=False, network=False),
    "both averaged": lambda: KaldiGmmAligner(landmarks=False, network=False),
    "averaged + landmarks": lambda: KaldiGmmAligner(network=False),
    "all three averaged": lambda: KaldiGmmAligner(landmarks=False),
    "default": KaldiGmmAligner,
}


def textgrid_set(folder: Path) -> tuple[list[Utterance], dict[str, Alignment]]:
    """Utterances and references of a folder; unknown words are filled in from the transcript."""
    utterances, references = [], {}
    skipped = 0
    for path in sorted(folder.glob("*.TextGrid")):
        reference = read_textgrid(path)
        spoken = reference.spoken_words()
        labels = [word.label for word in spoken]
        if "<unk>" in labels:
            text = path.with_suffix(".txt").read_text(encoding="utf-8").lower()
            tokens = re.findall(r"[a-z][a-z']*", text)
            if len(tokens) != len(labels):
                skipped += 1
                continue
            labels = tokens
        words = (Interval(w.start_s, w.end_s, n) for w, n in zip(spoken, labels, strict=True))
        references[path.stem] = replace(reference, words=tuple(words))
        audio = next(p for p in path.parent.glob(f"{path.stem}.*") if p.suffix in (".flac", ".wav"))
        utterances.append(
            Utterance(path.stem, folder.name, audio, tuple(label.upper() for label in labels))
        )
    if skipped:
        print(f"left out, unknown words and no matching transcript: {skipped}")
    return utterances, references


def espeak_set(
    folder: Path, size: str, language: str
) -> tuple[list[Utterance], dict[str, Alignment]]:
    """The demo corpus, spoken anew, and its own times; ``6x12``: 6 voices, 12 sentences."""
    from stressnet.demo.corpus import SIZES, speak_corpus, truth_alignment

    if "x" in size:
        voices, each = map(int, size.split("x"))
        SIZES[size] = voices, each
    made = speak_corpus(folder / "audio", size=size, language=language)
    utterances, references = [], {}
    for transcript in sorted(made.audio.rglob("*.trans.txt")):
        for line in transcript.read_text(encoding="utf-8").splitlines():
            name, *words = line.split()
            audio = transcript.parent / f"{name}.flac"
            utterances.append(Utterance(name, name.split("-")[0], audio, tuple(words)))
            references[name] = truth_alignment(made.truth, name)
    return utterances, references


def sibilant_edges(alignment: Alignment, balance_db: np.ndarray) -> list[float]:
    """Boundary minus steepest change within 40 ms, in ms, between vowels and sibilants."""
    slope = np.gradient(balance_db)
    found = []
    for left, right in zip(alignment.phones, alignment.phones[1:], strict=False):
        kinds = left.label.rstrip("012"), right.label.rstrip("012")
        if abs(left.end_s - right.start_s) > 0.002:
            continue
        if is_vowel(kinds[0]) and kinds[1] in SIBILANTS:
            sign = 1.0
        elif kinds[0] in SIBILANTS and is_vowel(kinds[1]):
            sign = -1.0
        else:
            continue
        at_ms = round(1000 * right.start_s)
        if 40 <= at_ms < len(slope) - 41:
            around = sign * slope[at_ms - 40 : at_ms + 41]
            found.append(1000 * right.start_s - (at_ms - 40 + int(np.argmax(around))))
    return found


def band_balance_db(path: Path) -> np.ndarray:
    """Level above 3.5 kHz minus level below 1.2 kHz, every millisecond."""
    samples = read_audio(path, minimum_rate_hz=0).samples
    levels = []
    window = np.hanning(162)[1:-1] / np.hanning(162).sum()
    for band in ((3500, 7500), (80, 1200)):
        sections = butter(4, band, "bandpass", fs=RATE_HZ, output="sos")
        power = np.convolve(sosfiltfilt(sections, samples) ** 2, window, "same")[:: RATE_HZ // 1000]
        levels.append(10 * np.log10(power + 1e-9))
    return np.asarray(levels[0] - levels[1])


def row(
    name: str,
    alignments: Mapping[str, Alignment],
    references: Mapping[str, Alignment],
    balances: Mapping[str, np.ndarray],
    tail: str,
) -> str:
    """One line of the table."""
    cells = []
    for level in ("word", "phone"):
        errors = np.concatenate(
            [signed_boundary_errors(references[u], a, level) for u, a in alignments.items()]
        ).ravel()
        summary, bias = summarise(errors), float(np.median(errors))
        centred = summarise(errors - bias)
        cells.append(
            f"{summary.n:6d} {summary.median_ms:6.1f} {summary.mean_ms:6.1f} {summary.p90_ms:6.1f} "
            f"{100 * summary.within_20_ms:5.1f} {bias:+6.1f} {centred.mean_ms:6.1f}"
        )
    edges = np.array([e for u, a in alignments.items() for e in sibilant_edges(a, balances[u])])
    cells.append(f"{np.median(edges):+6.1f} {np.abs(edges).mean():6.1f}")
    return f"{name:22s} | {' | '.join(cells)} | {tail}"


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("kind", choices=["textgrids", "espeak"])
    parser.add_argument("folder", type=Path, nargs="?")
    parser.add_argument("--size", default="tiny", help="tiny, full, or VOICESxSENTENCES")
    parser.add_argument("--language", default="en", help="what espeak speaks")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--every", type=int, default=1, help="take every n-th utterance only")
    parser.add_argument("--only", nargs="*", choices=list(CANDIDATES), default=list(CANDIDATES))
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        if arguments.kind == "espeak":
            utterances, references = espeak_set(Path(scratch), arguments.size, arguments.language)
        elif arguments.folder is None:
            parser.error("textgrids needs a folder")
        else:
            utterances, references = textgrid_set(arguments.folder)
        utterances = utterances[:: arguments.every]
        references = {u.utterance_id: references[u.utterance_id] for u in utterances}
        total_s = sum(soundfile.info(u.audio_path).duration for u in utterances)
        balances = {u.utterance_id: band_balance_db(u.audio_path) for u in utterances}
        print(f"{len(utterances)} utterances, {total_s / 60:.1f} min, {arguments.jobs} jobs\n")
        columns = "     n median   mean    p90  ≤20%   bias  mean*"
        print(f"{'':22s} | {columns} | {columns} | sibilant edge | failed, x real time")
        print(row("reference", references, references, balances, ""))
        pronounce = load_dictionary(None, arguments.language).pronounce
        for name in arguments.only:
            started = time.perf_counter()
            results = dict(CANDIDATES[name]().align(utterances, pronounce, jobs=arguments.jobs))
            took_s = time.perf_counter() - started
            good = {u: a for u, a in results.items() if not isinstance(a, AlignmentFailure)}
            tail = f"{len(results) - len(good)} failed, {took_s / total_s:.3f}"
            print(row(name, good, references, balances, tail), flush=True)


if __name__ == "__main__":
    main()
