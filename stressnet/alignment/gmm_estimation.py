"""Estimation of Gaussian mixtures and transitions from aligned frames, by Kaldi's own code."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import kaldi_hmm_gmm as khg
import numpy as np

from stressnet.alignment.gmm import GmmModel


@dataclass
class Statistics:
    """Sums over frames that a model aligned, from which the model is estimated anew."""

    model: GmmModel
    densities: khg.AccumAmDiagGmm = field(init=False)
    transitions: np.ndarray = field(init=False)

    def __post_init__(self) -> None:
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


def pooled(matrices: Iterable[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """Mean and variance over the rows of all matrices together."""
    rows = np.concatenate(list(matrices)).astype(np.float64)
    return rows.mean(axis=0), rows.var(axis=0)
