"""What ``stressnet assess`` reads from a corpus: images, sound, phones, formant bands, regions."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from stressnet.corpus.store import Corpus, Images

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray
    from torch import Tensor

    from stressnet.regions.from_corpus import SceneReader
    from stressnet.workflows.assess_battery import TokenBatch

FORMANT_UNITS = tuple(f"F{k}_{which}" for which in ("stressed", "unstressed") for k in range(1, 5))
"""Regions that are the units called formant bands."""

N_FOR_STATISTICS = 500
"""Training images from which mean and spread per bin are taken."""


def bin_statistics(
    corpus: Corpus, images: Images, chosen: pd.DataFrame, seed: int
) -> tuple[Tensor, Tensor]:
    """Mean and spread of sound per bin, (n_bins, 1), in training images or else the chosen ones."""
    import torch

    where = np.flatnonzero((corpus.tokens["split"] == "train").to_numpy())
    if where.size == 0:
        where = chosen["image"].to_numpy()
    if where.size > N_FOR_STATISTICS:
        rng = np.random.default_rng([seed, 4])
        where = np.sort(rng.choice(where, N_FOR_STATISTICS, replace=False))
    n_bins = images.axes.shape[0]
    total, squares, count = np.zeros(n_bins), np.zeros(n_bins), 0
    for index in where:
        sound = np.asarray(images.values[index], dtype=np.float64)[:, images.mask[index]]
        total += sound.sum(axis=1)
        squares += (sound**2).sum(axis=1)
        count += sound.shape[1]
    mean = total / max(count, 1)
    sd = np.sqrt(np.maximum(squares / max(count, 1) - mean**2, 0.0))
    return torch.from_numpy(mean)[:, None], torch.from_numpy(sd)[:, None]


def reference_spectrum(
    corpus: Corpus, images: Images, chosen: pd.DataFrame, methods: Iterable[str]
) -> NDArray[np.float64] | None:
    """What methods with a reference compare with: the mean of :func:`bin_statistics`, (n_bins,).

    None if there is no such method among ``methods``.
    """
    from stressnet.explain.reference import REFERENCED

    if not any(name in REFERENCED for name in methods):
        return None
    mean, _ = bin_statistics(corpus, images, chosen, seed=0)
    return np.asarray(mean[:, 0].numpy())


def read_batch(
    reader: SceneReader,
    token_ids: list[str],
    regions: Sequence[str],
    statistics: tuple[Tensor, Tensor],
) -> TokenBatch:
    """Images, sound, phones, formant bands and regions of some tokens.

    Parameters
    ----------
    reader : SceneReader
        Of the corpus and preset.
    token_ids : list of str
        Tokens.
    regions : sequence of str
        Regions for localisation.
    statistics : tuple of Tensor, each of shape (n_bins, 1)
        Mean and standard deviation of sound per bin.
    """
    import torch

    from stressnet.regions import Missing, get_regions
    from stressnet.workflows.assess_battery import TokenBatch, fill_of

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
        inputs=inputs,
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
    import torch

    stacked = np.stack(masks) if masks else np.zeros((0, *shape), dtype=bool)
    return torch.from_numpy(stacked)[:, None]
