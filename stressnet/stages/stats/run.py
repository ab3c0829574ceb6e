"""Tables of estimates, contrasts, nulls, models and claims over runs, network by network."""

from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pandas as pd

from stressnet.errors import ConfigError
from stressnet.inference.twoway import TOO_FEW
from stressnet.runs import Problem, Result, RunFolder, Severity, Step, hash_file, read_manifest
from stressnet.runs.tables import write_parquet
from stressnet.stages.stats import NoOptions
from stressnet.statistics.accumulate import NetworkRuns, Plan, accumulate, passes
from stressnet.statistics.analysis import ModelEntry, StatsConfig
from stressnet.statistics.analysis_plan import by_class, networks_of, plan_of
from stressnet.statistics.claims import claims_table
from stressnet.statistics.estimate import COLUMNS, tables
from stressnet.statistics.mixed import fit
from stressnet.statistics.mixed_tables import COLUMNS as MODEL_COLUMNS
from stressnet.statistics.mixed_tables import collect, fit_rows, r_script

TABLES = ("summary", "nulls", "contrasts", "strata_contrasts", "models", "claims")
"""Tables of the output folder, each as CSV and Parquet."""


def run(_: NoOptions, analysis: StatsConfig, folder: RunFolder) -> Result:
    """Compute all tables of an analysis, :data:`TABLES`."""
    analysis, contrast = by_class(analysis)
    with folder.progress.stage("scan"):
        networks = networks_of(analysis, folder.problems)
    plans = [plan_of(network, analysis, folder.problems) for network in networks]
    content = asdict(analysis)
    folder.begin(
        {**content, "run": [{**entry, "path": ""} for entry in content["run"]]},
        inputs={str(number): digest for number, digest in enumerate(_hashes(analysis))},
        notes={
            "run": content["run"],
            **({} if contrast.is_stress else {"told_apart": str(contrast)}),
        },
        steps=[Step("sum", sum(n.n_tokens * len(n.runs) for n in networks), seconds_each=0.01)],
    )
    parts: dict[str, list[pd.DataFrame]] = {name: [] for name in TABLES}
    for number, (network, plan) in enumerate(zip(networks, plans, strict=True)):
        for name, table in _sum_network(network, plan, analysis, number, folder).items():
            parts[name].append(table)
        parts["models"].append(_fit_models(network, analysis, number, folder))
    joined = {name: _joined(each) for name, each in parts.items() if each}
    joined["claims"] = claims_table(
        joined,
        ratio_margin=analysis.claims.ratio_margin,
        share_margin=analysis.claims.share_margin,
        strata=["ALL", *(s for s in analysis.claims.strata if s in analysis.strata)],
        level=analysis.level,
    )
    joined = {name: joined[name] for name in TABLES}
    for name, table in joined.items():
        for suffix in ("csv", "parquet"):
            folder.table(f"{name}.{suffix}", table)
    return Result.of(folder, {"networks": {n.name: _about(n) for n in networks}}, **joined)


def _hashes(config: StatsConfig) -> Iterator[str]:
    """Hashes of the runs' tables."""
    for path in (Path(entry.path) for entry in config.run):
        read_manifest(path, "relevance")
        files = [path / f"{name}.parquet" for name in ("relevance", "tokens", "nulls")]
        yield from (hash_file(file) for file in files if file.exists())


def _sum_network(
    network: NetworkRuns, plan: Plan, config: StatsConfig, number: int, folder: RunFolder
) -> dict[str, pd.DataFrame]:
    """The tables of one network, pass by pass; what a finished pass gave is kept."""
    groups = passes(network, plan)
    parts: dict[str, list[pd.DataFrame]] = {name: [] for name in COLUMNS}
    n = network.n_tokens * len(network.runs)
    with folder.progress.stage(f"sum {network.name}", n * len(groups), "token") as bar:
        for i, jobs in enumerate(groups):
            files = {name: folder.state / f"{number}-{i}-{name}.parquet" for name in COLUMNS}
            if all(file.exists() for file in files.values()):
                bar.update(n)
            else:
                sums = accumulate(network, plan, jobs, bar.update)
                made = tables(network, plan, sums, config.level, config.level_pairs())
                del sums
                for name, table in made.items():
                    write_parquet(table, files[name])
            for name, file in files.items():
                parts[name].append(pd.read_parquet(file))
    return {name: _joined(each) for name, each in parts.items()}


def _joined(parts: list[pd.DataFrame]) -> pd.DataFrame:
    """Parts of a table, empty ones left out, as their columns may be of other types."""
    return pd.concat([part for part in parts if len(part)] or parts[:1], ignore_index=True)


def _fit_models(
    network: NetworkRuns, config: StatsConfig, number: int, folder: RunFolder
) -> pd.DataFrame:
    """Estimates of the models of one network, those left out that the runs do not allow."""
    rows = [pd.DataFrame(columns=list(MODEL_COLUMNS))]
    with folder.progress.stage(f"fit {network.name}", len(config.model), "model") as bar:
        for entry in config.model:
            file = folder.state / f"{number}-model-{entry.name}.parquet"
            item = f"{network.name}: {entry.name}"
            try:
                if not file.exists():
                    write_parquet(_fit_model(network, entry, config, folder), file)
                rows.append(pd.read_parquet(file))
                if not rows[-1]["converged"].all():
                    why = str(rows[-1]["message"].iloc[0])
                    # That few people were recorded is no failure of this command.
                    severity = Severity.WARNING if TOO_FEW in why else Severity.ERROR
                    folder.problems.append(Problem(item, "models", severity, f"not fitted: {why}"))
            except ConfigError as error:
                if not config.models_are_default:
                    raise
                folder.problems.append(Problem(item, "models", Severity.WARNING, str(error)))
            bar.update(1)
    return _joined(rows)


def _fit_model(
    network: NetworkRuns, entry: ModelEntry, config: StatsConfig, folder: RunFolder
) -> pd.DataFrame:
    """Collect, export and fit one model."""
    model = collect(network, entry, config.options.max_tokens_in_models)
    label = "".join(c if c.isalnum() or c in "-." else "-" for c in network.name)
    stem = f"{label}_{entry.name}"
    folder.table(f"models/{stem}.csv", model.data)
    folder.file(f"models/{stem}.R").write_text(r_script(model, stem), encoding="utf-8")
    return fit_rows(network.name, model, fit(model), len(network.runs), config.level)


def _about(network: NetworkRuns) -> dict[str, Any]:
    """What the manifest says of a network."""
    return {
        "seeds": list(network.seeds),
        "runs": [str(run.path) for run in network.runs],
        "n_tokens": network.n_tokens,
        "n_words": len(network.clusters.words),
        "n_speakers": len(network.clusters.speakers),
        "word_unit": network.word_column,
        "cells_kept_apart": network.clusters.cells is not None,
        "strata": {s.name: s.definition for s in network.strata},
    }
