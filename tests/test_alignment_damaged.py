"""Damaged and unusual files: read as Praat reads them, or refused in one line, and at once."""

from __future__ import annotations

import gzip
import json
import time
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from timed_texts import CHAT, EAF, FAVE, VTT, WHISPERX

from stressnet.alignment.readers import FORMATS, read_alignment, read_alignments
from stressnet.alignment.readers.phone_sets import resolve_flaps
from stressnet.alignment.textgrid import read_textgrid, write_textgrid
from stressnet.errors import AlignmentError, StressnetError
from stressnet.intervals import Alignment, Interval
from stressnet.lexicon.pronunciation import Pronunciation

GOOD = Alignment(
    words=(Interval(0.0, 0.25, ""), Interval(0.25, 1.0, 'thé "so"'), Interval(1.0, 1.5, "")),
    phones=(Interval(0.0, 0.25, ""), Interval(0.25, 0.5, "DH"), Interval(0.5, 1.5, "AH0")),
    source="textgrid",
)
MARKS = """    item [3]:
        class = "TextTier"
        name = "marks"
        xmin = 0
        xmax = 1.5
        points: size = 1
        points [1]:
            {time} = 0.5
            mark = "IntervalTier"
"""


def long_text(folder: Path) -> str:
    write_textgrid(folder / "long.TextGrid", GOOD, 1.5)
    return (folder / "long.TextGrid").read_text(encoding="utf-8")


def free_text(text: str) -> str:
    """The short form with several values on a line, and comments."""
    lines = ['"ooTextFile"', '"TextGrid"', "0 1.5 ! time domain", "<exists>", "2 tiers"]
    for name, tier in (("words", GOOD.words), ("phones", GOOD.phones)):
        lines += [f'"IntervalTier" "{name}" ! type and "name"', "0 1.5", f"{len(tier)} intervals"]
        for interval in tier:
            label = interval.label.replace('"', '""')
            lines.append(f'{interval.start_s} {interval.end_s} "{label}" ! interval 1')
    return "\n".join(lines)


def collection(text: str) -> str:
    head, _, body = text.partition("\n\n")
    head = head.replace('"TextGrid"', '"Collection"')
    return f'{head}\n\nsize = 1\nitem []:\n    item [1]:\nclass = "TextGrid"\nname = "x"\n{body}'


def with_marks(text: str, time_name: str) -> str:
    return text.replace("size = 2", "size = 3", 1) + MARKS.format(time=time_name)


VARIANTS = {
    "long": lambda text: text,
    "points": lambda text: with_marks(text, "number"),
    "old points": lambda text: with_marks(text, "time"),
    "free text": free_text,
    "no line item []": lambda text: text.replace("item []: \n", ""),
    "label intervals [1]:": lambda text: with_marks(text, "number").replace(
        'mark = "IntervalTier"', 'mark = "see intervals [1]: and item [2]:"'
    ),
    "collection": collection,
    "exponents": lambda text: text.replace("0.25", "2.5e-1").replace("0.5", "+0.5"),
}


@pytest.mark.parametrize("variant", VARIANTS)
def test_what_praat_opens_is_read_as_praat_reads_it(tmp_path: Path, variant: str) -> None:
    parselmouth = pytest.importorskip("parselmouth")
    from parselmouth.praat import call

    path = tmp_path / "x.TextGrid"
    path.write_text(VARIANTS[variant](long_text(tmp_path)), encoding="utf-8")
    alignment = read_textgrid(path)
    assert alignment == GOOD
    grid = parselmouth.read(str(path))
    if variant == "collection":
        return  # parselmouth gives what Praat read from it no methods
    for tier, intervals in enumerate((alignment.words, alignment.phones), start=1):
        assert call(grid, "Get number of intervals", tier) == len(intervals)
        for k, interval in enumerate(intervals, start=1):
            assert call(grid, "Get label of interval", tier, k) == interval.label
            assert call(grid, "Get start time of interval", tier, k) == interval.start_s
            assert call(grid, "Get end time of interval", tier, k) == interval.end_s


@pytest.mark.parametrize("format", ["short_textgrid", "long_textgrid", "json", "textgrid_json"])
def test_good_files_are_read_as_praatio_reads_them(tmp_path: Path, format: str) -> None:
    from praatio import textgrid

    text = long_text(tmp_path)
    reference = textgrid.openTextgrid(str(tmp_path / "long.TextGrid"), includeEmptyIntervals=True)
    reference.save(str(tmp_path / "x.TextGrid"), format, includeBlankSpaces=True)
    assert read_textgrid(tmp_path / "x.TextGrid") == GOOD, text
    again = textgrid.openTextgrid(str(tmp_path / "x.TextGrid"), includeEmptyIntervals=True)
    for name, intervals in (("words", GOOD.words), ("phones", GOOD.phones)):
        entries = [Interval(*entry) for entry in again.getTier(name).entries]
        assert entries == list(intervals)


def test_quotation_marks_that_are_not_doubled(tmp_path: Path) -> None:
    path = tmp_path / "x.TextGrid"
    text = long_text(tmp_path).replace('"thé ""so"""', '"thé "so"!"')
    path.write_text(text, encoding="utf-8")
    assert read_textgrid(path).words[1].label == 'thé "so"!'
    path.write_text(text + '"', encoding="utf-8")
    with pytest.raises(AlignmentError, match=r"x\.TextGrid, line 45: a label does not end"):
        read_textgrid(path)


def test_a_tier_that_is_cut_off_is_named(tmp_path: Path) -> None:
    path = tmp_path / "x.TextGrid"
    text = long_text(tmp_path)
    for end, message in (
        (text.rindex("intervals [3]"), "'phones': 3 intervals are announced but only 2 are there"),
        (text.rindex("intervals: size"), "the last tier is cut off"),
    ):
        path.write_text(text[:end], encoding="utf-8")
        with pytest.raises(AlignmentError, match=message):
            read_textgrid(path)


def test_two_tiers_of_one_name_need_a_choice(tmp_path: Path) -> None:
    path = tmp_path / "x.TextGrid"
    path.write_text(long_text(tmp_path).replace('"phones"', '"words"'), encoding="utf-8")
    with pytest.raises(AlignmentError, match="more than one word tier"):
        read_textgrid(path)


# --- values of the wrong type --------------------------------------------------------------------

WRONG = [3.5, None, ["a"], {"a": 1}, True, 10**400, "x", float("nan"), [[]]]


def mfa_json(entry: object) -> dict[str, object]:
    good = {"type": "interval", "entries": [[0, 0.5, "AH0"]]}
    return {"start": 0, "end": 2, "tiers": {"words": good | {"entries": [entry]}, "phones": good}}


@pytest.mark.parametrize("wrong", WRONG, ids=lambda wrong: str(wrong)[:9])
@pytest.mark.parametrize("place", ["start", "end", "label", "entry", "tier", "tiers", "document"])
def test_json_of_the_wrong_type(tmp_path: Path, wrong: object, place: str) -> None:
    entry: list[object] = [0, 0.5, "the"]
    document: object = mfa_json(entry)
    if place in ("start", "end", "label"):
        entry[("start", "end", "label").index(place)] = wrong
    else:
        document = {
            "entry": mfa_json(wrong),
            "tier": {"tiers": {"words": wrong}},
            "tiers": {"tiers": wrong},
            "document": wrong,
        }[place]
    path = tmp_path / "a.json"
    path.write_text(json.dumps(document), encoding="utf-8")
    if (place == "label" and wrong == "x") or (place in ("start", "end") and wrong == 3.5):
        word = read_alignment(path).words[0]
        assert wrong in (word.start_s, word.end_s, word.label)
        return
    with pytest.raises(AlignmentError) as caught:
        read_alignment(path)
    assert str(caught.value).startswith(f"{path}")
    if place in ("start", "end", "label", "entry"):
        assert ", tier 'words', interval 1: " in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("wrong", WRONG, ids=lambda wrong: str(wrong)[:9])
def test_lhotse_of_the_wrong_type(tmp_path: Path, wrong: object) -> None:
    pytest.importorskip("lhotse")
    path = tmp_path / "a.jsonl"
    for item in ([wrong, 0, 1], ["the", wrong, 1], ["the", 0, wrong]):
        line = {"id": "s", "recording_id": "r", "start": 0, "duration": 1}
        line["alignment"] = {"word": [item]}
        path.write_text(json.dumps(line), encoding="utf-8")
        if item == ["x", 0, 1] or 3.5 in item[1:]:
            assert read_alignment(path).words[0].label == item[0]
            continue
        with pytest.raises(AlignmentError, match=r"a\.jsonl"):
            read_alignment(path)


# --- time ----------------------------------------------------------------------------------------

HEADS = {
    "textgrid": 'File type = "ooTextFile"\nObject class = "TextGrid"\n"IntervalTier"\n"a"',
    "mfa-json": '{"tiers": {"words": ',
    "timit": "0 1 a",
    "buckeye": "#\n0.1 122 a",
    "librispeech": 'a "B',
    "ctm": "u A 0 1 a",
    "csv": "start,end,label,tier\n0,1,a",
    "lhotse": '{"id": ',
    "elan": EAF[: EAF.index("the water")],
    "recogniser": '{"segments": [{"text": "',
    "stm": "r 1 a 0 1 <o> a",
    "subtitles": "WEBVTT\n\n00:00.000 --> 00:01.000\na",
    "chat": "@UTF8\n@Begin\n*A:\ta",
    "fave": "a\ta\t0\t1\ta",
}
NAMES = {
    "textgrid": ["x.TextGrid"],
    "mfa-json": ["x.json"],
    "timit": ["x.WRD", "x.PHN"],
    "buckeye": ["x.words", "x.phones"],
    "librispeech": ["x.txt"],
    "ctm": ["x.words.ctm", "x.phones.ctm"],
    "csv": ["x.csv"],
    "lhotse": ["x.jsonl"],
    "elan": ["x.eaf"],
    "recogniser": ["x.json"],
    "stm": ["x.stm"],
    "subtitles": ["x.vtt"],
    "chat": ["x.cha"],
    "fave": ["x.txt"],
}


def write_all(folder: Path, format: str, content: bytes) -> Path:
    for name in NAMES[format]:
        (folder / name).write_bytes(content)
    return folder / NAMES[format][0]


def read_or_refuse(path: Path, format: str) -> float:
    """Seconds that reading takes; only the project's own errors may come out, in one short line."""
    start = time.perf_counter()
    try:
        read_alignments(path, format)
    except StressnetError as error:
        assert "\n" not in str(error)
        assert len(str(error)) < 600
    return time.perf_counter() - start


@pytest.mark.parametrize("format", sorted(FORMATS))
def test_time_grows_with_the_size_of_the_file_and_no_faster(tmp_path: Path, format: str) -> None:
    if format == "lhotse":
        pytest.importorskip("lhotse")
        read_or_refuse(write_all(tmp_path, format, b""), format)  # its import takes seconds
    for filling in ("\n", '"', '" ', "7", "7 ", "a", "[", '{"a":', "<", "\\", "0 1 a\n"):
        for head in ("", HEADS[format], HEADS[format] + "\n"):
            for size in (10_000, 100_000):  # what is quadratic takes minutes at the latter
                content = (head + filling * (size // len(filling))).encode()
                assert read_or_refuse(write_all(tmp_path, format, content), format) < 2.0


def test_flaps_of_a_long_recording() -> None:
    count = 20_000
    words = tuple(Interval(k, k + 1.0, "ladder") for k in range(count))
    labels = ("L", "AE", "DX", "ER")
    phones = tuple(
        Interval(k + i / 4, k + (i + 1) / 4, labels[i]) for k in range(count) for i in range(4)
    )
    ladder = [Pronunciation(("L", "AE1", "D", "ER0"))]
    start = time.perf_counter()
    resolved = resolve_flaps(Alignment(words, phones), lambda word: ladder)
    assert time.perf_counter() - start < 5.0  # minutes if every word went through all phones
    assert {phone.label for phone in resolved.phones[2::4]} == {"D"}


# --- anything ------------------------------------------------------------------------------------


def good_file(format: str, folder: Path) -> bytes:
    if format == "textgrid":
        return long_text(folder).encode()
    return {
        "mfa-json": json.dumps(mfa_json([0, 0.5, "the"])).encode(),
        "timit": b"0 8000 water\n8000 9000 dx\n9000 9500 tcl\n9500 9900 t\n",
        "buckeye": b"type 1\n#\n 0.3 122 water; w aa; NN\n 0.4 122 dx ; *\n 0.5 121 <SIL>; S; S\n",
        "librispeech": b'84-0 ",GO,,DO," "0.4,0.8,1.0,1.2,1.3"\n84-1 "A," "0.4,0.8"\n',
        "ctm": b";; comment\nu1 A 0.10 0.20 the 0.98\nu1 A 0.30 0.25 water_B\nu2 1 0.5 0.5 yes\n",
        "csv": b'file,start,end,label,tier\na.wav,0,1,"the",words\na.wav,0,1,sp,phones\n',
        "lhotse": b'{"id": "s", "recording_id": "r", "start": 0, "duration": 1, "channel": 0, '
        b'"alignment": {"word": [["the", 0.5, 0.3, 1.0]]}}\n',
        "elan": EAF.encode(),
        "recogniser": WHISPERX.encode(),
        "stm": b";; comment\nr 1 anna 0.0 1.0 <o,f0,male> i 'm here(2) {NOISE}\nr 1 bo 1 2 a\n",
        "subtitles": VTT.encode(),
        "chat": CHAT.encode(),
        "fave": FAVE.encode(),
    }[format]


VALUES = [
    b"NaN",
    b"1e999",
    b"-1",
    b"9" * 400,
    b"",
    b"\0",
    b"null",
    b"[]",
    b'"',
    b"\xff\xfe",
    b"true",
]


@st.composite
def mutated(draw: st.DrawFn, content: bytes) -> bytes:
    """A good file with a few things wrong."""
    for _ in range(draw(st.integers(1, 4))):
        lines = content.splitlines(keepends=True) or [b""]
        line = draw(st.integers(0, len(lines) - 1))
        words = lines[line].split(b" ")
        word = draw(st.integers(0, len(words) - 1))
        match draw(st.sampled_from("flip repeat delete swap cut word case bom utf16".split())):
            case "flip":
                at = draw(st.integers(0, max(0, len(content) - 1)))
                content = content[:at] + draw(st.binary(max_size=3)) + content[at + 1 :]
            case "repeat":
                content = b"".join([*lines[:line], lines[line] * draw(st.integers(2, 50))])
            case "delete":
                content = b"".join(lines[:line] + lines[line + 1 :])
            case "swap":
                lines[line], lines[0] = lines[0], lines[line]
                content = b"".join(lines)
            case "cut":
                content = content[: draw(st.integers(0, len(content)))]
            case "word":
                words[word] = draw(st.sampled_from(VALUES))
                content = b"".join([*lines[:line], b" ".join(words), *lines[line + 1 :]])
            case "case":
                content = content.swapcase()
            case "bom":
                content = b"\xef\xbb\xbf" + content
            case "utf16":
                content = content.decode("utf-8", "replace").encode("utf-16")
    return content


@pytest.mark.parametrize("format", sorted(FORMATS))
def test_mutated_files_are_read_or_refused(tmp_path: Path, format: str) -> None:
    if format == "lhotse":
        pytest.importorskip("lhotse")
    content = good_file(format, tmp_path)
    found = read_alignments(write_all(tmp_path, format, content), format)
    assert found or found.voices

    @settings(
        max_examples=100,
        deadline=None,
        derandomize=True,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(mutated(content))
    def check(damaged: bytes) -> None:
        assert read_or_refuse(write_all(tmp_path, format, damaged), format) < 2.0
        if format == "lhotse":
            packed = tmp_path / "x.jsonl.gz"
            packed.write_bytes(gzip.compress(damaged)[: len(damaged)])
            read_or_refuse(packed, format)

    check()
