"""What ``stressnet stats`` compares: the runs of every network, and what is summed over them."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from stressnet.errors import ConfigError, CorpusError
from stressnet.lexicon.contrast import Contrast
from stressnet.runs.manifest import read_manifest
from stressnet.runs.problems import Problem, Severity
from stressnet.statistics.accumulate import DENSITY, UNDER_EXCHANGE, NetworkRuns, Plan, scan
from stressnet.statistics.analysis import RunEntry, StatsConfig
from stressnet.statistics.claims import CLAIM_MEASURES, CLAIM_PAIRS
from stressnet.statistics.strata import ALL, get_strata
from stressnet.statistics.stream import EXCHANGE, open_run

DEFAULT_MEASURES = (
    *("density", "positive_share", "signed_share", "energy_share", "density_energy"),
    *("share_in_nucleus", "density_in_nucleus"),
    *("mass_accuracy", "rank_accuracy", "iou", "iou_top10", "pointing"),
)
"""What is summarised unless measures are named, as far as a run has it."""


def by_class(config: StatsConfig) -> tuple[StatsConfig, Contrast]:
    """The analysis and what its runs tell apart, whose classes enter strata, claims and models."""
    manifests = (read_manifest(Path(entry.path), "relevance") for entry in config.run)
    contrast, *others = dict.fromkeys(Contrast.in_manifest(m["parameters"]) for m in manifests)
    if others:
        told = " and ".join(one.told_apart for one in (contrast, *others))
        raise ConfigError(f"the runs tell {told}; compare runs of one contrast")
    of = contrast.column
    if contrast.is_stress:
        return config, contrast
    claims = replace(config.claims, strata=[of, *config.claims.strata])
    models = config.model
    if config.models_are_default:
        models = [replace(model, fixed=[of]) for model in models]
    strata = list(dict.fromkeys([of, *config.strata]))
    return replace(config, strata=strata, claims=claims, model=models), contrast


def networks_of(config: StatsConfig, problems: list[Problem]) -> list[NetworkRuns]:
    """The networks of an analysis, their runs read through once."""
    return [_scan(name, runs, config, problems) for name, runs in networks_by_label(config).items()]


def networks_by_label(config: StatsConfig) -> dict[str, list[RunEntry]]:
    """Runs grouped by their label, with label and seed filled in from the manifests."""
    found: dict[str, list[RunEntry]] = {}
    for entry in config.run:
        model = _model_parameters(Path(entry.path))
        label = entry.network or str(model.get("architecture") or Path(entry.path).name)
        seed = entry.seed if entry.seed >= 0 else int(model.get("seed") or 0)
        found.setdefault(label, []).append(replace(entry, network=label, seed=seed))
    return found


def _model_parameters(run: Path) -> dict[str, Any]:
    """Architecture and seed of the network a run explains, from the run or, if that is an old one,
    from the network's folder; empty if it is no longer there."""
    parameters = read_manifest(run, "relevance")["parameters"]
    if "network" in parameters:
        return dict(parameters["network"])
    place = Path(str(parameters.get("model", "")))
    try:
        return dict(read_manifest(place, "model")["parameters"])
    except CorpusError:
        return {}


def _scan(
    name: str, entries: Sequence[RunEntry], config: StatsConfig, problems: list[Problem]
) -> NetworkRuns:
    runs = [
        open_run(Path(e.path), Path(e.corpus) if e.corpus else None, e.corpus_name or None)
        for e in entries
    ]
    strata = []
    for stratum in config.strata:
        try:
            for run in runs:
                get_strata([stratum], run.token_columns)
            strata.append(stratum)
        except ConfigError as error:
            if not config.strata_are_default:
                raise ConfigError(f"{runs[0].path}: {error}") from None
            problems.append(Problem(f"{name}: {stratum}", "strata", Severity.WARNING, str(error)))
    return scan(name, runs, [e.seed for e in entries], strata, config.word_unit)


def plan_of(network: NetworkRuns, config: StatsConfig, problems: list[Problem]) -> Plan:
    """What to sum, checked against what the runs hold.

    Contrasts of regions that a run lacks are left out and added to ``problems``; other regions,
    measures and nulls that the configuration names and that the runs lack are a
    :class:`ConfigError`.
    """
    first = network.runs[0]

    def common(what: str) -> list[str]:
        return [x for x in getattr(first, what) if all(x in getattr(r, what) for r in network.runs)]

    regions, measures, nulls = common("regions"), common("measures"), common("nulls")
    for kind, wanted, there in (
        ("region", config.regions, regions),
        ("measure", config.measures, measures),
        ("null", config.nulls, nulls),
    ):
        unknown = [w for w in wanted if w not in there]
        if unknown:
            raise ConfigError(
                f"{first.path}: no {kind} '{unknown[0]}'; there are {', '.join(there) or 'none'}"
            )
    claimed = [m for m in CLAIM_MEASURES if m in measures]
    default = [m for m in DEFAULT_MEASURES if m in measures]
    chosen = list(dict.fromkeys([*(config.measures or default), *claimed]))
    if not chosen:
        raise ConfigError(
            f"{first.path}: none of the usual measures; name some of {', '.join(measures)}"
        )
    pairs: dict[str, list[tuple[str, str]]] = {}
    for entry in config.contrast:
        missing = {entry.region, entry.other} - set(regions)
        if missing:
            problems.append(
                Problem(
                    f"{network.name}: {entry.region} - {entry.other}",
                    "contrasts",
                    Severity.WARNING,
                    f"{first.path} has no region '{min(missing)}'",
                )
            )
            continue
        for measure in entry.measures or chosen:
            if measure not in chosen:
                raise ConfigError(
                    f"{first.path}: contrast of '{measure}', which is no measure here"
                )
            pairs.setdefault(measure, []).append((entry.region, entry.other))
    kept = config.regions or regions
    claim_regions = [r for p in CLAIM_PAIRS for r in p if r in regions]
    contrasted = [r for p in pairs.values() for pair in p for r in pair]
    kept = list(dict.fromkeys([*kept, *(claim_regions if config.regions else []), *contrasted]))
    by_measure = {
        m: tuple(
            n for n in (config.nulls or nulls) if all(r.null_source(n, m) for r in network.runs)
        )
        for m in dict.fromkeys([*chosen, UNDER_EXCHANGE])
    }
    if EXCHANGE not in by_measure.get(DENSITY, ()):
        by_measure[UNDER_EXCHANGE] = ()
    return Plan(
        tuple(kept),
        tuple(chosen),
        (ALL, *(s.name for s in network.strata)),
        {m: tuple(dict.fromkeys(p)) for m, p in pairs.items()},
        by_measure,
        (ALL, *config.claims.strata),
        {n: min(len(r.draws.get(n, [None])) for r in network.runs) for n in nulls},
    )
