"""Relevance of the regions of cues, token by token, beside the effects of changing the cues."""

from collections.abc import Container, Sequence
from typing import Any

import numpy as np
import pandas as pd
import torch

from stressnet.errors import ConfigError
from stressnet.explain.faithfulness.attributions import Attribution
from stressnet.lexicon.stress import Stress
from stressnet.manipulation.causal import CUE_REGIONS
from stressnet.models.checkpoint import TrainedNetwork
from stressnet.regions import Missing, get_regions
from stressnet.regions.from_corpus import SceneReader
from stressnet.runs.folder import RunFolder
from stressnet.runs.problems import Problem, Severity

CHUNK = 16  # Tokens that are explained together


def cue_relevance(
    network: TrainedNetwork,
    attributions: dict[str, Attribution],
    reader: SceneReader,
    tokens: pd.DataFrame,
    folder: RunFolder,
    cues: Container[str],
) -> pd.DataFrame:
    """Sums of maps in the regions of cues: ``token_id, method, cue, relevance, missing``."""
    regions = {cue: names for cue, names in CUE_REGIONS.items() if cue in cues}
    ids = tokens["token_id"].tolist()

    def explain(part: list[str]) -> list[list[Any]]:
        values = reader.images.values
        picture = np.stack([values[reader.image_index(i)] for i in part]).astype(np.float32)
        inputs = torch.from_numpy(picture)[:, None].to(network.device)
        # Log-odds of INITIAL are the logit difference INITIAL minus FINAL.
        classes = torch.full((len(part),), Stress.INITIAL.class_index, device=network.device)
        scenes = [reader.scene(token_id, surroundings=False) for token_id in part]
        masks = [{cue: union_mask(names, s) for cue, names in regions.items()} for s in scenes]
        rows: list[list[Any]] = []
        for method, attribution in attributions.items():
            maps = attribution(network.model, inputs, classes)[:, 0].double().cpu().numpy()
            for token_id, one, of_cues in zip(part, maps, masks, strict=True):
                for cue, mask in of_cues.items():
                    if isinstance(mask, str):
                        rows.append([token_id, method, cue, None, mask])
                    else:
                        rows.append([token_id, method, cue, float((one * mask).sum()), ""])
        return rows

    tasks = ((str(start), ids[start : start + CHUNK]) for start in range(0, len(ids), CHUNK))
    chunks = folder.chunks("explain", tasks, explain, total=len(ids), n_items=len, here=True)
    rows = [row for _, part in chunks for row in part]
    table = pd.DataFrame(rows, columns=["token_id", "method", "cue", "relevance", "missing"])
    lost = table[table["missing"] != ""].drop_duplicates(["token_id", "cue"])
    folder.problems += [
        Problem(str(row.token_id), f"region of {row.cue}", Severity.WARNING, str(row.missing))
        for row in lost.itertuples()
    ]
    return table


def union_mask(names: Sequence[str], scene: Any) -> Any:
    """Cells of several regions, each counted once; the reason if one of them is missing."""
    masks = []
    for region in get_regions(names):
        mask = region.mask(scene)
        if isinstance(mask, Missing):
            return f"{region.name}: {mask.reason}"
        masks.append(mask)
    return np.maximum.reduce(masks)


def pairs_of(effects: pd.DataFrame, relevance: pd.DataFrame, tokens: pd.DataFrame) -> pd.DataFrame:
    """Relevance beside effects, with everything that statistics need."""
    about = ["token_id", "speaker", "word", "family", "stress", "split"]
    about += ["stress_predicted", "logit_difference"]
    pairs = relevance.merge(effects, on=["token_id", "cue"], validate="m:1")
    pairs = tokens[about].merge(pairs, on="token_id", validate="1:m")
    if pairs.empty:
        raise ConfigError("no token has both a map and a changed cue")
    pairs["relevance"] = pairs["relevance"].astype(np.float64)
    order = list(dict.fromkeys(effects["cue"]))
    methods = list(dict.fromkeys(relevance["method"]))
    pairs["_cue"] = pairs["cue"].map(order.index)
    pairs["_method"] = pairs["method"].map(methods.index)
    pairs = pairs.sort_values(["_method", "_cue", "token_id"], kind="stable")
    return pairs.drop(columns=["_method", "_cue"]).reset_index(drop=True)
