"""Salient Relevance: a display of where to look on a relevance map, not a measurement.

Li et al. (2019) follow a relevance map with the context-aware saliency of Goferman et al. (2012):
a patch is salient if it differs from the patches most like it, more so if those are near, and
places close to the most salient ones (the foci of attention) count more than those far away. All
distances are taken in seconds and hertz, each divided by a scale that the caller states; nothing
depends on how finely the picture is sampled, but for what sampling itself shows.

The result is blurred, unsigned, relative to its own maximum and not conserved: sums of it over
regions mean nothing, and it must not enter any statistics. Its type has nothing that code written
for explanations could take for relevance.

References
----------
Li, Tian, Mueller & Chen (2019) Beyond saliency: understanding convolutional neural networks from
saliency prediction on layer-wise relevance propagation, Image and Vision Computing 83-84: 70-86.
Goferman, Zelnik-Manor & Tal (2012) Context-aware saliency detection, IEEE TPAMI 34: 1915-1926.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as fn

from stressnet.axes import Axes
from stressnet.errors import ConfigError
from stressnet.explain.methods.positions import Cells, lay_over
from stressnet.explain.result import Explanation

SCALES = (1.0, 0.8, 0.5, 0.3)  # Sizes at which the picture is looked at, relative to its own
FOCUS_THRESHOLD = 0.8  # Saliency re its maximum from which a place is a focus of attention
POSITION_WEIGHT = 3.0  # How much distance weakens a difference in relevance (Goferman's c)
_ROWS = 1024  # rows of a distance matrix held at once


@dataclass(frozen=True)
class SalientMap:
    """Where to look on a relevance map: for display only, never for statistics.

    ``display``, of shape (batch, n_bins, n_frames), is 0 … 1 within each sample, without unit, sign
    or conservation; ``foci``, bool, are the foci of attention at the picture's own size.
    ``made_from`` is the composite or method of the map, and which part of it; the scales are
    distances that counted as one.
    """

    display: Tensor
    foci: Tensor
    axes: Axes
    made_from: str
    time_scale_s: float
    frequency_scale_hz: float

    def __array__(self, *args: object, **kwargs: object) -> np.ndarray:
        """Refuse to be taken for an array of relevance."""
        raise TypeError(
            "a SalientMap is a display and must not enter statistics; use the relevance of the "
            "Explanation it was made from"
        )


def salient_map(
    explained: Explanation,
    axes: Axes | None = None,
    *,
    time_scale_s: float,
    frequency_scale_hz: float,
    patch_s: float = 0.05,
    patch_hz: float = 300.0,
    part: Literal["absolute", "positive"] = "absolute",
    n_similar: int = 64,
) -> SalientMap:
    """Context-aware saliency of a relevance map around its foci of attention.

    Parameters
    ----------
    explained : Explanation
        Relevance of shape (batch, channels, n_bins, n_frames); channels are added up.
    axes : Axes, optional
        Of the pictures; those of the explanation if left out.
    time_scale_s, frequency_scale_hz : float
        Distances that count as one, e.g. the width of a syllable and of a formant region.
    patch_s, patch_hz : float
        Size of the patches that are compared; at least three cells each way.
    part : {"absolute", "positive"}
        Magnitude of relevance, or only its positive part.
    """
    relevance = explained.relevance
    axes = explained.axes if axes is None else axes
    if axes is None:
        raise ConfigError("a salient map needs axes=: the explanation was made without them")
    if relevance.dim() != 4 or tuple(relevance.shape[2:]) != axes.shape:
        raise ConfigError(
            f"relevance of shape {tuple(relevance.shape)} is not (batch, channels, "
            f"{axes.shape[0]}, {axes.shape[1]}) as the axes say"
        )
    if min(time_scale_s, frequency_scale_hz, patch_s, patch_hz) <= 0 or n_similar < 1:
        raise ConfigError("scales, patches and n_similar must be positive")
    if part not in ("absolute", "positive"):
        raise ConfigError(f"part is 'absolute' or 'positive', not {part!r}")
    relevance = relevance.detach().cpu().double().sum(dim=1)
    pictures = relevance.abs() if part == "absolute" else relevance.clamp(min=0)
    positions = (axes.frequency_hz / frequency_scale_hz, axes.time_s / time_scale_s)
    patch = (_odd(patch_hz / axes.frequency_step_hz), _odd(patch_s / axes.time_step_s))
    if any(size < cells for size, cells in zip(axes.shape, patch, strict=True)):
        raise ConfigError(f"a picture of {axes.shape} cells is smaller than a patch of {patch}")
    results = [_salient(picture, positions, patch, n_similar) for picture in pictures]
    return SalientMap(
        display=torch.stack([display for display, _ in results]),
        foci=torch.stack([foci for _, foci in results]),
        axes=axes,
        made_from=f"{explained.composite}, {part} relevance",
        time_scale_s=time_scale_s,
        frequency_scale_hz=frequency_scale_hz,
    )


Positions = tuple[np.ndarray, np.ndarray]


def _odd(cells: float) -> int:
    return max(3, 2 * round((cells - 1) / 2) + 1)


def _salient(
    picture: Tensor, positions: Positions, patch: tuple[int, int], n_similar: int
) -> tuple[Tensor, Tensor]:
    """Display and foci of one picture."""
    largest = float(picture.max())
    if largest == 0:
        return torch.zeros_like(picture), torch.zeros_like(picture, dtype=torch.bool)
    picture = picture / largest
    places = _places(positions)
    total, own_foci, n_scales = torch.zeros_like(picture), None, 0
    for scale in SCALES:
        level = _saliency_at(picture, positions, patch, scale, n_similar)
        if level is None:
            continue
        level = level / level.max().clamp(min=torch.finfo(level.dtype).tiny)
        foci = level > FOCUS_THRESHOLD
        if own_foci is None:
            own_foci = foci
        n_scales += 1
        if not bool(foci.any()):  # nothing stands out
            continue
        chosen = places[foci.flatten()]
        near = [torch.cdist(part, chosen).amin(dim=1) for part in places.split(_ROWS)]
        far = torch.cat(near)  # from every place to the nearest focus
        far = far / far.max().clamp(min=torch.finfo(far.dtype).tiny)
        total += level * (1 - far.reshape(picture.shape))
    assert own_foci is not None  # the first scale always fits
    total /= n_scales
    return total / total.max().clamp(min=torch.finfo(total.dtype).tiny), own_foci


def _places(positions: Positions) -> Tensor:
    rows, columns = (torch.from_numpy(np.ascontiguousarray(p)) for p in positions)
    return torch.cartesian_prod(rows, columns)


_Patches = tuple[Tensor, Tensor, tuple[int, ...], tuple[Cells, ...]]
"""Values (n, cells) and places (n, 2), the shape of their grid, and its cells in the picture."""


def _patches(
    picture: Tensor, positions: Positions, patch: tuple[int, int], scale: float
) -> _Patches | None:
    """Patches at ``scale``, each overlapping the next by half; None where none fits."""
    size = [round(n * scale) for n in picture.shape]
    if any(n < cells for n, cells in zip(size, patch, strict=True)):
        return None
    small = fn.interpolate(picture[None, None], size=size, mode="area")
    margin = stride = (patch[0] // 2, patch[1] // 2)  # patches overlap by half
    padded = fn.pad(small, (margin[1], margin[1], margin[0], margin[0]), mode="reflect")
    values = fn.unfold(padded, patch, stride=stride)[0].T
    shape, cells, along = [], [], []
    for axis, (n, n_cells) in enumerate(zip(size, picture.shape, strict=True)):
        count = (n - 1) // stride[axis] + 1
        fine = Cells(0.0, 1.0).tiled(n_cells, n)
        grid = Cells(fine.start, fine.step * stride[axis])
        index = grid.centres(count).numpy()
        along.append(np.interp(index, np.arange(n_cells), positions[axis]))
        shape.append(count)
        cells.append(grid)
    return values, _places((along[0], along[1])), tuple(shape), tuple(cells)


def _saliency_at(
    picture: Tensor, positions: Positions, patch: tuple[int, int], scale: float, n_similar: int
) -> Tensor | None:
    """Saliency of each cell at one size; None if the picture is too small there."""
    own = _patches(picture, positions, patch, scale)
    if own is None:
        return None
    others = [_patches(picture, positions, patch, scale / by) for by in (2, 4)]
    known = [own, *(patches for patches in others if patches is not None)]
    values, places = (torch.cat([patches[k] for patches in known]) for k in (0, 1))  # type: ignore[misc]
    own_values, own_places, shape, cells = own
    saliency = []
    for first in range(0, len(own_values), _ROWS):
        rows = slice(first, first + _ROWS)
        unlike = torch.cdist(own_values[rows], values) / values.shape[1] ** 0.5
        unlike /= 1 + POSITION_WEIGHT * torch.cdist(own_places[rows], places)
        itself = torch.arange(len(unlike))
        unlike[itself, first + itself] = torch.inf
        k = min(n_similar, len(values) - 1)
        nearest = unlike.topk(k, dim=1, largest=False).values
        saliency.append(1 - torch.exp(-nearest.mean(dim=1)))
    level = torch.cat(saliency).reshape(1, *shape)
    return lay_over(level, cells, tuple(picture.shape))[0]
