"""What a network's runs hold, and from blocks of measurements to sums by cluster.

:func:`scan` finds clusters, strata and numbers of tokens; :func:`accumulate` is the one pass over
the measurements.
What is summed is laid out by :class:`Plan`: which measures, strata, pairs of regions and nulls. A
plan is cut into passes so that the sums of one pass stay within a budget of memory.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from stressnet.errors import ConfigError, CorpusError
from stressnet.lexicon.contrast import STRESS
from stressnet.lexicon.stress import CLASSES
from stressnet.statistics.strata import (
    ALL,
    DURATION_STEP_S,
    MAX_LEVELS,
    Stratum,
    get_strata,
    sort_levels,
    tertile_limits,
)
from stressnet.statistics.stream import EXCHANGE, Names, RunTables, Walk
from stressnet.statistics.sums import CELL_LIMIT, Clusters, StratifiedSums, TokenCodes

MAX_DURATION_S = 10.0


@dataclass(frozen=True)
class NetworkRuns:
    """The runs of one network, one per training seed, and what their tokens are like."""

    name: str
    runs: tuple[RunTables, ...]
    seeds: tuple[int, ...]
    word_column: str
    clusters: Clusters
    strata: tuple[Stratum, ...]
    levels: dict[str, list[str]]
    n_tokens: int
    classes: tuple[str, ...] = CLASSES

    @property
    def token_columns(self) -> list[str]:
        """Columns of tokens that clusters and strata need."""
        needed = [c for stratum in self.strata for c in stratum.columns]
        return list(dict.fromkeys(["speaker", self.word_column, "stress", *needed]))


def scan(
    name: str,
    runs: Sequence[RunTables],
    seeds: Sequence[int],
    strata: Sequence[str],
    word_unit: str = "family",
) -> NetworkRuns:
    """Walk once along the tokens of a network's runs."""
    if len(set(seeds)) < len(seeds):
        raise ConfigError(f"network '{name}' has two runs of one training seed; number them apart")
    available = [c for c in runs[0].token_columns if all(c in r.token_columns for r in runs)]
    column = word_unit if word_unit in available else "word"
    limits = _duration_limits(runs[0]) if any("duration" in s for s in strata) else None
    chosen = get_strata(strata, available, limits)
    columns = dict.fromkeys(["speaker", column, "stress", *(c for s in chosen for c in s.columns)])
    speakers: set[str] = set()
    words: set[str] = set()
    cells: set[tuple[str, str]] = set()
    levels: dict[str, set[str]] = {s.name: set() for s in chosen}
    stresses: set[str] = set()
    n_tokens = []
    for run in runs:
        n = 0
        for tokens in run.tokens(list(columns)):
            n += len(tokens)
            for c in ("speaker", column):
                if tokens[c].isna().any():
                    raise CorpusError(
                        f"{run.path}/tokens.parquet: a token has no {c}; "
                        f"run stressnet explain again"
                    )
            who, what = tokens["speaker"].astype(str), tokens[column].astype(str)
            stresses.update(tokens["stress"].dropna().unique())
            speakers.update(who.unique())
            words.update(what.unique())
            if len(cells) <= CELL_LIMIT:
                cells.update(zip(who, what, strict=True))
            for stratum in chosen:
                found = levels[stratum.name]
                found.update(v for v in stratum.level(tokens).unique() if isinstance(v, str))
                if len(found) > MAX_LEVELS:
                    raise ConfigError(
                        f"stratum '{stratum.name}' has more than {MAX_LEVELS} levels; "
                        f"choose a coarser one"
                    )
        if not n:
            raise CorpusError(f"{run.path}: holds no tokens; run stressnet explain again")
        n_tokens.append(n)
    by_speaker, by_word = sorted(speakers), sorted(words)
    coded = None
    if len(cells) <= CELL_LIMIT:
        s, w = ({name: i for i, name in enumerate(names)} for names in (by_speaker, by_word))
        coded = tuple(sorted((s[a], w[b]) for a, b in cells))
    clusters = Clusters(tuple(by_speaker), tuple(by_word), coded, len(runs))
    return NetworkRuns(
        name,
        tuple(runs),
        tuple(seeds),
        column,
        clusters,
        tuple(chosen),
        {ALL: [ALL], **{s: sort_levels(sorted(v)) for s, v in levels.items()}},
        max(n_tokens),
        STRESS.among(stresses),
    )


def _duration_limits(run: RunTables) -> tuple[float, float]:
    n_bins = round(MAX_DURATION_S / DURATION_STEP_S)
    counts = np.zeros(n_bins, dtype=np.intp)
    if "duration_s" not in run.token_columns:
        raise ConfigError("stratum 'duration' needs the column duration_s, which the tokens lack")
    for tokens in run.tokens(["duration_s"]):
        seconds = tokens["duration_s"].dropna().to_numpy(np.float64)
        bins = np.clip(np.floor(seconds / DURATION_STEP_S).astype(np.intp), 0, n_bins - 1)
        counts += np.bincount(bins, minlength=n_bins)
    return tertile_limits(counts)


MEMORY_BUDGET = 1 << 28  # Bytes of sums held at a time; more take more passes over the data

MEAN, PAIR, BY_CLASS, ENERGY_TOO, EXCHANGED = "mean", "pair", "by class", "energy", "exchanged"
"""Kinds of samples: a region's values; two regions' values, of all words and of each class of
stress; a share and the share of energy; a density and the same under the exchange."""

Samples = dict[tuple[str, str], StratifiedSums]
"""Sums of one measure in one stratum by kind of sample and null ("" for none).

Members are what is observed, then the same under the null: for pairs of regions and the exchange
two for each draw of the null, for the share of energy two. In :data:`BY_CLASS` each level is
followed by its classes of stress."""

SHARE, ENERGY, DENSITY = "positive_share", "energy_share", "density"
PER_ENERGY = "share_per_energy"
"""Mean share of positive relevance over mean share of energy, compared with its null."""

PER_EXCHANGE = "density_per_exchange"
"""Mean density over the mean density that the same map has under the exchange, compared with the
same ratio in the map of another network, or in the input."""

UNDER_EXCHANGE = f"null_{DENSITY}"  # The column of the second


@dataclass(frozen=True)
class Plan:
    """What to sum."""

    regions: tuple[str, ...]
    measures: tuple[str, ...]
    strata: tuple[str, ...]  # Names of strata, `ALL` among them if all tokens together are wanted
    # Pairs of regions to contrast, and names of nulls, per measure.
    pairs: dict[str, tuple[tuple[str, str], ...]] = field(default_factory=dict)
    nulls: dict[str, tuple[str, ...]] = field(default_factory=dict)
    # Strata in which all nulls are compared, and classes of stress in pairs of regions; in others
    # only the exchange. All if left out.
    null_strata: tuple[str, ...] | None = None
    # How many draws the nulls have; one if left out.
    draws: dict[str, int] = field(default_factory=dict)

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
        pairs = {"": (n_pairs, 2)}
        pairs |= {null: (n_pairs, 2 + 2 * self.draws.get(null, 1)) for null in nulls}
        shapes = {(MEAN, ""): (n_regions, 1)}
        shapes |= {(MEAN, null): (n_regions, 2) for null in nulls}
        shapes |= {(PAIR, null): shape for null, shape in pairs.items()}
        if measure == DENSITY:
            if stratum != "stress" and (self.null_strata is None or stratum in self.null_strata):
                shapes |= {(BY_CLASS, null): shape for null, shape in pairs.items()}
            for null in self.nulls_of(UNDER_EXCHANGE, stratum):
                shapes[EXCHANGED, null] = (n_regions, 2 + 2 * self.draws.get(null, 1))
        if measure == SHARE:
            both = [null for null in nulls if null in self.nulls_of(ENERGY, stratum)]
            shapes |= {(ENERGY_TOO, null): (n_regions, 4) for null in both}
        return shapes

    def jobs(self) -> list[tuple[str, str]]:
        """Measure and stratum of every table of sums."""
        return [(m, s) for m in self.measures for s in self.strata]


def passes(network: NetworkRuns, plan: Plan) -> list[list[tuple[str, str]]]:
    """Jobs grouped so that each group's sums fit :data:`MEMORY_BUDGET` (one job may exceed it)."""
    groups: list[list[tuple[str, str]]] = []
    used = 0
    for job in plan.jobs():
        size = sum(
            StratifiedSums.n_bytes(network.clusters, _n_levels(network, job[1], kind), *shape)
            for (kind, _), shape in plan.samples(*job).items()
        )
        if not groups or used + size > MEMORY_BUDGET:
            groups.append([])
            used = 0
        groups[-1].append(job)
        used += size
    return groups


def _n_levels(network: NetworkRuns, stratum: str, kind: str) -> int:
    return len(network.levels[stratum]) * (len(network.classes) if kind == BY_CLASS else 1)


def accumulate(
    network: NetworkRuns,
    plan: Plan,
    jobs: Sequence[tuple[str, str]],
    advance: Callable[[int], object] = lambda n: None,
) -> dict[tuple[str, str], Samples]:
    """Sum some jobs of a plan in one pass over a network's runs."""
    sums: dict[tuple[str, str], Samples] = {}
    for measure, stratum in jobs:
        sums[measure, stratum] = {
            (kind, null): StratifiedSums(
                network.clusters, _n_levels(network, stratum, kind), *shape
            )
            for (kind, null), shape in plan.samples(measure, stratum).items()
        }
    kinds = {kind for samples in sums.values() for kind, _ in samples}
    needed = [measure for measure, _ in jobs]
    needed += [ENERGY] if ENERGY_TOO in kinds else []
    needed += [UNDER_EXCHANGE] if EXCHANGED in kinds else []
    measures = list(dict.fromkeys(needed))
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
            stress = table["stress"].to_numpy()
            everyone = np.zeros(len(ids), dtype=np.intp)
            for (measure, stratum), samples in sums.items():
                level = everyone if stratum == ALL else table[f"level of {stratum}"].to_numpy()
                for (kind, null), sample in samples.items():
                    draws = under[measure, null][: plan.draws.get(null, 1)] if null else []
                    members = [values[measure], *draws]
                    if kind in (PAIR, BY_CLASS):
                        members = [m[:, side] for m in members for side in sides[measure]]
                    elif kind == ENERGY_TOO:
                        energies = values[ENERGY], np.mean(under[ENERGY, null], axis=0)
                        members = [values[measure], np.mean(draws, axis=0), *energies]
                    elif kind == EXCHANGED:
                        exchanged = [values[UNDER_EXCHANGE], *under[UNDER_EXCHANGE, null]]
                        both = zip(members, exchanged, strict=False)
                        members = [matrix for pair in both for matrix in pair]
                    elif null:
                        members = [values[measure], np.mean(draws, axis=0)]
                    group = level
                    if kind == BY_CLASS:
                        known = (level >= 0) & (stress >= 0)
                        group = np.where(known, len(network.classes) * level + stress, -1)
                    if members[0].shape[1]:
                        sample.add(codes, group, members)
            advance(len(ids))
    return sums


def _coded(
    network: NetworkRuns, run: RunTables, strata: Sequence[Stratum]
) -> Iterator[tuple[Names, pd.DataFrame]]:
    """Blocks of a run's tokens: their names, and codes of speaker, word and levels (-1: none)."""

    def coder(names: Sequence[str]) -> Callable[[pd.Series], NDArray[np.intp]]:
        known = {name: i for i, name in enumerate(names)}
        return lambda values: np.fromiter((known.get(v, -1) for v in values), np.intp, len(values))

    speaker, word = coder(network.clusters.speakers), coder(network.clusters.words)
    of_class = {str(one): index for index, one in enumerate(network.classes)}
    levels = {stratum.name: coder(network.levels[stratum.name]) for stratum in strata}
    for tokens in run.tokens(network.token_columns):
        columns = {
            "speaker": speaker(tokens["speaker"].astype(str)),
            "word": word(tokens[network.word_column].astype(str)),
            "stress": tokens["stress"].map(of_class).fillna(-1).astype(np.int8),
        }
        for stratum in strata:
            columns[f"level of {stratum.name}"] = levels[stratum.name](stratum.level(tokens))
        yield tokens["token_id"].to_numpy(object), pd.DataFrame(columns)
