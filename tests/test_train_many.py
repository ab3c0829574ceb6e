"""Seeds, folds, searches and the listing of networks, as commands on a corpus of patches."""

from __future__ import annotations

import tomllib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from command_line import run_cli
from toy_corpus import write_toy_corpus

from stressnet.cli import main
from stressnet.corpus.store import Corpus
from stressnet.errors import CheckpointError, ConfigError, FolderError
from stressnet.evaluation.heard import Heard
from stressnet.evaluation.sets import load_models
from stressnet.models.checkpoint import TrainedNetwork, load_checkpoint, read_info
from stressnet.models.registry import MODELS
from stressnet.stages.train import TrainOptions, train_model
from stressnet.stages.train import run as train_stage
from stressnet.training.calibration import calibration_of
from stressnet.training.corpus_data import Fold, splits_of_fold, stress_data
from stressnet.training.metrics import evaluate_splits
from stressnet.training.recipes import TrainConfig, get_recipe, read_recipe, write_recipe
from stressnet.training.trained import average_logits, pool_folds

QUICK = {"max_epochs": 2, "mask_frames": 2, "mask_bins": 4, "batch_size": 16}


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_toy_corpus(tmp_path_factory.mktemp("toy") / "corpus")


# -- seeds


@pytest.fixture(scope="module")
def seeds(corpus: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("seeds") / "out"
    settings = [part for k, v in QUICK.items() for part in ("--set", f"{k}={v}")]
    main(["train", str(corpus), str(out), "--seeds", "2", "--seed", "3", "-q", *settings])
    return out


def test_each_seed_is_a_checkpoint(seeds: Path, corpus: Path) -> None:
    models = sorted(path.parent.name for path in seeds.glob("*/model.json"))
    assert models == ["seed-3", "seed-4"]
    for name in models:
        _, info = load_checkpoint(seeds / name)
        assert info.seed == int(name[-1]) == info.training["recipe"]["seed"]
        assert info.training["recipe"]["class_balance"] == "weights"
        assert info.corpus_hash == Corpus.open(corpus).fingerprint


def test_summary_is_over_seeds_and_of_averaged_logits(seeds: Path) -> None:
    summary = pd.read_csv(seeds / "summary.csv")
    members = [pd.read_csv(seeds / f"seed-{n}" / "metrics.csv") for n in (3, 4)]
    found = [m[(m.test_set == "test") & (m.metric == "auroc")]["estimate"].item() for m in members]
    row = summary[(summary.test_set == "test") & (summary.metric == "auroc")].iloc[0]
    assert row["n_seeds"] == 2
    assert row["mean"] == pytest.approx(np.mean(found))
    assert row["sd"] == pytest.approx(np.std(found, ddof=1))
    predictions = [pd.read_parquet(seeds / f"seed-{n}" / "predictions.parquet") for n in (3, 4)]
    mean = sum(p["logit_initial"] - p["logit_final"] for p in predictions) / 2
    ensemble = pd.read_parquet(seeds / "ensemble" / "predictions.parquet")
    np.testing.assert_allclose(ensemble["logit_initial"] - ensemble["logit_final"], mean)
    np.testing.assert_allclose(ensemble["p_initial"], 1 / (1 + np.exp(-mean)))
    assert ((ensemble["stress_predicted"] == "INITIAL") == (mean >= 0)).all()
    again = evaluate_splits(ensemble, seed=3)
    stored = pd.read_csv(seeds / "ensemble" / "metrics.csv")
    np.testing.assert_allclose(stored["estimate"], again["estimate"])
    assert set(summary["test_set"]) == set(members[0]["test_set"])


def test_networks_are_calibrated_on_their_validation_tokens(seeds: Path) -> None:
    network = TrainedNetwork.load(seeds / "seed-3")
    table = pd.read_parquet(seeds / "seed-3" / "predictions.parquet").query("split == 'valid'")
    scores, final = table["logit_initial"] - table["logit_final"], table["stress_true"] == "FINAL"
    found = calibration_of(network)
    assert found.n == len(table) and found.balanced
    recalls = [(s >= found.threshold).mean() for s in (scores[~final], scores[final])]
    assert abs(recalls[0] - (1 - recalls[1])) <= 1 / min(final.sum(), (~final).sum())


def test_members_of_other_tokens_are_not_averaged() -> None:
    table = pd.DataFrame({"token_id": ["a", "b"], "logit_initial": 0.0, "logit_final": 0.0})
    with pytest.raises(CheckpointError, match="not of the same tokens"):
        average_logits([table, table[::-1].reset_index(drop=True)])


def test_finished_seeds_are_kept_and_others_refused(
    seeds: Path, corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out"
    train_model(corpus, out, seeds=1, changes=QUICK)
    stamp = (out / "seed-0" / "model.safetensors").stat().st_mtime_ns
    with pytest.raises(FolderError, match="already holds a set of models"):
        train_model(corpus, out, seeds=2, changes=QUICK)
    # Interrupted between its networks: the finished ones are not trained again.
    out = tmp_path / "cut"
    original, calls = train_stage.train_one, []

    def interrupt(*args: object, **options: object) -> object:
        if len(calls) == 1:
            raise KeyboardInterrupt
        calls.append(args)
        return original(*args, **options)

    with monkeypatch.context() as patch:
        patch.setattr(train_stage, "train_one", interrupt)
        with pytest.raises(KeyboardInterrupt):
            train_model(corpus, out, seeds=2, changes=QUICK)
    stamp = (out / "seed-0" / "model.safetensors").stat().st_mtime_ns
    done = train_model(corpus, out, seeds=2, changes=QUICK)
    assert (out / "seed-0" / "model.safetensors").stat().st_mtime_ns == stamp
    assert len(done.models) == 2
    assert done.manifest["results"] == {"n_models": 2}


# -- folds


def test_folds_share_nothing(corpus: Path) -> None:
    tokens = Corpus.open(corpus).tokens
    tested = []
    for number in (1, 2, 3):
        splits = splits_of_fold(tokens, Fold(number, 3, seed=5))
        train, test = (tokens[splits == name] for name in ("train", "test"))
        for column in ("speaker", "family"):
            assert not set(train[column]) & set(test[column])
        assert len(train) and len(test)
        assert not train["is_minimal_pair"].any()
        tested += test["token_id"].tolist()
    assert len(tested) == len(set(tested))
    data = stress_data(Corpus.open(corpus), "stressnet", Fold(2, 3, seed=5))
    splits = splits_of_fold(tokens, Fold(2, 3, seed=5))
    assert (data.rows("test") == np.flatnonzero(splits == "test")).all()
    merged = ["valid", "valid_known_words", "valid_known_speakers"]
    assert (data.rows("valid") == np.flatnonzero(splits.isin(merged))).all()


def test_cross_validation(corpus: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "folds"
    settings = [part for k, v in QUICK.items() for part in ("--set", f"{k}={v}")]
    code, text, _ = run_cli(
        capsys, "train", corpus, out, "--folds", 3, "--seeds", 2, "-q", *settings
    )
    assert code == 0
    assert len(list(out.glob("fold-*/seed-*/model.json"))) == 6
    summary = pd.read_csv(out / "summary.csv", dtype={"fold": str})
    assert set(summary["fold"]) == {"1", "2", "3", "pooled"}
    tokens = Corpus.open(corpus).tokens.set_index("token_id")
    pooled = pd.read_parquet(out / "ensemble" / "predictions.parquet")
    assert not pooled.duplicated(["token_id", "split"]).any()
    test = pooled[pooled["split"] == "test"]
    assert test["speaker"].nunique() == tokens["speaker"].nunique()  # each was new once
    assert not (pooled["split"] == "valid").any()
    info = read_info(out / "fold-2" / "seed-1")
    assert info.training["fold"] == {"number": 2, "n_folds": 3, "seed": 0}
    counts = summary[(summary.test_set == "test") & (summary.metric == "accuracy")]
    by_fold = counts.set_index("fold")
    assert by_fold.loc["pooled", "n"] == by_fold.loc[["1", "2", "3"], "n"].sum()
    assert by_fold.loc["pooled", "mean"] == pytest.approx(
        by_fold.loc[["1", "2", "3"], "mean"].mean()
    )
    assert "pooled" in text
    assert "fold    test set" in text


def test_pairs_of_folds_are_of_new_speakers_only() -> None:
    def table(known: list[bool], logit: float) -> pd.DataFrame:
        return pd.DataFrame(
            {
                "token_id": ["a", "b"],
                "split": "minimal_pairs",
                "speaker_is_known": known,
                "logit_initial": logit,
                "logit_final": 0.0,
            }
        )

    folds = [table([True, False], 8.0), table([False, False], 2.0), table([True, True], 9.0)]
    pooled = pool_folds(folds).set_index("token_id")
    assert pooled.loc["a", "logit_initial"] == 2.0
    assert pooled.loc["b", "logit_initial"] == 5.0


def test_too_many_folds(corpus: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, _, error = run_cli(capsys, "train", corpus, tmp_path / "x", "--folds", 12, "-q")
    assert code == 1
    assert "too few for 12 folds" in error
    assert not (tmp_path / "x").exists()


# -- recipes as files, settings, searches


def test_recipe_files(tmp_path: Path, corpus: Path) -> None:
    config = get_recipe("transformer", noise_snr_db=(5, 20), max_minutes=2.5, seed=4)
    write_recipe(tmp_path / "mine.toml", config)
    assert read_recipe(tmp_path / "mine.toml") == config
    (tmp_path / "short.toml").write_text('base = "allouche2025-lenet"\nbatch_size = 7\n')
    short = read_recipe(tmp_path / "short.toml")
    assert (short.name, short.batch_size, short.learning_rate) == ("short", 7, 1e-3)
    recipe = str(tmp_path / "short.toml")
    assert TrainOptions(recipe=recipe, seed=9).training().class_balance == "none"
    assert TrainOptions(recipe="allouche2025-lenet", seed=9).training().class_balance == "weights"
    assert TrainOptions(recipe=recipe, seed=9).training().seed == 9
    for text, message in (
        ("batch_size = 0", r"bad\.toml: .*at least 1"),
        ("momentum = 0.9", r"bad\.toml: .*no parameter momentum"),
        ('base = "other"', "base 'other' is none of"),
        ("batch_size =", "not valid TOML"),
        ('learning_rate = "fast"', r"bad\.toml"),
    ):
        (tmp_path / "bad.toml").write_text(text)
        with pytest.raises(ConfigError, match=message):
            read_recipe(tmp_path / "bad.toml")
    with pytest.raises(ConfigError, match="cannot be read"):
        read_recipe(tmp_path / "none.toml")


def test_settings_from_the_command_line(
    corpus: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = [
        "train",
        corpus,
        tmp_path / "m",
        "-q",
        "--max-epochs",
        1,
        "--precision",
        "bfloat16",
    ]
    settings = ["--set", "noise_snr_db=[5, 30]", "--set", "class_balance=sampler"]
    code, _, _ = run_cli(capsys, *arguments, *settings, "--shuffle-labels", "--tensorboard")
    assert code == 0
    recipe = read_info(tmp_path / "m").training["recipe"]
    assert recipe["noise_snr_db"] == [5, 30]
    assert recipe["class_balance"] == "sampler"
    assert recipe["precision"] == "bfloat16"
    assert recipe["shuffle_labels"] is True
    assert list((tmp_path / "m" / "tensorboard").glob("events*"))
    code, _, error = run_cli(capsys, *arguments, "--set", "speed")
    assert (code, "not FIELD=VALUE" in error) == (2, True)
    code, _, error = run_cli(capsys, *arguments, "--set", "speed=3")
    assert (code, "no parameter speed" in error) == (1, True)


def test_search(corpus: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("optuna")
    out = tmp_path / "search"
    arguments = ["search", corpus, out, "-q", "--max-epochs", 1, "--set", "batch_size=32"]
    code, text, _ = run_cli(capsys, *arguments, "--trials", 2)
    assert code == 0
    trials = pd.read_csv(out / "trials.csv")
    assert len(trials) == 2
    assert trials["value"].is_monotonic_increasing
    assert "params_batch_size" not in trials  # --set fixes it
    best = tomllib.loads((out / "best.toml").read_text())
    assert best["batch_size"] == 32
    assert best["learning_rate"] == pytest.approx(trials["params_learning_rate"][0])
    assert len((out / "study.jsonl").read_text().splitlines()) > 2
    number = int(trials["number"][0])
    info = read_info(out / f"trial-{number:03d}")
    assert info.metrics["valid_loss"] == trials["value"][0]
    config = read_recipe(out / "best.toml")
    assert config.to_dict() == info.training["recipe"] | {"name": "compact-searched"}
    assert "best.toml" in text
    code, _, error = run_cli(capsys, *arguments, "--trials", 3)
    assert (code, "already holds a search" in error) == (1, True)
    train_model(corpus, tmp_path / "m", recipe=out / "best.toml")
    assert read_info(tmp_path / "m").training["recipe"]["name"] == "compact-searched"


def test_every_changed_field_exists() -> None:
    optuna = pytest.importorskip("optuna")
    from stressnet.training.recipes import suggest

    trial = optuna.trial.FixedTrial(
        {
            "learning_rate": 1e-3,
            "weight_decay": 0.01,
            "batch_size": 16,
            "label_smoothing": 0.1,
            "time_shift_frames": 2,
            "mask_frames": 4,
            "mask_bins": 5,
            "speed_range": 0.1,
            "pitch_semitones": 1.0,
            "vocal_tract_range": 0.1,
            "noise_share": 0.5,
            "room_share": 0.5,
        }
    )
    changed = get_recipe("compact", **suggest(trial, TrainConfig(name="x")))
    assert changed.noise_snr_db == (5.0, 30.0)
    assert "noise_snr_db" not in suggest(trial, TrainConfig(name="x"), ["noise_snr_db"])


# -- listing


def test_models_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    code, text, _ = run_cli(capsys, "models")
    assert code == 0
    lines = text.splitlines()
    listed = [line.split()[0] for line in lines[1:-1]]
    assert listed == list(MODELS)
    lenet = next(line for line in lines if line.startswith("lenet"))
    for part in ("16.29 M", "56 M", "170 ms x 800 Hz", "161 x 101 (allouche2025)", "epsilon-gamma"):
        assert part in lenet
    assert "attn-lrp" in next(line for line in lines if line.startswith("transformer"))
    code, text, _ = run_cli(capsys, "models", "--layers", "lenet")
    assert text.splitlines()[0].split() == [
        "conv1",
        *"Conv2d(1, 20, kernel_size=(5, 5), stride=(1, 1))".split(),
    ]
    code, _, error = run_cli(capsys, "models", "--preset", "mel")
    assert (code, "no spectrogram preset" in error) == (1, True)


# -- all tokens


@pytest.fixture(scope="module")
def everything(corpus: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("all") / "model"
    return train_model(corpus, out, changes={**QUICK, "weight_average": 0.9}, all_tokens=True).path


def test_all_tokens_are_trained_on_and_the_last_weights_kept(
    corpus: Path, everything: Path
) -> None:
    tokens = Corpus.open(corpus).tokens
    info = read_info(everything)
    assert info.training["n_train"] == tokens["stress"].notna().sum()
    assert info.training["n_valid"] == 0
    assert info.training["all_tokens"]
    assert info.training["best_epoch"] == info.training["epochs"] == QUICK["max_epochs"]
    assert info.training["speakers"] == sorted(tokens["speaker"].unique())
    assert info.training["families"] == sorted(tokens["family"].unique())
    assert len(info.training["recordings"]) == tokens["utterance_id"].nunique()
    assert not (everything / "metrics.csv").exists()
    assert "valid_loss" not in info.metrics


def test_labels_that_only_the_aligner_gave_are_never_trained_on(corpus: Path) -> None:
    opened = Corpus.open(corpus)
    opened.tokens.loc[:4, "label_source"] = "aligner"
    opened.tokens.loc[5, "stress"] = None
    data = stress_data(opened, "stressnet", all_tokens=True)
    assert (data.splits[:6] == "unlabelled").all()
    assert (data.splits[6:] == "train").all()


def test_all_tokens_command(
    corpus: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = [part for k, v in QUICK.items() for part in ("--set", f"{k}={v}")]
    arguments = ["train", str(corpus), str(tmp_path / "m"), "--all-tokens", "-q", *settings]
    code, out, _ = run_cli(capsys, *arguments)
    assert code == 0
    assert "nothing is left to test on" in out
    code, _, err = run_cli(capsys, *arguments, "--seeds", "2")
    assert code == 2
    assert "--all-tokens trains one network" in err
    code, _, err = run_cli(
        capsys, "evaluate", str(corpus), str(tmp_path / "m"), str(tmp_path / "e")
    )
    assert code == 1
    assert "was trained on all tokens" in err
    assert not (tmp_path / "e").exists()


def test_all_tokens_need_a_recipe_that_ends_by_itself(corpus: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="needs a recipe that ends by itself"):
        train_model(
            corpus, tmp_path / "m", changes={**QUICK, "schedule": "constant"}, all_tokens=True
        )


def test_tokens_by_speakers_heard_in_training_are_counted(everything: Path, corpus: Path) -> None:
    """A corpus built again is another corpus; its speakers still have their names."""
    heard = replace(Heard.by(load_models([everything])), sounds=frozenset())
    tokens = pd.DataFrame({"speaker": ["s0", "s8", "s8", "elsewhere"], "utterance_id": "new"})
    tokens["word"] = "WATER"
    found = heard.in_corpus(Corpus.open(corpus), tokens)
    assert found["speaker"].tolist() == [True, True, True, False]
    assert not found["recording"].any()
