"""Infidelity and sensitivity: how well a map predicts removals, and how stable it is."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor, nn

from stressnet.errors import ConfigError
from stressnet.explain.checks import at_least_one, check_images, check_inputs, check_model
from stressnet.explain.faithfulness.removal import Removal
from stressnet.explain.faithfulness.scores import ZERO, Scores, check_generator, combine_reasons

Explain = Callable[[nn.Module, Tensor, Tensor], Tensor]
"""``explain(model, inputs, classes) -> maps`` for the given classes, of the inputs' shape.

It must treat each sample by itself and give the same map when called again; a method that draws
random numbers seeds its own generator inside.
"""


@dataclass(frozen=True)
class Subject:
    """A method of explanation and what it is asked to explain.

    ``classes``, one for each sample, stay when the input or the model is altered. Raises
    :class:`ConfigError` or :class:`ExplainError` for what cannot be explained.
    """

    explain: Explain
    model: nn.Module
    inputs: Tensor
    classes: Tensor
    batch_size: int = 32

    def __post_init__(self) -> None:
        check_inputs(self.inputs)
        check_model(self.model)
        at_least_one("batch_size", self.batch_size)
        if self.classes.shape != (len(self.inputs),):
            raise ConfigError(
                f"classes have shape {tuple(self.classes.shape)}, not {(len(self.inputs),)}"
            )

    @cached_property
    def own_maps(self) -> Tensor:
        """Maps of the model as it is, of the inputs as they are; see :meth:`maps`."""
        return self.maps()

    def maps(self, *, model: nn.Module | None = None, inputs: Tensor | None = None) -> Tensor:
        """Maps of all samples, or of an altered model or inputs; float64 on the CPU."""
        inputs = self.inputs if inputs is None else inputs
        parts = []
        for x, classes in zip(
            inputs.split(self.batch_size), self.classes.split(self.batch_size), strict=True
        ):
            maps = self.explain(model or self.model, x, classes)
            if maps.shape != x.shape:
                raise ConfigError(
                    f"explain returned maps of shape {tuple(maps.shape)} for inputs "
                    f"{tuple(x.shape)}"
                )
            parts.append(maps.detach().double().cpu())
        return torch.cat(parts)


def infidelity(
    removal: Removal,
    generator: torch.Generator,
    *,
    window: tuple[int, int] = (16, 8),
    n_samples: int = 32,
    scaled: bool = True,
) -> Scores:
    """Error with which a map's sums predict the effect of removing rectangles; lower is better.

    With ``a`` the relevance in a random rectangle and ``b = f(x) - f(x without it)``, ``E[(a -
    b)²]``. Scaled: ``min_β E[(β a - b)²] / E[b²]`` over factors ``β >= 0``, which is ``1 -
    max(E[ab], 0)² / (E[a²] E[b²])``: within [0, 1], and comparable between maps of any unit. Noise
    around zero has about 1; a map of one sign has less, if only because removing more changes more,
    so its fair chance level is the same map displaced. Square removal of Yeh et al. (2019) NeurIPS,
    "On the (in)fidelity and sensitivity of explanations"; the scaling is the optimal one of its
    section 3, with the sign kept.

    The removal is of shape (n_samples, channels, n_bins, n_frames), with the score that the map
    adds up to (``log-odds``, ``logit``) and contributions as maps (input times coefficient, not
    bare gradients). Rectangles are centred on cells that count and cut to them; the generator
    places them, the same for all methods under the same seed.
    """
    check_generator(generator)
    at_least_one("n_samples", n_samples)
    at_least_one("window", min(window))
    check_images(removal.inputs, "infidelity")
    counting, maps = removal.counting, removal.maps.detach().double().cpu()
    boxes = torch.stack([_rectangles(one, window, n_samples, generator) for one in counting])
    masks = [boxes[:, draw] & counting for draw in range(n_samples)]
    a = torch.stack([(maps * removed).sum(dim=(1, 2, 3)) for removed in masks])
    b = torch.stack([removal.drop(mask) for mask in masks])
    if not scaled:
        return Scores.of(((a - b) ** 2).mean(dim=0), removal.problems)
    product, a2, b2 = (a * b).mean(dim=0), (a * a).mean(dim=0), (b * b).mean(dim=0)
    tiny = torch.finfo(torch.float64).tiny
    values = 1 - product.clamp(min=0) ** 2 / (a2 * b2).clamp(min=tiny)
    unchanged = [NO_CHANGE if bool((one == 0).all()) else "" for one in b.T]
    return Scores.of(values.clamp(min=0.0), combine_reasons(removal.problems, unchanged))


NO_CHANGE = "no removed rectangle changes the score"


def _rectangles(
    cells: Tensor, window: tuple[int, int], n: int, generator: torch.Generator
) -> Tensor:
    """Masks of ``n`` rectangles centred on cells that count, shape (n, channels, bins, frames)."""
    boxes = torch.zeros((n, *cells.shape), dtype=torch.bool)
    where = torch.nonzero(cells.any(dim=0))
    if len(where) == 0:
        return boxes
    chosen = where[torch.randint(len(where), (n,), generator=generator)]
    for box, centre in zip(boxes, chosen.tolist(), strict=True):
        starts = [place - size // 2 for place, size in zip(centre, window, strict=True)]
        bins, frames = (
            slice(max(start, 0), start + size) for start, size in zip(starts, window, strict=True)
        )
        box[:, bins, frames] = True
    return boxes


def max_sensitivity(
    subject: Subject, generator: torch.Generator, *, radius: float = 0.05, n_samples: int = 4
) -> Scores:
    """Largest relative change of the map under small noise; lower is better, 0 is a constant map.

    ``max_δ ‖R(x + δ) - R(x)‖ / ‖R(x)‖`` over ``n_samples`` uniform ``δ`` within ``radius`` times
    the sample's standard deviation in every cell (Yeh et al. 2019). Two unrelated maps of one size
    have √2 ≈ 1.41. The smallest value belongs to a map that ignores model and input, so it says
    nothing alone.
    """
    check_generator(generator)
    at_least_one("n_samples", n_samples)
    if not radius > 0:
        raise ConfigError(f"radius must be positive, not {radius}")
    inputs = subject.inputs
    shape = (-1, *(1,) * (inputs.dim() - 1))
    spread = inputs.double().reshape(len(inputs), -1).std(dim=1).reshape(shape)
    noise = torch.stack(
        [torch.rand((n_samples, *one.shape), generator=generator) * 2 - 1 for one in inputs]
    )
    start = subject.own_maps
    size = _norm(start)
    worst = torch.zeros(len(inputs), dtype=torch.float64)
    for draw in range(n_samples):
        step = radius * spread * noise[:, draw].to(spread)
        moved = subject.maps(inputs=(inputs.double() + step).to(inputs.dtype))
        worst = torch.maximum(worst, _norm(moved - start) / size)
    return Scores.of(worst, ["" if float(value) > 0 else ZERO for value in size])


def _norm(maps: Tensor) -> Tensor:
    return maps.reshape(len(maps), -1).norm(dim=1)
