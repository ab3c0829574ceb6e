"""``stressnet stats``: tables of estimates, contrasts, nulls, models and claims over runs.

Networks are done one after another, each in as many passes over its runs as memory asks for; the
tables of a finished pass and every fitted model are kept, so that an interrupted analysis goes on
where it stopped.
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stressnet.errors import ConfigError
from stressnet.runs.manifest import hash_data, hash_file, read_manifest, write_json, write_manifest
from stressnet.runs.problems import Problem, Severity, count_problems, write_problems
from stressnet.runs.progress import Progress
from stressnet.workflows.stats_config import ModelEntry, StatsConfig
from stressnet.workflows.stats_plan import networks_of, plan_of
from stressnet.workflows.train import REQUEST_NAME, claim_folder

if TYPE_CHECKING:
    import pandas as pd

    from stressnet.statistics.accumulate import Plan
    from stressnet.statistics.scan import NetworkRuns

TABLES = ("summary", "nulls", "contrasts", "strata_contrasts", "models", "claims")
"""Tables of the output folder, each as CSV and Parquet."""

STATE = "state"


@dataclass(frozen=True)
class Statistics:
    """What ``stressnet stats`` left on disk.

    Parameters
    ----------
    path : Path
        The output folder.
    tables : dict of str to DataFrame
        :data:`TABLES` by name.
    problems : tuple of Problem
        Models that did not converge, comparisons that the runs do not allow.
    manifest : dict
        Its manifest.
    """

    path: Path
    tables: dict[str, pd.DataFrame]
    problems: tuple[Problem, ...]
    manifest: dict[str, Any]


def run_statistics(
    config: StatsConfig,
    out: Path,
    *,
    overwrite: bool = False,
    progress: Progress | None = None,
) -> Statistics:
    """Compute all tables of an analysis.

    Parameters
    ----------
    config : StatsConfig
        What to compare; see :mod:`stressnet.workflows.stats_config`.
    out : Path
        Folder to write.
    overwrite : bool
        Replace statistics in ``out``.
    progress : Progress, optional
        Where to show progress.

    Raises
    ------
    ConfigError
        If the runs lack a region, measure, null or stratum that the configuration names.
    CorpusError
        If a run is unfinished or damaged.
    CheckpointError
        If ``out`` holds something else or an analysis of other settings.
    """
    import pandas as pd

    from stressnet.runs.tables import write_parquet
    from stressnet.statistics.claims import claims_table
    from stressnet.statistics.mixed import COLUMNS as MODEL_COLUMNS

    progress = progress or Progress(verbose=False)
    inputs = _inputs(config)
    content = config.as_dict()
    for entry in content["run"]:
        entry.pop("path")
    request = hash_data([content, list(inputs.values())])
    claim_folder(out, request, overwrite, "statistics")
    state = out / STATE
    state.mkdir(exist_ok=True)
    problems: list[Problem] = []
    with progress.stage("scan"):
        networks = networks_of(config, problems)
    parts: dict[str, list[pd.DataFrame]] = {name: [] for name in TABLES}
    for number, network in enumerate(networks):
        plan = plan_of(network, config, problems)
        for name, found in _sum_network(network, plan, config, state, number, progress).items():
            parts[name].append(found)
        parts["models"].append(_fit_models(network, config, out, state, number, problems, progress))
    tables = {
        name: pd.concat([f for f in found if len(f)] or found, ignore_index=True)
        for name, found in parts.items()
        if found
    }
    tables.setdefault("models", pd.DataFrame(columns=list(MODEL_COLUMNS)))
    strata = ["ALL", *(s for s in config.claims.strata if s in config.strata)]
    tables["claims"] = claims_table(
        tables,
        ratio_margin=config.claims.ratio_margin,
        share_margin=config.claims.share_margin,
        strata=strata,
    )
    for name in TABLES:
        tables[name].to_csv(out / f"{name}.csv", index=False)
        write_parquet(tables[name], out / f"{name}.parquet")
    write_problems(out / "failures.csv", problems)
    manifest = write_manifest(
        out,
        "statistics",
        parameters={**config.as_dict(), "request": request},
        inputs=inputs,
        outputs=[p for p in out.rglob("*") if p.suffix in (".csv", ".parquet", ".R")],
        results={
            "networks": {n.name: _about(n) for n in networks},
            "problems": count_problems(problems),
        },
        seconds=progress.seconds,
    )
    shutil.rmtree(state)
    (out / REQUEST_NAME).unlink()
    return Statistics(out, tables, tuple(problems), manifest)


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
    network: NetworkRuns,
    plan: Plan,
    config: StatsConfig,
    state: Path,
    number: int,
    progress: Progress,
) -> dict[str, pd.DataFrame]:
    """The tables of one network, pass by pass."""
    import pandas as pd

    from stressnet.runs.tables import write_parquet
    from stressnet.statistics.accumulate import accumulate, passes
    from stressnet.statistics.estimate import COLUMNS, tables

    groups = passes(network, plan)
    parts: dict[str, list[pd.DataFrame]] = {name: [] for name in COLUMNS}
    total = network.n_tokens * len(network.runs) * len(groups)
    with progress.stage(f"sum {network.name}", total, "token") as bar:
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
    return {
        name: pd.concat([f for f in found if len(f)] or found[:1], ignore_index=True)
        for name, found in parts.items()
    }


def _fit_models(
    network: NetworkRuns,
    config: StatsConfig,
    out: Path,
    state: Path,
    number: int,
    problems: list[Problem],
    progress: Progress,
) -> pd.DataFrame:
    import pandas as pd

    from stressnet.runs.tables import write_parquet
    from stressnet.statistics.mixed import COLUMNS

    folder = out / "models"
    rows = []
    with progress.stage(f"fit {network.name}", len(config.model), "model") as bar:
        for entry in config.model:
            file = state / f"{number}-model-{entry.name}.parquet"
            if not file.exists():
                folder.mkdir(exist_ok=True)
                found = _fit_model(network, entry, config, folder, problems)
                if found is not None:
                    write_parquet(found, file)
            if file.exists():
                table = pd.read_parquet(file)
                rows.append(table)
                if not table["converged"].all():
                    problems.append(
                        Problem(
                            f"{network.name}: {entry.name}",
                            "models",
                            Severity.ERROR,
                            f"not fitted: {table['message'].iloc[0]}",
                        )
                    )
            bar.update(1)
    return pd.concat(rows, ignore_index=True) if rows else pd.DataFrame(columns=list(COLUMNS))


def _fit_model(
    network: NetworkRuns,
    entry: ModelEntry,
    config: StatsConfig,
    folder: Path,
    problems: list[Problem],
) -> pd.DataFrame | None:
    """Collect, export and fit one model; None where the runs do not allow it by default."""
    from stressnet.statistics.mixed import fit, fit_rows, r_script
    from stressnet.statistics.model_data import collect

    try:
        model = collect(
            network,
            name=entry.name,
            region=entry.region,
            other=entry.other,
            null=entry.null,
            measure=entry.measure,
            fixed=entry.fixed,
            offset=entry.offset,
            max_tokens=config.options.max_tokens_in_models,
        )
    except ConfigError as error:
        if not config.models_are_default:
            raise
        problems.append(
            Problem(f"{network.name}: {entry.name}", "models", Severity.WARNING, str(error))
        )
        return None
    stem = f"{_file_name(network.name)}_{entry.name}"
    model.data.to_csv(folder / f"{stem}.csv", index=False)
    (folder / f"{stem}.R").write_text(r_script(model, stem), encoding="utf-8")
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


def summary_text(result: Statistics) -> str:
    """The claims, and what else was made, for people."""
    table = result.tables["claims"]
    main = table[(table["stratum"] == "ALL") & table["null"].isin(["", "exchange"])]
    lines = []
    for network, rows in main.groupby("network", sort=False):
        about = result.manifest["results"]["networks"][network]
        seeds = len(about["seeds"])
        scope = "these weights only, not other training runs" if seeds == 1 else "training runs too"
        lines += [
            f"{network}: {about['n_tokens']} tokens, {about['n_words']} words, "
            f"{about['n_speakers']} speakers, n_seeds = {seeds} ({scope})",
            f"  {'claim':<21}{'criterion':<40}{'effect':>7}  {'interval':<16}"
            f"{'margin':>7}  verdict",
        ]
        claim = ""
        for row in rows.to_dict("records"):
            new = row["claim"] != claim
            claim = row["claim"]
            lines.append(_claim_line(row, claim if new else ""))
            if row["role"] == "primary":
                lines += _by_class(table, row)
        lines.append("")
    lines.append("(controls stand in brackets: they do not enter the verdict, but the reading)")
    lines += [_count_line(name, len(result.tables[name])) for name in TABLES]
    if result.problems:
        lines.append(f"{len(result.problems)} comparisons or models failed or were left out")
    return "\n".join(lines)


def _by_class(table: pd.DataFrame, row: dict[Any, Any]) -> list[str]:
    """The same criterion for each class of stress: classes are not equally frequent."""
    same = (table["stratum"] == "stress") & (table["role"] == "primary")
    for key in ("network", "claim", "criterion"):
        same &= table[key] == row[key]
    return [
        _claim_line({**found, "criterion": f"  {found['level']} words"}, "")
        for found in table[same].to_dict("records")
    ]


def _claim_line(row: dict[Any, Any], claim: str) -> str:
    low, high = row["low"], row["high"]
    interval = f"[{low:.2f}, {high:.2f}]" if low == low else "not estimable"
    effect = f"{row['effect']:.2f}" if row["effect"] == row["effect"] else "-"
    said = row["decision"] if row["role"] == "primary" else f"({row['decision']})"
    why = f": {row['reason']}" if row["reason"] else ""
    return (
        f"  {claim:<21}{row['criterion']:<40}{effect:>7}  {interval:<16}{row['margin']:>7.2f}  "
        f"{said}{why}"
    )


def _count_line(name: str, n: int) -> str:
    return f"{name + '.csv':<24}{n:>7} rows"
