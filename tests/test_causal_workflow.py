"""``psychometrics``, ``causal-agreement`` and ``findings`` on a small corpus of synthetic words."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from command_line import run_cli
from spoken_words import write_recordings

from stressnet.corpus.store import Corpus
from stressnet.errors import ConfigError, CorpusError
from stressnet.manipulation.causal import ALL_CUES, CUE_REGIONS
from stressnet.manipulation.cue_relevance import union_mask
from stressnet.manipulation.verdicts import (
    COLUMNS,
    CONSISTENT,
    MAP_ONLY,
    MISSED,
    NOT_TESTED,
    REFUTED,
    TESTS,
    UNDECIDED,
    VERDICTS,
    findings_table,
    overall,
)
from stressnet.models.checkpoint import CheckpointInfo, save_checkpoint
from stressnet.models.registry import build_model
from stressnet.stages.build_corpus import BuildConfig, build_corpus
from stressnet.stages.causal_agreement import causal_agreement
from stressnet.stages.manipulate import ManipulateConfig, manipulate_corpus
from stressnet.stages.measure import measure_corpus
from stressnet.statistics.claims import CLAIMS, FAILS, FEW_SEEDS, HOLDS, OPEN

VOICES = {"anna": 205.0, "bea": 190.0, "cleo": 220.0, "dan": 118.0, "emil": 130.0, "finn": 105.0}


@pytest.fixture(scope="module")
def study(tmp_path_factory) -> Path:
    """A corpus, its cues, a network, and stimuli with the network's answers."""
    folder = tmp_path_factory.mktemp("causal")
    source = write_recordings(folder / "source", VOICES)
    corpus = build_corpus(
        source, folder / "corpus", config=BuildConfig("generic", no_splits=True)
    ).path
    measured = measure_corpus(corpus, folder / "cues").path
    images = Corpus.open(corpus).images("stressnet")
    torch.manual_seed(0)
    info = CheckpointInfo("compact", *images.axes.shape, "stressnet", dict(images.preset))
    save_checkpoint(folder / "net", build_model("compact", *images.axes.shape).eval(), info)
    config = ManipulateConfig(
        cues=("f0", "duration", "intensity"),
        n_steps=3,
        pairs=("f0+intensity",),
        subsets=True,
        together=True,
        min_tokens=3,
        max_tokens=14,
        measured=measured,
        models=(folder / "net",),
    )
    manipulate_corpus(corpus, folder / "stimuli", config=config)
    return folder


def test_agreement_of_a_network_with_its_own_stimuli(study: Path, capsys) -> None:
    arguments = ("causal-agreement", study / "corpus", study / "net", study / "agreement")
    code, out, _ = run_cli(
        capsys,
        *arguments,
        *("--stimuli", study / "stimuli", "--methods", "epsilon-gamma,random", "--quiet"),
    )
    assert code == 0
    assert "rank correlation of relevance" in out
    pairs = pd.read_parquet(study / "agreement" / "pairs.parquet")
    assert set(pairs["method"]) == {"epsilon-gamma", "random"}
    assert set(pairs["cue"]) == {"f0", "duration", "intensity", "all"}
    responses = pd.read_parquet(study / "stimuli" / "responses.parquet")
    token = pairs["token_id"].iloc[0]
    own = responses[responses["token_id"] == token].set_index(["cue", "step"])["logit_difference"]
    effect = pairs[(pairs["token_id"] == token) & (pairs["cue"] == "intensity")]["effect"].iloc[0]
    assert effect == pytest.approx(own.xs("natural").iloc[0] - own[("intensity", 1.0)])
    table = pd.read_csv(study / "agreement" / "agreement.csv")
    assert set(table["cue"]) == {*pairs["cue"], ALL_CUES}
    assert (study / "agreement" / "agreement.png").stat().st_size > 10_000
    manifest = json.loads((study / "agreement" / "manifest.json").read_text())
    assert manifest["results"]["n_tokens"] == pairs["token_id"].nunique()
    assert not (study / "agreement" / "state").exists()
    code, _, err = run_cli(capsys, *arguments, "--stimuli", study / "stimuli", "--quiet")
    assert code == 1
    assert "already holds" in err


def test_relevance_is_the_sum_in_the_region(study: Path) -> None:
    """The relevance of whole vowels of a map that is known: input times gradient."""
    from stressnet.explain import attribute_batch
    from stressnet.models.checkpoint import load_checkpoint
    from stressnet.regions.from_corpus import SceneReader

    result = causal_agreement(
        study / "corpus",
        study / "net",
        study / "gradient",
        methods=["input-times-gradient"],
        stimuli=study / "stimuli",
    )
    corpus = Corpus.open(study / "corpus")
    model, _ = load_checkpoint(study / "net")
    reader = SceneReader(corpus, "stressnet")
    row = result.pairs[result.pairs["cue"] == "duration"].iloc[0]
    image = reader.images.values[reader.image_index(row["token_id"])]
    inputs = torch.from_numpy(np.array(image, dtype=np.float32))[None, None]
    found = attribute_batch(model, inputs, "input-times-gradient")
    scene = reader.scene(row["token_id"])
    mask = union_mask(CUE_REGIONS["duration"], scene)
    expected = float((found.relevance[0, 0].double().numpy() * mask).sum())
    assert row["relevance"] == pytest.approx(expected, rel=1e-4)
    assert row["logit_difference"] == pytest.approx(float(found.output[0]), abs=1e-3)


def test_stimuli_of_others_are_refused(study: Path, tmp_path: Path) -> None:
    with pytest.raises(CorpusError, match="no finished stressnet manipulation"):
        causal_agreement(
            study / "corpus", study / "net", tmp_path / "out", stimuli=tmp_path / "none"
        )
    other = tmp_path / "other"
    model = build_model("compact", *Corpus.open(study / "corpus").images("stressnet").axes.shape)
    preset = dict(Corpus.open(study / "corpus").images("stressnet").preset)
    shape = Corpus.open(study / "corpus").images("stressnet").axes.shape
    save_checkpoint(other, model.eval(), CheckpointInfo("compact", *shape, "stressnet", preset))
    with pytest.raises(CorpusError, match="no responses of"):
        causal_agreement(study / "corpus", other, tmp_path / "out2", stimuli=study / "stimuli")
    with pytest.raises(ConfigError, match="no method"):
        causal_agreement(study / "corpus", study / "net", tmp_path / "out3", methods=["tea leaves"])


def test_psychometrics_of_a_network(study: Path, capsys) -> None:
    code, out, _ = run_cli(
        capsys, "psychometrics", study / "stimuli", study / "curves", "--answers", "probability"
    )
    assert code == 0
    assert "slope per step" in out
    assert "Fry 1955-65" in out
    curves = pd.read_csv(study / "curves" / "psychometric.csv")
    assert curves["cue"].tolist() == ["f0", "duration", "intensity", "all"]
    assert curves["slope_per_step"].notna().all()
    assert curves.set_index("cue").loc["f0", "unit"] == "st"
    weights = pd.read_csv(study / "curves" / "weights.csv")
    assert weights[["cue_1", "cue_2"]].to_numpy().tolist() == [["f0", "intensity"]]
    assert weights["weight_1"].iloc[0] + weights["weight_2"].iloc[0] == pytest.approx(1)
    assert (study / "curves" / "psychometric.png").stat().st_size > 10_000
    shapley = pd.read_csv(study / "curves" / "shapley.csv").set_index("cue")
    assert shapley.index.tolist() == ["f0", "duration", "intensity", "all"]
    assert shapley["shapley"].iloc[:3].sum() == pytest.approx(
        shapley.loc["all", "shapley"], abs=1e-4
    )
    assert len(pd.read_csv(study / "curves" / "interactions.csv")) == 3
    assert "Shapley value" in out


def test_findings_side_by_side(study: Path, capsys) -> None:
    corpus, run, stats = study / "corpus", study / "run", study / "stats"
    assert run_cli(capsys, "explain", corpus, study / "net", run, "--quiet")[0] == 0
    assert run_cli(capsys, "stats", run, stats, "--quiet")[0] == 0
    arguments = ("findings", corpus, stats, study / "stimuli", study / "findings")
    code, out, err = run_cli(capsys, *arguments, "--model", study / "net", "--quiet")
    assert code == 0, err
    table = pd.read_csv(study / "findings" / "findings.csv")
    assert list(table.columns) == list(COLUMNS)
    assert list(dict.fromkeys(table["claim"])) == [claim.name for claim in CLAIMS]
    assert set(table["verdict"]) <= set(VERDICTS)
    assert table.set_index("claim").loc["F0", "causal"] != NOT_TESTED
    assert table.set_index("claim").loc["F1", "causal"] == NOT_TESTED  # not among the cues
    losses = pd.read_parquet(study / "findings" / "deletion.parquet")
    assert losses["area"].between(0, 1).all()
    assert set(losses.loc[losses["null"] == "exchange", "region"]) <= {
        region for test in TESTS if test.against == "exchange" for region in test.regions
    }
    assert "stressed syllable" in out
    assert "may conclude" in out
    cues = pd.read_csv(study / "findings" / "cues.csv")
    assert cues["cue"].tolist() == ["f0", "duration", "intensity", "all"]
    code, _, err = run_cli(
        capsys, *arguments[:-1], study / "f2", "--model", study / "net", "--network", "vgg"
    )
    assert code == 1
    assert "no network 'vgg'" in err


def observations(loss: float, other: float, swing: float) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Losses and swings of 200 tokens with noise, evidence 5 on average."""
    rng = np.random.default_rng(0)
    n = 200
    about = {
        "token_id": [f"t{i}" for i in range(n)],
        "speaker": rng.integers(40, size=n),
        "family": rng.integers(60, size=n),
    }
    parts = []
    regions = {region for test in TESTS for region in (*test.regions, test.against)}
    for region in sorted(regions - {"exchange", "share"}):
        for null in ("", "exchange"):
            is_own = not null and region not in ("consonants", "syllable_unstressed")
            parts.append(
                pd.DataFrame(about).assign(
                    model="m",
                    region=region,
                    null=null,
                    area=0.1,
                    evidence=rng.normal(5, 1, n),
                    loss=rng.normal(loss if is_own else other, 0.1, n),
                )
            )
    initial = rng.random(n) < 0.7
    swings = pd.concat(
        [
            pd.DataFrame(about).assign(
                model="m",
                cue=cue,
                stress=np.where(initial, "INITIAL", "FINAL"),
                logit_difference=np.where(initial, 5.0, -5.0),
                swing=rng.normal(swing, 0.1, n),
            )
            for cue in ("f0", "f1", "f2", "f3", "all")
        ]
    )
    three = [f"m{number}" for number in range(3)]
    return tuple(
        pd.concat([table.assign(model=name) for name in three])
        for table in (pd.concat(parts), swings)
    )


def claims(decision: str) -> pd.DataFrame:
    rows = [
        {
            **{"claim": claim.name, "role": criterion.role, "criterion": criterion.name},
            **{"verdict": decision, "null": "", "effect": 1.5, "low": 1.4, "high": 1.6},
            **{"observed": 3.0, "compared_with": 2.0, "n_tokens": 100, "network": "m"},
        }
        for claim in CLAIMS
        for criterion in claim.criteria
    ]
    return pd.DataFrame(rows)


@pytest.mark.parametrize(
    ("decision", "loss", "swing", "verdict"),
    [
        (HOLDS, 1.0, 2.0, CONSISTENT),
        (HOLDS, 0.1, 2.0, MAP_ONLY),
        (HOLDS, 1.0, 0.0, MAP_ONLY),
        (FAILS, 1.0, 2.0, MISSED),
        (FAILS, 0.1, 0.0, REFUTED),
        (OPEN, 1.0, 2.0, UNDECIDED),
        (NOT_TESTED, 1.0, 2.0, UNDECIDED),
        (FEW_SEEDS, 1.0, 2.0, FEW_SEEDS),
    ],
)
def test_verdicts_follow_from_numbers(
    decision: str, loss: float, swing: float, verdict: str
) -> None:
    """F1: density lost 1.0 / 5 / 0.1 = 2 against 0.2, swing 2 of a distance of 10."""
    losses, swings = observations(loss, 0.1, swing)
    table = findings_table(claims(decision), losses, swings).set_index("claim")
    row = table.loc["F1"]
    assert row["verdict"] == verdict
    assert row["deleted"] == pytest.approx(loss / 5 / 0.1, rel=0.05, abs=0.03)
    assert row["deletion_effect"] == pytest.approx((loss - 0.1) / 5 / 0.1, abs=0.05)
    assert row["causal_effect"] == pytest.approx(swing / 10, abs=0.01)
    moved = "its frequency moves the answer" if swing == 2.0 else "its frequency hardly"
    assert moved in row["may_conclude"]
    assert row["may_conclude"].startswith("the sound in its band counts") == (loss == 1.0)
    assert table.loc["stressed syllable", "may_conclude"] == ""
    assert table.loc["throughout the word", "causal"].tolist() == [NOT_TESTED] * 2


def test_two_networks_are_too_few() -> None:
    losses, swings = (t[t["model"] != "m0"] for t in observations(1.0, 0.1, 2.0))
    row = findings_table(claims(HOLDS), losses, swings).set_index("claim").loc["F1"]
    assert (row["deletion"], row["causal"], row["verdict"]) == (FEW_SEEDS,) * 3


def test_rules_of_verdicts() -> None:
    assert overall(HOLDS, [NOT_TESTED, NOT_TESTED]) == UNDECIDED
    assert overall(HOLDS, [HOLDS, NOT_TESTED]) == CONSISTENT
    assert overall(HOLDS, [HOLDS, OPEN]) == UNDECIDED
    assert overall(HOLDS, [OPEN, FAILS]) == MAP_ONLY
    assert overall(FAILS, [HOLDS, FAILS]) == UNDECIDED
    with pytest.raises(ConfigError, match="no decision"):
        overall("perhaps", [HOLDS])
    assert [test.claim for test in TESTS] == [claim.name for claim in CLAIMS]
