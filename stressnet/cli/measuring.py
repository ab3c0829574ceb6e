"""Commands that measure acoustic cues and what they alone tell about stress."""

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


@click.command("measure")
@click.argument("corpus", type=PATH)
@click.argument("out", type=PATH)
@click.option(
    "--pitch",
    type=click.Choice(["filtered-ac", "raw-ac"]),
    default="filtered-ac",
    show_default=True,
    help="Autocorrelation as Praat 6.4 recommends for intonation, or the raw one.",
)
@click.option(
    "--expressive",
    is_flag=True,
    help="Pitch ceiling 2.5 instead of 1.5 times the speaker's upper quartile.",
)
@click.option(
    "--ceiling",
    default="auto",
    show_default=True,
    help="Formant ceiling: auto (sex, if unknown optimise), sex, optimise, smoothest, or hertz.",
)
@work_options
def measure_command(
    corpus: Path,
    out: Path,
    pitch: str,
    expressive: bool,
    ceiling: str,
    jobs: int,
    overwrite: bool,
    quiet: bool,
) -> None:
    """Measure acoustic cues to stress in the tokens of CORPUS; write tables into OUT.

    Duration, F0, intensity, spectral balance and tilt, H1*-A3*, formants and vowel space, for both
    syllables and as first minus second. One row per token in cues.parquet and cues.csv; every
    column is explained in docs/cues.md.
    """
    from stressnet.acoustics.ceilings import METHODS
    from stressnet.runs.progress import Progress
    from stressnet.workflows.measure import measure_corpus
    from stressnet.workflows.measure_speakers import CueConfig

    try:
        chosen = ceiling if ceiling in METHODS else float(ceiling)
    except ValueError:
        raise click.BadParameter(
            f"'{ceiling}' is neither {', '.join(METHODS)} nor a number of hertz",
            param_hint="--ceiling",
        ) from None
    config = CueConfig(pitch, 2.5 if expressive else 1.5, chosen)
    result = measure_corpus(
        corpus, out, config, jobs=jobs, overwrite=overwrite, progress=Progress(not quiet)
    )
    counts = result.manifest["results"]
    click.echo(
        f"{counts['n_tokens']} tokens measured, {counts['n_complete']} of them completely; "
        f"the others lack a cue, see missing_reason"
    )
    for reason, number in list(counts["missing"].items())[:6]:
        click.echo(f"  {number:6d}  {reason}")
    if result.problems:
        click.echo(f"problems: {counts['problems']}, see {out / 'failures.csv'}")
    click.echo(f"cues: {out}")
    exit_if_some_failed(result.n_failed)


@click.command("cue-baselines")
@click.argument("cues", type=PATH)
@click.argument("out", type=PATH)
@click.option(
    "--model",
    "models",
    type=PATH,
    multiple=True,
    help="Network of the same corpus to compare token by token; may be repeated.",
)
@click.option(
    "--seeds",
    type=click.IntRange(1),
    default=5,
    show_default=True,
    help="How many seeds for gradient boosting.",
)
@seed_option
@output_options
def cue_baselines_command(
    cues: Path,
    out: Path,
    models: tuple[Path, ...],
    seeds: int,
    seed: int,
    overwrite: bool,
    quiet: bool,
) -> None:
    """Train simple classifiers on CUES (from measure) and test them as networks are tested.

    Majority, every cue alone, families of cues, five classical cues, and logistic regression and
    gradient boosting on all of them, trained on the corpus's own training split. Writes figures per
    test set with intervals, predictions per token, coefficients and permutation importance.
    """
    from stressnet.runs.progress import Progress
    from stressnet.workflows.cue_baselines import baselines_text, run_cue_baselines

    result = run_cue_baselines(
        cues,
        out,
        models=models,
        n_seeds=seeds,
        seed=seed,
        overwrite=overwrite,
        progress=Progress(not quiet),
    )
    click.echo(baselines_text(result))
    click.echo(f"cue baselines: {out}")
