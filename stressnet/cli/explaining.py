"""Commands that explain networks and test the explanations."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from stressnet.cli.commands import command_of
from stressnet.cli.options import (
    MODEL,
    PATH,
    output_options,
    sample_options,
    seed_option,
)
from stressnet.stages.explain import explain_corpus
from stressnet.stages.sensitivity import measure_sensitivity


def bands_option(function: Any) -> Any:
    """``--bands``: width of formant bands."""
    return click.option(
        "--bands",
        default="fixed-hz",
        show_default=True,
        help="Half-width of formant bands: fixed-hz[:HZ,HZ,HZ,HZ or :*FACTOR], fixed-bins[:BINS], "
        "bandwidth[:LARGEST_HZ].",
    )(function)


explain_command = command_of(explain_corpus)


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


sensitivity_command = command_of(measure_sensitivity)


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
