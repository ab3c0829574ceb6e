"""Stress from parts of speech: the general rule, the exceptions, taggers that are there or not."""

from __future__ import annotations

import pytest
from test_corpus_tokens import RECORDING, aligned

from stressnet.corpus.labels import StressLabel
from stressnet.corpus.tokens import find_tokens
from stressnet.errors import ConfigError, MissingPartError
from stressnet.lexicon import part_of_speech
from stressnet.lexicon.dictionary import load_dictionary
from stressnet.lexicon.part_of_speech import (
    PartOfSpeech,
    coarse_tag,
    crf_features,
    get_tagger,
    resolve_tagger,
    stress_by_part_of_speech,
)

N, V, A, O = PartOfSpeech.NOUN, PartOfSpeech.VERB, PartOfSpeech.ADJECTIVE, PartOfSpeech.OTHER  # noqa: E741


@pytest.mark.parametrize(
    ("sentence", "tags", "index", "stress"),
    [
        ("THEY RECORD IT", [O, V, O], 1, "FINAL"),
        ("THE RECORD PLAYS", [O, N, V], 1, "INITIAL"),
        ("A PERFECT DAY", [O, A, N], 1, "INITIAL"),
        ("HE WAS PRESENT", [O, V, A], 2, "INITIAL"),
        ("A MINUTE AMOUNT", [O, A, N], 1, "FINAL"),
        ("ONE MINUTE LATER", [O, N, O], 1, "INITIAL"),
        ("AM CONTENT NOW", [V, A, O], 1, "FINAL"),
        ("AM HEREWITH CONTENT", [V, O, N], 2, "FINAL"),
        ("THE CONTENT OF IT", [O, N, O, O], 1, "INITIAL"),
        ("ITS SUGAR CONTENT ROSE", [O, N, N, V], 2, "INITIAL"),
        ("HIS HEART'S CONTENT", [O, N, N], 2, "FINAL"),
        ("THE CONTENTS FELL", [O, N, V], 1, "INITIAL"),
        ("THE ADDRESS IS", [O, N, V], 1, None),
        ("THE DETAILS ARE", [O, N, V], 1, None),
        ("TO ADDRESS THEM", [O, V, O], 1, "FINAL"),
        ("RECORD RECORD RECORD", [O, O, O], 1, None),
    ],
)
def test_rules(sentence: str, tags: list[PartOfSpeech], index: int, stress: str | None) -> None:
    found = stress_by_part_of_speech(sentence.split(), tags, index)
    assert (None if found is None else found.value) == stress


def test_penn_tags() -> None:
    tags = {"VBD": V, "MD": V, "JJR": A, "NNS": N, "NNP": N, "IN": O, "RB": O}
    assert {tag: coarse_tag(tag) for tag in tags} == tags


def test_features_look_two_words_either_way() -> None:
    features = crf_features("WE RECORD A NEW ONE".split())
    assert features[0]["BOS"] and features[-1]["EOS"]
    assert features[1]["word[:3]"] == "rec" and features[1]["word[-2:]"] == "rd"
    assert features[1]["-1:word[:2]"] == "we" and "-2:word[:2]" not in features[1]
    assert features[2]["+2:len(word)"] == 3
    assert features[0]["word"] == "d2U="  # the model's encoding of "we"


def test_taggers_that_are_not_installed(monkeypatch) -> None:
    monkeypatch.setattr(part_of_speech, "find_spec", lambda name: None)
    assert resolve_tagger("auto") == "none"
    assert get_tagger("none") is None
    for name in ("crf", "spacy"):
        with pytest.raises(MissingPartError, match=f"tagger '{name}' is not installed; pip"):
            resolve_tagger(name)
    with pytest.raises(ConfigError, match="no tagger is called 'brill'"):
        resolve_tagger("brill")


def test_the_crf_knows_nouns_from_verbs() -> None:
    pytest.importorskip("gruut_lang_en")
    pytest.importorskip("pycrfsuite")
    tagger = get_tagger("crf")
    assert tagger is not None
    assert tagger("THEY WILL RECORD THE MUSIC".split())[2] is V
    assert tagger("HE BROKE THE RECORD YESTERDAY".split())[3] is N
    assert tagger([]) == []


def test_sources_stand_side_by_side() -> None:
    """The reading from the sentence decides before the aligner's, a person's before both."""
    dictionary = load_dictionary(None)
    alignment = aligned(("RECORD", "R AH0 K AO1 R D"), ("WATER", "W AO1 T ER0"))

    def nouns(words) -> list[PartOfSpeech]:
        return [N] * len(words)

    record, water = find_tokens(RECORDING, alignment, dictionary, {}, tagger=nouns)[0]
    assert (record.stress, record.label_source) == ("INITIAL", "part_of_speech")
    assert (record.pos_stress, record.aligner_stress) == ("INITIAL", "FINAL")
    assert record.label_agreement == "disagree"
    assert (water.stress, water.label_source, water.pos_stress) == ("INITIAL", "lexicon", None)
    assert (water.part_of_speech, water.label_agreement) == ("noun", "agree")

    record, _ = find_tokens(RECORDING, alignment, dictionary, {})[0]
    assert (record.stress, record.label_source) == ("FINAL", "aligner")
    assert (record.part_of_speech, record.label_agreement) == ("", "single")

    labels = {(RECORDING.utterance_id, 0): StressLabel("FINAL")}
    record, _ = find_tokens(RECORDING, alignment, dictionary, labels, tagger=nouns)[0]
    assert (record.stress, record.label_source, record.table_stress) == ("FINAL", "table", "FINAL")
    assert record.label_agreement == "disagree"
