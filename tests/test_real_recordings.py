"""Folders as people have them: who speaks, which files are used, and what is said of the rest."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile

from stressnet.alignment.readers import read_alignments
from stressnet.audio import audio_facts, read_audio, read_stretches
from stressnet.corpus.building.given import read_given
from stressnet.corpus.building.request import unused_labels
from stressnet.corpus.labels import StressLabel, read_labels
from stressnet.corpus.layouts import recipe_text
from stressnet.corpus.recipe import available_recipes, load_recipe
from stressnet.corpus.scan import Scan, scan
from stressnet.errors import AudioError, ConfigError, CorpusError
from stressnet.runs.problems import Severity
from stressnet.stages.inspect import inspect_folder
from stressnet.stages.inspect.run import inspection_text
from stressnet.stages.predict import predict
from stressnet.stages.validate import validate_folder

RATE_HZ = 16_000


def sound(path: Path, duration_s: float = 0.5, seed: int = 1) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    noise = 0.1 * np.random.default_rng(seed).standard_normal(round(duration_s * RATE_HZ))
    soundfile.write(path, noise, RATE_HZ)
    return path


def grid(path: Path, *tiers: str, word: str = "rebel") -> Path:
    """A TextGrid whose word tiers hold one word each, the tier's speaker if it has one."""
    body = ""
    for name in tiers:
        speaker, _, level = name.rpartition(" - ")
        label = "R" if level == "phones" else (speaker or word)
        body += f'"IntervalTier"\n"{name}"\n0\n0.5\n1\n0\n0.5\n"{label}"\n'
    head = 'File type = "ooTextFile"\nObject class = "TextGrid"\n\n0\n0.5\n<exists>\n'
    text = f"{head}{len(tiers)}\n"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text + body, encoding="utf-8")
    return path


def spoken(root: Path, *names: str, seeds: bool = True) -> None:
    """Recordings with an alignment each, all different."""
    for seed, name in enumerate(names):
        file = sound(root / name, seed=seed if seeds else 1)
        grid(file.with_suffix(".TextGrid"), "words", "phones")


def who(found: Scan) -> dict[str, str]:
    return {r.utterance_id: r.speaker for r in found.recordings}


def only(found: Scan, severity: Severity = Severity.WARNING) -> str:
    (problem,) = found.problems
    assert problem.severity is severity
    assert "\n" not in problem.reason
    return problem.reason


GENERIC = load_recipe("generic")

# --- ids -----------------------------------------------------------------------------------------


def test_the_same_file_names_under_several_speakers(tmp_path: Path) -> None:
    spoken(tmp_path, "anna/word1.flac", "ben/word1.flac", "cleo/word1.flac", "cleo/word2.flac")
    found = scan(GENERIC, tmp_path)
    assert who(found) == {
        "anna_word1": "anna",
        "ben_word1": "ben",
        "cleo_word1": "cleo",
        "word2": "cleo",
    }
    assert "3 recordings are called 'word1'" in only(found)


def test_ids_made_of_names_do_not_meet_names_that_are_there(tmp_path: Path) -> None:
    spoken(tmp_path, "a/x.flac", "b/x.flac", "c/a_x.flac", "a_b/x.flac", "a/b_x.flac", "s/a/x.flac")
    found = scan(GENERIC, tmp_path)
    assert len(who(found)) == 6
    assert {r.audio_path for r in found.recordings} == set(tmp_path.rglob("*.flac"))
    assert all(p.severity is Severity.WARNING for p in found.problems)


def test_one_alignment_for_recordings_of_one_name_is_refused(tmp_path: Path) -> None:
    for seed, speaker in enumerate(("anna", "ben")):
        sound(tmp_path / speaker / "w.wav", seed=seed)
    sound(tmp_path / "anna" / "own.wav")
    lines = "w 1 0.0 0.4 rebel\nown 1 0.0 0.4 rebel\n"
    (tmp_path / "all.words.ctm").write_text(lines)
    found = scan(load_recipe("ctm"), tmp_path)
    assert set(who(found)) == {"own"}
    errors = [p for p in found.problems if p.severity is Severity.ERROR]
    assert [p.item for p in errors] == ["anna_w", "ben_w"]
    assert "call the recordings by these ids" in errors[0].reason
    named = lines.replace("w 1", "anna_w 1", 1) + "ben_w 1 0.1 0.3 record\n"
    (tmp_path / "all.words.ctm").write_text(named)
    found = scan(load_recipe("ctm"), tmp_path)
    assert set(who(found)) == {"own", "anna_w", "ben_w"}


def test_a_transcript_of_many_may_use_the_id_or_the_name(tmp_path: Path) -> None:
    recipe = tmp_path / "r.toml"
    recipe.write_text(
        '[corpus]\nname = "m"\ntitle = "t"\nlicence = "CC0"\ncitation = "c"\n'
        '[audio]\npattern = "{speaker}/{utterance}.wav"\n'
        '[[transcript]]\nkind = "lines"\npattern = "{root}/all.lst"\n'
    )
    for seed, speaker in enumerate(("anna", "ben")):
        sound(tmp_path / "c" / speaker / "w.wav", seed=seed)
    (tmp_path / "c" / "all.lst").write_text("w rebel\nben_w record\n")
    words = {r.speaker: r.words for r in scan(load_recipe(str(recipe)), tmp_path / "c").recordings}
    assert words == {"anna": ("REBEL",), "ben": ("RECORD",)}


# --- sessions ------------------------------------------------------------------------------------

SESSIONS = [f"{who}/session{n}/{who}{n}.flac" for who in ("anna", "ben") for n in (1, 2)]


def test_sessions_below_folders_that_the_table_lists(tmp_path: Path) -> None:
    spoken(tmp_path, *SESSIONS)
    (tmp_path / "speakers.tsv").write_text("speaker\tsex\nanna\tfemale\nBen\tmale\n")
    found = scan(GENERIC, tmp_path)
    assert who(found) == {"anna1": "anna", "anna2": "anna", "ben1": "ben", "ben2": "ben"}
    assert {r.sex for r in found.recordings if r.speaker == "ben"} == {"male"}
    assert "'session1' is not in speakers.tsv, 'anna' further up" in only(found)


def test_one_session_folder_of_several_people_is_noticed_without_a_table(tmp_path: Path) -> None:
    spoken(tmp_path, *SESSIONS)
    text = only(scan(GENERIC, tmp_path))
    assert "speaker 'session1' lies in 2 folders ('anna/session1', 'ben/session1')" in text
    assert 'pattern = "**/{speaker}/{session}/{utterance}.wav"' in text


def test_sets_that_share_their_speakers_are_no_sessions(tmp_path: Path) -> None:
    spoken(tmp_path, "train/anna/a.flac", "test/anna/b.flac")
    assert scan(GENERIC, tmp_path).problems == ()


# --- tables of speakers --------------------------------------------------------------------------


@pytest.mark.parametrize(
    "table",
    [
        "speaker\tsex\nben\tmale\n",
        "speaker sex\nben male\n",
        "speaker\tsex\nBen\tmale\n",
        "ben\tmale\n",
        "speaker\tage\tsex\nben\t44\tmale\n",
        "speaker,age,sex\nben,44,male\n",
        "sex;speaker\nm;ben\n",
        '"speaker","sex"\r\n"ben","M"\r\n',
        "\ufeffSpeaker\tGender\nben\tMale\n",
        "; a comment\nspeaker\tsex\nben\tmale\n",
    ],
)
def test_tables_of_speakers_in_any_shape(tmp_path: Path, table: str) -> None:
    spoken(tmp_path, "ben/a.flac")
    (tmp_path / "speakers.tsv").write_bytes(table.encode())
    found = scan(GENERIC, tmp_path)
    assert [r.sex for r in found.recordings] == ["male"]
    assert found.problems == ()


def test_a_table_that_lists_nobody_who_speaks(tmp_path: Path) -> None:
    spoken(tmp_path, *(f"s{n}/u{n}.flac" for n in range(5)))
    lines = "".join(f"p{n}\tmale\n" for n in range(4))
    (tmp_path / "speakers.tsv").write_text("speaker\tsex\n" + lines)
    text = only(scan(GENERIC, tmp_path))
    assert "speakers.tsv: none of its 4 speakers is in the recordings" in text
    assert "the recordings have 's0', 's1', 's2' and 2 more" in text
    assert "the table has 'p0', 'p1', 'p2' and 1 more" in text


def test_a_table_that_lists_some(tmp_path: Path) -> None:
    spoken(tmp_path, "anna/a.flac", "ben/b.flac")
    (tmp_path / "speakers.tsv").write_text("speaker\tsex\nanna\tfemale\ncarl\tmale\n")
    text = only(scan(GENERIC, tmp_path))
    assert "1 of 2 speakers of the recordings are not in it; the recordings have 'ben'" in text


def test_lines_of_a_table_that_are_not_understood(tmp_path: Path) -> None:
    spoken(tmp_path, "anna/a.flac", "ben/b.flac")
    (tmp_path / "speakers.tsv").write_text("speaker\tsex\nanna\tweiblich\nben\n")
    text = " ".join(p.reason for p in scan(GENERIC, tmp_path).problems)
    assert "line 2 gives the sex 'weiblich'; line 3 has 1 column;" in text


# --- several speakers in one recording -----------------------------------------------------------

TWO = ("Mary - words", "Mary - phones", "John - words", "John - phones")


def said(found: Scan) -> dict[str, tuple[str, str]]:
    """Speaker and words of every recording, as its alignment gives them."""
    return {
        r.utterance_id: (
            r.speaker,
            " ".join(w.label for w in read_given(r, r.alignment_path).spoken_words()),
        )
        for r in found.recordings
    }


def test_all_speakers_of_an_interview(tmp_path: Path) -> None:
    for folder in ("interviews", "mary"):
        grid(sound(tmp_path / folder / f"{folder}1.flac").with_suffix(".TextGrid"), *TWO)
    (tmp_path / "speakers.tsv").write_text("speaker\tsex\nmary\tfemale\njohn\tmale\n")
    found = scan(GENERIC, tmp_path)
    assert said(found) == {
        "interviews1_Mary": ("mary", "Mary"),
        "interviews1_John": ("john", "John"),
        "mary1": ("mary", "Mary"),
        "mary1_John": ("john", "John"),
    }
    assert {r.speaker: r.sex for r in found.recordings} == {"mary": "female", "john": "male"}
    assert "2 speakers ('mary', 'john'), as in 2 files in all" in only(found)


def test_tiers_without_a_name_are_those_of_the_folder(tmp_path: Path) -> None:
    tiers = ("words", "phones", "John - words", "John - phones")
    grid(sound(tmp_path / "anna" / "a.flac").with_suffix(".TextGrid"), *tiers)
    assert said(scan(GENERIC, tmp_path)) == {"a": ("anna", "rebel"), "a_John": ("John", "John")}


def test_one_speaker_of_another_name_than_the_folder_stays_as_it_was(tmp_path: Path) -> None:
    tiers = ("S1 - words", "S1 - phones")
    grid(sound(tmp_path / "anna" / "a.flac").with_suffix(".TextGrid"), *tiers)
    assert said(scan(GENERIC, tmp_path)) == {"a": ("anna", "S1")}


def test_both_channels_of_a_ctm(tmp_path: Path) -> None:
    file = tmp_path / "calls" / "u.wav"
    file.parent.mkdir()
    noise = 0.1 * np.random.default_rng(1).standard_normal((RATE_HZ, 2))
    soundfile.write(file, noise, RATE_HZ)
    (tmp_path / "all.words.ctm").write_text("u A 0.0 0.4 rebel\nu B 0.4 0.4 record\n")
    found = scan(load_recipe("ctm"), tmp_path)
    assert said(found) == {"u_A": ("u_A", "rebel"), "u_B": ("u_B", "record")}
    assert [r.channel for r in found.recordings] == [1, 2]
    assert "ids such as 'u_A', 'u_B'" in only(found)


def test_a_table_of_alignments_with_two_speakers(tmp_path: Path) -> None:
    recipe = load_recipe("mfa")
    sound(tmp_path / "calls" / "u.wav")
    rows = "0,1;0,3;a;words;X\n0,4;0,6;b;words;Y\n"
    (tmp_path / "calls" / "u.csv").write_text("\ufeffBegin;End;Label;Type;Speaker\n" + rows)
    assert said(scan(recipe, tmp_path)) == {"u_X": ("X", "a"), "u_Y": ("Y", "b")}
    words = read_given(scan(recipe, tmp_path).recordings[0], tmp_path / "calls" / "u.csv").words
    assert (words[0].start_s, words[0].end_s) == (0.1, 0.3)


# --- files that are passed over ------------------------------------------------------------------


@pytest.mark.parametrize(
    "ending", ["mp3", "ogg", "opus", "aiff", "AIF", "Wav", "WAVE", "au", "w64"]
)
def test_what_libsndfile_reads_is_read(tmp_path: Path, ending: str) -> None:
    noise = 0.1 * np.random.default_rng(1).standard_normal(RATE_HZ)
    (tmp_path / "anna").mkdir()
    format = {"aif": "AIFF", "wave": "WAV", "opus": "OGG"}.get(ending.lower(), ending.upper())
    subtype = "OPUS" if ending == "opus" else None
    soundfile.write(tmp_path / "anna" / f"a.{ending}", noise, RATE_HZ, subtype, format=format)
    (tmp_path / "anna" / "a.TXT").write_text("the rebel")
    found = scan(GENERIC, tmp_path)
    assert found.problems == ()
    assert found.recordings[0].words == ("THE", "REBEL")
    assert found.recordings[0].duration_s == pytest.approx(1.0, abs=0.1)


def rows(found: Scan) -> dict[str, tuple[str, str]]:
    return {p.item: (p.severity.value, p.reason) for p in found.problems}


def test_files_that_are_not_used_are_listed_with_their_reason(tmp_path: Path) -> None:
    spoken(tmp_path, "anna/a.wav")
    sound(tmp_path / "flat.wav")
    sound(tmp_path / "anna" / "a.mp3")
    grid(tmp_path / "anna" / "lost.TextGrid", "words", "phones")
    for name in ("notes of anna.txt", "a.txt", "README.txt", "a.docx"):
        (tmp_path / "anna" / name).write_text("rebel")
    (tmp_path / "all.ctm").write_text("a 1 0 0.4 rebel\n")
    (tmp_path / "README.txt").write_text("about")
    found = rows(scan(GENERIC, tmp_path))
    assert {item: severity for item, (severity, _) in found.items()} == {
        "flat.wav": "error",
        "anna/a.mp3": "warning",
        "anna/lost.TextGrid": "warning",
        "anna/notes of anna.txt": "warning",
        "all.ctm": "warning",
    }
    assert "put it into a folder named after its speaker" in found["flat.wav"][1]
    assert "not used, since a.wav is there" in found["anna/a.mp3"][1]
    assert "belongs to no recording" in found["anna/lost.TextGrid"][1]
    assert "use --recipe ctm" in found["all.ctm"][1]


def test_a_format_that_nothing_here_reads_says_what_would(tmp_path: Path, monkeypatch) -> None:
    spoken(tmp_path, "anna/a.wav")
    (tmp_path / "ben").mkdir()
    (tmp_path / "ben" / "b.m4a").write_bytes(b"\0\0\0\x18ftypM4A " + bytes(100))
    (tmp_path / "ben" / "b.txt").write_text("rebel")
    monkeypatch.setitem(__import__("sys").modules, "av", None)
    found = rows(scan(GENERIC, tmp_path))
    assert set(found) == {"b"}
    assert found["b"][0] == "error"
    assert "b.m4a: only PyAV decodes '.m4a'; pip install 'stressnet[media]'" in found["b"][1]


def test_m4a_is_decoded(tmp_path: Path) -> None:
    av = pytest.importorskip("av")
    file = tmp_path / "a.m4a"
    tone = 0.3 * np.sin(2 * np.pi * 300 * np.arange(44_100) / 44_100).astype(np.float32)
    with av.open(str(file), "w") as container:
        stream = container.add_stream("aac", rate=44_100, layout="mono")
        frame = av.AudioFrame.from_ndarray(tone[None], format="fltp", layout="mono")
        frame.sample_rate = 44_100
        for packet in (*stream.encode(frame), *stream.encode(None)):
            container.mux(packet)
    decoded = read_audio(file)
    assert decoded.duration_s == pytest.approx(1.0, abs=0.05)
    level = np.sqrt(np.mean(decoded.samples[2000:12_000] ** 2))
    assert level == pytest.approx(0.3 / np.sqrt(2), rel=0.05)
    file.write_bytes(file.read_bytes()[:2000])
    with pytest.raises(AudioError, match=r"a\.m4a: not readable as audio"):
        read_audio(file)


# --- sound that is less than its header says -----------------------------------------------------


@pytest.mark.parametrize("format", ["WAV", "AIFF", "RF64", "NIST"])
def test_half_a_recording_is_noticed_by_its_header(tmp_path: Path, format: str) -> None:
    file = tmp_path / f"a.{format.lower()}"
    noise = 0.1 * np.random.default_rng(1).standard_normal(RATE_HZ)
    soundfile.write(file, noise, RATE_HZ, "PCM_16", format=format)
    assert audio_facts(file).duration_s == pytest.approx(1.0)
    whole = file.read_bytes()
    file.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(
        AudioError, match=r"truncated, the header promises 1\.0\d s but 0\.[45]\d s"
    ):
        audio_facts(file)


@pytest.mark.parametrize("stated", [0, 0x7FFFF000, 0xFFFFFFFF, 2 * RATE_HZ + 44])
def test_headers_of_streams_are_read_to_the_end(tmp_path: Path, stated: int) -> None:
    file = sound(tmp_path / "a.wav", 1.0)
    data = bytearray(file.read_bytes())
    data[40:44] = stated.to_bytes(4, "little")
    file.write_bytes(bytes(data))
    if stated:
        assert audio_facts(file).duration_s == pytest.approx(1.0, abs=0.01)


def test_a_channel_is_chosen(tmp_path: Path) -> None:
    file = tmp_path / "anna" / "a.wav"
    file.parent.mkdir()
    noise = 0.1 * np.random.default_rng(1).standard_normal((RATE_HZ, 2))
    soundfile.write(file, noise, RATE_HZ)
    file.with_suffix(".txt").write_text("rebel")
    expected, _ = soundfile.read(file, dtype="float32")
    np.testing.assert_array_equal(read_audio(file, channel=2).samples, expected[:, 1])
    (stretch,), _ = read_stretches(file, [(0.2, 0.3)], channel=1)
    np.testing.assert_array_equal(stretch.samples, expected[3200:4800, 0])
    with pytest.raises(AudioError, match="has 2 channels, not a channel 3; choose another"):
        read_audio(file, channel=3)
    found = scan(GENERIC, tmp_path, channel=2)
    assert found.problems == ()
    assert found.recordings[0].channel == 2


def test_one_speaker_of_many(tmp_path: Path) -> None:
    grid(sound(tmp_path / "i" / "i1.flac").with_suffix(".TextGrid"), *TWO)
    assert set(said(scan(GENERIC, tmp_path, speakers=["mary"]))) == {"i1_Mary"}
    with pytest.raises(CorpusError, match=r"--speaker bob: nobody is called so.*'John', 'Mary'"):
        scan(GENERIC, tmp_path, speakers=["Bob"])


# --- the recipe that fits ------------------------------------------------------------------------


@pytest.mark.parametrize("name", available_recipes())
def test_a_recipe_written_reads_as_itself(tmp_path: Path, name: str) -> None:
    recipe = replace(load_recipe(name), parts={}, title='a "b" \\ c')
    file = tmp_path / "r.toml"
    file.write_text(recipe_text(recipe, ["a comment"]), encoding="utf-8")
    assert load_recipe(str(file)) == recipe


def lines(root: Path) -> None:
    sound(root / "19" / "198" / "19-198-0000.flac")
    (root / "19" / "198" / "19-198.trans.txt").write_text("19-198-0000 REBEL\n")


def flat_with_prefixes(root: Path) -> None:
    for seed, name in enumerate(("anna_1", "anna_2", "ben_1", "ben_2")):
        sound(root / f"{name}.wav", seed=seed).with_suffix(".txt").write_text("rebel")


def flat(root: Path) -> None:
    sound(root / "interview.wav").with_suffix(".txt").write_text("rebel")


def apart(root: Path) -> None:
    for seed, speaker in enumerate(("anna", "ben")):
        sound(root / "wav" / speaker / f"{speaker}1.wav", seed=seed)
        grid(root / "grids" / speaker / f"{speaker}1.TextGrid", "words", "phones")


def with_ctm(root: Path) -> None:
    sound(root / "anna" / "u.wav").with_suffix(".txt").write_text("rebel")
    (root / "all.words.ctm").write_text("u 1 0 0.4 rebel\n")


def sessions(root: Path) -> None:
    spoken(root, *SESSIONS)


@pytest.mark.parametrize(
    ("make", "name", "speakers"),
    [
        (lines, "librispeech", {"19"}),
        (flat_with_prefixes, "own", {"anna", "ben"}),
        (flat, "own", {"speaker"}),
        (apart, "own", {"anna", "ben"}),
        (with_ctm, "ctm", {"anna"}),
        (sessions, "own", {"anna", "ben"}),
        (lambda root: spoken(root, "anna/a.wav"), "generic", {"anna"}),
    ],
)
def test_inspect_writes_the_recipe_that_fits(tmp_path: Path, make, name: str, speakers) -> None:
    root, file = tmp_path / "c", tmp_path / "recipe.toml"
    make(root)
    inspection = inspect_folder(root, out=file)
    assert inspection.layout.recipe.name == name
    assert inspection.n_failed == 0, inspection.layout.found.problems
    found = scan(load_recipe(str(file)), root)
    assert found.recordings == inspection.layout.found.recordings
    assert {r.speaker for r in found.recordings} == speakers
    assert f"recipe written: {file}" in inspection_text(inspection)
    again = validate_folder(root, samples=False)
    assert again.n_recordings == len(found.recordings)


def test_inspect_leaves_another_recipe_alone(tmp_path: Path) -> None:
    spoken(tmp_path / "c", "anna/a.wav")
    file = tmp_path / "recipe.toml"
    file.write_text("mine")
    with pytest.raises(ConfigError, match=r"recipe\.toml: is there already.*--out"):
        inspect_folder(tmp_path / "c", out=file)
    assert file.read_text() == "mine"


def test_inspect_of_nothing(tmp_path: Path) -> None:
    with pytest.raises(CorpusError, match="no sound in it"):
        inspect_folder(tmp_path, out=tmp_path / "r.toml")


# --- predict -------------------------------------------------------------------------------------


def test_predict_takes_the_speaker_and_the_channel_it_is_given(tmp_path: Path) -> None:
    file = tmp_path / "i.wav"
    noise = 0.1 * np.random.default_rng(1).standard_normal((RATE_HZ, 2))
    soundfile.write(file, noise, RATE_HZ)
    grid(file.with_suffix(".TextGrid"), *TWO)
    answer = predict([file], speaker="john", channel=2)
    assert [word.word for word in answer.words] == ["JOHN"]
    answer = predict([file])
    assert answer.is_empty
    assert "choose the speaker whose tiers to take with --speaker" in answer.problems[0].reason
    assert "not a channel 3" in predict([file], speaker="john", channel=3).problems[0].reason


@pytest.mark.parametrize("delimiter", ["\t", ",", ";"])
@pytest.mark.parametrize("name", ["labels.tsv", "labels.csv"])
def test_labels_in_any_shape(tmp_path: Path, name: str, delimiter: str) -> None:
    rows = [("Utterance_ID", "word_index", "Stress"), ("a.1", "0", "final")]
    text = "\ufeff" + "".join(delimiter.join(row) + "\r\n" for row in rows)
    (tmp_path / name).write_bytes(text.encode())
    assert read_labels(tmp_path / name) == {("a.1", 0): StressLabel("FINAL", "", name)}


def test_labels_for_nobody_say_what_was_looked_for(tmp_path: Path) -> None:
    spoken(tmp_path, "anna/w.flac", "ben/w.flac")
    rows = "".join(f"w{n}\t0\tFINAL\n" for n in ("", 1, 2, 3))
    (tmp_path / "labels.tsv").write_text("utterance_id\tword_index\tstress\n" + rows)
    (problem,) = unused_labels(scan(GENERIC, tmp_path))
    assert "('w', 'w1', 'w2' and 1 more); the recordings are called 'anna_w', 'ben_w'" in (
        problem.reason
    )


def test_dots_in_names(tmp_path: Path) -> None:
    path = tmp_path / "all.csv"
    path.write_text(
        "file,tier,start,end,label\na.1,words,0,1,one\na.2.wav,words,0,1,two\nx/a.3,words,0,1,x\n"
    )
    assert list(read_alignments(path)) == ["a.1", "a.2", "a.3"]
