"""Speech rate of an utterance, against which durations are judged."""

from __future__ import annotations

from collections.abc import Iterable

from stressnet.intervals import Interval
from stressnet.lexicon.pronunciation import is_vowel

MIN_SYLLABLES = 3
"""A rate of fewer syllables is the words' own duration over again and is missing."""


def articulation_rate(phones: Iterable[Interval]) -> float:
    """Syllables (vowels) per second of speech, silences left out.

    Parameters
    ----------
    phones : iterable of Interval
        All phones of the utterance; silences have an empty label.

    Returns
    -------
    float
        NaN with fewer than three syllables.
    """
    spoken = [phone for phone in phones if phone.label]
    n_syllables = sum(is_vowel(phone.label) for phone in spoken)
    seconds = sum(phone.duration_s for phone in spoken)
    return n_syllables / seconds if n_syllables >= MIN_SYLLABLES and seconds > 0 else float("nan")
