"""Show, export, merge: what they write is what the corpora hold."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import parselmouth
import pyarrow.parquet as pq
import pytest
import soundfile
from click.testing import CliRunner
from parselmouth.praat import call

from stressnet.alignment.textgrid import read_textgrid
from stressnet.cli import cli
from stressnet.corpus.card import show_corpus
from stressnet.corpus.splits import check_leaks
from stressnet.corpus.store import Corpus
from stressnet.errors import ConfigError, CorpusError, FolderError
from stressnet.runs.manifest import hash_file
from stressnet.runs.work import Progress
from stressnet.stages.build_corpus import BuildConfig, build_corpus
from stressnet.stages.corpus_export import export_corpus
from stressnet.stages.corpus_merge import merge_corpora
from stressnet.stages.corpus_merge.run import merged_text

QUIET = Progress(verbose=False)


@pytest.fixture(scope="module")
def corpora(make_corpus, tmp_path_factory) -> tuple[Path, Path]:
    """Two corpora; both have a speaker *anna* and utterances of the same names."""
    root = tmp_path_factory.mktemp("tools")
    voices = (
        {"anna": 210.0, "bo": 190.0, "carl": 110.0},
        {"anna": 180.0, "dan": 120.0, "eve": 200},
    )
    paths = []
    for name, speakers in zip(("first", "second"), voices, strict=True):
        source = make_corpus(root / f"{name}-source", speakers)
        config = BuildConfig("generic", tagger="none", no_splits=True)
        paths.append(build_corpus(source, root / name, config=config).path)
    return paths[0], paths[1]


# --- show ----------------------------------------------------------------------------------------


def test_the_card_counts_by_class_speaker_sex_split_and_duration(corpora) -> None:
    text = show_corpus(corpora[0])
    assert text.startswith("# A folder of recordings with transcripts\n")
    assert "30 disyllabic word tokens of 10 words by 3 speakers, from 6 utterances" in text
    assert "| anna | 10 | 5 | 5 | 10 |" in text
    assert "| unknown | 30 | 15 | 15 | 10 |" in text
    assert "**The sex of 3 of 3 speakers is not known.**" in text
    assert "| unsplit | 30 | 15 | 15 | 10 | 3 |" in text
    durations_s = Corpus.open(corpora[0]).tokens["duration_s"]
    in_bin = int(((durations_s >= 0.4 - 1e-9) & (durations_s < 0.5 - 1e-9)).sum())
    line = next(line for line in text.splitlines() if line.startswith("0.4-0.5"))
    assert int(line.split()[1]) == in_bin > 0
    done = CliRunner().invoke(cli, ["corpus", "show", str(corpora[0])])
    assert done.exit_code == 0 and "Duration of the words" in done.output


# --- export --------------------------------------------------------------------------------------


def test_tables_wavs_and_textgrids(corpora, tmp_path: Path) -> None:
    out = tmp_path / "export"
    done = CliRunner().invoke(cli, ["corpus", "export", str(corpora[0]), str(out), "-q"])
    assert done.exit_code == 0, done.output
    assert "4 tables, 30 WAVs, 30 TextGrids" in done.output
    assert len(pd.read_csv(out / "not_tokens.csv")) == 6
    corpus = Corpus.open(corpora[0])
    tables = {"tokens": corpus.tokens, "phones": corpus.phones, "tracks": corpus.tracks}
    for name, table in tables.items():
        read = pd.read_csv(out / f"{name}.csv", keep_default_na=True)
        assert list(read.columns) == list(table.columns)
        assert len(read) == len(table)
    manifest = json.loads((out / "manifest.json").read_text())
    assert manifest["kind"] == "export"
    assert all(hash_file(out / file) == h for file, h in manifest["outputs"].items())
    row = corpus.tokens.iloc[3]
    stem = out / "tokens" / row["speaker"] / row["token_id"]
    samples, rate_hz = soundfile.read(f"{stem}.wav", dtype="float32")
    np.testing.assert_array_equal(samples, corpus.excerpt(row["token_id"]).samples)
    grid = read_textgrid(f"{stem}.TextGrid")
    (word,) = grid.spoken_words()
    assert word.label == row["word"]
    assert word.start_s == pytest.approx(row["start_s"] - row["excerpt_start_s"])
    assert " ".join(p.label for p in grid.spoken_phones()) == row["pronunciation"]
    opened = parselmouth.read(f"{stem}.TextGrid")
    assert call(opened, "Get end time") == pytest.approx(len(samples) / rate_hz)


def test_words_without_context(corpora, tmp_path: Path) -> None:
    export_corpus(
        corpora[0], tmp_path / "e", wav=True, textgrid=True, no_context=True, progress=QUIET
    )
    row = Corpus.open(corpora[0]).tokens.iloc[0]
    stem = tmp_path / "e" / "tokens" / row["speaker"] / row["token_id"]
    assert soundfile.info(f"{stem}.wav").duration == pytest.approx(row["duration_s"], abs=1e-4)
    (word,) = read_textgrid(f"{stem}.TextGrid").spoken_words()
    assert (word.start_s, word.end_s) == pytest.approx((0, row["duration_s"]), abs=1e-4)


def test_an_export_spares_other_folders(corpora, tmp_path: Path) -> None:
    out = tmp_path / "thesis"
    out.mkdir()
    (out / "thesis.tex").write_text("years of work")
    for overwrite in (False, True):
        with pytest.raises(FolderError, match="not empty"):
            export_corpus(corpora[0], out, csv=True, overwrite=overwrite, progress=QUIET)
    with pytest.raises(ConfigError, match="no option 'elan'; there are csv, wav"):
        export_corpus(corpora[0], tmp_path / "x", elan=True, progress=QUIET)
    export_corpus(corpora[0], tmp_path / "y", csv=True, progress=QUIET)
    export_corpus(corpora[0], tmp_path / "y", csv=True, overwrite=True, progress=QUIET)


# --- Hugging Face --------------------------------------------------------------------------------


def test_parquet_with_sound_opens_in_datasets(corpora, tmp_path: Path) -> None:
    datasets = pytest.importorskip("datasets")
    import io

    export_corpus(corpora[0], tmp_path / "e", huggingface=True, progress=QUIET)
    loaded = datasets.load_dataset(
        str(tmp_path / "e" / "huggingface"), cache_dir=str(tmp_path / "cache")
    )
    assert set(loaded) == {"unsplit"}
    rows = loaded["unsplit"]
    assert rows.features["audio"] == datasets.Audio(sampling_rate=16_000)
    corpus = Corpus.open(corpora[0])
    assert rows.column_names == ["audio", *corpus.tokens.columns]
    # Decoding needs torchcodec; the bytes are a FLAC that anything reads.
    raw = rows.cast_column("audio", datasets.Audio(decode=False))
    for index in (0, 17, 29):
        row = raw[index]
        assert set(row["audio"]) == {"bytes", "path"}
        samples, rate_hz = soundfile.read(io.BytesIO(row["audio"]["bytes"]), dtype="float32")
        assert rate_hz == 16_000
        np.testing.assert_array_equal(samples, corpus.excerpt(row["token_id"]).samples)
        expected = corpus.tokens.iloc[index]
        assert (row["word"], row["stress"]) == (expected["word"], expected["stress"])
        assert row["start_s"] == expected["start_s"]


def test_parquet_with_sound_streams(corpora, tmp_path: Path, monkeypatch) -> None:
    from stressnet.corpus import huggingface

    datasets = pytest.importorskip("datasets")
    monkeypatch.setattr(huggingface, "ROWS_PER_GROUP", 7)
    export_corpus(corpora[0], tmp_path / "e", huggingface=True, progress=QUIET)
    streamed = datasets.load_dataset(
        str(tmp_path / "e" / "huggingface"), split="unsplit", streaming=True
    ).cast_column("audio", datasets.Audio(decode=False))
    ids = [row["token_id"] for row in streamed]
    assert ids == Corpus.open(corpora[0]).tokens["token_id"].tolist()


# --- merge ---------------------------------------------------------------------------------------


def test_colliding_names_get_their_corpus_in_front(corpora, tmp_path: Path) -> None:
    out = tmp_path / "both"
    merge_corpora(corpora, out, splits="none", progress=QUIET)
    merged, parts = Corpus.open(out), [Corpus.open(path) for path in corpora]
    tokens = merged.tokens
    assert len(tokens) == 60 and tokens["token_id"].is_unique
    assert tokens["corpus"].value_counts().to_dict() == {"first": 30, "second": 30}
    assert set(tokens["speaker"]) == {
        "first-anna", "first-bo", "first-carl", "second-anna", "second-dan", "second-eve"
    }  # fmt: skip
    whole = merged.images("stressnet")
    for number, part in enumerate(parts):
        images = part.images("stressnet")
        first = 30 * number
        np.testing.assert_array_equal(whole.values[first : first + 30], images.values)
        np.testing.assert_array_equal(whole.mask[first : first + 30], images.mask)
        for index in (0, 29):
            old, new = part.tokens.iloc[index], tokens.iloc[first + index]
            assert new["token_id"] == f"{corpora[number].name}-{old['token_id']}"
            np.testing.assert_array_equal(
                merged.excerpt(new["token_id"]).samples, part.excerpt(old["token_id"]).samples
            )
            assert merged.phone_intervals(new["token_id"]) == part.phone_intervals(old["token_id"])
    assert len(merged.tracks) == sum(len(part.tracks) for part in parts)
    assert set(merged.tracks["token_id"]) == set(tokens["token_id"])
    assert merged.tokens.dtypes.to_dict() == parts[0].tokens.dtypes.to_dict()
    assert set(pd.read_csv(out / "speakers.csv")["speaker"]) == set(tokens["speaker"])
    assert len(list((out / "textgrids").iterdir())) == 12
    results = merged.manifest["results"]
    assert results["rejected_words"] == {"not disyllabic": 12}
    others = pd.read_parquet(out / "not_tokens.parquet")
    assert list(others["reason"]) == ["not disyllabic"] * 12
    assert {name.split("-")[0] for name in others["utterance_id"]} == {"first", "second"}
    assert pd.read_csv(out / "readings.csv").empty
    assert not (out / "state").exists()
    assert "| second | 30 | 15 | 15 | 10 |" in (out / "corpus-card.md").read_text()
    for name, value in merged.manifest["outputs"].items():
        assert hash_file(out / name) == value, name


def test_merging_twice_does_nothing_and_three_levels_keep_provenance(
    corpora, make_corpus, tmp_path: Path
) -> None:
    out = tmp_path / "both"
    merged = merge_corpora(corpora, out, splits="none", progress=QUIET)
    again = merge_corpora(corpora, out, splits="none", progress=QUIET)
    assert again.manifest == json.loads(json.dumps(merged.manifest))
    with pytest.raises(FolderError, match="already holds a corpus"):
        merge_corpora(corpora, out, splits="keep", progress=QUIET)
    source = make_corpus(tmp_path / "s", {"fay": 220.0})
    for sentence in source.rglob("fay-*"):
        sentence.rename(sentence.with_name(f"third{sentence.name}"))
    third = build_corpus(
        source, tmp_path / "third", config=BuildConfig("generic", tagger="none", no_splits=True)
    ).path
    merge_corpora([out, third], tmp_path / "all", splits="none", progress=QUIET)
    tokens = Corpus.open(tmp_path / "all").tokens
    assert set(tokens["corpus"]) == {"first", "second", "generic"}
    assert "fay" in set(tokens["speaker"])  # nothing collides, so nothing is renamed


def test_splits_are_redrawn_over_all(corpora, tmp_path: Path) -> None:
    out = tmp_path / "both"
    done = CliRunner().invoke(
        cli, ["corpus", "merge", *map(str, corpora), str(out), "-q", "--seed", "3"]
    )
    assert done.exit_code == 0, done.output
    tokens = Corpus.open(out).tokens
    check_leaks(tokens)
    # Each corpus has speakers in every set.
    sets = tokens.groupby("corpus")["speaker_set"].unique().map(sorted).to_dict()
    assert sets == {name: ["test", "train", "valid"] for name in ("first", "second")}


def test_kept_splits_that_leak_are_refused(make_corpus, tmp_path: Path) -> None:
    paths = []
    for number in range(2):
        source = make_corpus(tmp_path / f"s{number}")
        config = BuildConfig("generic", tagger="none", seed=number)
        paths.append(build_corpus(source, tmp_path / f"c{number}", config=config).path)
    first, second = (Corpus.open(path).tokens for path in paths)
    crossing = set(first.loc[first["split"] == "train", "family"]) & set(
        second.loc[second["split"].isin(["valid", "test"]), "family"]
    )
    if not crossing:
        pytest.skip("these two draws happen to agree")
    with pytest.raises(CorpusError, match=r"splits cannot be kept: family .*--splits redraw"):
        merge_corpora(paths, tmp_path / "out", splits="keep", progress=QUIET)
    # The refused merge left only its own state behind and can be repeated otherwise.
    merge_corpora(paths, tmp_path / "out", splits="redraw", progress=QUIET)


def test_what_cannot_be_merged(corpora, tmp_path: Path) -> None:
    with pytest.raises(CorpusError, match="give two or more"):
        merge_corpora(corpora[:1], tmp_path / "x", progress=QUIET)
    with pytest.raises(CorpusError, match="no finished stressnet corpus"):
        merge_corpora([corpora[0], tmp_path], tmp_path / "x", progress=QUIET)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.tex").write_text("years of work")
    with pytest.raises(FolderError, match="not empty and not a corpus"):
        merge_corpora(corpora, tmp_path / "mine", overwrite=True, progress=QUIET)


def older(path: Path, target: Path) -> Path:
    """A copy that says it was made by an older version."""
    shutil.copytree(path, target)
    manifest = json.loads((target / "manifest.json").read_text())
    manifest["versions"]["stressnet"] = "0.0.1"
    (target / "manifest.json").write_text(json.dumps(manifest))
    return target


def test_corpora_of_an_older_version(corpora, tmp_path: Path) -> None:
    """They merge if nothing differs; else the message says which version made what."""
    old = older(corpora[0], tmp_path / "old")
    manifest = merge_corpora(
        [old, corpora[1]], tmp_path / "all", splits="none", progress=QUIET
    ).manifest
    assert manifest["parameters"]["built_by"][0] == "stressnet 0.0.1"
    assert len(Corpus.open(tmp_path / "all").tokens) == 60

    (old / "speakers.csv").unlink()
    with pytest.raises(CorpusError, match=r"old: made by stressnet 0\.0\.1, lacks speakers\.csv"):
        merge_corpora([corpora[1], old], tmp_path / "x", progress=QUIET)
    shutil.copyfile(corpora[0] / "speakers.csv", old / "speakers.csv")

    axes = old / "spectrograms" / "stressnet" / "axes.json"
    header = json.loads(axes.read_text())
    del header["n_truncated"]
    axes.write_text(json.dumps(header))
    with pytest.raises(
        CorpusError, match="lacks 'n_truncated' of preset stressnet; build it again"
    ):
        merge_corpora([corpora[1], old], tmp_path / "x", progress=QUIET)
    shutil.copyfile(corpora[0] / "spectrograms" / "stressnet" / "axes.json", axes)

    table = pq.read_table(old / "tracks.parquet").drop_columns(["b4_hz"])
    pq.write_table(table, old / "tracks.parquet")
    with pytest.raises(CorpusError, match=r"its tracks\.parquet .*0\.0\.1.* the column 'b4_hz'"):
        merge_corpora([corpora[1], old], tmp_path / "x", progress=QUIET)
    assert not (tmp_path / "x").exists()


def test_namesakes_are_told_or_are_one_person(corpora, make_corpus, tmp_path: Path) -> None:
    apart = merge_corpora(corpora, tmp_path / "apart", splits="none", progress=QUIET)
    people = [set(Corpus.open(path).tokens["speaker"]) for path in corpora]
    shared = people[0] & people[1]
    assert len(shared) > 0
    (doubt,) = apart.manifest["results"]["doubts"]
    assert f"{len(shared)} speakers have names" in doubt and "--same-speakers" in doubt
    assert doubt in set(pd.read_csv(tmp_path / "apart" / "failures.csv")["reason"])
    assert merged_text(apart).startswith(f"WARNING: {doubt}")
    assert apart.n_speakers == len(people[0]) + len(people[1])

    with pytest.raises(CorpusError, match=r"the utterance .* is in .*, too"):
        merge_corpora(corpora, tmp_path / "one", same_speakers=True, progress=QUIET)

    source = make_corpus(tmp_path / "more", {"anna": 210.0, "zoe": 190.0})
    for file in sorted(source.rglob("*.*")):
        file.rename(file.with_name(f"more-{file.name}"))
    config = BuildConfig("generic", tagger="none", no_splits=True)
    more = build_corpus(source, tmp_path / "third", config=config).path
    paths = [corpora[0], more]
    one = merge_corpora(paths, tmp_path / "one", splits="none", same_speakers=True, progress=QUIET)
    assert set(Corpus.open(one.path).tokens["speaker"]) == {"anna", "bo", "carl", "zoe"}
    assert "doubts" not in one.manifest["results"]


def test_a_merged_corpus_keeps_its_language(corpora, tmp_path: Path) -> None:
    paths = [Path(shutil.copytree(path, tmp_path / path.name)) for path in corpora]
    for path in paths:
        manifest = json.loads((path / "manifest.json").read_text())
        manifest["parameters"]["language"] = "es"
        (path / "manifest.json").write_text(json.dumps(manifest))
    merged = merge_corpora(paths, tmp_path / "merged", splits="none", progress=QUIET)
    assert Corpus.open(merged.path).language == "es"
    text = merged_text(merged)
    assert "Language: Spanish" in text
    assert text.count("Licence:") == 1  # of one source, told once
