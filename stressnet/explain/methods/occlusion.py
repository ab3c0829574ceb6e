"""Occlusion: what happens to the explained value when a part of the input is replaced.

The parts are rectangles (:func:`occlusion`; Zeiler & Fergus 2014, ECCV) or whatever the caller can
draw as masks (:func:`occlusion_by_masks`): phones, syllables or formant bands of a spectrogram, for
example. The masks come from outside; nothing here knows what they stand for.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from stressnet.errors import ConfigError
from stressnet.explain.checks import (
    at_least_one,
    check_images,
    expanded,
    full_precision,
    plain_model,
)
from stressnet.explain.engine.route import at_least_float32
from stressnet.explain.methods.problem import Problem, nothing
from stressnet.explain.seeds import Target

Mask = Any  # A boolean array or Tensor that broadcasts to a sample; True where values go

Masks = Sequence[Mask] | Sequence[Mapping[str, Mask]] | Tensor
"""Masks for all samples alike, or a mapping from unit to mask for each sample."""

OcclusionRecord = dict[str, int | float | str]
"""``sample, unit, baseline``, ``n_values`` and ``area_share`` (how much was replaced), ``output``
(f), ``output_without``, ``drop``."""


def occlusion(
    problem: Problem,
    *,
    window: tuple[int, int] = (16, 8),
    stride: tuple[int, int] | None = None,
    baseline: float | Tensor = 0.0,
) -> tuple[Tensor, Tensor]:
    """Drop of ``f`` when ``window`` (bins, frames) is replaced; overlapping windows are averaged.

    The last window of a row or column is moved back to end at the border, so that every value is
    covered. ``stride`` is the window by default.
    """
    inputs = problem.inputs
    check_images(inputs, "occlusion")
    for value in (*window, *(stride or window)):
        at_least_one("window and stride", value)
    start = problem.filled(baseline)
    f = problem.values(inputs).output
    total = torch.zeros_like(at_least_float32(inputs))
    covered = torch.zeros_like(total)
    bins, frames = inputs.shape[2:]
    for low in _starts(bins, window[0], (stride or window)[0]):
        for first in _starts(frames, window[1], (stride or window)[1]):
            cut = (..., slice(low, low + window[0]), slice(first, first + window[1]))
            altered = inputs.clone()
            altered[cut] = start[cut]
            drop = (f - problem.values(altered).output).to(total)
            total[cut] += drop.reshape(-1, 1, 1, 1)
            covered[cut] += 1
    return total / covered, nothing(problem)


def mask_occlusion(
    problem: Problem, *, masks: Masks, baseline: float | Tensor = 0.0
) -> tuple[Tensor, Tensor]:
    """Drop of ``f`` per mask, drawn on the mask; where masks overlap, their mean; elsewhere zero.

    The numbers themselves come from :func:`occlusion_by_masks`.
    """
    total = torch.zeros_like(at_least_float32(problem.inputs))
    covered = torch.zeros_like(total)
    for sample, _, mask, drop in _drops(problem, _units(problem, masks), problem.filled(baseline)):
        total[sample] += drop.to(total) * mask
        covered[sample] += mask
    return total / covered.clamp(min=1), nothing(problem)


def occlusion_by_masks(
    model: nn.Module,
    inputs: Tensor,
    masks: Masks,
    baselines: float | Tensor | Mapping[str, float | Tensor] = 0.0,
    seed: str | Tensor = "logit-difference",
    target: Target = None,
) -> tuple[OcclusionRecord, ...]:
    """Drop of the explained value without each named part of each sample.

    Parameters
    ----------
    model, inputs, seed, target
        As in :func:`stressnet.explain.explain_batch`; a predicted class stays the explained one.
    masks : sequence
        Boolean arrays for every sample alike (units ``"0"``, ``"1"``, …), or one mapping from unit
        to boolean array for each. Each broadcasts to a sample; True, at least once, is replaced.
    baselines : float, Tensor, or dict of str to float or Tensor
        What replaces the masked values, broadcastable to the inputs; several under their names. A
        drop is about the part *and* the baseline: state it, and use more than one.

    Returns
    -------
    tuple of dict
        One :data:`OcclusionRecord` per sample, unit and baseline.
    """
    named = baselines if isinstance(baselines, Mapping) else {"baseline": baselines}
    with full_precision():
        problem, _, start = Problem.fixed(plain_model(model), inputs, seed, target)
        units = _units(problem, masks)
        rows: list[OcclusionRecord] = []
        for name, baseline in named.items():
            for sample, unit, mask, drop in _drops(problem, units, problem.filled(baseline)):
                f, n_values = float(start.output[sample]), int(mask.sum())
                rows.append(
                    {
                        "sample": sample,
                        "unit": unit,
                        "baseline": name,
                        "n_values": n_values,
                        "area_share": n_values / mask.numel(),
                        "output": f,
                        "output_without": f - float(drop),
                        "drop": float(drop),
                    }
                )
    return tuple(rows)


def _units(problem: Problem, masks: Masks) -> list[tuple[int, str, Tensor]]:
    """(sample, unit, mask of the sample's shape) for all that is to be replaced."""
    inputs, batch = problem.inputs, len(problem.inputs)
    given: Sequence[Any] = list(masks)
    if not given:
        raise ConfigError("masks hold no mask")
    if not isinstance(given[0], Mapping):
        given = [{str(number): mask for number, mask in enumerate(given)}] * batch
    if len(given) != batch:
        raise ConfigError(f"masks are given for {len(given)} samples, but there are {batch}")
    checked: list[tuple[int, str, Tensor]] = []
    for sample, units in enumerate(given):
        for unit, mask in units.items():
            values = torch.as_tensor(mask, device=inputs.device)
            where = f"mask {unit!r} of sample {sample}"
            if values.dtype != torch.bool:
                raise ConfigError(f"{where} is {values.dtype}, not boolean")
            values = expanded(values, inputs.shape[1:], where, "a sample's")
            if not bool(values.any()):
                raise ConfigError(f"{where} is empty; leave out units that cover no value")
            checked.append((sample, unit, values))
    return checked


def _drops(
    problem: Problem, units: list[tuple[int, str, Tensor]], start: Tensor
) -> Iterator[tuple[int, str, Tensor, Tensor]]:
    """(sample, unit, mask, drop of f), as many at a time as there are samples."""
    f = problem.values(problem.inputs).output
    size = len(problem.inputs)
    for first in range(0, len(units), size):
        part = units[first : first + size]
        samples = [sample for sample, _, _ in part]
        some = problem.of_samples(samples)
        altered = torch.where(torch.stack([m for _, _, m in part]), start[samples], some.inputs)
        drops = f[samples] - some.values(altered).output
        for (sample, unit, mask), drop in zip(part, drops, strict=True):
            yield sample, unit, mask, drop


def _starts(size: int, window: int, stride: int) -> list[int]:
    last = max(size - window, 0)
    return [*range(0, last, stride), last]
