"""Does a map predict what removals do, and does it stay when the input hardly changes?"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from stressnet.errors import ConfigError
from stressnet.explain.checks import check_inputs, check_model
from stressnet.explain.faithfulness.baselines import Baseline
from stressnet.explain.faithfulness.checks import (
    check_at_least_one,
    check_generator,
    check_maps,
    map_problems,
)
from stressnet.explain.faithfulness.scores import Score, Scores, combine_reasons

Explain = Callable[[nn.Module, Tensor, Tensor], Tensor]
"""``explain(model, inputs, classes) -> maps`` for the given classes, of the inputs' shape.

It must treat each sample by itself and give the same map when called again; a method that draws
random numbers seeds its own generator inside.
"""


def infidelity(
    score: Score,
    inputs: Tensor,
    maps: Tensor,
    baseline: Baseline,
    generator: torch.Generator,
    *,
    window: tuple[int, int] = (16, 8),
    n_samples: int = 32,
    scaled: bool = True,
    cells: Tensor | None = None,
) -> Scores:
    """Error with which a map's sums predict the effect of removing rectangles; lower is better.

    With ``a`` the relevance in a random rectangle and ``b = f(x) - f(x without it)``,
    ``E[(a - b)²]``. Scaled: ``min_β E[(β a - b)²] / E[b²]`` over factors ``β >= 0``, which is
    ``1 - max(E[ab], 0)² / (E[a²] E[b²])``: within [0, 1], and comparable between maps of any unit.
    Noise around zero has about 1; a map of one sign has less, if only because removing more changes
    more, so its fair chance level is the same map displaced.

    Parameters
    ----------
    score : Score
        With the kind that the map adds up to (``log-odds``, ``logit``).
    inputs, maps : Tensor, shape (n_samples, channels, n_bins, n_frames)
        Inputs and contributions (input times coefficient, not bare gradients).
    baseline : callable
        What removed cells become.
    generator : torch.Generator
        Places the rectangles, the same for all methods under the same seed.
    window : tuple of int
        Bins and frames of a rectangle.
    n_samples : int
        Rectangles per sample.
    scaled : bool
        See above.
    cells : Tensor of bool, optional
        Rectangles are centred on cells that count and cut to them.

    References
    ----------
    Yeh et al. (2019) NeurIPS, "On the (in)fidelity and sensitivity of explanations": square
    removal. The scaling is the optimal one of its section 3, with the sign kept.
    """
    mine = check_maps(inputs, maps, cells)
    check_generator(generator)
    check_at_least_one("n_samples", n_samples)
    check_at_least_one("window", min(window))
    if inputs.dim() != 4:
        raise ConfigError(
            f"infidelity needs inputs (batch, channels, bins, frames), not {inputs.dim()}-D"
        )
    boxes = torch.stack([_rectangles(one, window, n_samples, generator) for one in mine])
    flat = maps.detach().double().cpu()
    whole = score(inputs)
    predicted, actual = [], []
    for draw in range(n_samples):
        removed = boxes[:, draw] & mine
        predicted.append((flat * removed).sum(dim=(1, 2, 3)))
        actual.append(whole - score(baseline(inputs, removed)))
    a, b = torch.stack(predicted), torch.stack(actual)
    reasons = [NO_CHANGE if bool((one == 0).all()) else "" for one in b.T]
    if scaled:
        product, a2, b2 = (a * b).mean(dim=0), (a * a).mean(dim=0), (b * b).mean(dim=0)
        tiny = torch.finfo(torch.float64).tiny
        values = 1 - product.clamp(min=0) ** 2 / (a2 * b2).clamp(min=tiny)
        values = values.clamp(min=0.0)
        return Scores.of(values, combine_reasons(map_problems(maps, mine), reasons))
    return Scores.of(((a - b) ** 2).mean(dim=0), map_problems(maps, mine))


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
    for draw, (bin_, frame) in enumerate(chosen.tolist()):
        low, first = max(bin_ - window[0] // 2, 0), max(frame - window[1] // 2, 0)
        boxes[
            draw,
            :,
            low : bin_ - window[0] // 2 + window[0],
            first : frame - window[1] // 2 + window[1],
        ] = True
    return boxes


def max_sensitivity(
    explain: Explain,
    model: nn.Module,
    inputs: Tensor,
    classes: Tensor,
    generator: torch.Generator,
    *,
    radius: float = 0.05,
    n_samples: int = 4,
    batch_size: int = 32,
) -> Scores:
    """Largest relative change of the map under small noise; lower is better, 0 is a constant map.

    ``max_δ ‖R(x + δ) - R(x)‖ / ‖R(x)‖`` over ``n_samples`` uniform ``δ`` within ``radius`` times
    the sample's standard deviation in every cell. Two unrelated maps of one size have √2 ≈ 1.41.
    The smallest value belongs to a map that ignores model and input, so it says nothing alone.

    Parameters
    ----------
    explain : callable
        See :data:`Explain`.
    model, inputs, classes
        What is explained; classes stay fixed while the input moves.
    generator : torch.Generator
        Draws the noise.
    radius, n_samples
        See above.
    batch_size : int
        Inputs per call of ``explain``.

    References
    ----------
    Yeh et al. (2019) NeurIPS.
    """
    check_inputs(inputs)
    check_model(model)
    check_generator(generator)
    check_at_least_one("n_samples", n_samples)
    if not radius > 0:
        raise ConfigError(f"radius must be positive, not {radius}")
    shape = (-1, *(1,) * (inputs.dim() - 1))
    spread = inputs.double().reshape(len(inputs), -1).std(dim=1).reshape(shape)
    noise = torch.stack(
        [torch.rand((n_samples, *one.shape), generator=generator) * 2 - 1 for one in inputs]
    )
    start = explain_all(explain, model, inputs, classes, batch_size)
    size = _norm(start)
    worst = torch.zeros(len(inputs), dtype=torch.float64)
    for draw in range(n_samples):
        step = radius * spread * noise[:, draw].to(spread)
        moved = (inputs.double() + step).to(inputs.dtype)
        change = explain_all(explain, model, moved, classes, batch_size) - start
        worst = torch.maximum(worst, _norm(change) / size)
    reasons = ["" if float(value) > 0 else "the map is zero" for value in size]
    return Scores.of(worst, reasons)


def explain_all(
    explain: Explain, model: nn.Module, inputs: Tensor, classes: Tensor, batch_size: int
) -> Tensor:
    """Maps of all inputs, piece by piece; float64 on the CPU.

    Raises
    ------
    ConfigError
        If ``explain`` returns something of another shape than the inputs.
    """
    check_at_least_one("batch_size", batch_size)
    if classes.shape != (len(inputs),):
        raise ConfigError(f"classes have shape {tuple(classes.shape)}, not {(len(inputs),)}")
    parts = []
    for x, c in zip(inputs.split(batch_size), classes.split(batch_size), strict=True):
        maps = explain(model, x, c)
        if maps.shape != x.shape:
            raise ConfigError(
                f"explain returned maps of shape {tuple(maps.shape)} for inputs {tuple(x.shape)}"
            )
        parts.append(maps.detach().double().cpu())
    return torch.cat(parts)


def _norm(maps: Tensor) -> Tensor:
    return maps.reshape(len(maps), -1).norm(dim=1)
