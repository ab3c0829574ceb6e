"""Methods that explain the difference to the mean spectrum."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from stressnet.acoustics.spectrogram import sound_statistics
from stressnet.errors import ConfigError
from stressnet.explain import attribute_batch
from stressnet.explain.faithfulness.attributions import N_STEPS, find_attributions
from stressnet.explain.reference import REFERENCED, reference_images


@pytest.fixture
def images() -> tuple[np.ndarray, np.ndarray]:
    """Five images of 4 bins and 6 frames with padding of zeros."""
    rng = np.random.default_rng(0)
    sound = np.arange(6)[None] < np.array([6, 4, 3, 5, 2])[:, None]
    values = rng.normal(1.0, 1.0, (5, 4, 6)).astype(np.float32) * sound[:, None]
    return values, sound


def test_mean_spectrum_is_that_of_sound(images):
    values, sound = images
    cells = np.concatenate(
        [one[:, heard] for one, heard in zip(values, sound, strict=True)], axis=1
    )
    mean, sd = sound_statistics(values, sound, range(5))
    np.testing.assert_allclose(mean, cells.mean(axis=1), rtol=1e-6)
    np.testing.assert_allclose(sd, cells.std(axis=1), rtol=1e-6)
    with pytest.raises(ConfigError, match="frames with sound"):
        sound_statistics(values, sound[:, :3], range(5))
    with pytest.raises(ConfigError, match="there are none"):
        sound_statistics(values, np.zeros_like(sound), range(5))


def test_reference_leaves_padding_alone(images):
    values, sound = images
    spectrum = np.arange(4.0)
    found = reference_images(values, sound, spectrum)
    assert found.dtype == np.float32
    for one, reference, heard in zip(values, found, sound, strict=True):
        np.testing.assert_array_equal(reference[:, ~heard], one[:, ~heard])
        assert (reference[:, heard] == spectrum[:, None]).all()


class Less(nn.Module):
    """FINAL if there is energy in bin 2, INITIAL if there is less than usual."""

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        energy = inputs[:, 0, 2].mean(dim=1) - 1.0
        return torch.stack([-energy, energy], dim=1)


def test_a_missing_cue_is_a_contribution_against_the_mean_only():
    inputs = torch.zeros(1, 1, 4, 6)
    inputs[0, 0, 0] = 1.0  # something else is there, the cue is not
    mean = torch.ones(1, 1, 4, 6)
    for method in ("integrated-gradients", "deeplift"):
        nothing = attribute_batch(Less().eval(), inputs, method)
        against = attribute_batch(Less().eval(), inputs, method, baseline=mean)
        assert nothing.relevance.abs().max() == 0
        # f = 2, the baseline's is 0: all of it lies on the bin that has less than usual
        np.testing.assert_allclose(against.relevance[0, 0, 2].sum(), 2.0, rtol=1e-5)
        assert against.relevance[0, 0, [0, 1, 3]].abs().max() == 0


@pytest.mark.parametrize("name", REFERENCED)
def test_metrics_know_the_reference(name):
    torch.manual_seed(0)
    model = nn.Sequential(nn.Flatten(), nn.Linear(24, 8), nn.ReLU(), nn.Linear(8, 2)).eval()
    inputs = torch.randn(3, 1, 4, 6)
    inputs[:, :, :, 4:] = 0.0
    spectrum = np.array([1.0, 0.5, -0.5, 0.2])
    attribution = find_attributions([name], "context", 0, spectrum)[name]
    classes = torch.tensor([0, 1, 1])
    maps = attribution(model, inputs, classes)
    sound = np.ones((3, 6), dtype=bool)
    sound[:, 4:] = False
    baseline = torch.from_numpy(reference_images(inputs[:, 0].numpy(), sound, spectrum))[:, None]
    method = REFERENCED[name]
    steps = {"n_steps": N_STEPS} if method == "integrated-gradients" else {}
    wanted = attribute_batch(
        model, inputs, method, "log-odds", classes, baseline=baseline, **steps
    ).relevance
    np.testing.assert_allclose(maps, wanted, atol=1e-6)
    assert maps[..., 4:].abs().max() == 0
    with pytest.raises(ConfigError, match="mean spectrum"):
        find_attributions([name], "context", 0)[name](model, inputs, classes)
