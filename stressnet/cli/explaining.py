"""Commands that explain networks and test the explanations."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from stressnet.cli.commands import command_of
from stressnet.cli.options import (
    PATH,
)
from stressnet.stages.assess import assess
from stressnet.stages.explain import explain_corpus
from stressnet.stages.sensitivity import measure_sensitivity


def bands_option(function: Any) -> Any:
    """``--bands``: width of formant bands."""
    return click.option(
        "--bands",
        default="fixed-hz",
        show_default=True,
        help="Half-width of formant bands: fixed-hz[:HZ,HZ,HZ,HZ or :*FACTOR], fixed-bins[:BINS], "
        "bandwidth[:LARGEST_HZ].",
    )(function)


explain_command = command_of(explain_corpus)


@click.command("regions")
@click.argument("corpus", type=PATH, required=False)
@click.option("--figure", type=PATH, help="Draw every region of a token of CORPUS into this file.")
@click.option("--token", default="", help="Part of the token's id.  [default: one that has most]")
@click.option("--preset", help="Spectrogram preset.  [default: the first that CORPUS has]")
@bands_option
@click.option(
    "--regions-file",
    "region_files",
    type=PATH,
    multiple=True,
    help="Python file with regions of your own; may be repeated.",
)
def regions_command(
    corpus: Path | None,
    figure: Path | None,
    token: str,
    preset: str | None,
    bands: str,
    region_files: tuple[Path, ...],
) -> None:
    """List the regions, or draw them on a token of CORPUS."""
    from stressnet.report.region_sheet import draw_regions, regions_text

    if figure is None or corpus is None:
        if figure is not None:
            raise click.UsageError("--figure needs a CORPUS to take a token from")
        click.echo(regions_text(region_files))
        return
    drawn = draw_regions(
        corpus, figure, token=token, preset=preset, bands=bands, region_files=region_files
    )
    click.echo(f"{drawn}: {figure}")


sensitivity_command = command_of(measure_sensitivity)


assess_command = command_of(assess)
