"""One network: its layers, scores, plans, and what they cost."""

from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from stressnet.axes import FloatArray
from stressnet.corpus.store import Corpus
from stressnet.evaluation.sets import TestSets
from stressnet.explain import explain_batch
from stressnet.lexicon.stress import logit_difference
from stressnet.models.checkpoint import TrainedNetwork
from stressnet.quantise import scores as layer_scores
from stressnet.quantise.cost import cost_rows
from stressnet.quantise.scores import FALLING, RANDOM, UNIFORM, plan_table
from stressnet.quantise.simulate import Simulation, plan_size
from stressnet.runs.folder import RunFolder
from stressnet.stages.quantise import QuantiseConfig
from stressnet.stages.quantise.listening import compare_maps

FLOAT = "float"


def drawn(tokens: pd.DataFrame, most: int, seed: int, purpose: int) -> pd.DataFrame:
    """A random sample of at most so many tokens, in their order."""
    rng = np.random.default_rng([seed, purpose])
    return tokens.iloc[np.sort(rng.permutation(len(tokens))[:most])]


@dataclass
class OneNetwork:
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
        self.omegas: dict[str, FloatArray] = {}
        own = self.network.info.composite
        self.composites = self.config.composites or (own,)
        for name in self.composites:  # one that does not suit the network is refused here
            explain_batch(self.network.model, self.words[:1], name)

    def tensor(self, rows: Any) -> Tensor:
        """Images of the corpus, on the network's device."""
        picture = np.stack([self.images.values[row] for row in rows]).astype(np.float32)
        return torch.from_numpy(picture)[:, None].to(self.network.device)

    def tables(self) -> dict[str, pd.DataFrame]:
        """All tables of the network."""
        config, layers = self.config, self.net.layers
        indices = self.corpus.contrast.indices_in(self.calibration).to_numpy(np.int64)
        labels = torch.tensor(indices, device=self.network.device)
        with self.folder.progress.stage(f"scores of {self.network.name}"):
            parts = []
            for name in self.composites:
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
            "relevance": self.omegas[self.composites[0]],
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
            tokens = drawn(self.tests.tokens, config.map_tokens, config.seed, 4)
            label = (self.network.name, f"maps-{self.number}", self.composites[0])
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
    choices: tuple[int, ...], known: dict[str, FloatArray], error: FloatArray
) -> pd.DataFrame:
    """How well scores rank layers as measured errors do, at every number of bits."""
    columns = pd.DataFrame({name: known[name] for name in (*FALLING, "hessian")})
    table = columns.apply(lambda score: pd.DataFrame(error).corrwith(score, method="spearman"))
    long = table.set_axis(list(choices)).rename_axis("bits").reset_index()
    return long.melt("bits", var_name="score", value_name="rank_correlation")
