"""Effects of ``stressnet patch`` for the explorer: of each pair of tokens, and their mean."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from stressnet.patching.agreement import TRUTH
from stressnet.patching.pairs import NULL
from stressnet.report.explorer.pack import rounded
from stressnet.runs.tables import read_table

COLUMNS = [
    *("network", "pair", "layer", "kind", "unit"),
    *("estimator", "direction", "effect", "difference", "cue"),
]


def patched(folder: Path, token_ids: Sequence[str]) -> list[dict[str, Any]]:
    """For each network, effects by unit and layer, as measured or first estimated.

    Units are of the first kind that is no channel; a folder without any gives nothing. Tokens of a
    pair are numbers of ``token_ids``, None if it is none of them.
    """
    effects = read_table(folder / "effects.parquet", COLUMNS)
    effects = effects[(effects["cue"] != NULL) & (effects["kind"] != "channel")]
    if effects.empty:
        return []
    names = set(effects["estimator"])
    name = TRUTH if TRUTH in names else effects["estimator"].iloc[0]
    kind = effects["kind"].iloc[0]
    effects = effects[(effects["estimator"] == name) & (effects["kind"] == kind)]
    ids = ["network", "pair", "clean_id", "corrupted_id"]
    pairs = read_table(folder / "pairs.csv", ids).set_index(ids[:2])
    places = {token_id: number for number, token_id in enumerate(token_ids)}
    found = []
    for network, rows in effects.groupby("network", sort=False):
        units, layers = (list(dict.fromkeys(rows[column])) for column in ("unit", "layer"))
        logits = rows.assign(effect=rows["effect"] * rows["difference"])
        share = logits.groupby(["unit", "layer"])["effect"].sum().reset_index()
        share["effect"] /= rows.drop_duplicates("pair")["difference"].sum()
        found.append(
            {
                "network": network,
                "direction": str(rows["direction"].iloc[0]).replace("-", " "),
                "units": units,
                "layers": layers,
                "mean": _grid(share, units, layers),
                "pairs": [
                    {
                        "tokens": [places.get(str(t)) for t in pairs.loc[(network, pair), ids[2:]]],
                        "difference": rounded(part["difference"].iloc[0], 3),
                        "effects": _grid(part, units, layers),
                    }
                    for pair, part in rows.groupby("pair", sort=False)
                ],
            }
        )
    return found


def _grid(rows: pd.DataFrame, units: list[str], layers: list[str]) -> list[list[float | None]]:
    wide = rows.pivot(index="unit", columns="layer", values="effect")
    wide = wide.reindex(index=units, columns=layers)
    return [[rounded(value, 2) for value in line] for line in wide.to_numpy()]
