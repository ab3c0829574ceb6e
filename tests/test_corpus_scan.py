"""What a folder holds: transcripts of every kind, encodings, speakers, labels, and bad files."""

from __future__ import annotations

import unicodedata
from pathlib import Path

import numpy as np
import pytest
import soundfile

from stressnet.audio import read_audio
from stressnet.corpus.labels import StressLabel, read_labels
from stressnet.corpus.recipe import load_recipe
from stressnet.corpus.scan import scan
from stressnet.corpus.transcripts import read_text
from stressnet.corpus.written import split_words
from stressnet.errors import AudioError, CorpusError, TranscriptError
from stressnet.runs.problems import Severity

GENERIC = load_recipe("generic")
LIBRISPEECH = load_recipe("librispeech")
LJSPEECH = load_recipe("ljspeech")


def audio(path: Path, n_samples: int = 8000, rate_hz: int = 16_000, channels: int = 1) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    noise = 0.1 * np.random.default_rng(1).standard_normal((n_samples, channels))
    soundfile.write(path, noise, rate_hz)
    return path


def text(path: Path, content: str, encoding: str = "utf-8") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content.encode(encoding))
    return path


def words_of(root: Path, recipe=GENERIC) -> dict[str, tuple[str, ...]]:
    found = scan(recipe, root)
    assert not found.problems
    return {r.utterance_id: r.words for r in found.recordings}


def only_problem(root: Path, recipe=GENERIC):
    found = scan(recipe, root)
    assert len(found.problems) == 1, found.problems
    problem = found.problems[0]
    assert "\n" not in problem.reason
    return problem, found.recordings


# --- words ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("The rebel's well-known POEM -- didn’t last.", "THE REBEL'S WELL KNOWN POEM DIDN'T LAST"),
        ("  “Record,” he said;\nthe fathers' permit… ", "RECORD HE SAID THE FATHERS' PERMIT"),
        ("Cafe\u0301 naïve 汉字 snake_case", "CAFÉ NAÏVE 汉字 SNAKE CASE"),
        ("in 1984, £5", "IN NINETEEN EIGHTY FOUR FIVE POUNDS"),
        ("-- ... !", ""),
        ("", ""),
    ],
)  # fmt: skip
def test_split_words(line: str, words: str) -> None:
    assert split_words(line) == tuple(words.split())


# --- where transcripts are -----------------------------------------------------------------------


def test_lines(tmp_path: Path) -> None:
    folder = tmp_path / "dev-clean" / "19" / "198"
    for number in (0, 1):
        audio(folder / f"19-198-{number:04d}.flac")
    text(folder / "19-198.trans.txt", "19-198-0000 THE RECORD\n\n19-198-0001\tTHE  PERMIT\n")
    assert words_of(tmp_path, LIBRISPEECH) == {
        "19-198-0000": ("THE", "RECORD"),
        "19-198-0001": ("THE", "PERMIT"),
    }


def test_beside(tmp_path: Path) -> None:
    for name in ("a", "b"):
        audio(tmp_path / "anna" / f"{name}.wav")
    text(tmp_path / "anna" / "a.txt", "The record\r\nplays.")
    text(tmp_path / "anna" / "b.lab", "the permit")
    assert words_of(tmp_path) == {"a": ("THE", "RECORD", "PLAYS"), "b": ("THE", "PERMIT")}


def test_table(tmp_path: Path) -> None:
    audio(tmp_path / "wavs" / "LJ1.wav", rate_hz=22_050)
    audio(tmp_path / "wavs" / "LJ2.wav", rate_hz=22_050)
    text(tmp_path / "metadata.csv", "LJ1|In 1984|in nineteen eighty four\nbroken line\nLJ2|x|two\n")
    assert words_of(tmp_path, LJSPEECH) == {
        "LJ1": ("IN", "NINETEEN", "EIGHTY", "FOUR"),
        "LJ2": ("TWO",),
    }
    recording = scan(LJSPEECH, tmp_path).recordings[0]
    assert (recording.speaker, recording.sex) == ("LJ", "female")


def test_an_alignment_takes_the_place_of_the_transcript(make_corpus, tmp_path: Path) -> None:
    root = make_corpus(tmp_path / "c", {"anna": 200.0})
    for recording in scan(GENERIC, root).recordings:
        assert recording.alignment_path == recording.audio_path.with_suffix(".TextGrid")
        assert recording.words == ()
        assert recording.duration_s == pytest.approx(soundfile.info(recording.audio_path).duration)


def test_a_corrected_transcript_counts_at_once(tmp_path: Path) -> None:
    folder = tmp_path / "19" / "198"
    audio(folder / "19-198-0000.flac")
    text(folder / "19-198.trans.txt", "19-198-0000 THE RECORT\n")
    scan(LIBRISPEECH, tmp_path)
    text(folder / "19-198.trans.txt", "19-198-0000 THE RECORD\n")
    assert words_of(tmp_path, LIBRISPEECH)["19-198-0000"] == ("THE", "RECORD")


@pytest.mark.parametrize(
    "encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "latin-1"]
)
def test_encodings(tmp_path: Path, encoding: str) -> None:
    audio(tmp_path / "anna" / "a.wav")
    text(tmp_path / "anna" / "a.txt", "the café record", encoding)
    assert words_of(tmp_path) == {"a": ("THE", "CAFÉ", "RECORD")}


def test_damaged_utf16(tmp_path: Path) -> None:
    file = tmp_path / "a.txt"
    file.write_bytes("record".encode("utf-16") + b"x")
    with pytest.raises(TranscriptError, match=r"a\.txt: damaged UTF-16.*save it again as UTF-8"):
        read_text(file)


@pytest.mark.parametrize("name", ["a b", "café", "汉字", "🎤 1", "it's", "x.y"])
def test_file_names(tmp_path: Path, name: str) -> None:
    audio(tmp_path / name / f"{name}.wav")
    text(tmp_path / name / f"{name}.txt", "record")
    recording = scan(GENERIC, tmp_path).recordings[0]
    assert (recording.speaker, recording.utterance_id, recording.words) == (name, name, ("RECORD",))


def test_names_in_unicode_form_d_match_transcripts_and_tables_in_form_c(tmp_path: Path) -> None:
    decomposed = unicodedata.normalize("NFD", "zoé")
    folder = tmp_path / decomposed / "1"
    audio(folder / f"{decomposed}-1.flac")
    text(folder / f"{decomposed}-1.trans.txt", "zoé-1 RECORD\n")
    text(tmp_path / "speakers.tsv", "speaker\tsex\nzoé\tfemale\n")
    recording = scan(LIBRISPEECH, tmp_path).recordings[0]
    assert (recording.utterance_id, recording.speaker) == ("zoé-1", "zoé")
    assert (recording.words, recording.sex) == (("RECORD",), "female")


# --- speakers ------------------------------------------------------------------------------------


def test_speakers_of_the_librispeech_archive(tmp_path: Path) -> None:
    for speaker in ("14", "17", "99"):
        audio(tmp_path / "LibriSpeech" / "dev" / speaker / "1" / f"{speaker}-1-0.flac")
        text(
            tmp_path / "LibriSpeech" / "dev" / speaker / "1" / f"{speaker}-1.trans.txt",
            f"{speaker}-1-0 RECORD\n",
        )
    table = (
        "; Some pertinent information | about | the speakers\n"
        ";ID  |SEX| SUBSET           |MINUTES| NAME\n"
        "14   | F | train-clean-360  | 25.03 | Kristin LeMoine\n"
        "17   | M | train-clean-360  | 25.04 | Gord Mackenzie\n"
    )
    text(tmp_path / "LibriSpeech" / "SPEAKERS.TXT", table)
    sexes = {r.speaker: r.sex for r in scan(LIBRISPEECH, tmp_path).recordings}
    assert sexes == {"14": "female", "17": "male", "99": ""}
    inner = {r.speaker: r.sex for r in scan(LIBRISPEECH, tmp_path / "LibriSpeech").recordings}
    assert inner == sexes


def test_speakers_tsv(tmp_path: Path) -> None:
    for speaker in ("anna", "bo", "carl", "dan"):
        audio(tmp_path / speaker / f"{speaker}1.wav")
        text(tmp_path / speaker / f"{speaker}1.txt", "record")
    text(
        tmp_path / "speakers.tsv", "speaker\tsex\nanna\tF\nbo\tMale\ncarl\t?\nshort\n", "utf-8-sig"
    )
    sexes = {r.speaker: r.sex for r in scan(GENERIC, tmp_path).recordings}
    assert sexes == {"anna": "female", "bo": "male", "carl": "", "dan": ""}


# --- label tables --------------------------------------------------------------------------------


def test_labels_of_the_corpus_and_their_formats(tmp_path: Path) -> None:
    audio(tmp_path / "anna" / "a.wav")
    text(tmp_path / "anna" / "a.txt", "the record")
    text(
        tmp_path / "labels.tsv",
        "utterance_id\tword_index\tword\tstress\na\t1\trecord\tinitial\na\t0\t\tVARIES\n",
        "utf-8-sig",
    )
    assert scan(GENERIC, tmp_path).labels == {
        ("a", 1): StressLabel("INITIAL", "RECORD", "labels.tsv"),
        ("a", 0): StressLabel("VARIES", "", "labels.tsv"),
    }
    commas = text(tmp_path / "own.csv", "stress,utterance_id,word_index\nFINAL,a,1\n")
    assert read_labels(commas) == {("a", 1): StressLabel("FINAL", "", "own.csv")}


HEADER = "utterance_id\tword_index\tstress\n"


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        ("utterance_id\tstress\n", "lacks the column word_index; the first line names the columns"),
        ("", "lacks the column stress, utterance_id, word_index"),
        (HEADER + "a\t1\tFIRST\n", "line 2: word_index '1', stress 'FIRST'; expected"),
        (HEADER + "a\t1\tFINAL\na\tx\tFINAL\n", "line 3: word_index 'x'"),
        (HEADER + "a\t-1\tFINAL\n", "line 2: word_index '-1'"),
        (HEADER + "a\t²\tFINAL\n", "line 2: word_index '²'"),
        (HEADER + "a\t1\n", "line 2: word_index '1', stress ''"),
        (
            HEADER + "a\t1\tFINAL\na\t1\tINITIAL\n",
            "line 3: word 1 of 'a' is INITIAL here and FINAL",
        ),
    ],
)
def test_bad_label_tables(tmp_path: Path, content: str, complaint: str) -> None:
    file = text(tmp_path / "labels.tsv", content)
    with pytest.raises(CorpusError) as caught:
        read_labels(file)
    assert str(caught.value).startswith(f"{file}")
    assert complaint in str(caught.value)


def test_missing_label_table(tmp_path: Path) -> None:
    with pytest.raises(TranscriptError, match=r"none\.tsv: cannot be read"):
        read_labels(tmp_path / "none.tsv")


# --- bad files: the others are still found -------------------------------------------------------


@pytest.fixture
def with_good_one(tmp_path: Path) -> Path:
    audio(tmp_path / "good" / "good1.wav")
    text(tmp_path / "good" / "good1.txt", "record")
    return tmp_path


def test_missing_transcript(with_good_one: Path) -> None:
    audio(with_good_one / "bad" / "lost.wav")
    problem, recordings = only_problem(with_good_one)
    assert (problem.item, problem.stage, problem.severity) == ("lost", "scan", Severity.ERROR)
    assert f"no transcript for 'lost' in {with_good_one / 'bad'}" in problem.reason
    assert "looked for lost.txt, lost.lab" in problem.reason
    assert [r.utterance_id for r in recordings] == ["good1"]


def test_missing_line(tmp_path: Path) -> None:
    folder = tmp_path / "19" / "1"
    audio(folder / "19-1-0.flac")
    text(folder / "19-1.trans.txt", "19-1-00 RECORD\n")
    problem, _ = only_problem(tmp_path, LIBRISPEECH)
    assert "no transcript for '19-1-0'" in problem.reason


@pytest.mark.parametrize("content", ["", " \n", "-- ?!"])
def test_empty_transcript(with_good_one: Path, content: str) -> None:
    audio(with_good_one / "bad" / "mute.wav")
    text(with_good_one / "bad" / "mute.txt", content)
    problem, _ = only_problem(with_good_one)
    assert "mute.txt: holds no words for 'mute'; fill it in" in problem.reason


def test_duplicated_ids(with_good_one: Path) -> None:
    first = audio(with_good_one / "anna" / "same.flac")
    second = audio(with_good_one / "anna" / "same.wav")
    text(first.with_suffix(".txt"), "record")
    problem, recordings = only_problem(with_good_one)
    assert str(second) in problem.reason and str(first) in problem.reason
    assert "rename one" in problem.reason
    assert [r.speaker for r in recordings] == ["anna", "good"]


def test_a_copy_of_a_recording_is_no_second_one(with_good_one: Path) -> None:
    first = audio(with_good_one / "good" / "good1.wav")
    second = audio(with_good_one / "old" / "good" / "good1.wav")
    problem, recordings = only_problem(with_good_one)
    assert str(second) in problem.reason and str(first) in problem.reason
    assert len(recordings) == 1


@pytest.mark.parametrize(
    ("make", "complaint"),
    [
        (lambda p: p.touch(), "the file is empty; copy it again"),
        (lambda p: p.write_bytes(b"not audio at all" * 9), "not readable as audio"),
        (lambda p: audio(p, n_samples=0), "copy it again"),
        (lambda p: audio(p, rate_hz=8000), "sampled at 8000 Hz, which lacks everything above 4000"),
    ],
    ids=["empty", "garbage", "no samples", "8 kHz"],
)
@pytest.mark.parametrize("suffix", ["wav", "flac"])
def test_unusable_audio(with_good_one: Path, make, complaint: str, suffix: str) -> None:
    file = with_good_one / "bad" / f"bad.{suffix}"
    file.parent.mkdir()
    text(file.with_suffix(".txt"), "record")
    make(file)
    problem, recordings = only_problem(with_good_one)
    assert problem.severity is Severity.ERROR
    assert problem.reason.startswith(f"{file}: ")
    assert complaint in problem.reason
    assert [r.utterance_id for r in recordings] == ["good1"]


def test_truncated_flac_is_noticed_when_read(tmp_path: Path) -> None:
    file = audio(tmp_path / "a.flac", n_samples=160_000)
    file.write_bytes(file.read_bytes()[:-60_000])
    with pytest.raises(AudioError) as caught:
        read_audio(file)
    message = str(caught.value)
    assert message.startswith(f"{file}: truncated")
    assert message.endswith("copy it again")


def claiming(path: Path, n_samples: int) -> Path:
    """Change the number of samples that a FLAC's header promises (36 bits from byte 21)."""
    data = bytearray(path.read_bytes())
    data[21] = (data[21] & 0xF0) | (n_samples >> 32)
    data[22:26] = (n_samples & 0xFFFFFFFF).to_bytes(4, "big")
    path.write_bytes(bytes(data))
    return path


def test_a_flac_that_claims_ten_hours(tmp_path: Path) -> None:
    file = claiming(audio(tmp_path / "a.flac"), 16_000 * 36_000)
    with pytest.raises(AudioError, match=r"a\.flac: truncated.*copy it again"):
        read_audio(file)


def test_a_flac_of_unstated_length(tmp_path: Path) -> None:
    file = claiming(audio(tmp_path / "a.flac"), 0)
    with pytest.raises(AudioError, match=r"a\.flac: the header does not say how long it is"):
        read_audio(file)


def test_digital_silence_is_refused(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "a.wav", np.zeros(1000), 16_000)
    with pytest.raises(AudioError, match="only digital silence"):
        read_audio(tmp_path / "a.wav")


def test_stereo_and_other_rates_are_averaged_and_resampled(with_good_one: Path) -> None:
    file = with_good_one / "bad" / "two.wav"
    file.parent.mkdir()
    time_s = np.arange(44_100) / 44_100
    tone = np.sin(2 * np.pi * 440 * time_s)
    soundfile.write(file, np.stack([0.2 * tone, 0.4 * tone], axis=1), 44_100, subtype="FLOAT")
    text(file.with_suffix(".txt"), "record")
    problem, recordings = only_problem(with_good_one)
    assert problem.severity is Severity.WARNING
    assert f"{file}: 2 channels, averaged to one" in problem.reason
    assert [r.utterance_id for r in recordings] == ["two", "good1"]
    sound = read_audio(file)
    assert sound.rate_hz == 16_000
    assert sound.duration_s == pytest.approx(1.0, abs=1e-4)
    expected = 0.3 * np.sin(2 * np.pi * 440 * np.arange(16_000) / 16_000)
    middle = slice(1000, 15_000)
    np.testing.assert_allclose(sound.samples[middle], expected[middle], atol=2e-3)


def test_folders_that_hold_nothing(tmp_path: Path) -> None:
    with pytest.raises(CorpusError, match="no such folder"):
        scan(GENERIC, tmp_path / "none")
    audio(tmp_path / "at-the-top.wav")
    with pytest.raises(CorpusError, match=r"no audio that recipe 'generic' recognises.*speaker"):
        scan(GENERIC, tmp_path)
