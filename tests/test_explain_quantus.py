"""Beside Quantus 0.6: equal where it computes the same thing; where it does not, tests say why.

Quantus is an oracle for the tests only. Its metrics are called at the level of a batch of arrays
where that is enough; what its ``__call__`` adds by default (absolute values, division by the
largest) is switched off elsewhere.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator

import numpy as np
import pytest
import torch
from torch import Tensor, nn

quantus = pytest.importorskip("quantus", exc_type=ImportError)

from stressnet.explain import faithfulness as ff  # noqa: E402

RNG = np.random.default_rng(0)
SHAPE = (5, 1, 6, 8)
MAPS = RNG.gamma(0.5, size=SHAPE)
SIGNED = RNG.normal(size=SHAPE)
MASKS = np.zeros(SHAPE, dtype=bool)
MASKS[:, :, 1:3, 2:6] = True
RAW = {"abs": False, "normalise": False, "disable_warnings": True, "display_progressbar": False}


class Linear(nn.Module):
    """Two logits, each a weighted sum of the input."""

    def __init__(self) -> None:
        super().__init__()
        self.weights = nn.Parameter(torch.from_numpy(RNG.normal(size=(2, *SHAPE[1:]))).float())

    def forward(self, x: Tensor) -> Tensor:
        return torch.einsum("bcij,kcij->bk", x, self.weights)


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


@pytest.fixture(scope="module")
def model() -> nn.Module:
    return Linear().eval()


def tensor(values: np.ndarray) -> Tensor:
    return torch.from_numpy(np.asarray(values))


def close(ours: ff.scores.Scores, theirs: object, tolerance: float = 1e-6) -> None:
    np.testing.assert_allclose(ours.values.numpy(), np.asarray(theirs, float), rtol=tolerance)


# -- the same thing ----------------------------------------------------------------------------


def test_sparseness_agrees() -> None:
    # Quantus adds 1e-7 to every value
    theirs = quantus.Sparseness(**RAW).evaluate_batch(None, np.abs(SIGNED))
    close(ff.sparseness(tensor(SIGNED)), theirs, 1e-5)


def test_complexity_agrees() -> None:
    theirs = quantus.Complexity(**RAW).evaluate_batch(None, np.abs(SIGNED))
    close(ff.complexity(tensor(SIGNED)), theirs)


def test_relevance_mass_agrees_on_maps_without_negative_relevance() -> None:
    theirs = quantus.RelevanceMassAccuracy(**RAW).evaluate_batch(MAPS, MASKS)
    close(ff.relevance_mass_accuracy(tensor(MAPS), tensor(MASKS))[0], theirs)


def test_relevance_rank_agrees() -> None:
    theirs = quantus.RelevanceRankAccuracy(**RAW).evaluate_batch(SIGNED, MASKS)
    close(ff.relevance_rank_accuracy(tensor(SIGNED), tensor(MASKS))[0], theirs)


def test_pointing_agrees_on_regions_that_are_there() -> None:
    masks = MASKS.copy()
    masks[0] = SIGNED[0] == SIGNED[0].max()
    theirs = quantus.PointingGame(**RAW).evaluate_batch(a_batch=SIGNED, s_batch=masks)
    assert theirs[0] and not theirs.all()
    close(ff.pointing_game(tensor(SIGNED), tensor(masks))[0], theirs)


def test_rank_correlation_agrees() -> None:
    theirs = [
        quantus.similarity_func.correlation_spearman(a.ravel(), b.ravel())
        for a, b in zip(SIGNED, MAPS, strict=True)
    ]
    close(ff.rank_correlation(tensor(SIGNED), tensor(MAPS)), theirs)


def test_deletion_curve_agrees_with_pixel_flipping(model: nn.Module) -> None:
    x = SIGNED.astype(np.float32)
    classes = model(tensor(x)).argmax(dim=1)
    flip = quantus.PixelFlipping(
        features_in_step=6, perturb_baseline=0.0, return_auc_per_sample=False, **RAW
    )
    theirs = flip(model, x, classes.numpy(), a_batch=SIGNED.copy(), softmax=True, batch_size=5)
    score = ff.Score(model, classes, "probability")
    draw = torch.Generator().manual_seed(0)
    ours = ff.deletion_curve(
        ff.Removal(score, tensor(x), tensor(SIGNED), ff.fill_with(0.0)), draw, fractions=8
    )
    # ours has the whole image first; Quantus starts after the first step
    np.testing.assert_allclose(ours.values[:, 1:].numpy(), np.asarray(theirs), rtol=1e-5)


def test_max_sensitivity_agrees_on_the_same_perturbation(model: nn.Module) -> None:
    x = SIGNED.astype(np.float32)
    classes = model(tensor(x)).argmax(dim=1)
    draw = torch.Generator().manual_seed(3)
    noise = torch.stack([torch.rand((1, *SHAPE[1:]), generator=draw) * 2 - 1 for _ in x])[:, 0]
    spread = tensor(x).double().flatten(1).std(dim=1).reshape(-1, 1, 1, 1)
    step = (0.05 * spread * noise).numpy().reshape(len(x), -1)

    def relevance(model: nn.Module, inputs: Tensor, targets: Tensor) -> Tensor:
        return (inputs * model.weights[targets]).detach()

    def explain(model: nn.Module, inputs: object, targets: object, **_: object) -> np.ndarray:
        given = torch.as_tensor(np.asarray(inputs)).float()
        return relevance(model, given, torch.as_tensor(np.asarray(targets))).numpy()

    def moved(arr: np.ndarray, indices: object, **_: object) -> np.ndarray:
        return (arr + step).astype(np.float32)

    theirs = quantus.MaxSensitivity(nr_samples=1, perturb_func=moved, **RAW)(
        model, x, classes.numpy(), explain_func=explain, batch_size=5
    )
    draw = torch.Generator().manual_seed(3)
    ours = ff.max_sensitivity(ff.Subject(relevance, model, tensor(x), classes), draw, n_samples=1)
    close(ours, theirs, 1e-4)


# -- not the same thing ------------------------------------------------------------------------


def test_relevance_mass_of_signed_maps_is_no_share_in_quantus() -> None:
    """Quantus divides signed sums, which cancel; here only positive relevance counts."""
    theirs = np.asarray(quantus.RelevanceMassAccuracy(**RAW).evaluate_batch(SIGNED, MASKS))
    assert ((theirs < 0) | (theirs > 1)).any()
    ours = ff.relevance_mass_accuracy(tensor(SIGNED), tensor(MASKS))[0].values
    assert bool(((ours >= 0) & (ours <= 1)).all())


def test_an_empty_region_is_a_hit_in_quantus() -> None:
    """Quantus writes NaN into an array of booleans, which makes it True; here it has no value."""
    empty = np.zeros_like(MASKS)
    assert quantus.PointingGame(**RAW).evaluate_batch(a_batch=SIGNED, s_batch=empty).all()
    ours = ff.pointing_game(tensor(SIGNED), tensor(empty))[0]
    assert bool(ours.values.isnan().all()) and set(ours.reasons) == {"the region is empty"}


def test_the_weighted_pointing_game_of_quantus_does_not_run() -> None:
    """It assigns a column to a row; here chance (the region's area) stands beside each value."""
    masks = np.ones_like(MASKS)
    with pytest.raises((TypeError, ValueError)):
        quantus.PointingGame(weighted=True, **RAW).evaluate_batch(a_batch=SIGNED, s_batch=masks)


def test_ties_depend_on_their_place_in_quantus() -> None:
    """A constant map ranks nothing; here its cells count by their chance, the region's area."""
    flat = np.ones((2, 1, 4, 4))
    masks = np.zeros(flat.shape, dtype=bool)
    masks[0, 0, :2], masks[1, 0, 2:] = True, True
    theirs = quantus.RelevanceRankAccuracy(**RAW).evaluate_batch(flat, masks)
    assert theirs[0] != theirs[1]
    close(ff.relevance_rank_accuracy(tensor(flat), tensor(masks))[0], [0.5, 0.5])


def test_road_depends_on_the_batch_size_in_quantus(model: nn.Module) -> None:
    """Quantus averages the first batch alone; here every sample counts, whatever the batch."""
    x = np.abs(SIGNED).astype(np.float32)
    maps = (tensor(x) * model.weights[0]).detach().numpy()
    classes = np.array([0, 0, 1, 1, 1])  # the first two may be kept, the others differ
    road = {"percentages": [25, 75], "noise": 0.0}

    def theirs(batch_size: int) -> list[float]:
        metric = quantus.ROAD(**road, **RAW)
        found = metric(model, x, classes, a_batch=maps.copy(), batch_size=batch_size)
        return [float(value) for value in found.values()]

    assert theirs(5) != theirs(2)
    score = ff.Score(model, tensor(classes))

    def ours(batch_size: int) -> Tensor:
        draw = torch.Generator().manual_seed(0)
        from dataclasses import replace

        one = replace(score, batch_size=batch_size)
        baseline = ff.noisy_linear(tensor(x), torch.Generator().manual_seed(1))
        return ff.road(
            ff.Removal(one, tensor(x), tensor(maps), baseline), draw, fractions=(0.25, 0.75)
        ).values

    assert torch.equal(ours(5), ours(2))


def test_rice_rule_of_quantus_counts_axes() -> None:
    """``2 n^(1/3)`` with n the number of axes is 2 bins for any map; here n is the cells."""
    from quantus.functions.n_bins_func import rice_rule

    wide = RNG.normal(size=(2, 128, 128))
    assert rice_rule(wide) == 2
    cells = tensor(wide)
    n_bins = int(np.ceil(2 * (128 * 128) ** (1 / 3)))
    ours = ff.histogram_entropy(cells).values
    torch.testing.assert_close(ours, ff.histogram_entropy(cells, n_bins=n_bins).values)
    assert bool((ours > np.log(2)).all())  # more than two bins can hold


def test_sufficiency_of_quantus_is_another_measure(model: nn.Module) -> None:
    """It asks whether samples with similar maps share a label (Dasgupta et al.), not ERASER's."""
    metric = quantus.Sufficiency(threshold=10.0, **RAW)
    made = metric.custom_batch_preprocess(
        quantus.helpers.utils.get_wrapped_model(model, channel_first=True, softmax=False),
        SIGNED.astype(np.float32),
        SIGNED,
    )
    theirs = metric.evaluate_batch(**made)
    labels = made["y_pred_classes"]
    same = [(labels == label).sum() - 1 for label in labels]
    np.testing.assert_allclose(theirs, np.array(same) / (len(labels) - 1))
