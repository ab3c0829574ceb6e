"""build-corpus end to end on recordings whose alignments are known: content, reruns, resuming."""

from __future__ import annotations

import hashlib
import json
import os
import random
import shutil
import signal
import threading
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import pandas as pd
import parselmouth
import pytest
from conftest import SENTENCES, aligned_sentence
from parselmouth.praat import call

from stressnet.acoustics.spectrogram import compute, get_preset
from stressnet.alignment.textgrid import read_textgrid
from stressnet.corpus.building import images as build_images
from stressnet.corpus.splits import check_leaks
from stressnet.corpus.store import Corpus
from stressnet.errors import ConfigError, CorpusError, FolderError, StressnetError
from stressnet.lexicon.dictionary import load_dictionary
from stressnet.runs.journal import Journal
from stressnet.runs.manifest import hash_file
from stressnet.runs.parallel import in_order, worker_pool
from stressnet.runs.result import Result
from stressnet.stages.build_corpus import BuildConfig, build_corpus

CONFIG = BuildConfig("generic", tagger="none")
UNSTABLE = {"created", "seconds", "command"}


@pytest.fixture(scope="module")
def source(make_corpus, tmp_path_factory) -> Path:
    return make_corpus(tmp_path_factory.mktemp("recordings") / "corpus")


@pytest.fixture(scope="module")
def built(source: Path, tmp_path_factory) -> Result:
    return build_corpus(source, tmp_path_factory.mktemp("built") / "corpus", config=CONFIG)


def content(folder: Path) -> dict[str, str]:
    """Hash of every file, the manifest without its times."""
    found = {}
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            name = path.relative_to(folder).as_posix()
            if name == "manifest.json":
                data = json.loads(path.read_text(encoding="utf-8"))
                stable = {k: v for k, v in data.items() if k not in UNSTABLE}
                found[name] = json.dumps(stable, sort_keys=True)
            else:
                found[name] = hashlib.sha256(path.read_bytes()).hexdigest()
    return found


# --- content -------------------------------------------------------------------------------------


def test_tokens_and_phones_are_those_of_the_textgrids(built: Result) -> None:
    corpus = Corpus.open(built.path)
    tokens = corpus.tokens
    assert len(tokens) == 4 * 10 == built.manifest["results"]["n_tokens"]
    expected = []
    for speaker in ("anna", "bo", "carl", "dan"):
        for number, sentence in enumerate(SENTENCES):
            alignment, _ = aligned_sentence(sentence)
            for index, word in enumerate(alignment.words):
                if word.label != "THE":
                    phones = alignment.phones_of(word)
                    expected.append((f"{speaker}-{number}", index, word, phones))
    for row, (utterance, index, word, phones) in zip(tokens.itertuples(), expected, strict=True):
        assert row.token_id == f"{utterance}_{index:03d}_{word.label}"
        assert row.start_s == pytest.approx(word.start_s)
        assert row.end_s == pytest.approx(word.end_s)
        assert row.pronunciation == " ".join(p.label for p in phones)
        stored = corpus.phone_intervals(row.token_id)
        assert [p.label for p in stored] == [p.label for p in phones]
        np.testing.assert_allclose(
            [(p.start_s, p.end_s) for p in stored], [(p.start_s, p.end_s) for p in phones]
        )
    by_word = tokens.groupby("word")["stress"].unique().map(list).to_dict()
    assert by_word["WATER"] == ["INITIAL"]
    assert by_word["HOTEL"] == ["FINAL"]
    assert by_word["RECORD"] == ["FINAL"]  # what its aligned phones say
    assert by_word["PERMIT"] == ["INITIAL"]
    assert built.manifest["results"]["rejected_words"] == {"not disyllabic": 8}
    others = pd.read_parquet(built.path / "not_tokens.parquet")
    assert len(others) == 8 and (others["end_s"] > others["start_s"]).all()
    assert {"not_tokens.parquet", "readings.csv"} <= set(built.manifest["outputs"])


def test_splits_of_a_build_do_not_leak(built: Result) -> None:
    tokens = Corpus.open(built.path).tokens
    check_leaks(tokens)
    pairs = tokens["word"].isin(["RECORD", "PERMIT"])
    assert (tokens["split"] == "minimal_pairs_unverified").equals(pairs)  # the aligner's word only
    splits = pd.read_csv(built.path / "splits.csv", keep_default_na=False)
    pd.testing.assert_series_equal(splits["split"], tokens["split"], check_dtype=False)


def test_excerpts_are_the_recordings_own_samples_with_context(built: Result, source: Path) -> None:
    import soundfile

    corpus = Corpus.open(built.path)
    for row in corpus.tokens.iloc[::7].itertuples():
        excerpt = corpus.excerpt(row.token_id)
        whole, rate_hz = soundfile.read(source / row.recording, dtype="float32")
        first = round(row.excerpt_start_s * rate_hz)
        np.testing.assert_array_equal(excerpt.samples, whole[first : first + len(excerpt.samples)])
        assert row.excerpt_duration_s == excerpt.duration_s
        assert row.excerpt_start_s == pytest.approx(max(0, row.start_s - 0.25), abs=1e-4)
        end_s = row.excerpt_start_s + row.excerpt_duration_s
        assert end_s == pytest.approx(min(row.end_s + 0.25, len(whole) / rate_hz), abs=1e-4)


def test_images_are_what_compute_gives(built: Result) -> None:
    corpus = Corpus.open(built.path)
    images, preset = corpus.images("stressnet"), get_preset("stressnet")
    assert images.values.shape == (len(corpus.tokens), *preset.shape)
    for position in (0, 13, 39):
        row = corpus.tokens.iloc[position]
        audio = corpus.excerpt(row["token_id"])
        start_s = row["start_s"] - row["excerpt_start_s"]
        end_s = row["end_s"] - row["excerpt_start_s"]
        image = compute(preset, audio.samples, audio.rate_hz, start_s, end_s)
        np.testing.assert_array_equal(images.values[position], image.values)
        np.testing.assert_array_equal(images.mask[position], image.mask)
    np.testing.assert_array_equal(images.axes.time_s, preset.axes().time_s)


def test_tracks_find_the_voices(built: Result) -> None:
    corpus = Corpus.open(built.path)
    tracks = corpus.tracks.merge(corpus.tokens[["token_id", "speaker", "duration_s"]])
    inside = tracks[(tracks["time_s"] > 0) & (tracks["time_s"] < tracks["duration_s"])]
    f0_hz = inside.groupby("speaker")["f0_hz"].median()
    expected_hz = pd.Series({"anna": 210.0, "bo": 190.0, "carl": 110.0, "dan": 120.0})
    assert (f0_hz - expected_hz).abs().max() < 3
    assert set(tracks["token_id"]) == set(corpus.tokens["token_id"])
    assert set(pd.read_csv(built.path / "speakers.csv")["speaker"]) == set(expected_hz.index)


def test_textgrids_open_in_praat(built: Result) -> None:
    files = sorted((built.path / "textgrids").glob("*.TextGrid"))
    assert len(files) == 8
    grid = parselmouth.read(str(files[0]))

    def labels(tier: int) -> list[str]:
        n = call(grid, "Get number of intervals", tier)
        found = [call(grid, "Get label of interval", tier, i) for i in range(1, n + 1)]
        return [label for label in found if label]

    names = [call(grid, "Get tier name", tier) for tier in range(1, 5)]
    assert names == ["words", "phones", "syllables", "stress"]
    assert labels(1) == SENTENCES[0].split()
    assert labels(3)[:2] == ["W AO1", "T ER0"]
    assert labels(4) == ["INITIAL", "FINAL", "INITIAL", "FINAL", "FINAL"]
    assert read_textgrid(files[0]).words


def test_the_manifest_tells_what_is_there(built: Result) -> None:
    manifest = built.manifest
    assert manifest == json.loads((built.path / "manifest.json").read_text(encoding="utf-8"))
    for name, value in manifest["outputs"].items():
        assert hash_file(built.path / name) == value, name
    hashed = set(manifest["outputs"])
    assert {"tokens.parquet", "phones.parquet", "tracks.parquet", "failures.csv"} <= hashed
    assert "spectrograms/stressnet/values.npy" in hashed
    results = manifest["results"]
    assert results["n_errors"] == built.n_errors == 0
    assert results["n_speakers"] == 4
    assert sum(results["splits"].values()) == results["n_tokens"]
    assert results["words_longer_than_image"] == {"stressnet": 0}
    assert manifest["parameters"]["splits"] == {"valid_share": 0.1, "test_share": 0.22, "seed": 0}
    assert not (built.path / "state").exists()
    assert not list(built.path.rglob("*.part"))
    assert "40 disyllabic word tokens" in (built.path / "corpus-card.md").read_text()


# --- reruns --------------------------------------------------------------------------------------


def test_a_rerun_touches_nothing(built: Result, source: Path) -> None:
    def times() -> dict[Path, int]:
        return {p: p.stat().st_mtime_ns for p in built.path.rglob("*")} | {
            built.path: built.path.stat().st_mtime_ns
        }

    before = times()
    again = build_corpus(source, built.path, config=CONFIG)
    assert again.up_to_date
    assert again.manifest == built.manifest
    assert times() == before


def test_a_preset_is_added_later(source: Path, built: Result, tmp_path: Path) -> None:
    out = tmp_path / "corpus"
    shutil.copytree(built.path, out)
    both = BuildConfig("generic", tagger="none", presets=("stressnet", "allouche2025"))
    added = build_corpus(source, out, config=both)
    assert not added.up_to_date
    assert added.manifest["results"]["presets"] == ["allouche2025", "stressnet"]
    corpus = Corpus.open(out)
    assert corpus.presets() == ["allouche2025", "stressnet"]
    assert corpus.images("allouche2025").values.shape == (40, 161, 101)
    straight = build_corpus(source, tmp_path / "straight", config=both)
    assert content(out) == content(straight.path)
    assert build_corpus(source, out, config=CONFIG).up_to_date


def test_another_corpus_is_not_overwritten_unless_asked(
    source: Path, built: Result, tmp_path: Path
) -> None:
    out = tmp_path / "corpus"
    shutil.copytree(built.path, out)
    other = BuildConfig("generic", tagger="none", context_s=0.1)
    with pytest.raises(FolderError, match=r"already holds a corpus .*--overwrite"):
        build_corpus(source, out, config=other)
    assert content(out) == content(built.path)
    for splits in ({"no_splits": True}, {"test_share": 0.3}):
        with pytest.raises(FolderError, match="already holds a corpus"):
            build_corpus(source, out, recipe="generic", tagger="none", **splits)
    done = build_corpus(source, out, config=other, overwrite=True)
    assert done.manifest["parameters"]["context_s"] == 0.1


def test_a_corrected_textgrid_is_another_corpus(make_corpus, tmp_path: Path) -> None:
    """Boundaries moved by hand leave the file's length as it was."""
    source = make_corpus(tmp_path / "source")
    out = build_corpus(source, tmp_path / "out", config=CONFIG).path
    grid = source / "anna" / "anna-0.TextGrid"
    text = grid.read_text(encoding="utf-8")
    moved = text.replace("0.54", "0.55")
    assert len(moved) == len(text) and moved != text
    grid.write_text(moved, encoding="utf-8")
    with pytest.raises(FolderError, match="changed files"):
        build_corpus(source, out, config=CONFIG)


def test_overwrite_spares_what_is_no_corpus(source: Path, tmp_path: Path) -> None:
    for name, text in (("manifest.json", '{"kind": "model"}'), ("thesis.tex", "years of work")):
        out = tmp_path / name
        out.mkdir()
        (out / name).write_text(text)
        with pytest.raises(FolderError, match=r"holds a model|not a corpus of stressnet"):
            build_corpus(source, out, config=CONFIG, overwrite=True)
        assert (out / name).read_text() == text


def test_without_splits(make_corpus, tmp_path: Path) -> None:
    source = make_corpus(tmp_path / "one", {"anna": 200.0})
    with pytest.raises(CorpusError, match=r"1 speaker: too few.*--no-splits"):
        build_corpus(source, tmp_path / "out", config=CONFIG)
    done = build_corpus(
        source, tmp_path / "out", config=BuildConfig("generic", tagger="none", no_splits=True)
    )
    assert done.manifest["results"]["splits"] == {"unsplit": 10}


# --- interruptions -------------------------------------------------------------------------------


def interrupt_after(monkeypatch: pytest.MonkeyPatch, n_steps: int) -> None:
    """Ctrl-C at the n-th finished item or file."""
    left = [n_steps]

    def counted(original):
        def wrapper(*args, **kwargs):
            left[0] -= 1
            if left[0] < 0:
                raise KeyboardInterrupt
            return original(*args, **kwargs)

        return wrapper

    monkeypatch.setattr(Journal, "add", counted(Journal.add))
    monkeypatch.setattr(Path, "replace", counted(Path.replace))


def test_an_interrupted_run_goes_on_to_the_same_bytes(
    source: Path, built: Result, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Interrupted again and again after a random number of steps, until nothing is left to do."""
    monkeypatch.setattr(build_images, "_CHUNK", 16)
    rng, out, n_interruptions = random.Random(1), tmp_path / "corpus", 0
    while True:
        with monkeypatch.context() as patch:
            interrupt_after(patch, rng.randint(1, 25))
            try:
                build_corpus(source, out, config=CONFIG)
                break
            except KeyboardInterrupt:
                n_interruptions += 1
                assert n_interruptions < 60
    assert n_interruptions >= 4
    assert content(out) == content(built.path)


@pytest.mark.parametrize("stage", ["finish_tables", "write_card", "write_manifest", "remove_tree"])
def test_interrupted_at_the_end(
    source: Path, built: Result, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stage: str
) -> None:
    """Nothing is measured twice when only tables and tidying up are left."""
    from stressnet.corpus.building import tracks as build_tracks
    from stressnet.runs import folder
    from stressnet.stages.build_corpus import run as build

    def stop(*args: object, **kwargs: object) -> None:
        raise KeyboardInterrupt

    out = tmp_path / "corpus"
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(folder if hasattr(folder, stage) else build, stage, stop)
        build_corpus(source, out, config=CONFIG)
    with monkeypatch.context() as patch:
        patch.setattr(build_tracks, "tracks_of", stop)
        patch.setattr(build_images, "image_in_excerpt", stop)
        build_corpus(source, out, config=CONFIG)
    assert content(out) == content(built.path)


def _codes_of_killed_builds(source: Path, out: Path) -> list[int | None]:
    """Start a build six times and kill it; for a fresh interpreter.

    A fork of a process with threads, or with a lock that an earlier process held when it was
    killed, could wait for ever: here is nothing but modules and the dictionary.
    """
    load_dictionary()
    assert threading.active_count() == 1
    rng, codes = random.Random(7), []
    for _ in range(6):
        process = get_context("fork").Process(
            target=build_corpus, args=(source, out), kwargs={"config": CONFIG}
        )
        process.start()
        process.join(rng.uniform(0.02, 0.5))
        process.kill()
        process.join()
        codes.append(process.exitcode)
    return codes


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork to start a process quickly")
def test_killed_processes_leave_a_run_that_goes_on(
    source: Path, built: Result, tmp_path: Path
) -> None:
    """SIGKILL at random moments; a fork has all modules loaded, so every moment is work."""
    out = tmp_path / "corpus"
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as fresh:
        codes = fresh.submit(_codes_of_killed_builds, source, out).result()
    assert codes.count(-signal.SIGKILL) >= 2
    build_corpus(source, out, config=CONFIG)
    assert content(out) == content(built.path)


def test_an_unfinished_corpus_of_other_settings_is_refused(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        interrupt_after(patch, 12)
        build_corpus(source, tmp_path / "out", config=CONFIG)
    with pytest.raises(FolderError, match="unfinished corpus of other settings"):
        build_corpus(
            source, tmp_path / "out", config=BuildConfig("generic", tagger="none", context_s=0.1)
        )
    with pytest.raises(CorpusError, match="no finished stressnet corpus"):
        Corpus.open(tmp_path / "out")
    # Splits are dealt last, so an unfinished build may go on with others.
    other = BuildConfig("generic", tagger="none", test_share=0.3)
    done = build_corpus(source, tmp_path / "out", config=other)
    assert done.manifest["parameters"]["splits"]["test_share"] == 0.3


def test_a_full_disk_is_reported_and_the_run_goes_on(
    source: Path, built: Result, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(self: Journal, item: str, result: object) -> None:
        raise OSError(28, "No space left on device", str(self.path))

    with monkeypatch.context() as patch:
        patch.setattr(Journal, "add", full)
        with pytest.raises(FolderError, match=r"No space left on device; what is finished is kept"):
            build_corpus(source, tmp_path / "out", config=CONFIG)
    build_corpus(source, tmp_path / "out", config=CONFIG)
    assert content(tmp_path / "out") == content(built.path)


def test_a_torn_journal_line_is_done_again(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    with Journal(path) as journal:
        journal.add("a\u2028\n", {"x": [1, "汉"]})
        journal.add("b", float("inf"))
    path.write_bytes(path.read_bytes() + b'{"id": "c", "resu')
    with Journal(path) as journal:
        assert journal.done == {"a\u2028\n": {"x": [1, "汉"]}, "b": float("inf")}
        journal.add("c", None)
    with Journal(path) as journal:
        assert list(journal.done) == ["a\u2028\n", "b", "c"]


# --- workers -------------------------------------------------------------------------------------


def test_two_workers_give_the_same_bytes(source: Path, built: Result, tmp_path: Path) -> None:
    two = build_corpus(source, tmp_path / "corpus", config=CONFIG, jobs=2)
    assert content(two.path) == content(built.path)


def test_a_dead_worker_gives_one_clear_line() -> None:
    with worker_pool(2) as pool:
        assert list(in_order(abs, range(-20, 0), 2, pool)) == list(range(20, 0, -1))
        with pytest.raises(StressnetError, match=r"worker process died.*fewer --jobs"):
            list(in_order(os._exit, [1, 1], 2, pool))


def test_one_job_needs_no_processes() -> None:
    with worker_pool(1) as pool:
        assert pool is None
        assert list(in_order(abs, iter([-3, 2]), 1, pool)) == [3, 2]


# --- requests that cannot work -------------------------------------------------------------------


def test_folders_that_cannot_be_written(source: Path, tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("x")
    for out in (file, file / "corpus"):
        with pytest.raises(
            FolderError, match=r"cannot be written .*another|is a file; choose a new"
        ):
            build_corpus(source, out, config=CONFIG)
    assert file.read_text() == "x"


def test_folders_inside_each_other(make_corpus, tmp_path: Path) -> None:
    source = make_corpus(tmp_path / "in" / "source")
    for out in (source / "corpus", source):
        with pytest.raises(FolderError, match=r"lies inside the input|is also an input"):
            build_corpus(source, out, config=CONFIG)
    assert not (source / "corpus").exists()
    with pytest.raises(FolderError, match="lies inside it"):
        build_corpus(source, tmp_path / "in", config=CONFIG, overwrite=True)
    link = tmp_path / "link"
    link.symlink_to(source)
    with pytest.raises(FolderError, match="lies inside"):
        build_corpus(source, link / "corpus", config=CONFIG)


def test_mistakes_are_found_before_any_work(source: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    with pytest.raises(ConfigError, match="no spectrogram preset 'nothing'"):
        build_corpus(
            source,
            out,
            config=BuildConfig("generic", tagger="none", presets=("stressnet", "nothing")),
        )
    with pytest.raises(ConfigError, match=r"context of 0\.01 s is too short"):
        BuildConfig("generic", tagger="none", context_s=0.01)
    for name in ("dictionary", "function_words", "labels"):
        missing = BuildConfig("generic", tagger="none", **{name: tmp_path / "missing"})
        with pytest.raises(StressnetError, match=r"missing: cannot be read"):
            build_corpus(source, out, config=missing)
    with pytest.raises(CorpusError, match="no such folder"):
        build_corpus(tmp_path / "nowhere", out, config=CONFIG)
    assert not out.exists()
