"""Each alignment format with its traps, in small hand-made files whose content is known."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest

from stressnet.alignment.readers import (
    FORMATS,
    detect_format,
    files_of,
    has_many,
    read_alignment,
    read_alignments,
)
from stressnet.alignment.readers.phone_sets import BUCKEYE, TIMIT, TIMIT_CLOSURES
from stressnet.alignment.validation import validate
from stressnet.errors import AlignmentError, ConfigError
from stressnet.intervals import Interval
from stressnet.lexicon.pronunciation import is_arpabet


def write(path: Path, text: str, encoding: str = "utf-8") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text.encode(encoding))
    return path


def rows(intervals: tuple[Interval, ...]) -> list[tuple[float, float, str]]:
    return [(round(i.start_s, 6), round(i.end_s, 6), i.label) for i in intervals]


# --- which format --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "content", "expected"),
    [
        ("a.TextGrid", "", "textgrid"),
        ("a.textgrid", "", "textgrid"),
        ("a.txt", 'File type = "ooTextFile"\n', "textgrid"),
        ("a.txt", 'File type = "ooTextFile short"\n"TextGrid"\n', "textgrid"),
        ("84-121123.alignment.txt", '84-0 ",GO," "0.4,0.8,1.0"\n', "librispeech"),
        ("SA1.WRD", "", "timit"),
        ("sa1.phn", "", "timit"),
        ("s0101a.words", "", "buckeye"),
        ("x.ctm", "", "ctm"),
        ("x.csv", "", "csv"),
        ("x.tsv", "", "csv"),
        ("x.json", "", "mfa-json"),
        ("supervisions.jsonl.gz", "", "lhotse"),
    ],
)  # fmt: skip
def test_the_format_is_found(tmp_path: Path, name: str, content: str, expected: str) -> None:
    assert detect_format(write(tmp_path / name, content)) == expected


def test_unknown_formats(tmp_path: Path) -> None:
    path = write(tmp_path / "notes.txt", "nothing of the kind\n")
    with pytest.raises(AlignmentError, match=r"notes\.txt: its format cannot be told.*textgrid"):
        read_alignment(path)
    with pytest.raises(ConfigError, match=r"'xlabel'; there are: auto, textgrid"):
        read_alignment(path, "xlabel")


@pytest.mark.parametrize("name", sorted(FORMATS))
def test_missing_and_binary_files_are_named(tmp_path: Path, name: str) -> None:
    suffix = {"textgrid": ".TextGrid", "mfa-json": ".json", "timit": ".WRD", "buckeye": ".words",
              "librispeech": ".txt", "ctm": ".ctm", "csv": ".csv",
              "lhotse": ".jsonl", "elan": ".eaf", "recogniser": ".json", "subtitles": ".srt",
              "stm": ".stm", "chat": ".cha", "fave": ".txt"}[name]  # fmt: skip
    missing = tmp_path / f"none{suffix}"
    with pytest.raises(AlignmentError, match="none"):
        read_alignment(missing, name)
    for path in (tmp_path / f"bad{suffix}", *(tmp_path / f"bad{s}" for s in (".PHN", ".phones"))):
        path.write_bytes(b"\x89\xff\x01\x02rubbish\xfe" * 9)
    with pytest.raises(AlignmentError, match=r"bad\.") as caught:
        read_alignment(tmp_path / f"bad{suffix}", name)
    assert "\n" not in str(caught.value)


# --- TextGrid: what the tests of textgrid.py do not cover -----------------------------------------


@pytest.mark.parametrize(
    "content",
    [
        b'"Praat chronological TextGrid text file"\n0 1 ! Time domain.\n2 ! Number of tiers.\n',
        b"ooBinaryFile\x08TextGrid\x00\xf0\x3f\xff\xff",
    ],
)
def test_praats_other_kinds_of_textgrid_say_what_to_do(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "x.TextGrid"
    path.write_bytes(content)
    with pytest.raises(AlignmentError, match=r"x\.TextGrid.*Save as text file"):
        read_alignment(path)


# --- Montreal Forced Aligner ---------------------------------------------------------------------


@pytest.mark.parametrize("prefix", ["", "anna - "])
def test_mfa_json(tmp_path: Path, prefix: str) -> None:
    tiers = {  # phones first: the order of MFA's tiers changed between versions
        f"{prefix}phones": {
            "type": "interval",
            "entries": [[0.0, 0.2, "sil"], [0.2, 0.3, "DH"], [0.3, 0.5, "AH0"], [0.5, 0.9, "spn"]],
        },
        f"{prefix}words": {
            "type": "interval",
            "entries": [[0.0, 0.2, "<eps>"], [0.2, 0.5, "the"], [0.5, 0.9, ""]],
        },
    }
    path = write(tmp_path / "a.json", json.dumps({"start": 0, "end": 0.9, "tiers": tiers}))
    alignment = read_alignment(path)
    assert rows(alignment.words) == [(0, 0.2, ""), (0.2, 0.5, "the"), (0.5, 0.9, "")]
    assert [phone.label for phone in alignment.phones] == ["", "DH", "AH0", ""]
    assert validate(alignment, 0.9) == []


MFA_CSV = """Begin,End,Label,Type,Speaker
0.0,0.2,,words,{0}
0.2,0.5,"the",words,{0}
0.0,0.2,sil,phones,{0}
0.2,0.3,DH,phones,{0}
0.3,0.5,AH0,phones,{0}
"""


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_mfa_csv(tmp_path: Path, encoding: str) -> None:
    path = write(tmp_path / "é 汉.csv", MFA_CSV.format("anna"), encoding)
    alignment = read_alignment(path, utterance_id="é 汉")
    assert rows(alignment.spoken_words()) == [(0.2, 0.5, "the")]
    assert rows(alignment.spoken_phones()) == [(0.2, 0.3, "DH"), (0.3, 0.5, "AH0")]


def test_rows_of_two_speakers_need_a_choice(tmp_path: Path) -> None:
    second = MFA_CSV.format("bo").replace("the", "they").split("\n", 1)[1]
    path = write(tmp_path / "a.csv", MFA_CSV.format("anna") + second)
    with pytest.raises(AlignmentError, match="speakers anna, bo; choose one with --speaker"):
        read_alignment(path)
    assert read_alignment(path, speaker="bo").spoken_words()[0].label == "they"


# --- plain tables --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("header", "start", "end", "rate_hz"),
    [
        ("start_s,end_s,label,tier", 0.25, 0.5, None),
        ("xmin,xmax,text,tier", 0.25, 0.5, None),
        ("start_ms,end_ms,label,tier", 250, 500, None),
        ("start_samples,end_samples,label,tier", 4000, 8000, 16_000),
    ],
)
def test_units_of_a_table(
    tmp_path: Path, header: str, start: float, end: float, rate_hz: int | None
) -> None:
    for delimiter in ",;\t":
        lines = [header, f"{start},{end},the,words", f"{start},{end},sp,phones", ",,,"]
        path = write(tmp_path / "a.csv", "\n".join(lines).replace(",", delimiter))
        alignment = read_alignment(path, rate_hz=rate_hz)
        assert alignment.words == (Interval(0.25, 0.5, "the"),)
        assert alignment.phones == (Interval(0.25, 0.5, ""),)


def test_a_table_of_many_recordings(tmp_path: Path) -> None:
    text = "file,tier,start,end,label\nx/a.wav,words,0,1,one\nx\\b.wav,words,0,2,two\n"
    path = write(tmp_path / "all.csv", text)
    assert has_many(path)
    assert set(read_alignments(path)) == {"a", "b"}
    assert read_alignment(path, utterance_id="b").words == (Interval(0, 2, "two"),)
    with pytest.raises(AlignmentError, match=r"all\.csv: holds no alignment of 'c'"):
        read_alignment(path, utterance_id="c")
    with pytest.raises(AlignmentError, match=r"holds 2 recordings \(a, b, \.\.\.\); say which"):
        read_alignment(path)


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("begin,label,tier\n", "no column 'end'"),
        ("start_s,end_ms,label,tier\n", "different units"),
        ("start_samples,end_samples,label,tier\n", "need the sampling rate"),
        ("start,end,label,tier\n0,x,a,words\n", "line 2: end 'x' is no number"),
        ("start,end,label,tier\n0,nan,a,words\n", "line 2: end 'nan' is no number"),
        ("start,end,label,tier\n0,1,a,tones\n", "no row has the tier 'words'"),
    ],
)
def test_damaged_tables(tmp_path: Path, text: str, complaint: str) -> None:
    with pytest.raises(AlignmentError, match=complaint):
        read_alignment(write(tmp_path / "a.csv", text))


# --- TIMIT ---------------------------------------------------------------------------------------

# "she had a water button", as TIMIT would have it (samples at 16 kHz).
WRD = """3200 6400 she
6400 9600 had
9500 14400 water
14400 19200 button
19200 22400 ladder
"""
PHN = """0 3200 h#
3200 4800 sh
4800 6400 ix
6400 7200 hv
7200 8000 ae
8000 8800 dcl
8800 9600 d
9600 10400 w
10400 12000 ao
12000 12800 dx
12800 14400 axr
14400 14800 bcl
14800 15200 b
15200 16000 ah
16000 17600 q
17600 19200 en
19200 20000 l
20000 20800 ae
20800 21600 dx
21600 22400 axr
22400 24000 pcl
24000 24800 t
24800 26400 epi
26400 28000 h#
"""


@pytest.mark.parametrize("upper", [True, False])
@pytest.mark.parametrize("given", ["wrd", "phn"])
def test_timit(tmp_path: Path, upper: bool, given: str) -> None:
    def name(suffix: str) -> str:
        return f"SA1.{suffix}".upper() if upper else f"sa1.{suffix}"

    write(tmp_path / name("wrd"), WRD)
    write(tmp_path / name("phn"), PHN)
    alignment = read_alignment(tmp_path / name(given))
    assert alignment.source == "timit"
    assert rows(alignment.words)[:2] == [(0.2, 0.4, "she"), (0.4, 0.6, "had")]
    had = alignment.phones_of(alignment.words[1])
    # A closure and its release are one phone, from the start of the closure.
    assert rows(had) == [(0.4, 0.45, "HH"), (0.45, 0.5, "AE"), (0.5, 0.6, "D")]
    labels = {w.label: [p.label for p in alignment.phones_of(w)] for w in alignment.words}
    assert labels["water"] == ["W", "AO", "T", "ER0"]
    assert labels["ladder"] == ["L", "AE", "D", "ER0"]
    assert labels["button"] == ["B", "AH", "AH0", "N"]  # the glottal stop is no phone
    assert rows(alignment.phones_of(alignment.words[3]))[-2:] == [
        (1.1, 1.15, "AH0"),
        (1.15, 1.2, "N"),
    ]
    # A closure before another stop is that stop, unreleased; epenthetic silence is silence.
    assert rows(alignment.phones)[-4:] == [
        (1.4, 1.5, "P"), (1.5, 1.55, "T"), (1.55, 1.65, ""), (1.65, 1.75, "")
    ]  # fmt: skip
    problems = validate(alignment, 1.75)
    assert "words: 'water' at 0.594 s overlaps 'had', which ends at 0.600 s" in problems
    assert {file.name for file in files_of(tmp_path / name(given))} == {name("wrd"), name("phn")}


def test_timit_maps_all_61_phones_to_arpabet() -> None:
    assert len(TIMIT) + len(TIMIT_CLOSURES) == 61
    for table in (TIMIT, BUCKEYE):
        for phones in table.values():
            assert all(is_arpabet(phone) or phone == "DX" for phone in phones)


def test_timit_needs_both_files_and_three_columns(tmp_path: Path) -> None:
    path = write(tmp_path / "SA1.WRD", WRD)
    with pytest.raises(AlignmentError, match=r"no file 'SA1\.PHN' beside it"):
        read_alignment(path)
    write(tmp_path / "SA1.PHN", "0 3200\n")
    with pytest.raises(AlignmentError, match=r"SA1\.PHN, line 1: '0 3200' is not 'first last"):
        read_alignment(path)


def test_times_in_samples_of_another_rate(tmp_path: Path) -> None:
    write(tmp_path / "a.phn", "0 8000 ah\n")
    path = write(tmp_path / "a.wrd", "0 8000 a\n")
    assert read_alignment(path).words[0].end_s == 0.5
    assert read_alignment(path, rate_hz=8000).words[0].end_s == 1.0


# --- Buckeye -------------------------------------------------------------------------------------

HEADER = """signal s0101a
type 1
color 121
comment created using xlabel
font -misc-*-bold-*-*-*-15-*-*-*-*-*-*-*
separator ;
nfields 1
#
"""
WORDS = """    0.100000  122 {B_TRANS}; B_TRANS; null; null
    0.200000  122 <SIL>; S; S; null
    0.500000  122 okay; ow k ey; k ay; UH
    0.700000  122 <VOCNOISE>; U; U; null
    1.000000  122 <CUTOFF-prob=probably>; p r aa b; p r aa b; UKNWN
    1.400000  122 water; w aa t er; w ao dx er; NN
    1.600000  122 <IVER>
    1.700000  122 {E_TRANS}; E_TRANS; null; null
"""
PHONES = """    0.100000  122 {B_TRANS}
    0.200000  122 SIL
    0.300000  122 k
    0.510000  122 ayn
    0.700000  122 VOCNOISE
    0.800000  122 p
    0.850000  122 r
    0.900000  122 aa ; *
    1.000000  122 b
    1.100000  122 w
    1.200000  122 ao
    1.250000  122 dx
    1.400000  122 er
    1.600000  122 IVER
    1.700000  122 {E_TRANS}
"""


def buckeye(folder: Path, words: str = WORDS, phones: str = PHONES) -> Path:
    write(folder / "s0101a.phones", HEADER + phones)
    return write(folder / "s0101a.words", HEADER + words)


def test_buckeye(tmp_path: Path) -> None:
    alignment = read_alignment(buckeye(tmp_path))
    # Only ends are given: a stretch starts where the last one ended.
    assert rows(alignment.spoken_words()) == [
        (0.2, 0.5, "okay"),
        (0.7, 1.0, "<CUTOFF-prob=probably>"),
        (1.0, 1.4, "water"),
    ]
    labels = [[p.label for p in alignment.phones_of(w)] for w in alignment.spoken_words()]
    # The vowel of okay ends 10 ms after the word: the midpoint decides.
    assert labels == [["K", "AY"], ["P", "R", "AA", "B"], ["W", "AO", "T", "ER"]]
    assert [p.label for p in alignment.phones if p.is_silence] == [""] * 5
    assert validate(alignment, 1.7) == [
        "phones: 'AY' at 0.300 s crosses the edge of the word 'okay'"
    ]


def test_buckeye_without_the_end_of_its_header(tmp_path: Path) -> None:
    buckeye(tmp_path)
    write(tmp_path / "s0101a.words", WORDS)
    with pytest.raises(AlignmentError, match=r"s0101a\.words: no line '#'"):
        read_alignment(tmp_path / "s0101a.words")


def test_buckeye_lines_out_of_order_are_kept_for_validation(tmp_path: Path) -> None:
    words = "0.3 122 a; a; a; a\n0.2 122 b; b; b; b\n0.2 122 c; c; c; c\n0.4 122\n"
    alignment = read_alignment(buckeye(tmp_path, words, "0.3 122 ah\n"))
    assert rows(alignment.words) == [
        (0, 0.3, "a"),
        (0.3, 0.2, "b"),
        (0.2, 0.2, "c"),
        (0.2, 0.4, ""),
    ]
    problems = validate(alignment, 0.4)
    assert "words: 'b' at 0.300 s has no length (ends at 0.200 s)" in problems
    assert "words: 'c' at 0.200 s has no length (ends at 0.200 s)" in problems


def test_an_unknown_phone_stays_to_be_named(tmp_path: Path) -> None:
    alignment = read_alignment(buckeye(tmp_path, "0.3 122 a; a; a; a\n", "0.3 122 uwix\n"))
    assert alignment.phones[0].label == "uwix"


# --- LibriSpeech ---------------------------------------------------------------------------------

CONDENSED = """84-121123-0000 ",GO,,DO,YOU,HEAR," "0.490,0.890,1.270,1.380,1.490,1.890,2.09"
84-121123-0001 "BUT,SHE," "0.2,0.55,0.6"
"""


def test_condensed_alignments_hold_ends_and_words_only(tmp_path: Path) -> None:
    path = write(tmp_path / "84-121123.alignment.txt", CONDENSED)
    alignment = read_alignment(path, utterance_id="84-121123-0000")
    assert rows(alignment.spoken_words()) == [
        (0.49, 0.89, "GO"),
        (1.27, 1.38, "DO"),
        (1.38, 1.49, "YOU"),
        (1.49, 1.89, "HEAR"),
    ]
    assert alignment.words[-1] == Interval(1.89, 2.09, "")
    assert alignment.phones == ()
    with pytest.raises(AlignmentError, match="holds no alignment of '84-121123-0002'"):
        read_alignment(path, utterance_id="84-121123-0002")


def test_condensed_line_with_too_few_times(tmp_path: Path) -> None:
    path = write(tmp_path / "x.alignment.txt", CONDENSED.replace(",0.6", ""))
    with pytest.raises(AlignmentError, match="line 2: 3 words but 2 times"):
        read_alignment(path, utterance_id="84-121123-0000")


# --- CTM -----------------------------------------------------------------------------------------

WORD_CTM = """;; comment
u1 A 0.00 0.10 <eps> 1.0
u1 A 0.10 0.20 the 0.98
u1 A 0.30 0.25 water 0.9
u1 A 0.54 0.20 hotel
u2 1 0.5 0.5 yes
"""
PHONE_CTM = """u1 A 0.10 0.10 DH_B
u1 A 0.20 0.10 AH0_E
u1 A 0.30 0.1 W_B
u1 A 0.40 0.05 AO1_I
"""


def test_ctm(tmp_path: Path) -> None:
    write(tmp_path / "ali.phones.ctm", PHONE_CTM)
    path = write(tmp_path / "ali.words.ctm", WORD_CTM)
    for given in (path, tmp_path / "ali.phones.ctm"):
        alignment = read_alignment(given, utterance_id="u1")
        # Start and duration; 0.30 + 0.25 ends one rounding step after 0.54 and is moved back.
        assert alignment.words == (
            Interval(0.0, 0.1, ""),
            Interval(0.1, 0.3, "the"),
            Interval(0.3, 0.54, "water"),
            Interval(0.54, 0.74, "hotel"),
        )
        assert [p.label for p in alignment.phones] == ["DH", "AH0", "W", "AO1"]
    assert read_alignment(path, utterance_id="u2").phones == ()


def test_a_larger_overlap_in_a_ctm_stays_for_validation(tmp_path: Path) -> None:
    path = write(tmp_path / "a.ctm", "u A 0.10 0.30 one\nu A 0.35 0.1 two\n")
    assert any("overlaps 'one'" in line for line in validate(read_alignment(path), 1.0))


def test_channels_of_a_ctm(tmp_path: Path) -> None:
    path = write(tmp_path / "a.ctm", "u A 0.1 0.3 one\nu B 0.2 0.1 two\n")
    with pytest.raises(
        AlignmentError, match="'u' has the channels A, B; choose one with --speaker"
    ):
        read_alignment(path)
    assert read_alignment(path, channel="B").words[0].label == "two"


@pytest.mark.parametrize("line", ["u A 0.1 0.3", "u A 0.1 x one"])
def test_damaged_ctm(tmp_path: Path, line: str) -> None:
    with pytest.raises(AlignmentError, match=r"a\.ctm, line 1: "):
        read_alignment(write(tmp_path / "a.ctm", line))


def test_phones_of_a_ctm_without_words(tmp_path: Path) -> None:
    with pytest.raises(AlignmentError, match="phones without words"):
        read_alignment(write(tmp_path / "a.phone.ctm", PHONE_CTM))


# --- Lhotse --------------------------------------------------------------------------------------


def test_lhotse_supervisions_and_cuts(tmp_path: Path) -> None:
    lhotse = pytest.importorskip("lhotse")
    from lhotse.supervision import AlignmentItem

    supervision = lhotse.SupervisionSegment(
        id="r1-0",
        recording_id="r1",
        start=0.5,
        duration=1.0,
        speaker="anna",
        text="the water",
        alignment={
            "word": [AlignmentItem("the", 0.5, 0.3), AlignmentItem("water", 0.8, 0.4)],
            "phone": [AlignmentItem("DH", 0.5, 0.1), AlignmentItem("SIL", 1.2, 0.3)],
        },
    )
    path = tmp_path / "supervisions.jsonl.gz"
    lhotse.SupervisionSet.from_segments([supervision]).to_file(path)
    alignment = read_alignment(path, utterance_id="r1")
    assert rows(alignment.words) == [(0.5, 0.8, "the"), (0.8, 1.2, "water")]
    assert [p.label for p in alignment.phones] == ["DH", ""]

    recording = lhotse.Recording(
        id="r1", sources=[], sampling_rate=16_000, num_samples=32_000, duration=2.0
    )
    # In a cut, times count from the cut's start.
    cut = lhotse.MonoCut("c", 0.4, 1.5, 0, [supervision.with_offset(-0.4)], recording=recording)
    lhotse.CutSet.from_cuts([cut]).to_file(tmp_path / "cuts.jsonl")
    again = read_alignment(tmp_path / "cuts.jsonl")
    assert rows(again.words) == rows(alignment.words)


def test_lhotse_manifests_that_hold_no_words(tmp_path: Path) -> None:
    lhotse = pytest.importorskip("lhotse")
    path = tmp_path / "supervisions.jsonl"
    lhotse.SupervisionSet.from_segments(
        [lhotse.SupervisionSegment(id="a", recording_id="r", start=0, duration=1)]
    ).to_file(path)
    with pytest.raises(AlignmentError, match="no supervision has an alignment named 'word'"):
        read_alignment(path)
    damaged = tmp_path / "damaged.jsonl.gz"
    damaged.write_bytes(gzip.compress(b'{"id": 1'))
    with pytest.raises(AlignmentError, match=r"damaged\.jsonl\.gz"):
        read_alignment(damaged)


def test_lower_case_arpabet_is_folded_and_ipa_is_not(tmp_path: Path) -> None:
    head = "start,end,label,tier\n0,1,the,words\n"
    lower = write(tmp_path / "a.csv", head + "0,0.4,dh,phones\n0.4,1,ah0,phones\n")
    assert [phone.label for phone in read_alignment(lower).phones] == ["DH", "AH0"]
    ipa = write(tmp_path / "b.csv", head + "0,0.2,b,phones\n0.2,0.4,ð,phones\n0.4,1,ə,phones\n")
    assert [phone.label for phone in read_alignment(ipa).phones] == ["b", "ð", "ə"]
