"""The command that puts explanations to the test."""

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


@click.command("validate-methods")
@click.argument("out", type=PATH)
@click.option("--small", is_flag=True, help="Three sets, one network, four methods: minutes.")
@click.option(
    "--set",
    "sets",
    multiple=True,
    help="A design such as f1 or f2_relation, 'planted', 'natural:COLUMN' or "
    "'natural:COLUMN:MARGIN' (a cue of the corpus, without tokens within so many standard "
    "deviations of its middle), or 'folder:PATH'; may be repeated.  [default: every single cue, "
    "F1 in vowel 1, F1+F2, none]",
)
@click.option("--words", "n_words", type=click.IntRange(12), help="Words of a set.")
@click.option("--scored", "n_scored", type=click.IntRange(6), help="Test words that are scored.")
@click.option(
    "--effect",
    type=click.FloatRange(0, 2),
    help="Size of the cue: 1 is obvious, 0.25 near threshold.",
)
@click.option("--network", "networks", multiple=True, help="Architecture; may be repeated.")
@click.option("--trainings", "n_seeds", type=click.IntRange(1), help="Of each network.")
@click.option(
    "--method",
    "methods",
    multiple=True,
    help="Composite or other method, for every network; may be repeated. With it, no network "
    "gets all methods.",
)
@click.option("--epochs", "max_epochs", type=click.IntRange(1), help="Of the trainings.")
@click.option(
    "--precision",
    type=click.Choice(["float32", "bfloat16"]),
    help="Number format of the trainings; bfloat16 is faster on CPUs with AMX.",
)
@click.option(
    "--allow-leaks",
    is_flag=True,
    help="Keep sets in which a measured cue beside the intended one separates the classes "
    "(AUROC beyond 0.5 ± 0.03); otherwise they are refused.",
)
@click.option("--corpus", type=PATH, help="A built corpus, for natural:COLUMN.")
@click.option("--cues", type=PATH, help="What 'stressnet measure' made of it.")
@seed_option
@jobs_option
@overwrite_option
@quiet_option
def validate_methods_command(
    out: Path,
    small: bool,
    sets: tuple[str, ...],
    n_words: int | None,
    n_scored: int | None,
    effect: float | None,
    networks: tuple[str, ...],
    n_seeds: int | None,
    methods: tuple[str, ...],
    max_epochs: int | None,
    precision: str | None,
    allow_leaks: bool,
    corpus: Path | None,
    cues: Path | None,
    seed: int,
    jobs: int,
    overwrite: bool,
    quiet: bool,
) -> None:
    """Test explanation methods on words whose cue is known; write a scoreboard into OUT.

    Draws synthetic words in which exactly one cue carries the class, trains networks on them, and
    asks of every method whether its maps find the cue: tables, figures, and a recommendation of
    method, rule and seed.
    """
    from stressnet.runs.problems import Severity
    from stressnet.runs.progress import Progress
    from stressnet.workflows.validate_methods import (
        DEFAULT_PLAN,
        SMALL_PLAN,
        plan_with,
        summary_text,
        validate_methods,
    )

    plan = plan_with(
        SMALL_PLAN if small else DEFAULT_PLAN,
        sets=sets,
        n_words=n_words,
        n_scored=n_scored,
        effect=effect,
        networks=networks,
        n_seeds=n_seeds,
        methods=methods,
        max_epochs=max_epochs,
        precision=precision,
        all_methods=False if methods else None,
        allow_leaks=allow_leaks or None,
        seed=seed,
    )
    result = validate_methods(
        out,
        plan,
        corpus=corpus,
        cues=cues,
        jobs=jobs,
        overwrite=overwrite,
        progress=Progress(not quiet),
    )
    click.echo(summary_text(result))
    click.echo(f"scoreboard: {out}")
    lost = [problem for problem in result.problems if problem.severity is Severity.ERROR]
    refused = [problem for problem in lost if problem.stage == "set"]
    for problem in refused:
        click.echo(f"{problem.item}: {problem.reason}", err=True)
    if lost:
        click.echo(f"{len(lost)} steps failed: {out / 'failures.csv'}", err=True)
        sys.exit(EXIT_SOME_FAILED)
