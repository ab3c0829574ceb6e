"""Commands that draw and report."""

from __future__ import annotations

from pathlib import Path

import click

from stressnet.cli.options import PATH, overwrite_option, quiet_option


@click.command("report")
@click.argument("run", type=PATH)
@click.argument("report", type=PATH)
@overwrite_option
@quiet_option
def report_command(run: Path, report: Path, overwrite: bool, quiet: bool) -> None:
    """Write figures (PNG, PDF) and a page that opens in a browser from RUN into REPORT."""
    from stressnet.progress import Progress
    from stressnet.workflows.report import report_run

    page = report_run(run, report, overwrite=overwrite, progress=Progress(not quiet))
    click.echo(f"report: {page}")


@click.command("word")
@click.argument("run", type=PATH)
@click.argument("token_id")
@click.argument("figure", type=PATH)
def word_command(run: Path, token_id: str, figure: Path) -> None:
    """Draw one word of RUN: sound, spectrogram, formants, pitch, relevance, phones.

    FIGURE ends in .png, .pdf or .svg. Token ids are in RUN/tokens.parquet; a part that only one
    token has is enough.
    """
    from stressnet.workflows.report import draw_word

    click.echo(f"figure: {draw_word(run, token_id, figure)}")
