"""Commands that explain networks and test the explanations."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from stressnet.cli.options import (
    MODEL,
    PATH,
    exit_if_some_failed,
    output_options,
    sample_options,
    seed_option,
    work_options,
)


def bands_option(function: Any) -> Any:
    """``--bands``: width of formant bands."""
    return click.option(
        "--bands",
        default="fixed-hz",
        show_default=True,
        help="Half-width of formant bands: fixed-hz[:HZ,HZ,HZ,HZ or :*FACTOR], fixed-bins[:BINS], "
        "bandwidth[:LARGEST_HZ].",
    )(function)


@click.command("explain")
@click.argument("corpus", type=PATH)
@click.argument("model", type=MODEL)
@click.argument("run", type=PATH)
@click.option(
    "--composite",
    help="LRP rules, or integrated-gradients-mean.  [default: the rules that suit the network]",
)
@click.option(
    "--seed-output",
    type=click.Choice(["logit-difference", "logit", "log-odds"]),
    default="logit-difference",
    show_default=True,
    help="What is explained; the difference is INITIAL minus FINAL.",
)
@sample_options()
@click.option(
    "--null",
    "nulls",
    multiple=True,
    default=("exchange",),
    show_default=True,
    help="What relevance is compared with: exchange, time_shift, frequency_shift, untrained, all; "
    "may be repeated.",
)
@click.option(
    "--null-model",
    "null_models",
    type=PATH,
    multiple=True,
    help="A network whose maps serve as null, e.g. one trained on permuted labels; may be "
    "repeated.",
)
@bands_option
@click.option(
    "--regions-file",
    "region_files",
    type=PATH,
    multiple=True,
    help="Python file with regions of your own; may be repeated.",
)
@click.option(
    "--partition",
    "partitions",
    multiple=True,
    help="Also write shares that add to 1: time, syllables, parts, manners, formants, valleys, "
    "harmonics, balance; may be repeated.",
)
@seed_option
@work_options
def explain_command(
    corpus: Path,
    model: Path,
    run: Path,
    composite: str | None,
    seed_output: str,
    splits: tuple[str, ...],
    max_tokens: int | None,
    nulls: tuple[str, ...],
    null_models: tuple[Path, ...],
    bands: str,
    region_files: tuple[Path, ...],
    partitions: tuple[str, ...],
    seed: int,
    jobs: int,
    overwrite: bool,
    quiet: bool,
) -> None:
    """Explain what MODEL hears in the tokens of CORPUS; write maps and tables into RUN.

    MODEL is a folder of 'stressnet train', or the word pretrained: the network in the package.

    Computes signed relevance by layer-wise relevance propagation, checks its conservation, projects
    it onto regions (syllables, vowels, consonants, formants, F0, see 'stressnet regions'), and
    compares with nulls: the tracks and times of other tokens, shifted ones, other networks.
    """
    from stressnet.runs.problems import count_lost
    from stressnet.runs.progress import Progress
    from stressnet.workflows.explain import explain_corpus
    from stressnet.workflows.explain_text import nulls_text, summary_text

    result = explain_corpus(
        corpus,
        model,
        run,
        composite=composite,
        seed_output=seed_output,
        splits=splits or None,
        max_tokens=max_tokens,
        nulls=nulls,
        null_models=null_models,
        bands=bands,
        region_files=region_files,
        partitions=partitions,
        seed=seed,
        jobs=jobs,
        overwrite=overwrite,
        progress=Progress(not quiet),
    )
    click.echo(summary_text(result))
    if result.summary_nulls is not None:
        click.echo(nulls_text(result.summary_nulls))
    click.echo(f"run: {run}")
    n_lost = count_lost(result.problems)
    exit_if_some_failed(n_lost, f"tokens could not be projected: {run / 'failures.csv'}")


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
    from stressnet.workflows.region_sheet import draw_regions, regions_text

    if figure is None or corpus is None:
        if figure is not None:
            raise click.UsageError("--figure needs a CORPUS to take a token from")
        click.echo(regions_text(region_files))
        return
    drawn = draw_regions(
        corpus, figure, token=token, preset=preset, bands=bands, region_files=region_files
    )
    click.echo(f"{drawn}: {figure}")


@click.command("sensitivity")
@click.argument("corpus", type=PATH)
@click.argument("model", type=MODEL)
@click.argument("out", type=PATH)
@click.option(
    "--model",
    "models",
    type=PATH,
    multiple=True,
    help="A further network, e.g. one trained on another preset or window; may be repeated.",
)
@click.option(
    "--composite",
    "composites",
    multiple=True,
    help="LRP rules; may be repeated.  [default: four, see docs/regions.md]",
)
@click.option(
    "--bands",
    "bands",
    multiple=True,
    help="Width of formant bands; may be repeated.  [default: seven, see docs/regions.md]",
)
@click.option("--region", "regions", multiple=True, help="May be repeated.  [default: a dozen]")
@sample_options(100)
@seed_option
@work_options
def sensitivity_command(
    corpus: Path,
    model: Path,
    out: Path,
    models: tuple[Path, ...],
    composites: tuple[str, ...],
    bands: tuple[str, ...],
    regions: tuple[str, ...],
    splits: tuple[str, ...],
    max_tokens: int,
    seed: int,
    jobs: int,
    overwrite: bool,
    quiet: bool,
) -> None:
    """How shares of relevance move with band width, LRP rules, spectrogram and network.

    Explains a sample of tokens under every composite, projects it under every band rule, and writes
    one table. The first MODEL, composite and band rule are what the others are compared with.
    Spectrogram presets and windows are compared by networks trained on them.
    """
    from stressnet.runs.progress import Progress
    from stressnet.workflows.sensitivity import measure_sensitivity, sensitivity_text

    result = measure_sensitivity(
        corpus,
        [model, *models],
        out,
        composites=composites or None,
        bands=bands or None,
        regions=regions or None,
        splits=splits or None,
        max_tokens=max_tokens,
        seed=seed,
        jobs=jobs,
        overwrite=overwrite,
        progress=Progress(not quiet),
    )
    click.echo(sensitivity_text(result.table))
    click.echo(f"sensitivity: {out}")
    exit_if_some_failed(len(result.problems), f"failures: {out / 'failures.csv'}")


@click.command("assess")
@click.argument("corpus", type=PATH)
@click.argument("model", type=MODEL)
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
@sample_options(100)
@seed_option
@output_options
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
    from stressnet.runs.progress import Progress
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
