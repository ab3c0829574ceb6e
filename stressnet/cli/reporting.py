"""Commands that draw and report."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from stressnet.cli.options import (
    EXIT_SOME_FAILED,
    PATH,
    jobs_option,
    overwrite_option,
    quiet_option,
    seed_option,
)


@click.command("report")
@click.argument("run", type=PATH)
@click.argument("report", type=PATH)
@click.option(
    "--run",
    "others",
    type=PATH,
    multiple=True,
    help="A further run on the same corpus, shown beside in the explorer; may be repeated.",
)
@click.option(
    "--explorer-tokens",
    type=click.IntRange(0),
    default=2500,
    show_default=True,
    help="Tokens in the explorer; of more, a random sample. 0: no explorer.",
)
@seed_option
@jobs_option
@overwrite_option
@quiet_option
def report_command(
    run: Path,
    report: Path,
    others: tuple[Path, ...],
    explorer_tokens: int,
    seed: int,
    jobs: int,
    overwrite: bool,
    quiet: bool,
) -> None:
    """Write figures (PNG, PDF) and pages that open in a browser from RUN into REPORT.

    index.html is the report, explorer.html a page to hear, see and filter the tokens. Both open
    from disk and need no network.
    """
    from stressnet.progress import Progress
    from stressnet.workflows.report import report_run

    made = report_run(
        run,
        report,
        others=others,
        explorer_tokens=explorer_tokens,
        seed=seed,
        jobs=jobs,
        overwrite=overwrite,
        progress=Progress(not quiet),
    )
    click.echo(f"report: {made.page}")
    if made.explorer is not None:
        click.echo(f"explorer: {made.explorer}")
    if made.problems:
        click.echo(f"{len(made.problems)} tokens left out, see {report / 'failures.csv'}", err=True)
        sys.exit(EXIT_SOME_FAILED)


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
