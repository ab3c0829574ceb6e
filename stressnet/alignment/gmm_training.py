"""Training of a monophone Gaussian mixture model on the corpus that is to be aligned.

It starts from another aligner's phones, not from equal lengths: with minutes of speech rather than
hours a flat start settles far from the truth.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from stressnet.alignment.features import FeatureSettings
from stressnet.alignment.gmm import SILENCE_PHONE, GmmModel, PhoneSet, best_path, word_graph
from stressnet.alignment.gmm_estimation import Statistics, pooled
from stressnet.alignment.paths import Variants, WordPath, segments


@dataclass(frozen=True, slots=True)
class TrainingUtterance:
    """An utterance to learn from.

    Parameters
    ----------
    features : ndarray, shape (frames, dimension)
        Normalised features.
    variants : sequence (words) of sequence (variants) of tuple of str
        Pronunciations.
    paths : tuple of WordPath
        Words and phones of another aligner.
    """

    features: np.ndarray
    variants: Variants
    paths: tuple[WordPath, ...]


@dataclass(frozen=True, slots=True)
class TrainingSettings:
    """Size of the model and effort of its training.

    Parameters
    ----------
    phone_states, silence_states : int
        Emitting states.
    iterations : int
        Rounds of alignment and estimation.
    frames_per_gaussian : float
        Frames for each Gaussian of the final model.
    max_gaussians : int
        Most Gaussians of the final model.
    """

    phone_states: int = 3
    silence_states: int = 5
    iterations: int = 7
    frames_per_gaussian: float = 40.0
    max_gaussians: int = 3000


def agreeing(variants: Variants, paths: Sequence[WordPath] | None) -> list[list[tuple[str, ...]]]:
    """For each word the variants whose segments are those of the path, stress left open.

    Without paths all variants are kept.
    """
    if paths is None:
        return [[tuple(v) for v in word] for word in variants]
    return [
        [tuple(v) for v in word if segments(v) == segments(path.phones)]
        for word, path in zip(variants, paths, strict=True)
    ]


def train(
    utterances: Sequence[TrainingUtterance], frames: FeatureSettings, settings: TrainingSettings
) -> GmmModel:
    """Estimate a model from at least one utterance; nothing is drawn at random."""
    mean, variance = pooled(u.features for u in utterances)
    model = GmmModel.flat(
        PhoneSet(), mean, variance, settings.phone_states, settings.silence_states
    )
    first = Statistics(model)
    for utterance in utterances:
        first.add_densities(utterance.features, initial_pdfs(model, utterance, frames, settings))
    first.update(model.densities.num_gauss)
    start = model.densities.num_gauss
    count = sum(len(u.features) for u in utterances)
    target = max(start, min(settings.max_gaussians, count / settings.frames_per_gaussian))
    graphs = [word_graph(model, agreeing(u.variants, u.paths)) for u in utterances]
    for iteration in range(1, settings.iterations + 1):
        statistics = Statistics(model)
        for utterance, graph in zip(utterances, graphs, strict=True):
            path = best_path(model, graph, utterance.features)
            if path is not None:
                statistics.add(utterance.features, path)
        grown = min(1.0, iteration / max(1, settings.iterations - 2))
        statistics.update(int(start * math.pow(target / start, grown)))
    return model


def initial_pdfs(
    model: GmmModel,
    utterance: TrainingUtterance,
    frames: FeatureSettings,
    settings: TrainingSettings,
) -> np.ndarray:
    """The density of every frame by the other aligner's phones, each cut into equal states."""
    count, states = len(utterance.features), settings.phone_states
    silence = [
        model.tree.compute([SILENCE_PHONE], state)[1] for state in range(settings.silence_states)
    ]
    pdfs = np.resize(np.array(silence), count)
    for path in utterance.paths:
        length = len(path.phones)
        for place, phone in enumerate(path.phones):
            number = model.phones.number(phone, place, length)
            edges = np.linspace(path.edges_s[place], path.edges_s[place + 1], states + 1)
            edges = np.round(edges / frames.frame_shift_s).astype(int)
            for state in range(states):
                pdfs[edges[state] : edges[state + 1]] = model.tree.compute([number], state)[1]
    return pdfs
