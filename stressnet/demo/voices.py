"""Who speaks in the demo corpus.

All voices speak one language, English as ``en-us``, whose vowels are CMUdict's. They differ in the
engine's variant (formant scaling, roughness, tilt, intonation), in pitch, pitch range and rate.
Variants with echo or breath are left out, because an echo fills the closures by which the truth
is checked; so are variants that even out the engine's lengthening of stressed syllables.
"""

from dataclasses import replace

from stressnet.espeak import Voice
from stressnet.languages import ENGLISH, language

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
"""Speaker id, as in LibriSpeech a bare number, to voice; the sexes alternate."""


def speakers(code: str = ENGLISH) -> dict[int, Voice]:
    """The speakers of a language."""
    return {key: replace(voice, name=language(code).voice) for key, voice in SPEAKERS.items()}
