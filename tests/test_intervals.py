"""Intervals: what is silence and what is a word."""

import pytest

from stressnet.intervals import Alignment, Interval, marks_silence


@pytest.mark.parametrize("mark", ["", " ", "sp", "SIL", "spn", "<eps>", "h#"])
def test_marks_of_silence(mark: str) -> None:
    assert marks_silence(mark)


@pytest.mark.parametrize("word", ["SILENCE", "silence", "spin", "a"])
def test_words_are_no_silence(word: str) -> None:
    assert not marks_silence(word)
    assert not Interval(0.0, 1.0, word).is_silence


def test_the_word_silence_is_spoken() -> None:
    words = (Interval(0, 1, "IN"), Interval(1, 2, ""), Interval(2, 3, "SILENCE"))
    assert [w.label for w in Alignment(words, ()).spoken_words()] == ["IN", "SILENCE"]


def test_phones_belong_to_a_word_by_their_midpoint() -> None:
    phones = (Interval(0.0, 0.4, "AH0"), Interval(0.4, 1.1, "T"), Interval(1.1, 1.2, ""))
    alignment = Alignment((Interval(0.0, 1.0, "UT"),), phones)
    assert alignment.phones_of(alignment.words[0]) == phones[:2]
