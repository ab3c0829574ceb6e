"""Commands that evaluate networks and put them to use."""

from __future__ import annotations

from pathlib import Path

import click

from stressnet.cli.options import PATH, overwrite_option, quiet_option, seed_option


@click.command("evaluate")
@click.argument("corpus", type=PATH)
@click.argument("models", type=PATH, nargs=-1, required=True, metavar="MODEL...")
@click.argument("out", type=PATH)
@click.option(
    "--audits/--no-audits",
    default=True,
    show_default=True,
    help="Leak audits: what classifiers know that see only padding, envelope or phones; a network "
    "on shuffled labels; nouns and verbs without stress shift.",
)
@click.option(
    "--resamples",
    type=click.IntRange(100),
    default=2000,
    show_default=True,
    help="Of the bootstrap behind the intervals.",
)
@seed_option
@overwrite_option
@quiet_option
def evaluate_command(
    corpus: Path,
    models: tuple[Path, ...],
    out: Path,
    audits: bool,
    resamples: int,
    seed: int,
    overwrite: bool,
    quiet: bool,
) -> None:
    """Test one or more MODELs on CORPUS; write tables, figures and a page into OUT.

    A MODEL is a folder that train wrote, or a folder of such folders. Networks that differ in
    their seed only are also averaged into an ensemble. On the corpus they were trained on, every
    test set is reported; on any other, all its labelled tokens.
    """
    from stressnet.progress import Progress
    from stressnet.workflows.evaluate import evaluate_models, evaluation_text

    result = evaluate_models(
        corpus,
        models,
        out,
        audits=audits,
        seed=seed,
        n_resamples=resamples,
        overwrite=overwrite,
        progress=Progress(not quiet),
    )
    click.echo(evaluation_text(result))
    click.echo(f"page: {out / 'index.html'}")
