"""What a network loses when regions of tokens' images become the mean of their neighbourhood."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
import torch

from stressnet.explain.faithfulness import local_mean
from stressnet.lexicon.stress import Stress, logit_difference
from stressnet.models.checkpoint import TrainedNetwork
from stressnet.regions import Missing, get_regions
from stressnet.regions.from_corpus import SceneReader
from stressnet.regions.nulls import exchange_times, exchange_tracks
from stressnet.regions.scene import Scene
from stressnet.runs.folder import RunFolder
from stressnet.statistics.stream import EXCHANGE

CHUNK = 16  # Tokens that are measured together

COLUMNS = ("token_id", "region", "null", "loss", "area", "evidence")


def delete_regions(
    network: TrainedNetwork,
    reader: SceneReader,
    tokens: pd.DataFrame,
    donors: Sequence[Sequence[str]],
    targets: Mapping[str, bool],
    folder: RunFolder,
) -> pd.DataFrame:
    """Loss of evidence by region, token by token.

    ``donors`` are, per token, those whose times and tracks its nulls borrow; the first is used.
    ``targets`` says of regions whether they are also deleted as drawn with another token's times or
    tracks.

    Columns are ``token_id, region, null`` (``""`` or ``exchange``), ``loss`` (logit difference in
    favour of the token's own class, with the region minus without), ``area`` (share of the sound's
    cells) and ``evidence`` (logit difference of the whole image). Regions that a token lacks have
    no row.
    """

    def delete(start: int) -> list[list[Any]]:
        part = tokens.iloc[start : start + CHUNK]
        return _chunk(network, reader, part, donors[start : start + CHUNK], targets)

    chunks = folder.chunks(
        f"delete {network.name}",
        ((str(start), start) for start in range(0, len(tokens), CHUNK)),
        delete,
        total=len(tokens),
        n_items=lambda start: min(CHUNK, len(tokens) - start),
        here=True,
    )
    rows = [row for _, part in chunks for row in part]
    return pd.DataFrame(rows, columns=list(COLUMNS))


def _chunk(
    network: TrainedNetwork,
    reader: SceneReader,
    tokens: pd.DataFrame,
    donors: Sequence[Sequence[str]],
    targets: Mapping[str, bool],
) -> list[list[Any]]:
    values = reader.images.values
    copies, masks, about = [], [], []
    for token_id, lent in zip(tokens["token_id"], donors, strict=True):
        image = np.array(values[reader.image_index(token_id)], dtype=np.float32)
        scene = reader.scene(token_id, surroundings=False)
        donor = reader.scene(lent[0], surroundings=False) if lent else None
        copies.append(image)
        masks.append(np.zeros(image.shape, dtype=bool))
        about.append((token_id, "", "", 0.0))
        for region, with_null in targets.items():
            for null, mask in _masks(scene, donor if with_null else None, region):
                area = float(mask.sum() / max(scene.sound.sum() * mask.shape[0], 1))
                copies.append(image)
                masks.append(mask)
                about.append((token_id, region, null, area))
    inputs = torch.from_numpy(np.stack(copies))[:, None]
    removed = torch.from_numpy(np.stack(masks))[:, None]
    logits = network.logits(local_mean(inputs, removed)[:, 0].numpy())
    table = pd.DataFrame(about, columns=["token_id", "region", "null", "area"])
    initial = tokens.set_index("token_id")["stress"] == Stress.INITIAL.value
    own_class = np.where(table["token_id"].map(initial), 1.0, -1.0)
    table["value"] = own_class * logit_difference(logits)
    whole = table[table["region"] == ""].set_index("token_id")["value"]
    table["evidence"] = table["token_id"].map(whole)
    table["loss"] = table["evidence"] - table["value"]
    rows: list[list[Any]] = table.loc[table["region"] != "", list(COLUMNS)].to_numpy().tolist()
    return rows


def _masks(scene: Scene, donor: Scene | None, name: str) -> list[tuple[str, Any]]:
    """Cells with sound in the region, and in the region as the donor would have it."""
    (region,) = get_regions([name])
    drawn = [("", region.mask(scene))]
    if donor is not None and not isinstance(drawn[0][1], Missing):
        swap = exchange_tracks if region.exchange == "tracks" else exchange_times
        drawn.append((EXCHANGE, region.mask(swap(scene, donor))))
    found = []
    for null, mask in drawn:
        if isinstance(mask, Missing):
            continue
        solid = (mask >= 0.5) & scene.sound[None, :]
        if solid.any():
            found.append((null, solid))
    return found
