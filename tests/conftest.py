"""Shared fixtures: a small spoken-like corpus whose words and phones are known exactly."""

from __future__ import annotations

import os

# Two workers with as many threads as cores each wait for one another, and the suite takes half as
# long again. To be known before numpy and torch are imported, also in commands that tests start.
if "PYTEST_XDIST_WORKER" in os.environ:
    os.environ.setdefault("OMP_NUM_THREADS", "1")

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
import pytest
import soundfile

from stressnet.alignment.textgrid import write_textgrid
from stressnet.intervals import Alignment, Interval

RATE_HZ = 16_000
PHONE_S = 0.08
SILENCE_S = 0.3

PRONUNCIATIONS: dict[str, str] = {
    "THE": "DH AH0",
    "WATER": "W AO1 T ER0",
    "LETTER": "L EH1 T ER0",
    "MONEY": "M AH1 N IY0",
    "PICTURE": "P IH1 K CH ER0",
    "HOTEL": "HH OW0 T EH1 L",
    "MACHINE": "M AH0 SH IY1 N",
    "DECIDE": "D IH0 S AY1 D",
    "BELIEVE": "B IH0 L IY1 V",
    "RECORD": "R AH0 K AO1 R D",
    "PERMIT": "P ER1 M IH2 T",
    "IMPORTANT": "IH0 M P AO1 R T AH0 N T",
    "MACHINERY": "M AH0 SH IY1 N ER0 IY0",
    "ATTRIBUTE": "AE1 T R AH0 B Y UW2 T",
    "INFORMATION": "IH2 N F ER0 M EY1 SH AH0 N",
    "DETERMINE": "D IH0 T ER1 M AH0 N",
    "ELEPHANT": "EH1 L AH0 F AH0 N T",
    "ANIMAL": "AE1 N AH0 M AH0 L",
    "HOSPITAL": "HH AA1 S P IH2 T AH0 L",
    "BANANA": "B AH0 N AE1 N AH0",
    "TOMATO": "T AH0 M EY1 T OW2",
    "POTATO": "P AH0 T EY1 T OW2",
    "KANGAROO": "K AE2 NG G ER0 UW1",
    "UNDERSTAND": "AH2 N D ER0 S T AE1 N D",
    "DISAPPEAR": "D IH2 S AH0 P IH1 R",
}
SENTENCES: tuple[str, ...] = (
    "THE WATER HOTEL LETTER DECIDE RECORD",
    "THE MONEY MACHINE PICTURE BELIEVE PERMIT",
)


def aligned_sentence(text: str, phone_s: float = PHONE_S) -> tuple[Alignment, float]:
    """Words and phones of a sentence, every phone equally long, and the duration in seconds."""
    words, phones, now_s = [], [], SILENCE_S
    for word in text.split():
        start_s = now_s
        for phone in PRONUNCIATIONS[word].split():
            phones.append(Interval(now_s, now_s + phone_s, phone))
            now_s += phone_s
        words.append(Interval(start_s, now_s, word))
    return Alignment(tuple(words), tuple(phones), "textgrid"), now_s + SILENCE_S


def sound_of(alignment: Alignment, duration_s: float, f0_hz: float, seed: int) -> np.ndarray:
    """A pulse-like tone under vowels, noise under consonants, faint noise everywhere."""
    rng = np.random.default_rng(seed)
    time_s = np.arange(round(duration_s * RATE_HZ)) / RATE_HZ
    tone = sum(np.sin(2 * np.pi * f0_hz * k * time_s) / k for k in range(1, 25))
    noise = rng.standard_normal(len(time_s))
    samples = 1e-3 * noise
    for phone in alignment.phones:
        part = slice(round(phone.start_s * RATE_HZ), round(phone.end_s * RATE_HZ))
        voiced = phone.label[-1].isdigit()
        samples[part] += 0.15 * tone[part] if voiced else 0.02 * noise[part]
    return samples.astype(np.float32)


MakeCorpus = Callable[..., Path]


@pytest.fixture(scope="session")
def make_corpus() -> MakeCorpus:
    """Write a corpus for the ``generic`` recipe: recordings with TextGrids beside them.

    ``make_corpus(folder, speakers={"anna": 200.0}, sentences=[...])`` gives
    ``folder/anna/anna-0.flac`` with its TextGrid and so on, and returns ``folder``; the numbers are
    the speakers' F0 in hertz.
    """

    def make(
        folder: Path,
        speakers: Mapping[str, float] | None = None,
        sentences: Sequence[str] = SENTENCES,
    ) -> Path:
        voices = speakers or {"anna": 210.0, "bo": 190.0, "carl": 110.0, "dan": 120.0}
        for number, (speaker, f0_hz) in enumerate(voices.items()):
            (folder / speaker).mkdir(parents=True)
            for index, sentence in enumerate(sentences):
                alignment, duration_s = aligned_sentence(sentence)
                samples = sound_of(alignment, duration_s, f0_hz, seed=100 * number + index)
                stem = folder / speaker / f"{speaker}-{index}"
                soundfile.write(stem.with_suffix(".flac"), samples, RATE_HZ)
                write_textgrid(stem.with_suffix(".TextGrid"), alignment, duration_s)
        return folder

    return make
