"""``stressnet assess`` on tones that play speakers: tables, figure, resuming, refusals."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from conftest import SENTENCES
from matplotlib.figure import Figure

from stressnet.cli import main
from stressnet.corpus.store import Corpus
from stressnet.errors import ConfigError, FolderError
from stressnet.explain.faithfulness import METRICS
from stressnet.explain.faithfulness.battery import Battery
from stressnet.models.checkpoint import CheckpointInfo, save_checkpoint
from stressnet.models.registry import build_model
from stressnet.report.assess_figure import PANELS, plot_faithfulness, rank_methods
from stressnet.runs.manifest import hash_file
from stressnet.runs.result import Result
from stressnet.stages.assess import assess
from stressnet.stages.assess.run import SUMMARY, TABLE
from stressnet.stages.build_corpus import BuildConfig, build_corpus
from stressnet.statistics.faithfulness_summary import summarise_faithfulness

VOICES = {"anna": 210.0, "bea": 190.0, "cleo": 220.0, "dan": 120.0, "emil": 130.0}
METRICS_USED = (
    "comprehensiveness",
    "relevance_gain",
    "road",
    "relevance_mass_accuracy",
    "pointing_game",
    "sparseness",
    "rank_correlation",
    "seed_rank_correlation",
)
OPTIONS: dict[str, Any] = {
    "methods": ["epsilon-plus", "random"],
    "metrics": METRICS_USED,
    "baselines": ["fill"],
    "regions": ["nucleus_stressed", "F1", "padding"],
    "score": "log-odds",
    "max_tokens": 9,
}


def save_network(corpus: Path, folder: Path, seed: int) -> Path:
    """An untrained network that fits the corpus."""
    images = Corpus.open(corpus).images("stressnet")
    torch.manual_seed(seed)
    model = build_model("compact", *images.axes.shape).eval()
    info = CheckpointInfo("compact", *images.axes.shape, "stressnet", images.preset)
    save_checkpoint(folder, model, info)
    return folder


@pytest.fixture(scope="module")
def study(make_corpus: Callable[..., Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A corpus and two networks."""
    folder = tmp_path_factory.mktemp("assess")
    recordings = make_corpus(folder / "recordings", VOICES, SENTENCES[:1])
    build_corpus(recordings, folder / "corpus", config=BuildConfig("generic", no_splits=True))
    save_network(folder / "corpus", folder / "model", 0)
    save_network(folder / "corpus", folder / "other", 1)
    return folder


def run(study: Path, out: Path, **changes: Any) -> Result:
    options = {**OPTIONS, "other_models": [study / "other"], **changes}
    return assess(study / "corpus", study / "model", out, **options)


@pytest.fixture(scope="module")
def result(study: Path) -> Result:
    return run(study, study / "out")


def test_tables_are_tidy_and_complete(result: Result) -> None:
    rows = pd.read_csv(result.path / TABLE, keep_default_na=False, na_values=["", "nan"])
    keys = ["token_id", "method", "metric", "over", "baseline"]
    assert not rows.duplicated(keys).any()
    assert set(rows["metric"]) == set(METRICS_USED)
    counts = rows.groupby(["method", "token_id"]).size()
    assert counts.index.get_level_values("token_id").nunique() == 9
    assert counts.groupby("method").nunique().eq(1).all()
    missing = rows["value"].isna()
    assert (missing == rows["reason"].notna()).all()
    # Padding lies outside the sound that counts: no value, and never a hit.
    assert rows.loc[rows["over"] == "padding", "value"].isna().all()
    assert rows.loc[rows["over"] == "nucleus_stressed", "value"].notna().all()


def test_summary_agrees_with_the_rows(result: Result) -> None:
    summary = pd.read_csv(result.path / SUMMARY).fillna({"over": "", "baseline": ""})
    rows = result.values
    one = summary[(summary["method"] == "epsilon-plus") & (summary["metric"] == "sparseness")]
    own = rows[(rows["method"] == "epsilon-plus") & (rows["metric"] == "sparseness")]
    assert one["mean"].item() == pytest.approx(own["value"].mean(), rel=1e-6)
    assert one["n"].item() == 9
    assert one["n_speakers"].item() == own["speaker"].nunique()
    random = rows[(rows["method"] == "random") & (rows["metric"] == "sparseness")]
    difference = own["value"].to_numpy() - random["value"].to_numpy()
    assert one["minus_random"].item() == pytest.approx(difference.mean(), rel=1e-5)
    assert np.isnan(one["minus_default"].item())
    assert random["value"].mean() == pytest.approx(2**0.5 - 1, abs=0.01)
    assert set(summary["better"]) == {"higher", "lower"}
    gain = summary[(summary["metric"] == "relevance_gain") & (summary["method"] != "random")]
    assert (gain["minus_random"] > 0).all()  # the score is what the maps add up to
    road = summary[summary["metric"] == "road"].set_index("method")
    assert (road["chance"] == road.loc["random", "mean"]).all()


def test_files_are_whole_and_described(result: Result) -> None:
    manifest = json.loads((result.path / "manifest.json").read_text())
    assert manifest["kind"] == "assessment"
    names = {TABLE, SUMMARY, "faithfulness.png", "faithfulness.pdf"}
    assert set(manifest["outputs"]) == names
    for name in names:
        assert hash_file(result.path / name) == manifest["outputs"][name]
    assert {p.name for p in result.path.iterdir()} == {*names, "manifest.json"}


def test_interrupted_run_continues_to_the_same_tables(
    study: Path, result: Result, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole, calls = Battery.run, []

    def interrupted(self: Battery, batch: Any) -> Any:
        calls.append(len(batch.token_ids))
        if len(calls) == 2:
            raise KeyboardInterrupt
        return whole(self, batch)

    monkeypatch.setattr(Battery, "run", interrupted)
    with pytest.raises(KeyboardInterrupt):
        run(study, tmp_path / "out")
    assert not (tmp_path / "out" / TABLE).exists()
    run(study, tmp_path / "out")
    assert calls == [8, 1, 1]
    for name in (TABLE, SUMMARY):
        assert (tmp_path / "out" / name).read_bytes() == (result.path / name).read_bytes()


def test_command_prints_a_ranked_table(
    study: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["assess", str(study / "corpus"), str(study / "model"), str(tmp_path / "a b")]
    arguments += ["--composite", "epsilon", "--method", "gradient", "--metric", "complexity"]
    main([*arguments, "--max-tokens", "3", "--quiet"])
    out = capsys.readouterr().out
    assert "complexity (nats) (lower)" in out
    assert "epsilon" in out
    assert "gradient" in out


def test_refusals_are_one_line(
    study: Path, result: Result, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    cases: list[tuple[dict[str, Any], str]] = [
        ({"methods": ["epsilon-pluss"]}, "no method"),
        ({"methods": ["epsilon-plus-box"]}, "range of the input"),
        ({"metrics": ["truth"]}, "no metric"),
        ({"baselines": ["void"]}, "no baseline"),
        ({"regions": ["F9"]}, "no region"),
        ({"score": "loss"}, "choose from probability"),
    ]
    for changes, text in cases:
        with pytest.raises(ConfigError, match=text):
            run(study, tmp_path / "new", **changes)
    assert not (tmp_path / "new").exists()
    with pytest.raises(FolderError, match="--overwrite"):
        run(study, result.path)
    with pytest.raises(FolderError, match="is also an input"):
        run(study, study / "corpus", overwrite=True)
    assert (study / "corpus" / "tokens.parquet").exists()
    with pytest.raises(SystemExit):
        main(["assess", str(study / "nowhere"), str(study / "model"), str(tmp_path / "x"), "-q"])
    assert capsys.readouterr().err.count("\n") == 1


def made_up_rows() -> pd.DataFrame:
    """Six speakers with four tokens; method b beats a by one everywhere."""
    rng = np.random.default_rng(0)
    rows = []
    for token in range(24):
        level = rng.normal()
        for method, lead in (("a", 0.0), ("b", 1.0), ("random", -1.0)):
            value = level + lead + 0.01 * rng.normal()
            rows.append((f"t{token}", f"s{token % 6}", method, "relevance_gain", value))
    table = pd.DataFrame(rows, columns=["token_id", "speaker", "method", "metric", "value"])
    return table.assign(over="cells", baseline="fill", chance=0.0)


def test_paired_comparison_finds_what_means_would_hide() -> None:
    summary = summarise_faithfulness(made_up_rows(), "a", seed=0).set_index("method")
    assert summary.loc["b", "minus_default"] == pytest.approx(1.0, abs=0.02)
    low, high = summary.loc["b", ["minus_default_low", "minus_default_high"]]
    assert 0.9 < low < 1.0 < high < 1.1
    assert summary.loc["b", "high"] - summary.loc["b", "low"] > high - low
    assert summary.loc["a", "minus_random"] == pytest.approx(1.0, abs=0.02)
    assert summary.loc["b", "minus_default_p"] < 0.05
    assert summary.loc["b", "minus_default_p_holm"] >= summary.loc["b", "minus_default_p"]


def test_figure_ranks_and_shows_only_what_there_is() -> None:
    summary = summarise_faithfulness(made_up_rows(), "a", seed=0)
    assert rank_methods(summary) == ["b", "a", "random"]
    figure = plot_faithfulness(summary, default="a")
    assert isinstance(figure, Figure)
    assert len(figure.axes) == 1
    labels = [tick.get_text() for tick in figure.axes[0].get_yticklabels()]
    assert labels == ["b", "a", "random"]
    with pytest.raises(ConfigError, match="column"):
        plot_faithfulness(summary.drop(columns="chance"))


def test_metrics_without_a_panel_of_their_own_are_shown_too() -> None:
    summary = summarise_faithfulness(made_up_rows(), "a", seed=0)
    summary = summary.assign(metric="seed_rank_correlation", over="with other")
    figure = plot_faithfulness(summary, default="a")
    assert [ax.get_label() for ax in figure.axes] == ["seed rank correlation with other"]


def test_every_panel_is_a_metric() -> None:
    assert {metric for metric, _, _ in PANELS} <= set(METRICS)
