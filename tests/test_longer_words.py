"""Stretches of longer words: what is cut, what may be trained on, and that they do not leak."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from conftest import PHONE_S, SENTENCES, SILENCE_S, aligned_sentence
from toy_corpus import PRESET, write_toy_corpus

from stressnet.acoustics.spectrogram import compute, get_preset
from stressnet.audio import read_audio
from stressnet.corpus.images import write_images_header
from stressnet.corpus.longer_words import find_stretches, trainable, unrelated
from stressnet.corpus.scan import Recording
from stressnet.corpus.store import LONGER_WORDS, TOKENS, Corpus
from stressnet.errors import ConfigError, CorpusError
from stressnet.intervals import Alignment
from stressnet.lexicon.dictionary import load_dictionary
from stressnet.lexicon.syllables import syllabify
from stressnet.runs.tables import write_parquet
from stressnet.runs.work import Progress
from stressnet.stages.build_corpus import BuildConfig, build_corpus
from stressnet.stages.corpus_merge import merge_corpora
from stressnet.stages.train import train_model
from stressnet.training.corpus_data import stress_data, with_deviations
from stressnet.training.data import JoinedImages

RECORDING = Recording("u1", "anna", "female", Path("u1.flac"), (), None, 9.0)
CONFIG = BuildConfig("generic", tagger="none")


def stretches_of(text: str) -> list[tuple[str, str, str]]:
    alignment, _ = aligned_sentence(text)
    found = find_stretches(RECORDING, alignment, load_dictionary())
    phones = [" ".join(phone.label for phone in stretch.phones) for stretch in found]
    return [(s.token_id, p, s.stress.value) for s, p in zip(found, phones, strict=True)]


def test_pairs_of_one_stressed_and_one_unstressed_syllable() -> None:
    assert stretches_of("THE IMPORTANT WATER") == [
        ("u1_001_IMPORTANT.1", "IH0 M P AO1 R", "FINAL"),
        ("u1_001_IMPORTANT.2", "P AO1 R T AH0 N T", "INITIAL"),
    ]


def test_secondary_stress_and_two_unstressed_syllables_are_left_out() -> None:
    assert [name for name, *_ in stretches_of("INFORMATION MACHINERY")] == [
        "u1_000_INFORMATION.2",
        "u1_000_INFORMATION.3",
        "u1_001_MACHINERY.1",
        "u1_001_MACHINERY.2",
    ]


def test_words_with_two_places_of_stress_and_disyllables_are_left_out() -> None:
    assert len({str(v).find("1") for v in load_dictionary().variants("ATTRIBUTE")}) == 2
    assert stretches_of("RECORD WATER ATTRIBUTE") == []


def test_limits_are_those_of_the_phones() -> None:
    alignment, _ = aligned_sentence("IMPORTANT")
    first, second = find_stretches(RECORDING, alignment, load_dictionary())
    assert (first.start_s, first.end_s) == pytest.approx((SILENCE_S, SILENCE_S + 5 * PHONE_S))
    assert second.start_s == pytest.approx(SILENCE_S + 2 * PHONE_S)


def test_phones_without_digits_tell_nothing() -> None:
    alignment, _ = aligned_sentence("IMPORTANT")
    bare = tuple(replace(phone, label=phone.label.rstrip("012")) for phone in alignment.phones)
    silent = Alignment(alignment.words, bare, "textgrid")
    assert find_stretches(RECORDING, silent, load_dictionary()) == []


def test_syllables_take_the_longest_onset() -> None:
    assert syllabify("EH2 K S T R AH0 P OW1 L EY0 T".split()).starts == (0, 2, 6, 8)


def test_related_words_are_not_trained_on() -> None:
    words = ["PRESENTATION", "represented", "produces", "production", "capital", "Window's"]
    allowed = unrelated(words, ["PRESENT", "produce", "window"])
    assert allowed == [False, False, False, False, True, False]


def test_only_training_speakers_and_unrelated_words() -> None:
    tokens = pd.DataFrame(
        [
            ("anna", "PERMIT", "permit", "train"),
            ("anna", "MONEY", "money", "test_known_speakers"),
            ("ben", "PERMIT", "permit", "test_known_words"),
        ],
        columns=["speaker", "word", "family", "split"],
    )
    stretches = pd.DataFrame(
        [("anna", "PERMITTED"), ("anna", "MONEYED"), ("ben", "IMPORTANT"), ("anna", "IMPORTANT")],
        columns=["speaker", "word"],
    )
    assert trainable(stretches, tokens).tolist() == [True, False, False, True]


# --- corpora


@pytest.fixture(scope="module")
def built(make_corpus, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("longer")
    sentences = [*SENTENCES, "THE IMPORTANT HOTEL DETERMINE"]
    source = make_corpus(folder / "recordings", sentences=sentences)
    build_corpus(source, folder / "corpus", config=CONFIG)
    return folder / "corpus"


def test_a_corpus_keeps_them_beside_its_tokens(built: Path) -> None:
    corpus = Corpus.open(built)
    found = corpus.stretches
    n_speakers = corpus.tokens["speaker"].nunique()
    assert found["token_id"].is_unique and len(found) == 4 * n_speakers
    assert not found["token_id"].isin(corpus.tokens["token_id"]).any()
    assert corpus.manifest["results"]["n_stretches_of_longer_words"] == len(found)
    names = [name for name in corpus.manifest["outputs"] if name.startswith(LONGER_WORDS)]
    assert f"{LONGER_WORDS}/{TOKENS}" in names and len(names) == 4


def test_their_images_are_those_of_their_excerpts(built: Path) -> None:
    corpus = Corpus.open(built)
    images = corpus.stretch_images("stressnet")
    for image, row in zip(images.values, corpus.stretches.to_dict("records"), strict=True):
        audio = read_audio(built / LONGER_WORDS / row["excerpt_file"])
        limits = (row["start_s"] - row["excerpt_start_s"], row["end_s"] - row["excerpt_start_s"])
        made = compute(get_preset("stressnet"), audio.samples, audio.rate_hz, *limits)
        np.testing.assert_array_equal(image, made.values)


def test_a_preset_added_later_covers_them(make_corpus, tmp_path: Path) -> None:
    source = make_corpus(tmp_path / "recordings", sentences=[*SENTENCES, "IMPORTANT"])
    build_corpus(source, tmp_path / "corpus", config=CONFIG)
    both = replace(CONFIG, presets=("stressnet", "allouche2025"))
    build_corpus(source, tmp_path / "corpus", config=both)
    assert len(Corpus.open(tmp_path / "corpus").stretch_images("allouche2025").values) > 0


def test_they_can_be_left_out(make_corpus, tmp_path: Path) -> None:
    source = make_corpus(tmp_path / "recordings", sentences=[*SENTENCES, "IMPORTANT"])
    build_corpus(source, tmp_path / "corpus", config=replace(CONFIG, no_longer_words=True))
    corpus = Corpus.open(tmp_path / "corpus")
    assert corpus.stretches.empty and not (tmp_path / "corpus" / LONGER_WORDS).exists()
    with pytest.raises(CorpusError, match="no stretches of longer words under preset 'stressnet'"):
        corpus.stretch_images("stressnet")


def test_merging_keeps_them(make_corpus, tmp_path: Path) -> None:
    parts = []
    for name, speakers in (("one", {"ada": 200.0}), ("two", {"bo": 120.0})):
        source = make_corpus(tmp_path / name, speakers, [*SENTENCES, "IMPORTANT"])
        parts.append(tmp_path / f"{name}-corpus")
        build_corpus(source, parts[-1], config=replace(CONFIG, shard="1/1"))
    merge_corpora(parts, tmp_path / "both", splits="none", progress=Progress(verbose=False))
    both = Corpus.open(tmp_path / "both")
    each = [Corpus.open(part) for part in parts]
    assert len(both.stretches) == sum(len(corpus.stretches) for corpus in each) == 4
    images = both.stretch_images("stressnet").values
    for n, corpus in enumerate(each):
        np.testing.assert_array_equal(
            images[2 * n : 2 * n + 2], corpus.stretch_images("stressnet").values
        )
    for row in both.stretches.to_dict("records"):
        audio = read_audio(both.path / LONGER_WORDS / row["excerpt_file"])
        assert audio.duration_s == pytest.approx(row["excerpt_duration_s"])
    assert any(name.startswith(LONGER_WORDS) for name in both.manifest["outputs"])


# --- training


@pytest.fixture
def toy(tmp_path: Path) -> Path:
    """A toy corpus with one stretch of each speaker, and one of a held-out word."""
    corpus = write_toy_corpus(tmp_path / "corpus")
    speakers = sorted(Corpus.open(corpus).tokens["speaker"].unique())
    rows = [(f"x{n}", f"u{n}", s, "IMPORTANT", "FINAL") for n, s in enumerate(speakers)]
    rows.append(("x99", "u99", speakers[0], "PERMITTING", "FINAL"))
    columns = ["token_id", "utterance_id", "speaker", "word", "stress"]
    table = pd.DataFrame(rows, columns=columns)
    folder = corpus / LONGER_WORDS
    images = folder / "spectrograms" / "stressnet"
    images.mkdir(parents=True)
    write_parquet(table, folder / TOKENS)
    values = np.arange(len(rows), dtype=np.float32)[:, None, None]
    np.save(images / "values.npy", np.broadcast_to(values, (len(rows), *PRESET.shape)))
    mask = np.ones((len(rows), PRESET.n_frames), dtype=bool)
    write_images_header(images, PRESET.axes(), PRESET.to_dict(), mask)
    return corpus


def test_training_data_has_them_in_the_training_set_only(toy: Path) -> None:
    corpus = Corpus.open(toy)
    plain, more = (stress_data(corpus, "stressnet", longer_words=flag) for flag in (False, True))
    n = len(plain)
    assert more.token_ids[:n].tolist() == plain.token_ids.tolist()
    added = set(more.rows("train")) - set(plain.rows("train"))
    known = set(plain.speakers[plain.rows("train")])
    assert added and {more.speakers[row] for row in added} == known
    assert more.token_ids[-1] == "x99" and len(more) - 1 not in added
    assert (more.labels[n:] == 1).all()
    for split in set(plain.splits) - {"train"}:
        np.testing.assert_array_equal(plain.rows(split), more.rows(split))
    rows = [n + 2, 0, n - 1, n]
    images = more.batch(rows)[:, 0].numpy()
    np.testing.assert_array_equal(images[1], plain.batch([0])[0, 0].numpy())
    assert images[0].max() == 2 and images[3].max() == 0


def test_training_with_them_changes_the_network_and_is_told(toy: Path, tmp_path: Path) -> None:
    quick = {"max_epochs": 1, "mask_frames": 2, "mask_bins": 4, "weight_average": 0.0}
    counts = {}
    for flag in (True, False):
        out = tmp_path / str(flag)
        trained = train_model(toy, out, changes={**quick, "longer_words": flag})
        assert trained.manifest["parameters"]["training"]["longer_words"] is flag
        counts[flag] = pd.read_parquet(out / "predictions.parquet")["token_id"].tolist()
    assert counts[True] == counts[False]  # tested on the same tokens


def test_images_that_do_not_fit_are_refused() -> None:
    first, second = np.zeros((2, 4, 5), np.float32), np.zeros((2, 4, 6), np.float32)
    with pytest.raises(ConfigError, match="cannot be joined"):
        JoinedImages(first, second)


def test_levels_of_stretches_are_measured_too(built: Path) -> None:
    corpus = Corpus.open(built)
    data = stress_data(corpus, "stressnet", longer_words=True)
    data = replace(data, splits=np.array(["train"] * len(data)))
    levels = with_deviations(data, corpus, "stressnet", Progress(verbose=False)).deviations
    assert levels is not None
    row = corpus.stretches.iloc[-1]
    audio = read_audio(built / LONGER_WORDS / row["excerpt_file"])
    raw = replace(get_preset("stressnet"), normalisation="none")
    limits = (row["start_s"] - row["excerpt_start_s"], row["end_s"] - row["excerpt_start_s"])
    made = compute(raw, audio.samples, audio.rate_hz, *limits)
    assert levels[-1] == pytest.approx(made.values[:, made.mask].std(ddof=1), rel=1e-4)
