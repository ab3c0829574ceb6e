"""Evaluating, predicting, exporting and describing networks on a small corpus, by the commands."""

from __future__ import annotations

import csv
import io
import json
import shutil
from itertools import combinations
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import soundfile
import torch
from command_line import run_cli
from conftest import MakeCorpus, aligned_sentence, sound_of

from stressnet.alignment.textgrid import read_textgrid
from stressnet.cli import main
from stressnet.corpus.sound_identity import sound_hash
from stressnet.corpus.store import Corpus
from stressnet.corpus.tokens import LABEL_TABLE
from stressnet.errors import (
    AlignmentError,
    CheckpointError,
    ConfigError,
    CorpusError,
    FolderError,
    TranscriptError,
)
from stressnet.evaluation.heard import Heard
from stressnet.evaluation.sets import FULL_VOWELS, load_models, sets_of, token_table
from stressnet.evaluation.tables import ORACLE
from stressnet.models.checkpoint import (
    CheckpointInfo,
    TrainedNetwork,
    load_checkpoint,
    save_checkpoint,
)
from stressnet.models.registry import build_model
from stressnet.pretrained import pretrained_folder
from stressnet.runs.manifest import hash_file
from stressnet.stages.build_corpus import BuildConfig, build_corpus
from stressnet.stages.evaluate import evaluate_models
from stressnet.stages.predict.alignments import spoken_part
from stressnet.stages.predict.sources import sources_of
from stressnet.stages.predict.words import predict_words
from stressnet.training.calibration import Calibration, calibration_of, save_calibration
from stressnet.training.corpus_data import recordings_of, sounds_of, stress_data
from stressnet.training.onnx_export import export_onnx, read_network, run_onnx

VOICES = {name: 105.0 + 9 * i for i, name in enumerate(["ann", "bo", "cy", "di", "ed", "flo"])}
SENTENCES = (
    "THE WATER HOTEL LETTER DECIDE RECORD",
    "THE MONEY MACHINE PICTURE BELIEVE PERMIT",
    "THE RECORD LETTER HOTEL MONEY PERMIT",
)


@pytest.fixture(scope="module")
def recordings(tmp_path_factory: pytest.TempPathFactory, make_corpus: MakeCorpus) -> Path:
    return make_corpus(tmp_path_factory.mktemp("recordings") / "r", VOICES, SENTENCES)


@pytest.fixture(scope="module")
def corpus(recordings: Path) -> Path:
    """Both presets; RECORD and PERMIT decided by a table, in both readings."""
    labels = recordings.parent / "labels.csv"
    rows = [("utterance_id", "word_index", "word", "stress")]
    for number, voice in enumerate(VOICES):
        for sentence, index, word in ((0, 5, "RECORD"), (1, 5, "PERMIT"), (2, 1, "RECORD")):
            stress = "INITIAL" if (number + sentence) % 2 else "FINAL"
            rows.append((f"{voice}-{sentence}", str(index), word, stress))
    labels.write_text("".join(",".join(row) + "\n" for row in rows))
    out = recordings.parent / "corpus"
    config = BuildConfig(
        "generic",
        presets=("stressnet", "allouche2025"),
        labels=labels,
        valid_share=0.25,
        test_share=0.25,
    )
    build_corpus(recordings, out, config=config)
    return out


def checkpoint(
    folder: Path,
    corpus: Path,
    architecture: str = "compact",
    seed: int = 0,
    corpus_hash: str = "",
    **training: object,
) -> Path:
    """A network with random weights that says it was trained on the corpus."""
    opened = Corpus.open(corpus)
    preset = "allouche2025" if architecture == "lenet" else "stressnet"
    images = opened.images(preset)
    torch.manual_seed(seed)
    info = CheckpointInfo(
        architecture,
        *images.axes.shape,
        preset,
        images.preset,
        corpus_hash=corpus_hash or opened.fingerprint,
        training={"recipe": {"name": "compact", "class_balance": "weights"}, **training},
        seed=seed,
    )
    save_checkpoint(folder, build_model(architecture, *images.axes.shape), info)
    return folder


@pytest.fixture(scope="module")
def seeds(corpus: Path) -> Path:
    """A folder with two networks that differ in their seed."""
    folder = corpus.parent / "models"
    for seed in (0, 1):
        checkpoint(folder / f"seed-{seed}", corpus, seed=seed)
    return folder


@pytest.fixture(scope="module")
def evaluation(corpus: Path, seeds: Path) -> Path:
    """Made by the command, with everything but the networks on shuffled labels."""
    other = checkpoint(corpus.parent / "lenet", corpus, "lenet")
    out = corpus.parent / "evaluation"
    arguments = ["evaluate", str(corpus), str(seeds), str(other), str(out), "--no-audits", "-q"]
    main([*arguments, "--resamples", "100"])
    return out


def test_evaluation_folder_is_complete(evaluation: Path) -> None:
    manifest = json.loads((evaluation / "manifest.json").read_text())
    assert manifest["kind"] == "evaluation"
    assert manifest["parameters"]["trained_on_this_corpus"] is True
    for name, digest in manifest["outputs"].items():
        assert hash_file(evaluation / name) == digest, name
    for name in "scores groups pairs words speakers comparisons reliability seeds audits".split():
        assert (evaluation / f"{name}.csv").is_file(), name
    page = (evaluation / "index.html").read_text()
    for source in ("figures/accuracy.png", "figures/reliability.png", "sounds/00.flac"):
        assert source in page
        assert (evaluation / source).stat().st_size > 500
    assert "http" not in page.replace("http-equiv", "")


def test_scores_agree_with_the_predictions(evaluation: Path) -> None:
    scores = pd.read_csv(evaluation / "scores.csv")
    networks = {"seed-0", "seed-1", "lenet", "compact ensemble of 2"}
    assert set(scores["model"]) == {*networks, ORACLE}
    predictions = pd.read_parquet(evaluation / "predictions.parquet")
    mine = predictions[(predictions["model"] == "seed-1") & (predictions["split"] == "test")]
    right = (mine["stress_true"] == mine["stress_predicted"]).mean()
    row = scores.query("model == 'seed-1' and test_set == 'test' and metric == 'accuracy'")
    assert row["estimate"].item() == pytest.approx(right)
    assert row["n"].item() == len(mine)
    assert "train" not in set(predictions["split"])


def test_ensemble_averages_logits(evaluation: Path) -> None:
    table = pd.read_parquet(evaluation / "predictions.parquet")
    by_model = table.pivot(index="token_id", columns="model", values="logit_difference")
    mean = by_model[["seed-0", "seed-1"]].mean(axis=1)
    assert np.allclose(by_model["compact ensemble of 2"], mean)
    pairs = pd.read_csv(evaluation / "comparisons.csv")[["first", "second"]].drop_duplicates()
    names = ["lenet", "compact ensemble of 2", ORACLE]
    assert pairs.to_numpy().tolist() == [list(pair) for pair in combinations(names, 2)]


def test_words_with_both_readings_are_reported(evaluation: Path) -> None:
    pairs = pd.read_csv(evaluation / "pairs.csv")
    found = pairs[pairs["model"] == "lenet"]
    assert found["word"].tolist() == ["permit", "record"]
    assert found[["n_initial", "n_final"]].sum(axis=1).tolist() == [6, 12]
    scores = pd.read_csv(evaluation / "scores.csv")
    mean = scores.query(
        "model == 'lenet' and metric == 'word_mean' and test_set == 'minimal_pairs'"
    )
    assert mean["estimate"].item() == pytest.approx(found["balanced_accuracy"].mean())


def test_test_sets_share_nothing_they_should_not(corpus: Path) -> None:
    opened = Corpus.open(corpus)
    tokens = token_table(opened, own=True)
    sets = sets_of(tokens)
    train = opened.tokens[opened.tokens["split"] == "train"]
    assert not set(tokens[sets["test"]]["speaker"]) & set(train["speaker"])
    assert not set(tokens[sets["test"]]["family"]) & set(train["family"])
    parts = sets.get("minimal_pairs/prosody_only", False)
    changes = sets.get("minimal_pairs/vowel_changes", False)
    assert ((parts | changes) == sets["minimal_pairs"]).all()
    assert (tokens[sets["minimal_pairs"]]["label_source"] == "table").all()


def test_words_with_two_full_vowels_are_a_set_of_their_own() -> None:
    rows = [
        # split, nuclei, is it in: labels decide, not the vowels' names
        ("test", "EY1", "AO2", True),  # railroad
        ("test", "IH1", "AH2", True),  # insult: AH2 is no schwa
        ("test", "IH2", "AH1", True),
        ("test", "AE1", "IY0", True),  # happy
        ("test", "AE1", "AH0", False),  # basket
        ("test", "ER0", "IH1", False),  # permit
        ("test", "AX", "EH1", False),
        ("test_known_words", "AE1", "OW0", True),
        ("minimal_pairs", "OW1", "EH2", False),  # a set of its own
        ("valid", "EY1", "AO2", False),
    ]
    tokens = pd.DataFrame(rows, columns=["split", "nucleus_1", "nucleus_2", "full"])
    tokens = tokens.assign(
        is_minimal_pair=tokens["split"] == "minimal_pairs",
        label_source=LABEL_TABLE,
        is_prosody_only_pair=False,
        speaker_is_known=False,
        label_agreement=["agree", "disagree"] * 5,
    )
    sets = sets_of(tokens)
    assert sets[FULL_VOWELS].tolist() == tokens["full"].tolist()
    assert "minimal_pairs/sources_agree" in sets
    disagree = sets_of(tokens.assign(label_agreement="disagree"))
    assert "minimal_pairs/sources_agree" not in disagree


def test_the_oracle_stands_beside_the_networks(evaluation: Path) -> None:
    scores = pd.read_csv(evaluation / "scores.csv").set_index("metric")
    oracle = scores[(scores["model"] == ORACLE) & (scores["test_set"] == "minimal_pairs")]
    pairs = pd.read_csv(evaluation / "pairs.csv").query("model == 'lenet'")
    minority = pairs[["n_initial", "n_final"]].min(axis=1).sum()
    n = oracle.loc["accuracy", "n"]
    assert oracle.loc["accuracy", "estimate"] == pytest.approx(1 - minority / n)
    assert oracle.loc["word_auroc", "estimate"] == 0.5  # it knows nothing within a word
    assert ORACLE in set(pd.read_csv(evaluation / "comparisons.csv")["second"])
    assert ORACLE.split(" (")[0] in (evaluation / "index.html").read_text(encoding="utf-8")


def test_another_corpus_is_tested_whole(corpus: Path, tmp_path: Path) -> None:
    stranger = checkpoint(tmp_path / "m", corpus, corpus_hash="elsewhere")
    found = evaluate_models(corpus, [stranger], tmp_path / "out", n_resamples=100)
    sizes = found.manifest["results"]["test_sets"]
    labelled = Corpus.open(corpus).tokens
    kept = labelled["stress"].notna() & (labelled["label_source"] != "aligner")
    assert sizes["all"] == kept.sum()
    assert "test" not in sizes
    assert set(found.audits["audit"]) == {"part of speech"}
    calibrated = found.scores[found.scores["metric"] == "ece_calibrated"]
    assert calibrated["estimate"].isna().all()
    assert calibrated["reason"].str.contains("no validation").all()


def test_a_corpus_without_splits_is_tested_whole(corpus: Path, tmp_path: Path) -> None:
    bare = tmp_path / "bare"
    shutil.copytree(corpus, bare)
    tokens = pd.read_parquet(bare / "tokens.parquet")
    tokens["split"] = "unsplit"
    tokens.to_parquet(bare / "tokens.parquet")
    model = checkpoint(tmp_path / "m", corpus, corpus_hash="elsewhere")
    found = evaluate_models(bare, [model], tmp_path / "out", audits=False, n_resamples=100)
    kept = tokens["stress"].notna() & (tokens["label_source"] != "aligner")
    assert found.manifest["results"]["test_sets"]["all"] == kept.sum()


def test_networks_of_a_fold_are_tested_on_its_splits(corpus: Path, tmp_path: Path) -> None:
    from dataclasses import asdict, replace

    from stressnet.evaluation.heard import fold_of, with_splits_of
    from stressnet.training.corpus_data import Fold, splits_of_fold

    fold = Fold(2, 3, 5)
    opened = Corpus.open(corpus)
    (model,) = load_models([checkpoint(tmp_path / "m", corpus)])
    of_fold = replace(model, info=replace(model.info, training={"fold": asdict(fold)}))
    assert fold_of([of_fold]) == fold
    with pytest.raises(ConfigError, match="other splits"):
        fold_of([of_fold, model])
    tokens = token_table(with_splits_of(opened, [of_fold]), True)
    splits = splits_of_fold(opened.tokens, fold)
    assert tokens["split"].tolist() == splits.to_numpy()[tokens["row"]].tolist()
    assert "train" not in set(tokens["split"])
    assert sets_of(tokens)["test"].sum() == (splits == "test").sum()


def test_audits_stand_beside_the_network(
    corpus: Path, seeds: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("stressnet.training.audits.SHUFFLED_EPOCHS", 1)
    monkeypatch.setattr("stressnet.training.audits.N_SHUFFLES", 1)
    found = evaluate_models(corpus, [seeds / "seed-0"], tmp_path / "out", n_resamples=100)
    assert list(dict.fromkeys(found.audits["audit"])) == [
        "padding",
        "envelope",
        "phones",
        "shuffled labels",
        "part of speech",
    ]
    phones = found.audits[found.audits["audit"] == "phones"]
    assert np.allclose(phones["network"] - phones["estimate"], phones["difference"])


def test_refusals(corpus: Path, seeds: Path, evaluation: Path, tmp_path: Path) -> None:
    with pytest.raises(FolderError, match="--overwrite"):
        evaluate_models(corpus, [seeds], evaluation)
    (tmp_path / "thesis.txt").write_text("precious")
    with pytest.raises(FolderError, match="not an evaluation of stressnet"):
        evaluate_models(corpus, [seeds], tmp_path, overwrite=True)
    stranger = checkpoint(tmp_path / "m", corpus, corpus_hash="elsewhere")
    with pytest.raises(ConfigError, match="evaluate them apart"):
        evaluate_models(corpus, [seeds, stranger], tmp_path / "out")
    with pytest.raises(CheckpointError, match="given twice"):
        load_models([seeds, seeds / "seed-0"])
    thin = tmp_path / "thin"
    shutil.copytree(corpus, thin)
    shutil.rmtree(thin / "spectrograms" / "stressnet")
    with pytest.raises(CorpusError, match="no spectrograms of preset 'stressnet'"):
        evaluate_models(thin, [seeds], tmp_path / "out2")


def test_card_and_temperature(
    corpus: Path, seeds: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model = tmp_path / "model"
    shutil.copytree(seeds / "seed-0", model)
    code, out, _ = run_cli(capsys, "card", str(corpus), str(model), "-q")
    assert code == 0
    text = (model / "MODEL_CARD.md").read_text()
    for part in ("## Data", "## Results", "## By group", "## Limits", "## Licence", "| sex |"):
        assert part in text
    _, front, text = text.split("---\n", 2)  # for Hugging Face
    assert "language: en\n" in front and "tags: [phonetics, lexical-stress, compact]\n" in front
    title, about, figure, *answer = [
        line for line in text.split("## Network")[0].split("\n") if line
    ]
    assert title.startswith("# Model card") and "(English)" in about
    assert figure == "![Balanced accuracy per test set](MODEL_CARD.png)"
    assert (model / "MODEL_CARD.png").is_file()
    assert len(answer) == 3 and "its balanced accuracy is" in answer[0]
    assert "INITIAL from FINAL stress" in answer[0] and "guessing gives 0.5" in answer[0]
    assert "{{" not in text and "\n\n\n" not in text
    assert "stressnet train CORPUS MODEL --model compact --preset stressnet" in text
    stored = json.loads((model / "calibration.json").read_text())
    assert f"{stored['temperature']:.3f}" in out
    with pytest.raises(ConfigError, match="was not trained on"):
        stranger = checkpoint(tmp_path / "m", corpus, corpus_hash="elsewhere")
        from stressnet.report.model_card import write_card

        write_card(corpus, stranger)


def test_card_of_a_network_trained_on_all_tokens_shows_its_twins_figures(
    corpus: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    quick = ["--max-epochs", "1", "--set", "batch_size=16", "-q"]
    twin, whole = tmp_path / "twin", tmp_path / "whole"
    assert run_cli(capsys, "train", str(corpus), str(twin), *quick)[0] == 0
    assert run_cli(capsys, "train", str(corpus), str(whole), "--all-tokens", *quick)[0] == 0
    code, _, err = run_cli(capsys, "card", str(corpus), str(whole), "-q")
    assert code == 1
    assert "was trained on all tokens" in err
    card = ("card", str(corpus), str(whole), "-q", "--measured")
    assert run_cli(capsys, *card, str(twin))[0] == 0
    text = (whole / "MODEL_CARD.md").read_text()
    assert "none is left to measure it on" in text
    assert "- Trained on the training split alone, the network " in text
    assert "--all-tokens" in text
    assert hash_file(whole / "model.safetensors") in text
    stored = json.loads((whole / "calibration.json").read_text())
    assert stored["weights_sha256"] == hash_file(whole / "model.safetensors")
    code, _, err = run_cli(capsys, "card", str(corpus), str(twin), "--measured", str(whole))
    assert code == 1
    assert "leave out --measured" in err
    other = tmp_path / "other"
    assert run_cli(capsys, "train", str(corpus), str(other), "--seed", "5", *quick)[0] == 0
    code, _, err = run_cli(capsys, *card, str(other))
    assert code == 1
    assert "with fewer tokens" in err


@pytest.mark.parametrize("architecture", ["compact", "lenet"])
def test_predict_sees_what_the_corpus_holds(
    architecture: str, recordings: Path, corpus: Path, tmp_path: Path
) -> None:
    """The same logits as from the stored images, to rounding of the batches."""
    model = checkpoint(tmp_path / "m", corpus, architecture, seed=4)
    network, info = load_checkpoint(model)
    opened = Corpus.open(corpus)
    tokens = opened.tokens
    chosen = np.flatnonzero(tokens["utterance_id"] == "cy-1")
    with torch.inference_mode():
        logits = network(stress_data(opened, info.preset).batch(chosen)).numpy()
    file = recordings / "cy" / "cy-1.flac"
    found = predict_words(sources_of([file], file.with_suffix(".TextGrid")), model)
    said = [word for word in found.words if word.stress is not None]
    assert [word.word for word in said] == tokens["word"].iloc[chosen].tolist()
    assert [word.reason for word in found.words if word.stress is None] == ["1 syllable"]
    assert np.allclose([w.logit_difference for w in said], logits[:, 0] - logits[:, 1], atol=1e-4)


def test_predict_formats(
    recordings: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = recordings / "bo" / "bo-0.flac"
    command = ["predict", str(file), "--textgrid", str(file.with_suffix(".TextGrid")), "-q"]
    code, out, _ = run_cli(capsys, *command)
    assert code == 0
    assert out.splitlines()[1].split()[0] == "WATER"
    assert "skipped, 1 syllable: THE" in out
    _, out, _ = run_cli(capsys, *command, "--format", "csv")
    rows = list(csv.DictReader(io.StringIO(out)))
    assert [row["word"] for row in rows] == "THE WATER HOTEL LETTER DECIDE RECORD".split()
    assert rows[0]["reason"] == "1 syllable"
    assert 0.5 <= float(rows[1]["probability"]) <= 1
    _, out, _ = run_cli(capsys, *command, "--format", "json")
    data = json.loads(out)
    assert data["words"][0]["probability"] is None
    assert data["words"][1]["stress"] == rows[1]["stress"]
    assert data["network"]["weights_sha256"] == hash_file(pretrained_folder() / "model.safetensors")
    code, _, err = run_cli(capsys, *command, "--format", "textgrid")
    assert code == 2 and "--out" in err
    code, _, _ = run_cli(capsys, *command, "--format", "textgrid", "--out", str(tmp_path / "g"))
    assert code == 0
    text = (tmp_path / "g" / "bo-0.TextGrid").read_text()
    assert '"stress"' in text
    assert f"{rows[1]['stress']} {float(rows[1]['probability']):.2f}" in text
    assert len(read_textgrid(tmp_path / "g" / "bo-0.TextGrid").spoken_words()) == 6


def test_predict_many_with_folders_and_a_broken_file(
    recordings: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    grids = tmp_path / "grids"
    grids.mkdir()
    files = []
    for name in ("ann-0", "bo-0"):
        source = recordings / name.split("-")[0] / name
        shutil.copy(source.with_suffix(".TextGrid"), grids)
        files.append(str(source.with_suffix(".flac")))
    broken = tmp_path / "broken.flac"
    broken.write_bytes(b"")
    shutil.copy(grids / "bo-0.TextGrid", grids / "broken.TextGrid")
    command = ["predict", *files, str(broken), "--textgrid", str(grids), "-q"]
    code, out, err = run_cli(capsys, *command)
    assert code == 3
    *lines, last = err.splitlines()
    assert len(lines) == 1 and "broken.flac: the file is empty" in lines[0]
    assert last == "10 words predicted, 2 skipped; 1 of 3 recordings could not be used"
    assert out.count("WATER") == 2
    code, _, _ = run_cli(capsys, "predict", str(broken), "-q")
    assert code == 1


def test_predict_is_the_same_alone_and_in_company(recordings: Path) -> None:
    files = [recordings / name / f"{name}-1.flac" for name in ("ann", "di")]
    grids = recordings / "di"
    alone = predict_words(sources_of(files[1:], grids)).words
    sources = [*sources_of(files[:1], recordings / "ann"), *sources_of(files[1:], grids)]
    together = [w for w in predict_words(sources).words if w.file == str(files[1])]
    for one, other in zip(alone, together, strict=True):
        assert one.logit_difference == pytest.approx(other.logit_difference, abs=1e-5, nan_ok=True)


def one_word(path: Path, silence_s: float = 0.4) -> tuple[float, float]:
    """A recording of 'water' between two silences; its limits."""
    alignment, duration_s = aligned_sentence("WATER")
    samples = sound_of(alignment, duration_s, 120.0, seed=1)
    word = alignment.words[0]
    first, last = (round(time_s * 16_000) for time_s in (word.start_s, word.end_s))
    quiet = 1e-5 * np.random.default_rng(0).standard_normal(round(silence_s * 16_000))
    soundfile.write(path, np.concatenate([quiet, samples[first:last], quiet]), 16_000)
    return silence_s, silence_s + word.duration_s


def test_one_word_without_transcript(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    start_s, end_s = one_word(tmp_path / "w.wav")
    code, out, _ = run_cli(capsys, "predict", str(tmp_path / "w.wav"), "--format", "csv", "-q")
    assert code == 0
    (row,) = csv.DictReader(io.StringIO(out))
    assert row["stress"] in ("INITIAL", "FINAL")
    assert float(row["start_s"]) == pytest.approx(start_s, abs=0.03)
    assert float(row["end_s"]) == pytest.approx(end_s, abs=0.03)


def test_a_sentence_is_not_taken_for_a_word(
    recordings: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    alone = tmp_path / "ann-0.flac"  # without what lies beside it
    alone.write_bytes((recordings / "ann" / "ann-0.flac").read_bytes())
    code, _, err = run_cli(capsys, "predict", str(alone), "-q")
    assert code == 1
    assert "is not one word" in err and "transcript" in err


def test_silence_is_trimmed_where_it_is(tmp_path: Path) -> None:
    from stressnet.audio import read_audio

    limits = [one_word(tmp_path / f"{s}.wav", s) for s in (0.1, 0.8)]
    for silence_s, (start_s, _) in zip((0.1, 0.8), limits, strict=True):
        path = tmp_path / f"{silence_s}.wav"
        assert spoken_part(read_audio(path), path).start_s == pytest.approx(start_s, abs=0.03)


def test_the_noise_of_a_room_is_no_part_of_the_word(tmp_path: Path) -> None:
    """30 dB below the word; a word that fills its recording stays whole."""
    from stressnet.audio import Audio, read_audio

    path = tmp_path / "word.wav"
    start_s, end_s = one_word(path, 0.4)
    sound = read_audio(path)
    loudest = np.sqrt(np.mean(np.sort(sound.samples**2)[-400:]))
    noise = np.random.default_rng(0).normal(scale=0.03 * loudest, size=len(sound.samples))
    noisy = Audio((sound.samples + noise).astype(np.float32), sound.rate_hz)
    found = spoken_part(noisy, path)
    assert (found.start_s, found.end_s) == pytest.approx((start_s, end_s), abs=0.06)
    cut = noisy.cut(start_s, end_s)
    assert spoken_part(cut, path).duration_s == pytest.approx(end_s - start_s, abs=0.03)


def test_temperature_changes_probabilities_threshold_answers(
    recordings: Path, seeds: Path, tmp_path: Path
) -> None:
    model = tmp_path / "m"
    shutil.copytree(seeds / "seed-0", model)
    file = recordings / "bo" / "bo-0.flac"
    source = sources_of([file], file.with_suffix(".TextGrid"))
    digest = hash_file(model / "model.safetensors")
    save_calibration(model, Calibration(1.0, True, 9, 1.0, 0.9, digest))
    plain = predict_words(source, model).words[1]
    beyond = plain.logit_difference + np.sign(plain.logit_difference)
    save_calibration(model, Calibration(2.0, True, 9, 1.0, 0.9, digest, threshold=beyond))
    other = predict_words(source, model, sure=0.9).words[1]
    assert other.stress is not plain.stress and other.sure == "not sure"
    assert other.probability == pytest.approx(1 / (1 + np.exp(-0.5)))
    assert predict_words(source, model, sure=0.6).words[1].sure == "yes"
    save_calibration(model, Calibration(2.0, True, 9, 1.0, 0.9, digest))
    soft = predict_words(source, model).words[1]
    assert soft.stress is plain.stress
    assert soft.logit_difference == pytest.approx(plain.logit_difference)
    assert soft.p_initial == pytest.approx(1 / (1 + np.exp(-plain.logit_difference / 2)))
    (model / "model.safetensors").write_bytes(b"damaged")
    with pytest.raises(CheckpointError, match="damaged or of another"):
        predict_words(source, model)


def test_sources_are_brought_together(tmp_path: Path) -> None:
    files = [tmp_path / "a.wav", tmp_path / "b.wav"]
    (tmp_path / "a.txt").write_text("Don't stop.")
    assert sources_of(files[:1], transcripts=tmp_path)[0].words == ("DON'T", "STOP")
    with pytest.raises(Exception, match=r"no transcript for b\.wav"):
        sources_of(files, transcripts=tmp_path)
    with pytest.raises(AlignmentError, match=r"no TextGrid for a\.wav"):
        sources_of(files, alignments=tmp_path)
    with pytest.raises(ConfigError, match="2 recordings"):
        sources_of(files, text="record")
    with pytest.raises(ConfigError, match="not several"):
        sources_of(files[:1], text="record", transcripts=tmp_path)


def test_transcripts_of_many_recordings_in_one_file(tmp_path: Path) -> None:
    files = [tmp_path / "7-1-0000.flac", tmp_path / "7-1-0001.flac"]
    lines = tmp_path / "7-1.trans.txt"
    lines.write_text("7-1-0000 HE'S HERE\n\n7-1-0001\n7-1-0002 NOT ASKED FOR\n")
    for place in (tmp_path, lines):
        assert sources_of(files[:1], transcripts=place)[0].words == ("HE'S", "HERE")
        with pytest.raises(TranscriptError, match="line of 7-1-0001: holds no words"):
            sources_of(files, transcripts=place)
        with pytest.raises(TranscriptError, match=r"no transcript for 7-1-0003\.flac"):
            sources_of([tmp_path / "7-1-0003.flac"], transcripts=place)


def test_pretrained_network_is_small_whole_and_described() -> None:
    folder = pretrained_folder()
    assert (folder / "model.safetensors").stat().st_size <= 5_000_000
    assert load_checkpoint(folder)[1].preset == "stressnet"
    assert "## Limits" in (folder / "MODEL_CARD.md").read_text()
    digest = hash_file(folder / "model.safetensors")
    assert json.loads((folder / "calibration.json").read_text())["weights_sha256"] == digest
    with pytest.raises(CheckpointError, match="there are nuclei"):
        pretrained_folder("enormous")


@pytest.mark.parametrize("architecture", ["compact", "nuclei", "lenet"])
def test_export_gives_the_same_logits(architecture: str, corpus: Path, tmp_path: Path) -> None:
    onnx = pytest.importorskip("onnx")
    pytest.importorskip("onnxruntime")
    pytest.importorskip("onnxscript")
    model = checkpoint(tmp_path / "m", corpus, architecture, seed=2)
    known = Calibration(0.7, False, 9, 1.0, 0.9, hash_file(model / "model.safetensors"), 0.3)
    save_calibration(model, known)
    out = tmp_path / "net.onnx"
    assert export_onnx(model, out) <= 1e-4
    network, info = load_checkpoint(model)
    images = Corpus.open(corpus).images(info.preset).values[:7, None].copy()
    with torch.inference_mode():
        wanted = network(torch.from_numpy(images)).numpy()
    assert np.abs(run_onnx(out, images) - wanted).max() <= 1e-4
    stored = {entry.key: entry.value for entry in onnx.load(str(out)).metadata_props}
    assert json.loads(stored["classes"]) == ["INITIAL", "FINAL"]
    assert json.loads(stored["preset_parameters"])["name"] == info.preset == stored["preset"]
    assert len(json.loads(stored["frequency_hz"])) == info.n_bins
    assert len(json.loads(stored["time_s"])) == info.n_frames
    assert stored["weights_sha256"] == hash_file(model / "model.safetensors")
    again = read_network(out)
    assert again.logits(images[:, 0]) == pytest.approx(wanted, abs=1e-4)
    assert (again.device, again.info.classes) == ("cpu", info.classes)
    assert calibration_of(again) == known
    out.write_bytes(b"no network")
    with pytest.raises(CheckpointError, match=r"net\.onnx: cannot be read"):
        read_network(out)


def test_what_lies_beside_a_recording_or_below_a_folder_is_found(tmp_path: Path) -> None:
    ann, bob = tmp_path / "ann", tmp_path / "bob"
    for folder, said in ((ann, "a record"), (bob, "the object")):
        folder.mkdir()
        (folder / "one.wav").touch()
        (folder / "one.txt").write_text(said)
    files = [ann / "one.wav", bob / "one.wav"]
    for sources in (sources_of(files), sources_of(files, transcripts=tmp_path)):
        assert [source.words for source in sources] == [("A", "RECORD"), ("THE", "OBJECT")]
    (ann / "one.TextGrid").touch()
    assert sources_of(files)[0].alignment == ann / "one.TextGrid"
    (tmp_path / "two.wav").touch()
    assert sources_of([tmp_path / "two.wav"])[0].words == ()
    below = sources_of([tmp_path / "two.wav"], text="record")
    assert below[0].words == ("RECORD",)


def test_the_networks_in_the_package_have_a_name(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert TrainedNetwork.load(Path("pretrained")).path == pretrained_folder()
    (tmp_path / "pretrained").mkdir()
    with pytest.raises(CheckpointError, match=r"^pretrained/model.json: file is missing"):
        TrainedNetwork.load(Path("pretrained"))


def test_a_corpus_built_again_is_noticed(
    corpus: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its hash is another, its recordings, words and speakers are those of the training."""
    opened = Corpus.open(corpus)
    tokens = opened.tokens
    trained = tokens[tokens["split"] == "train"]
    model = checkpoint(
        tmp_path / "model",
        corpus,
        corpus_hash="of another build",
        speakers=sorted(trained["speaker"].unique()),
        families=sorted(trained["family"].unique()),
        recordings=list(recordings_of(opened, trained["token_id"])),
    )
    out = tmp_path / "out"
    options = ("--no-audits", "--resamples", 100, "-q")
    code, text, err = run_cli(capsys, "evaluate", corpus, model, out, *options)
    assert code == 0, err
    assert "are of recordings that were trained on and are left out" in text
    tested = set(pd.read_parquet(out / "predictions.parquet")["token_id"])
    heard = tokens["utterance_id"].isin(trained["utterance_id"])
    assert tested
    assert not tested & set(tokens.loc[heard, "token_id"])
    scores = pd.read_csv(out / "scores.csv").drop_duplicates("test_set").set_index("test_set")
    words = tokens[tokens["token_id"].isin(tested)]["family"].isin(trained["family"])
    assert scores.loc["all/known_words", "n"] == words.sum() > 0
    assert scores.loc["all/new_words", "n"] == (~words).sum() > 0
    assert "trained on and are left out" in (out / "index.html").read_text()


def test_a_corpus_of_nothing_but_the_training_is_refused(
    corpus: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    opened = Corpus.open(corpus)
    known = list(recordings_of(opened, opened.tokens["token_id"]))
    model = checkpoint(tmp_path / "model", corpus, corpus_hash="another", recordings=known)
    code, _, err = run_cli(capsys, "evaluate", corpus, model, tmp_path / "out", "-q")
    assert code == 1
    assert "all its recordings were trained on" in err
    assert not (tmp_path / "out").exists()


@pytest.fixture
def renamed(corpus: Path, tmp_path: Path) -> Path:
    """A copy of the corpus under other names, its words cut a little differently."""
    copy = tmp_path / "renamed"
    shutil.copytree(corpus, copy)
    table = pd.read_parquet(copy / "tokens.parquet")
    table["speaker"] = "Dr " + table["speaker"]
    table["utterance_id"] = "x" + table["utterance_id"]
    table["start_s"] += 0.004
    table.to_parquet(copy / "tokens.parquet")
    return copy


def test_a_renamed_copy_is_noticed_token_by_token(
    corpus: Path, renamed: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    opened = Corpus.open(corpus)
    tokens = opened.tokens
    trained = tokens[tokens["split"] == "train"]
    known = {
        "speakers": sorted(trained["speaker"].unique()),
        "families": sorted(trained["family"].unique()),
        "recordings": list(recordings_of(opened, trained["token_id"])),
        "sounds": list(sounds_of(opened, trained["token_id"])),
    }
    assert len(known["sounds"]) == len(trained)
    model = checkpoint(tmp_path / "model", corpus, corpus_hash="another", **known)
    found = Heard.by(load_models([model])).in_corpus(Corpus.open(renamed), tokens)
    assert not found.empty
    heard = tokens["utterance_id"].isin(trained["utterance_id"])

    out = tmp_path / "out"
    options = ("--no-audits", "--resamples", 100, "-q")
    code, text, err = run_cli(capsys, "evaluate", renamed, model, out, *options)
    assert code == 0, err
    assert f"{heard.sum()} of {heard.size} tokens are of recordings that were trained on" in text
    tested = set(pd.read_parquet(out / "predictions.parquet")["token_id"])
    assert tested == set(tokens.loc[~heard, "token_id"])
    scores = pd.read_csv(out / "scores.csv").drop_duplicates("test_set").set_index("test_set")
    left = tokens[~heard]
    by_heard = left["speaker"].isin(trained["speaker"])
    assert scores["n"].get("all/namesakes", 0) == by_heard.sum()
    new = ~left["family"].isin(trained["family"])
    assert scores.loc["all/new_words", "n"] == new.sum()

    code, text, err = run_cli(
        capsys, "explain", renamed, model, tmp_path / "run", "--split", "all", "-q"
    )
    assert code == 0, err
    assert f"WARNING: {heard.sum()} of these tokens are of recordings that the network was" in text

    known["sounds"] = list(sounds_of(opened, tokens["token_id"]))
    model = checkpoint(tmp_path / "whole", corpus, corpus_hash="another", **known)
    code, _, err = run_cli(capsys, "evaluate", renamed, model, tmp_path / "none", "-q")
    assert code == 1 and "all its recordings were trained on" in err


def test_sounds_are_known_by_their_samples() -> None:
    rng = np.random.default_rng(3)
    one, other = (np.round(3000 * rng.standard_normal((2, 6000))) / 32768).astype(np.float32)
    assert sound_hash(one) == sound_hash(one.copy()) != sound_hash(other)
    shifted = [sound_hash(one[k : 6000 - 300 + k]) for k in range(0, 300, 10)]
    assert np.mean([h == sound_hash(one) for h in shifted]) > 0.8
    assert sound_hash(np.zeros(5000, dtype=np.float32)) == sound_hash(one[:20]) == ""
    silence = np.zeros(4000, dtype=np.float32)
    assert sound_hash(np.r_[silence, one]) == sound_hash(np.r_[one, silence]) == sound_hash(one)
