"""pocketsphinx and the acoustic model in its wheel: words first, then the phones inside them.

The model (``en-us``, triphones with tied Gaussians) knows phones without stress. Its frame ``t``
covers samples from ``10 t`` ms on for 25.625 ms, so a change between frames ``t - 1`` and ``t``
lies, on average, not at ``10 t`` ms but half a window less half a step later; `FRAME_OFFSET_S`
is that time, computed and not fitted.
"""

import math
import re
import tempfile
from pathlib import Path

import numpy as np
import pocketsphinx

from stressnet.alignment.paths import FoundPath, Variants, WordPath, segments
from stressnet.audio import WORKING_RATE_HZ as RATE_HZ
from stressnet.lexicon.pronunciation import CONSONANTS, VOWELS

FRAME_S = 0.01
WINDOW_S = 0.025625
FRAME_OFFSET_S = (WINDOW_S - FRAME_S) / 2.0

BEAMS = (1e-48, 1e-80, 1e-150, 1e-300)
"""Relative likelihoods below which paths are dropped, tried until a path reaches the end: first
pocketsphinx's own."""

PHONES = VOWELS | CONSONANTS  # The model's phones, which have no stress
_SCORE_UNIT = 2**10  # pocketsphinx keeps acoustic scores shifted right by ten bits
_ENTRY = re.compile(r"w(\d+)(?:\((\d+)\))?$")


def find_words(samples: np.ndarray, variants: Variants) -> FoundPath | None:
    """Find words and phones in sound (mono, 16 kHz).

    The phones are those of the first variant given that has the segments found. None if even the
    widest beam finds no path or a phone is not among the model's.
    """
    pocketsphinx.set_loglevel("FATAL")
    usable = []
    for word in variants:
        known = (segments(v) for v in word if {*segments(v)} <= PHONES)
        usable.append(tuple(dict.fromkeys(known)))
    if not usable or not all(usable):
        return None
    entries = "".join(
        f"w{index}{f'({place + 1})' if place else ''} {' '.join(variant)}\n"
        for index, word in enumerate(usable)
        for place, variant in enumerate(word)
    )
    sound = _audible(np.clip(samples, -1.0, 1.0) * 32767.0).astype("<i2").tobytes()
    # A decoder and a dictionary of its own for each utterance (20 ms): what other utterances hold,
    # and their order, would otherwise decide between equally good paths, and a decoder crashes when
    # its dictionary is exchanged.
    with tempfile.TemporaryDirectory() as folder:
        dictionary = Path(folder) / "utterance.dict"
        dictionary.write_text(entries, encoding="utf-8")
        for beam in BEAMS:
            decoder = _decoder(dictionary, beam)
            alignment = _words_then_phones(decoder, sound, len(usable))
            path = alignment and _path(decoder, alignment, usable, variants)
            if path:
                return path
    return None


def _audible(samples: np.ndarray) -> np.ndarray:
    """Samples in 16-bit steps, with a fixed noise as of a quiet room over digital silence.

    It lies 60 dB below the peak. The cepstra of digital silence are so far from all speech that
    subtracting their mean moves those of speech, and words of synthesised or cleaned recordings
    would be found anywhere.
    """
    n_frames = len(samples) // (step := round(FRAME_S * RATE_HZ))
    silent = ~samples[: n_frames * step].reshape(n_frames, step).any(axis=1)
    if not silent.any():
        return samples
    faint = np.random.default_rng(0).standard_normal(len(samples))
    return np.where(samples == 0, 1e-3 * np.abs(samples).max() * faint, samples)


def _decoder(dictionary: Path, beam: float) -> pocketsphinx.Decoder:
    return pocketsphinx.Decoder(
        pocketsphinx.Config(
            hmm=pocketsphinx.get_model_path("en-us/en-us"),
            dict=str(dictionary),
            lm=None,
            samprate=RATE_HZ,
            frate=round(1.0 / FRAME_S),
            wlen=WINDOW_S,
            cmn="batch",  # live normalisation would make the order of utterances matter
            beam=beam,
            pbeam=beam,
            wbeam=math.sqrt(beam),
            bestpath=False,
            loglevel="FATAL",
        )
    )


def _words_then_phones(
    decoder: pocketsphinx.Decoder, sound: bytes, count: int
) -> pocketsphinx.Alignment | None:
    def decode() -> None:
        decoder.start_utt()
        decoder.process_raw(sound, full_utt=True)
        decoder.end_utt()

    try:
        decoder.set_align_text(" ".join(f"w{word}" for word in range(count)))
        decode()
        if decoder.hyp() is None:
            return None
        decoder.set_alignment()
        decode()
        return decoder.get_alignment()
    except RuntimeError:  # pocketsphinx's way to say that there is no path
        return None


def _path(
    decoder: pocketsphinx.Decoder,
    alignment: pocketsphinx.Alignment,
    usable: list[tuple[tuple[str, ...], ...]],
    variants: Variants,
) -> FoundPath | None:
    """Words with the variants given; confidence is a mean over the word's frames.

    It is the geometric mean of the likelihood of the frame's state relative to the best of all.
    """
    paths: list[WordPath] = []
    confidence = []
    for entry in alignment:
        match = _ENTRY.match(entry.name)
        if match is None:  # silence or noise
            continue
        if int(match[1]) != len(paths):
            return None
        chosen = usable[len(paths)][int(match[2] or 1) - 1]
        spans = [(phone.start, phone.start + phone.duration) for phone in entry]
        if len(spans) != len(chosen) or any(end <= start for start, end in spans):
            return None
        frames = [spans[0][0], *(end for _, end in spans)]
        phones = next(v for v in variants[len(paths)] if segments(v) == chosen)
        edges_s = tuple(FRAME_S * frame + FRAME_OFFSET_S for frame in frames)
        paths.append(WordPath(tuple(phones), edges_s))
        score = _SCORE_UNIT * decoder.logmath.log_to_ln(entry.score)
        confidence.append(min(1.0, math.exp(score / (frames[-1] - frames[0]))))
    return FoundPath(tuple(paths), tuple(confidence)) if len(paths) == len(usable) else None
