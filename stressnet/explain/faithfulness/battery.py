"""All metrics of ``stressnet assess`` on a few tokens: from images, masks and methods to rows."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from stressnet.explain import faithfulness as ff
from stressnet.explain.faithfulness.attributions import SEED, Attribution

N_STAGES = 4
"""Groups of layers that are randomised one after another."""

EXPLAIN_BATCH = 16


@dataclass(frozen=True)
class TokenBatch:
    """Some tokens with everything the metrics need.

    Parameters
    ----------
    token_ids : list of str
        Tokens.
    inputs : Tensor, shape (n, 1, n_bins, n_frames)
        Images.
    cells : Tensor of bool, shape of the inputs
        Cells with sound, which alone are removed and compared.
    units : dict of str to list of Tensor of bool
        Masks (n_units, 1, n_bins, n_frames) of each token, by kind of unit.
    regions : dict of str to Tensor
        Masks of the inputs' shape; zero where a token lacks the region.
    missing : dict of str to list of str
        Why a token lacks the region, empty where it has it.
    fill, mean, sd : Tensor
        Padding value of each token; mean and spread of sound per bin.
    """

    token_ids: list[str]
    inputs: Tensor
    cells: Tensor
    units: Mapping[str, list[Tensor]]
    regions: Mapping[str, Tensor]
    missing: Mapping[str, list[str]]
    fill: Tensor
    mean: Tensor
    sd: Tensor

    def to(self, device: str) -> TokenBatch:
        """The batch with all tensors on a device."""
        moved: dict[str, Any] = {
            name: value.to(device) for name, value in vars(self).items() if torch.is_tensor(value)
        }
        return replace(
            self,
            **moved,
            units={kind: [m.to(device) for m in masks] for kind, masks in self.units.items()},
            regions={name: mask.to(device) for name, mask in self.regions.items()},
        )


@dataclass(frozen=True)
class Battery:
    """What to measure, on which model.

    Parameters
    ----------
    model : torch.nn.Module
        In evaluation mode.
    attributions : dict of str to Attribution
        Methods; the first is the default that others are compared with.
    metrics : tuple of str
        Names in :data:`stressnet.explain.faithfulness.METRICS`.
    baselines : tuple of str
        Names in :data:`stressnet.explain.faithfulness.BASELINES`.
    score : str
        Kind of score for removal.
    tolerance : tuple of int
        Bins and frames of the pointing game.
    seed : int
        For all chance.
    others : dict of str to torch.nn.Module
        The same network from other training seeds.
    """

    model: nn.Module
    attributions: Mapping[str, Attribution]
    metrics: tuple[str, ...]
    baselines: tuple[str, ...] = ("fill", "noise", "local")
    score: str = "probability"
    tolerance: tuple[int, int] = (2, 2)
    seed: int = 0
    others: Mapping[str, nn.Module] = field(default_factory=dict)

    def run(self, batch: TokenBatch) -> list[dict[str, Any]]:
        """One row per token, method and metric."""
        score = ff.Score.of_predictions(self.model, batch.inputs, self.score)
        rows: list[dict[str, Any]] = []
        first: Tensor | None = None
        for name, attribution in self.attributions.items():
            maps = torch.cat(
                [
                    attribution(self.model, x, c)
                    for x, c in zip(
                        batch.inputs.split(EXPLAIN_BATCH),
                        score.classes.split(EXPLAIN_BATCH),
                        strict=True,
                    )
                ]
            )
            part = _Part(self, batch, score, name, attribution, maps, rows)
            part.removal()
            part.stability()
            part.randomisation()
            part.of_the_map()
            part.agreement(next(iter(self.attributions)), first)
            first = maps if first is None else first
        return rows


@dataclass(frozen=True)
class _Part:
    """One method on one batch; the same random numbers for every method."""

    battery: Battery
    batch: TokenBatch
    score: ff.Score
    method: str
    attribution: Attribution
    maps: Tensor
    rows: list[dict[str, Any]]

    def wants(self, *names: str) -> bool:
        return any(name in self.battery.metrics for name in names)

    def generator(self, purpose: str) -> torch.Generator:
        text = f"{self.battery.seed} {purpose} {self.batch.token_ids}"
        return torch.Generator().manual_seed(zlib.crc32(text.encode()))

    def add(
        self,
        metric: str,
        values: ff.Scores,
        chance: ff.Scores | float = float("nan"),
        over: str = "",
        baseline: str = "",
    ) -> None:
        if metric not in self.battery.metrics:
            return
        for k, token_id in enumerate(self.batch.token_ids):
            level = chance if isinstance(chance, float) else float(chance.values[k])
            self.rows.append(
                {
                    "token_id": token_id,
                    "method": self.method,
                    "metric": metric,
                    "over": over,
                    "baseline": baseline,
                    "value": float(values.values[k]),
                    "chance": level,
                    "reason": values.reasons[k],
                }
            )

    def baselines(self, *names: str) -> dict[str, ff.Baseline]:
        batch = self.batch
        return {
            name: baseline
            for one in names
            for name, baseline in ff.make_baselines(
                [one],
                batch.inputs,
                self.generator(f"baseline {one}"),
                fill=batch.fill,
                mean=batch.mean,
                sd=batch.sd,
            ).items()
        }

    def displaced(self) -> Tensor:
        return ff.displaced(self.maps, self.generator("displaced"), cells=self.batch.cells)

    def without(self, baseline: ff.Baseline, maps: Tensor) -> ff.Removal:
        return ff.Removal(self.score, self.batch.inputs, maps, baseline, self.batch.cells)

    def removal(self) -> None:
        elsewhere = self.displaced()
        for name, baseline in self.baselines(*self.battery.baselines).items():
            measures: dict[str, Callable[..., ff.Scores]] = {
                "comprehensiveness": ff.comprehensiveness,
                "sufficiency": ff.sufficiency,
            }
            own = self.without(baseline, self.maps)
            for metric, measure in measures.items():
                if self.wants(metric):
                    found, chance = (
                        measure(removal, self.generator(metric))
                        for removal in (own, self.without(baseline, elsewhere))
                    )
                    self.add(metric, found, chance, "cells", name)
            self.over_units(name, own)
            if self.wants("morf_area", "lerf_area", "relevance_gain"):
                morf, lerf = (
                    ff.deletion_curve(own, self.generator(order), order=order)
                    for order in ("morf", "lerf")
                )
                self.add("morf_area", morf.area(), over="cells", baseline=name)
                self.add("lerf_area", lerf.area(), over="cells", baseline=name)
                self.add("relevance_gain", ff.relevance_gain(morf, lerf), 0.0, "cells", name)
        if self.wants("road"):
            (linear,) = self.baselines("linear").values()
            curve = ff.road(self.without(linear, self.maps), self.generator("road"))
            self.add("road", curve.mean(), over="cells", baseline="linear")

    def over_units(self, name: str, removal: ff.Removal) -> None:
        measures = {
            "comprehensiveness": ff.comprehensiveness_over_units,
            "sufficiency": ff.sufficiency_over_units,
        }
        for metric, measure in measures.items():
            for kind, units in self.batch.units.items():
                if self.wants(metric):
                    draw = self.generator(f"{metric} {kind}")
                    found, chance = measure(removal, units, draw, n_random=1)
                    self.add(metric, found, chance, kind, name)

    def stability(self) -> None:
        if self.wants("infidelity"):
            name = self.battery.baselines[0]
            (baseline,) = self.baselines(name).values()
            score = self.score.with_kind(SEED)
            found, chance = (
                ff.infidelity(
                    replace(self.without(baseline, maps), score=score),
                    self.generator("infidelity"),
                    n_samples=24,
                )
                for maps in (self.maps, self.displaced())
            )
            self.add("infidelity", found, chance, "rectangles", name)
        if self.wants("max_sensitivity"):
            found = ff.max_sensitivity(self.subject(), self.generator("sensitivity"))
            self.add("max_sensitivity", found, 2**0.5)

    def subject(self) -> ff.Subject:
        return ff.Subject(
            self.attribution,
            self.battery.model,
            self.batch.inputs,
            self.score.classes,
            EXPLAIN_BATCH,
        )

    def randomisation(self) -> None:
        # One draw of random networks for all tokens, whatever batch they are in.
        cells = self.batch.cells
        if self.wants("parameter_randomisation"):
            draw = torch.Generator().manual_seed(self.battery.seed)
            mean, _ = ff.parameter_randomisation(
                self.subject(), draw, n_stages=N_STAGES, cells=cells
            )
            self.add("parameter_randomisation", mean, 1.0)
        if self.wants("efficient_parameter_randomisation"):
            draw = torch.Generator().manual_seed(self.battery.seed)
            rise = ff.efficient_parameter_randomisation(self.subject(), draw, cells=cells)
            self.add("efficient_parameter_randomisation", rise, 0.0)

    def of_the_map(self) -> None:
        maps, cells = self.maps, self.batch.cells
        if self.wants("sparseness"):
            self.add("sparseness", ff.sparseness(maps, cells=cells), 2**0.5 - 1)
        if self.wants("complexity"):
            levels = [ff.gaussian_complexity(max(int(one.sum()), 1)) for one in cells]
            chance = ff.Scores(torch.tensor(levels, dtype=torch.float64), ("",) * len(levels))
            self.add("complexity", ff.complexity(maps, cells=cells), chance)
        for name, masks in self.batch.regions.items():
            measures: dict[str, Callable[..., tuple[ff.Scores, ff.Scores]]] = {
                "relevance_mass_accuracy": ff.relevance_mass_accuracy,
                "relevance_rank_accuracy": ff.relevance_rank_accuracy,
                "average_precision": ff.average_precision,
                "pointing_game": partial(ff.pointing_game, tolerance=self.battery.tolerance),
            }
            for metric, measure in measures.items():
                if self.wants(metric):
                    values, chance = measure(maps, masks, cells=cells)
                    reasons = zip(self.batch.missing[name], values.reasons, strict=True)
                    stated = tuple(gone or reason for gone, reason in reasons)
                    self.add(metric, ff.Scores(values.values, stated), chance, name)

    def agreement(self, default: str, first: Tensor | None) -> None:
        cells = self.batch.cells
        if first is not None:
            over = f"with {default}"
            if self.wants("rank_correlation"):
                found = ff.rank_correlation(self.maps, first, cells=cells)
                self.add("rank_correlation", found, 0.0, over)
            if self.wants("top_overlap"):
                self.add("top_overlap", ff.top_overlap(self.maps, first, cells=cells), 0.05, over)
        if not self.wants("seed_rank_correlation", "seed_top_overlap"):
            return
        for name, other in self.battery.others.items():
            maps = self.attribution(other, self.batch.inputs, self.score.classes)
            found = ff.rank_correlation(self.maps, maps, cells=cells)
            self.add("seed_rank_correlation", found, 0.0, f"with {name}")
            found = ff.top_overlap(self.maps, maps, cells=cells)
            self.add("seed_top_overlap", found, 0.05, f"with {name}")
