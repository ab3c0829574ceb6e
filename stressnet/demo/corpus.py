"""Speak a corpus, laid out like LibriSpeech, and keep the truth aside.

Layout
------
::

    out/7101/710101/7101-710101-0000.flac         16 kHz, mono, 16 bit
    out/7101/710101/7101-710101.trans.txt         "7101-710101-0000 THE HOTEL ..."
    out/speakers.tsv                              speaker, sex
    out-truth/7101-710101-0000.TextGrid           the engine's own words and phones
    out-truth/minimal_pairs.tsv                   gold readings of the noun/verb pairs

The truth lies in a sibling folder, so that nothing that looks for alignments beside the audio finds
it. See :mod:`stressnet.espeak` for what is true in it.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import soundfile
import soxr

from stressnet.alignment.textgrid import read_textgrid, write_textgrid
from stressnet.demo.sentences import Sentence, compose, spoken_stress
from stressnet.errors import ConfigError, CorpusError
from stressnet.espeak import Speech, Voice, speak
from stressnet.intervals import Alignment
from stressnet.languages import ENGLISH, capitals, language
from stressnet.lexicon.stress import DISYLLABLES, WordLengths

SPEAKERS: dict[int, Voice] = {
    7101: Voice(variant="f1", pitch=50, pitch_range=50, rate_wpm=210, sex="F"),
    7112: Voice(variant="m3", pitch=45, pitch_range=55, rate_wpm=220, sex="M"),
    7123: Voice(variant="Annie", pitch=55, pitch_range=40, rate_wpm=200, sex="F"),
    7134: Voice(variant="m1", pitch=50, pitch_range=60, rate_wpm=230, sex="M"),
    7145: Voice(variant="belinda", pitch=42, pitch_range=55, rate_wpm=220, sex="F"),
    7156: Voice(variant="m7", pitch=55, pitch_range=45, rate_wpm=205, sex="M"),
    7167: Voice(variant="linda", pitch=34, pitch_range=45, rate_wpm=235, sex="F"),
    7178: Voice(variant="m8", pitch=60, pitch_range=50, rate_wpm=215, sex="M"),
    7189: Voice(variant="steph", pitch=48, pitch_range=60, rate_wpm=225, sex="F"),
    7190: Voice(variant="m4", pitch=38, pitch_range=50, rate_wpm=240, sex="M"),
    7201: Voice(variant="aunty", pitch=45, pitch_range=50, rate_wpm=215, sex="F"),
    7212: Voice(variant="m6", pitch=48, pitch_range=65, rate_wpm=210, sex="M"),
    7223: Voice(variant="f1", pitch=30, pitch_range=65, rate_wpm=230, sex="F"),
    7234: Voice(variant="Michael", pitch=40, pitch_range=40, rate_wpm=225, sex="M"),
}
"""Speaker id, as in LibriSpeech a bare number, to voice; the sexes alternate.

Voices differ in the engine's variant (formant scaling, roughness, tilt, intonation), in pitch,
pitch range and rate. Variants with echo or breath are left out, because an echo fills the closures
by which the truth is checked; so are variants that even out the engine's lengthening of stressed
syllables.
"""


def speakers(code: str = ENGLISH) -> dict[int, Voice]:
    """The speakers of a language."""
    return {key: replace(voice, name=language(code).voice) for key, voice in SPEAKERS.items()}


RATE_HZ = 16000
PEAK = 0.5  # Peak of every utterance, re full scale
NOISE_RMS = 10 ** (-66 / 20)  # White noise under all, re full scale: no frame is digital silence
MARGIN_S = (0.12, 0.22)  # Least and greatest silence before and after the speech, seconds
CHAPTERS_PER_SPEAKER = 2

SIZES: dict[str, tuple[int, int]] = {"full": (14, 43), "tiny": (3, 12)}  # Speakers, sentences each


@dataclass(slots=True)
class DemoSummary:
    """What was spoken."""

    # The two folders.
    audio: Path
    truth: Path
    n_speakers: int = 0
    n_utterances: int = 0
    # Target words, the noun/verb pairs included.
    n_tokens: int = 0
    n_types: int = 0
    n_minimal_pair_tokens: int = 0  # Tokens of noun/verb pairs
    # Sentences left out because the engine did not speak a target with the intended stress.
    n_dropped: int = 0
    duration_s: float = 0.0  # Audio in all, seconds


def speak_corpus(
    out: Path,
    *,
    seed: int = 0,
    size: str = "full",
    language: str = ENGLISH,
    lengths: WordLengths = DISYLLABLES,
    truth_out: Path | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> DemoSummary:
    """Speak the demo corpus into ``out``: audio and transcripts; the same ``seed``, the same bytes.

    ``size`` is one of :data:`SIZES`, the ``language`` has a ``demo.toml``, ``lengths`` are two
    syllables, or in Spanish three. TextGrids and gold readings go to ``truth_out``, else to ``out``
    with ``-truth`` after its name. ``progress`` gets utterances done and utterances in all. Raises
    `ConfigError` if size or language are unknown or the truth would lie inside the corpus,
    `CorpusError` if a folder cannot be written or ``out`` holds recordings of another corpus.
    """
    if size not in SIZES:
        raise ConfigError(f"size {size!r}; use one of {', '.join(SIZES)}")
    out = Path(out)
    truth = Path(truth_out) if truth_out is not None else out.with_name(out.name + "-truth")
    if truth.resolve().is_relative_to(out.resolve()):
        raise ConfigError(f"{truth}: inside the corpus, where it would be read; put it elsewhere")
    n_speakers, n_each = SIZES[size]
    rng = np.random.default_rng([seed, len(size)])
    sentences = list(compose(n_speakers * n_each, rng, language, lengths))
    voices = list(speakers(language).items())[:n_speakers]
    _refuse_others(out, [speaker for speaker, _ in voices], n_each)
    writer = _Writer(out, truth, rng, lengths)
    try:
        for k, (speaker, voice) in enumerate(voices):
            writer.speakers.append(f"{speaker}\t{voice.sex}")
            for i, sentence in enumerate(sentences[k * n_each : (k + 1) * n_each]):
                writer.add(speaker, _chapter(speaker, i, n_each), voice, sentence)
                if progress is not None:
                    progress(k * n_each + i + 1, len(sentences))
        return writer.finish()
    except OSError as err:
        raise CorpusError(f"{err.filename or out}: {err.strerror}; choose another folder") from err


def truth_alignment(truth_dir: Path, utterance_id: str) -> Alignment:
    """Words and phones as the engine timed them."""
    alignment = read_textgrid(Path(truth_dir) / f"{utterance_id}.TextGrid")
    return replace(alignment, source="espeak")


def _chapter(speaker: int, index: int, n_each: int) -> int:
    return speaker * 100 + 1 + index * CHAPTERS_PER_SPEAKER // n_each


def _refuse_others(out: Path, speakers: Sequence[int], n_each: int) -> None:
    """A folder may hold an earlier run of the same corpus, and no recordings besides."""
    planned: set[str] = set()
    for speaker in speakers:
        lengths = Counter(_chapter(speaker, i, n_each) for i in range(n_each))
        planned |= {f"{speaker}-{c}-{i:04d}.flac" for c, n in lengths.items() for i in range(n)}
    for path in sorted(out.rglob("*.flac")) if out.is_dir() else ():
        if path.name not in planned:
            raise CorpusError(f"{path}: a recording of another corpus; choose an empty folder")


class _Writer:
    """Speaks sentences and writes everything about them."""

    def __init__(
        self, out: Path, truth: Path, rng: np.random.Generator, lengths: WordLengths
    ) -> None:
        self.summary, self.rng, self.lengths = DemoSummary(out, truth), rng, lengths
        self.speakers = ["speaker\tsex"]
        self.pairs = ["utterance_id\tword_index\tword\tpart_of_speech\tstress"]
        self.texts: dict[Path, list[str]] = {}
        self.words: list[str] = []

    def add(self, speaker: int, chapter: int, voice: Voice, sentence: Sentence) -> None:
        summary = self.summary
        speech = speak(sentence.text, voice)
        margins_s = self.rng.uniform(*MARGIN_S, size=2)
        noise_seed = int(self.rng.integers(2**31))
        spoken = (spoken_stress(speech, t.word_index, self.lengths) for t in sentence.targets)
        if any(heard is not t.stress for heard, t in zip(spoken, sentence.targets, strict=True)):
            summary.n_dropped += 1
            return
        folder = summary.audio / str(speaker) / str(chapter)
        transcript = self.texts.setdefault(folder / f"{speaker}-{chapter}.trans.txt", [])
        utterance_id = f"{speaker}-{chapter}-{len(transcript):04d}"
        samples, alignment = _recording(speech, margins_s, np.random.default_rng(noise_seed))
        folder.mkdir(parents=True, exist_ok=True)
        summary.truth.mkdir(parents=True, exist_ok=True)
        soundfile.write(folder / f"{utterance_id}.flac", samples, RATE_HZ, subtype="PCM_16")
        duration_s = len(samples) / RATE_HZ
        write_textgrid(summary.truth / f"{utterance_id}.TextGrid", alignment, duration_s)
        transcript.append(f"{utterance_id} {' '.join(w.label for w in alignment.words)}")
        for target in sentence.targets:
            self.words.append(target.word)
            if target.is_minimal_pair:
                summary.n_minimal_pair_tokens += 1
                self.pairs.append(
                    f"{utterance_id}\t{target.word_index}\t{capitals(target.word)}"
                    f"\t{target.part_of_speech}\t{target.stress.value}"
                )
        summary.n_utterances += 1
        summary.duration_s += duration_s

    def finish(self) -> DemoSummary:
        summary = self.summary
        self.texts[summary.truth / "minimal_pairs.tsv"] = self.pairs
        self.texts[summary.audio / "speakers.tsv"] = self.speakers
        for path, lines in self.texts.items():
            path.write_text("\n".join(lines) + "\n", encoding="utf-8")
        summary.n_speakers = len(self.speakers) - 1
        summary.n_tokens, summary.n_types = len(self.words), len(set(self.words))
        return summary


def _recording(
    speech: Speech, margins_s: npt.NDArray[np.float64], rng: np.random.Generator
) -> tuple[npt.NDArray[np.float32], Alignment]:
    """The utterance at 16 kHz between two margins, and its alignment in upper case."""
    first_s, last_s = speech.phones[0].start_s, speech.phones[-1].end_s
    begin, end = round(first_s * speech.rate_hz), round(last_s * speech.rate_hz)
    before, after = (round(margin * RATE_HZ) for margin in margins_s)
    voice = soxr.resample(speech.samples[begin:end], speech.rate_hz, RATE_HZ)
    samples = np.zeros(before + len(voice) + after, dtype=np.float32)
    samples[before : before + len(voice)] = voice * (PEAK / np.abs(voice).max())
    samples += rng.normal(0.0, NOISE_RMS, len(samples)).astype(np.float32)
    offset_s = before / RATE_HZ - begin / speech.rate_hz
    return samples, Alignment(
        words=tuple(replace(w.shifted(offset_s), label=capitals(w.label)) for w in speech.words),
        phones=tuple(p.shifted(offset_s) for p in speech.phones),
        source="espeak",
    )
