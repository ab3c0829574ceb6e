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

from stressnet.statistics.scan import Coder, NetworkRuns, everything
from stressnet.statistics.strata import ALL, Stratum
from stressnet.statistics.stream import EXCHANGE, Alongside, RunTables, Walk
from stressnet.statistics.sums import StratifiedSums, TokenCodes

FloatArray = NDArray[np.float64]

MEMORY_BUDGET = 1 << 28
"""Bytes of sums held at a time; more take more passes over the data."""

NULL_TERMS = 2
PAIR_TERMS = 2
PAIR_NULL_TERMS = 4

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

    def energy_nulls(self, measure: str, stratum: str) -> tuple[str, ...]:
        """Nulls against which a share is compared beside the share of energy."""
        if measure != SHARE:
            return ()
        energy = self.nulls_of(ENERGY, stratum)
        return tuple(n for n in self.nulls_of(SHARE, stratum) if n in energy)

    def jobs(self) -> list[tuple[str, str]]:
        """Measure and stratum of every table of sums."""
        return [(m, s) for m in self.measures for s in self.strata]


class JobSums:
    """Sums of one measure in the levels of one stratum.

    Attributes
    ----------
    means : StratifiedSums
        Per region: (observed,).
    nulls : dict of str to StratifiedSums
        Per null and region: (observed, null).
    pairs : StratifiedSums
        Per pair of regions: (first, second).
    pair_nulls : dict of str to StratifiedSums
        Per null and pair: (first, second, null of first, null of second).
    energy : dict of str to StratifiedSums
        Of shares, per null and region: (share, null, share of energy, its null).
    """

    def __init__(self, network: NetworkRuns, plan: Plan, measure: str, stratum: str) -> None:
        n_levels = len(network.levels[stratum])
        n_regions = len(plan.regions)
        pairs = plan.pairs.get(measure, ())
        index = {name: i for i, name in enumerate(plan.regions)}
        self._first = [index[a] for a, _ in pairs]
        self._second = [index[b] for _, b in pairs]

        def sums(n_quantities: int, n_members: int) -> StratifiedSums:
            return StratifiedSums(network.clusters, n_levels, n_quantities, n_members)

        nulls = plan.nulls_of(measure, stratum)
        self.means = sums(n_regions, 1)
        self.nulls = {name: sums(n_regions, NULL_TERMS) for name in nulls}
        self.pairs = sums(len(pairs), PAIR_TERMS)
        self.pair_nulls = {name: sums(len(pairs), PAIR_NULL_TERMS) for name in nulls}
        self.energy = {
            name: sums(n_regions, PAIR_NULL_TERMS) for name in plan.energy_nulls(measure, stratum)
        }

    @staticmethod
    def n_bytes(network: NetworkRuns, plan: Plan, measure: str, stratum: str) -> int:
        """Memory of such sums."""
        n_levels, n_regions = len(network.levels[stratum]), len(plan.regions)
        n_pairs, n_nulls = len(plan.pairs.get(measure, ())), len(plan.nulls_of(measure, stratum))
        shapes = [(n_regions, 1), (n_pairs, PAIR_TERMS)]
        shapes += [(n_regions, NULL_TERMS), (n_pairs, PAIR_NULL_TERMS)] * n_nulls
        shapes += [(n_regions, PAIR_NULL_TERMS)] * len(plan.energy_nulls(measure, stratum))
        return sum(StratifiedSums.n_bytes(network.clusters, n_levels, *shape) for shape in shapes)

    def add(
        self,
        codes: TokenCodes,
        level: NDArray[np.intp],
        values: FloatArray,
        nulls: dict[str, FloatArray],
        energy: FloatArray | None = None,
        energy_nulls: dict[str, FloatArray] | None = None,
    ) -> None:
        """Add a block: matrices (n_tokens, n_regions) of the measure, its nulls, and of energy."""
        self.means.add(codes, level, [values])
        first, second = values[:, self._first], values[:, self._second]
        if self._first:
            self.pairs.add(codes, level, [first, second])
        for name in self.nulls:
            null = nulls[name]
            self.nulls[name].add(codes, level, [values, null])
            if self._first:
                others = [null[:, self._first], null[:, self._second]]
                self.pair_nulls[name].add(codes, level, [first, second, *others])
        for name, table in self.energy.items():
            if energy is not None and energy_nulls is not None and name in energy_nulls:
                table.add(codes, level, [values, nulls[name], energy, energy_nulls[name]])


def passes(
    network: NetworkRuns, plan: Plan, budget: int | None = None
) -> list[list[tuple[str, str]]]:
    """Jobs grouped so that each group's sums fit the budget (a single job may exceed it)."""
    budget = MEMORY_BUDGET if budget is None else budget
    groups: list[list[tuple[str, str]]] = []
    used = 0
    for job in plan.jobs():
        size = JobSums.n_bytes(network, plan, *job)
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
) -> dict[tuple[str, str], JobSums]:
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
    measures = tuple(dict.fromkeys(m for m, _ in jobs))
    if any(plan.energy_nulls(m, s) for m, s in jobs):
        measures = tuple(dict.fromkeys([*measures, ENERGY]))
    sums = {job: JobSums(network, plan, *job) for job in jobs}
    strata = {s.name: s for s in network.strata}
    coder = Coder(network)
    for seed, run in enumerate(network.runs):
        for codes, levels, values, nulls in _walk(
            network, plan, coder, seed, run, measures, [s for _, s in jobs], strata
        ):
            for (measure, stratum), job in sums.items():
                found = {n: columns[measure] for n, columns in nulls.items() if measure in columns}
                energy = {n: columns[ENERGY] for n, columns in nulls.items() if ENERGY in columns}
                job.add(codes, levels[stratum], values[measure], found, values.get(ENERGY), energy)
            advance(len(codes.speaker))
    return sums


def _walk(
    network: NetworkRuns,
    plan: Plan,
    coder: Coder,
    seed: int,
    run: RunTables,
    measures: Sequence[str],
    strata_wanted: Sequence[str],
    strata: dict[str, Stratum],
) -> Iterator[
    tuple[
        TokenCodes,
        dict[str, NDArray[np.intp]],
        dict[str, FloatArray],
        dict[str, dict[str, FloatArray]],
    ]
]:
    """Blocks of one run: codes, levels per stratum, matrices per measure, and per null."""
    beside: dict[str, dict[str, str]] = {}  # null -> measure -> column of relevance.parquet
    elsewhere: dict[str, list[str]] = {}  # null -> measures in nulls.parquet
    for measure in measures:
        for null in dict.fromkeys(n for s in strata_wanted for n in plan.nulls_of(measure, s)):
            source = run.null_source(null, measure)
            if source is None:
                continue
            if source[0] == "relevance.parquet":
                beside.setdefault(null, {})[measure] = source[1]
            else:
                elsewhere.setdefault(null, []).append(measure)
    others = {
        null: Alongside(run.blocks(having, plan.regions, null))
        for null, having in elsewhere.items()
    }
    columns = dict.fromkeys([*measures, *(c for found in beside.values() for c in found.values())])
    wanted = [name for name in dict.fromkeys(strata_wanted) if name != ALL]
    tokens = _TokenRows(run, network, coder, seed, {name: strata[name] for name in wanted})
    for ids, matrices in run.blocks(list(columns), plan.regions):
        codes, levels = tokens.take(ids)
        levels[ALL] = everything(len(ids))
        nulls = {n: {m: matrices[c] for m, c in found.items()} for n, found in beside.items()}
        for null, alongside in others.items():
            found = alongside.take(ids, elsewhere[null], len(plan.regions))
            nulls[null] = nulls.get(null, {}) | found
        yield codes, levels, {m: matrices[m] for m in measures}, nulls
    for alongside in others.values():
        alongside.finish(run.path / "nulls.parquet")


class _TokenRows:
    """Codes of the tokens of a run for the ids of blocks of relevance, both in one order."""

    def __init__(
        self,
        run: RunTables,
        network: NetworkRuns,
        coder: Coder,
        seed: int,
        strata: dict[str, Stratum],
    ) -> None:
        def blocks() -> Iterator[tuple[NDArray[np.object_], pd.DataFrame]]:
            for frame in run.tokens(network.token_columns):
                speaker, word = coder.clusters(frame)
                columns = {"speaker": speaker, "word": word}
                columns |= {name: coder.level(frame, stratum) for name, stratum in strata.items()}
                yield frame["token_id"].to_numpy(object), pd.DataFrame(columns)

        self._names = list(strata)
        self._clusters = network.clusters
        self._seed = seed
        self._walk = Walk(blocks(), run.path / "tokens.parquet")

    def take(self, ids: NDArray[np.object_]) -> tuple[TokenCodes, dict[str, NDArray[np.intp]]]:
        table = self._walk.take_all(ids)
        codes = TokenCodes.of(
            self._clusters, table["speaker"].to_numpy(), table["word"].to_numpy(), self._seed
        )
        return codes, {name: table[name].to_numpy() for name in self._names}
