"""Cue baselines on made-up tables with a known answer: which cue tells the stress, how much."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from stressnet.acoustics.cue_table import ID_COLUMNS, contrast_columns
from stressnet.cli import main
from stressnet.errors import ConfigError, CorpusError
from stressnet.report.cues_figure import cue_label, draw_coefficients, draw_importance, plot_cues
from stressnet.runs.manifest import hash_file, write_manifest
from stressnet.runs.tables import write_parquet
from stressnet.training import cue_baselines as cb
from stressnet.training.metrics import evaluate_splits

DURATION = "nucleus_log2ratio_duration"
SPLITS = ("train", "train", "train", "valid", "test", "test_known_words")


def cue_table(n: int = 600, seed: int = 0) -> pd.DataFrame:
    """Duration tells the stress well, F0 a little, nothing else at all; a tenth is missing."""
    rng = np.random.default_rng(seed)
    is_initial = rng.random(n) < 0.7
    sign = np.where(is_initial, 1.0, -1.0)
    columns = {name: rng.standard_normal(n) for name in contrast_columns()}
    columns[DURATION] += 1.5 * sign
    columns["nucleus_diff_f0_max_st"] = 3 * columns["nucleus_diff_f0_max_st"] + 1.5 * sign
    table = pd.DataFrame(columns)
    table = table.mask(rng.random(table.shape) < 0.1)
    speaker = rng.integers(0, 40, n)
    ids = {
        "token_id": [f"t{i}" for i in range(n)],
        "utterance_id": "u",
        "speaker": [f"s{i}" for i in speaker],
        "sex": "female",
        "word": "WORD",
        "family": [f"w{i}" for i in rng.integers(0, 80, n)],
        "stress": np.where(is_initial, "INITIAL", "FINAL"),
        "label_source": "lexicon",
        "is_minimal_pair": False,
        "is_prosody_only_pair": False,
        "split": np.array(SPLITS)[speaker % len(SPLITS)],
        "nucleus_1": "AA1",
        "nucleus_2": "AH0",
    }
    assert set(ids) == set(ID_COLUMNS)
    return pd.concat([pd.DataFrame(ids), table], axis=1)


@pytest.fixture(autouse=True)
def few_trees(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cb, "MAX_TREES", 40)


@pytest.fixture(scope="module")
def data() -> cb.CueData:
    return cb.cue_data(cue_table())


def fit(name: str, data: cb.CueData, seed: int = 0) -> cb.Fitted:
    return cb.fit_baseline(next(b for b in cb.baselines() if b.name == name), data, seed)


def balanced_accuracy(fitted: cb.Fitted, data: cb.CueData, split: str = "test") -> float:
    scores = evaluate_splits(cb.predictions_of(fitted, data), n_resamples=10)
    scores = scores[(scores["test_set"] == split) & (scores["metric"] == "balanced_accuracy")]
    return float(scores["estimate"].iloc[0])


def test_every_relative_cue_is_a_baseline() -> None:
    every = list(cb.baselines())
    assert len({b.name for b in every}) == len(every)
    assert [b.columns[0] for b in every if b.kind == "single cue"] == list(contrast_columns())
    assert set(cb.FIVE_CUES) <= set(contrast_columns())
    grouped = [c for b in every if b.kind == "cue group" for c in b.columns]
    assert sorted(grouped) == sorted(contrast_columns())


def test_who_knows_the_answer(data: cb.CueData) -> None:
    assert balanced_accuracy(fit(cb.MAJORITY, data), data) == 0.5
    assert balanced_accuracy(fit(DURATION, data), data) > 0.85
    assert 0.35 < balanced_accuracy(fit("nucleus_log2ratio_b4", data), data) < 0.65
    for name in (cb.LOGISTIC, cb.BOOSTING, "group-duration", cb.FIVE):
        assert balanced_accuracy(fit(name, data), data) > 0.85, name


def test_polarity_and_columns_are_those_of_a_network(data: cb.CueData) -> None:
    table = cb.predictions_of(fit(DURATION, data), data)
    assert list(table.columns) == [
        "token_id",
        "split",
        "speaker",
        "lemma",
        "speaker_is_known",
        "stress_true",
        "stress_predicted",
        "logit_initial",
        "logit_final",
        "p_initial",
        "word",
        "sex",
        "label_source",
        "is_prosody_only_pair",
    ]
    assert set(table["split"]) == {"valid", "test", "test_known_words"}
    said = table["stress_predicted"] == "INITIAL"
    assert ((table["logit_initial"] >= table["logit_final"]) == said).all()
    assert ((table["p_initial"] >= 0.5) == said).all()
    longer_first = data.table.set_index("token_id")[DURATION].reindex(table["token_id"]).to_numpy()
    assert said[longer_first > 2].all()
    assert not said[longer_first < -2].any()


def test_training_uses_only_the_training_split(data: cb.CueData) -> None:
    """Turning the test labels round changes no prediction."""
    table = data.table.copy()
    tested = table["split"].isin(["test", "test_known_words"])
    table.loc[tested, "stress"] = table.loc[tested, "stress"].map(
        {"INITIAL": "FINAL", "FINAL": "INITIAL"}
    )
    turned = cb.cue_data(table)
    for name in (cb.LOGISTIC, cb.BOOSTING):
        first, second = (cb.predictions_of(fit(name, d), d) for d in (data, turned))
        np.testing.assert_array_equal(first["logit_initial"], second["logit_initial"])


def test_coefficients_are_per_standard_deviation(data: cb.CueData) -> None:
    table = cb.coefficients(fit(cb.FIVE, data), data, n_resamples=40).set_index("cue")
    best = table.loc[DURATION]
    assert best["coefficient"] == table["coefficient"].max() > 0.5
    assert 0 < best["low"] < best["coefficient"] < best["high"]
    # Between the spread inside a class and that of both together, since medians fill gaps.
    assert 1.0 < best["standard_deviation"] < 2.2
    assert table.loc["nucleus_diff_f0_max_st", "low"] > 0
    noise = table.loc["nucleus_diff_peripherality_bark"]
    assert noise["low"] < 0 < noise["high"]
    assert (table["n_missing"] > 0).all()


def test_importance_finds_what_matters(data: cb.CueData) -> None:
    models = [fit(cb.BOOSTING, data, seed) for seed in (0, 1)]
    table = cb.permutation_importance(models, data, n_repeats=1, n_resamples=50)
    cues = table[table["unit"] == "cue"].set_index("name")
    assert cues["importance"].idxmax() == DURATION
    assert cues.loc[DURATION, "importance"] > 0.15
    assert cues.loc[DURATION, "low"] > 0.05
    assert cues.drop(DURATION)["importance"].max() < 0.12
    groups = table[table["unit"] == "group"].set_index("name")
    assert groups["importance"].idxmax() == "duration"
    assert (table["n_seeds"] == 2).all()


def test_a_column_without_values_says_nothing(data: cb.CueData) -> None:
    table = data.table.assign(nucleus_log2ratio_f4=np.nan)
    empty = cb.cue_data(table)
    assert balanced_accuracy(fit("nucleus_log2ratio_f4", empty), empty) == 0.5
    assert balanced_accuracy(fit(cb.LOGISTIC, empty), empty) > 0.85


def test_refusals() -> None:
    table = cue_table()
    with pytest.raises(ConfigError, match="both classes"):
        cb.cue_data(table.assign(split="test"))
    with pytest.raises(ConfigError, match=DURATION):
        cb.cue_data(table.drop(columns=DURATION))


# -- the command -----------------------------------------------------------------------------------


def measured_folder(folder: Path) -> Path:
    folder.mkdir()
    write_parquet(cue_table(300), folder / "cues.parquet")
    write_manifest(
        folder,
        "cues",
        parameters={"corpus_name": "made up"},
        inputs={"corpus": "abc"},
        outputs=[folder / "cues.parquet"],
    )
    return folder


def test_the_command(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    few = ("majority", DURATION, "nucleus_diff_f0_max_st", cb.FIVE, cb.LOGISTIC, cb.BOOSTING)
    chosen = [b for b in cb.baselines() if b.name in few]
    monkeypatch.setattr(cb, "baselines", lambda *_: iter(chosen))
    monkeypatch.setattr(
        cb.permutation_importance,
        "__kwdefaults__",
        {**cb.permutation_importance.__kwdefaults__, "n_repeats": 2, "n_resamples": 20},
    )
    monkeypatch.setattr(cb.coefficients, "__kwdefaults__", {"seed": 0, "n_resamples": 20})
    cues = measured_folder(tmp_path / "cues")
    network = tmp_path / "network"
    network.mkdir()
    data = cb.cue_data(cue_table(300))
    write_parquet(cb.predictions_of(fit(cb.MAJORITY, data), data), network / "predictions.parquet")
    write_manifest(network, "model", parameters={}, inputs={"corpus": "abc"})
    out = tmp_path / "out"
    arguments = ["--seeds", "2", "-q", "--model", str(network)]
    main(["cue-baselines", str(cues), str(out), *arguments, "--resamples", "20"])
    text = capsys.readouterr().out
    assert "gradient-boosting" in text
    assert DURATION in text
    manifest = json.loads((out / "manifest.json").read_text())
    assert manifest["kind"] == "cue-baselines"
    for name in ("baselines.csv", "coefficients.csv", "importance.csv", "comparisons.csv"):
        assert manifest["outputs"][name] == hash_file(out / name)
    metrics = pd.read_csv(out / "baselines.csv")
    assert set(metrics["baseline"]) == set(few)
    assert set(metrics[metrics["baseline"] == cb.BOOSTING]["seed"]) == {0, 1}
    assert {"low", "high", "n", "majority_rate"} <= set(metrics.columns)
    kept = pd.read_parquet(out / "predictions" / f"{cb.LOGISTIC}.parquet")
    assert len(kept) == (data.table["split"] != "train").sum()
    compared = pd.read_csv(out / "comparisons.csv")
    assert (compared["balanced_accuracy_difference"] < 0).all()  # a majority network loses
    assert (out / "cues.png").stat().st_size > 10_000
    write_manifest(network, "model", parameters={}, inputs={"corpus": "other"})
    with pytest.raises(SystemExit) as end:
        main(["cue-baselines", str(cues), str(tmp_path / "again"), *arguments])
    assert end.value.code == 1
    assert "another corpus" in capsys.readouterr().err


def test_not_a_measurement(tmp_path: Path) -> None:
    from stressnet.stages.cue_baselines import run_cue_baselines

    with pytest.raises(CorpusError, match="cues"):
        run_cue_baselines(tmp_path, tmp_path.with_name("out"))


# -- the figure ------------------------------------------------------------------------------------


def test_every_contrast_has_a_label() -> None:
    labels = [cue_label(column) for column in contrast_columns()]
    assert len(set(labels)) == len(labels)
    assert cue_label("nucleus_diff_f0_max_st") == "vowel: F0 maximum (st)"
    assert cue_label("formants") == "formants"


def test_figure_shows_every_cue_with_its_sign(data: cb.CueData) -> None:
    from matplotlib.colors import to_rgba
    from matplotlib.figure import Figure

    from stressnet.lexicon.stress import Stress
    from stressnet.report.style import STRESS_COLOURS

    weights = cb.coefficients(fit(cb.FIVE, data), data, n_resamples=10)
    ax = Figure().add_subplot()
    draw_coefficients(ax, weights)
    assert [t.get_text() for t in ax.get_yticklabels()] == [cue_label(c) for c in weights["cue"]]
    dots = ax.collections[-1]
    np.testing.assert_allclose(dots.get_offsets()[:, 0], weights["coefficient"])
    warm = to_rgba(STRESS_COLOURS[Stress.INITIAL])
    for colour, value in zip(dots.get_facecolors(), weights["coefficient"], strict=True):
        assert (tuple(colour) == warm) == (value >= 0)
    importance = cb.permutation_importance([fit(cb.FIVE, data)], data, n_repeats=2, n_resamples=10)
    ax = Figure().add_subplot()
    draw_importance(ax, importance[importance["unit"] == "cue"])
    assert ax.get_yticklabels()[0].get_text() == cue_label(DURATION)
    figure = plot_cues(weights, importance.assign(baseline="a"), baseline=cb.FIVE)
    assert len(figure.axes) == 3
