"""``stressnet measure``: tables, resuming, workers, failures, and no look at the stress."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from documented import columns

from stressnet.acoustics.cue_table import BOTH, CUES, ID_COLUMNS, WORD_COLUMNS, table_columns
from stressnet.cli import main
from stressnet.corpus.store import TOKENS
from stressnet.errors import FolderError
from stressnet.runs.manifest import hash_file
from stressnet.runs.tables import write_parquet
from stressnet.stages.build_corpus import BuildConfig, build_corpus
from stressnet.stages.measure import MeasureConfig, measure_corpus
from stressnet.stages.measure import tokens as workflow

PAGE = Path(__file__).parents[1] / "docs" / "cues.md"
TABLES = ("cues.parquet", "cues.csv", "failures.csv", "speakers.csv")


@pytest.fixture(scope="module")
def corpus(make_corpus, tmp_path_factory) -> Path:
    source = make_corpus(
        tmp_path_factory.mktemp("measure") / "source", {"anna": 210.0, "bo": 190.0, "carl": 110.0}
    )
    return build_corpus(source, source.with_name("corpus"), config=BuildConfig("generic")).path


@pytest.fixture(scope="module")
def measured(corpus: Path, tmp_path_factory) -> Path:
    return measure_corpus(corpus, tmp_path_factory.mktemp("cues") / "out").path


def test_one_row_per_token_with_known_pitch(corpus: Path, measured: Path) -> None:
    table = pd.read_parquet(measured / "cues.parquet")
    tokens = pd.read_parquet(corpus / TOKENS)
    assert list(table.columns) == table_columns()
    assert list(table["token_id"]) == list(tokens["token_id"])
    f0 = table.groupby("speaker")["nucleus_1_f0_mean_hz"].median()
    for speaker, expected in (("anna", 210), ("bo", 190), ("carl", 110)):
        assert f0[speaker] == pytest.approx(expected, rel=0.02)
    np.testing.assert_allclose(table["nucleus_1_duration_s"], 0.08, atol=1e-6)
    # Every phone lasts 80 ms; 12 of the sentence's 28 or 29 phones are vowels or so.
    assert table["speech_rate_syllables_per_s"].between(4, 6).all()
    assert (table["nucleus_1_relative_duration"] < 0.5).all()


def test_contours_have_equal_parts(corpus: Path, measured: Path, tmp_path: Path) -> None:
    out = measure_corpus(corpus, tmp_path / "out", contours=4).path
    for name in TABLES:
        assert (out / name).read_bytes() == (measured / name).read_bytes(), name
    table = pd.read_parquet(out / "contours.parquet")
    tokens = pd.read_parquet(corpus / TOKENS).set_index("token_id")
    assert len(table) == len(tokens) * 3 * 4 and not (measured / "contours.parquet").exists()
    token = "anna-0_001_WATER"  # W AO1 T ER0, 80 ms each
    own = table[table["token_id"] == token].set_index(["part", "point"])
    assert own.loc["word", "time_s"].tolist() == pytest.approx([0.04, 0.12, 0.20, 0.28])
    assert own.loc["vowel_2", "time_s"].tolist() == pytest.approx([0.25, 0.27, 0.29, 0.31])
    assert own.loc["vowel_1", "f0_hz"].tolist() == pytest.approx([210.0] * 4, rel=0.02)
    assert own.loc["vowel_1", "f0_st"].abs().max() < 0.5
    assert own["intensity_db"].loc["vowel_1", 2] > own["intensity_db"].loc["word", 3] + 10
    csv = pd.read_csv(out / "contours.csv")
    assert list(csv) == list(table) and csv["f0_hz"].isna().equals(table["f0_hz"].isna())


def test_csv_says_the_same(measured: Path) -> None:
    parquet = pd.read_parquet(measured / "cues.parquet")
    csv = pd.read_csv(measured / "cues.csv")
    assert list(csv.columns) == list(parquet.columns)
    numbers = parquet.select_dtypes("float64").columns
    np.testing.assert_allclose(csv[numbers], parquet[numbers], rtol=1e-12)


def test_manifest_has_the_exact_arguments(measured: Path) -> None:
    manifest = json.loads((measured / "manifest.json").read_text())
    praat = manifest["results"]["praat"]
    assert praat["praat"].startswith("6.")
    assert praat["pitch"]["octave_cost"] == 0.055
    assert praat["formants"]["window_s"] == 0.025
    assert praat["intensity"]["minimum_pitch_hz"] == 100
    for name, digest in manifest["outputs"].items():
        assert hash_file(measured / name) == digest
    speakers = pd.read_csv(measured / "speakers.csv")
    assert {"pitch_floor_hz", "pitch_ceiling_hz", "formant_ceiling_hz"} <= set(speakers.columns)


def test_workers_and_interruptions_do_not_change_a_byte(
    corpus: Path, measured: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    measure_corpus(corpus, tmp_path / "two", jobs=2)
    done = []

    def stop_after_two(task):
        if len(done) == 2:
            raise KeyboardInterrupt
        done.append(task)
        return original(task)

    original = workflow._measure_chunk
    with monkeypatch.context() as patch:
        patch.setattr(workflow, "_measure_chunk", stop_after_two)
        with pytest.raises(KeyboardInterrupt):
            measure_corpus(corpus, tmp_path / "torn")
    assert not (tmp_path / "torn" / "manifest.json").exists()
    measure_corpus(corpus, tmp_path / "torn")
    for name in TABLES:
        expected = (measured / name).read_bytes()
        assert (tmp_path / "two" / name).read_bytes() == expected, name
        assert (tmp_path / "torn" / name).read_bytes() == expected, name
    assert not (tmp_path / "torn" / "state").exists()


@pytest.fixture
def few_vowels(monkeypatch: pytest.MonkeyPatch) -> None:
    """A search for the ceiling that takes seconds."""
    monkeypatch.setattr("stressnet.stages.measure.speakers._VOWEL_SAMPLE", 8)


@pytest.mark.usefixtures("few_vowels")
def test_cues_do_not_depend_on_the_stress(corpus: Path, measured: Path, tmp_path: Path) -> None:
    """Turn every label round, take the stress digits away: not one measured number moves."""
    other = tmp_path / "corpus"
    shutil.copytree(corpus, other)
    tokens = pd.read_parquet(other / TOKENS)
    turned = {"INITIAL": "FINAL", "FINAL": "INITIAL"}
    for column in ("stress", "lexicon_stress", "aligner_stress"):
        tokens[column] = tokens[column].map(lambda value: turned.get(value, value))
    for column in ("nucleus_1", "nucleus_2", "pronunciation"):
        tokens[column] = tokens[column].str.translate(str.maketrans("02", "11"))
    write_parquet(tokens, other / TOKENS)
    config = MeasureConfig(ceiling="optimise")
    columns = [c for c in table_columns() if c not in ID_COLUMNS]
    tables = [
        measure_corpus(path, tmp_path / name, config=config).cues[columns]
        for path, name in ((corpus, "a"), (other, "b"))
    ]
    pd.testing.assert_frame_equal(*tables)
    plain = pd.read_parquet(measured / "cues.parquet")
    assert not tables[0]["nucleus_1_duration_s"].empty
    pd.testing.assert_series_equal(tables[0]["word_f0_mean_hz"], plain["word_f0_mean_hz"])


@pytest.mark.usefixtures("few_vowels")
def test_measuring_changes_nothing_in_the_corpus(corpus: Path, tmp_path: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in corpus.rglob("*")}
    measure_corpus(corpus, tmp_path / "out", ceiling="optimise")
    assert {path: path.stat().st_mtime_ns for path in corpus.rglob("*")} == before


def test_a_lost_excerpt_costs_one_row(corpus: Path, tmp_path: Path, capsys) -> None:
    own = tmp_path / "corpus"
    shutil.copytree(corpus, own)
    lost = pd.read_parquet(own / TOKENS)["excerpt_file"][3]
    (own / lost).write_bytes(b"no sound")
    with pytest.raises(SystemExit) as end:
        main(["measure", str(own), str(tmp_path / "out"), "-j", "1", "-q"])
    assert end.value.code == 3
    failures = pd.read_csv(tmp_path / "out" / "failures.csv")
    assert len(failures) == 1
    assert Path(lost).name in failures["reason"][0]
    table = pd.read_parquet(tmp_path / "out" / "cues.parquet")
    assert len(table) == len(pd.read_parquet(own / TOKENS)) - 1
    assert "failures.csv" in capsys.readouterr().out


def test_refusals(corpus: Path, measured: Path, tmp_path: Path, capsys) -> None:
    with pytest.raises(FolderError, match="--overwrite"):
        measure_corpus(corpus, measured)
    (tmp_path / "thesis.txt").write_text("precious")
    with pytest.raises(FolderError, match="not empty"):
        measure_corpus(corpus, tmp_path, overwrite=True)
    for arguments, code in ((["--ceiling", "high"], 2), (["--ceiling", "9000"], 1)):
        with pytest.raises(SystemExit) as end:
            main(["measure", str(corpus), str(tmp_path / "new"), "-q", "-j", "1", *arguments])
        assert end.value.code == code
    errors = capsys.readouterr().err
    assert "neither auto" in errors
    assert "cannot carry a formant ceiling of 9000 Hz" in errors


def test_options_reach_praat(corpus: Path, tmp_path: Path) -> None:
    config = MeasureConfig(pitch_method="raw-ac", expressive=True, ceiling="5200")
    result = measure_corpus(corpus, tmp_path / "out", config=config)
    assert result.manifest["results"]["praat"]["pitch"]["method"] == "raw-ac"
    speakers = pd.read_csv(result.path / "speakers.csv")
    assert (speakers["formant_ceiling_hz"] == 5200).all()
    assert (speakers["formant_ceiling_source"] == "fixed").all()
    ratio = speakers["pitch_ceiling_hz"] / speakers["f0_median_hz"]
    assert ratio.between(2.4, 2.7).all()


# -- the data dictionary ---------------------------------------------------------------------------


def documented() -> list[tuple[str, str]]:
    """Column and type of every row of the tables on the page, names expanded."""
    text = PAGE.read_text(encoding="utf-8")
    return [column for column in columns(text) if column[1] in {"string", "double", "bool"}]


def test_the_page_lists_exactly_what_is_written(measured: Path) -> None:
    schema = pq.read_schema(measured / "cues.parquet")
    written = {f.name: str(f.type).removeprefix("large_") for f in schema}
    listed = documented()
    assert len(dict(listed)) == len(listed)
    assert dict(listed) == written


def test_every_cue_is_defined() -> None:
    listed = {name for name, _ in documented()}
    for cue in CUES:
        assert {f"{domain}_1_{cue.name}" for domain in cue.domains} <= listed
        assert set(cue.domains) <= set(BOTH)
    assert set(WORD_COLUMNS) <= listed
