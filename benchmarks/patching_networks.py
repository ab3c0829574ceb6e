"""How true estimates of patching are in networks of any size, for the tables of docs/patching.md.

    uv run python benchmarks/patching_networks.py CORPUS OUT.csv MODEL [MODEL:DEPTH ...] --pairs 80

As ``stressnet patch`` with all four estimators, but for large networks: of the channels of each
layer a few are drawn, and only pairs that the network tells apart are run. Kinds of units are
``layer``, ``time`` (parts of the word) and ``channel``; for transformers, whose layers do different
things, each is also taken apart by role (residual stream, MLP output, attention output). DEPTH is
that of a transformer made by ``patching_depth.py``.
"""

import argparse
import time
from pathlib import Path

import numpy as np
import pandas as pd

from stressnet.corpus.store import Corpus
from stressnet.lexicon.stress import logit_difference
from stressnet.models import transformer
from stressnet.models.checkpoint import TrainedNetwork
from stressnet.patching import channel_units, layer_units, patch_effects, roles_of, time_units
from stressnet.patching.agreement import _correlation, agreement_table, over_clusters
from stressnet.patching.pairs import STRESS, natural_pairs

CHUNK = 8


def drawn_channels(network, n: int, seed: int = 0) -> list:  # type: ignore[no-untyped-def]
    """``n`` channels of each layer at random."""
    by_layer: dict[str, list] = {}
    for unit in channel_units(network):
        by_layer.setdefault(unit.layer, []).append(unit)
    rng = np.random.default_rng(seed)
    return [
        units[k]
        for units in by_layer.values()
        for k in rng.choice(len(units), min(n, len(units)), replace=False)
    ]


def effects_of(model: TrainedNetwork, corpus: Corpus, options: argparse.Namespace) -> pd.DataFrame:
    """Effects of the units of one network, with the words and speakers of the pairs."""
    network = model.model
    tokens, images = corpus.select(("all",)).tokens, corpus.images(model.info.preset)
    pairs = natural_pairs(tokens, images, corpus.path, 4 * options.pairs, 0, [])
    d = [logit_difference(model.logits(each)) for each in (pairs.clean, pairs.corrupted)]
    apart = (d[0] - d[1] >= options.min_difference) & (pairs.table["cue"] == STRESS).to_numpy()
    rows = np.flatnonzero(apart)[: options.pairs]
    tables = []
    layers = set(list(roles_of(network))[:: -options.every])
    for part in np.split(rows, range(CHUNK, len(rows), CHUNK)):
        units = layer_units(network) + drawn_channels(network, options.channels)
        units += time_units(network, pairs.axes, [pairs.parts[row] for row in part])
        units = [unit for unit in units if unit.layer in layers]
        images = pairs.tensors(part)
        found = patch_effects(network, *images, units, options.estimators, n_steps=options.steps)
        tables.append(found.assign(pair=part[found["pair"]]))
    effects = pd.concat(tables).dropna(subset="effect")
    effects = effects.merge(pairs.table[["pair", "word", "speaker"]], on="pair")
    roles = roles_of(network)
    if "residual" in roles.values():
        apart = effects.assign(kind=effects["kind"] + ", " + effects["layer"].map(roles))
        effects = pd.concat([effects, apart])
    return effects


def gains(effects: pd.DataFrame, network: str) -> pd.DataFrame:
    """How much better RelP's r is than that of gradients, over all layers."""
    wide = effects.pivot_table(
        index=["kind", "layer", "pair", "unit"], columns="estimator", values="effect", sort=False
    ).reset_index()
    wide = wide.merge(effects[["pair", "word", "speaker"]].drop_duplicates(), on="pair")
    rows = []
    for kind, part in wide.groupby("kind", sort=False):
        truth, relp, slope = (part[k].to_numpy() for k in ("activation", "relp", "attribution"))
        found = over_clusters(
            lambda kept, a=truth, b=relp, c=slope: (
                _correlation(kept, a, b) - _correlation(kept, a, c)
            )[:, None],
            part,
        )
        limits = {"r": found.value[0], "r_low": found.low[0], "r_high": found.high[0]}
        about = {"network": network, "kind": kind, "layer": "all"}
        rows.append({**about, "estimator": "relp - attribution", **limits})
    return pd.DataFrame(rows)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("corpus", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("models", nargs="+")
    parser.add_argument("--pairs", type=int, default=56)
    parser.add_argument("--channels", type=int, default=6, help="of each layer")
    parser.add_argument("--every", type=int, default=1, help="layers: every so many, the last one")
    parser.add_argument("--steps", type=int, default=8, help="of integrated gradients")
    parser.add_argument("--min-difference", type=float, default=1.0)
    parser.add_argument(
        "--estimators",
        nargs="+",
        default=["activation", "attribution", "integrated-gradients", "relp"],
    )
    options = parser.parse_args()
    corpus, tables = Corpus.open(options.corpus), []
    for name in options.models:
        path, _, depth = name.partition(":")
        transformer.DEPTH = int(depth or 4)
        start = time.process_time()
        effects = effects_of(TrainedNetwork.load(Path(path)), corpus, options)
        effects = effects.assign(network=name)
        tables.append(pd.concat([agreement_table(effects), gains(effects, name)]))
        print(f"{name}: {time.process_time() - start:.0f} s of processor time")
        whole = tables[-1].query("layer == 'all'")
        shown = ["kind", "estimator", "r", "rank_r", "scale", "sign_agreement", "n_pairs"]
        shown += ["r_low", "r_high"]
        print(whole[shown].to_string(index=False, float_format="{:.2f}".format), flush=True)
        pd.concat(tables).to_csv(options.out, index=False, float_format="%.4g")


if __name__ == "__main__":
    main()
