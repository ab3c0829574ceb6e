"""Scores of layers, plans of bits under budgets, and what each plan costs."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor

from stressnet.corpus.store import Corpus
from stressnet.errors import ConfigError, CorpusError, check_names
from stressnet.evaluation.sets import TestSets, class_indices
from stressnet.explain.composites import COMPOSITES
from stressnet.lexicon.stress import logit_difference
from stressnet.models.checkpoint import TrainedNetwork
from stressnet.models.registry import get_spec
from stressnet.quantise import scores as layer_scores
from stressnet.quantise.allocate import plan_table
from stressnet.quantise.cost import cost_rows
from stressnet.quantise.scores import FALLING, RANDOM, UNIFORM
from stressnet.quantise.simulate import Simulation, plan_size
from stressnet.report.quantise_figure import plot_cost
from stressnet.report.style import save_figure
from stressnet.runs.folder import RunFolder
from stressnet.runs.result import Result
from stressnet.runs.work import Step
from stressnet.stages.quantise import QuantiseConfig
from stressnet.stages.quantise.listening import compare_maps
from stressnet.training.corpus_data import splits_of_fold

FLOAT = "float"


def run(
    config: QuantiseConfig, corpus: Corpus, networks: list[TrainedNetwork], folder: RunFolder
) -> Result:
    """Score the layers of networks, share out bits, and measure what that costs.

    The result has ``contributions``, ``layers``, ``sensitivity``, ``ranks``, ``stability``,
    ``plans``, ``cost`` and, unless left out, ``maps`` and ``densities``; see ``docs/quantise.md``.

    Raises
    ------
    ConfigError
        If a composite is unknown or a budget too small.
    CorpusError
        If there are no labelled words to calibrate or to test on.
    CheckpointError
        If a network does not fit the corpus.
    """
    check_names("composite", config.composites, COMPOSITES)
    if min(config.budgets) < min(config.choices):
        raise ConfigError("--mean-bits holds a budget below the fewest --bits of a layer")
    tests = TestSets.of(corpus, networks)
    calibration = _calibration(config, corpus, tests)
    tests = _sampled(tests, config, calibration)
    folder.begin(
        config,
        inputs={"corpus": corpus.fingerprint, **{one.name: one.digest for one in networks}},
        notes={"corpus": str(corpus.path), "models": {one.name: str(one.path) for one in networks}},
        steps=[Step("plans", len(tests.tokens) * len(networks) * len(config.scores), "words", 0.1)],
    )
    tables: dict[str, list[pd.DataFrame]] = {}
    shares: list[pd.DataFrame] = []
    for number, network in enumerate(networks):
        work = _Work(config, corpus, network, calibration, tests, folder, number)
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
        save_figure(plot_cost(joined["cost"]), folder.figure("figures/cost"))
    counts = {"n_calibration": len(calibration), "n_tokens": len(tests.tokens)}
    return Result.of(folder, counts, **joined)


def _calibration(config: QuantiseConfig, corpus: Corpus, tests: TestSets) -> pd.DataFrame:
    """Labelled words of the training split, which are not tested on."""
    tokens = corpus.tokens.assign(row=np.arange(len(corpus.tokens)))
    if tests.fold is not None:
        tokens["split"] = splits_of_fold(corpus.tokens, tests.fold)
    tokens = tokens[tokens["split"].isin(["train", "unsplit"]) & tokens["stress"].notna()]
    if tokens.empty:
        raise CorpusError(f"{corpus.path}: no labelled word in the training split to calibrate on")
    return _drawn(tokens, config.calibration_tokens, config.seed, 3)


def _sampled(tests: TestSets, config: QuantiseConfig, calibration: pd.DataFrame) -> TestSets:
    """The tokens of any test set, or a sample of them, without those calibrated on."""
    inside = np.any(list(tests.masks.values()), axis=0)
    tokens = tests.tokens[inside & ~tests.tokens["row"].isin(calibration["row"]).to_numpy()]
    if tokens.empty:
        raise CorpusError("no word is left to test on; lower --calibration-tokens")
    tokens = _drawn(tokens, config.max_tokens or len(tokens), config.seed, 2)
    masks = {name: mask[tokens.index] for name, mask in tests.masks.items()}
    masks = {name: mask for name, mask in masks.items() if mask.any()}
    return replace(tests, tokens=tokens.reset_index(drop=True), masks=masks)


def _drawn(tokens: pd.DataFrame, most: int, seed: int, purpose: int) -> pd.DataFrame:
    """A random sample of at most so many tokens, in their order."""
    rng = np.random.default_rng([seed, purpose])
    return tokens.iloc[np.sort(rng.permutation(len(tokens))[:most])]


@dataclass
class _Work:
    """One network: its layers, scores, plans, and what they cost."""

    config: QuantiseConfig
    corpus: Corpus
    network: TrainedNetwork
    calibration: pd.DataFrame
    tests: TestSets
    folder: RunFolder
    number: int

    def __post_init__(self) -> None:
        self.images = self.corpus.images(self.network.info.preset)
        self.words = self.tensor(self.calibration["row"])
        grids: Any = {"calibration": self.config.calibration, "grid": self.config.attention}
        self.net = Simulation(self.network.model, self.words, seed=self.config.seed, **grids)
        self.names = [layer.name for layer in self.net.layers]
        self.omegas: dict[str, NDArray[np.float64]] = {}

    def tensor(self, rows: Any) -> Tensor:
        """Images of the corpus, on the network's device."""
        picture = np.stack([self.images.values[row] for row in rows]).astype(np.float32)
        return torch.from_numpy(picture)[:, None].to(self.network.device)

    def tables(self) -> dict[str, pd.DataFrame]:
        """All tables of the network."""
        config, layers = self.config, self.net.layers
        own = get_spec(self.network.info.architecture).composite
        composites = config.composites or (own,)
        labels = torch.tensor(class_indices(self.calibration)).to(self.network.device)
        with self.folder.progress.stage(f"scores of {self.network.name}"):
            parts = []
            for name in composites:
                values = layer_scores.contributions(
                    self.network.model, layers, self.words, labels, name
                )
                self.omegas[name] = layer_scores.omega(values)
                table = layer_scores.contribution_table(
                    values, layers, self.calibration, config.seed, config.n_resamples
                )
                parts.append(table.assign(composite=name))
            known = layer_scores.curvature(self.net.base, layers, self.words, labels, config.seed)
        known |= {
            "relevance": self.omegas[composites[0]],
            "parameters": np.array([float(layer.n_weights) for layer in layers]),
        }
        sensitivity = self.sensitivity()
        error = sensitivity["mse"].to_numpy().reshape(len(layers), -1)
        plans = plan_table(config, self.net, known, error)
        described = pd.DataFrame([vars(layer) for layer in layers]).rename(
            columns={"name": "layer"}
        )
        result = {
            "contributions": pd.concat(parts, ignore_index=True),
            "layers": described.assign(**known),
            "sensitivity": sensitivity,
            "ranks": _ranks(config.choices, known, error),
            "plans": plans,
            "cost": self.cost(plans),
        }
        if config.map_tokens:
            others = [name for name in config.scores if name not in (UNIFORM, RANDOM)]
            listened = plans[plans["score"].isin([UNIFORM, *others[:1]])]
            models = {FLOAT: lambda: self.network.model} | {
                f"{row['score']} {row['mean_bits']:g}": partial(self.net.rounded, bits)
                for row, bits in _plans_of(listened)
            }
            tokens = _drawn(self.tests.tokens, config.map_tokens, config.seed, 4)
            label = (self.network.name, f"maps-{self.number}", composites[0])
            preset = self.network.info.preset
            result |= compare_maps(models, self.corpus, preset, tokens, self.folder, label)
        return result

    def sensitivity(self) -> pd.DataFrame:
        """Error of the logits when one layer alone is rounded, by layer and bits."""
        wanted = self.net.logits(self.net.base, self.words)
        tasks = [(f"{name} {b}", (name, b)) for name in self.names for b in self.config.choices]

        def measure(task: tuple[str, int]) -> tuple[float, float]:
            logits = self.net.logits(self.net.rounded(dict([task])), self.words)
            same = np.equal(*(logit_difference(each) >= 0 for each in (logits, wanted)))
            return float(((logits - wanted) ** 2).mean()), float(same.mean())

        name = f"sensitivity-{self.number}"
        chunks = self.folder.chunks(name, tasks, measure, total=len(tasks), unit="layer", here=True)
        found = dict(chunks)
        rows = [(*task, *found[key]) for key, task in tasks]
        return pd.DataFrame(rows, columns=["layer", "bits", "mse", "agreement"])

    def cost(self, plans: pd.DataFrame) -> pd.DataFrame:
        """What every plan costs on every test set."""
        config, layers = self.config, self.net.layers
        known = [("-".join(map(str, bits.values())), row, bits) for row, bits in _plans_of(plans)]
        tasks: dict[str, dict[str, int]] = {FLOAT: {}, **{key: bits for key, _, bits in known}}

        def predict(bits: dict[str, int]) -> list[float]:
            model, rows = self.net.rounded(bits), self.tests.tokens["row"].to_numpy()
            pieces = np.array_split(rows, -(-len(rows) // 64))
            logits = [self.net.logits(model, self.tensor(piece)) for piece in pieces]
            return list(logit_difference(np.concatenate(logits)))

        name = f"plans-{self.number}"
        chunks = self.folder.chunks(
            name, tasks.items(), predict, total=len(tasks), unit="plan", here=True
        )
        answers = {key: np.array(values) for key, values in chunks}
        uniform = {row["mean_bits"]: key for key, row, _ in known if row["score"] == UNIFORM}
        table = []
        with self.folder.progress.stage(f"cost of {self.network.name}", len(known), "plan") as bar:
            for key, row, bits in known:
                others = {FLOAT: answers[FLOAT]}
                if uniform:
                    others[UNIFORM] = answers[uniform[row["mean_bits"]]]
                about = row | plan_size(self.net.base, layers, bits)
                measured = cost_rows(
                    answers[key], others, self.tests, config.seed, config.n_resamples
                )
                table += [about | one for one in measured]
                bar.update()
        return pd.DataFrame(table)


def _plans_of(plans: pd.DataFrame) -> list[tuple[dict[str, Any], dict[str, int]]]:
    """Score, draw and budget of each plan, and the bits of its layers."""
    columns = ["score", "draw", "mean_bits"]
    return [
        (dict(zip(columns, key, strict=True)), dict(zip(part["layer"], part["bits"], strict=True)))
        for key, part in plans.groupby(columns, sort=False)
    ]


def _ranks(
    choices: tuple[int, ...], known: dict[str, NDArray[np.float64]], error: NDArray[np.float64]
) -> pd.DataFrame:
    """How well scores rank layers as measured errors do, at every number of bits."""
    columns = pd.DataFrame({name: known[name] for name in (*FALLING, "hessian")})
    table = columns.apply(lambda score: pd.DataFrame(error).corrwith(score, method="spearman"))
    long = table.set_axis(list(choices)).rename_axis("bits").reset_index()
    return long.melt("bits", var_name="score", value_name="rank_correlation")


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
