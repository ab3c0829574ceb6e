"""Two-syllable stretches of longer words, on which networks may be trained besides the tokens.

A corpus has few disyllables with final stress, and few words in all. *Important* holds two
neighbouring syllables with final stress (*impor*) and two with initial stress (*portant*), said
with the same sounds as whole words are. They are never tested or explained: a stretch is no word,
and its edges are not a word's edges.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

from stressnet.corpus.scan import Recording
from stressnet.corpus.tokens import MAX_DURATION_S, MIN_DURATION_S, word_key
from stressnet.errors import LexiconError
from stressnet.intervals import Alignment, Interval
from stressnet.languages import ENGLISH, language_of
from stressnet.lexicon.dictionary import Dictionary
from stressnet.lexicon.families import lemmas
from stressnet.lexicon.pronunciation import Pronunciation
from stressnet.lexicon.stress import Stress
from stressnet.lexicon.syllables import syllabify

if TYPE_CHECKING:
    import pandas as pd

RELATED_LETTERS = 5  # Words that begin alike may be related (*produce*, *production*)
SHORTEST_STEM = 4  # So long a word is looked for inside others (*present* in *represented*)


@dataclass(frozen=True)
class Stretch:
    """Two neighbouring syllables of a word of three or more; times in seconds of the recording.

    ``token_id`` is ``<utterance>_<word index>_<WORD>.<first syllable>``, syllables counted from 1.
    Phones are ARPAbet with stress digits; ``stress`` says which of the two syllables has primary
    stress; the other has none.
    """

    token_id: str
    utterance_id: str
    speaker: str
    word: str
    word_index: int
    first_syllable: int
    phones: tuple[Interval, ...]
    stress: Stress

    @property
    def pronunciation(self) -> str:
        """Labels of its phones."""
        return " ".join(phone.label for phone in self.phones)

    @property
    def start_s(self) -> float:
        """Onset of its first phone."""
        return self.phones[0].start_s

    @property
    def end_s(self) -> float:
        """End of its last phone."""
        return self.phones[-1].end_s


def find_stretches(
    recording: Recording, alignment: Alignment, dictionary: Dictionary
) -> list[Stretch]:
    """All stretches of one utterance whose stress is beyond doubt, in time order.

    Left out are pairs with secondary stress or without primary stress, words with several places
    of primary stress in the dictionary (*estimate* has one, *record* is no candidate), and pairs
    that are too short or too long for two syllables.
    """
    found = []
    all_phones = sorted(alignment.spoken_phones(), key=lambda phone: phone.middle_s)
    middles_s = [phone.middle_s for phone in all_phones]
    for index, word in enumerate(alignment.spoken_words()):
        first, last = bisect_left(middles_s, word.start_s), bisect_left(middles_s, word.end_s)
        phones = all_phones[first:last]
        labels = [phone.label for phone in phones]
        spoken = Pronunciation(tuple(labels))
        if spoken.n_syllables < 3 or not all(map(dictionary.language.is_phone, labels)):
            continue
        name = word_key(word.label)
        if len(spoken.stress_pattern) != spoken.n_syllables or not _one_reading(name, dictionary):
            continue
        starts = [*syllabify(labels, dictionary.language).starts, len(labels)]
        for number, digits in enumerate(pairwise(spoken.stress_pattern)):
            if digits not in {("1", "0"), ("0", "1")}:
                continue
            stretch = Stretch(
                token_id=f"{recording.utterance_id}_{index:03d}_{name}.{number + 1}",
                utterance_id=recording.utterance_id,
                speaker=recording.speaker,
                word=name,
                word_index=index,
                first_syllable=number + 1,
                phones=tuple(phones[starts[number] : starts[number + 2]]),
                stress=Stress.INITIAL if digits[0] == "1" else Stress.FINAL,
            )
            if MIN_DURATION_S <= stretch.end_s - stretch.start_s <= MAX_DURATION_S:
                found.append(stretch)
    return found


def _one_reading(word: str, dictionary: Dictionary) -> bool:
    """Whether all variants of a word with as many syllables have primary stress in one place."""
    try:
        variants = [Pronunciation(phones) for phones in dictionary.pronounce(word)]
    except LexiconError:  # aligned by somebody who knew how it is said
        return True
    places: dict[int, set[int]] = {}
    for variant in variants:
        pattern = variant.stress_pattern
        if pattern.count("1") == 1:
            places.setdefault(variant.n_syllables, set()).add(pattern.find("1"))
    return all(len(found) == 1 for found in places.values())


def unrelated(words: Sequence[str], held_out: Sequence[str], code: str = ENGLISH) -> list[bool]:
    """For each word, whether it may be trained on where others are held out.

    A word is related to a held-out word with which it shares a lemma or its first
    `RELATED_LETTERS` letters, or which it contains (from `SHORTEST_STEM` letters on). This leaves
    out more than is needed (*interest*, *internal*) rather than less. ``held_out`` may hold words
    and names of word families.
    """
    forms = {word.lower() for word in held_out}
    forms |= {lemma for word in forms.copy() for lemma in lemmas(word, code)}
    heads = {form[:RELATED_LETTERS] for form in forms if len(form) >= RELATED_LETTERS}
    stems = [form for form in forms if len(form) >= SHORTEST_STEM]
    verdict = {}
    for word in {word.lower() for word in words}:
        known = bool(forms & {word, *lemmas(word, code)}) or word[:RELATED_LETTERS] in heads
        verdict[word] = not (known or any(stem in word for stem in stems))
    return [verdict[word.lower()] for word in words]


def trainable(stretches: pd.DataFrame, tokens: pd.DataFrame, training: str = "train") -> pd.Series:
    """Which stretches may be trained on, given the sets of the tokens.

    Those of speakers with tokens in the training set, of words unrelated to all words of other
    sets whose family the training set does not know. ``stretches`` has ``speaker`` and ``word``,
    ``tokens`` also ``family`` and ``split``.
    """
    import pandas as pd

    trained = tokens[tokens["split"] == training]
    other = tokens[~tokens["family"].isin(trained["family"])]
    held_out = sorted({*other["word"], *other["family"]})
    allowed = stretches["speaker"].isin(trained["speaker"])
    code = language_of(tokens).code
    return allowed & pd.Series(unrelated(list(stretches["word"]), held_out, code), stretches.index)
