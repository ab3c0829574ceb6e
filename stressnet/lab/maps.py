"""Every explanation that the lab puts to the test: methods, composites, first-layer rules, seeds.

Maps are oriented: positive values speak for the class that the network predicts. For two classes
the log-odds of the predicted class are the logit difference towards it, so these two seeds give the
same oriented map (the test-suite checks it) and only one of them is scored beside ``logit``.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from stressnet.errors import ConfigError, check_names
from stressnet.explain import rules
from stressnet.explain.composites import COMPOSITES, Composite
from stressnet.explain.faithfulness.scores import logits_of
from stressnet.explain.methods import METHODS, relevance_by_name
from stressnet.explain.reference import REFERENCED
from stressnet.lab.board_plan import SEEDLESS

SEEDS = ("logit-difference", "logit")  # What is explained, see above
ENSEMBLE = ("epsilon-gamma", "epsilon-plus", "input-times-gradient")  # Of the `ensemble` tested

_DRAWS = {"n_steps": 16, "n_samples": 12}
"""Quadrature points and random draws of methods that integrate: fewer than their own defaults, so
that a board of many sets takes minutes."""

BATCH = 16


_FIRST = {
    "epsilon": rules.epsilon(stabiliser=1e-6),
    "flat": rules.flat(),
    "w-square": rules.w_square(),
    "box": rules.z_box(),
    "plus": rules.z_plus(stabiliser=1e-6),
}

VARIANTS: dict[str, Composite] = {
    full: COMPOSITES[base].with_(name=full, first=rule)
    for base in ("epsilon-gamma", "epsilon-plus", "epsilon-alpha2-beta1")
    for name, rule in _FIRST.items()
    if (full := f"{base}-{name}") not in (*COMPOSITES, "epsilon-plus-plus")
}
"""Composites of the lab: the conventional ones with every other rule at the first layer."""

ATTENTION = tuple(name for name, c in COMPOSITES.items() if c.attention != "refused")
"""Composites for networks with attention; on others they are the same as one without."""


@dataclass(frozen=True)
class Explainer:
    """One way to make a map: a composite (of ``explain`` or :data:`VARIANTS`) or another method,
    and a seed (of :data:`SEEDS`, or ``log-odds``). Random draws depend on ``chance_seed`` and the
    image.
    """

    method: str
    seed: str = "logit-difference"
    chance_seed: int = 0

    @property
    def name(self) -> str:
        """``method`` for the logit difference, else ``method@seed``."""
        return self.method if self.seed == SEEDS[0] else f"{self.method}@{self.seed}"

    def maps(
        self,
        model: nn.Module,
        images: NDArray[np.float32],
        bounds: tuple[Tensor, Tensor] | None = None,
        references: NDArray[np.float32] | None = None,
    ) -> NDArray[np.float32]:
        """Oriented maps; a ConfigError if the method needs what was left out.

        ``bounds``, each of shape (n_bins, 1), are the range of the training images, for rule zB;
        ``references``, of the images' shape, are for methods of
        :data:`~stressnet.explain.reference.REFERENCED`.
        """
        if self.method in REFERENCED and references is None:
            raise ConfigError(f"{self.method} needs reference images")
        composite = VARIANTS.get(self.method) or COMPOSITES.get(self.method)
        options: dict[str, Any] = {**_DRAWS, "members": {name: {} for name in ENSEMBLE}}
        parts = []
        for start in range(0, len(images), BATCH):
            part = slice(start, start + BATCH)
            inputs = torch.from_numpy(np.array(images[part]))[:, None]
            predicted = logits_of(model, inputs, BATCH).argmax(dim=1)
            if self.method in REFERENCED and references is not None:
                options["baseline"] = torch.from_numpy(references[part])[:, None]
            if composite is not None and composite.needs_bounds:
                if bounds is None:
                    raise ConfigError(f"{self.method} needs the range of the training images")
                # Test images may exceed it a little; the rule assumes that they do not.
                low, high = (bound.to(inputs) for bound in bounds)
                options["bounds"] = torch.minimum(low, inputs), torch.maximum(high, inputs)
            # Seed and target make positive relevance speak for the predicted class. The difference
            # towards it is given as weights of the logits: methods that cut off what is negative
            # would else keep the wrong half for one of the classes.
            seed: str | Tensor = self.seed
            target: Tensor | None = predicted
            if seed == SEEDS[0]:
                seed = 2.0 * torch.nn.functional.one_hot(predicted, 2).double() - 1.0
                target = None
            found = relevance_by_name(
                model, inputs, composite or self.method, seed, target, self.chance_seed, **options
            )
            parts.append(found[:, 0].float().numpy())
        return np.concatenate(parts) if parts else np.zeros(images.shape, dtype=np.float32)


ALL_METHODS: tuple[str, ...] = (
    *(name for name in COMPOSITES if name not in ATTENTION),
    *VARIANTS,
    *(name for name in METHODS if name != "occlusion-by-masks"),
    *REFERENCED,
)
"""Every method that gives a map of cells without being told regions."""


def make_explainers(
    methods: Iterable[str], seeds: Iterable[str] = SEEDS, *, chance_seed: int = 0
) -> list[Explainer]:
    """Methods times seeds; methods that use no seed come once."""
    known = (*ALL_METHODS, *ATTENTION)
    found = []
    for method in dict.fromkeys(methods):
        check_names("method", [method], known)
        for seed in dict.fromkeys(seeds):
            check_names("seed", [seed], (*SEEDS, "log-odds"))
            one = Explainer(method, SEEDS[0] if method in SEEDLESS else seed, chance_seed)
            if one not in found:
                found.append(one)
    return found


def input_bounds(images: NDArray[np.float32]) -> tuple[Tensor, Tensor]:
    """Smallest and largest value per bin, shape (n_bins, 1), zero (padding) included."""
    low = np.minimum(images.min(axis=(0, 2)), 0.0)
    high = np.maximum(images.max(axis=(0, 2)), 0.0)
    return torch.from_numpy(low)[:, None], torch.from_numpy(high)[:, None]
