"""A build with bad files: one clear line for each, and everything else is delivered."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest
import soundfile
from conftest import RATE_HZ, aligned_sentence, sound_of

from stressnet.alignment.textgrid import write_textgrid
from stressnet.corpus.store import Corpus
from stressnet.errors import ConfigError, CorpusError
from stressnet.intervals import Alignment, Interval
from stressnet.runs.names import safe_name
from stressnet.stages.build_corpus import BuildConfig, build_corpus

CONFIG = BuildConfig("generic", tagger="none", no_splits=True)
SENTENCE = "THE WATER HOTEL RECORD"


def recording(path: Path, text: str = SENTENCE) -> Path:
    """A recording with its TextGrid at ``path`` (without suffix)."""
    path.parent.mkdir(parents=True, exist_ok=True)
    alignment, duration_s = aligned_sentence(text)
    samples = sound_of(alignment, duration_s, f0_hz=150, seed=1)
    soundfile.write(f"{path}.flac", samples, RATE_HZ)
    write_textgrid(f"{path}.TextGrid", alignment, duration_s)
    return path


def failures(out: Path) -> dict[str, dict[str, str]]:
    with (out / "failures.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert len({row["item"] for row in rows}) == len(rows)
    return {row["item"]: row for row in rows}


def replace_in(path: Path, old: str, new: str) -> None:
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new), encoding="utf-8")


def test_every_bad_file_gets_its_line_and_the_good_ones_are_built(tmp_path: Path) -> None:
    source, out = tmp_path / "source", tmp_path / "out"
    recording(source / "anna" / "good")
    bad = source / "bad"

    lost = recording(bad / "no-transcript")
    lost.with_suffix(".TextGrid").unlink()

    recording(bad / "truncated", " ".join([SENTENCE] * 20))
    whole = (bad / "truncated.flac").read_bytes()
    (bad / "truncated.flac").write_bytes(whole[: len(whole) // 2])

    recording(bad / "empty")
    (bad / "empty.flac").write_bytes(b"")

    recording(bad / "telephone")
    samples, _ = soundfile.read(bad / "telephone.flac")
    soundfile.write(bad / "telephone.flac", samples[::2], 8000)

    recording(bad / "silent")
    soundfile.write(bad / "silent.flac", np.zeros(len(samples)), RATE_HZ)

    recording(source / "copy" / "good")

    recording(bad / "other-audio")
    soundfile.write(bad / "other-audio.flac", samples[: RATE_HZ // 2], RATE_HZ)

    recording(bad / "damaged-grid")
    (bad / "damaged-grid.TextGrid").write_bytes(b"\xff\xfeT")

    recording(bad / "one-odd-phone")
    replace_in(bad / "one-odd-phone.TextGrid", '"AO1"', '"aw?"')

    recording(bad / "overlap")
    replace_in(bad / "overlap.TextGrid", "xmax = 0.46", "xmax = 0.56")

    recording(bad / "unknown-word")
    replace_in(bad / "unknown-word.TextGrid", '"HOTEL"', '"blorptag"')

    stereo = recording(bad / "stereo")
    soundfile.write(f"{stereo}.flac", np.stack([samples, samples], axis=1), RATE_HZ)

    studio = recording(bad / "studio")
    import soxr

    soundfile.write(f"{studio}.flac", soxr.resample(samples, RATE_HZ, 44_100), 44_100)

    summary = build_corpus(source, out, config=CONFIG)
    found = failures(out)
    expected = {
        "no-transcript": ("error", "no transcript for 'no-transcript'", "add it"),
        "truncated": ("error", "truncated.flac: truncated", "copy it again"),
        "empty": ("error", "empty.flac: the file is empty", "copy it again"),
        "telephone": ("error", "telephone.flac: sampled at 8000 Hz", "supply at least 16000 Hz"),
        "silent": ("error", "silent.flac: holds only digital silence", "check the recording"),
        "good": ("warning", "2 recordings are called 'good'", "check that none is a copy"),
        "other-audio": ("error", "other-audio.TextGrid: the alignment ends at", "belong to"),
        "damaged-grid": ("error", "damaged-grid.TextGrid: ", "save it again"),
        "overlap": ("warning", "overlap.TextGrid: words: 'WATER' at 0.460 s", "overlaps 'THE'"),
        "stereo": ("warning", "stereo.flac: 2 channels, averaged to one", "extract it first"),
    }
    assert set(found) == set(expected)
    for item, (severity, problem, remedy) in expected.items():
        row = found[item]
        assert row["severity"] == severity, row
        assert problem in row["reason"] and remedy in row["reason"], row
        assert "\n" not in row["reason"]
    n_errors = sum(severity == "error" for severity, *_ in expected.values())
    assert summary.n_errors == summary.manifest["results"]["n_errors"] == n_errors == 7
    assert [p.item for p in summary.problems] == [row["item"] for row in found.values()]

    tokens = Corpus.open(out).tokens
    words = tokens.groupby("utterance_id")["word"].agg(list).to_dict()
    assert words == {
        "anna_good": ["WATER", "HOTEL", "RECORD"],
        "copy_good": ["WATER", "HOTEL", "RECORD"],
        "stereo": ["WATER", "HOTEL", "RECORD"],
        "studio": ["WATER", "HOTEL", "RECORD"],
        "unknown-word": ["WATER", "RECORD"],
        "one-odd-phone": ["HOTEL"],
        "overlap": ["HOTEL", "RECORD"],
    }
    assert set(tokens["rate_hz"]) == {16_000}
    assert summary.manifest["results"]["rejected_words"]["not in the dictionary"] == 1
    assert summary.manifest["results"]["rejected_words"]["a phone is not ARPAbet"] == 2
    left = {path.stem.split("_0")[0] for path in (out / "excerpts").rglob("*.flac")}
    assert left == set(words)


@pytest.mark.parametrize("options", [{"min_confidence": 1.5}, {"aligner": "mfa"}])
def test_confidence_that_no_aligner_gives_is_refused(options: dict[str, object]) -> None:
    """MFA's confidence is a log likelihood: all of it is below any probability."""
    with pytest.raises(ConfigError, match="only the aligners auto and kaldi-gmm"):
        BuildConfig("generic", **{"min_confidence": 0.5, **options})


def test_a_table_for_other_words_is_named(tmp_path: Path) -> None:
    source = tmp_path / "source"
    for name in ("u1", "u2"):
        recording(source / "anna" / name)
    (source / "labels.tsv").write_text(
        "utterance_id\tword_index\tword\tstress\n"
        "u1\t3\trecord\tINITIAL\nu2\t2\trecord\tINITIAL\nu7\t3\trecord\tFINAL\n"
    )
    summary = build_corpus(source, tmp_path / "out", config=CONFIG)
    found = failures(tmp_path / "out")
    assert "word 2 of 'u2' is 'HOTEL', the table decides about 'RECORD'" in found["u2"]["reason"]
    assert found["labels.tsv"]["severity"] == "warning"
    assert "1 of its words belong to utterances that are not there" in found["labels.tsv"]["reason"]
    assert summary.n_errors == 1
    tokens = Corpus.open(tmp_path / "out").tokens.set_index("word")
    assert tokens.loc["RECORD", ["stress", "label_source"]].tolist() == ["INITIAL", "table"]
    assert tokens.loc["WATER", "label_source"] == "lexicon"


def test_a_users_table_wins_over_the_corpus_own(tmp_path: Path) -> None:
    source = tmp_path / "source"
    recording(source / "anna" / "u1")
    head = "utterance_id\tword_index\tstress\n"
    (source / "labels.tsv").write_text(head + "u1\t3\tINITIAL\nu1\t1\tVARIES\n")
    own = tmp_path / "mine.csv"
    own.write_text("utterance_id,word_index,stress\nu1,3,FINAL\n")
    done = build_corpus(
        source,
        tmp_path / "out",
        config=BuildConfig("generic", tagger="none", no_splits=True, labels=own),
    )
    tokens = Corpus.open(done.path).tokens.set_index("word")["stress"]
    assert tokens["RECORD"] == "FINAL"
    assert tokens.isna().to_dict() == {"WATER": True, "HOTEL": False, "RECORD": False}
    assert set(done.manifest["parameters"]["labels"]) == {"name", "sha256"}


def test_own_dictionary_and_function_words(tmp_path: Path) -> None:
    source = tmp_path / "source"
    recording(source / "anna" / "u1")
    replace_in(source / "anna" / "u1.TextGrid", '"HOTEL"', '"blorptag"')
    dictionary, words = tmp_path / "mine.dict", tmp_path / "words.txt"
    dictionary.write_text("blorptag  HH OW1 T EH0 L\n")
    words.write_text("WATER\n")
    config = BuildConfig(
        "generic", tagger="none", no_splits=True, dictionary=dictionary, function_words=words
    )
    tokens = Corpus.open(build_corpus(source, tmp_path / "out", config=config).path).tokens
    assert dict(zip(tokens["word"], tokens["stress"], strict=True)) == {
        "BLORPTAG": "INITIAL",
        "RECORD": "FINAL",
    }


def test_nothing_usable_says_why(tmp_path: Path) -> None:
    source = tmp_path / "source"
    recording(source / "anna" / "u1", "THE THE")
    with pytest.raises(CorpusError, match="no disyllabic content word in 1 aligned recordings"):
        build_corpus(source, tmp_path / "out", config=CONFIG)
    recording(source / "anna" / "u1")
    (source / "anna" / "u1.flac").write_bytes(b"")
    with pytest.raises(CorpusError, match=r"first problems: .*u1\.flac: the file is empty"):
        build_corpus(source, tmp_path / "out2", config=CONFIG)


@pytest.mark.parametrize(
    "name", ["with space", "café", "汉字" * 40, "🎤", "it's", "a:b?c", "x" * 200]
)
def test_names_of_any_script(tmp_path: Path, name: str) -> None:
    source = tmp_path / "source"
    recording(source / name / name[:100])
    build_corpus(source, tmp_path / "out", config=CONFIG)
    corpus = Corpus.open(tmp_path / "out")
    assert set(corpus.tokens["speaker"]) == {name}
    assert set(corpus.tokens["utterance_id"]) == {name[:100]}
    for token_id in corpus.tokens["token_id"]:
        assert corpus.excerpt(token_id).duration_s > 0.5
    assert len(list((tmp_path / "out" / "textgrids").glob("*.TextGrid"))) == 1
    assert str(tmp_path / "out") in str(
        (tmp_path / "out" / corpus.tokens["excerpt_file"][0]).resolve()
    )


def test_safe_names_stay_apart() -> None:
    assert safe_name("LJ001-0001") == "LJ001-0001"
    assert safe_name("汉 é") == "汉 é"
    names = ["a:b", "a?b", "a_b", "..", ".", "_.", "x" * 300, "x" * 301, "汉" * 100, "汉" * 101]
    safe = [safe_name(name) for name in names]
    assert len(set(safe)) == len(names)
    for name in safe:
        assert len(name.encode()) <= 210
        assert not name.startswith(".")
        assert not set(name) & set('/\\:*?"<>|')


def test_words_at_the_edges_of_a_recording(tmp_path: Path) -> None:
    """No context is there to be had: the excerpt says where it really begins."""
    alignment, _ = aligned_sentence("WATER HOTEL")
    start_s = alignment.words[0].start_s
    words = tuple(word.shifted(-start_s) for word in alignment.words)
    phones = tuple(phone.shifted(-start_s) for phone in alignment.phones)
    end_s = words[-1].end_s
    phones = (*phones[:-1], Interval(phones[-1].start_s, end_s, phones[-1].label))
    tight = Alignment(words, phones, "textgrid")
    folder = tmp_path / "source" / "anna"
    folder.mkdir(parents=True)
    soundfile.write(folder / "u.wav", sound_of(tight, end_s, 150, 1), RATE_HZ)
    write_textgrid(folder / "u.TextGrid", tight, end_s)
    corpus = Corpus.open(build_corpus(tmp_path / "source", tmp_path / "out", config=CONFIG).path)
    first, last = corpus.tokens.iloc[0], corpus.tokens.iloc[-1]
    assert first["excerpt_start_s"] == first["start_s"] == 0
    assert last["excerpt_start_s"] + last["excerpt_duration_s"] == pytest.approx(end_s, abs=1e-4)
    assert corpus.images("stressnet").values.shape[0] == 2


REAL = Path(__file__).parents[1] / ".." / "shared" / "data" / "ljspeech-aligned"


@pytest.mark.skipif(not REAL.is_dir(), reason="real speech is not here")
def test_real_speech(tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.mkdir()
    stems = sorted(file.stem for file in REAL.glob("*.TextGrid"))[:5]
    for stem in stems:
        for suffix in (".flac", ".txt", ".TextGrid"):
            (source / f"{stem}{suffix}").write_bytes((REAL / f"{stem}{suffix}").read_bytes())
    done = build_corpus(source, tmp_path / "out", config=BuildConfig("ljspeech", no_splits=True))
    assert done.n_errors == 0
    corpus = Corpus.open(done.path)
    tokens = corpus.tokens
    assert set(tokens["utterance_id"]) <= set(stems)
    assert len(tokens) >= 15
    assert (tokens["speaker"] == "LJ").all() and (tokens["sex"] == "female").all()
    assert (tokens["rate_hz"] == 16_000).all()
    assert tokens["duration_s"].between(0.1, 1.2).all()
    edges = ["start_s", "nucleus_1_start_s", "nucleus_1_end_s", "nucleus_2_start_s"]
    edges += ["nucleus_2_end_s", "end_s"]
    assert (np.diff(tokens[edges].to_numpy(), axis=1) > -1e-6).all()
    inside = tokens["boundary_s"].between(
        tokens["nucleus_1_end_s"] - 1e-6, tokens["nucleus_2_start_s"] + 1e-6
    )
    assert inside.all()
    said = " ".join((source / f"{stem}.txt").read_text().upper() for stem in stems)
    assert all(word in said for word in tokens["word"])
    agree = tokens.dropna(subset=["aligner_stress"])
    agree = agree[~agree["is_minimal_pair"]]
    assert (agree["stress"] == agree["aligner_stress"]).mean() > 0.9
    f0_hz = corpus.tracks["f0_hz"].dropna()
    assert 150 < f0_hz.median() < 280  # a woman reading
