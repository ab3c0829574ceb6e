"""Commands that draw and report."""

from __future__ import annotations

from pathlib import Path

import click

from stressnet.cli.options import (
    PATH,
    exit_if_some_failed,
    output_options,
    seed_option,
    work_options,
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
    "--cues",
    type=PATH,
    help="What cue-baselines wrote: its coefficients are drawn beside relevance.",
)
@click.option(
    "--explorer-tokens",
    type=click.IntRange(0),
    default=2500,
    show_default=True,
    help="Tokens in the explorer; of more, a random sample. 0: no explorer.",
)
@seed_option
@work_options
def report_command(
    run: Path,
    report: Path,
    others: tuple[Path, ...],
    cues: Path | None,
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
    from stressnet.runs.progress import Progress
    from stressnet.workflows.report import report_run

    made = report_run(
        run,
        report,
        others=others,
        cues=cues,
        explorer_tokens=explorer_tokens,
        seed=seed,
        jobs=jobs,
        overwrite=overwrite,
        progress=Progress(not quiet),
    )
    click.echo(f"report: {made.page}")
    if made.explorer is not None:
        click.echo(f"explorer: {made.explorer}")
    exit_if_some_failed(len(made.problems), f"tokens left out, see {report / 'failures.csv'}")


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


@click.command("export-praat")
@click.argument("run", type=PATH)
@click.argument("out", type=PATH)
@click.option("--token", "texts", multiple=True, help="Part of a token id; may be repeated.")
@click.option("--word", "words", multiple=True, help="A word; may be repeated.")
@click.option("--split", "splits", multiple=True, help="A set of tokens; may be repeated.")
@click.option("--wrong", is_flag=True, help="Only tokens that the network got wrong.")
@click.option(
    "--max-tokens",
    type=click.IntRange(0),
    default=200,
    show_default=True,
    help="Of more tokens, a random sample of this size. 0: all.",
)
@click.option(
    "--measure",
    type=click.Choice(
        ["signed_share", "positive_share", "absolute_share", "density", "density_absolute"]
    ),
    default="signed_share",
    show_default=True,
    help="What the tier says of each phone.",
)
@click.option("--utterances", is_flag=True, help="One TextGrid per recording, not per token.")
@click.option(
    "--run",
    "others",
    type=PATH,
    multiple=True,
    help="A further run on the same corpus, as further tiers; may be repeated.",
)
@seed_option
@output_options
def export_praat_command(
    run: Path,
    out: Path,
    texts: tuple[str, ...],
    words: tuple[str, ...],
    splits: tuple[str, ...],
    wrong: bool,
    max_tokens: int,
    measure: str,
    utterances: bool,
    others: tuple[Path, ...],
    seed: int,
    overwrite: bool,
    quiet: bool,
) -> None:
    """Write tokens of RUN into OUT as files that Praat opens.

    Per token: sound, TextGrid with a tier of relevance per phone, Formant, PitchTier. In Praat:
    Open > Read from file..., select sound and TextGrid, View & Edit.
    """
    from stressnet.runs.progress import Progress
    from stressnet.workflows.export_praat import Selection, export_praat

    made = export_praat(
        run,
        out,
        others=others,
        selection=Selection(texts, words, splits, wrong, max_tokens, seed),
        measure=measure,
        utterances=utterances,
        overwrite=overwrite,
        progress=Progress(not quiet),
    )
    click.echo(f"praat: {made.n_tokens} tokens, {made.n_files} TextGrids in {made.path}")
    exit_if_some_failed(len(made.problems), f"problems, see {out / 'failures.csv'}")
