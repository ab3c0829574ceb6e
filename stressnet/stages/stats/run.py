"""Tables of estimates, contrasts, nulls, models and claims over runs.

Networks are done one after another, each in as many passes over its runs as memory asks for; the
tables of a finished pass and every fitted model are kept, so that an interrupted analysis goes on
where it stopped.
"""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

import pandas as pd

from stressnet.errors import ConfigError
from stressnet.runs import Problem, Result, RunFolder, Severity, Step, hash_file, read_manifest
from stressnet.runs.manifest import write_json
from stressnet.runs.tables import write_parquet
from stressnet.stages.stats import NoOptions
from stressnet.statistics.accumulate import Plan, accumulate, passes
from stressnet.statistics.analysis import ModelEntry, StatsConfig
from stressnet.statistics.analysis_plan import networks_of, plan_of
from stressnet.statistics.claims import claims_table
from stressnet.statistics.estimate import COLUMNS, tables
from stressnet.statistics.mixed import fit
from stressnet.statistics.mixed_tables import COLUMNS as MODEL_COLUMNS
from stressnet.statistics.mixed_tables import collect, fit_rows, r_script
from stressnet.statistics.scan import NetworkRuns
from stressnet.statistics.twoway import TOO_FEW

TABLES = ("summary", "nulls", "contrasts", "strata_contrasts", "models", "claims")
"""Tables of the output folder, each as CSV and Parquet."""


def run(_: NoOptions, analysis: StatsConfig, folder: RunFolder) -> Result:
    """Compute all tables of an analysis, :data:`TABLES`.

    Problems are models that did not converge, and comparisons that the runs do not allow.
    """
    with folder.progress.stage("scan"):
        networks = networks_of(analysis, folder.problems)
    plans = [plan_of(network, analysis, folder.problems) for network in networks]
    inputs = _inputs(analysis)
    content = asdict(analysis)
    folder.begin(
        {**content, "run": [{**entry, "path": ""} for entry in content["run"]]},
        inputs={str(number): digest for number, digest in enumerate(inputs.values())},
        notes={"run": content["run"]},
        steps=[Step("sum", sum(n.n_tokens * len(n.runs) for n in networks), seconds_each=0.01)],
    )
    parts: dict[str, list[pd.DataFrame]] = {name: [] for name in TABLES}
    for number, (network, plan) in enumerate(zip(networks, plans, strict=True)):
        for name, table in _sum_network(network, plan, analysis, number, folder).items():
            parts[name].append(table)
        parts["models"].append(_fit_models(network, analysis, number, folder))
    joined = {name: _joined(each) for name, each in parts.items() if each}
    joined.setdefault("models", pd.DataFrame(columns=list(MODEL_COLUMNS)))
    joined["claims"] = claims_table(
        joined,
        ratio_margin=analysis.claims.ratio_margin,
        share_margin=analysis.claims.share_margin,
        strata=["ALL", *(s for s in analysis.claims.strata if s in analysis.strata)],
        level=analysis.level,
    )
    joined = {name: joined[name] for name in TABLES}
    for name, table in joined.items():
        folder.table(f"{name}.csv", table)
        folder.table(f"{name}.parquet", table)
    counts = {"networks": {n.name: _about(n) for n in networks}}
    return Result.of(folder, counts, **joined)


def _inputs(config: StatsConfig) -> dict[str, str]:
    """Hashes of the runs' tables, by the run's path."""
    found = {}
    for entry in config.run:
        path = Path(entry.path)
        read_manifest(path, "relevance")
        for name in ("relevance.parquet", "tokens.parquet", "nulls.parquet"):
            if (path / name).exists():
                found[f"{entry.path}/{name}"] = hash_file(path / name)
    return found


def _sum_network(
    network: NetworkRuns, plan: Plan, config: StatsConfig, number: int, folder: RunFolder
) -> dict[str, pd.DataFrame]:
    """The tables of one network, pass by pass."""
    state = folder.state
    groups = passes(network, plan)
    parts: dict[str, list[pd.DataFrame]] = {name: [] for name in COLUMNS}
    total = network.n_tokens * len(network.runs) * len(groups)
    with folder.progress.stage(f"sum {network.name}", total, "token") as bar:
        for i, jobs in enumerate(groups):
            mark = state / f"{number}-{i}.done"
            files = {name: state / f"{number}-{i}-{name}.parquet" for name in COLUMNS}
            if not mark.exists():
                sums = accumulate(network, plan, jobs, bar.update)
                found = tables(network, plan, sums, config.level, config.level_pairs())
                del sums
                for name, table in found.items():
                    write_parquet(table, files[name])
                write_json(mark, {"jobs": jobs})
            else:
                bar.update(network.n_tokens * len(network.runs))
            for name, file in files.items():
                parts[name].append(pd.read_parquet(file))
    return {name: _joined(found) for name, found in parts.items()}


def _joined(parts: list[pd.DataFrame]) -> pd.DataFrame:
    """Parts of a table, empty ones left out, as their columns may be of other types."""
    return pd.concat([part for part in parts if len(part)] or parts[:1], ignore_index=True)


def _fit_models(
    network: NetworkRuns, config: StatsConfig, number: int, folder: RunFolder
) -> pd.DataFrame:
    rows = []
    with folder.progress.stage(f"fit {network.name}", len(config.model), "model") as bar:
        for entry in config.model:
            file = folder.state / f"{number}-model-{entry.name}.parquet"
            if not file.exists():
                fitted = _fit_model(network, entry, config, folder)
                if fitted is not None:
                    write_parquet(fitted, file)
            if file.exists():
                table = pd.read_parquet(file)
                rows.append(table)
                if not table["converged"].all():
                    why = str(table["message"].iloc[0])
                    # That few people were recorded is no failure of this command.
                    severity = Severity.WARNING if TOO_FEW in why else Severity.ERROR
                    item = f"{network.name}: {entry.name}"
                    problem = Problem(item, "models", severity, f"not fitted: {why}")
                    folder.problems.append(problem)
            bar.update(1)
    return pd.concat(rows, ignore_index=True) if rows else pd.DataFrame(columns=list(MODEL_COLUMNS))


def _fit_model(
    network: NetworkRuns, entry: ModelEntry, config: StatsConfig, folder: RunFolder
) -> pd.DataFrame | None:
    """Collect, export and fit one model; None where the runs do not allow it by default."""
    try:
        model = collect(network, entry, config.options.max_tokens_in_models)
    except ConfigError as error:
        if not config.models_are_default:
            raise
        folder.problems.append(
            Problem(f"{network.name}: {entry.name}", "models", Severity.WARNING, str(error))
        )
        return None
    stem = f"{_file_name(network.name)}_{entry.name}"
    folder.table(f"models/{stem}.csv", model.data)
    folder.file(f"models/{stem}.R").write_text(r_script(model, stem), encoding="utf-8")
    return fit_rows(network.name, model, fit(model), len(network.runs), config.level)


def _file_name(label: str) -> str:
    return "".join(c if c.isalnum() or c in "-." else "-" for c in label)


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
