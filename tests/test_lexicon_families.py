"""Families: what must not be divided between training and test."""

from __future__ import annotations

import pytest

from stressnet.lexicon.families import lemmas, word_families


@pytest.mark.parametrize(
    "together",
    [
        ("PRESENT", "PRESENTS", "PRESENTED", "PRESENTING"),
        ("RECORD", "RECORDS", "RECORD'S", "RECORDING"),
        ("DECIDE", "DECIDES", "DECIDED"),
        ("WOMAN", "WOMEN", "WOMAN'S", "WOMEN'S"),
        ("FATHER", "FATHERS", "FATHERS'", "FATHER'S"),
    ],
)
def test_inflected_forms_are_one_family(together: tuple[str, ...]) -> None:
    families = word_families([*together, "HOTEL", "WATER"])
    assert len({families[word] for word in together}) == 1
    assert len({families["HOTEL"], families["WATER"], families[together[0]]}) == 3


def test_a_family_is_named_by_its_shortest_lemma() -> None:
    families = word_families(["presents", "Presented"])
    assert families == {"PRESENTS": "present", "PRESENTED": "present"}


def test_unknown_words_are_their_own_family() -> None:
    families = word_families(["BLORPTAG", "BLORPTAGS", "ZIBBER"])
    assert families["BLORPTAG"] == families["BLORPTAGS"] != families["ZIBBER"]


def test_order_and_case_do_not_matter() -> None:
    words = ["records", "HOTEL", "Present", "record", "presents", "leaves", "leaf", "leave"]
    assert word_families(words) == word_families(reversed(words))
    assert word_families([]) == {}


def test_families_are_closed() -> None:
    """Two words that share any lemma are together, and so are words linked by a third."""
    words = ["LEAVES", "LEAF", "LEAVE", "LEAVING", "FOUND", "FIND", "FOUNDED", "LETTER", "BETTER"]
    families = word_families(words)
    for first in words:
        for second in words:
            if lemmas(first) & lemmas(second):
                assert families[first] == families[second], (first, second)
    assert families["LEAF"] == families["LEAVING"]
    assert families["LETTER"] != families["BETTER"]
