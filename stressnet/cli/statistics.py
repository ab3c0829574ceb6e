"""Commands that compare."""

from __future__ import annotations

from typing import Any

import click

from stressnet.cli.commands import command_of
from stressnet.stages.stats import run_statistics

stats_command = command_of(run_statistics)


def _print_example(context: click.Context, _: click.Parameter, wanted: bool) -> Any:
    if wanted:
        from stressnet.statistics.analysis import EXAMPLE

        click.echo(EXAMPLE, nl=False)
        context.exit()


stats_command.params.insert(
    2,
    click.Option(
        ["--example"],
        is_flag=True,
        is_eager=True,
        expose_value=False,
        callback=_print_example,
        help="Print a commented CONFIG.toml and stop.",
    ),
)
