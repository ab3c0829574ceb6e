"""Words by source and filter whose F0, formants, levels and times are known."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile
from scipy.signal import lfilter

from stressnet.acoustics.cues import Segments
from stressnet.acoustics.speakers import SpeakerSettings
from stressnet.acoustics.tracks import FormantSettings, PitchSettings
from stressnet.alignment.textgrid import write_textgrid
from stressnet.intervals import Alignment, Interval

RATE_HZ = 16_000
BANDWIDTHS_HZ = (70.0, 90.0, 130.0, 180.0, 250.0)
NOISE = 2e-4

FORMANTS_HZ = {
    "AA": (720.0, 1200.0, 2500.0, 3500.0, 4500.0),
    "EH": (550.0, 1750.0, 2500.0, 3500.0, 4500.0),
    "IY": (330.0, 2200.0, 2850.0, 3550.0, 4500.0),
    "AH": (520.0, 1400.0, 2500.0, 3500.0, 4500.0),
}


def voice_of(f0_hz: float) -> SpeakerSettings:
    """Settings as two passes over such a voice would give."""
    pitch = PitchSettings(floor_hz=0.6 * f0_hz, ceiling_hz=1.8 * f0_hz)
    return SpeakerSettings(pitch, FormantSettings(), f0_hz, 200, "two-pass", "sex")


def vowel(
    formants_hz: Sequence[float], f0_hz: float, duration_s: float, level: float = 0.05
) -> np.ndarray:
    """A pulse train with a falling spectrum through five resonators, at a given RMS."""
    n_samples = round(duration_s * RATE_HZ)
    n_lead = round(0.05 * RATE_HZ)
    time_s = np.arange(n_samples + n_lead) / RATE_HZ
    pulses = np.zeros(len(time_s))
    pulses[np.flatnonzero(np.diff(np.floor(time_s * f0_hz), prepend=-1))] = 1.0
    sound = lfilter([1.0], [1.0, -0.9], pulses)
    for frequency_hz, bandwidth_hz in zip(formants_hz, BANDWIDTHS_HZ, strict=False):
        radius = np.exp(-np.pi * bandwidth_hz / RATE_HZ)
        angle = 2 * np.pi * frequency_hz / RATE_HZ
        sound = lfilter([1.0], [1.0, -2 * radius * np.cos(angle), radius**2], sound)
    sound = sound[n_lead:]
    edge = round(0.006 * RATE_HZ)
    ramp = np.sin(0.5 * np.pi * np.arange(edge) / edge) ** 2
    sound[:edge] *= ramp
    sound[-edge:] *= ramp[::-1]
    return level * sound / np.sqrt(np.mean(sound**2))


@dataclass(frozen=True)
class Spoken:
    """One word with 0.25 s of near-silence on both sides."""

    samples: np.ndarray
    segments: Segments
    phones: tuple[Interval, ...]
    voice: SpeakerSettings


def word(
    labels: Sequence[str] = ("S", "AA1", "T", "EH0"),
    f0_hz: Sequence[float] = (120.0, 110.0),
    durations_s: Sequence[float] = (0.16, 0.16),
    levels: Sequence[float] = (0.05, 0.04),
    seed: int = 0,
    context_s: float = 0.25,
) -> Spoken:
    """Fricatives of 80 ms, silent stops of 60 ms, two vowels."""
    rng = np.random.default_rng(seed)
    pieces: list[np.ndarray] = []
    phones: list[Interval] = []
    now_s, number = context_s, 0
    for label in labels:
        if label[-1].isdigit():
            formants = FORMANTS_HZ.get(label[:-1], FORMANTS_HZ["AH"])
            sound = vowel(formants, f0_hz[number], durations_s[number], levels[number])
            number += 1
        elif label in ("T", "K", "P", "B", "D", "CH"):
            sound = np.zeros(round(0.06 * RATE_HZ))
        else:
            sound = 0.01 * rng.standard_normal(round(0.08 * RATE_HZ))
        length_s = len(sound) / RATE_HZ
        phones.append(Interval(now_s, now_s + length_s, label))
        pieces.append(sound)
        now_s += length_s
    samples = np.concatenate(
        [np.zeros(round(context_s * RATE_HZ)), *pieces, np.zeros(round(context_s * RATE_HZ))]
    )
    samples = samples + NOISE * rng.standard_normal(len(samples))
    nuclei = [p for p in phones if p.label[-1].isdigit()]
    second = phones.index(nuclei[1])
    boundary_s = phones[second - 1].start_s if second - 1 > phones.index(nuclei[0]) else None
    segments = Segments(
        (context_s, now_s),
        nuclei[1].start_s if boundary_s is None else boundary_s,
        ((nuclei[0].start_s, nuclei[0].end_s), (nuclei[1].start_s, nuclei[1].end_s)),
    )
    return Spoken(samples.astype(np.float32), segments, tuple(phones), voice_of(np.mean(f0_hz)))


WORDS = {
    "WATER": "S AA1 T ER0",
    "LETTER": "S EH1 T ER0",
    "MONEY": "S AH1 S IY0",
    "HOTEL": "S OW0 T EH1 S",
    "MACHINE": "S AH0 SH IY1 S",
    "DECIDE": "S IH0 S AA1 T",
}
PRONUNCIATIONS = {
    "WATER": "W AO1 T ER0",
    "LETTER": "L EH1 T ER0",
    "MONEY": "M AH1 N IY0",
    "HOTEL": "HH OW0 T EH1 L",
    "MACHINE": "M AH0 SH IY1 N",
    "DECIDE": "D IH0 S AY1 D",
}
"""What the aligner's tier says, against what is heard."""


def write_recordings(folder: Path, speakers: dict[str, float], n_each: int = 1) -> Path:
    """Recordings with TextGrids in which stressed vowels are longer, higher and louder."""
    for index, (speaker, f0_hz) in enumerate(speakers.items()):
        (folder / speaker).mkdir(parents=True)
        for take in range(n_each):
            pieces, words, phones, now_s = [], [], [], 0.0
            for number, (name, heard) in enumerate(WORDS.items()):
                labels = heard.split()
                first = next(p for p in labels if p[-1].isdigit()).endswith("1")
                tilt = 1.1 + 0.02 * ((number + take) % 3)
                spoken = word(
                    labels,
                    f0_hz=[f0_hz * (tilt if s else 1 / tilt) for s in (first, not first)],
                    durations_s=[0.13 if s else 0.09 for s in (first, not first)],
                    levels=[0.06 if s else 0.035 for s in (first, not first)],
                    seed=100 * index + 10 * take + number,
                )
                said = PRONUNCIATIONS[name].split()
                for phone, label in zip(spoken.phones, said, strict=True):
                    phones.append(Interval(phone.start_s + now_s, phone.end_s + now_s, label))
                start_s, end_s = spoken.segments.word
                words.append(Interval(start_s + now_s, end_s + now_s, name))
                pieces.append(spoken.samples)
                now_s += len(spoken.samples) / RATE_HZ
            stem = folder / speaker / f"{speaker}-{take}"
            soundfile.write(stem.with_suffix(".flac"), np.concatenate(pieces), RATE_HZ)
            alignment = Alignment(tuple(words), tuple(phones), "textgrid")
            write_textgrid(stem.with_suffix(".TextGrid"), alignment, now_s)
    return folder
