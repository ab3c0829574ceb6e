"""Commands that draw and report."""

from __future__ import annotations

from pathlib import Path

import click

from stressnet.cli.commands import command_of
from stressnet.cli.options import PATH
from stressnet.stages.export_praat import export_praat
from stressnet.stages.report import report_run

report_command = command_of(report_run)
export_praat_command = command_of(export_praat)


@click.command("word")
@click.argument("run", type=PATH)
@click.argument("token_id")
@click.argument("figure", type=PATH)
def word_command(run: Path, token_id: str, figure: Path) -> None:
    """Draw one word of RUN: sound, spectrogram, formants, pitch, relevance, phones.

    FIGURE ends in .png, .pdf or .svg. Token ids are in RUN/tokens.parquet; a part that only one
    token has is enough.
    """
    from stressnet.report.draw_word import draw_word

    click.echo(f"figure: {draw_word(run, token_id, figure)}")
