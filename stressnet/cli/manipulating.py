"""Commands that change cues in recorded words."""

from __future__ import annotations

from pathlib import Path

import click

from stressnet.cli.options import (
    PATH,
    exit_if_some_failed,
    measured_option,
    names_in,
    seed_option,
    work_options,
)


@click.command("manipulate")
@click.argument("corpus", type=PATH)
@click.argument("out", type=PATH)
@click.option(
    "--cues",
    "cue_names",
    default="f0,duration,intensity,f1,f2,f3,tilt",
    show_default=True,
    help="Cues to change one at a time, separated by commas.",
)
@click.option("--pairs", "every_pair", is_flag=True, help="Full grids of every pair of the cues.")
@click.option(
    "--pair", "pairs", multiple=True, help="A full grid of two cues, e.g. f0+f1; may be repeated."
)
@click.option("--all", "together", is_flag=True, help="A continuum of all the cues at once.")
@click.option("--no-single", is_flag=True, help="No continua of single cues.")
@click.option(
    "--steps", type=click.IntRange(2), default=7, show_default=True, help="Steps of a continuum."
)
@click.option(
    "--endpoints",
    type=click.Choice(["class", "pair"]),
    default="class",
    show_default=True,
    help="Ends from the speaker's class means, or from the other member of a minimal pair.",
)
@click.option(
    "--min-tokens",
    type=click.IntRange(1),
    default=5,
    show_default=True,
    help="Tokens of each class that a mean must rest on, else those of the sex, else all.",
)
@click.option("--max-tokens", type=click.IntRange(1), help="A random sample of this size.")
@click.option("--words", help="Only these words, separated by commas, whatever their split.")
@click.option("--split", "splits", multiple=True, help="Tokens of this split; may be repeated.")
@measured_option
@click.option(
    "--model", "models", type=PATH, multiple=True, help="Network that answers; may be repeated."
)
@click.option("--save-audio", is_flag=True, help="Write every stimulus as WAV with a TextGrid.")
@seed_option
@work_options
def manipulate_command(
    corpus: Path,
    out: Path,
    cue_names: str,
    every_pair: bool,
    pairs: tuple[str, ...],
    together: bool,
    no_single: bool,
    steps: int,
    endpoints: str,
    min_tokens: int,
    max_tokens: int | None,
    words: str | None,
    splits: tuple[str, ...],
    measured: Path | None,
    models: tuple[Path, ...],
    save_audio: bool,
    seed: int,
    jobs: int,
    overwrite: bool,
    quiet: bool,
) -> None:
    """Change cues to stress in the words of CORPUS, one at a time; write stimuli into OUT.

    Continua from INITIAL-like to FINAL-like in F0, duration, intensity, F1, F2, F3 and spectral
    tilt of the two vowels; everything else of the word stays. Every stimulus is measured again:
    crosstalk.csv says how far the intended cue and the others moved. Stimuli whose cue did not
    move, or that Praat cannot analyse, are left out and listed in failures.csv. With --model,
    responses.parquet holds the networks' logits. See docs/manipulation.md.
    """
    from stressnet.runs.progress import Progress
    from stressnet.workflows.manipulate import manipulate_corpus
    from stressnet.workflows.manipulate_inputs import ManipulateConfig, check_pairs
    from stressnet.workflows.manipulate_summary import summary_text

    if every_pair and pairs:
        raise click.UsageError("give --pairs for every pair or --pair for some, not both")
    config = ManipulateConfig(
        cues=names_in(cue_names),
        n_steps=steps,
        single=not no_single,
        pairs="every" if every_pair else check_pairs(pairs),
        together=together,
        endpoints="pair" if endpoints == "pair" else "class",
        min_tokens=min_tokens,
        splits=splits,
        words=names_in(words.upper()) if words else (),
        max_tokens=max_tokens,
        seed=seed,
    )
    result = manipulate_corpus(
        corpus,
        out,
        config,
        measured=measured,
        models=models,
        save_audio=save_audio,
        jobs=jobs,
        overwrite=overwrite,
        progress=Progress(not quiet),
    )
    counts = result.manifest["results"]
    click.echo(f"{counts['n_stimuli']} stimuli of {counts['n_tokens']} tokens")
    click.echo(summary_text(result.summary))
    if counts["n_limited"]:
        click.echo(f"{counts['n_limited']} stimuli ask for less than their end, column 'limited'")
    if counts["n_scaled"]:
        click.echo(f"{counts['n_scaled']} stimuli were made softer so as not to clip")
    if result.problems:
        click.echo(f"left out: {counts['problems']}, see {out / 'failures.csv'}")
    click.echo(f"manipulation: {out}")
    exit_if_some_failed(result.n_failed)
