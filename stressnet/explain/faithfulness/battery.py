"""All metrics of ``stressnet assess`` on a few tokens: from images, masks and methods to rows."""

import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import Tensor, nn

from stressnet.explain import faithfulness as ff
from stressnet.explain.faithfulness.attributions import SEED, Attribution
from stressnet.explain.faithfulness.scores import combine_reasons

N_STAGES = 4  # Groups of layers that are randomised one after another

EXPLAIN_BATCH = 16


@dataclass(frozen=True)
class TokenBatch:
    """Some tokens with everything the metrics need."""

    token_ids: list[str]
    # Images, on the model's device; all else may stay on the CPU; shape (n, 1, n_bins, n_frames)
    inputs: Tensor
    cells: Tensor  # Cells with sound, which alone are removed and compared; shape of the inputs
    # Masks (n_units, 1, n_bins, n_frames) of each token, by kind of unit.
    units: Mapping[str, list[Tensor]]
    # Masks of the inputs' shape, zero where a token lacks the region, and why it does.
    regions: Mapping[str, Tensor]
    missing: Mapping[str, list[str]]
    # Padding value of each token; mean and spread of sound per bin.
    fill: Tensor
    mean: Tensor
    sd: Tensor


@dataclass(frozen=True)
class Battery:
    """What to measure, on which model."""

    model: nn.Module
    # The first is the default that others are compared with.
    attributions: Mapping[str, Attribution]
    metrics: tuple[str, ...]
    baselines: tuple[str, ...] = ("fill", "noise", "local")
    score: str = "probability"
    tolerance: tuple[int, int] = (2, 2)  # Bins and frames of the pointing game
    seed: int = 0
    # The same network from other training seeds.
    others: Mapping[str, nn.Module] = field(default_factory=dict)

    def run(self, batch: TokenBatch) -> list[dict[str, Any]]:
        """One row per token, method and metric."""
        score = ff.Score.of_predictions(self.model, batch.inputs, self.score)
        rows: list[dict[str, Any]] = []
        first: Tensor | None = None
        for name, attribution in self.attributions.items():
            subject = ff.Subject(
                attribution, self.model, batch.inputs, score.classes, EXPLAIN_BATCH
            )
            part = _Part(self, batch, score, name, subject, rows)
            part.removal()
            part.stability()
            part.randomisation()
            part.of_the_map()
            part.agreement(next(iter(self.attributions)), first)
            first = part.maps if first is None else first
        return rows


@dataclass(frozen=True)
class _Part:
    """One method on one batch; the same random numbers for every method."""

    battery: Battery
    batch: TokenBatch
    score: ff.Score
    method: str
    subject: ff.Subject
    rows: list[dict[str, Any]]

    @property
    def maps(self) -> Tensor:
        return self.subject.own_maps

    def wants(self, *names: str) -> bool:
        return any(name in self.battery.metrics for name in names)

    def wanted(self, *names: str) -> list[tuple[str, Any]]:
        """Metrics that were asked for with their functions, which bear the same names."""
        return [(name, getattr(ff, name)) for name in names if self.wants(name)]

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
        if not self.wants(metric):
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

    def without(self, name: str, maps: Tensor) -> ff.Removal:
        """Removal under a baseline; the same noise for every map."""
        batch = self.batch
        baseline = ff.make_baseline(
            name,
            batch.inputs,
            self.generator(f"baseline {name}"),
            fill=batch.fill,
            mean=batch.mean,
            sd=batch.sd,
        )
        return ff.Removal(self.score, batch.inputs, maps, baseline, batch.cells)

    def with_displaced(self, baseline: str) -> list[ff.Removal]:
        """Removal by the map and, for the level of chance, by the same map displaced."""
        draw = self.generator("displaced")
        moved = ff.displaced(self.maps, draw, cells=self.batch.cells)
        return [self.without(baseline, maps) for maps in (self.maps, moved)]

    def removal(self) -> None:
        for name in self.battery.baselines:
            own, moved = self.with_displaced(name)
            erased = self.wanted("comprehensiveness", "sufficiency")
            for metric, measure in erased:
                values, chance = (measure(one, self.generator(metric)) for one in (own, moved))
                self.add(metric, values, chance, "cells", name)
            for metric, _ in erased:
                measure = getattr(ff, f"{metric}_over_units")
                for kind, masks in self.batch.units.items():
                    draw = self.generator(f"{metric} {kind}")
                    values, chance = measure(own, masks, draw, n_random=1)
                    self.add(metric, values, chance, kind, name)
            if self.wants("morf_area", "lerf_area", "relevance_gain"):
                morf, lerf = (
                    ff.deletion_curve(own, self.generator(order), order=order)
                    for order in ("morf", "lerf")
                )
                self.add("morf_area", morf.area(), over="cells", baseline=name)
                self.add("lerf_area", lerf.area(), over="cells", baseline=name)
                self.add("relevance_gain", ff.relevance_gain(morf, lerf), 0.0, "cells", name)
        if self.wants("road"):
            curve = ff.road(self.without("linear", self.maps), self.generator("road"))
            self.add("road", curve.mean(), over="cells", baseline="linear")

    def stability(self) -> None:
        if self.wants("infidelity"):
            name, score = self.battery.baselines[0], replace(self.score, kind=SEED)
            values, chance = (
                ff.infidelity(
                    replace(removal, score=score), self.generator("infidelity"), n_samples=24
                )
                for removal in self.with_displaced(name)
            )
            self.add("infidelity", values, chance, "rectangles", name)
        if self.wants("max_sensitivity"):
            values = ff.max_sensitivity(self.subject, self.generator("sensitivity"))
            self.add("max_sensitivity", values, 2**0.5)

    def randomisation(self) -> None:
        cells = self.batch.cells
        # One draw of random networks for all tokens, whatever batch they are in.
        draw = torch.Generator()
        if self.wants("parameter_randomisation"):
            draw.manual_seed(self.battery.seed)
            mean, _ = ff.parameter_randomisation(self.subject, draw, n_stages=N_STAGES, cells=cells)
            self.add("parameter_randomisation", mean, 1.0)
        if self.wants("efficient_parameter_randomisation"):
            draw.manual_seed(self.battery.seed)
            rise = ff.efficient_parameter_randomisation(self.subject, draw, cells=cells)
            self.add("efficient_parameter_randomisation", rise, 0.0)

    def of_the_map(self) -> None:
        maps, cells = self.maps, self.batch.cells
        if self.wants("sparseness"):
            self.add("sparseness", ff.sparseness(maps, cells=cells), 2**0.5 - 1)
        if self.wants("complexity"):
            levels = [ff.gaussian_complexity(max(int(one.sum()), 1)) for one in cells]
            self.add("complexity", ff.complexity(maps, cells=cells), ff.Scores.collect(levels))
        overlaps = ("relevance_mass_accuracy", "relevance_rank_accuracy", "average_precision")
        for name, masks in self.batch.regions.items():
            for metric, measure in self.wanted(*overlaps, "pointing_game"):
                near = {"tolerance": self.battery.tolerance} if metric == "pointing_game" else {}
                values, chance = measure(maps, masks, cells=cells, **near)
                reasons = combine_reasons(self.batch.missing[name], values.reasons)
                self.add(metric, ff.Scores(values.values, tuple(reasons)), chance, name)

    def agreement(self, default: str, first: Tensor | None) -> None:
        if first is not None:
            self.compare("", first, f"with {default}")
        if self.wants("seed_rank_correlation", "seed_top_overlap"):
            for name, other in self.battery.others.items():
                self.compare("seed_", self.subject.maps(model=other), f"with {name}")

    def compare(self, prefix: str, others: Tensor, over: str) -> None:
        for name, chance in (("rank_correlation", 0.0), ("top_overlap", 0.05)):
            if self.wants(f"{prefix}{name}"):
                values = getattr(ff, name)(self.maps, others, cells=self.batch.cells)
                self.add(f"{prefix}{name}", values, chance, over)
