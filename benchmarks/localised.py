"""Natural words with localised targets: can a network learn them, and do maps find the region?

    stressnet measure corpus cues
    uv run python benchmarks/localised.py corpus cues/cues.parquet out [--cue nucleus_2_f1_hz ...]

For every target: how it was made, what a network learned of it (test words), which candidate
regions the network needs (filled with noise, against the same part of the other syllable), and
scores of some methods on test words that it gets right. Unlike ``stressnet validate-methods``, maps
are also made for networks that are above chance but did not solve the set; the column ``solved``
tells them apart. Written are ``localised-targets.csv``, ``localised-correlations.csv``,
``localised-networks.csv``, ``localised-reactions.csv`` and ``localised-maps.csv``. What is in them
already is not done again.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import nn

from stressnet.corpus.store import Corpus
from stressnet.errors import ConfigError, CorpusError
from stressnet.inference.bootstrap import cluster_weights
from stressnet.lab.labset import LabSet
from stressnet.lab.localised import TARGETS, localised_set, localised_target
from stressnet.lab.maps import input_bounds, make_explainers
from stressnet.lab.reactions import measure_reactions, used_regions
from stressnet.lab.scoreboard import place_entry, score_entry
from stressnet.lab.scores import Scorer
from stressnet.lab.train import Learned, judge, train_network
from stressnet.regions.from_corpus import SceneReader

METHODS = ("epsilon-gamma", "epsilon-plus", "input-times-gradient", "smoothgrad", "random")
RECIPE: dict[str, Any] = {
    "max_epochs": 15,
    "patience": 15,
    "class_balance": "weights",
    # A thousand noisy tokens: what the lab's recipe leaves out helps here.
    "mask_frames": 8,
    "mask_bins": 24,
}
N_REACTIONS = 60


def main() -> None:
    """Run it."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("corpus", type=Path)
    parser.add_argument("cues", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--cue", nargs="+", default=list(TARGETS))
    parser.add_argument("--network", default="compact")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--scored", type=int, default=120, help="test words whose maps are scored")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    arguments.out.mkdir(parents=True, exist_ok=True)
    corpus, cues = Corpus.open(arguments.corpus), pd.read_parquet(arguments.cues)
    reader = SceneReader(corpus, "stressnet")
    for cue in arguments.cue:
        words = _words(corpus, cues, cue, reader, arguments.out)
        if words is None:
            continue
        label = f"{arguments.network}-{arguments.seed}"
        model = train_network(
            words, arguments.network, arguments.seed, arguments.out / "nets" / cue / label, **RECIPE
        )
        score_network(
            words,
            model,
            {"target": cue, "network": arguments.network, "net_seed": arguments.seed},
            arguments.out,
            arguments.scored,
        )


def _words(
    corpus: Corpus, cues: pd.DataFrame, cue: str, reader: SceneReader, out: Path
) -> LabSet | None:
    """The set from ``out`` or made anew; None if the cue cannot be localised."""
    folder = out / "sets" / cue
    try:
        return LabSet.load(folder)
    except CorpusError:
        pass
    try:
        target = localised_target(cues, cue)
    except ConfigError as error:
        print(error)
        return None
    add_rows(out / "localised-targets.csv", [target_row(target.describe())])
    table = target.correlations.assign(target=cue)
    add_rows(out / "localised-correlations.csv", table.to_dict("records"))
    words = localised_set(corpus, cues, cue, target=target, reader=reader)
    words.save(folder)
    return words


def target_row(described: Mapping[str, Any]) -> dict[str, Any]:
    """One row of ``localised-targets.csv``."""
    counts = {name: n for name, n in described["counts"].items() if not name.startswith("all")}
    names = [name for name in described if name not in ("made_by", "rules", "counts")]
    return {**{name: described[name] for name in names}, **counts}


def score_network(
    words: LabSet, model: nn.Module, identity: dict[str, Any], out: Path, n_scored: int
) -> None:
    """Judge a network, perturb regions, score maps; add rows to the tables in ``out``."""
    file = out / "localised-networks.csv"
    if file.is_file():
        done = pd.read_csv(file)
        if (done[list(identity)] == pd.Series(identity)).all(axis=1).any():
            return
    learned = judge(model, words)
    balanced, auroc = learned.balanced_accuracy, learned.auroc
    row = {
        **identity,
        "n_test": learned.n_test,
        "balanced_accuracy": balanced.value,
        "low": balanced.low,
        "high": balanced.high,
        "auroc": auroc.value,
        "auroc_low": auroc.low,
        "auroc_high": auroc.high,
        "solved": learned.solved,
    }
    print({k: round(v, 3) if isinstance(v, float) else v for k, v in row.items()}, flush=True)
    if balanced.low > 0.5:
        _maps(words.take(_chosen(words, learned, n_scored)), words, model, row, identity, out)
    add_rows(file, [row])


def _chosen(words: LabSet, learned: Learned, n: int) -> NDArray[np.int64]:
    """Test words that the network gets right, as many of each class."""
    rows = np.random.default_rng(0).permutation(words.rows("test")[learned.correct])
    sides = [rows[words.labels[rows] == c][: n // 2] for c in (0, 1)]
    return np.sort(np.concatenate(sides))


def _maps(
    some: LabSet,
    words: LabSet,
    model: nn.Module,
    row: Mapping[str, Any],
    identity: dict[str, Any],
    out: Path,
) -> None:
    bounds = input_bounds(np.asarray(words.images[words.rows("train")]))
    weights = np.concatenate(list(cluster_weights(some.voices, some.words, n_resamples=400)))
    scorer, used = None, frozenset[str]()
    if some.has_place:
        scorer = Scorer(some)
        reactions = measure_reactions(model, scorer, weights, N_REACTIONS)
        used = used_regions(reactions)
        is_true = reactions["region"].isin(words.true_regions)
        table = reactions.assign(**identity, is_true=is_true)
        add_rows(out / "localised-reactions.csv", table.to_dict("records"))
    for explainer in make_explainers(METHODS, ["logit-difference"]):
        maps = explainer.maps(model, some.images, bounds)
        if scorer is None:
            found = place_entry(some, maps, "positive", weights)["places"]
        else:
            found = score_entry(scorer.score(maps), used, weights)["measures"]
        rows = [
            {**identity, "solved": row["solved"], "method": explainer.name, "measure": name, **one}
            for name, one in found.items()
        ]
        add_rows(out / "localised-maps.csv", rows)


def add_rows(file: Path, rows: Sequence[Mapping[Any, Any]]) -> None:
    """Append rows to a table, which may get new columns."""
    new = pd.DataFrame(rows)
    if file.is_file():
        new = pd.concat([pd.read_csv(file), new], ignore_index=True)
    new.to_csv(file, index=False, float_format="%.6g")


if __name__ == "__main__":
    main()
