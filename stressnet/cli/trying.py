"""Commands that show whether stressnet works here."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from stressnet.cli.options import EXIT_FAILED, PATH, seed_option, work_options


@click.command("demo")
@click.option(
    "--out", type=PATH, default=Path("stressnet-demo"), show_default=True, help="Folder to write."
)
@click.option(
    "--size",
    type=click.Choice(["full", "tiny"]),
    default="full",
    show_default=True,
    help="tiny takes about a minute and proves only that everything runs.",
)
@seed_option
@work_options
def demo_command(out: Path, size: str, seed: int, jobs: int, overwrite: bool, quiet: bool) -> None:
    """The whole study on synthetic speech, without data or network.

    Speaks a corpus with espeak-ng, builds, aligns, trains, explains and reports. Since the engine's
    own times are known, the aligner's error is printed too. Synthetic speech is far more regular
    than people: its figures say that the software works, not how people stress words.
    """
    from stressnet.runs.progress import Progress
    from stressnet.workflows.demo import run_demo

    result = run_demo(
        out, size=size, seed=seed, jobs=jobs, overwrite=overwrite, progress=Progress(not quiet)
    )
    click.echo(result.text)
    click.echo(f"report: {result.page}")


@click.command("doctor")
def doctor_command() -> None:
    """Show versions, devices, and which optional parts are there or missing."""
    from stressnet.workflows.doctor import examine

    text, healthy = examine()
    click.echo(text)
    if not healthy:
        sys.exit(EXIT_FAILED)
