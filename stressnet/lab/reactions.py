"""Does the network use a place that a map marks? Perturb it, and its mirrored control.

A map may mark a place outside the truth because the map is wrong, or because the network does use
that place (the skirt of a moved formant, say). Siegel et al. (arXiv 2508.02560) tell the two apart
by perturbing the marked place and its counterpart of equal size in the other half of the brain. In
a word the counterpart is the same part of the other syllable
(:func:`stressnet.lab.candidates.counterpart`). Both are cut to the same number of frames and filled
with noise of the set's mean and spread in each bin. What counts is the drop of the logit difference
towards the predicted class: a marked place is said to speak for that class, so without it the
evidence must fall. (The size of the change alone would not do: a network is sensitive to noise
everywhere near its cue. Nor would filling from the surroundings, which carries the cue into the
hole.)

The comparison is made for every candidate region of a set, whatever maps mark: the mean over words
of the drop without the region minus that without its counterpart, with an interval over voices and
words. A region whose interval lies above zero is *used*; a map that marks it is excused.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray

from stressnet.axes import BoolArray
from stressnet.explain.faithfulness.baselines import fill_with_noise
from stressnet.explain.faithfulness.scores import logits_of
from stressnet.lab.candidates import CANDIDATES, counterpart
from stressnet.lab.labset import LabSet
from stressnet.lab.scores import Scorer

if TYPE_CHECKING:
    import pandas as pd
    from torch import nn

MIN_WORDS = 8
"""A region that fewer words have, with its counterpart, is not tested and excuses nothing."""

BATCH = 32


@dataclass(frozen=True)
class Reactions:
    """How much a network reacts to regions and their counterparts.

    Parameters
    ----------
    drops : ndarray, shape (n_words, n_candidates)
        Drop of the logit difference without the region, where the word has its counterpart too;
        else NaN.
    table : DataFrame
        One row per region: ``region, control, n, drop, drop_control, difference, low, high,
        used``.
    """

    drops: NDArray[np.float64]
    table: pd.DataFrame

    @property
    def used(self) -> frozenset[str]:
        """Regions that the network uses more than their counterparts."""
        return frozenset(self.table.loc[self.table["used"], "region"])


def measure_reactions(
    model: nn.Module,
    scorer: Scorer,
    weights: NDArray[np.float64],
    max_words: int | None = None,
    seed: int = 0,
) -> Reactions:
    """Perturb every region of every word and its counterpart.

    Parameters
    ----------
    model : torch.nn.Module
        In evaluation mode.
    scorer : Scorer
        The words with their regions.
    weights : ndarray, shape (n_resamples, n_words)
        How often each word counts in the resamples of the bootstrap.
    max_words : int, optional
        Only the first so many words.
    seed : int
        Of the noise.
    """
    import pandas as pd

    words = scorer.words
    n = len(words) if max_words is None else min(max_words, len(words))
    drops = np.full((len(words), len(CANDIDATES)), np.nan)
    jobs: list[tuple[int, int, BoolArray]] = []
    for i in range(n):
        for name, cells in _pairs(scorer, i).items():
            jobs.append((i, CANDIDATES.index(name), cells))
    images = torch.from_numpy(np.array(words.images[:n]))[:, None]
    fill = fill_with_noise(images, *_statistics(words), torch.Generator().manual_seed(seed))
    noise = fill(images, torch.ones_like(images, dtype=torch.bool))
    logits = logits_of(model, images, BATCH)
    sign = 1.0 - 2.0 * logits.argmax(dim=1).double()
    plain = sign * (logits[:, 0] - logits[:, 1]).double()
    for start in range(0, len(jobs), BATCH):
        part = jobs[start : start + BATCH]
        at = torch.tensor([i for i, _, _ in part])
        removed = torch.from_numpy(np.stack([cells for *_, cells in part]))[:, None]
        found = logits_of(model, torch.where(removed, noise[at], images[at]), BATCH)
        drop = plain[at] - sign[at] * (found[:, 0] - found[:, 1]).double()
        for (i, k, _), value in zip(part, drop.tolist(), strict=True):
            drops[i, k] = value
    rows = []
    for k, name in enumerate(CANDIDATES):
        control = counterpart(name)
        if control is None:
            continue
        other = drops[:, CANDIDATES.index(control)]
        difference = drops[:, k] - other
        there = np.isfinite(difference)
        if not there.any():
            continue
        low, high = interval(difference[there], weights[:, there])
        rows.append(
            {
                "region": name,
                "control": control,
                "n": int(there.sum()),
                "drop": float(drops[there, k].mean()),
                "drop_control": float(other[there].mean()),
                "difference": float(difference[there].mean()),
                "low": low,
                "high": high,
                "used": bool(there.sum() >= MIN_WORDS and low > 0),
            }
        )
    columns = "region control n drop drop_control difference low high used".split()
    return Reactions(drops, pd.DataFrame(rows, columns=columns))


def _pairs(scorer: Scorer, i: int) -> dict[str, BoolArray]:
    """Regions of a word that have a counterpart, each as long as it."""
    mine = scorer.regions[i]
    shape = scorer.words.axes.shape
    masks = {
        name: mine.cells[[k]].toarray().reshape(shape) > 0 for k, name in enumerate(mine.names)
    }
    found: dict[str, BoolArray] = {}
    for name, mask in masks.items():
        other = counterpart(name)
        if name not in found and other in masks:
            found[name], found[other] = _same_length(mask, masks[other])
    return found


def _statistics(words: LabSet) -> tuple[torch.Tensor, torch.Tensor]:
    """Mean and standard deviation of sound per bin, shape (n_bins, 1)."""
    sounding = np.concatenate(
        [image[:, sound] for image, sound in zip(words.images, words.sound, strict=True)], axis=1
    )
    mean, sd = sounding.mean(axis=1), sounding.std(axis=1)
    return torch.from_numpy(mean)[:, None], torch.from_numpy(sd)[:, None]


def _same_length(one: BoolArray, other: BoolArray) -> tuple[BoolArray, BoolArray]:
    """Both masks on the same number of frames, taken from their middles."""
    frames = [np.flatnonzero(mask.any(axis=0)) for mask in (one, other)]
    n = min(len(each) for each in frames)
    cut = []
    for mask, at in zip((one, other), frames, strict=True):
        first = (len(at) - n) // 2
        kept = np.zeros_like(mask)
        inside = at[first : first + n]
        kept[:, inside] = mask[:, inside]
        cut.append(kept)
    return cut[0], cut[1]


def interval(values: NDArray[np.float64], weights: NDArray[np.float64]) -> tuple[float, float]:
    """Percentile interval of a mean over resamples; missing where there are none."""
    total = weights.sum(axis=1)
    means = (weights @ values)[total > 0] / total[total > 0]
    if not len(means):
        return float("nan"), float("nan")
    low, high = np.quantile(means, (0.025, 0.975))
    return float(low), float(high)
