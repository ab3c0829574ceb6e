"""Speak sentences in which one of two words carries the sentence accent, and say which.

    python benchmarks/accent_speech.py OUT [--sentences 60]

Writes recordings of the 14 voices of ``stressnet demo`` with the engine's own words and phones as
TextGrids beside, ``speakers.tsv`` and ``accents.tsv``: utterance_id, word_index, word, accent. The
same two places carry the accent or not in equal numbers; the accented word is what espeak-ng makes
of ``<emphasis level="strong">``. ``docs/contrasts.md`` has what a network makes of it.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import soundfile
from stressnet.demo.voices import speakers

from stressnet.alignment.textgrid import write_textgrid
from stressnet.demo.corpus import MARGIN_S, RATE_HZ, _recording
from stressnet.demo.sentences import frame_words, target_words
from stressnet.espeak import speak
from stressnet.lexicon.stress import CLASSES

FRAMES = (
    "They saw the {n} and the {n} there.",
    "We took the {n} to the {n} then.",
    "She put the {n} by the {n} too.",
    "The {n} and the {n} were there.",
    "He likes the {n} and the {n} now.",
    "I think the {n} and the {n} came.",
)


def main() -> None:
    """Write the corpus."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("out", type=Path)
    parser.add_argument("--sentences", type=int, default=60, help="sentences of each voice")
    options = parser.parse_args()
    rng = np.random.default_rng(0)
    nouns = {stress: target_words()["n", stress] for stress in CLASSES}
    labels, people = ["utterance_id\tword_index\tword\taccent"], ["speaker\tsex"]
    for speaker, voice in speakers().items():
        people.append(f"{speaker}\t{voice.sex}")
        folder = options.out / str(speaker)
        folder.mkdir(parents=True)
        for number in range(options.sentences):
            text = FRAMES[number % len(FRAMES)]
            places = [k for k, word in enumerate(frame_words(text)) if word.startswith("{")]
            accented = int(rng.integers(2))
            words = [str(rng.choice(nouns[CLASSES[int(rng.integers(2))]])) for _ in places]
            for word in words:
                text = text.replace("{n}", word, 1)
            speech = speak(text, voice, emphasised=places[accented])
            samples, alignment = _recording(speech, rng.uniform(*MARGIN_S, size=2), rng)
            name = f"{speaker}-{number:04d}"
            soundfile.write(folder / f"{name}.flac", samples, RATE_HZ, subtype="PCM_16")
            write_textgrid(folder / f"{name}.TextGrid", alignment, len(samples) / RATE_HZ)
            for k, (place, word) in enumerate(zip(places, words, strict=True)):
                which = "ACCENTED" if k == accented else "UNACCENTED"
                labels.append(f"{name}\t{place}\t{word}\t{which}")
    for file, lines in (("accents.tsv", labels), ("speakers.tsv", people)):
        (options.out / file).write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
