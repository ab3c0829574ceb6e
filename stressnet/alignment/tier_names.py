"""Names of tiers: which hold words, phones or utterances, and whose they are."""

import re

WORD_TIERS = frozenset({"word", "words", "wrd", "ort", "ort-mau", "orthography", "orthographic"})
PHONE_TIERS = frozenset(
    {"phone", "phones", "phn", "phoneme", "phonemes", "segment", "segments", "mau"}
)
UTTERANCE_TIERS = frozenset(
    "utterance utterances utt sentence sentences phrase phrases text texts tx transcript "
    "transcription transcriptions default".split()
)
ABOUT_SPEECH = re.compile(  # Names of tiers that hold no speech
    r"note|comment|nois|event|syllab|stress|tone|point|pos\b|gloss|translat|gesture|gaze", re.I
)

_SPEAKER_SEPARATOR = " - "


def split_name(name: str) -> tuple[str, str]:
    """Speaker (empty if there is none) and the rest of a tier's name, in lower case."""
    speaker, _, base = name.rpartition(_SPEAKER_SEPARATOR)
    return speaker.strip(), base.strip().lower()


def with_speaker(speaker: str, base: str) -> str:
    """The name of a speaker's tier."""
    return f"{speaker}{_SPEAKER_SEPARATOR}{base}" if speaker else base
