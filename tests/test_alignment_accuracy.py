"""Boundary errors with known answers."""

from __future__ import annotations

import numpy as np
import pytest

from stressnet.alignment.accuracy import boundary_errors, signed_boundary_errors, summarise
from stressnet.errors import AlignmentError
from stressnet.intervals import Alignment, Interval

REFERENCE = Alignment(
    words=(Interval(0.0, 0.1, ""), Interval(0.1, 0.5, "the"), Interval(0.5, 0.9, "ox")),
    phones=(
        Interval(0.1, 0.2, "DH"),
        Interval(0.2, 0.5, "AH0"),
        Interval(0.5, 0.7, "AA1"),
        Interval(0.7, 0.8, "K"),
        Interval(0.8, 0.9, "S"),
    ),
)


def moved(seconds: float, vowel: str = "AH0") -> Alignment:
    return Alignment(
        words=tuple(w.shifted(seconds) for w in REFERENCE.spoken_words()),
        phones=tuple(
            Interval(p.start_s, p.end_s, vowel if p.label == "AH0" else p.label).shifted(seconds)
            for p in REFERENCE.phones
        ),
    )


def test_same_alignment_has_no_errors():
    assert boundary_errors(REFERENCE, REFERENCE).tolist() == [0.0] * 4
    assert boundary_errors(REFERENCE, REFERENCE, "phone").tolist() == [0.0] * 10


def test_constant_shift_is_every_error_and_keeps_its_sign():
    np.testing.assert_allclose(boundary_errors(REFERENCE, moved(-0.03)), 30.0)
    np.testing.assert_allclose(signed_boundary_errors(REFERENCE, moved(-0.03)), -30.0)
    np.testing.assert_allclose(signed_boundary_errors(REFERENCE, moved(0.012), "phone"), 12.0)


def test_stress_digits_are_ignored_other_segments_leave_the_word_out():
    assert len(boundary_errors(REFERENCE, moved(0.0, "AH1"), "phone")) == 10
    assert len(boundary_errors(REFERENCE, moved(0.0, "IY0"), "phone")) == 6


def test_case_of_words_is_ignored_other_words_are_refused():
    upper = Alignment(
        tuple(Interval(w.start_s, w.end_s, w.label.upper()) for w in REFERENCE.words), ()
    )
    assert boundary_errors(REFERENCE, upper).max() == 0.0
    other = Alignment((Interval(0.1, 0.5, "the"), Interval(0.5, 0.9, "axe")), ())
    with pytest.raises(AlignmentError, match="word 1 is 'ox'"):
        boundary_errors(REFERENCE, other)
    with pytest.raises(AlignmentError, match="2 and 1 words"):
        boundary_errors(REFERENCE, Alignment(other.words[:1], ()))


def test_summary():
    summary = summarise([-10.0, 20.0, 30.0, 60.0])
    assert (summary.n, summary.median_ms, summary.mean_ms) == (4, 25.0, 30.0)
    assert (summary.within_20_ms, summary.within_25_ms, summary.within_50_ms) == (0.5, 0.5, 0.75)
    assert summary.p90_ms == pytest.approx(51.0)
    assert summarise([]).n == 0
    assert np.isnan(summarise([]).mean_ms)
