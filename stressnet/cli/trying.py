"""Commands that show whether stressnet works here."""

from __future__ import annotations

import sys

import click

from stressnet.cli.commands import command_of
from stressnet.cli.options import EXIT_FAILED
from stressnet.stages.demo import run_demo

demo_command = command_of(run_demo)


@click.command("doctor")
def doctor_command() -> None:
    """Show versions, devices, and which optional parts are there or missing."""
    from stressnet.report.doctor import examine

    text, healthy = examine()
    click.echo(text)
    if not healthy:
        sys.exit(EXIT_FAILED)
