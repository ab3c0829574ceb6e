"""Commands for finished corpora."""

from __future__ import annotations

from pathlib import Path

import click

from stressnet.cli.options import PATH, output_options, overwrite_option, seed_option


@click.group("corpus")
def corpus_group() -> None:
    """Look at corpora, export them, merge them."""


@corpus_group.command("show")
@click.argument("corpus", type=PATH)
def show_command(corpus: Path) -> None:
    """Print the card of CORPUS: sources, licences, counts, durations."""
    from stressnet.workflows.corpus_tools import show_corpus

    click.echo(show_corpus(corpus))


@corpus_group.command("export")
@click.argument("corpus", type=PATH)
@click.argument("out", type=PATH)
@click.option("--csv", is_flag=True, help="Tables as CSV, with a script for R.")
@click.option("--wav", is_flag=True, help="A WAV per token.")
@click.option("--textgrid", is_flag=True, help="A TextGrid per token that fits its WAV.")
@click.option("--huggingface", is_flag=True, help="Parquet with the sound, for 'datasets'.")
@click.option("--no-context", is_flag=True, help="WAVs of the words alone.")
@output_options
def export_command(
    corpus: Path,
    out: Path,
    csv: bool,
    wav: bool,
    textgrid: bool,
    huggingface: bool,
    no_context: bool,
    overwrite: bool,
    quiet: bool,
) -> None:
    """Write CORPUS for other programs into OUT; without a choice, CSV, WAVs and TextGrids."""
    from stressnet.runs.progress import Progress
    from stressnet.workflows.corpus_tools import export_corpus

    asked = {"csv": csv, "wav": wav, "textgrid": textgrid, "huggingface": huggingface}
    what = [kind for kind, wanted in asked.items() if wanted] or ["csv", "wav", "textgrid"]
    counts = export_corpus(
        corpus,
        out,
        what,
        context=not no_context,
        overwrite=overwrite,
        progress=Progress(not quiet),
    )
    units = {"csv": "tables", "wav": "WAVs", "textgrid": "TextGrids", "huggingface": "rows"}
    click.echo(", ".join(f"{n} {units[kind]}" for kind, n in counts.items()))
    click.echo(f"export: {out}")


@corpus_group.command("folds")
@click.argument("corpus", type=PATH)
@click.argument("out", type=PATH)
@click.option("-k", "--folds", type=click.IntRange(3), default=5, show_default=True)
@click.option("--rotations", type=click.IntRange(1), default=1, show_default=True)
@seed_option
@overwrite_option
def folds_command(
    corpus: Path, out: Path, folds: int, rotations: int, seed: int, overwrite: bool
) -> None:
    """Write k splits of CORPUS into OUT, one file like splits.csv per run.

    Each run tests new words of new speakers. Over k folds a k-th of the tokens is tested once;
    with k rotations, every token is.
    """
    from stressnet.workflows.corpus_tools import write_folds

    counts = write_folds(corpus, out, folds, rotations=rotations, seed=seed, overwrite=overwrite)
    click.echo(counts.to_string(index=False))
    click.echo(f"splits: {out}")


@corpus_group.command("merge")
@click.argument("corpora", type=PATH, nargs=-1, required=True)
@click.argument("out", type=PATH)
@click.option(
    "--splits",
    type=click.Choice(["redraw", "keep", "none"]),
    default="redraw",
    show_default=True,
    help="Training and test sets: drawn anew, each corpus's own, or none.",
)
@click.option("--valid-share", default=0.10, show_default=True, help="Of speakers and of words.")
@click.option("--test-share", default=0.22, show_default=True, help="Of speakers and of words.")
@seed_option
@output_options
def merge_command(
    corpora: tuple[Path, ...],
    out: Path,
    splits: str,
    valid_share: float,
    test_share: float,
    seed: int,
    overwrite: bool,
    quiet: bool,
) -> None:
    """Write the tokens of CORPORA as one corpus OUT; also joins the shards of one build.

    The column 'corpus' says where a token came from. Where two corpora share names of utterances or
    speakers, all names get their corpus's in front.
    """
    from stressnet.corpus.splits import SplitConfig
    from stressnet.runs.progress import Progress
    from stressnet.workflows.corpus_tools_merge import Splits, merge_corpora

    how: Splits = None
    if splits == "redraw":
        how = SplitConfig(valid_share, test_share, seed)
    elif splits == "keep":
        how = "keep"
    merge_corpora(corpora, out, splits=how, overwrite=overwrite, progress=Progress(not quiet))
    click.echo((out / "corpus-card.md").read_text(encoding="utf-8"))
    click.echo(f"corpus: {out}")
