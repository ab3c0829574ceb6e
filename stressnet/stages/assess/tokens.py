"""Images, sound, phones, formant bands and regions of tokens, as the metrics need them."""

from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from stressnet.corpus.images import Images, stacked
from stressnet.corpus.mean_spectrum import bin_statistics
from stressnet.corpus.store import Corpus, Selection
from stressnet.explain.faithfulness.attributions import fill_of
from stressnet.explain.faithfulness.battery import Battery, TokenBatch
from stressnet.lexicon.stress import CLASSES
from stressnet.models.checkpoint import TrainedNetwork
from stressnet.regions import Missing, get_regions
from stressnet.regions.from_corpus import SceneReader, drawn_on
from stressnet.regions.scene import Scene
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
    readers = [SceneReader(corpus, one["name"]) for one in network.info.presets]
    mean, sd = np.concatenate(
        [bin_statistics(corpus, one.images, chosen.tokens, config.seed) for one in readers], axis=1
    )
    statistics = torch.from_numpy(mean)[:, None], torch.from_numpy(sd)[:, None]
    ids = chosen.tokens["token_id"].tolist()

    def measure(token_ids: list[str]) -> list[dict[str, Any]]:
        return battery.run(
            read_batch(readers, token_ids, config.regions, statistics, network.device)
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
    readers: Sequence[SceneReader],
    token_ids: list[str],
    regions: Sequence[str],
    statistics: tuple[Tensor, Tensor],
    device: str,
) -> TokenBatch:
    """Images, sound, phones, formant bands and regions of some tokens.

    ``readers`` are one for each preset that the network takes; ``statistics`` are mean and standard
    deviation of sound per bin, each of shape (n_bins, 1).
    """
    rows = [readers[0].image_index(i) for i in token_ids]
    pictures = [np.stack([one.images.values[row] for row in rows]) for one in readers]
    inputs = torch.from_numpy(stacked(pictures).astype(np.float32))[:, None]
    shape = inputs.shape[-2:]
    cells: list[Any] = []
    masks: dict[str, list[Any]] = {name: [] for name in regions}
    missing: dict[str, list[str]] = {name: [] for name in regions}
    units: dict[str, list[Tensor]] = {"phones": [], "formant bands": []}
    for token_id in token_ids:
        scenes = [one.scene(token_id) for one in readers]
        cells.append(drawn_on(scenes, lambda scene: scene.sound))
        phones = [
            drawn_on(scenes, partial(_phone, number=number))
            for number in range(len(scenes[0].times.phones))
        ]
        units["phones"].append(_stack([phone for phone in phones if phone.any()], shape))
        bands = [drawn_on(scenes, region.mask) for region in get_regions(FORMANT_UNITS)]
        solid = [band >= 0.5 for band in bands if not isinstance(band, Missing)]
        units["formant bands"].append(_stack([band for band in solid if band.any()], shape))
        for region in get_regions(regions):
            mask = drawn_on(scenes, region.mask)
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
        fill=fill_of(inputs, str(readers[0].images.preset["padding"])),
        mean=mean,
        sd=sd,
    )


def _phone(scene: Scene, number: int) -> Any:
    return scene.in_time(scene.times.phones[number]) >= 0.5


def _stack(masks: list[Any], shape: Any) -> Tensor:
    """Masks of units, shape (n_units, 1, n_bins, n_frames), also of none."""
    stacked = np.stack(masks) if masks else np.zeros((0, *shape), dtype=bool)
    return torch.from_numpy(stacked)[:, None]
