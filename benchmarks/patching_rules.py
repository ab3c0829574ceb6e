"""Which rule of RelP does what in the transformer, and how far any rule can get.

    uv run python benchmarks/patching_rules.py CORPUS MODEL --pairs 30

The stream before each block and after the last takes the clean word's vectors in one part of the
word at a time. The network is written out once more here, independent of the engine, with a switch
for each rule (gradient, constant scale of LayerNorm, identity rule of GELU, half of products,
attention and ``where`` held constant). Printed is r with the truth by layer and over all, and r of
the truth with that of networks in which one part is held as it is for the corrupted word: what
estimates that hold it cannot exceed. RelP-AH must agree entirely with the network in which all are.
"""

import argparse
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from stressnet.corpus.store import Corpus
from stressnet.lexicon.stress import logit_difference
from stressnet.models.checkpoint import TrainedNetwork
from stressnet.models.transformer import sounding_columns
from stressnet.patching import patch_effects, time_units
from stressnet.patching.circuits import activations
from stressnet.patching.pairs import STRESS, natural_pairs

RULES = {
    "gradient": "",
    "LayerNorm's scale constant": "norm",
    "identity rule": "gelu",
    "RelP": "norm gelu",
    "RelP, where constant": "norm gelu where",
    "RelP, attention constant": "norm gelu attention",
    "RelP-AH": "norm gelu attention where",
    "RelP, half of weights times values": "norm gelu half",
}
HELD = ("norm", "gelu", "attention", "where", "attention where", "norm gelu attention where")


class Written:
    """The transformer behind its stem, part by part."""

    def __init__(self, network, kept: Tensor) -> None:  # type: ignore[no-untyped-def]
        self.network, self.kept = network, kept
        blocks = [name for name, _ in network.named_children() if name.startswith("block")]
        self.blocks = [network.get_submodule(name) for name in blocks]

    def run(self, x: Tensor, start: int, rules: str = "", held: dict | None = None) -> Tensor:
        """Logit difference of the stream ``x`` before block ``start``, counted from 0.

        ``rules`` change the gradient; ``held`` values of an earlier run replace those of this one.
        """
        self.seen: dict[tuple[str, int, int], Tensor] = {}
        self.stream = [x] * start
        self.rules, self.held = rules.split(), held or {}
        parts = None
        for number, block in enumerate(self.blocks[start:], start):
            self.stream.append(x)
            y = self.norm(block.norm1, x, number, 1)
            heads = block.attention.into(y).reshape(*y.shape[:2], 3, block.attention.heads, -1)
            query, key, value = heads.permute(2, 0, 3, 1, 4).unbind(0)
            scores = query @ key.mT / query.shape[-1] ** 0.5
            scores = scores.masked_fill(~self.kept[:, None, None], -torch.inf)
            mixed = self.constant("attention", number, 0, torch.softmax(scores, -1)) @ value
            if "half" in self.rules:
                mixed = mixed / 2 + mixed.detach() / 2
            x = x + block.attention.out(mixed.transpose(1, 2).flatten(2))
            z = block.up(self.norm(block.norm2, x, number, 2))
            ratio = functional.gelu(z) / (z + torch.where(z < 0, -1e-6, 1e-6))
            x = x + block.down(z * self.constant("gelu", number, 0, ratio))
            if number == 1:
                parts = self.network.where(x.transpose(1, 2))[:, 1:]
        self.stream.append(x)
        if parts is not None:
            parts = parts.masked_fill(~self.kept[:, None], -torch.inf)
            self.weights = torch.softmax(parts, 2)
        weights = self.constant("where", 0, 0, self.weights if parts is not None else self.before)
        read = weights @ self.norm(self.network.norm, x, len(self.blocks), 0)
        logits = self.network.fc(read.flatten(1))
        return logits[:, 0] - logits[:, 1]

    def norm(self, layer, x: Tensor, *place: int) -> Tensor:  # type: ignore[no-untyped-def]
        """LayerNorm."""
        x = x - x.mean(-1, keepdim=True)
        scale = (x.square().mean(-1, keepdim=True) + layer.eps).rsqrt()
        return x * self.constant("norm", *place, scale) * layer.weight + layer.bias

    def constant(self, name: str, number: int, which: int, value: Tensor) -> Tensor:
        """The value, of another run if held, without gradient if a rule says so."""
        value = self.held.get((name, number, which), value)
        self.seen[name, number, which] = value.detach()
        return value.detach() if name in self.rules else value


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("corpus", type=Path)
    parser.add_argument("model", type=Path)
    parser.add_argument("--pairs", type=int, default=30)
    options = parser.parse_args()
    torch.set_num_threads(1)
    corpus, trained = Corpus.open(options.corpus), TrainedNetwork.load(options.model)
    network = trained.model.requires_grad_(False)
    images = corpus.images(trained.info.preset)
    tokens = corpus.select(("all",)).tokens
    pairs = natural_pairs(tokens, images, corpus.path, 70, 0, [])
    d = [logit_difference(trained.logits(x)) for x in (pairs.clean, pairs.corrupted)]
    is_used = (pairs.table["cue"] == STRESS).to_numpy() & (d[0] - d[1] >= 1)
    rows = np.flatnonzero(is_used)[: options.pairs]
    clean, corrupted = pairs.tensors(rows)
    parts = [pairs.parts[row] for row in rows]
    n_blocks = sum(name.startswith("block") for name, _ in network.named_children())
    places = ["block1:input", *(f"block{k}" for k in range(1, n_blocks + 1))]
    units = time_units(network, pairs.axes, parts, places)
    truth = patch_effects(network, clean, corrupted, units, ["activation", "relp"])
    cells = torch.from_numpy(np.stack([u.cells for u in units if u.layer == places[0]]))  # type: ignore[misc]
    starts = [activations(network, places[:1], x)[places[0]] for x in (corrupted, clean)]
    written = Written(network, sounding_columns(corrupted))
    streams = []
    for x in reversed(starts):  # the corrupted word's run last: it is what is held
        with torch.no_grad():
            found = written.run(x, 0)
        streams.append(written.stream)
    written.before = written.weights
    base, seen, change = found, written.seen, [a - b for a, b in zip(*streams, strict=True)]
    scale = torch.from_numpy(d[0][rows] - d[1][rows]).float()
    filled = cells.any(-1).T.numpy()

    def of_engine(name: str, place: str) -> np.ndarray:
        table = truth[(truth["estimator"] == name) & (truth["layer"] == place)]
        return table["effect"].to_numpy().reshape(filled.shape)[filled]

    def correlations(values: list[np.ndarray], others: list[np.ndarray]) -> str:
        each = [np.corrcoef(a, b)[0, 1] for a, b in zip(values, others, strict=True)]
        total = np.corrcoef(np.concatenate(values), np.concatenate(others))[0, 1]
        return " ".join(f"{r:5.2f}" for r in each) + f" | {total:.2f}"

    right = [of_engine("activation", place) for place in places]
    print(f"{len(rows)} pairs; r with the truth before block 1, after each | over all")
    print(f"{'engine: RelP':36}", correlations([of_engine("relp", p) for p in places], right))
    estimates = {}
    for name, rules in RULES.items():
        y = written.run(streams[1][0].clone().requires_grad_(True), 0, rules)
        slopes = torch.autograd.grad(y.sum(), written.stream)
        effects = [
            torch.einsum("upt,pt->pu", cells.float(), (s * c).sum(-1)) / scale[:, None]
            for s, c in zip(slopes, change, strict=True)
        ]
        estimates[name] = [each.numpy()[filled] for each in effects]
        print(f"{name:36}", correlations(estimates[name], right))
    for what in HELD:
        held = {key: value for key, value in seen.items() if key[0] in what.split()}
        limited = []
        for number in range(len(places)):
            with torch.no_grad():
                answers = [
                    written.run(
                        streams[1][number] + c[..., None] * change[number], number, "", held
                    )
                    for c in cells
                ]
            limited.append(((torch.stack(answers) - base) / scale).T.numpy()[filled])
        print(f"{'held: ' + what:36}", correlations(limited, right))
    print(f"{'RelP-AH with the last':36}", correlations(estimates["RelP-AH"], limited))


if __name__ == "__main__":
    main()
