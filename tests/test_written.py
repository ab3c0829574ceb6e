"""What is read of what is written: marks, numbers, abbreviations, conventions, own rules."""

from __future__ import annotations

import re
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stressnet.corpus.conventions import CONVENTIONS
from stressnet.corpus.numerals import say
from stressnet.corpus.written import NOT_READABLE, Change, Normaliser, split_words

WORD = re.compile(r"[^\W_]+(?:'[^\W_]+)*'?")


def read(text: str, convention: str = "plain") -> str:
    return " ".join(Normaliser(convention).read(text).words)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("21, (3) and 1,000", "TWENTY ONE THREE AND ONE THOUSAND"),
        (
            "in 1921, the 1990s, the '80s",
            "IN NINETEEN TWENTY ONE THE NINETEEN NINETIES THE EIGHTIES",
        ),
        (
            "1914-1918 or 1914-18",
            " ".join(("NINETEEN FOURTEEN TO",) * 1)
            + " NINETEEN EIGHTEEN OR NINETEEN FOURTEEN TO EIGHTEEN",
        ),
        ("his 3rd, 11th and 21st", "HIS THIRD ELEVENTH AND TWENTY FIRST"),
        ("$5, £3.50 or $1", "FIVE DOLLARS THREE POUNDS FIFTY PENCE OR ONE DOLLAR"),
        ("$5 million at 50 %", "FIVE MILLION DOLLARS AT FIFTY PERCENT"),
        ("3.5, .5 and -2", "THREE POINT FIVE POINT FIVE AND MINUS TWO"),
        ("at 10:30, 10:05 or 9:00", "AT TEN THIRTY TEN OH FIVE OR NINE O'CLOCK"),
        ("10-15 of them", "TEN TO FIFTEEN OF THEM"),
        ("2½ or 2 1/2 cups", "TWO AND A HALF OR TWO AND A HALF CUPS"),
        ("B2, an mp3, H2O", "B TWO AN M P THREE H TWO O"),
        ("R&B & AT&T &amp; us", "R AND B AND A T AND T AND US"),
        ("a mid-1990s 5-year-old", "A MID NINETEEN NINETIES FIVE YEAR OLD"),
        ("5kg at 20 °C", "FIVE KILOGRAMS AT TWENTY DEGREES CELSIUS"),
    ],
)
def test_numbers_and_symbols_in_words(text: str, words: str) -> None:
    assert read(text) == words


@pytest.mark.parametrize(
    "piece",
    "555-1234 2021-05-03 12/25/1999 1,00 10,20,30 3.5.2 007 1:02:03 24/7 5m 4x4 TOP10 catch22 13rd "
    "747s 3-2 C++ #metoo 123456789012345678901 ٣ 6/2/1 $3.5 1e5".split(),
)
def test_what_cannot_be_said_stays_and_is_named(piece: str) -> None:
    reading = Normaliser().read(f"call {piece} now")
    assert Change(piece, "", NOT_READABLE) in reading.changes
    assert "".join(reading.words) == f"CALL{re.sub('[^0-9A-Z٣]', '', piece.upper())}NOW"


def test_numbers_of_another_language() -> None:
    assert say("21", "de") == ("einundzwanzig", "number")
    assert say("$5", "de") is None


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Mr. Hill, Mrs Hill, Prof. Hill Jr.", "MISTER HILL MISSUS HILL PROFESSOR HILL JUNIOR"),
        ("Dr. Hill of St. Ives St.", "DR HILL OF ST IVES ST"),  # the aligner hears which it is
        ("No. 5. No. Nos. 3 and 4", "NUMBER FIVE NO NUMBERS THREE AND FOUR"),
        ("Gen. Lee vs. gen. x, etc.", "GENERAL LEE VERSUS GEN X ET CETERA"),
        ("e.g. this, i.e. that", "FOR EXAMPLE THIS THAT IS THAT"),
        ("the U.S.A. at 9 a.m.", "THE U S A AT NINE A M"),
        (
            "on May 5, 1921 and may 5 of them",
            "ON MAY FIFTH NINETEEN TWENTY ONE AND MAY FIVE OF THEM",
        ),
        ("www.example.com, a@b.org", "W W W DOT EXAMPLE DOT COM A AT B DOT ORG"),
    ],
)
def test_abbreviations(text: str, words: str) -> None:
    assert read(text) == words


@pytest.mark.parametrize(
    ("convention", "text", "words", "noises"),
    [
        ("plain", "the [laughter] per- permit *coughs*", "THE PERMIT", (1, 2)),
        ("plain", "Speaker 1: the\n>> Susan: permit", "THE PERMIT", ()),
        ("chat", "*CHI:\t&-um I <want the> [/] want", "UM I WANT THE WANT", ()),
        ("chat", "%mor:\tn|dog\n\tn|cat\n*MOT:\tdog &=laughs xxx .", "DOG", (1,)),
        ("chat", "(be)cause goin(g) no:: woof@o 0is it +...", "CAUSE GOIN NO WOOF IT", ()),
        (
            "chat",
            "dog [x 3] <a cat> [x 2] (.) (1.5) \x15123_456\x15",
            "DOG DOG DOG A CAT A CAT",
            (),
        ),
        ("chat", "he [: she] &+fr friends &um &bl", "HE FRIENDS UM", (1, 3)),
        ("fave", "Susan: {LG} the ((best guess)) (( )) {NS}", "THE BEST GUESS", (0, 3)),
        ("fave", "the ((unclear)) per- permit -- <ov>both</ov> [cough]", "THE PERMIT BOTH", (1, 3)),
        ("librispeech", "A [B] 21 MR. X-", "A B 21 MR X", ()),
    ],
)
def test_conventions(convention: str, text: str, words: str, noises: tuple[int, ...]) -> None:
    reading = Normaliser(convention).read(text)
    assert " ".join(reading.words) == words
    assert reading.noises == noises


def test_every_change_is_listed() -> None:
    changes = Normaliser().read("Susan: the [laughter] 3rd of Mr. Hill's [unclosed").changes
    assert [(c.written, c.read, c.rule) for c in changes] == [
        ("Susan:", "", "speaker"),
        ("[laughter]", "", "mark"),
        ("Mr.", "mister", "abbreviation"),
        ("3rd", "third", "ordinal"),
        ("[", "", "bracket"),
    ]


def test_own_rules_come_first_and_are_listed() -> None:
    own = Normaliser(rules=((r"(?i)\bcuz\b", "because"), (r"\$(\w+)\$", r"\1")))
    reading = own.read("Cuz $he$ [laughs] went")
    assert reading.words == ("BECAUSE", "HE", "WENT")
    assert reading.changes[:2] == (
        Change("Cuz", "because", "own rule"),
        Change("$he$", "he", "own rule"),
    )


def test_no_rule_can_hang() -> None:
    began = time.process_time()
    Normaliser(rules=((r"(a+)+$", ""),)).read("a" * 100_000 + "b")
    assert time.process_time() - began < 2.0


PIECES = st.sampled_from(
    "[ ] { } < > (( )) ( ) - -- a- 1 21 1,000 10:30 $ £ % & &- &= &+ @ @o * *CHI: %mor: +... xxx "
    "0 ½ . e.g. Mr. No. a.m. May www.a.com [x 3] ' ’ \n \t \x15 \u200b \ue000 \ue001 \ud800 "
    "&amp; &#57344; é ß coughing word WORD # / 1990s 3rd mp3 _ ^ ~".split(" ")
)


@given(
    st.lists(PIECES | st.text(max_size=4), max_size=40),
    st.sampled_from(sorted(CONVENTIONS)),
    st.sampled_from(("", " ")),
)
@settings(max_examples=400, deadline=None)
def test_any_text_is_read(pieces: list[str], convention: str, between: str) -> None:
    reading = Normaliser(convention).read(between.join(pieces))
    for word in reading.words:
        assert WORD.fullmatch(word), word
    assert all(0 <= place <= len(reading.words) for place in reading.noises)
    assert sorted(set(reading.noises)) == list(reading.noises)
    for change in reading.changes:
        assert change.written and "\n" not in change.written + change.read


@given(st.lists(st.from_regex(r"[A-Za-z]{2,9}('[a-z]{1,2})?[.,!?;]?", fullmatch=True), max_size=20))
@settings(deadline=None)
def test_plain_words_stay_as_they_were(words: list[str]) -> None:
    short = {"mr", "mrs", "etc", "jr", "sr", "vs", "prof", "inc", "ltd", "dept", "approx", "ave"}
    words = [
        w for w in words if w.strip(".,!?;").lower() not in short | {"blvd", "mt", "xxx", "yyy"}
    ]
    text = " ".join(words)
    assert split_words(text) == tuple(w.upper() for w in WORD.findall(text))


@pytest.mark.parametrize("convention", CONVENTIONS)
@pytest.mark.parametrize(
    "piece", ["[", "(", "((", "a", "&", "*a", "Mr. ", "1,", "a.", "\x15", "x@"]
)
def test_time_is_linear(convention: str, piece: str) -> None:
    began = time.process_time()
    Normaliser(convention).read(piece * (50_000 // len(piece)))
    assert time.process_time() - began < 2.0


PAGE = Path(__file__).parents[1] / "docs" / "transcripts.md"


def documented() -> list[tuple[str, str, str, set[str]]]:
    """Convention, written, read and rules of every row of the page's tables."""
    rows = []
    pages = (PAGE, Path(__file__).with_name("written.md"))
    for line in "\n".join(page.read_text(encoding="utf-8") for page in pages).splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if line.startswith("|") and "`" in line:
            convention = cells.pop(0) if len(cells) == 4 else "plain"
            written, read, rules = (re.sub(r"\(.*", "", cells[2]) if k == 2 else cells[k].strip("`")
                                    for k in range(3))  # fmt: skip
            rows.append((convention, written, read, {r.strip() for r in rules.split(",")} - {""}))
    return rows


@pytest.mark.parametrize(("convention", "written", "words", "rules"), documented())
def test_the_page_says_what_the_code_reads(
    convention: str, written: str, words: str, rules: set[str]
) -> None:
    reading = Normaliser(convention).read(written)
    assert " ".join(reading.words) == words
    assert {change.rule for change in reading.changes} == rules - {"sounds"}
    assert bool(reading.noises) == ("sounds" in rules)


def test_every_rule_is_on_the_page() -> None:
    rules = {group for rule in CONVENTIONS.values() for r in rule for group in r.pattern.groupindex}
    assert rules - {"span"} <= set().union(*(row[3] for row in documented()))
