"""`stressnet validate`: every kind of problem is a row, nothing is changed, exit code 3."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest
import soundfile
from click.testing import CliRunner
from conftest import RATE_HZ, aligned_sentence

from stressnet.alignment.textgrid import write_textgrid
from stressnet.cli import cli
from stressnet.intervals import Alignment, Interval
from stressnet.stages.validate import validate_folder

TABLE = "tier,start_s,end_s,label\n"


def recording(folder: Path, name: str, rows: str | None = None, duration_s: float = 1.0) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    noise = 0.1 * np.random.default_rng(1).standard_normal(round(duration_s * RATE_HZ))
    soundfile.write(folder / f"{name}.flac", noise, RATE_HZ)
    if rows is not None:
        (folder / f"{name}.csv").write_text(TABLE + rows)
    return folder / f"{name}.flac"


@pytest.fixture
def recipe(tmp_path: Path) -> Path:
    path = tmp_path / "mine.toml"
    path.write_text(
        '[corpus]\nname = "m"\ntitle = "t"\nlicence = "CC0"\ncitation = "c"\n'
        '[audio]\npattern = "{speaker}/{utterance}.flac"\n'
        '[[alignment]]\npattern = "{folder}/{utterance}.csv"\n'
    )
    return path


GOOD = "words,0.1,0.5,the\nphones,0.1,0.2,DH\nphones,0.2,0.5,AH0\n"


def test_each_problem_is_a_row(tmp_path: Path, recipe: Path) -> None:
    root = tmp_path / "corpus"
    files = {
        "good": GOOD,
        "overlap": GOOD + "words,0.45,0.9,cat\nphones,0.5,0.9,AE1\n",
        "negative": GOOD.replace("words,0.1", "words,-0.1").replace("s,0.1,0.2", "s,-0.1,0.2"),
        "empty": GOOD + "words,0.6,0.6,x\n",
        "backwards": GOOD + "words,0.8,0.6,x\n",
        "past": GOOD.replace("0.5,", "1.2,"),
        "clamped": GOOD.replace("0.5,", "1.03,"),
        "crossing": GOOD.replace("0.5,AH0", "0.6,AH0"),
        "no-word": GOOD + "phones,0.7,0.8,T\n",
        "no-phones": GOOD + "words,0.7,0.8,cat\n",
        "words-only": "words,0.1,0.5,the\n",
        "unreadable": "words,0.1,x,the\n",
    }
    for name, rows in files.items():
        recording(root / "anna", name, rows)
    (root / "anna" / "broken.flac").write_bytes(b"")
    recording(root / "anna", "untold")
    before = {p: (p.read_bytes(), p.stat().st_mtime_ns) for p in root.rglob("*.*")}

    found = validate_folder(root, recipe=str(recipe))
    rows = {(r.item, r.severity, r.tier, r.label): r for r in found.rows}
    expected = {
        ("overlap", "error", "words", "cat"): "overlaps 'the', which ends at 0.500 s",
        ("negative", "error", "words", "the"): "starts before the recording",
        ("negative", "error", "phones", "DH"): "starts before the recording",
        ("empty", "error", "words", "x"): "has no length",
        ("backwards", "error", "words", "x"): "has no length",
        ("past", "error", "words", "the"): "past the audio (1.000 s)",
        ("past", "error", "phones", "AH0"): "past the audio",
        ("clamped", "warning", "file", ""): "ends 30 ms past the audio",
        ("crossing", "error", "phones", "AH0"): "crosses the edge of the word 'the'",
        ("no-word", "error", "phones", "T"): "lies in no word",
        ("no-phones", "error", "words", "cat"): "has no phones",
        ("words-only", "warning", "file", ""): "words without phones",
        ("unreadable", "error", "file", ""): "unreadable.csv, line 2: end 'x' is no number",
        ("broken", "error", "file", ""): "the file is empty",
        ("untold", "error", "file", ""): "no transcript for 'untold'",
    }
    assert set(rows) == set(expected)
    for key, text in expected.items():
        assert text in rows[key].problem, key
    assert rows["overlap", "error", "words", "cat"].time_s == 0.45
    assert (found.n_recordings, found.n_aligned) == (12, 12)
    assert {p: (p.read_bytes(), p.stat().st_mtime_ns) for p in root.rglob("*.*")} == before


def test_the_command(tmp_path: Path, recipe: Path) -> None:
    root = tmp_path / "corpus"
    recording(root / "anna", "good", GOOD)
    arguments = ["validate", str(root), "--recipe", str(recipe), "-q"]
    done = CliRunner().invoke(cli, arguments)
    assert done.exit_code == 0, done.output
    assert done.output.startswith("1 usable recordings, 1 with alignments: no problems\n")
    assert "speakers: 1 (anna)" in done.output
    assert "expected tokens: 0 INITIAL, 0 FINAL, 0 of words with both readings" in done.output
    assert "enough to train: no, there is no disyllabic content word" in done.output

    recording(root / "anna", "é 汉", GOOD + "words,0.45,0.9,cat\nwords,0.6,0.9,dog\n")
    done = CliRunner().invoke(cli, [*arguments, "--csv", str(tmp_path / "t.csv"), "--limit", "1"])
    assert done.exit_code == 3
    assert "é 汉   error     words  0.450   cat    overlaps 'the'" in done.output
    assert "... and 3 more" in done.output
    assert "2 usable recordings, 2 with alignments: 4 errors in 1 recordings" in done.output
    with (tmp_path / "t.csv").open(newline="", encoding="utf-8") as file:
        assert [row["label"] for row in csv.DictReader(file)] == ["cat", "cat", "dog", "dog"]


def test_truncated_sound_is_found_unless_only_headers_are_read(tmp_path: Path) -> None:
    root = tmp_path / "corpus"
    path = recording(root / "anna", "cut", duration_s=30.0)
    (root / "anna" / "cut.txt").write_text("the cat")
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2])
    arguments = ["validate", str(root), "-q"]
    assert CliRunner().invoke(cli, [*arguments, "--no-samples"]).exit_code == 0
    done = CliRunner().invoke(cli, arguments)
    assert done.exit_code == 3
    assert "truncated" in done.output


def test_a_textgrid_with_100_000_intervals(tmp_path: Path) -> None:
    """Eight hours of phones in one file: read and checked in seconds, by the linear path."""
    n = 50_000
    step_s = 0.01
    phones = tuple(Interval(k * step_s, (k + 1) * step_s, "AH0") for k in range(n))
    words = tuple(Interval(k * step_s, (k + 1) * step_s, "a") for k in range(n))
    root = tmp_path / "corpus"
    recording(root / "anna", "long", duration_s=n * step_s)
    write_textgrid(root / "anna" / "long.TextGrid", Alignment(words, phones), n * step_s)
    found = validate_folder(root)
    assert found.rows == ()
    assert found.n_aligned == 1


def test_good_corpora_have_no_problems(make_corpus, tmp_path: Path) -> None:
    root = make_corpus(tmp_path / "corpus", {"anna": 200.0})
    assert aligned_sentence("THE WATER")[0].words
    assert validate_folder(root).rows == ()
