"""Commands that explain networks and test the explanations."""

from __future__ import annotations

from pathlib import Path

import click

from stressnet.cli.options import PATH, jobs_option, overwrite_option, quiet_option, seed_option


@click.command("explain")
@click.argument("corpus", type=PATH)
@click.argument("model", type=PATH)
@click.argument("run", type=PATH)
@click.option("--composite", default="epsilon-plus", show_default=True, help="LRP rules.")
@click.option(
    "--seed-output",
    type=click.Choice(["logit-difference", "logit", "log-odds"]),
    default="logit-difference",
    show_default=True,
    help="What is explained; the difference is INITIAL minus FINAL.",
)
@click.option(
    "--split",
    "splits",
    multiple=True,
    help="Which tokens; may be repeated.  [default: all test sets]",
)
@click.option("--max-tokens", type=click.IntRange(1), help="A random sample of this size.")
@seed_option
@jobs_option
@overwrite_option
@quiet_option
def explain_command(
    corpus: Path,
    model: Path,
    run: Path,
    composite: str,
    seed_output: str,
    splits: tuple[str, ...],
    max_tokens: int | None,
    seed: int,
    jobs: int,
    overwrite: bool,
    quiet: bool,
) -> None:
    """Explain what MODEL hears in the tokens of CORPUS; write maps and tables into RUN.

    Computes signed relevance by layer-wise relevance propagation, checks its conservation, projects
    it onto syllables, nuclei, consonants, context, padding, F1 to F4 and F0, and compares with a
    null in which the tokens' tracks are exchanged.
    """
    from stressnet.progress import Progress
    from stressnet.workflows.explain import explain_corpus, summary_text

    result = explain_corpus(
        corpus,
        model,
        run,
        composite=composite,
        seed_output=seed_output,
        splits=splits or None,
        max_tokens=max_tokens,
        seed=seed,
        jobs=jobs,
        overwrite=overwrite,
        progress=Progress(not quiet),
    )
    click.echo(summary_text(result))
    click.echo(f"run: {run}")


@click.command("assess")
@click.argument("corpus", type=PATH)
@click.argument("model", type=PATH)
@click.argument("out", type=PATH)
@click.option(
    "--composite",
    "composites",
    multiple=True,
    help="LRP rules to assess; may be repeated. The first is what others are compared with.",
)
@click.option(
    "--method",
    "methods",
    multiple=True,
    help="Other methods to assess; may be repeated.  [default: five, see docs/faithfulness.md]",
)
@click.option("--metric", "metrics", multiple=True, help="May be repeated.  [default: all]")
@click.option(
    "--baseline",
    "baselines",
    multiple=True,
    default=("fill", "noise", "local"),
    show_default=True,
    help="What removed cells become: fill, mean, noise, local, linear; may be repeated.",
)
@click.option(
    "--region",
    "regions",
    multiple=True,
    default=("word", "nucleus_stressed", "nucleus_unstressed", "F1", "F2"),
    show_default=True,
    help="Where relevance is looked for; may be repeated.",
)
@click.option(
    "--score",
    type=click.Choice(["probability", "log-odds", "logit"]),
    default="probability",
    show_default=True,
    help="Of the predicted class; what removal is measured by.",
)
@click.option(
    "--other-model",
    "other_models",
    type=PATH,
    multiple=True,
    help="The network trained with another seed, for agreement; may be repeated.",
)
@click.option(
    "--split",
    "splits",
    multiple=True,
    help="Which tokens; may be repeated.  [default: all test sets]",
)
@click.option(
    "--max-tokens",
    type=click.IntRange(1),
    default=100,
    show_default=True,
    help="A random sample of this size.",
)
@seed_option
@overwrite_option
@quiet_option
def assess_command(
    corpus: Path,
    model: Path,
    out: Path,
    composites: tuple[str, ...],
    methods: tuple[str, ...],
    metrics: tuple[str, ...],
    baselines: tuple[str, ...],
    regions: tuple[str, ...],
    score: str,
    other_models: tuple[Path, ...],
    splits: tuple[str, ...],
    max_tokens: int,
    seed: int,
    overwrite: bool,
    quiet: bool,
) -> None:
    """Measure how faithful attribution methods are to MODEL on tokens of CORPUS; write into OUT.

    Removes or keeps what each map calls important (cells, phones, formant bands), randomises the
    network, moves the input, and compares maps with regions and with each other. Every figure comes
    with its chance level. Interrupted, it continues with the same command.
    """
    from stressnet.progress import Progress
    from stressnet.workflows.assess import assess, summary_text

    result = assess(
        corpus,
        model,
        out,
        methods=[*composites, *methods] or None,
        metrics=metrics or None,
        baselines=baselines,
        regions=regions,
        score=score,
        other_models=other_models,
        splits=splits or None,
        max_tokens=max_tokens,
        seed=seed,
        overwrite=overwrite,
        progress=Progress(not quiet),
    )
    click.echo(summary_text(result))
    click.echo(f"assessment: {out}")
