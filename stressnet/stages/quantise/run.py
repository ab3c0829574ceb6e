"""Scores of layers, plans of bits under budgets, and what each plan costs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial
from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor

from stressnet.corpus.store import Corpus, Selection
from stressnet.errors import ConfigError, CorpusError, check_names
from stressnet.evaluation.sets import TestSets, class_indices
from stressnet.explain.composites import COMPOSITES
from stressnet.lexicon.stress import Stress, logit_difference
from stressnet.models.checkpoint import BATCH, TrainedNetwork
from stressnet.models.registry import get_spec
from stressnet.quantise import scores as layer_scores
from stressnet.quantise.allocate import allocate, rank_correlation
from stressnet.quantise.cost import cost_rows
from stressnet.quantise.scores import RANDOM, UNIFORM
from stressnet.quantise.simulate import (
    Activations,
    float_bytes,
    fold_batch_norms,
    layers_of,
    plan_bytes,
    quantised,
)
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
        If a composite is unknown, a budget is too small, or the corpus has no test words.
    CorpusError
        If it has no labelled words in the training split.
    CheckpointError
        If a network does not fit the corpus.
    """
    check_names("composite", config.composites, COMPOSITES)
    if min(_numbers(config.mean_bits)) < min(_numbers(config.bits)):
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
    shares: dict[tuple[str, str, str], NDArray[np.float64]] = {}
    for number, network in enumerate(networks):
        work = _Work(config, corpus, network, calibration, tests, folder, number)
        for name, table in work.tables().items():
            tables.setdefault(name, []).append(table.assign(network=network.name))
        for composite, values in work.omegas.items():
            shares[network.info.architecture, network.name, composite] = values
    joined = {name: pd.concat(parts, ignore_index=True) for name, parts in tables.items()}
    joined["stability"] = _stability(shares)
    for name, table in joined.items():
        big = name in ("contributions", "plans", "cost")
        folder.table(f"{name}.{'parquet' if big else 'csv'}", table)
    with folder.progress.stage("draw"):
        save_figure(plot_cost(joined["cost"]), folder.figure("figures/cost"))
    counts = {
        "n_calibration": len(calibration),
        "n_tokens": len(tests.tokens),
        "n_networks": len(networks),
    }
    return Result.of(folder, counts, **joined)


def _numbers(texts: Sequence[str]) -> list[float]:
    return [float(text) for text in texts]


def _calibration(config: QuantiseConfig, corpus: Corpus, tests: TestSets) -> Selection:
    """Labelled words of the training split, which are not tested on."""
    tokens = corpus.tokens.assign(image=np.arange(len(corpus.tokens)))
    if tests.fold is not None:
        tokens["split"] = splits_of_fold(corpus.tokens, tests.fold)
    tokens = tokens[tokens["split"].isin(["train", "unsplit"]) & tokens["stress"].notna()]
    if tokens.empty:
        raise CorpusError(f"{corpus.path}: no labelled word in the training split to calibrate on")
    rng = np.random.default_rng([config.seed, 3])
    n = min(len(tokens), config.calibration_tokens)
    return Selection(tokens.iloc[np.sort(rng.choice(len(tokens), n, replace=False))])


def _sampled(tests: TestSets, config: QuantiseConfig, calibration: Selection) -> TestSets:
    """The tokens of any test set, or a sample of them, without those calibrated on."""
    inside = np.any(list(tests.masks.values()), axis=0)
    inside &= ~tests.tokens["token_id"].isin(calibration.tokens["token_id"]).to_numpy()
    rows = np.flatnonzero(inside)
    if not len(rows):
        raise CorpusError("no word is left to test on; lower --calibration-tokens")
    if config.max_tokens is not None and config.max_tokens < len(rows):
        rng = np.random.default_rng([config.seed, 2])
        rows = np.sort(rng.choice(rows, config.max_tokens, replace=False))
    masks = {name: mask[rows] for name, mask in tests.masks.items() if mask[rows].any()}
    return replace(tests, tokens=tests.tokens.iloc[rows].reset_index(drop=True), masks=masks)


@dataclass
class _Work:
    """One network: its layers, scores, plans, and what they cost."""

    config: QuantiseConfig
    corpus: Corpus
    network: TrainedNetwork
    calibration: Selection
    tests: TestSets
    folder: RunFolder
    number: int

    def __post_init__(self) -> None:
        self.bits = sorted(int(text) for text in self.config.bits)
        own = get_spec(self.network.info.architecture).composite
        self.composites = self.config.composites or (own,)
        self.images = self.corpus.images(self.network.info.preset)
        self.words = self.tensor(self.calibration.image_index)
        self.base = fold_batch_norms(self.network.model)
        self.layers = layers_of(self.base, self.words[:1])
        self.names = [layer.name for layer in self.layers]
        self.omegas: dict[str, NDArray[np.float64]] = {}

    def tensor(self, rows: NDArray[np.intp]) -> Tensor:
        """Images of the corpus, on the network's device."""
        picture = np.stack([self.images.values[row] for row in rows]).astype(np.float32)
        return torch.from_numpy(picture)[:, None].to(self.network.device)

    @cached_property
    def seen(self) -> Activations:
        """What layers read over calibration words."""
        return Activations.of(self.base, self.layers, self.words, self.config.seed)

    def rounded(self, bits: dict[str, int]) -> Any:
        """The network with some layers in few bits."""
        calibration: Any = self.config.calibration
        grid: Any = self.config.attention
        return quantised(self.base, self.layers, self.seen, bits, calibration, grid)

    def tables(self) -> dict[str, pd.DataFrame]:
        """All tables of the network."""
        name, folder = self.network.name, self.folder
        with folder.progress.stage(f"scores of {name}"):
            contributions = self.contributions()
            labels = torch.tensor(class_indices(self.calibration.tokens))
            curvature = layer_scores.Curvature.of(
                self.base,
                self.layers,
                self.words,
                labels.to(self.network.device),
                self.config.seed,
            )
        sensitivity, error = self.sensitivity()
        known = {
            "omega": self.omegas[self.composites[0]],
            "hessian": curvature.hessian,
            "gradient": curvature.gradient,
            "error": error,
        }
        layers = pd.DataFrame([vars(layer) for layer in self.layers]).rename(
            columns={"name": "layer"}
        )
        layers = layers.assign(**{key: known[key] for key in ("omega", "hessian", "gradient")})
        plans = self.plans(known)
        result = {
            "contributions": contributions,
            "layers": layers,
            "sensitivity": sensitivity,
            "ranks": self.ranks(known),
            "plans": plans,
            "cost": self.cost(plans),
        }
        if self.config.map_tokens:
            wide = plans[plans["score"].isin(self.listened())]
            keys = {
                f"{row['score']} {row['mean_bits']:g}": _bits_of(part)
                for row, part in _plans_of(wide)
            }
            models = {FLOAT: self.network.model} | {
                key: partial(self.rounded, bits) for key, bits in keys.items()
            }
            result |= compare_maps(
                models,
                self.corpus,
                self.network,
                self.composites[0],
                self.sample(),
                folder,
                self.number,
            )
        return result

    def listened(self) -> list[str]:
        """Scores whose plans are explained: uniform and the first other one."""
        others = [name for name in self.config.scores if name not in (UNIFORM, RANDOM)]
        return [UNIFORM, *others[:1]]

    def sample(self) -> pd.DataFrame:
        """Test words whose maps are compared."""
        tokens = self.tests.tokens
        rng = np.random.default_rng([self.config.seed, 4])
        n = min(self.config.map_tokens, len(tokens))
        return tokens.iloc[np.sort(rng.choice(len(tokens), n, replace=False))]

    def contributions(self) -> pd.DataFrame:
        """Relevance at every layer under every composite."""
        tokens = self.calibration.tokens
        is_initial = (tokens["stress"] == Stress.INITIAL.value).to_numpy()
        parts = []
        for composite in self.composites:
            values = layer_scores.contributions(
                self.network.model, self.layers, self.words, is_initial, composite
            )
            self.omegas[composite] = layer_scores.omega(values)
            table = layer_scores.contribution_table(
                values, self.layers, tokens, self.config.seed, self.config.n_resamples
            )
            parts.append(table.assign(composite=composite))
        return pd.concat(parts, ignore_index=True)

    def sensitivity(self) -> tuple[pd.DataFrame, NDArray[np.float64]]:
        """Mean squared error of the logits when one layer alone is rounded (n_layers, n_bits)."""
        wanted = self._logits(self.base, self.words)
        tasks = [(f"{name} {b}", (name, b)) for name in self.names for b in self.bits]

        def measure(task: tuple[str, int]) -> tuple[float, float]:
            logits = self._logits(self.rounded(dict([task])), self.words)
            same = np.equal(*(logit_difference(each) >= 0 for each in (logits, wanted)))
            return float(((logits - wanted) ** 2).mean()), float(same.mean())

        found = dict(
            self.folder.chunks(
                f"sensitivity-{self.number}",
                tasks,
                measure,
                total=len(tasks),
                unit="layer",
                here=True,
            )
        )
        rows = [(*task, *found[key]) for key, task in tasks]
        table = pd.DataFrame(rows, columns=["layer", "bits", "mse", "agreement"])
        return table, table["mse"].to_numpy().reshape(len(self.names), len(self.bits))

    def _logits(self, model: Any, images: Tensor) -> NDArray[np.float64]:
        with torch.inference_mode():
            parts = [model(part).double().cpu() for part in images.split(BATCH)]
        return torch.cat(parts).numpy()

    def ranks(self, known: dict[str, NDArray[np.float64]]) -> pd.DataFrame:
        """How well scores rank layers as measured errors do, at every number of bits."""
        scores = {
            "relevance": known["omega"],
            "hessian": known["hessian"],
            "gradient": known["gradient"],
            "parameters": np.array([float(layer.n_weights) for layer in self.layers]),
        }
        rows = [
            (name, bits, rank_correlation(values, known["error"][:, place]))
            for name, values in scores.items()
            for place, bits in enumerate(self.bits)
        ]
        return pd.DataFrame(rows, columns=["score", "bits", "rank_correlation"])

    def plans(self, known: dict[str, NDArray[np.float64]]) -> pd.DataFrame:
        """Bits of every layer by every score under every budget."""
        bits = np.array(self.bits, dtype=np.float64)
        in_size = self.config.budget == "size"
        amounts = np.array(
            [layer.n_weights if in_size else layer.n_macs for layer in self.layers],
            dtype=np.float64,
        )
        power = 1 if in_size else 2
        use = np.outer(amounts, bits**power)
        rows = []
        for mean_bits in _numbers(self.config.mean_bits):
            for score in self.config.scores:
                for draw in range(self.config.random_draws if score == RANDOM else 1):
                    if score == UNIFORM:
                        most = max(b for b in self.bits if b <= mean_bits)
                        chosen = [most] * len(self.layers)
                    else:
                        seed = 1000 * self.config.seed + draw
                        cost = layer_scores.costs(
                            score, self.base, self.layers, self.bits, known, seed
                        )
                        picked = allocate(cost, use, mean_bits**power * amounts.sum())
                        chosen = [self.bits[k] for k in picked]
                    about = {"score": score, "draw": draw, "mean_bits": mean_bits}
                    rows += [
                        about | {"layer": name, "bits": b}
                        for name, b in zip(self.names, chosen, strict=True)
                    ]
        return pd.DataFrame(rows)

    def cost(self, plans: pd.DataFrame) -> pd.DataFrame:
        """What every plan costs on every test set."""
        rows = self.tests.tokens["row"].to_numpy()
        keys = [("-".join(map(str, part["bits"])), row, part) for row, part in _plans_of(plans)]
        tasks = {key: _bits_of(part) for key, _, part in keys}

        def predict(bits: dict[str, int]) -> list[float]:
            return self._difference(self.rounded(bits) if bits else self.base, rows)

        answers = {
            key: np.array(values)
            for key, values in self.folder.chunks(
                f"plans-{self.number}",
                {FLOAT: {}, **tasks}.items(),
                predict,
                total=1 + len(tasks),
                unit="plan",
                here=True,
            )
        }
        uniform = {row["mean_bits"]: key for key, row, _ in keys if row["score"] == UNIFORM}
        macs = {layer.name: layer.n_macs for layer in self.layers}
        sizes = {layer.name: layer.n_weights for layer in self.layers}
        table = []
        with self.folder.progress.stage(f"cost of {self.network.name}", len(keys), "plan") as bar:
            for key, row, _ in keys:
                others = {FLOAT: answers[FLOAT]}
                if row["mean_bits"] in uniform:
                    others[UNIFORM] = answers[uniform[row["mean_bits"]]]
                bits = tasks[key]
                about = row | {
                    "bits_per_weight": sum(sizes[n] * b for n, b in bits.items())
                    / sum(sizes.values()),
                    "bytes": plan_bytes(self.base, self.layers, bits),
                    "float_bytes": float_bytes(self.base),
                    "bit_operations": sum(macs[n] * b**2 for n, b in bits.items()),
                }
                measured = cost_rows(
                    answers[key], others, self.tests, self.config.seed, self.config.n_resamples
                )
                table += [about | one for one in measured]
                bar.update()
        return pd.DataFrame(table)

    def _difference(self, model: Any, rows: NDArray[np.intp]) -> list[float]:
        parts = [
            self._logits(model, self.tensor(rows[start : start + BATCH]))
            for start in range(0, len(rows), BATCH)
        ]
        values: list[float] = logit_difference(np.concatenate(parts)).tolist()
        return values


def _plans_of(plans: pd.DataFrame) -> list[tuple[dict[str, Any], pd.DataFrame]]:
    """Each plan: its score, draw and budget, and its rows."""
    columns = ["score", "draw", "mean_bits"]
    groups = plans.groupby(columns, sort=False)
    return [(dict(zip(columns, key, strict=True)), part) for key, part in groups]


def _bits_of(plan: pd.DataFrame) -> dict[str, int]:
    return dict(zip(plan["layer"], plan["bits"].tolist(), strict=True))


def _stability(shares: dict[tuple[str, str, str], NDArray[np.float64]]) -> pd.DataFrame:
    """Rank correlations of Ω between networks of one architecture, and between composites."""
    rows = []
    for (one, first), (other, second) in combinations(shares.items(), 2):
        if one[0] == other[0] and (one[1] == other[1]) != (one[2] == other[2]):
            names = dict(zip(("network", "composite"), one[1:], strict=True))
            names |= {"other_network": other[1], "other_composite": other[2]}
            rows.append(names | {"rank_correlation": rank_correlation(first, second)})
    columns = ["network", "composite", "other_network", "other_composite", "rank_correlation"]
    return pd.DataFrame(rows, columns=columns)
