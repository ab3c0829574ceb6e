"""What recognisers and programs for transcripts write: text and words with rough times."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest
import soundfile
from command_line import run_cli
from conftest import RATE_HZ, aligned_sentence, sound_of
from timed_texts import CHAT, EAF, FAVE, GENTLE, ROLLING, SRT, TSV, VTT, WHISPERX

from stressnet.alignment.readers import detect_format, read_alignment, read_alignments, voices_of
from stressnet.corpus.building.stretches import Stretch, corrected
from stressnet.corpus.layouts import layouts_of, recipe_text
from stressnet.corpus.recipe import load_recipe
from stressnet.corpus.scan import scan
from stressnet.corpus.store import Corpus
from stressnet.errors import AlignmentError, UnknownFormatError
from stressnet.stages.build_corpus import BuildConfig, build_corpus
from stressnet.stages.predict.sources import sources_of

CASES = Path(__file__).parents[2] / "shared" / "cases"
Rows = dict[str, list[tuple[float, float, str]]]


def said(path: Path) -> Rows:
    """Intervals by speaker."""
    if detect_format(path) == "elan":
        voices = {v: read_alignment(path, speaker=v) for v in voices_of(path, "x")}
        voices = voices or {"": read_alignment(path)}
    else:
        voices = read_alignments(path).voices[""]
    return {
        name: [(round(w.start_s, 3), round(w.end_s, 3), " ".join(w.label.split())) for w in a.words]
        for name, a in voices.items()
    }


WORDS = [(0.5, 0.7, "The"), (0.7, 1.5, "water"), (2.0, 2.1, "a"), (2.1, 2.5, "hotel")]


@pytest.mark.parametrize(
    ("name", "text", "format", "expected"),
    [
        ("a.json", WHISPERX, "recogniser", {"": WORDS}),
        ("a.json", GENTLE, "recogniser", {"": WORDS}),
        ("a.srt", SRT, "subtitles", {"": [(0.5, 1.5, "The water, 21"), (2.0, 2.5, "a hotel")]}),
        ("a.txt", SRT, "subtitles", {"": [(0.5, 1.5, "The water, 21"), (2.0, 2.5, "a hotel")]}),
        ("a.vtt", VTT, "subtitles",
         {"Anna": [(0.5, 1.5, "The water"), (2.0, 2.5, "a hotel")], "Bo Li": [(0.5, 1.5, "R&B")]}),
        ("a.vtt", ROLLING, "subtitles", {"": [(0.5, 1.5, "the water"), (1.5, 2.5, "a hotel")]}),
        ("a.tsv", TSV, "csv", {"": [(0.5, 1.5, '"The water'), (2.0, 2.5, 'a hotel"')]}),
        ("a.txt", FAVE, "fave",
         {"Anna": [(0.5, 1.5, "The water.")], "Bo": [(2.0, 2.5, "A hotel?")]}),
        ("a.eaf", EAF, "elan", {"": [(0.5, 1.0, "the water"), (1.0, 1.5, "hotel")]}),
        ("a.cha", CHAT, "chat",
         {"CHI": [(0.5, 1.5, "the fi water cords uh xxx .")],
          "MOT": [(1.5, 2.0, "and the hotel hotel"), (2.0, 2.5, "New York no")]}),
    ],
)  # fmt: skip
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_what_is_said_when(
    tmp_path: Path, name: str, text: str, format: str, expected: Rows, encoding: str
) -> None:
    if name.endswith(".eaf"):
        text = text.replace("UTF-8", encoding.removesuffix("-sig"))
    (tmp_path / name).write_bytes(text.encode(encoding))
    assert detect_format(tmp_path / name) == format
    assert said(tmp_path / name) == expected


def test_elan_without_its_version_and_with_words_of_speakers(tmp_path: Path) -> None:
    text = EAF[: EAF.index("\n xmlns")] + ">" + EAF[EAF.index('xsd">') + 5 :]
    (tmp_path / "a.eaf").write_text(text.replace(' VERSION="3.0"', ""))
    assert said(tmp_path / "a.eaf")[""] == [(0.5, 1.0, "the water"), (1.0, 1.5, "hotel")]
    words = text.replace('TIER_ID="Anna"', 'TIER_ID="word@Anna"').replace("the water", "water")
    (tmp_path / "a.eaf").write_text(words)
    alignment = read_alignment(tmp_path / "a.eaf", speaker="Anna")
    assert (alignment.source, alignment.words[0].label) == ("textgrid", "water")


def test_windows_text(tmp_path: Path) -> None:
    (tmp_path / "a.srt").write_bytes(SRT.replace("water", "rebel’s").encode("cp1252"))
    assert said(tmp_path / "a.srt")[""][0][2] == "The rebel’s, 21"


@pytest.mark.parametrize(
    ("document", "expected"),
    [
        ([{"start": 0.5, "end": 1.5, "text": " hi", "words": None}], [(0.5, 1.5, "hi")]),
        ({"transcription": [{"offsets": {"from": 500, "to": 1500}, "text": " hi"}]},
         [(0.5, 1.5, "hi")]),
        ({"text": "hi", "chunks": [{"timestamp": [0.5, None], "text": "hi"}]},
         [(0.0, float("inf"), "hi")]),
        ({"result": [{"conf": 1, "start": 0.5, "end": 1.5, "word": "hi"}], "text": "hi"},
         [(0.5, 1.5, "hi")]),
        ({"segments": [{"start": 0, "end": 3, "text": "a 21 b 3", "words": [
            {"word": "a", "start": 0.5, "end": 0.7}, {"word": "21"},
            {"word": "b", "start": 1.1, "end": 3.0}, {"word": "3"}]}]},
         [(0.5, 0.7, "a"), (0.7, 1.1, "21"), (1.1, 3.0, "b 3")]),
    ],
)  # fmt: skip
def test_json_of_other_recognisers(tmp_path: Path, document: object, expected: Rows) -> None:
    (tmp_path / "a.json").write_text(json.dumps(document))
    assert said(tmp_path / "a.json") == {"": expected}


def test_the_language_that_was_heard(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text(WHISPERX.replace('"en"', '"de"'))
    (note,) = read_alignment(tmp_path / "a.json").notes
    assert "heard the language 'de', not English" in note


def test_speakers_of_words_and_names_before_colons(tmp_path: Path) -> None:
    words = [{"word": w, "start": k, "end": k + 1, "speaker": s} for k, (w, s) in
             enumerate([("a", "SPEAKER_00"), ("b", "SPEAKER_01")])]  # fmt: skip
    segment = {"start": 0, "end": 2, "text": "a b", "speaker": "SPEAKER_00", "words": words}
    (tmp_path / "a.json").write_text(json.dumps({"segments": [segment]}))
    assert said(tmp_path / "a.json") == {"SPEAKER_00": [(0, 1, "a")], "SPEAKER_01": [(1, 2, "b")]}
    zoom = VTT.replace("<v Anna>", "Anna Berg: ").replace("<v.loud Bo Li>", "")
    (tmp_path / "a.vtt").write_text(zoom)
    assert list(said(tmp_path / "a.vtt")) == ["Anna Berg"]


def test_json_and_tables_of_other_programs(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text('{"model": "x", "f0": [1, 2]}')
    with pytest.raises(UnknownFormatError, match=r"JSON of another program \(keys: model, f0\)"):
        detect_format(tmp_path / "a.json")
    with pytest.raises(UnknownFormatError, match="JSON of another program"):
        read_alignment(tmp_path / "a.json", "mfa-json")
    (tmp_path / "a.csv").write_text("time,f1\n0.1,500\n")
    with pytest.raises(UnknownFormatError, match="no column 'start'"):
        detect_format(tmp_path / "a.csv")


def test_chat_without_times_and_several_speakers(tmp_path: Path) -> None:
    text = "@UTF8\n@Begin\n*CHI:\tthe water .\n*MOT:\ta hotel .\n@End\n"
    (tmp_path / "a.cha").write_text(text)
    with pytest.raises(AlignmentError, match="several speakers and no times"):
        read_alignments(tmp_path / "a.cha")
    (tmp_path / "a.cha").write_text(text.replace("*MOT", "*CHI"))
    assert said(tmp_path / "a.cha") == {"CHI": [(0.0, float("inf"), "the water . a hotel .")]}


# --- beside recordings ------------------------------------------------------------------------


def recording(folder: Path, name: str = "u") -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    alignment, duration_s = aligned_sentence("THE WATER HOTEL RECORD THE WATER HOTEL RECORD")
    soundfile.write(folder / f"{name}.flac", sound_of(alignment, duration_s, 150, 1), RATE_HZ)
    return folder


def problems(folder: Path, *needles: str) -> list[str]:
    reasons = [p.reason for p in scan(load_recipe("generic"), folder).problems]
    for needle in needles:
        assert any(needle in reason for reason in reasons), reasons
    return reasons


@pytest.mark.parametrize("name", ["u.json", "u.srt", "u.VTT", "u.tsv", "u.txt", "u.eaf", "u.cha"])
def test_found_beside_recordings(tmp_path: Path, name: str) -> None:
    texts = {".json": WHISPERX, ".srt": SRT, ".vtt": VTT, ".tsv": TSV, ".txt": FAVE, ".eaf": EAF,
             ".cha": CHAT}  # fmt: skip
    (recording(tmp_path / "anna") / name).write_text(texts[Path(name).suffix.lower()])
    found = scan(load_recipe("generic"), tmp_path)
    assert {r.alignment_path.name for r in found.recordings if r.alignment_path} == {name}
    assert layouts_of(tmp_path)[0].recipe.name == "generic"
    several = {
        ".vtt": ["Anna", "Bo Li"], ".txt": ["Anna", "Bo"], ".cha": ["anna_CHI", "anna_MOT"]
    }  # fmt: skip
    speakers = [r.speaker.casefold() for r in found.recordings]
    expected = several.get(Path(name).suffix.lower(), ["anna"])
    assert speakers == [speaker.casefold() for speaker in expected]


def test_numbered_speakers_are_others_in_each_file(tmp_path: Path) -> None:
    for name in ("u", "v"):
        text = SRT.replace("<i>The", "[SPEAKER_00]: The").replace("a hotel", "[SPEAKER_01]: a")
        (recording(tmp_path / "anna", name) / f"{name}.srt").write_text(text)
    found = scan(load_recipe("generic"), tmp_path)
    assert len({r.speaker for r in found.recordings}) == 4


def test_other_json_is_passed_over_and_told(tmp_path: Path) -> None:
    folder = recording(tmp_path / "anna")
    (folder / "u.json").write_text('{"model": "x"}')
    problems(tmp_path, "no transcript for 'u'", "JSON of another program (keys: model)")
    (folder / "u.txt").write_text("the water")
    assert "u.json: JSON of another program" in problems(tmp_path)[0]
    assert scan(load_recipe("generic"), tmp_path).recordings[0].words == ("THE", "WATER")
    (folder / "u.srt").write_text(SRT)
    problems(tmp_path, "passed over")
    assert scan(load_recipe("generic"), tmp_path).recordings[0].alignment_path.suffix == ".srt"
    assert scan(load_recipe("mfa"), tmp_path).recordings[0].words == ("THE", "WATER")


def test_other_json_beside_many_recordings_is_told_once(tmp_path: Path) -> None:
    for name in "uvw":
        folder = recording(tmp_path / "anna", name)
        (folder / f"{name}.json").write_text('{"age": 20}')
        (folder / f"{name}.txt").write_text("the water")
    (reason,) = problems(tmp_path)
    assert "(keys: age)" in reason and reason.endswith("passed over, as are 2 more of its kind")


def test_a_corrected_transcript_wins_over_a_recogniser(tmp_path: Path) -> None:
    folder = recording(tmp_path / "source" / "anna")
    (folder / "u.json").write_text(WHISPERX)
    (folder / "u.txt").write_text("the water a record")
    done = build_corpus(
        tmp_path / "source",
        tmp_path / "out",
        config=BuildConfig("generic", tagger="none", no_splits=True, aligner="pocketsphinx"),
    )
    with (done.path / "failures.csv").open(newline="") as file:
        (row,) = (r for r in csv.DictReader(file) if "fit the sound" not in r["reason"])
    assert "u.json: says 'HOTEL' where the transcript says 'RECORD'; the tr" in row["reason"]
    assert "words are aligned where the recogniser heard them" in row["reason"]
    assert Corpus.open(done.path).tokens["word"].tolist() == ["WATER", "RECORD"]


def test_words_of_a_corrected_transcript_go_where_they_were_heard() -> None:
    heard = (Stretch(0, 1, ("A", "B", "C")), Stretch(1, 2, ("D", "E")), Stretch(2, 3, ("F",)))
    parts = corrected(heard, "X A B C Y D E G H".split())
    assert parts is not None
    assert [s.words for s in parts] == [("X", "A", "B", "C", "Y"), ("D", "E"), ("G", "H")]
    assert corrected(heard, "Q R S T U V".split()) is None
    assert corrected(heard, "A B C D E".split()) == (
        Stretch(0, 1, ("A", "B", "C")), Stretch(1, 2, ("D", "E"))
    )  # fmt: skip


def test_silence_for_a_recogniser(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text('{"text": "", "segments": [], "language": "en"}')
    with pytest.raises(AlignmentError, match=r"a\.json: holds no text"):
        read_alignments(tmp_path / "a.json")


def test_text_is_read_as_transcripts_are(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source = tmp_path / "source"
    text = SRT.replace("<i>The</i> water,", "[laughs] the water").replace("a hotel", "a zxqvß")
    (recording(source / "anna") / "u.srt").write_text(text)
    config = BuildConfig("generic", tagger="none", no_splits=True, aligner="pocketsphinx")
    done = build_corpus(source, tmp_path / "out", config=config)
    reasons = [p.reason for p in done.problems if "fit the sound" not in p.reason]  # of tones
    assert any("hold 1 marks that are no words: '[laughs]' (1)" in reason for reason in reasons)
    with (done.path / "readings.csv").open(newline="") as file:
        assert [(r["written"], r["read"]) for r in csv.DictReader(file)] == [
            ("[laughs]", ""), ("21", "twenty-one")
        ]  # fmt: skip
    _, out, _ = run_cli(capsys, "validate", source, "-q")
    assert [reason for reason in reasons if reason not in out] == []


def test_formats_and_transcripts_of_a_recipe(tmp_path: Path) -> None:
    (recording(tmp_path / "c" / "anna") / "u.sub").write_text(SRT)
    recipe = tmp_path / "r.toml"
    head = recipe_text(load_recipe("generic")).split("[[transcript]]")[0]
    for entry in (
        '[[alignment]]\npattern = "{folder}/{utterance}.sub"\nformat = "subtitles"\n',
        '[[transcript]]\nkind = "beside"\npattern = "{folder}/{utterance}.sub"\n',
    ):
        recipe.write_text(head.split("# Tried")[0] + entry)
        (found,) = scan(load_recipe(str(recipe)), tmp_path / "c").recordings
        assert found.alignment_format == "subtitles"


@pytest.mark.skipif(not CASES.is_dir(), reason="the cases are not here")
@pytest.mark.parametrize("recipe", ["generic", "mfa"])
def test_case_of_whispers_output(
    recipe: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source = CASES / "21-whisper-output" / "recordings"
    config = BuildConfig(recipe, tagger="none", no_splits=True, aligner="pocketsphinx")
    done = build_corpus(source, tmp_path / "out", config=config)
    assert Corpus.open(done.path).tokens["word"].tolist() == "FINAL PERMIT REBEL REPORT".split()
    (problem,) = done.problems
    assert "w.json: holds words without phones" in problem.reason
    _, out, _ = run_cli(capsys, "validate", source, "--recipe", recipe, "-q")
    assert problem.reason in out


def test_a_panic_of_the_reader_of_chat_is_one_line(tmp_path: Path) -> None:
    """Found by fuzzing: Rust's panics are no exceptions of Python's."""
    (tmp_path / "a.cha").write_text("@Participants:d,MOT \n@Participants:n\n@ID:||MOT")
    with pytest.raises(AlignmentError, match=r"a\.cha: damaged CHAT \(index out of bounds"):
        read_alignments(tmp_path / "a.cha")


@pytest.mark.skipif(not CASES.is_dir(), reason="the cases are not here")
@pytest.mark.parametrize(
    ("case", "name", "options"),
    [
        ("21-whisper-output", "w", ["--transcript", "w.srt"]),
        ("21-whisper-output", "w", ["--transcript", "w.json"]),
        ("21-whisper-output", "w", []),
        ("16-words-only-textgrid", "utt", []),
        ("16-words-only-textgrid", "w", []),
        ("19-arpabet-in-lower-case-and-ipa", "ipa", []),
    ],
)
def test_predict_reads_the_same(
    case: str, name: str, options: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    folder = CASES / case / "recordings" / "anna"
    options = [str(folder / o) if "." in o else o for o in options]
    code, out, err = run_cli(capsys, "predict", folder / f"{name}.flac", *options, "-q")
    words = [line.split()[0] for line in out.splitlines()[1:5]]
    assert (code, words) == (0, ["FINAL", "PERMIT", "REBEL", "REPORT"])
    assert "IPA" not in err  # phones in IPA are read as they are, not aligned anew


def test_predict_asks_for_a_speaker_and_passes_over_other_json(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = recording(tmp_path / "anna")
    (folder / "u.vtt").write_text(VTT)
    _, _, err = run_cli(capsys, "predict", folder / "u.flac", "-q")
    assert "'u' has the speakers Anna, Bo Li; choose one with --speaker" in err
    (source,) = sources_of([folder / "u.flac"])
    assert source.alignment == folder / "u.vtt"
    (folder / "u.json").write_text('{"model": "x"}')
    (folder / "u.txt").write_text("the water")
    (source,) = sources_of([folder / "u.flac"])
    assert (source.alignment, source.words) == (folder / "u.vtt", ("THE", "WATER"))
    with pytest.raises(UnknownFormatError, match="another program"):
        sources_of([folder / "u.flac"], transcripts=folder / "u.json")
