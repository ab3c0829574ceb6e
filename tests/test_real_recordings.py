"""Folders as people have them: who speaks, which files are used, and what is said of the rest."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile

from stressnet.corpus.building.align import read_given
from stressnet.corpus.recipe import load_recipe
from stressnet.corpus.scan import Scan, scan
from stressnet.runs.problems import Severity

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
