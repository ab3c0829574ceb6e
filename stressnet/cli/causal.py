"""Commands that ask what networks do when cues are changed."""

from __future__ import annotations

from pathlib import Path

import click

from stressnet.cli.options import (
    MODEL,
    PATH,
    exit_if_some_failed,
    measured_option,
    names_in,
    output_options,
    sample_options,
    seed_option,
    work_options,
)


@click.command("psychometrics")
@click.argument("stimuli", type=PATH)
@click.argument("out", type=PATH)
@click.option(
    "--answers",
    type=click.Choice(["decision", "probability"]),
    default="decision",
    show_default=True,
    help="What a network answers: its class, as a listener would, or its probability.",
)
@output_options
def psychometrics_command(
    stimuli: Path, out: Path, answers: str, overwrite: bool, quiet: bool
) -> None:
    """Psychometric functions of the networks that answered to STIMULI (from manipulate).

    Slope and crossover of every cue, and weights of two cues against each other where STIMULI holds
    pairs, beside what listeners do. Tables and a figure go to OUT.
    """
    from stressnet.manipulation.weights import listeners_text
    from stressnet.runs.progress import Progress
    from stressnet.workflows.causal_psychometrics import curves_text, psychometrics

    result = psychometrics(
        stimuli, out, answers=answers, overwrite=overwrite, progress=Progress(not quiet)
    )
    click.echo(curves_text(result))
    if len(result.listeners):
        for model, part in result.listeners.groupby("model", sort=False):
            click.echo(f"\nlisteners beside {model}:")
            click.echo(listeners_text(part))
    click.echo(f"psychometrics: {out}")


@click.command("causal-agreement")
@click.argument("corpus", type=PATH)
@click.argument("model", type=MODEL)
@click.argument("out", type=PATH)
@click.option(
    "--methods",
    help="Composites and other methods, separated by commas; the first is drawn.  "
    "[default: five, see docs/faithfulness.md]",
)
@click.option(
    "--stimuli",
    type=PATH,
    help="Finished folder of 'stressnet manipulate' with MODEL's responses; made if left out.",
)
@measured_option
@sample_options(default=150)
@seed_option
@work_options
def causal_agreement_command(
    corpus: Path,
    model: Path,
    out: Path,
    methods: str | None,
    stimuli: Path | None,
    measured: Path | None,
    splits: tuple[str, ...],
    max_tokens: int | None,
    seed: int,
    jobs: int,
    overwrite: bool,
    quiet: bool,
) -> None:
    """Does relevance predict what changing a cue does to MODEL, token by token?

    Sets each cue of words of CORPUS to the midpoint between the classes, and compares the change of
    the logit difference with the relevance of the cue's region: rank correlation per method, over
    tokens and over the cues of a token, beside the relevance of other tokens. Writes a table and a
    figure into OUT.
    """
    from stressnet.runs.progress import Progress
    from stressnet.workflows.causal import causal_agreement, summary_text

    names = names_in(methods) if methods else None
    result = causal_agreement(
        corpus,
        model,
        out,
        methods=names,
        stimuli=stimuli,
        measured=measured,
        splits=splits or None,
        max_tokens=max_tokens,
        seed=seed,
        jobs=jobs,
        overwrite=overwrite,
        progress=Progress(not quiet),
    )
    click.echo(summary_text(result))
    click.echo(f"causal agreement: {out}")
    exit_if_some_failed(result.n_failed, "stimuli were left out: see failures.csv")


@click.command("findings")
@click.argument("corpus", type=PATH)
@click.argument("stats", type=PATH)
@click.argument("stimuli", type=PATH)
@click.argument("out", type=PATH)
@click.option(
    "--model",
    "models",
    type=PATH,
    multiple=True,
    required=True,
    help="Checkpoint; may be repeated for training seeds of one network.",
)
@click.option("--network", help="Which network of STATS.  [default: its only one]")
@sample_options(default=400)
@seed_option
@output_options
def findings_command(
    corpus: Path,
    stats: Path,
    stimuli: Path,
    out: Path,
    models: tuple[Path, ...],
    network: str | None,
    splits: tuple[str, ...],
    max_tokens: int | None,
    seed: int,
    overwrite: bool,
    quiet: bool,
) -> None:
    """The paper's claims: relevance, deletion and causal effect side by side, with verdicts.

    STATS is a folder of 'stressnet stats', STIMULI one of 'stressnet manipulate' with the networks'
    responses. Deletion is computed here on tokens of CORPUS. Rules: docs/findings.md.
    """
    from stressnet.runs.progress import Progress
    from stressnet.workflows.causal_findings import find_out
    from stressnet.workflows.causal_findings_table import findings_text

    result = find_out(
        corpus,
        stats,
        stimuli,
        out,
        models,
        network=network,
        splits=splits or None,
        max_tokens=max_tokens,
        seed=seed,
        overwrite=overwrite,
        progress=Progress(not quiet),
    )
    click.echo(findings_text(result.table))
    click.echo(f"findings: {out}")
