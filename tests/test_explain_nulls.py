"""stressnet explain with nulls, partitions and own regions; stressnet sensitivity; their tables."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
import torch
from documented import columns

from stressnet.cli import main
from stressnet.corpus.store import Corpus
from stressnet.errors import CheckpointError, ConfigError
from stressnet.explain import attribute_batch
from stressnet.models.checkpoint import (
    CheckpointInfo,
    load_checkpoint,
    save_checkpoint,
    untrained_network,
)
from stressnet.models.registry import build_model
from stressnet.regions import BandRule
from stressnet.regions.from_corpus import SceneReader
from stressnet.regions.registry import REGIONS
from stressnet.stages.build_corpus import BuildConfig, build_corpus
from stressnet.stages.explain import explain_corpus
from stressnet.stages.sensitivity import measure_sensitivity
from stressnet.stages.stats import run_statistics
from stressnet.statistics.analysis import RunEntry, StatsConfig

VOICES = {"anna": 210.0, "bea": 190.0, "cleo": 220.0, "dan": 120.0, "emil": 130.0}
PAGE = Path(__file__).parents[1] / "docs" / "data-dictionary.md"
MINE = """
import numpy as np
from stressnet.intervals import Interval
from stressnet.regions import region

@region("first_30_ms", "the first 30 ms of the word")
def first(scene):
    return np.outer(scene.in_band(0, 8000), scene.in_time(Interval(0.0, 0.03, "")))
"""


@pytest.fixture(scope="module")
def study(make_corpus, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A corpus of five tones and two networks with random weights, a run with every null."""
    folder = tmp_path_factory.mktemp("nulls")
    recordings = make_corpus(folder / "recordings", VOICES)
    build_corpus(recordings, folder / "corpus", config=BuildConfig("generic", no_splits=True))
    images = Corpus.open(folder / "corpus").images("stressnet")
    for seed, name in enumerate(("model", "permuted")):
        torch.manual_seed(seed)
        n_bins, n_frames = images.axes.shape
        info = CheckpointInfo("compact", n_bins, n_frames, "stressnet", images.preset)
        save_checkpoint(folder / name, build_model("compact", n_bins, n_frames).eval(), info)
    (folder / "mine.py").write_text(MINE, encoding="utf-8")
    command = ["explain", folder / "corpus", folder / "model", folder / "run", "-q", "--jobs", "1"]
    command += ["--null", "all", "--null-model", folder / "permuted", "--bands", "fixed-bins:2"]
    command += ["--partition", "parts", "--regions-file", folder / "mine.py"]
    command += ["--untrained", "2", "--control-tokens", "40"]
    try:
        main([str(part) for part in command])
    finally:
        REGIONS.pop("first_30_ms", None)
    return folder


def test_every_null_has_its_rows(study: Path) -> None:
    relevance = pd.read_parquet(study / "run" / "relevance.parquet")
    nulls = pd.read_parquet(study / "run" / "nulls.parquet")
    names = {"exchange", "time_shift", "frequency_shift", "untrained", "input", "permuted"}
    assert set(nulls["null"]) == names
    assert not nulls.duplicated(["token_id", "region", "null", "draw"]).any()
    shifted = nulls[nulls["null"] == "frequency_shift"]["region"]
    assert {"F1", "valley_F1_F2"} <= set(shifted)
    assert not {"consonants", "band_0_500_hz", "padding"} & set(shifted)
    # relevance.parquet repeats the exchange
    exchange = nulls[nulls["null"] == "exchange"].set_index(["token_id", "region"])["density"]
    both = relevance.set_index(["token_id", "region"]).join(exchange, rsuffix="_there", how="inner")
    np.testing.assert_allclose(both["null_density"], both["density_there"])
    # areas do not change where only the map is another
    for name, draw in (("untrained", 0), ("untrained", 1), ("input", pd.NA), ("permuted", pd.NA)):
        of_draw = nulls["draw"].isna() if draw is pd.NA else nulls["draw"] == draw
        theirs = nulls[(nulls["null"] == name) & of_draw].set_index(["token_id", "region"])
        joined = relevance.set_index(["token_id", "region"]).join(theirs, rsuffix="_n", how="inner")
        np.testing.assert_allclose(joined["area_share"], joined["area_share_n"])
        assert (joined["density"] - joined["density_n"]).abs().max() > 0.01
        # the exchange of the other map, too: the same masks of other tokens
        np.testing.assert_allclose(joined["null_area_share"], joined["null_area_share_n"])
        assert (joined["null_density"] - joined["null_density_n"]).abs().max() > 0.01
    assert "first_30_ms" in set(relevance["region"])


def test_controls_are_of_a_sample_spread_over_speakers(study: Path) -> None:
    nulls = pd.read_parquet(study / "run" / "nulls.parquet")
    tokens = pd.read_parquet(study / "run" / "tokens.parquet")
    controls = nulls[nulls["null"].isin(["untrained", "input"])]
    for _, rows in controls.groupby(["null", "draw"], dropna=False):
        assert rows["token_id"].nunique() == 40
    chosen = tokens[tokens["token_id"].isin(controls["token_id"])]
    assert set(chosen["speaker"].value_counts()) == {40 // len(VOICES)}
    manifest = json.loads((study / "run" / "manifest.json").read_text())
    assert manifest["results"]["untrained_seeds"] == [0, 1]
    assert manifest["results"]["n_control_tokens"] == 40


def test_the_input_is_its_own_map(study: Path) -> None:
    corpus = Corpus.open(study / "corpus")
    nulls = pd.read_parquet(study / "run" / "nulls.parquet")
    row = nulls[(nulls["null"] == "input") & (nulls["region"] == "word")].iloc[0]
    at = int(np.flatnonzero(corpus.tokens["token_id"] == row["token_id"])[0])
    images = corpus.images("stressnet")
    reader = SceneReader(corpus, "stressnet", BandRule.parse("fixed-bins:2"))
    scene = reader.scene(row["token_id"])
    image = np.maximum(images.values[at], 0) ** 2
    mask = scene.in_time(scene.times.word)
    sound = images.mask[at]
    expected = (image * mask).sum() / mask.sum() / image.shape[0] / image[:, sound].mean()
    assert row["density"] == pytest.approx(expected, rel=1e-5)


def test_an_untrained_network_is_like_its_controls(study: Path, tmp_path: Path) -> None:
    """Explained as if it were trained: the model of this study has random weights."""
    run = tmp_path / "run"
    explain_corpus(study / "corpus", study / "model", run, max_tokens=40, seed=3, jobs=1)
    config = StatsConfig(
        run=[RunEntry(str(run))], measures=["density"], strata=["stress"], model=[]
    )
    claims = run_statistics(config, tmp_path / "stats").tables["claims"]
    tracks = claims[claims["claim"].isin(["F1", "F2", "F3"]) & (claims["stratum"] == "ALL")]
    against = tracks[tracks["null"] == "untrained"]
    assert (against["n_draws"] == 5).all()
    assert against["effect"].between(0.8, 1.25).all()
    assert set(tracks["verdict"]) == {"needs three networks"}


def test_no_controls_no_claims(study: Path, tmp_path: Path) -> None:
    options = {"untrained": 0, "max_tokens": 20, "jobs": 1}
    explain_corpus(study / "corpus", study / "model", tmp_path / "run", **options)
    nulls = pd.read_parquet(tmp_path / "run" / "nulls.parquet")
    assert set(nulls["null"]) == {"exchange"}
    claims = run_statistics(tmp_path / "run", tmp_path / "stats").tables["claims"]
    density = claims[claims["claim"] != "throughout the word"]
    assert set(density["verdict"]) == {"not tested"}


def test_summary_against_every_null(study: Path) -> None:
    summary = pd.read_csv(study / "run" / "summary_nulls.csv")
    own = pd.read_csv(study / "run" / "summary.csv")
    assert list(summary.columns) == ["null", *own.columns]
    keys = ["region", "stress", "measure"]
    exchange = summary[summary["null"] == "exchange"].set_index(keys)["difference"]
    expected = own.set_index(keys)["difference"].reindex(exchange.index).dropna()
    np.testing.assert_allclose(exchange[expected.index], expected)
    localisation = pd.read_csv(study / "run" / "summary_localisation.csv")
    assert {"rank_accuracy", "iou", "pointing"} <= set(localisation["measure"])
    manifest = json.loads((study / "run" / "manifest.json").read_text())
    assert manifest["parameters"]["bands"] == "fixed-bins:2"
    assert set(manifest["results"]["accuracy_of_nulls"]) == {"untrained", "permuted"}
    assert manifest["results"]["donors_match_in"]["sex"] == 1.0
    assert not (study / "run" / "state").exists()


def test_partitions_add_to_one(study: Path) -> None:
    parts = pd.read_parquet(study / "run" / "partitions.parquet")
    sums = parts.groupby(["token_id", "partition"])[["positive_share", "area_share"]].sum()
    np.testing.assert_allclose(sums, 1.0)


@pytest.mark.parametrize("name", ["relevance.parquet", "nulls.parquet", "partitions.parquet"])
def test_tables_are_documented(study: Path, name: str) -> None:
    section = PAGE.read_text(encoding="utf-8").split(f"## {name}\n")[1].split("\n## ")[0]
    schema = pq.read_schema(study / "run" / name)
    assert columns(section) == [(f.name, str(f.type).removeprefix("large_")) for f in schema]


def test_files_are_documented(study: Path) -> None:
    section = PAGE.read_text(encoding="utf-8").split("## Run folder\n")[1].split("\n## ")[0]
    for file in (study / "run").iterdir():
        assert f"`{file.name}`" in section or file.name == "manifest.json", file.name


def test_workers_do_not_change_the_tables(study: Path, tmp_path: Path) -> None:
    for jobs in (1, 2):
        explain_corpus(
            study / "corpus",
            study / "model",
            tmp_path / str(jobs),
            nulls=["time_shift"],
            max_tokens=60,
            jobs=jobs,
        )
    for name in ("relevance.parquet", "nulls.parquet"):
        assert (tmp_path / "1" / name).read_bytes() == (tmp_path / "2" / name).read_bytes()


def test_a_token_that_fails_is_counted(
    study: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    corpus = tmp_path / "corpus"
    shutil.copytree(study / "corpus", corpus)
    tokens = pd.read_parquet(corpus / "tokens.parquet")
    (corpus / str(tokens["excerpt_file"].iloc[0])).unlink()
    with pytest.raises(SystemExit) as end:
        main(["explain", str(corpus), str(study / "model"), str(tmp_path / "run"), "-q", "-j1"])
    assert end.value.code == 3
    assert "1 tokens could not be projected" in capsys.readouterr().err
    failures = pd.read_csv(tmp_path / "run" / "failures.csv")
    assert failures["item"].tolist() == [tokens["token_id"].iloc[0]]
    relevance = pd.read_parquet(tmp_path / "run" / "relevance.parquet")
    assert relevance["token_id"].nunique() == len(tokens) - 1


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"nulls": ["shuffle"]}, "no null 'shuffle'"),
        ({"nulls": ["untrained"]}, "--untrained"),
        ({"bands": "narrow"}, "band rule"),
        ({"partitions": ["colours"]}, "no partition"),
        ({"region_files": [Path("absent.py")]}, "no Python file"),
        ({"null_models": ["permuted", "permuted"]}, "already a null"),
    ],
)
def test_bad_requests_are_named(study: Path, tmp_path: Path, options: dict, message: str) -> None:
    if "null_models" in options:
        options = {"null_models": [study / name for name in options["null_models"]]}
    with pytest.raises(ConfigError, match=message):
        explain_corpus(study / "corpus", study / "model", tmp_path / "run", **options)
    with pytest.raises(CheckpointError):
        explain_corpus(
            study / "corpus", study / "model", tmp_path / "run", null_models=[tmp_path / "none"]
        )


def test_untrained_networks_are_reproducible_and_alive(study: Path) -> None:
    from stressnet.models.checkpoint import load_checkpoint

    _, info = load_checkpoint(study / "model")
    images = Corpus.open(study / "corpus").images("stressnet").values[:8]
    before = torch.random.get_rng_state()
    first, again = (untrained_network(info, images, 3) for _ in range(2))
    assert torch.equal(before, torch.random.get_rng_state())
    batch = torch.from_numpy(np.array(images))[:, None]
    with torch.no_grad():
        assert torch.equal(first(batch), again(batch))
        assert first(batch).std() > 1e-3
    assert not torch.equal(untrained_network(info, images, 4)(batch), first(batch))


def test_maps_against_the_mean_spectrum(
    study: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "run"
    command = ["explain", study / "corpus", study / "model", out, "-q", "-j", "1"]
    command += ["--composite", "integrated-gradients-mean", "--max-tokens", "20"]
    main([str(part) for part in command])
    assert "the mean spectrum has itself" in capsys.readouterr().out
    corpus = Corpus.open(study / "corpus")
    model, info = load_checkpoint(study / "model")
    images = corpus.images(info.preset)
    tokens = pd.read_parquet(out / "tokens.parquet")
    token = tokens.iloc[3]
    at = int(np.flatnonzero(corpus.tokens["token_id"] == token["token_id"])[0])
    # The mean is that of training tokens; this corpus has none, so it is that of the run's tokens.
    assert "train" not in set(corpus.tokens["split"])
    everything = corpus.select(["all"], None, 0)
    assert len(everything) == corpus.tokens["stress"].notna().sum() >= len(tokens)
    known = np.flatnonzero(corpus.tokens["token_id"].isin(tokens["token_id"]))
    sound = np.concatenate([images.values[k][:, images.mask[k]] for k in known], axis=1)
    baseline = np.array(images.values[at])
    baseline[:, images.mask[at]] = sound.mean(axis=1, dtype=np.float64)[:, None]
    wanted = attribute_batch(
        model,
        torch.from_numpy(np.array(images.values[at]))[None, None],
        "integrated-gradients",
        baseline=torch.from_numpy(baseline)[None, None],
    ).relevance[0, 0]
    found = np.load(out / "maps.npy")[token["map_index"]]
    np.testing.assert_allclose(found, wanted, atol=1e-4 * float(wanted.abs().max()))
    assert not found[:, ~images.mask[at]].any() and found.any()


def test_sensitivity_table(study: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "sensitivity"
    command = ["sensitivity", study / "corpus", study / "model", out, "--model", study / "permuted"]
    command += ["--composite", "epsilon", "--composite", "epsilon-plus", "--bands", "fixed-hz"]
    command += ["--bands", "fixed-hz:*2", "--max-tokens", "20", "-q", "-j", "1"]
    command += ["--region", "F1", "--region", "nucleus_stressed"]
    main([str(part) for part in command])
    assert "by composite" in capsys.readouterr().out
    table = pd.read_csv(out / "sensitivity.csv")
    keys = ["model", "composite", "bands", "region", "stress", "measure"]
    assert not table.duplicated(keys).any()
    everyone = table[(table["stress"] == "ALL")].set_index([*keys[:4], "measure"])
    area = everyone.xs("area_share", level="measure")["mean"]
    narrow = area["model", "epsilon", "fixed-hz:100,150,200,250", "F1"]
    wide = area["model", "epsilon", "fixed-hz:200,300,400,500", "F1"]
    assert wide / narrow == pytest.approx(2.0, rel=0.05)
    first = everyone.loc[("model", "epsilon", "fixed-hz:100,150,200,250")]
    assert (first["change"].dropna() == 0).all()
    change = everyone["mean"] - everyone["reference_mean"]
    np.testing.assert_allclose(change.dropna(), everyone["change"].dropna(), atol=1e-12)
    assert set(table["window_s"]) == {0.025}
    # a region of times is the same under every band rule and comes once
    assert table[table["region"] == "nucleus_stressed"]["bands"].nunique() == 1
    with pytest.raises(ConfigError, match="twice"):
        measure_sensitivity(
            study / "corpus", study / "model", tmp_path / "x", models=[study / "model"]
        )
    with pytest.raises(ConfigError, match="no composite"):
        measure_sensitivity(study / "corpus", study / "model", tmp_path / "x", composites=["magic"])


def test_regions_are_listed_and_drawn(
    study: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    main(["regions"])
    out = capsys.readouterr().out
    for name in REGIONS:
        assert f"\n{name} " in out
    figure = tmp_path / "sheet.png"
    main(["regions", str(study / "corpus"), "--figure", str(figure), "--token", "PERMIT"])
    from matplotlib.image import imread

    drawn = imread(figure)
    assert drawn.shape[0] > 1000
    assert drawn[..., :3].std() > 0.05
    two = ["--token", "PERMIT", "--region", "nuclei", "--region", "word"]
    main(["regions", str(study / "corpus"), "--figure", str(figure), *two])
    assert imread(figure).shape[0] < 400  # three panels in one row
    for arguments in (["--token", "NOBODY", "--figure", str(figure)], ["--figure", "sheet.xyz"]):
        with pytest.raises(SystemExit) as end:
            main(["regions", str(study / "corpus"), *arguments])
        assert end.value.code == 1
