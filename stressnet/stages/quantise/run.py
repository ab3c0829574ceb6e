"""Scores of layers, plans of bits under budgets, and what each plan costs."""

from dataclasses import replace
from itertools import combinations

import numpy as np
import pandas as pd

from stressnet.corpus.store import Corpus
from stressnet.errors import ConfigError, CorpusError, check_names
from stressnet.evaluation.heard import with_splits_of
from stressnet.evaluation.sets import TestSets
from stressnet.explain.composites import COMPOSITES
from stressnet.models.checkpoint import TrainedNetwork
from stressnet.report.quantise_figure import plot_cost
from stressnet.report.style import save_figure
from stressnet.runs.folder import RunFolder
from stressnet.runs.result import Result
from stressnet.runs.work import Step
from stressnet.stages.quantise import QuantiseConfig
from stressnet.stages.quantise.network import OneNetwork, drawn


def run(
    config: QuantiseConfig, corpus: Corpus, networks: list[TrainedNetwork], folder: RunFolder
) -> Result:
    """Score the layers of networks, share out bits, and measure what that costs."""
    check_names("composite", config.composites, COMPOSITES)
    if min(config.budgets) < min(config.choices):
        raise ConfigError("--mean-bits holds a budget below the fewest --bits of a layer")
    tests = TestSets.of(corpus, networks)
    calibration = _calibration(config, with_splits_of(corpus, networks))
    tests = _sampled(tests, config, calibration)
    works = [
        OneNetwork(config, corpus, network, calibration, tests, folder, number)
        for number, network in enumerate(networks)
    ]
    folder.begin(
        config,
        {"corpus": corpus, **{one.name: one for one in networks}},
        steps=[Step("plans", len(tests.tokens) * len(networks) * len(config.scores), "words", 0.1)],
    )
    tables: dict[str, list[pd.DataFrame]] = {}
    shares: list[pd.DataFrame] = []
    for network, work in zip(networks, works, strict=True):
        for name, table in work.tables().items():
            tables.setdefault(name, []).append(table.assign(network=network.name))
        about = {"network": network.name, "architecture": network.info.architecture}
        shares += [
            pd.DataFrame(about | {"composite": name, "omega": values}, index=work.names)
            for name, values in work.omegas.items()
        ]
    joined = {name: pd.concat(parts, ignore_index=True) for name, parts in tables.items()}
    joined["stability"] = _stability(shares)
    for name, table in joined.items():
        is_big = name in ("contributions", "plans", "cost")
        folder.table(f"{name}.{'parquet' if is_big else 'csv'}", table)
    with folder.progress.stage("draw"):
        figure = folder.figure("figures/cost")
        save_figure(plot_cost(joined["cost"]), figure, spoken=corpus.language)
    counts = {"n_calibration": len(calibration), "n_tokens": len(tests.tokens)}
    return Result.of(folder, counts, **joined)


def _calibration(config: QuantiseConfig, corpus: Corpus) -> pd.DataFrame:
    """Labelled words of the training split, which are not tested on."""
    tokens = corpus.tokens.assign(row=np.arange(len(corpus.tokens)))
    tokens = tokens[tokens["split"].isin(["train", "unsplit"]) & tokens["stress"].notna()]
    if tokens.empty:
        raise CorpusError(f"{corpus.path}: no labelled word in the training split to calibrate on")
    return drawn(tokens, config.calibration_tokens, config.seed, 3)


def _sampled(tests: TestSets, config: QuantiseConfig, calibration: pd.DataFrame) -> TestSets:
    """The tokens of any test set, or a sample of them, without those calibrated on."""
    inside = np.any(list(tests.masks.values()), axis=0)
    tokens = tests.tokens[inside & ~tests.tokens["row"].isin(calibration["row"]).to_numpy()]
    if tokens.empty:
        raise CorpusError("no word is left to test on; lower --calibration-tokens")
    tokens = drawn(tokens, config.max_tokens or len(tokens), config.seed, 2)
    masks = {name: mask[tokens.index] for name, mask in tests.masks.items()}
    masks = {name: mask for name, mask in masks.items() if mask.any()}
    return replace(tests, tokens=tokens.reset_index(drop=True), masks=masks)


def _stability(shares: list[pd.DataFrame]) -> pd.DataFrame:
    """Rank correlations of Ω between networks of one architecture, and between composites."""
    rows = []
    for one, other in combinations(shares, 2):
        a, b = one.iloc[0], other.iloc[0]
        if a["architecture"] == b["architecture"] and (
            (a["network"] == b["network"]) != (a["composite"] == b["composite"])
        ):
            same = one["omega"].corr(other["omega"], method="spearman")
            rows.append((a["network"], a["composite"], b["network"], b["composite"], same))
    columns = ["network", "composite", "other_network", "other_composite", "rank_correlation"]
    return pd.DataFrame(rows, columns=columns)
