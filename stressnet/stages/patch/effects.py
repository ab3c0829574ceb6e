"""Pairs as one network hears them, and effects of its units."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from stressnet.errors import ConfigError
from stressnet.lexicon.stress import logit_difference
from stressnet.models.checkpoint import TrainedNetwork
from stressnet.patching import units as unit_kinds
from stressnet.patching.edges import edge_units
from stressnet.patching.estimate import patch_effects
from stressnet.patching.pairs import NULL, Pairs
from stressnet.runs import Problem, RunFolder, Severity
from stressnet.runs.tables import write_parquet
from stressnet.stages.patch import PatchConfig

BANDS_HZ = ((0.0, 500.0), (500.0, 1500.0), (1500.0, 3000.0), (3000.0, 8000.0))
CHUNK = 8  # Pairs that are patched together; what is finished is not repeated after an interruption


def effects_of(
    config: PatchConfig, network: TrainedNetwork, pairs: Pairs, folder: RunFolder, number: int
) -> dict[str, pd.DataFrame]:
    """Tables ``pairs`` and ``effects`` of a network, the ``number``-th of the command."""
    heard = {
        "clean": pairs.clean,
        "corrupted": pairs.corrupted,
        "clean_recorded": pairs.recorded[:, 0],
        "corrupted_recorded": pairs.recorded[:, 1],
    }
    answers = {name: logit_difference(network.logits(images)) for name, images in heard.items()}
    table = pairs.table.assign(**answers, difference=answers["clean"] - answers["corrupted"])
    is_null = (table["cue"] == NULL).to_numpy()
    enough = (table["difference"] >= config.min_difference).to_numpy() & ~is_null
    table["patched"] = enough | (is_null & (config.units != ("channel",)))
    if not enough.any():
        raise ConfigError(
            f"{network.path}: tells no pair apart by {config.min_difference:g} in its logit "
            "difference; lower --min-difference"
        )
    rows = np.flatnonzero(table["patched"])
    blocks = {
        f"{null:d}-{start}": part[start : start + CHUNK]
        for null in (False, True)
        for part in (rows[is_null[rows] == null],)
        for start in range(0, len(part), CHUNK)
    }
    files = {key: folder.state / f"effects-{number}-{key}.parquet" for key in blocks}

    def patch(key: str) -> list[tuple[int, str]]:
        """Write the effects in some pairs; the pairs that have no scale, each with the reason."""
        effects = _patched(config, network, pairs, blocks[key], key.startswith("1"))
        failed = effects[effects["unit"] == ""].drop_duplicates("pair")
        # What is left out beside them are units without a cell in this pair: they have no effect.
        write_parquet(effects[effects["failure"] == ""].drop(columns="failure"), files[key])
        return list(zip(failed["pair"].tolist(), failed["failure"].tolist(), strict=True))

    for _, unscaled in folder.chunks(
        f"patch-{number}",
        ((key, key) for key in blocks),
        patch,
        total=len(rows),
        unit="pair",
        n_items=lambda key: len(blocks[key]),
        here=True,
    ):
        for pair, reason in unscaled:
            table.loc[table["pair"] == pair, "patched"] = False
            item = f"{network.name}, pair {pair}"
            folder.problems.append(Problem(item, "patch", Severity.WARNING, reason))
    effects = pd.concat(map(pd.read_parquet, files.values()), ignore_index=True)
    about = table[["pair", "word", "speaker", "cue", "difference"]]
    return {"pairs": table, "effects": effects.merge(about, on="pair")}


def _patched(
    config: PatchConfig,
    network: TrainedNetwork,
    pairs: Pairs,
    rows: NDArray[np.intp],
    is_null: bool,
) -> pd.DataFrame:
    """Effects in some pairs, by the numbers of the pairs."""
    model, parts = network.model, [pairs.parts[row] for row in rows]
    makers: dict[str, Callable[[], Any]] = {
        "channel": lambda: unit_kinds.channel_units(model),
        "layer": lambda: unit_kinds.layer_units(model),
        "time": lambda: unit_kinds.time_units(model, pairs.axes, parts),
        "band": lambda: unit_kinds.band_units(model, pairs.axes, BANDS_HZ),
        "head": lambda: unit_kinds.head_units(model),
        "position": lambda: unit_kinds.position_units(model, pairs.axes),
        "edge": lambda: edge_units(model),
    }
    kinds = [kind for kind in config.units if kind != "channel" or not is_null]
    units = [unit for kind in kinds for unit in makers[kind]()]
    clean, corrupted = pairs.tensors(rows)
    direction: Any = config.direction
    effects = patch_effects(model, clean, corrupted, units, config.estimators, direction)
    return effects.assign(pair=pairs.table["pair"].to_numpy()[rows][effects["pair"]])
