"""Attribution methods by name, as the metrics call them."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from stressnet.errors import ConfigError
from stressnet.explain.composites import COMPOSITES
from stressnet.explain.methods import METHODS, relevance_by_name
from stressnet.explain.reference import REFERENCED

SEED = "log-odds"  # What maps explain: log-odds of the predicted class; positive speaks for it


N_STEPS = 16  # Quadrature points of integrated gradients


@dataclass(frozen=True)
class Attribution:
    """A method by name, as the metrics call it.

    ``padding`` is that of the preset, which says what an empty image holds. Random numbers depend
    on the ``seed`` and on the sample's values, so that tokens differ, and not on the model.
    ``spectrum`` is the mean of sound, for methods of
    :data:`stressnet.explain.reference.REFERENCED`.
    """

    name: str
    padding: str
    seed: int
    spectrum: NDArray[np.floating] | None = None

    def __call__(self, model: nn.Module, inputs: Tensor, classes: Tensor) -> Tensor:
        """Maps for the given classes, of the inputs' shape."""
        options = {"n_steps": N_STEPS, "baseline": self._baseline(inputs)}
        return relevance_by_name(model, inputs, self.name, SEED, classes, self.seed, **options)

    def _baseline(self, inputs: Tensor) -> Tensor:
        """The padding value, with the mean spectrum where there is sound for methods that want it.

        Sound is what differs from padding in any bin.
        """
        fill = fill_of(inputs, self.padding)
        if self.name not in REFERENCED:
            return fill
        if self.spectrum is None:
            raise ConfigError(f"method {self.name} needs the mean spectrum of sound")
        sound = (inputs != fill).any(dim=-2, keepdim=True)
        return torch.where(sound, torch.from_numpy(self.spectrum).to(inputs)[:, None], fill)


def find_attributions(
    names: Sequence[str], padding: str, seed: int, spectrum: NDArray[np.floating] | None = None
) -> dict[str, Attribution]:
    """Methods by name; ConfigError for one that is unknown or needs what is not at hand."""
    found = {}
    for name in names:
        if not any(name in known for known in (COMPOSITES, METHODS, REFERENCED)):
            raise ConfigError(
                f"no method '{name}'; there are {', '.join((*METHODS, *REFERENCED))} and the "
                f"composites {', '.join(COMPOSITES)}"
            )
        if name in COMPOSITES and COMPOSITES[name].needs_bounds:
            raise ConfigError(f"composite {name} needs the range of the input and is not assessed")
        if name in ("occlusion-by-masks", "ensemble"):
            raise ConfigError(
                f"method {name} needs {'masks' if name != 'ensemble' else 'members'} and is not "
                "assessed from the command line; use stressnet.explain.faithfulness"
            )
        found[name] = Attribution(name, padding, seed, spectrum)
    return found


def fill_of(inputs: Tensor, padding: str) -> Tensor:
    """What pads the images: their minimum (silence) or zero (the mean of sound), broadcastable."""
    if padding == "zeros-around-word":
        return inputs.amin(dim=(1, 2, 3), keepdim=True)
    return torch.zeros_like(inputs[:, :1, :1, :1])
