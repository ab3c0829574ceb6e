"""Does the network use a place that a map marks? Perturb it, and its mirrored control.

After Siegel et al. (arXiv 2508.02560), see ``docs/validation.md``: a region and its counterpart
(:func:`stressnet.lab.candidates.counterpart`), both cut to the same number of frames, are filled
with noise. What counts is the drop of the logit difference towards the predicted class: the size of
the change alone would not do, since a network is sensitive to noise everywhere near its cue, nor
would filling from the surroundings, which carries the cue into the hole. A region is *used* if its
mean drop exceeds the size of its counterpart's for words of one class at least.
"""

from typing import NamedTuple

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import nn

from stressnet.axes import BoolArray
from stressnet.explain.faithfulness.baselines import fill_with_noise
from stressnet.explain.faithfulness.scores import logits_of
from stressnet.inference.bootstrap import percentile_limits
from stressnet.lab.candidates import CANDIDATES, counterpart
from stressnet.lab.scores import Scorer
from stressnet.lexicon.stress import CLASSES, Stress, logit_difference

MIN_WORDS = 8  # A region that fewer words of a class have (with counterpart) excuses nothing

BATCH = 32


def measure_reactions(
    model: nn.Module,
    scorer: Scorer,
    weights: NDArray[np.float64],
    max_words: int | None = None,
    seed: int = 0,
) -> pd.DataFrame:
    """Perturb every region of every word and its counterpart.

    ``weights``, of shape (n_resamples, n_words), are how often each word counts in the resamples of
    the bootstrap. Returns one row per class and region: ``stress, region, n, drop, drop_control,
    difference, low, high, used``.
    """
    words = scorer.words
    n = len(words) if max_words is None else min(max_words, len(words))
    drops = np.full((2, len(words), len(CANDIDATES)), np.nan)
    jobs = [job for i in range(n) for job in _jobs(scorer, i)]
    images = torch.from_numpy(np.array(words.images[:n]))[:, None]
    sounding = np.concatenate(
        [image[:, sound] for image, sound in zip(words.images, words.sound, strict=True)], axis=1
    )
    statistics = (sounding.mean(axis=1), sounding.std(axis=1))
    mean, sd = (torch.from_numpy(values)[:, None] for values in statistics)
    fill = fill_with_noise(images, mean, sd, torch.Generator().manual_seed(seed))
    noise = fill(images, torch.ones_like(images, dtype=torch.bool))
    logits = logits_of(model, images, BATCH)
    predicted = logits.argmax(dim=1)
    initial = predicted == Stress.INITIAL.class_index
    sign = torch.where(initial, 1.0, -1.0).double()
    plain = sign * logit_difference(logits).double()
    for start in range(0, len(jobs), BATCH):
        part = jobs[start : start + BATCH]
        at = torch.tensor([job.word for job in part])
        removed = torch.from_numpy(np.stack([job.cells for job in part]))[:, None]
        found = logits_of(model, torch.where(removed, noise[at], images[at]), BATCH)
        drop = plain[at] - sign[at] * logit_difference(found).double()
        for job, value in zip(part, drop.tolist(), strict=True):
            for role, region in job.stands_for:
                drops[role, job.word, CANDIDATES.index(region)] = value
    rows = []
    taken_for = np.full(len(words), -1)
    taken_for[:n] = predicted.numpy()
    for stress in CLASSES:
        mine = taken_for == stress.class_index
        for k, name in enumerate(CANDIDATES):
            there = mine & np.isfinite(drops[:, :, k]).all(axis=0)
            if there.any():
                row = _compared(drops[0, there, k], drops[1, there, k], weights[:, there])
                rows.append({"stress": stress.value, "region": name, **row})
    columns = "stress region n drop drop_control difference low high used".split()
    return pd.DataFrame(rows, columns=columns)


def used_regions(reactions: pd.DataFrame) -> frozenset[str]:
    """Regions that the network uses more than their counterparts, for one class at least."""
    return frozenset(reactions.loc[reactions["used"], "region"])


def _compared(
    drop: NDArray[np.float64], control: NDArray[np.float64], weights: NDArray[np.float64]
) -> dict[str, float | int | bool]:
    total = weights.sum(axis=1)
    kept = weights[total > 0] / total[total > 0, None]
    low, high = percentile_limits(kept @ drop - np.abs(kept @ control))
    return {
        "n": len(drop),
        "drop": float(drop.mean()),
        "drop_control": float(control.mean()),
        "difference": float(drop.mean() - abs(control.mean())),
        "low": low,
        "high": high,
        "used": bool(len(drop) >= MIN_WORDS and low > 0),
    }


class _Job(NamedTuple):
    """Cells to perturb in a word, and whose drop that is: 0 the region's own, 1 its control's."""

    word: int
    cells: BoolArray
    stands_for: list[tuple[int, str]]


def _jobs(scorer: Scorer, i: int) -> list[_Job]:
    """Regions of a word that have a counterpart, and these, each pair of one length."""
    mine = scorer.regions[i]
    cells = mine.cells.toarray().reshape(-1, *scorer.words.axes.shape) > 0
    masks = dict(zip(mine.names, cells, strict=True))
    jobs: list[_Job] = []
    done = set()
    for name, mask in masks.items():
        other = counterpart(name, masks)
        if other is None or name in done:
            continue
        own, control = _same_length(mask, masks[other])
        of_own, of_control = [(0, name)], [(1, name)]
        if counterpart(other, masks) == name:  # each is the other's control
            of_own.append((1, other))
            of_control.append((0, other))
            done.add(other)
        jobs += [_Job(i, own, of_own), _Job(i, control, of_control)]
    return jobs


def _same_length(one: BoolArray, other: BoolArray) -> tuple[BoolArray, BoolArray]:
    """Both masks on the same number of frames, taken from their middles."""
    frames = [np.flatnonzero(mask.any(axis=0)) for mask in (one, other)]
    n = min(len(each) for each in frames)
    cut = np.zeros((2, *one.shape), dtype=bool)
    for kept, mask, at in zip(cut, (one, other), frames, strict=True):
        inside = at[(len(at) - n) // 2 :][:n]
        kept[:, inside] = mask[:, inside]
    return cut[0], cut[1]
