"""What transcripts hold that nobody says, and words of another language."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile
from command_line import run_cli

from stressnet.alignment.textgrid import read_textgrid
from stressnet.corpus.building.expect import unknown_words
from stressnet.corpus.changes import warnings_of
from stressnet.corpus.scan import Recording
from stressnet.corpus.tokens import find_tokens
from stressnet.corpus.transcripts import read_text
from stressnet.corpus.written import Normaliser, split_words
from stressnet.intervals import Alignment, Interval
from stressnet.lexicon.dictionary import load_dictionary


@pytest.mark.parametrize(
    ("text", "words", "marks"),
    [
        ("Susan: the permit", "THE PERMIT", ["Susan:"]),
        ("the [laughter] permit {noise} <sil>", "THE PERMIT", ["[laughter]", "{noise}", "<sil>"]),
        ("the permit (coughing) ((a record))", "THE PERMIT", ["(coughing)", "((a record))"]),
        ("the fi- final xxx permit w-", "THE FINAL PERMIT", ["fi-", "xxx", "w-"]),
        ("he (as he said) read out", "HE AS HE SAID READ OUT", []),
        ("pre- and postwar, a well-known --", "PRE AND POSTWAR A WELL KNOWN", []),
        ("THE RATIO: TWO", "THE RATIO TWO", []),
    ],
)
def test_marks_are_no_words(text: str, words: str, marks: list[str]) -> None:
    assert split_words(text) == tuple(words.split())
    assert [change.written for change in Normaliser().read(text).changes] == marks


@pytest.mark.parametrize("apostrophe", "'’‘´`ʼ′＇")
def test_every_apostrophe_is_one(apostrophe: str) -> None:
    text = f"The rebel{apostrophe}s report didn{apostrophe}t last"
    assert split_words(text) == ("THE", "REBEL'S", "REPORT", "DIDN'T", "LAST")


def test_invisible_characters_do_not_split_words() -> None:
    assert split_words("\ufeffre\u00adcord per\u200bmit") == ("RECORD", "PERMIT")


def test_windows_apostrophes(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_bytes("The rebel’s report".encode("cp1252"))
    assert split_words(read_text(tmp_path / "a.txt")) == ("THE", "REBEL'S", "REPORT")


def test_apostrophes_of_macs_and_of_text_saved_twice(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_bytes("The rebel’s “report”".encode("mac_roman"))
    assert split_words(read_text(tmp_path / "a.txt")) == ("THE", "REBEL'S", "REPORT")
    twice = "didn’t ‘go’".encode().decode("cp1252", errors="replace")
    assert split_words(twice)[0] == "DIDN'T"
    assert split_words("didn\x92t") == ("DIDN'T",)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("'the final record' and 'a permit'", "THE FINAL RECORD AND A PERMIT"),
        ("the fathers' permit, 'em goin' on", "THE FATHERS' PERMIT EM GOIN' ON"),
        ("‘the fathers’ permit’ said", "THE FATHERS' PERMIT SAID"),
        ("‘Record,’ he said, the boys’ way", "RECORD HE SAID THE BOYS' WAY"),
    ],
)
def test_quotation_marks_are_no_apostrophes(text: str, words: str) -> None:
    assert split_words(text) == tuple(words.split())


def test_words_without_phones_are_words(tmp_path: Path) -> None:
    tier = 'intervals: size = 1\nxmin = 0\nxmax = 1\ntext = "permit"\n'
    head = 'File type = "ooTextFile"\nObject class = "TextGrid"\nxmin = 0\nxmax = 1\n<exists>\n'
    one = 'size = 1\nclass = "IntervalTier"\nname = "words"\nxmin = 0\nxmax = 1\n'
    (tmp_path / "w.TextGrid").write_text(head + one + tier)
    words = (Interval(0.0, 1.0, "permit"),)
    assert read_textgrid(tmp_path / "w.TextGrid") == Alignment(words, (), "textgrid")


@pytest.mark.parametrize(("n_unknown", "n_tokens", "warns"), [(0, 0, 0), (1, 2, 0), (2, 3, 1)])
def test_share_of_unknown_words(n_unknown: int, n_tokens: int, warns: bool) -> None:
    assert bool(unknown_words(n_unknown, n_tokens)) == bool(warns)


def test_validate_and_build_tell(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "recordings" / "anna"
    folder.mkdir(parents=True)
    noise = np.random.default_rng(0).normal(0, 0.05, 32_000)
    soundfile.write(folder / "de.flac", noise, 16_000)
    (folder / "de.txt").write_text("Anna: der Bruder [lacht] im Norden gibt keinen Regen\n")
    _, out, err = run_cli(capsys, "validate", tmp_path / "recordings", "-q")
    assert "WARNING" in out and "is this English?" in out
    assert "'Anna:' (1), '[lacht]' (1)" in out + err
    assert "transcripts, not read as written: 1 speaker, 1 mark" in out


@pytest.mark.parametrize(
    ("text", "convention", "looks"),
    [
        ("the dog [/] the dog &=laughs", "plain", "chat"),
        ("the {LG} dog", "plain", "fave"),
        ("the dog [/] the dog &=laughs", "chat", ""),
        ("the [laughter] dog", "plain", ""),
    ],
)
def test_a_convention_that_was_not_named_is_noticed(text: str, convention: str, looks: str) -> None:
    changes = {"u": Normaliser(convention).read(text).changes}
    reasons = [problem.reason for problem in warnings_of(changes, convention)]
    assert any(f'convention = "{looks}"' in reason for reason in reasons) == bool(looks)


def test_marks_in_a_word_tier_are_no_tokens() -> None:
    labels = [("[laughter]", ("L", "AE1", "F", "T", "ER0")), ("WATER", ("W", "AO1", "T", "ER0"))]
    words, phones, now_s = [], [], 0.0
    for label, sounds in labels:
        start_s = now_s
        for sound in sounds:
            phones.append(Interval(now_s, now_s + 0.08, sound))
            now_s += 0.08
        words.append(Interval(start_s, now_s, label))
    alignment = Alignment(tuple(words), tuple(phones), "textgrid")
    recording = Recording("u", "anna", "", Path("u.wav"), (), Path("u.TextGrid"), now_s)
    tokens, rejected = find_tokens(recording, alignment, load_dictionary(None), {})
    assert [token.word for token in tokens] == ["WATER"]
    assert [(r.word, r.reason) for r in rejected] == [("[laughter]", "a mark that nobody says")]
