"""Training of a monophone Gaussian mixture model on the corpus that is to be aligned.

It starts from another aligner's phones where there is one for the language: with minutes of speech
rather than hours a flat start, from phones of equal length (`equal_paths`), settles further from
the truth.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import kaldi_hmm_gmm as khg
import numpy as np

from stressnet.alignment.features import FRAME_S
from stressnet.alignment.gmm import (
    PHONE_STATES,
    SILENCE_PHONE,
    SILENCE_STATES,
    GmmModel,
    PhoneSet,
    best_path,
    find_words,
    word_graph,
)
from stressnet.alignment.paths import Variants, WordPath, segments


@dataclass(frozen=True, slots=True)
class TrainingUtterance:
    """An utterance to learn from, with words and phones to start from."""

    features: np.ndarray
    variants: Variants
    paths: tuple[WordPath, ...]


FRAMES_PER_GAUSSIAN, MAX_GAUSSIANS = 40.0, 3000  # Size of the final model
FLAT_START_S = 300.0  # Speech in seconds from which a model learns without first phones
QUIET_SHARE = 0.3  # Share of the range of levels below which a frame starts as a pause


class Statistics:
    """Sums over frames that a model aligned, from which the model is estimated anew."""

    def __init__(self, model: GmmModel) -> None:
        self.model = model
        self.densities = khg.AccumAmDiagGmm()
        self.densities.init(self.model.densities, int(khg.GmmUpdateFlags.kGmmAll))
        self.transitions = self.model.transitions.init_stats()

    def add(self, features: np.ndarray, path: Sequence[int]) -> None:
        """Add an utterance's features and its transitions, one per frame."""
        numbers = np.asarray(path)
        self.transitions += np.bincount(numbers, minlength=len(self.transitions))
        self.add_densities(features, np.asarray(self.model.transitions.id2pdf_id)[numbers])

    def add_densities(self, features: np.ndarray, pdfs: np.ndarray) -> None:
        """Add frames whose densities are known, transitions aside."""
        for frame, pdf in zip(features, pdfs.tolist(), strict=True):
            self.densities.accumulate_for_gmm(self.model.densities, frame, pdf, 1.0)

    def update(self, num_gaussians: int) -> None:
        """Estimate the model's parameters in place and split up to `num_gaussians` in all."""
        self.model.transitions.mle_update(self.transitions, khg.MleTransitionUpdateConfig())
        khg.mle_am_diag_gmm_update(
            config=khg.MleDiagGmmOptions(min_variance=0.01),
            amdiag_gmm_acc=self.densities,
            flags=int(khg.GmmUpdateFlags.kGmmAll),
            am_gmm=self.model.densities,
        )
        occupancy = np.array(
            [self.densities.get_acc(i).occupancy.sum() for i in range(self.densities.num_accs)],
            dtype=np.float32,
        )
        split(self.model.densities, occupancy, num_gaussians)


def split(densities: khg.AmDiagGmm, occupancy: np.ndarray, num_gaussians: int) -> None:
    """Split the heaviest Gaussians until there are `num_gaussians` in all states, in place.

    Kaldi's own splitting draws from an unseeded generator; this one always gives the same. As
    there, a state's share of Gaussians goes with the 0.2th power of its frames (`occupancy`), and
    no Gaussian may be left with fewer than 20.
    """
    counts = np.array([densities.num_gauss_in_pdf(pdf) for pdf in range(densities.num_pdfs)])
    targets = counts.copy()
    weight = np.asarray(occupancy, dtype=np.float64) ** 0.2
    while targets.sum() < num_gaussians:
        room = occupancy / (targets + 1) >= 20.0
        if not room.any():
            break
        targets[np.argmax(np.where(room, weight / targets, -1.0))] += 1
    for pdf in np.flatnonzero(targets > counts):
        gmm = densities.get_pdf(int(pdf))
        weights, means, variances = (np.array(x) for x in (gmm.weights, gmm.means, gmm.vars))
        draw = np.random.default_rng([int(pdf), len(weights)])
        for _ in range(targets[pdf] - counts[pdf]):
            heaviest = int(np.argmax(weights))
            weights[heaviest] /= 2.0
            shift = 0.01 * draw.standard_normal(means.shape[1]) * np.sqrt(variances[heaviest])
            weights = np.append(weights, weights[heaviest])
            variances = np.vstack([variances, variances[heaviest]])
            means = np.vstack([means, means[heaviest] - shift])
            means[heaviest] += shift
        gmm.resize(len(weights), means.shape[1])
        gmm.set_weights(weights.astype(np.float32))
        gmm.set_invvars_and_means((1.0 / variances).astype(np.float32), means.astype(np.float32))
        gmm.compute_gconsts()


def agreeing(variants: Variants, paths: Sequence[WordPath] | None) -> list[list[tuple[str, ...]]]:
    """For each word the variants whose segments are those of the path, stress left open."""
    if paths is None:
        return [[tuple(v) for v in word] for word in variants]
    return [
        [tuple(v) for v in word if segments(v) == segments(path.phones)]
        for word, path in zip(variants, paths, strict=True)
    ]


def train(
    utterances: Sequence[TrainingUtterance], phones: PhoneSet | None = None, iterations: int = 7
) -> GmmModel:
    """Estimate a model of all of ARPAbet, or of other ``phones``, from at least one utterance."""
    rows = np.concatenate([u.features for u in utterances]).astype(np.float64)
    model = GmmModel.flat(phones or PhoneSet(), rows.mean(axis=0), rows.var(axis=0))
    first = Statistics(model)
    for utterance in utterances:
        first.add_densities(utterance.features, initial_pdfs(model, utterance))
    first.update(model.densities.num_gauss)
    start = model.densities.num_gauss
    target = max(start, min(MAX_GAUSSIANS, len(rows) / FRAMES_PER_GAUSSIAN))
    graphs = [word_graph(model, u.variants) for u in utterances]
    for iteration in range(1, iterations + 1):
        statistics = Statistics(model)
        for utterance, graph in zip(utterances, graphs, strict=True):
            path = best_path(model, graph, utterance.features)
            if path is not None:
                statistics.add(utterance.features, path)
        grown = min(1.0, iteration / max(1, iterations - 2))
        statistics.update(int(start * math.pow(target / start, grown)))
    return model


def initial_pdfs(model: GmmModel, utterance: TrainingUtterance) -> np.ndarray:
    """The density of every frame by the phones to start from, each cut into equal states."""
    silence = [model.tree.compute([SILENCE_PHONE], state)[1] for state in range(SILENCE_STATES)]
    pdfs = np.resize(np.array(silence), len(utterance.features))
    for path in utterance.paths:
        length = len(path.phones)
        for place, phone in enumerate(path.phones):
            number = model.phones.number(phone, place, length)
            edges = np.linspace(path.edges_s[place], path.edges_s[place + 1], PHONE_STATES + 1)
            edges = np.round(edges / FRAME_S).astype(int)
            for state in range(PHONE_STATES):
                pdfs[edges[state] : edges[state + 1]] = model.tree.compute([number], state)[1]
    return pdfs


def train_flat(utterances: Sequence[TrainingUtterance]) -> GmmModel:
    """Estimate a model of the phones that occur, where no other aligner knows the language.

    A model of up to `FLAT_START_S` seconds of speech learns from phones of equal length where
    phones are; from what it finds the model is estimated as from another aligner's phones.
    """
    labels = {phone for u in utterances for word in u.variants for v in word for phone in v}
    phones = PhoneSet(tuple(sorted(labels)))
    ends_s = FRAME_S * np.cumsum([len(u.features) for u in utterances])
    few = utterances[: 1 + int(np.searchsorted(ends_s, FLAT_START_S))]
    rough = train(few, phones, iterations=20)
    located = []
    for utterance in utterances:
        found = find_words(rough, utterance.features, utterance.variants, confident=False)
        if found is not None:
            variants = agreeing(utterance.variants, found.words)
            located.append(TrainingUtterance(utterance.features, variants, found.words))
    return train(located, phones) if located else rough


def equal_paths(static: np.ndarray, variants: Variants) -> tuple[WordPath, ...]:
    """Phones of equal length over what sounds; pauses are what is much softer than the rest.

    ``static`` are cepstra as they were computed, shape (frames, 13): the zeroth is the level.
    Each word has its first variant.
    """
    level = static[:, 0]
    low, high = np.percentile(level, [5, 95])
    sounding = np.flatnonzero(level > low + QUIET_SHARE * (high - low))
    chosen = [word[0] for word in variants]
    places = np.linspace(0, len(sounding), sum(map(len, chosen)) + 1)
    edges_s = FRAME_S * np.interp(
        places, np.arange(len(sounding) + 1), [*sounding, sounding[-1] + 1]
    )
    paths, first = [], 0
    for phones in chosen:
        paths.append(WordPath(phones, tuple(edges_s[first : first + len(phones) + 1].tolist())))
        first += len(phones)
    return tuple(paths)
