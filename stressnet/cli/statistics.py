"""Commands that compare."""

from __future__ import annotations

from pathlib import Path

import click

from stressnet.cli.options import PATH, exit_if_some_failed, output_options


@click.command("stats")
@click.argument("source", type=PATH, metavar="CONFIG.toml|RUN", required=False)
@click.argument("out", type=PATH, required=False)
@click.option("--example", is_flag=True, help="Print a commented CONFIG.toml and stop.")
@output_options
def stats_command(
    source: Path | None, out: Path | None, example: bool, overwrite: bool, quiet: bool
) -> None:
    """Tables of relevance with intervals and tests over one or more runs; write into OUT.

    Takes a CONFIG.toml that names runs, strata, contrasts and models, or a folder of 'stressnet
    explain', for which all are the defaults. Intervals respect speakers, words and training seeds.
    Ends with a verdict on each claim of the paper. Interrupted, it continues with the same command.
    """
    from stressnet.runs.problems import count_lost
    from stressnet.runs.progress import Progress
    from stressnet.workflows import stats_config as configs

    if example:
        click.echo(configs.EXAMPLE, nl=False)
        return
    if source is None or out is None:
        raise click.UsageError("needs CONFIG.toml or RUN, and OUT (see --help)")
    from stressnet.workflows.stats import run_statistics, summary_text

    config = configs.config_for_run(source) if source.is_dir() else configs.read_config(source)
    result = run_statistics(config, out, overwrite=overwrite, progress=Progress(not quiet))
    click.echo(summary_text(result))
    click.echo(f"statistics: {out}")
    if result.problems:
        for problem in result.problems:
            click.echo(f"  {problem.severity}: {problem.item}: {problem.reason}", err=True)
        click.echo(f"see {out / 'failures.csv'}", err=True)
    exit_if_some_failed(count_lost(result.problems))
