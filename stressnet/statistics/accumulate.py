"""From blocks of measurements to sums by cluster: the one pass over the data.

What is summed is laid out by :class:`Plan`: which measures, strata, pairs of regions and nulls. A
plan is cut into passes so that the sums of one pass stay within a budget of memory.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from stressnet.statistics.scan import NetworkRuns
from stressnet.statistics.strata import ALL, Stratum
from stressnet.statistics.stream import EXCHANGE, Names, RunTables
from stressnet.statistics.sums import StratifiedSums, TokenCodes
from stressnet.statistics.walk import Walk

MEMORY_BUDGET = 1 << 28
"""Bytes of sums held at a time; more take more passes over the data."""

MEAN, PAIR, ENERGY_TOO = "mean", "pair", "energy too"
"""Kinds of samples: a region's values; two regions' values; a share and the share of energy."""

Samples = dict[tuple[str, str], StratifiedSums]
"""Sums of one measure in one stratum by kind of sample and null ("" for none). Under a null, the
values under it follow those observed; in the last kind the share of energy and its null follow."""

SHARE, ENERGY = "positive_share", "energy_share"
PER_ENERGY = "share_per_energy"
"""Mean share of positive relevance over mean share of energy, compared with its null."""


@dataclass(frozen=True)
class Plan:
    """What to sum.

    Parameters
    ----------
    regions : tuple of str
        Regions in the order of tables.
    measures : tuple of str
        Measures.
    strata : tuple of str
        Names of strata, ``ALL`` among them if all tokens together are wanted.
    pairs : dict of str to tuple of (str, str)
        Pairs of regions to contrast, per measure.
    nulls : dict of str to tuple of str
        Names of nulls, per measure.
    null_strata : tuple of str, optional
        Strata in which all nulls are compared; in others only the exchange. All if left out.
    """

    regions: tuple[str, ...]
    measures: tuple[str, ...]
    strata: tuple[str, ...]
    pairs: dict[str, tuple[tuple[str, str], ...]] = field(default_factory=dict)
    nulls: dict[str, tuple[str, ...]] = field(default_factory=dict)

    null_strata: tuple[str, ...] | None = None

    def nulls_of(self, measure: str, stratum: str) -> tuple[str, ...]:
        """Nulls of a measure in a stratum."""
        found = self.nulls.get(measure, ())
        if self.null_strata is None or stratum in self.null_strata:
            return found
        return tuple(n for n in found if n == EXCHANGE)

    def samples(self, measure: str, stratum: str) -> dict[tuple[str, str], tuple[int, int]]:
        """Numbers of quantities and of members of each sample."""
        n_regions, n_pairs = len(self.regions), len(self.pairs.get(measure, ()))
        nulls = self.nulls_of(measure, stratum)
        shapes = {(MEAN, ""): (n_regions, 1), (PAIR, ""): (n_pairs, 2)}
        shapes |= {(MEAN, null): (n_regions, 2) for null in nulls}
        shapes |= {(PAIR, null): (n_pairs, 4) for null in nulls}
        if measure == SHARE:
            both = [null for null in nulls if null in self.nulls_of(ENERGY, stratum)]
            shapes |= {(ENERGY_TOO, null): (n_regions, 4) for null in both}
        return shapes

    def jobs(self) -> list[tuple[str, str]]:
        """Measure and stratum of every table of sums."""
        return [(m, s) for m in self.measures for s in self.strata]


def passes(
    network: NetworkRuns, plan: Plan, budget: int | None = None
) -> list[list[tuple[str, str]]]:
    """Jobs grouped so that each group's sums fit the budget (a single job may exceed it)."""
    budget = MEMORY_BUDGET if budget is None else budget
    groups: list[list[tuple[str, str]]] = []
    used = 0
    for job in plan.jobs():
        n_levels = len(network.levels[job[1]])
        size = sum(
            StratifiedSums.n_bytes(network.clusters, n_levels, *shape)
            for shape in plan.samples(*job).values()
        )
        if not groups or used + size > budget:
            groups.append([])
            used = 0
        groups[-1].append(job)
        used += size
    return groups


def accumulate(
    network: NetworkRuns,
    plan: Plan,
    jobs: Sequence[tuple[str, str]],
    advance: Callable[[int], object] = lambda n: None,
) -> dict[tuple[str, str], Samples]:
    """Sum some jobs of a plan in one pass over a network's runs.

    Parameters
    ----------
    network : NetworkRuns
        From :func:`stressnet.statistics.scan.scan`.
    plan : Plan
        What to sum.
    jobs : sequence of (measure, stratum)
        Which of its jobs.
    advance : callable
        Told the number of tokens done, block by block.

    Raises
    ------
    CorpusError
        If a run's tables are damaged or not in one order.
    """
    sums: dict[tuple[str, str], Samples] = {}
    for measure, stratum in jobs:
        n_levels = len(network.levels[stratum])
        sums[measure, stratum] = {
            sample: StratifiedSums(network.clusters, n_levels, *shape)
            for sample, shape in plan.samples(measure, stratum).items()
        }
    measures = list(dict.fromkeys(measure for measure, _ in jobs))
    if any(kind == ENERGY_TOO for samples in sums.values() for kind, _ in samples):
        measures = list(dict.fromkeys([*measures, ENERGY]))
    nulls = {
        measure: list(dict.fromkeys(n for _, s in jobs for n in plan.nulls_of(measure, s)))
        for measure in measures
    }
    place = {name: i for i, name in enumerate(plan.regions)}
    sides = {
        measure: [[place[pair[k]] for pair in plan.pairs.get(measure, ())] for k in (0, 1)]
        for measure in measures
    }
    wanted = [s for s in network.strata if any(s.name == name for _, name in jobs)]
    for seed, run in enumerate(network.runs):
        walk = Walk(_coded(network, run, wanted), run.path / "tokens.parquet")
        for ids, values, under in run.measured(measures, nulls, plan.regions):
            table = walk.take_all(ids)
            speaker, word = table["speaker"].to_numpy(), table["word"].to_numpy()
            codes = TokenCodes.of(network.clusters, speaker, word, seed)
            everyone = np.zeros(len(ids), dtype=np.intp)
            for (measure, stratum), samples in sums.items():
                level = everyone if stratum == ALL else table[f"level of {stratum}"].to_numpy()
                for (kind, null), sample in samples.items():
                    members = [values[measure]]
                    if null:
                        members.append(under[measure, null])
                    if kind == PAIR:
                        members = [m[:, side] for m in members for side in sides[measure]]
                    elif kind == ENERGY_TOO:
                        members += [values[ENERGY], under[ENERGY, null]]
                    if kind != PAIR or sides[measure][0]:
                        sample.add(codes, level, members)
            advance(len(ids))
    return sums


def _coded(
    network: NetworkRuns, run: RunTables, strata: Sequence[Stratum]
) -> Iterator[tuple[Names, pd.DataFrame]]:
    """Blocks of a run's tokens: their names, and codes of speaker, word and levels (-1: none)."""

    def coder(names: Sequence[str]) -> Callable[[pd.Series], NDArray[np.intp]]:
        known = {name: i for i, name in enumerate(names)}
        return lambda values: np.array([known.get(v, -1) for v in values], dtype=np.intp)

    speaker, word = coder(network.clusters.speakers), coder(network.clusters.words)
    levels = {stratum.name: coder(network.levels[stratum.name]) for stratum in strata}
    for tokens in run.tokens(network.token_columns):
        columns = {
            "speaker": speaker(tokens["speaker"].astype(str)),
            "word": word(tokens[network.word_column].astype(str)),
        }
        for stratum in strata:
            columns[f"level of {stratum.name}"] = levels[stratum.name](stratum.level(tokens))
        yield tokens["token_id"].to_numpy(object), pd.DataFrame(columns)
