"""From hand-made alignments to exact tokens."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

from stressnet.corpus.labels import StressLabel
from stressnet.corpus.scan import Recording
from stressnet.corpus.tokens import find_tokens, phone_rows, token_row
from stressnet.errors import AlignmentError, CorpusError
from stressnet.intervals import Alignment, Interval
from stressnet.lexicon.contrast import Wanted
from stressnet.lexicon.dictionary import Dictionary, load_dictionary
from stressnet.lexicon.stress import Stress

RECORDING = Recording("u1", "anna", "female", Path("/x/u1.wav"), (), None, 3.0)


@pytest.fixture(scope="module")
def dictionary() -> Dictionary:
    return load_dictionary()


def aligned(*words: tuple[str, str], phone_s: float = 0.1, start_s: float = 0.5) -> Alignment:
    """Words with their phones, every phone equally long, without pauses."""
    word_tier, phone_tier, now_s = [], [], start_s
    for word, pronunciation in words:
        began_s = now_s
        for phone in pronunciation.split():
            phone_tier.append(Interval(now_s, now_s + phone_s, phone))
            now_s += phone_s
        word_tier.append(Interval(began_s, now_s, word))
    return Alignment(tuple(word_tier), tuple(phone_tier), "test")


def test_a_token_by_hand(dictionary: Dictionary) -> None:
    alignment = aligned(("the", "DH AH0"), ("record", "R EH1 K ER0 D"))
    tokens, rejected = find_tokens(RECORDING, alignment, dictionary, {})
    assert Counter(word.reason for word in rejected) == {"not disyllabic": 1}
    (token,) = tokens
    row = token_row(token)
    assert math.isnan(row.pop("alignment_confidence"))
    times = {k: row.pop(k) for k in list(row) if k.endswith("_s")}
    assert row == {
        "token_id": "u1_001_RECORD",
        "utterance_id": "u1",
        "speaker": "anna",
        "sex": "female",
        "word": "RECORD",
        "word_index": 1,
        "stress": "INITIAL",
        "label_source": "aligner",
        "lexicon_stress": "BOTH",
        "aligner_stress": "INITIAL",
        "table_stress": None,
        "part_of_speech": None,
        "pos_stress": None,
        "label_agreement": "single",
        "is_minimal_pair": True,
        "is_prosody_only_pair": False,
        "pronunciation": "R EH1 K ER0 D",
        "dictionary_variant": 1,
        "n_dictionary_variants": 3,
        "nucleus_1": "EH1",
        "nucleus_2": "ER0",
        "aligner": "test",
    }
    assert times == pytest.approx(
        {
            "start_s": 0.7,
            "end_s": 1.2,
            "duration_s": 0.5,
            "boundary_s": 0.9,
            "nucleus_1_start_s": 0.8,
            "nucleus_1_end_s": 0.9,
            "nucleus_2_start_s": 1.0,
            "nucleus_2_end_s": 1.1,
        }
    )
    rows = phone_rows(token)
    assert [(r["phone"], r["syllable"], r["role"]) for r in rows] == [
        ("R", 1, "onset"),
        ("EH1", 1, "nucleus"),
        ("K", 2, "onset"),
        ("ER0", 2, "nucleus"),
        ("D", 2, "coda"),
    ]
    assert [r["phone_index"] for r in rows] == [0, 1, 2, 3, 4]
    assert {r["token_id"] for r in rows} == {"u1_001_RECORD"}
    assert [r["start_s"] for r in rows] == pytest.approx([0.7, 0.8, 0.9, 1.0, 1.1])


NOUN, VERB, WATER = "R EH1 K ER0 D", "R AH0 K AO1 R D", "W AO1 T ER0"


@pytest.mark.parametrize(
    ("word", "phones", "table", "stress", "source"),
    [
        ("WATER", WATER, None, Stress.INITIAL, "lexicon"),
        ("WATER", "W AO0 T ER1", None, Stress.INITIAL, "lexicon"),
        ("WATER", WATER, "FINAL", Stress.FINAL, "table"),
        ("RECORD", NOUN, None, Stress.INITIAL, "aligner"),
        ("RECORD", VERB, None, Stress.FINAL, "aligner"),
        ("RECORD", VERB, "INITIAL", Stress.INITIAL, "table"),
        ("RECORD", VERB, "VARIES", None, "table"),
        ("RECORD", "R EH K ER D", None, None, "aligner"),
        ("EFFECT", "IH0 F EH1 K T", None, Stress.FINAL, "agreement"),
        ("EFFECT", "IY1 F EH0 K T", None, None, "agreement"),
        ("EFFECT", "IY1 F EH0 K T", "FINAL", Stress.FINAL, "table"),
    ],
)
def test_who_decides(
    dictionary: Dictionary,
    word: str,
    phones: str,
    table: str | None,
    stress: Stress | None,
    source: str,
) -> None:
    labels = {("u1", 0): StressLabel(table), ("u2", 0): StressLabel("FINAL")} if table else {}
    (token,), _ = find_tokens(RECORDING, aligned((word, phones)), dictionary, labels)
    assert (token.stress, token.label_source) == (stress, source)
    assert token_row(token)["stress"] == (stress.value if stress else None)


def test_a_bad_token_is_none_and_says_why(dictionary: Dictionary) -> None:
    labels = {("u1", 0): StressLabel("BAD")}
    tokens, (word,) = find_tokens(RECORDING, aligned(("WATER", WATER)), dictionary, labels)
    assert tokens == []
    assert (word.word, word.reason) == ("WATER", "BAD in the label table")


def test_the_aligned_variant_is_kept_beside_the_label(dictionary: Dictionary) -> None:
    (token,), _ = find_tokens(RECORDING, aligned(("WATER", "W AO0 T ER1")), dictionary, {})
    assert token.aligner_stress is Stress.FINAL
    assert token.lexicon_stress == "INITIAL"


@pytest.mark.parametrize(
    ("phones", "variant"),
    [(NOUN, 1), (VERB, 0), ("R EH K ER D", 1), ("R IH0 K AO1 R D", 2), ("R EH1 K AO2 R D", -1)],
)
def test_dictionary_variant(dictionary: Dictionary, phones: str, variant: int) -> None:
    (token,), _ = find_tokens(RECORDING, aligned(("RECORD", phones)), dictionary, {})
    assert token.dictionary_variant == variant


def test_rejects_are_counted_by_reason(dictionary: Dictionary) -> None:
    alignment = aligned(
        ("about", "AH0 B AW1 T"),
        ("blorptag", "B L AO1 R P"),
        ("cat", "K AE1 T"),
        ("family", "F AE1 M AH0 L IY0"),
        ("water", WATER),
    )
    slow = Interval(alignment.words[-1].end_s, alignment.words[-1].end_s + 2.5, "hotel")
    fast = Interval(slow.end_s, slow.end_s + 0.08, "money")
    unheard = Interval(fast.end_s, fast.end_s + 0.3, "letter")
    phones = (
        *alignment.phones,
        Interval(slow.start_s, slow.start_s + 1.2, "OW0"),
        Interval(slow.start_s + 1.2, slow.end_s, "EH1"),
        Interval(fast.start_s, fast.start_s + 0.04, "AH1"),
        Interval(fast.start_s + 0.04, fast.end_s, "IY0"),
        Interval(unheard.start_s, unheard.end_s, ""),
    )
    silence = Interval(0.0, 0.5, "")
    alignment = replace(
        alignment, words=(silence, *alignment.words, slow, fast, unheard), phones=phones
    )
    tokens, rejected = find_tokens(RECORDING, alignment, dictionary, {})
    assert [token.word for token in tokens] == ["WATER"]
    assert tokens[0].word_index == 4
    assert Counter(word.reason for word in rejected) == {
        "function word": 1,
        "not in the dictionary": 1,
        "not disyllabic": 1,
        "spoken variant is not disyllabic": 1,
        "implausible duration": 2,
        "no phones aligned": 1,
    }
    assert len(tokens) + len(rejected) == len(alignment.spoken_words())


def test_own_function_words(dictionary: Dictionary) -> None:
    alignment = aligned(("water", WATER), ("about", "AH0 B AW1 T"))
    tokens, rejected = find_tokens(RECORDING, alignment, dictionary, {}, frozenset({"WATER"}))
    assert [token.word for token in tokens] == ["ABOUT"]
    assert Counter(word.reason for word in rejected) == {"function word": 1}


def test_phones_belong_to_the_word_that_holds_their_middle(dictionary: Dictionary) -> None:
    """A phone that crosses a word's edge by a little is not lost and not counted twice."""
    words = (Interval(0.50, 0.90, "water"), Interval(0.90, 1.30, "money"))
    labels = [*WATER.split(), *"M AH1 N IY0".split()]
    phones = tuple(Interval(0.5 + 0.1 * i, 0.6 + 0.1 * i, p) for i, p in enumerate(labels))
    shifted = Interval(0.88, 1.00, "M")
    phones = (*phones[:3], Interval(0.80, 0.88, "ER0"), shifted, *phones[5:])
    tokens, _ = find_tokens(RECORDING, Alignment(words, phones, "test"), dictionary, {})
    assert [[p.label for p in token.phones] for token in tokens] == [labels[:4], labels[4:]]


def test_phones_out_of_order_are_sorted(dictionary: Dictionary) -> None:
    alignment = aligned(("water", WATER))
    alignment = replace(alignment, phones=alignment.phones[::-1])
    (token,), _ = find_tokens(RECORDING, alignment, dictionary, {})
    assert [phone.label for phone in token.phones] == WATER.split()


def test_labels_of_words_are_cleaned(dictionary: Dictionary) -> None:
    alignment = aligned(("“Water,”", WATER), ("father’s", "F AA1 DH ER0 Z"))
    tokens, _ = find_tokens(RECORDING, alignment, dictionary, {})
    assert [token.word for token in tokens] == ["WATER", "FATHER'S"]


def test_confidence_is_that_of_the_spoken_word(dictionary: Dictionary) -> None:
    alignment = aligned(("cat", "K AE1 T"), ("water", WATER))
    alignment = replace(
        alignment, words=(Interval(0, 0.5, ""), *alignment.words), confidence=(0.25, 0.75)
    )
    (token,), _ = find_tokens(RECORDING, alignment, dictionary, {})
    assert token.alignment_confidence == 0.75


def test_words_that_are_not_sure_enough_are_left_out(dictionary: Dictionary) -> None:
    alignment = replace(aligned(("water", WATER), ("money", "M AH1 N IY0")), confidence=(0.4, 0.8))
    wanted = Wanted(min_confidence=0.5)
    tokens, rejected = find_tokens(RECORDING, alignment, dictionary, {}, wanted=wanted)
    assert [token.word for token in tokens] == ["MONEY"]
    assert [(word.word, word.reason) for word in rejected] == [
        ("WATER", "alignment not sure enough")
    ]
    unknown = replace(alignment, confidence=None)
    assert len(find_tokens(RECORDING, unknown, dictionary, {}, wanted=wanted)[0]) == 2


def test_prosody_only_pairs(dictionary: Dictionary) -> None:
    alignment = aligned(("insult", "IH1 N S AH2 L T"), ("present", "P R EH1 Z AH0 N T"))
    tokens, _ = find_tokens(RECORDING, alignment, dictionary, {})
    assert [token.is_prosody_only_pair for token in tokens] == [True, False]
    assert all(token.is_minimal_pair for token in tokens)


def test_an_alignment_of_other_words_is_refused(dictionary: Dictionary) -> None:
    recording = replace(RECORDING, words=("THE", "RECORD"))
    with pytest.raises(AlignmentError, match=r"/x/u1\.wav: the alignment has 1 words, the trans"):
        find_tokens(recording, aligned(("water", WATER)), dictionary, {})
    fitting = aligned(("the", "DH AH0"), ("record", NOUN))
    assert len(find_tokens(recording, fitting, dictionary, {})[0]) == 1


@pytest.mark.parametrize("phone", ["ɪ", "ah0", "AX", "AH5"])
def test_phones_of_another_set_are_named(dictionary: Dictionary, phone: str) -> None:
    recording = replace(RECORDING, alignment_path=Path("/x/u1.TextGrid"))
    alignment = aligned(("water", f"W AO1 T {phone}"))
    with pytest.raises(AlignmentError) as caught:
        find_tokens(recording, alignment, dictionary, {})
    message = f"/x/u1.TextGrid: phone '{phone}' at 0.800 s is not ARPAbet "
    assert str(caught.value).startswith(message)


@pytest.mark.parametrize(
    ("index", "word", "complaint"),
    [
        (0, "HOTEL", "labels.tsv: word 0 of 'u1' is 'WATER', the table decides about 'HOTEL'"),
        (7, "HOTEL", "labels.tsv: word 7 of 'u1' is missing, the table decides about 'HOTEL'"),
        (1, "", "labels.tsv: word 1 of 'u1' is missing, the table decides about it"),
    ],
)
def test_a_label_for_another_word_is_refused(
    dictionary: Dictionary, index: int, word: str, complaint: str
) -> None:
    labels = {("u1", index): StressLabel("FINAL", word, "labels.tsv")}
    with pytest.raises(CorpusError) as caught:
        find_tokens(RECORDING, aligned(("water", WATER)), dictionary, labels)
    assert complaint in str(caught.value)


def test_long_recordings_take_linear_time(dictionary: Dictionary) -> None:
    """100,000 phones: quadratic search would take minutes."""
    alignment = aligned(*[("water", WATER)] * 25_000, phone_s=0.05)
    tokens, _ = find_tokens(RECORDING, alignment, dictionary, {})
    assert len(tokens) == 25_000
