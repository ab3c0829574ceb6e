"""TextGrids in every encoding and naming that occurs, and files that Praat opens."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stressnet.alignment.textgrid import read_textgrid, write_textgrid
from stressnet.alignment.validation import fit_to_audio, validate
from stressnet.errors import AlignmentError
from stressnet.intervals import Alignment, Interval

LONG = """File type = "ooTextFile"
Object class = "TextGrid"

xmin = 0
xmax = 1.5
tiers? <exists>
size = 2
item []:
    item [1]:
        class = "IntervalTier"
        name = "{phones}"
        xmin = 0
        xmax = 1.5
        intervals: size = 4
        intervals [1]:
            xmin = 0
            xmax = 0.25
            text = "sil"
        intervals [2]:
            xmin = 0.25
            xmax = 0.5
            text = "DH"
        intervals [3]:
            xmin = 0.5
            xmax = 1.0
            text = "AH0"
        intervals [4]:
            xmin = 1.0
            xmax = 1.5
            text = "sp"
    item [2]:
        class = "IntervalTier"
        name = "{words}"
        xmin = 0
        xmax = 1.5
        intervals: size = 3
        intervals [1]:
            xmin = 0
            xmax = 0.25
            text = "<eps>"
        intervals [2]:
            xmin = 0.25
            xmax = 1.0
            text = "{label}"
        intervals [3]:
            xmin = 1.0
            xmax = 1.5
            text = ""
"""

SHORT = """File type = "ooTextFile"
Object class = "TextGrid"

0
1.5
<exists>
2
"IntervalTier"
"{words}"
0
1.5
3
0
0.25
""
0.25
1.0
"{label}"
1.0
1.5
"SIL"
"IntervalTier"
"{phones}"
0
1.5
4
0
0.25
"sil"
0.25
0.5
"DH"
0.5
1.0
"AH0"
1.0
1.5
"spn\""""

NAMES = [
    ("words", "phones"),
    ("Word", "Phone"),
    ("ALICE - words", "ALICE - phones"),
    ("ORT-MAU", "MAU"),
]
ENCODINGS = ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be"]


@pytest.mark.parametrize(
    ("template", "names", "encoding", "newline"),
    itertools.product([LONG, SHORT], NAMES, ENCODINGS, ["\n", "\r\n"]),
)
def test_reads_every_flavour(tmp_path, template, names, encoding, newline):
    words, phones = names
    text = template.format(words=words, phones=phones, label='thé ""汉""')
    path = tmp_path / "été 汉.TextGrid"
    path.write_bytes(text.replace("\n", newline).encode(encoding))
    alignment = read_textgrid(path)
    assert alignment.source == "textgrid"
    assert alignment.words == (
        Interval(0, 0.25, ""),
        Interval(0.25, 1.0, 'thé "汉"'),
        Interval(1.0, 1.5, ""),
    )
    assert [phone.label for phone in alignment.phones] == ["", "DH", "AH0", ""]
    assert validate(alignment, 1.5) == []


def test_missing_tier_names_file_and_tiers(tmp_path):
    path = tmp_path / "a.TextGrid"
    path.write_text(LONG.format(words="tones", phones="phones", label="the"))
    with pytest.raises(AlignmentError, match=r"a\.TextGrid: no word tier.*'phones', 'tones'"):
        read_textgrid(path)
    path.write_text(LONG.format(words="words", phones="tones", label="the"))
    assert read_textgrid(path).words and read_textgrid(path).phones == ()


def test_two_speakers_need_a_choice(tmp_path):
    path = tmp_path / "two.TextGrid"
    both = {
        f"{who} - {tier}": [Interval(0, 1, who)] for who in "AB" for tier in ("words", "phones")
    }
    write_textgrid(path, Alignment((), ()), 1.0, both)
    text = path.read_text().replace('"words"', '"x"').replace('"phones"', '"y"')
    path.write_text(text)
    with pytest.raises(AlignmentError, match="more than one word tier"):
        read_textgrid(path)
    assert read_textgrid(path, speaker="B").words[0].label == "B"
    with pytest.raises(AlignmentError, match="no word tier of speaker 'C'"):
        read_textgrid(path, speaker="C")


@pytest.mark.parametrize("content", [b"", b"\x00", b"fLaC\xff\xfe", b"{}", b"no TextGrid\n" * 9])
def test_not_a_textgrid(tmp_path, content):
    path = tmp_path / "bad.TextGrid"
    path.write_bytes(content)
    with pytest.raises(AlignmentError, match=r"bad\.TextGrid"):
        read_textgrid(path)


@pytest.mark.parametrize("template", [LONG, SHORT])
def test_truncated_file_is_not_read_as_a_shorter_one(tmp_path, template):
    text = template.format(words="words", phones="phones", label="the")
    path = tmp_path / "cut.TextGrid"
    path.write_text(text[: text.rindex("1.0")])
    with pytest.raises(AlignmentError, match=r"cut\.TextGrid"):
        read_textgrid(path)


def test_absent_file(tmp_path):
    with pytest.raises(AlignmentError, match="cannot be read"):
        read_textgrid(tmp_path / "none.TextGrid")


labels = st.text(
    st.characters(blacklist_categories=("Cs", "Cc"), blacklist_characters="\u2028\u2029\x85"),
    max_size=8,
).map(str.strip)


@st.composite
def tiers(draw):
    times = sorted(draw(st.sets(st.integers(0, 5000), min_size=2, max_size=12)))
    pairs = list(itertools.pairwise(times))
    keep = draw(st.lists(st.booleans(), min_size=len(pairs), max_size=len(pairs)))
    return tuple(
        Interval(a / 1000, b / 1000, "x" + draw(labels))
        for (a, b), kept in zip(pairs, keep, strict=True)
        if kept
    )


@settings(max_examples=60, deadline=None)
@given(words=tiers(), phones=tiers())
def test_round_trip_is_exact(tmp_path_factory, words, phones):
    import unicodedata

    path = tmp_path_factory.mktemp("tg") / "round.TextGrid"
    write_textgrid(path, Alignment(words, phones), 5.0)
    again = read_textgrid(path)
    for got, want in ((again.words, words), (again.phones, phones)):
        spoken = [i for i in got if i.label]
        assert [i.label for i in spoken] == [unicodedata.normalize("NFC", i.label) for i in want]
        assert [(i.start_s, i.end_s) for i in spoken] == [(i.start_s, i.end_s) for i in want]
        assert got[0].start_s == 0.0
        assert got[-1].end_s == 5.0
        assert all(a.end_s == b.start_s for a, b in itertools.pairwise(got))


def test_praat_opens_what_is_written(tmp_path):
    parselmouth = pytest.importorskip("parselmouth")
    path = tmp_path / "praat.TextGrid"
    alignment = Alignment(
        words=(Interval(0.1, 0.5, 'thé "so"'),),
        phones=(Interval(0.1, 0.3, "DH"), Interval(0.3, 0.5, "AH0")),
    )
    write_textgrid(
        path, alignment, 0.7, {"nuclei": [Interval(0.3, 0.52, "1"), Interval(0.6, 0.7, "2")]}
    )
    grid = parselmouth.read(str(path))
    from parselmouth.praat import call

    assert call(grid, "Get number of tiers") == 3
    assert call(grid, "Get tier name...", 3) == "nuclei"
    assert call(grid, "Get label of interval...", 1, 2) == 'thé "so"'
    assert call(grid, "Get end time of interval...", 2, 2) == pytest.approx(0.3)
    assert call(grid, "Get number of intervals...", 3) == 4
    assert call(grid, "Get total duration") == pytest.approx(0.7)


def test_small_overhang_is_clamped_large_refused(tmp_path):
    alignment = Alignment((Interval(0.5, 1.03, "the"),), (Interval(0.5, 1.03, "DH"),))
    assert validate(alignment, 1.0) == []
    assert fit_to_audio(alignment, 1.0).words[0].end_s == 1.0
    write_textgrid(tmp_path / "a.TextGrid", alignment, 1.0)
    assert read_textgrid(tmp_path / "a.TextGrid").words[-1].end_s == 1.0
    assert len(validate(alignment, 0.9)) == 2
    with pytest.raises(AlignmentError, match="more than 50 ms"):
        fit_to_audio(alignment, 0.9)
    with pytest.raises(AlignmentError, match=r"b\.TextGrid"):
        write_textgrid(tmp_path / "b.TextGrid", alignment, 0.9)


def test_validate_finds_each_kind_of_problem():
    alignment = Alignment(
        words=(
            Interval(-0.1, 0.2, "a"),
            Interval(0.15, 0.4, "b"),
            Interval(0.5, 0.5, "c"),
            Interval(0.6, 0.7, "d"),
        ),
        phones=(Interval(0.0, 0.1, "AH0"), Interval(0.1, 0.3, "B"), Interval(0.45, 0.49, "K")),
    )
    text = "\n".join(validate(alignment, 1.0))
    for fragment in (
        "'a' at -0.100 s starts before",
        "'b' at 0.150 s overlaps 'a'",
        "'c' at 0.500 s has no length",
        "'B' at 0.100 s crosses the edge",
        "'K' at 0.450 s lies in no word",
        "'d' at 0.600 s has no phones",
    ):
        assert fragment in text


def test_overlap_cannot_be_written(tmp_path):
    words = (Interval(0, 0.5, "a"), Interval(0.4, 0.6, "b"))
    with pytest.raises(AlignmentError, match="overlaps"):
        write_textgrid(tmp_path / "o.TextGrid", Alignment(words, ()), 1.0)


def test_name_of_extra_tier_must_be_free(tmp_path):
    with pytest.raises(AlignmentError, match="'words'"):
        write_textgrid(tmp_path / "o.TextGrid", Alignment((), ()), 1.0, {"words": []})


LJ = Path(__file__).resolve().parents[1].parent / "shared/data/ljspeech-aligned"


@pytest.mark.skipif(not LJ.is_dir(), reason="aligned LJ Speech clips not present")
def test_reads_supplied_textgrids():
    for path in sorted(LJ.glob("*.TextGrid"))[:20]:
        alignment = read_textgrid(path)
        assert alignment.spoken_words()
        duration_s = max(alignment.words[-1].end_s, alignment.phones[-1].end_s)
        problems = validate(alignment, duration_s)  # MFA gives unknown words no phones
        assert [p for p in problems if "<unk>" not in p] == []
