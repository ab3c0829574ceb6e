"""Recordings, disks and processes at their limits: nothing is lost, and one line says what is."""

from __future__ import annotations

import csv
import os
import shutil
import signal
import time
import tracemalloc
from collections import Counter
from dataclasses import replace
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
import soundfile
from conftest import RATE_HZ
from test_build_corpus import content

from stressnet import audio
from stressnet.audio import read_audio, read_stretches, write_flac
from stressnet.corpus import tables
from stressnet.corpus.building import cut as build_tokens
from stressnet.corpus.building import tables as build_tables
from stressnet.corpus.building.align import Alignments, to_record
from stressnet.corpus.longer_words import find_stretches
from stressnet.corpus.recipe import load_recipe
from stressnet.corpus.scan import Recording, Scan, scan
from stressnet.corpus.store import Corpus
from stressnet.corpus.tables import TableWriter, arrow_schema
from stressnet.errors import AudioError, FolderError
from stressnet.intervals import Alignment, Interval
from stressnet.lexicon.dictionary import load_dictionary
from stressnet.runs import parallel
from stressnet.runs.arrays import ArrayFile
from stressnet.runs.folder import RunFolder
from stressnet.runs.journal import Journal
from stressnet.stages.build_corpus import BuildConfig, build_corpus

CONFIG = BuildConfig("generic", tagger="none", no_splits=True)
VOICES = {"anna": 210.0, "bo": 120.0}


@pytest.fixture(scope="module")
def source(make_corpus, tmp_path_factory) -> Path:
    return make_corpus(tmp_path_factory.mktemp("extremes") / "corpus", VOICES)


@pytest.fixture(scope="module")
def straight(source: Path, tmp_path_factory) -> Path:
    return build_corpus(source, tmp_path_factory.mktemp("straight") / "corpus", config=CONFIG).path


# --- long recordings -----------------------------------------------------------------------------


@pytest.mark.parametrize("rate_hz", [16_000, 22_050, 48_000])
def test_stretches_are_those_of_the_whole(tmp_path: Path, monkeypatch, rate_hz: int) -> None:
    """Blocks leave no seam, also where the recording is resampled."""
    monkeypatch.setattr(audio, "_BLOCK_FRAMES", 5000)
    samples = np.random.default_rng(0).uniform(-0.5, 0.5, 3 * rate_hz + 123)
    soundfile.write(tmp_path / "a.wav", samples, rate_hz, subtype="FLOAT")
    spans_s = [(2.0, 2.7), (0.0, 0.1), (0.05, 2.9), (2.9, 99.0), (50.0, 51.0)]
    found, duration_s = read_stretches(tmp_path / "a.wav", spans_s)
    whole = read_audio(tmp_path / "a.wav")
    assert duration_s == whole.duration_s
    for stretch, span_s in zip(found, spans_s, strict=True):
        np.testing.assert_array_equal(stretch.samples, whole.cut(*span_s).samples)
    assert len(found[-1].samples) == 0


def test_a_long_recording_is_never_in_memory(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(audio, "_BLOCK_FRAMES", 1 << 14)
    soundfile.write(tmp_path / "a.wav", np.full(300 * RATE_HZ, 0.25), RATE_HZ)
    tracemalloc.start()
    (stretch,), duration_s = read_stretches(tmp_path / "a.wav", [(290.0, 291.0)])
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert duration_s == 300 and stretch.duration_s == 1
    assert peak < 2e6  # the whole has 19 MB


def test_damage_outside_the_stretches_is_found(tmp_path: Path) -> None:
    samples = np.random.default_rng(0).uniform(-0.5, 0.5, 20 * RATE_HZ)
    soundfile.write(tmp_path / "a.flac", samples, RATE_HZ)
    data = (tmp_path / "a.flac").read_bytes()
    (tmp_path / "a.flac").write_bytes(data[: len(data) // 2])
    with pytest.raises(AudioError, match="truncated"):
        read_stretches(tmp_path / "a.flac", [(0.0, 1.0)])


# --- a full disk ---------------------------------------------------------------------------------


class FullDisk:
    """Lets some writes pass and refuses the rest."""

    def __init__(self, n_writes: int) -> None:
        self.left = n_writes

    def wraps(self, original):
        def write(*args, **kwargs):
            self.left -= 1
            if self.left < 0:
                raise OSError(28, "No space left on device")
            return original(*args, **kwargs)

        return write


@pytest.mark.parametrize(
    ("place", "name", "n_writes"),
    [
        (build_tokens, "write_flac", 9),
        (Journal, "add", 7),
        (ArrayFile, "write", 0),
        (TableWriter, "add_table", 0),
        (Path, "write_bytes", 20),
    ],
)
def test_a_full_disk_anywhere(
    source: Path, straight: Path, tmp_path: Path, monkeypatch, place, name: str, n_writes: int
) -> None:
    """One line, nothing recorded as failed, and the same command goes on to the same bytes."""
    out = tmp_path / "out"
    with monkeypatch.context() as patch:
        patch.setattr(place, name, FullDisk(n_writes).wraps(getattr(place, name)))
        with pytest.raises(FolderError, match=r"No space left on device; what is finished is kept"):
            build_corpus(source, out, config=CONFIG)
    assert not (out / "manifest.json").exists()
    done = build_corpus(source, out, config=CONFIG)
    assert done.n_errors == 0
    assert content(out) == content(straight)


def test_excerpts_say_why_they_cannot_be_written(tmp_path: Path) -> None:
    sound = audio.Audio(np.full(100, 0.1, dtype=np.float32), RATE_HZ)
    with pytest.raises(FileNotFoundError):
        write_flac(tmp_path / "nowhere" / "a.flac", sound)


# --- odd files -----------------------------------------------------------------------------------


def test_links_out_of_the_corpus(make_corpus, tmp_path: Path) -> None:
    """Links are followed; one to nothing is reported; one back up does no harm."""
    source = make_corpus(tmp_path / "corpus", VOICES)
    elsewhere = tmp_path / "elsewhere"
    (source / "bo").rename(elsewhere)
    (source / "bo").symlink_to(elsewhere)
    (source / "anna" / "up").symlink_to(source)
    (source / "anna" / "gone.flac").symlink_to(tmp_path / "nothing.flac")
    done = build_corpus(source, tmp_path / "out", config=CONFIG)
    assert [p.item for p in done.problems] == ["gone"]
    assert "gone.flac: is a link to nothing" in done.problems[0].reason
    tokens = Corpus.open(done.path).tokens
    assert set(tokens["recording"]) == {f"{v}/{v}-{k}.flac" for v in VOICES for k in (0, 1)}


def test_a_flac_that_claims_ten_hours(make_corpus, tmp_path: Path) -> None:
    source = make_corpus(tmp_path / "corpus", VOICES)
    file = source / "anna" / "anna-0.flac"
    data = bytearray(file.read_bytes())
    n_samples = 36_000 * RATE_HZ
    data[21] = (data[21] & 0xF0) | (n_samples >> 32)
    data[22:26] = (n_samples & 0xFFFFFFFF).to_bytes(4, "big")
    file.write_bytes(data)
    assert audio.audio_facts(file).duration_s == 36_000
    tracemalloc.start()
    done = build_corpus(source, tmp_path / "out", config=CONFIG)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 100e6  # ten hours would have 2300 MB
    with (done.path / "failures.csv").open(newline="") as table:
        rows = list(csv.DictReader(table))
    assert [row["item"] for row in rows] == ["anna-0"]
    assert "anna-0.flac: truncated" in rows[0]["reason"]
    assert "copy it again" in rows[0]["reason"]
    assert done.n_errors == 1 and len(Corpus.open(done.path).tokens) == 15


def test_input_is_left_as_it_was(make_corpus, tmp_path: Path) -> None:
    source = make_corpus(tmp_path / "corpus", VOICES)
    for path in [*source.rglob("*"), source]:
        path.chmod(0o555 if path.is_dir() else 0o444)
    before = {p: (p.stat().st_mtime_ns, p.stat().st_mode) for p in [*source.rglob("*"), source]}
    build_corpus(source, tmp_path / "out", config=CONFIG)
    assert before == {p: (p.stat().st_mtime_ns, p.stat().st_mode) for p in before}
    for path in source.rglob("*"):
        path.chmod(0o755)


# --- memory --------------------------------------------------------------------------------------


def test_tokens_one_by_one(straight: Path) -> None:
    corpus = Corpus.open(straight)
    found = list(corpus.iter_tokens())
    assert [t.row["token_id"] for t in found] == list(corpus.tokens["token_id"])
    for token in found[::5]:
        assert token.phones == corpus.phone_intervals(token.row["token_id"])
        expected = corpus.excerpt(token.row["token_id"])
        np.testing.assert_array_equal(token.audio.samples, expected.samples)
    assert list(corpus.iter_tokens(["train"])) == []
    assert all(t.audio is None for t in corpus.iter_tokens(["unsplit"], audio=False))


def test_tokens_stream_in_constant_memory(straight: Path, tmp_path: Path) -> None:
    """Three times the tokens, the same peak."""

    def peak(times: int) -> int:
        folder = tmp_path / str(times)
        folder.mkdir()
        shutil.copytree(straight / "excerpts", folder / "excerpts")
        (folder / "manifest.json").write_bytes((straight / "manifest.json").read_bytes())
        for name in ("tokens.parquet", "phones.parquet"):
            part = pq.read_table(straight / name)
            with pq.ParquetWriter(folder / name, part.schema) as writer:
                for _ in range(times):
                    writer.write_table(part)
        corpus = Corpus.open(folder)
        tracemalloc.start()
        n_tokens = sum(len(token.audio.samples) > 0 for token in corpus.iter_tokens())
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert n_tokens == 20 * times
        return most

    assert peak(90) < 1.2 * peak(30)


def test_a_build_holds_no_rows_of_tokens(
    source: Path, straight: Path, tmp_path: Path, monkeypatch
) -> None:
    """Eight times the tokens, nearly the same peak; what grows are names and splits."""
    monkeypatch.setattr(tables, "ROWS_PER_GROUP", 64)
    monkeypatch.setattr(build_tables, "ROWS_PER_GROUP", 64)
    (recording, *_) = scan(load_recipe("generic"), source).recordings
    tokens = pd.read_parquet(straight / "tokens.parquet")
    rows = tokens[list(tables.token_types())].iloc[:10].to_dict("records")
    phones = pd.read_parquet(straight / "phones.parquet").iloc[:40].to_dict("records")
    result = {"tokens": rows, "phones": phones, "not_tokens": [], "warnings": []}

    def peak(n_recordings: int) -> int:
        out = tmp_path / str(n_recordings)
        folder = RunFolder(out, "corpus")
        folder.begin({}, inputs={})
        found = tuple(replace(recording, utterance_id=f"u{k}") for k in range(n_recordings))
        monkeypatch.setattr(build_tokens, "_cut_one", lambda task: result)
        tracemalloc.start()
        with Journal(out / "state" / "alignments.jsonl") as journal:
            for one in found:
                words = tuple(Interval(0.1 * k, 0.1 * k + 0.1, "WATER") for k in range(50))
                journal.add(one.utterance_id, to_record(Alignment(words, words)))
            aligned = Alignments([one.utterance_id for one in found], journal.done, {})
            build_tokens.cut(folder, source, Scan(found, ()), aligned, CONFIG)
        build_tables.finish_tables(folder, CONFIG, Counter(), "generic")
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert pq.read_metadata(out / "tokens.parquet").num_rows == 10 * n_recordings
        return most

    peak(10)  # imports
    small, large = peak(50), peak(400)
    assert large - small < 3500 * 500  # bytes; a row as a dict has more than 2000


def test_tables_are_written_in_pieces(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(tables, "ROWS_PER_GROUP", 10)
    schema = arrow_schema({"name": "string", "x_s": "float64"})
    with TableWriter(tmp_path / "t.parquet", schema) as writer:
        for k in range(25):
            writer.add([{"name": None if k < 12 else f"n{k}", "x_s": float("nan")}])
            assert not (tmp_path / "t.parquet").exists()
    assert pq.ParquetFile(tmp_path / "t.parquet").metadata.num_row_groups == 3
    table = pq.read_table(tmp_path / "t.parquet")
    assert table.schema == schema and table.column("x_s").null_count == 25
    assert pd.read_parquet(tmp_path / "t.parquet")["name"].notna().sum() == 13
    with pytest.raises(RuntimeError), TableWriter(tmp_path / "u.parquet", schema) as writer:
        writer.add([{"name": "a", "x_s": 1.0}])
        raise RuntimeError
    assert not list(tmp_path.glob("*u.parquet*"))


def test_arrays_are_written_in_any_order(tmp_path: Path) -> None:
    values = np.random.default_rng(0).random((7, 3, 2), dtype=np.float32)
    with ArrayFile(tmp_path / "a.npy", values.shape) as file:
        file.write(4, values[4:])
    with ArrayFile(tmp_path / "a.npy", values.shape, keep=True) as file:
        file.write(0, values[:4])
        with pytest.raises(ValueError, match="do not fit"):
            file.write(5, values[:3])
    np.testing.assert_array_equal(np.load(tmp_path / "a.npy", mmap_mode="r"), values)


# --- killed processes ----------------------------------------------------------------------------


def _two_workers_at_work(told: Path) -> None:
    with parallel.worker_pool(2) as pool:
        assert pool is not None
        pids = {pool.submit(os.getpid).result() for _ in range(8)}
        part = told.with_suffix(".part")
        part.write_text(" ".join(map(str, pids)))
        part.replace(told)
        time.sleep(60)


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="looks for processes in /proc")
def test_workers_do_not_outlive_a_killed_parent(tmp_path: Path) -> None:
    """They would go on writing beside the run that resumes."""
    told = tmp_path / "pids"
    process = get_context("spawn").Process(target=_two_workers_at_work, args=(told,))
    process.start()
    while not told.exists():
        assert process.is_alive()
        time.sleep(0.05)
    pids = told.read_text().split()
    assert pids and all(Path("/proc", pid).exists() for pid in pids)
    process.kill()
    process.join()
    assert process.exitcode == -signal.SIGKILL
    until = time.monotonic() + 20
    while time.monotonic() < until and any(map(_alive, pids)):
        time.sleep(0.05)
    assert not any(map(_alive, pids))


def _alive(pid: str) -> bool:
    try:
        return Path("/proc", pid, "stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


@pytest.mark.parametrize("mark", ["cut.jsonl", "tracks.jsonl"])
def test_two_workers_killed_in_the_middle(
    source: Path, straight: Path, tmp_path: Path, mark: str
) -> None:
    out = tmp_path / "out"
    # Not forked: a fork of a process with threads can wait for a lock for ever.
    process = get_context("spawn").Process(
        target=build_corpus, args=(source, out), kwargs={"config": CONFIG, "jobs": 2}
    )
    process.start()
    while process.is_alive() and not (out / "state" / mark).exists():
        time.sleep(0.001)
    process.kill()
    process.join()
    assert process.exitcode == -signal.SIGKILL
    build_corpus(source, out, config=CONFIG)
    assert content(out) == content(straight)


def test_longer_words_of_long_recordings_take_linear_time(tmp_path: Path) -> None:
    """100,000 phones: quadratic search would take an hour."""
    words, phones = [], []
    for k in range(14_000):
        labels = "B AH0 N AE1 N AH0".split()
        start_s = 0.5 * k
        words.append(Interval(start_s, start_s + 0.48, "BANANA"))
        phones += [
            Interval(start_s + 0.08 * i, start_s + 0.08 * (i + 1), p) for i, p in enumerate(labels)
        ]
    recording = Recording("u", "anna", "", tmp_path / "u.wav", (), None, 7000.0)
    alignment = Alignment(tuple(words), tuple(phones))
    stretches = find_stretches(recording, alignment, load_dictionary())
    assert len(stretches) == 2 * len(words)
