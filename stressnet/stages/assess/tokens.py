"""Images, sound, phones, formant bands and regions of tokens, as the metrics need them."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from stressnet.corpus.images import Images
from stressnet.corpus.mean_spectrum import bin_statistics
from stressnet.corpus.store import Corpus, Selection
from stressnet.explain.faithfulness.attributions import fill_of
from stressnet.explain.faithfulness.battery import Battery, TokenBatch
from stressnet.lexicon.stress import CLASSES
from stressnet.models.checkpoint import TrainedNetwork
from stressnet.regions import Missing, get_regions
from stressnet.regions.from_corpus import SceneReader
from stressnet.runs.folder import RunFolder
from stressnet.stages.assess import AssessConfig

FORMANT_UNITS = tuple(f"F{k}_{which}" for which in ("stressed", "unstressed") for k in range(1, 5))
"""Regions that are the units called formant bands."""


CHUNK = 8  # Tokens that are measured together and draw from the same generators


def measure_tokens(
    battery: Battery,
    corpus: Corpus,
    network: TrainedNetwork,
    chosen: Selection,
    config: AssessConfig,
    folder: RunFolder,
) -> list[dict[str, Any]]:
    """Rows of all tokens, methods and metrics."""
    reader = SceneReader(corpus, network.info.preset)
    mean, sd = bin_statistics(corpus, reader.images, chosen.tokens, config.seed)
    statistics = torch.from_numpy(mean)[:, None], torch.from_numpy(sd)[:, None]
    ids = chosen.tokens["token_id"].tolist()

    def measure(token_ids: list[str]) -> list[dict[str, Any]]:
        return battery.run(
            read_batch(reader, token_ids, config.regions, statistics, network.device)
        )

    tasks = ((str(start), ids[start : start + CHUNK]) for start in range(0, len(ids), CHUNK))
    chunks = folder.chunks("assess", tasks, measure, total=len(ids), n_items=len, here=True)
    return [row for _, rows in chunks for row in rows]


def value_table(
    records: list[dict[str, Any]], chosen: Selection, network: TrainedNetwork, images: Images
) -> pd.DataFrame:
    """Rows with the token's word, speaker, stress and prediction."""
    chosen_images = np.asarray(images.values[chosen.image_index], dtype=np.float32)
    answers = network.logits(chosen_images).argmax(axis=1)
    tokens = chosen.tokens[["token_id", "word", "speaker", "stress", "split"]].copy()
    tokens.insert(4, "stress_predicted", [CLASSES[k].value for k in answers])
    return tokens.merge(pd.DataFrame(records), on="token_id", how="right", validate="1:m")


def read_batch(
    reader: SceneReader,
    token_ids: list[str],
    regions: Sequence[str],
    statistics: tuple[Tensor, Tensor],
    device: str,
) -> TokenBatch:
    """Images, sound, phones, formant bands and regions of some tokens.

    ``statistics`` are mean and standard deviation of sound per bin, each of shape (n_bins, 1).
    """
    values = reader.images.values
    picture = np.stack([values[reader.image_index(i)] for i in token_ids]).astype(np.float32)
    inputs = torch.from_numpy(picture)[:, None]
    shape = inputs.shape[-2:]
    cells: list[Any] = []
    masks: dict[str, list[Any]] = {name: [] for name in regions}
    missing: dict[str, list[str]] = {name: [] for name in regions}
    units: dict[str, list[Tensor]] = {"phones": [], "formant bands": []}
    for token_id in token_ids:
        scene = reader.scene(token_id)
        cells.append(np.broadcast_to(scene.sound, shape))
        phones = [scene.in_time(phone) >= 0.5 for phone in scene.times.phones]
        found = [np.broadcast_to(phone, shape) for phone in phones if phone.any()]
        units["phones"].append(_stack(found, shape))
        bands = [region.mask(scene) for region in get_regions(FORMANT_UNITS)]
        solid = [band >= 0.5 for band in bands if not isinstance(band, Missing)]
        units["formant bands"].append(_stack([band for band in solid if band.any()], shape))
        for region in get_regions(regions):
            mask = region.mask(scene)
            masks[region.name].append(np.zeros(shape) if isinstance(mask, Missing) else mask)
            missing[region.name].append(mask.reason if isinstance(mask, Missing) else "")
    mean, sd = statistics
    return TokenBatch(
        token_ids=token_ids,
        inputs=inputs.to(device),
        cells=torch.from_numpy(np.stack(cells))[:, None],
        units=units,
        regions={
            name: torch.from_numpy(np.clip(np.stack(each), 0.0, 1.0))[:, None]
            for name, each in masks.items()
        },
        missing=missing,
        fill=fill_of(inputs, str(reader.images.preset["padding"])),
        mean=mean,
        sd=sd,
    )


def _stack(masks: list[Any], shape: Any) -> Tensor:
    """Masks of units, shape (n_units, 1, n_bins, n_frames), also of none."""
    stacked = np.stack(masks) if masks else np.zeros((0, *shape), dtype=bool)
    return torch.from_numpy(stacked)[:, None]
