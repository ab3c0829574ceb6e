"""Effects of patching, measured or estimated by four methods behind one function.

With ``d`` the logit difference INITIAL - FINAL, ``m = (d - d_corrupted) / (d_clean - d_corrupted)``
is 1 for the clean image and 0 for the corrupted one. A unit ``u`` of the network's run on one image
(the base) takes the activation ``a_u`` of the other (the source); its effect is the change of m:

=========================  =====================================================================
``activation``             the truth: the network runs once for each unit
``attribution``            ``sum (a_u^source - a_u^base) dm/da_u`` at the base (Nanda 2023)
``integrated-gradients``   the same with the mean gradient between both activations of the layer
``relp``, any composite    the same with the coefficient of :func:`stressnet.explain.explain_batch`
                           in place of the gradient (Rezaei Jafari et al. 2025)
=========================  =====================================================================

From corrupted to clean the base is the corrupted image and the whole network's effect is 1; from
clean to corrupted the base is the clean one and it is -1.
"""

import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Literal, get_args

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from stressnet.errors import ConfigError, check_names
from stressnet.explain.api import coefficients_at
from stressnet.explain.boundaries import changed_at, check_read
from stressnet.explain.checks import check_inputs, check_model
from stressnet.explain.composites import COMPOSITES
from stressnet.explain.engine.mode import ExplainWarning
from stressnet.explain.seeds import Seeded, check_logits, make_seed
from stressnet.patching.units import Unit

Direction = Literal["corrupted-to-clean", "clean-to-corrupted"]
ESTIMATORS = ("activation", "attribution", "integrated-gradients", "relp")
COLUMNS = ("pair", "layer", "kind", "unit", "estimator", "direction", "effect", "failure")

NO_CELL = "no cell of the layer lies in the unit"

N_STEPS = 8  # Points of the path of `integrated-gradients`

NEARLY_EQUAL = 1e-3  # Logit differences of a pair this near, by the larger one, have no scale


def patch_effects(
    network: nn.Module,
    clean: Tensor,
    corrupted: Tensor,
    units: Sequence[Unit],
    estimators: Sequence[str] = ESTIMATORS,
    direction: Direction = "corrupted-to-clean",
    batch_size: int = 64,
    n_steps: int = N_STEPS,
) -> pd.DataFrame:
    """Change of the scaled logit difference when units take the other image's activation.

    The network is in evaluation mode, with two logits. Images have the shape (n_pairs, 1, n_bins,
    n_frames), aligned cell by cell; ``batch_size`` of them are in a forward pass. Estimators are of
    :data:`ESTIMATORS` and :data:`stressnet.explain.COMPOSITES`; the path of
    ``integrated-gradients`` has ``n_steps`` points.

    Returns :data:`COLUMNS`; ``pair`` counts the images. A pair whose two logit differences are
    nearly equal has one row per estimator, without unit and effect, that says so in ``failure``; a
    unit that holds no cell of a pair has no effect and says so, too. Else ``failure`` is empty.
    """
    check_model(network)
    check_names("estimator", estimators, dict.fromkeys((*ESTIMATORS, *COMPOSITES)))
    check_names("direction", [direction], dict.fromkeys(get_args(Direction)))
    if clean.shape != corrupted.shape:
        raise ConfigError(
            f"clean images have the shape {tuple(clean.shape)}, corrupted ones "
            f"{tuple(corrupted.shape)}; patching needs pairs that are aligned cell by cell"
        )
    if not units:
        raise ConfigError("there are no units to patch")
    images = (corrupted, clean) if direction == "corrupted-to-clean" else (clean, corrupted)
    like = next(network.parameters())
    base, source = (image.detach().to(like.device, like.dtype) for image in images)
    check_inputs(base)
    check_inputs(source)
    sign = 1 if direction == "corrupted-to-clean" else -1
    groups = _grouped(units)
    parts: list[dict[str, NDArray]] = []
    for start in range(0, len(base), batch_size):
        chosen = slice(start, start + batch_size)
        pairs = _Pairs(network, base[chosen], source[chosen], groups, chosen, batch_size, n_steps)
        for name in estimators:
            parts += pairs.rows(name, sign)
    table = {column: np.concatenate([part[column] for part in parts]) for column in parts[0]}
    table["direction"] = np.full(len(table["pair"]), direction)
    return pd.DataFrame({column: table[column] for column in COLUMNS})


@dataclass(frozen=True)
class _Group:
    """Units of one layer that choose cells along the same dimension."""

    layer: str
    dim: int
    units: list[Unit]
    cells: Tensor | None  # float, shape (n_units, size) or (n_units, n_pairs, size)

    @cached_property
    def names(self) -> dict[str, NDArray]:
        """Layer, kind and label of each unit."""
        names = np.array([(u.layer, u.kind, u.label) for u in self.units], dtype=object)
        return dict(zip(("layer", "kind", "unit"), names.T, strict=True))

    def empty(self, pairs: slice) -> NDArray:
        """Units without any cell, broadcastable to (n_pairs, n_units)."""
        cells = self.of(pairs)
        filled = np.array(True) if cells is None else cells.numpy().any(axis=-1)
        return np.logical_not(filled).T

    def of(self, pairs: slice) -> Tensor | None:
        """Chosen cells of some pairs."""
        return self.cells if self.cells is None or self.cells.dim() == 2 else self.cells[:, pairs]

    def added(self, change: Mapping[str, Tensor]) -> Tensor | None:
        """Of edges: what the senders' changes add to the layer, shape (n_units, n_pairs, ...)."""
        senders = [unit.sender for unit in self.units if unit.sender is not None]
        return torch.stack([s.added(change) for s in senders]) if senders else None

    def estimates(self, change: Mapping[str, Tensor], slope: Tensor, pairs: slice) -> Tensor:
        """Changes times the slope of the layer, summed over each unit, shape (n_pairs, n_units)."""
        added = self.added(change)
        if added is None:
            return self.sums(change[self.layer] * slope, pairs)
        return (added * slope).flatten(2).sum(dim=2).T

    def sums(self, values: Tensor, pairs: slice) -> Tensor:
        """``values`` of a layer summed over the cells of each unit, shape (n_pairs, n_units)."""
        cells = self.of(pairs)
        if cells is None:
            return values.flatten(1).sum(dim=1, keepdim=True).expand(-1, len(self.units))
        if self.dim >= values.dim() or values.shape[self.dim] != cells.shape[-1]:
            raise ConfigError(
                f"{self.layer}: units were made for {cells.shape[-1]} cells along dimension "
                f"{self.dim} of {tuple(values.shape[1:])}; make them for images of this shape"
            )
        if cells.dim() == 3 and cells.shape[1] != len(values):
            raise ConfigError(f"{self.layer}: units were made for another number of pairs")
        along = values.movedim(self.dim, 1).reshape(len(values), cells.shape[-1], -1).sum(dim=2)
        pattern = "us,ns->nu" if cells.dim() == 2 else "uns,ns->nu"
        return torch.einsum(pattern, cells.to(along), along)


def _grouped(units: Sequence[Unit]) -> list[_Group]:
    by_key: dict[tuple, list[Unit]] = {}
    for unit in units:
        shape = () if unit.cells is None else unit.cells.shape
        by_key.setdefault((unit.layer, unit.dim, shape, unit.sender is None), []).append(unit)
    return [
        _Group(
            layer,
            dim,
            members,
            torch.from_numpy(np.stack([u.cells for u in members])).float() if shape else None,  # type: ignore[misc]
        )
        for (layer, dim, shape, _), members in by_key.items()
    ]


class _Pairs:
    """Some pairs of images; what several estimators need of them is computed once."""

    def __init__(
        self,
        network: nn.Module,
        base: Tensor,
        source: Tensor,
        groups: list[_Group],
        chosen: slice,
        batch_size: int,
        n_steps: int,
    ) -> None:
        self.network, self.base, self.groups, self.chosen = network, base, groups, chosen
        self.batch_size, self.n_steps = batch_size, n_steps
        self.layers = list(dict.fromkeys(group.layer for group in groups))
        read = (unit.reads for group in groups for unit in group.units)
        self.places = list(dict.fromkeys((*self.layers, *read)))
        self.source, self.d_source = self._run(source)
        self.before: dict[str, Tensor] = {}  # activations of the base, once an estimator has them
        self.d_base: Tensor | None = None

    def _run(self, images: Tensor, copied: bool = False) -> tuple[dict[str, Tensor], Tensor]:
        """Activations and logit differences; copied only if the network works in place on them."""
        seen: dict[str, Tensor] = {}
        versions: dict[str, int] = {}

        def keep(place: str, tensor: Tensor) -> Tensor:
            seen[place] = tensor.clone() if copied else tensor
            versions[place] = seen[place]._version
            return tensor

        changes = {p: partial(keep, p) for p in self.places}
        with torch.no_grad(), changed_at(self.network, changes):
            seeded = self._seeded(self.network(images), len(images))
        if any(seen[place]._version != version for place, version in versions.items()):
            return self._run(images, copied=True)
        return seen, seeded.output

    @staticmethod
    def _seeded(logits: Tensor, batch: int) -> Seeded:
        return make_seed(check_logits(logits, batch), "logit-difference", None)

    def rows(self, estimator: str, sign: int) -> list[dict[str, NDArray]]:
        """Columns of one estimator's rows, for each group of units and for pairs without scale."""
        changes = list(self._effects(estimator))
        assert self.d_base is not None  # every estimator runs the base
        scale = sign * (self.d_source - self.d_base)
        largest = torch.maximum(self.d_source.abs(), self.d_base.abs())
        failed = (scale.abs() <= NEARLY_EQUAL * largest).cpu().numpy()
        numbers = np.arange(self.chosen.start, self.chosen.start + len(self.base))
        d = torch.stack((self.d_source, self.d_base)[::sign], dim=1)[failed].tolist()
        reasons = [
            f"the logit differences of the clean and the corrupted image, {clean:.4g} and "
            f"{corrupted:.4g}, are nearly equal: effects have no scale"
            for clean, corrupted in d
        ]
        none = np.full(len(reasons), "", dtype=object)
        parts = [
            {
                "pair": numbers[failed],
                **dict.fromkeys(("layer", "kind", "unit"), none),
                "effect": np.full(len(reasons), np.nan),
                "failure": np.array(reasons, dtype=object),
            }
        ]
        n_good = int((~failed).sum())
        for group, change in zip(self.groups, changes, strict=True):
            effects = (change.double() / scale[:, None]).cpu().numpy()[~failed]
            empty = np.broadcast_to(group.empty(self.chosen), (len(failed), effects.shape[1]))
            parts.append(
                {
                    "pair": np.repeat(numbers[~failed], effects.shape[1]),
                    **{name: np.tile(group.names[name], n_good) for name in group.names},
                    "effect": np.where(empty[~failed], np.nan, effects).ravel(),
                    "failure": np.where(empty[~failed], NO_CELL, "").astype(object).ravel(),
                }
            )
        return [{**part, "estimator": np.full(len(part["pair"]), estimator)} for part in parts]

    def _effects(self, estimator: str) -> Iterator[Tensor]:
        """Change of the logit difference for each group, shape (n_pairs, n_units)."""
        if estimator in ("activation", "integrated-gradients") and self.d_base is None:
            self.before, self.d_base = self._run(self.base)
        if estimator == "activation":
            yield from map(self._patched, self.groups)
            return
        if estimator == "integrated-gradients":
            slopes = {place: self._mean_slope(place) for place in self.layers}
        elif estimator == "attribution":
            slopes = self._slopes()
        else:
            slopes = self._coefficients(estimator)
        change = self._change()
        for group in self.groups:
            yield group.estimates(change, slopes[group.layer], self.chosen)

    def _change(self) -> dict[str, Tensor]:
        """Activations of the source minus those of the base."""
        return {place: self.source[place] - self.before[place] for place in self.places}

    def _slopes(self) -> dict[str, Tensor]:
        """Gradients at the base."""
        seen: dict[str, Tensor] = {}

        def keep(place: str, tensor: Tensor) -> Tensor:
            seen[place] = tensor.clone()
            return seen[place].clone()

        changes = {p: partial(keep, p) for p in self.places}
        with torch.enable_grad(), changed_at(self.network, changes) as overwritten:
            logits = self.network(self.base.clone().requires_grad_(True))
            seeded = self._seeded(logits, len(self.base))
            slopes = torch.autograd.grad(
                logits, [seen[p] for p in self.layers], seeded.weights, allow_unused=True
            )
        self.d_base = seeded.output
        self.before = {place: value.detach() for place, value in seen.items()}
        found = {}
        for place, slope in zip(self.layers, slopes, strict=True):
            if slope is None:
                check_read(place, overwritten)
            found[place] = torch.zeros_like(self.before[place]) if slope is None else slope
        return found

    def _mean_slope(self, place: str) -> Tensor:
        """Mean gradient at the midpoints of equal steps from one activation to the other."""
        step = (self.source[place] - self.before[place]) / self.n_steps
        total = torch.zeros_like(step)
        for number in range(self.n_steps):
            point = (self.before[place] + (number + 0.5) * step).requires_grad_(True)

            def instead(old: Tensor, point: Tensor = point) -> Tensor:
                return point.clone()

            with torch.enable_grad(), changed_at(self.network, {place: instead}) as overwritten:
                logits = self.network(self.base)
                weights = self._seeded(logits, len(self.base)).weights
                (slope,) = torch.autograd.grad(logits, point, weights, allow_unused=True)
            if slope is None:
                check_read(place, overwritten)
                return total
            total += slope / self.n_steps
        return total

    def _coefficients(self, composite: str) -> dict[str, Tensor]:
        """Propagation coefficients at the base; RelP keeps the gradient where it has no rule."""
        with warnings.catch_warnings():
            strict = COMPOSITES[composite].attention != "gradient"
            if not strict:
                warnings.simplefilter("ignore", ExplainWarning)
            self.d_base, taps = coefficients_at(
                self.network, self.base, composite, self.places, strict=strict
            )
        self.before = {place: tap.activation for place, tap in taps.items()}
        return {place: tap.coefficient for place, tap in taps.items()}

    def _patched(self, group: _Group) -> Tensor:
        """Truth: the network runs once for each pair and unit."""
        n, source = len(group.units), self.source[group.layer]
        cells = group.of(self.chosen)
        added = group.added(self._change())
        group.sums(source, self.chosen)  # checks shapes
        found = []
        rows = torch.arange(len(self.base) * n)
        for part in rows.split(self.batch_size):
            pair, unit = part // n, part % n
            mask = None
            if cells is not None:
                mask = (cells[unit] if cells.dim() == 2 else cells[unit, pair]) != 0
                shape = [len(part)] + [1] * (source.dim() - 1)
                shape[group.dim] = -1
                mask = mask.reshape(shape).to(source.device)

            new = source[pair] if added is None else added[unit, pair]

            def patch(old: Tensor, new: Tensor = new, mask: Tensor | None = mask) -> Tensor:
                if added is not None:
                    return old + new
                return new if mask is None else torch.where(mask, new, old)

            with torch.no_grad(), changed_at(self.network, {group.layer: patch}):
                logits = self.network(self.base[pair])
            found.append(self._seeded(logits, len(part)).output)
        assert self.d_base is not None
        return torch.cat(found).reshape(-1, n) - self.d_base[:, None]
