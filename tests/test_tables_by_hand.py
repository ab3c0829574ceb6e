"""Tables as people and spreadsheets write them: speakers, labels, splits."""

from __future__ import annotations

from pathlib import Path

import pytest
import soundfile
from conftest import aligned_sentence, sound_of

from stressnet.alignment.textgrid import write_textgrid
from stressnet.corpus.labels import read_labels
from stressnet.corpus.plain_table import read_rows
from stressnet.corpus.recipe import SpeakerTable
from stressnet.corpus.speakers import read_speakers, unmatched
from stressnet.corpus.splits import SPLIT_COLUMNS, read_splits
from stressnet.errors import CorpusError
from stressnet.stages.build_corpus import BuildConfig, build_corpus
from stressnet.stages.validate import validate_folder

SHAPES = {
    "tabs": "{}\t{}\n",
    "commas": "{},{}\n",
    "semicolons": "{};{}\n",
    "bars": "{}|{}\n",
    "quotes": '"{}","{}"\n',
    "single quotes": "'{}';'{}'\n",
    "blanks around": " {} \t {} \r\n",
    "old Mac": "{}\t{}\r",
    "no-break spaces": "\u00a0{}\u00a0;{}\u00a0\n",
    "invisible": "\u200b{}\t\u2060{}\ufeff\n",
    "more columns": "{},{},\n",
}


@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
@pytest.mark.parametrize("before", ["", "\ufeff", "\n\n", "# by me\n"], ids=repr)
def test_speakers_in_any_shape(tmp_path: Path, shape: str, before: str) -> None:
    rows = [("Speaker", "Sex"), ("anna.b", "F"), ("ben", "male")]
    file = tmp_path / "speakers.tsv"
    file.write_bytes((before + "".join(shape.format(*row) for row in rows)).encode())
    found = read_speakers(tmp_path, [SpeakerTable("speakers.tsv")])
    assert found.sexes == {"anna.b": "female", "ben": "male"} and not found.problems
    file.write_bytes(file.read_bytes().decode().encode("utf-16"))
    assert read_speakers(tmp_path, [SpeakerTable("speakers.tsv")]).sexes == found.sexes


@pytest.mark.parametrize(
    ("text", "cells"),
    [
        ('a,note,b\n1,"tall, blond",2\n', ["1", "tall, blond", "2"]),
        ('a,note,b\n1,"two\nlines",2\n', ["1", "two lines", "2"]),
        ("sep=;\na;b\n1,5;2,0\n", ["1,5", "2,0"]),
        ("a;b, c, d, e\n1;2\n", ["1", "2"]),
        ("a\tb, or c\n1\t2\n", ["1", "2"]),
        ("a;b\n;\n1;2\n", ["1", "2"]),
        ("a  b\n1   2\n", ["1", "2"]),
    ],
)
def test_cells(tmp_path: Path, text: str, cells: list[str]) -> None:
    file = tmp_path / "t.csv"
    file.write_text(text)
    assert read_rows(file, blanks=True)[1][1] == cells


def test_a_person_with_two_sexes_has_none(tmp_path: Path) -> None:
    (tmp_path / "s.tsv").write_text("speaker\tsex\nanna\tfemale\nben\tmale\nanna\tmale\n")
    found = read_speakers(tmp_path, [SpeakerTable("s.tsv")])
    assert found.sexes == {"anna": "", "ben": "male"}
    assert "line 4 lists 'anna' again with another sex" in found.problems[0].reason


def test_an_empty_table_says_what_was_looked_for(tmp_path: Path) -> None:
    (tmp_path / "s.tsv").write_text("")
    found = read_speakers(tmp_path, [SpeakerTable("s.tsv")])
    (problem,) = unmatched(found, [f"s{k}" for k in range(5)])
    assert "s.tsv: lists no speaker; the recordings have 's0', 's1', 's2' and 2 more" in (
        problem.reason
    )


LABELS = [("Utterance ID", "word-index", "word", "Stress"), ("a.1", "0", "record", "final")]


@pytest.mark.parametrize("delimiter", ["\t", ";", ",", "|"])
@pytest.mark.parametrize("before", ["", "\ufeff", "# by me\n", "sep={}\n"], ids=repr)
def test_labels_in_any_shape(tmp_path: Path, delimiter: str, before: str) -> None:
    file = tmp_path / "labels.csv"
    empty = delimiter * 3
    rows = [delimiter.join(row) for row in LABELS]
    file.write_text(before.format(delimiter) + "\n".join([*rows, empty, ""]))
    found = read_labels(file)
    assert [(key, label.stress, label.word) for key, label in found.items()] == [
        (("a.1", 0), "FINAL", "RECORD")
    ]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("utterance_id\tword_index\tstress\tstress\n", "has two columns 'stress'; keep one"),
        ("utterance_id;stress\na;FINAL\n", "lacks the column word_index"),
        ("utterance_id;word_index;stress\na;0,0;FINAL\n", "line 2: word_index '0,0'"),
        (f"utterance_id,word_index,stress\na,{'9' * 5000},FINAL\n", "line 2: word_index '999"),
        ('utterance_id,word_index,stress\n"a,0,FINAL\nb,1,FINAL\n', "word_index ''"),
    ],
)
def test_labels_that_are_refused(tmp_path: Path, text: str, said: str) -> None:
    file = tmp_path / "labels.tsv"
    file.write_text(text)
    with pytest.raises(CorpusError) as error:
        read_labels(file)
    assert said in str(error.value) and len(str(error.value)) < 400


SPLITS = [SPLIT_COLUMNS, ("a_000_X", "a", "x", "train", "train", "train")]


@pytest.mark.parametrize(
    "form", ["{},{},{},{},{},{}", "{};{};{};{};{};{}", "\ufeff{}\t{}\t{}\t{}\t{}\t{} "]
)
def test_splits_that_a_spreadsheet_saved(tmp_path: Path, form: str) -> None:
    file = tmp_path / "splits.csv"
    file.write_text("\n".join(form.format(*row) for row in SPLITS))
    assert read_splits(file).to_numpy().tolist() == [list(SPLITS[1])]


@pytest.mark.parametrize("column", [3, 4, 5])
def test_sets_that_do_not_exist(tmp_path: Path, column: int) -> None:
    row = list(SPLITS[1])
    row[column] = "tain"
    (tmp_path / "s.csv").write_text("\n".join(",".join(r) for r in (SPLITS[0], row)))
    with pytest.raises(CorpusError, match=r"line 2: \w+ 'tain' is none of train, "):
        read_splits(tmp_path / "s.csv")


def test_labels_of_words_that_are_no_tokens_are_told(tmp_path: Path) -> None:
    alignment, duration_s = aligned_sentence("THE WATER HOTEL RECORD")
    folder = tmp_path / "c" / "anna"
    folder.mkdir(parents=True)
    samples = sound_of(alignment, duration_s, f0_hz=150, seed=1)
    soundfile.write(folder / "u.wav", samples, 16_000)
    write_textgrid(folder / "u.TextGrid", alignment, duration_s)
    table = "utterance_id;word_index;stress\nu;0;FINAL\nu;3;INITIAL\n"
    (tmp_path / "c" / "labels.tsv").write_text(table)
    checked = validate_folder(tmp_path / "c")
    config = BuildConfig("generic", tagger="none", no_splits=True)
    built = build_corpus(tmp_path / "c", tmp_path / "out", config=config)
    (row,) = (row for row in checked.rows if row.item == "labels.tsv")
    (problem,) = (p for p in built.problems if p.item == "labels.tsv")
    assert row.problem == problem.reason
    assert "1 of its words are no tokens" in row.problem and "THE in 'u': " in row.problem
    assert "check that word_index counts from 0" in row.problem


def test_a_line_break_in_a_cell_is_a_blank(tmp_path: Path) -> None:
    """Found by fuzzing: messages that name the cell are one line."""
    (tmp_path / "a.tsv").write_text('utterance_id\tword_index\tstress\na\t1\t"INI\nTIAL"\n')
    with pytest.raises(CorpusError, match="stress 'INI TIAL'") as caught:
        read_labels(tmp_path / "a.tsv")
    assert "\n" not in str(caught.value)
