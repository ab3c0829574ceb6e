"""Part of speech in context, and the stress that follows from it for English pairs.

*REcord* is a noun, *reCORD* a verb: for words with both readings the sentence is evidence of stress
that owes nothing to the sound. Two taggers can be used, neither of which downloads anything:

``spacy``
    If spaCy and one of its English models are installed.
``crf``
    The conditional random field in the package ``gruut-lang-en``, read with ``python-crfsuite``;
    it was trained on Universal Dependencies (English Web Treebank).

Rules are per word where English demands it, see `stress_by_part_of_speech`.
"""

import base64
import string
from collections.abc import Callable, Sequence
from enum import StrEnum
from functools import cache
from importlib import resources
from importlib.util import find_spec

from stressnet.errors import ConfigError, MissingPartError
from stressnet.lexicon.stress import Stress


class PartOfSpeech(StrEnum):
    """Parts of speech that stress depends on."""

    NOUN = "noun"
    VERB = "verb"
    ADJECTIVE = "adjective"
    OTHER = "other"


Tagger = Callable[[Sequence[str]], list[PartOfSpeech]]  # One for each word

TAGGERS = ("auto", "spacy", "crf", "none")

_SPACY_MODELS = ("en_core_web_trf", "en_core_web_lg", "en_core_web_md", "en_core_web_sm")

FINAL_ADJECTIVES = frozenset({"AUGUST", "COMPACT", "CONTENT", "MINUTE"})
"""Adjectives stressed like verbs; all other adjectives of pairs (*present, perfect*) like nouns."""

UNDECIDED_NOUNS = frozenset({"ADDRESS", "ALLY", "FINANCE", "RESEARCH", "DETAIL", "RECESS"})
"""Nouns that Americans stress either way; with their plurals."""

_BEFORE_A_NOUN = frozenset(
    "A AN THE THIS THAT ITS HIS HER THEIR OUR MY YOUR WHOSE NO ANY SOME WHAT WHICH".split()
)
_NOUN_OF_BEING_CONTENT = frozenset({"HEART'S", "HEARTS", "SOUL'S"})


def stress_by_part_of_speech(
    words: Sequence[str], tags: Sequence[PartOfSpeech], index: int
) -> Stress | None:
    """The stress of a pair's word, by what it is in its sentence.

    Verbs are FINAL, nouns and adjectives INITIAL, with these exceptions:

    - adjectives in `FINAL_ADJECTIVES` are FINAL;
    - *content* in the singular is the noun for what is contained (INITIAL) only after a
      determiner, a noun or an adjective; else it is the state (*to his heart's content*), FINAL
      whatever the tagger calls it;
    - nouns in `UNDECIDED_NOUNS` are None, as is every other part of speech.

    ``words`` are the utterance in upper case, ``index`` is the position of the word in it.
    """
    word, tag = words[index], tags[index]
    if word == "CONTENT":
        return _content(words, tags, index)
    if tag is PartOfSpeech.VERB:
        return Stress.FINAL
    if tag is PartOfSpeech.ADJECTIVE:
        return Stress.FINAL if word in FINAL_ADJECTIVES else Stress.INITIAL
    if tag is PartOfSpeech.NOUN:
        singular = {word, word.removesuffix("S"), word.removesuffix("ES"), word.removesuffix("'S")}
        return None if singular & UNDECIDED_NOUNS else Stress.INITIAL
    return None


def _content(words: Sequence[str], tags: Sequence[PartOfSpeech], index: int) -> Stress:
    if tags[index] is not PartOfSpeech.NOUN or index == 0:
        return Stress.FINAL
    before, tag_before = words[index - 1], tags[index - 1]
    if before in _NOUN_OF_BEING_CONTENT:
        return Stress.FINAL
    nominal = before in _BEFORE_A_NOUN or tag_before in (PartOfSpeech.NOUN, PartOfSpeech.ADJECTIVE)
    return Stress.INITIAL if nominal else Stress.FINAL


def resolve_tagger(name: str = "auto") -> str:
    """The tagger that ``auto`` means here: ``spacy``, ``crf``, or ``none`` if neither is installed.

    Raises `ConfigError` if there is no tagger of that name; `MissingPartError` if one asked for by
    name is not installed.
    """
    if name not in TAGGERS:
        raise ConfigError(f"no tagger is called '{name}'; there are {', '.join(TAGGERS)}")
    here = {
        "spacy": find_spec("spacy") is not None and _spacy_model() is not None,
        "crf": find_spec("gruut_lang_en") is not None and find_spec("pycrfsuite") is not None,
    }
    if name == "auto":
        return next((tagger for tagger, there in here.items() if there), "none")
    if name in here and not here[name]:
        remedies = {
            "spacy": "pip install spacy, then python -m spacy download en_core_web_sm",
            "crf": "pip install gruut-lang-en python-crfsuite",
        }
        raise MissingPartError(f"the tagger '{name}' is not installed; {remedies[name]}")
    return name


@cache
def get_tagger(name: str) -> Tagger | None:
    """A tagger by its resolved name; None for ``none``."""
    resolved = resolve_tagger(name)
    if resolved == "spacy":
        return _spacy_tagger()
    return _crf_tagger() if resolved == "crf" else None


def _spacy_model() -> str | None:
    return next((model for model in _SPACY_MODELS if find_spec(model) is not None), None)


def _spacy_tagger() -> Tagger:
    import spacy
    from spacy.tokens import Doc

    nlp = spacy.load(str(_spacy_model()), exclude=["ner", "lemmatizer"])
    coarse = {"VERB": PartOfSpeech.VERB, "AUX": PartOfSpeech.VERB, "ADJ": PartOfSpeech.ADJECTIVE}
    coarse |= {"NOUN": PartOfSpeech.NOUN, "PROPN": PartOfSpeech.NOUN}

    def tag(words: Sequence[str]) -> list[PartOfSpeech]:
        if not words:
            return []
        doc = nlp(Doc(nlp.vocab, words=[word.lower() for word in words]))
        return [coarse.get(token.pos_, PartOfSpeech.OTHER) for token in doc]

    return tag


def _crf_tagger() -> Tagger:
    import pycrfsuite

    tagger = pycrfsuite.Tagger()
    with resources.as_file(resources.files("gruut_lang_en") / "pos" / "model.crf") as model:
        tagger.open(str(model))

    def tag(words: Sequence[str]) -> list[PartOfSpeech]:
        if not words:
            return []
        return [coarse_tag(label) for label in tagger.tag(crf_features(words))]

    return tag


def coarse_tag(penn: str) -> PartOfSpeech:
    """A tag of the Penn Treebank as coarsely as stress needs it."""
    if penn.startswith("V") or penn == "MD":
        return PartOfSpeech.VERB
    if penn.startswith("J"):
        return PartOfSpeech.ADJECTIVE
    return PartOfSpeech.NOUN if penn.startswith("N") else PartOfSpeech.OTHER


def crf_features(words: Sequence[str]) -> list[dict[str, str | bool | float]]:
    """Features of words on which the model in ``gruut-lang-en`` was trained.

    Each word, its length, its first and last letters, whether it is punctuation or a number, and
    the same of two words on either side. The names and the encoding of words are the model's.
    """
    lower = [word.lower() for word in words]
    features = []
    for index in range(len(lower)):
        values = _of_word(lower[index], "")
        if index == 0:
            values["BOS"] = True
        if index == len(lower) - 1:
            values["EOS"] = True
        for step in (1, 2):
            if index >= step:
                values |= _of_word(lower[index - step], f"-{step}:")
            if index + step < len(lower):
                values |= _of_word(lower[index + step], f"+{step}:")
        features.append(values)
    return features


def _of_word(word: str, prefix: str) -> dict[str, str | bool | float]:
    values: dict[str, str | bool | float] = {
        "bias": 1.0,
        "word": base64.b64encode(word.encode()).decode("ascii"),
        "len(word)": len(word),
        "word.ispunctuation": word in string.punctuation,
        "word.isdigit()": word.isdigit(),
        "word[:2]": word[:2],
        "word[:3]": word[:3],
        "word[-2:]": word[-2:],
        "word[-3:]": word[-3:],
    }
    return {prefix + name: value for name, value in values.items()}
