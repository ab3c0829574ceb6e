"""Commands that make corpora."""

from __future__ import annotations

import sys
from contextlib import nullcontext
from pathlib import Path

import click

from stressnet.cli.options import (
    EXIT_SOME_FAILED,
    PATH,
    presets_option,
    quiet_option,
    seed_option,
    work_options,
)


@click.command("build-corpus")
@click.argument("recordings", type=PATH)
@click.argument("corpus", type=PATH)
@click.option(
    "--recipe",
    default="generic",
    show_default=True,
    help="How the recordings are laid out: a name (see 'stressnet recipes') or a TOML file.",
)
@presets_option
@click.option(
    "--aligner", default="auto", show_default=True, help="Used where there is no TextGrid."
)
@click.option(
    "--labels",
    type=PATH,
    help="Table of stress decided by a person: utterance_id, word_index, stress (TSV or CSV).",
)
@click.option(
    "--tagger",
    type=click.Choice(["auto", "spacy", "crf", "none"]),
    default="auto",
    show_default=True,
    help="Parts of speech, which decide the stress of words with both readings.",
)
@click.option("--dictionary", type=PATH, help="Further pronunciations in CMUdict's format.")
@click.option("--function-words", type=PATH, help="List of words to leave out, one per line.")
@click.option(
    "--context", default=0.25, show_default=True, help="Seconds of sound kept around each word."
)
@click.option(
    "--valid-share",
    default=0.10,
    show_default=True,
    help="Of speakers and of words, for validation.",
)
@click.option(
    "--test-share", default=0.22, show_default=True, help="Of speakers and words, to test."
)
@click.option(
    "--splits",
    "splits_file",
    type=PATH,
    help="Take the sets over from another build's splits.csv instead of drawing them.",
)
@click.option(
    "--match",
    multiple=True,
    type=click.Choice(["duration", "frequency"]),
    help="Make the classes of each set alike in this by leaving out tokens; may be repeated.",
)
@click.option("--no-splits", is_flag=True, help="Build without training and test sets.")
@click.option(
    "--no-longer-words",
    is_flag=True,
    help="Do not keep two-syllable stretches of longer words, which only training uses.",
)
@click.option(
    "--shard",
    help="i/n: build the i-th of n parts, by speaker, e.g. in a SLURM array; without splits, which "
    "'stressnet corpus merge' draws.",
)
@click.option(
    "--scheduler",
    help="Address of a dask.distributed scheduler (tcp://...) whose workers do the work.",
)
@seed_option
@work_options
def build_corpus_command(
    recordings: Path,
    corpus: Path,
    recipe: str,
    presets: tuple[str, ...],
    aligner: str,
    labels: Path | None,
    tagger: str,
    dictionary: Path | None,
    function_words: Path | None,
    context: float,
    valid_share: float,
    test_share: float,
    splits_file: Path | None,
    match: tuple[str, ...],
    no_splits: bool,
    no_longer_words: bool,
    shard: str | None,
    scheduler: str | None,
    seed: int,
    jobs: int,
    overwrite: bool,
    quiet: bool,
) -> None:
    """Build CORPUS, a folder of disyllabic word tokens, from RECORDINGS.

    Finds every disyllabic content word, aligns words and phones where no TextGrid is given, labels
    stress from CMUdict, and writes tables, excerpts, spectrograms, formant and pitch tracks, and
    TextGrids. Interrupted, it continues with the same command; repeated, it does nothing.
    """
    from stressnet.corpus.splits import SplitConfig
    from stressnet.runs.parallel import dask_executor
    from stressnet.runs.progress import Progress
    from stressnet.workflows.build import BuildConfig, build_corpus

    if no_splits and splits_file is not None:
        raise click.UsageError("--splits and --no-splits exclude each other")
    part = _parse_shard(shard)
    no_splits = no_splits or part is not None
    splits = None if no_splits else SplitConfig(valid_share, test_share, seed)
    config = BuildConfig(
        recipe=recipe,
        presets=presets,
        aligner=aligner,
        context_s=context,
        dictionary=dictionary,
        function_words=function_words,
        labels=labels,
        tagger=tagger,
        splits=splits,
        splits_file=splits_file,
        match=match,
        longer_words=not no_longer_words and (splits is not None or part is not None),
        shard=part,
        seed=seed,
    )
    with dask_executor(scheduler) if scheduler else nullcontext() as executor:
        summary = build_corpus(
            recordings,
            corpus,
            config,
            jobs=jobs,
            overwrite=overwrite,
            progress=Progress(not quiet),
            executor=executor,
        )
    if summary.up_to_date:
        click.echo(f"{corpus}: up to date")
    else:
        click.echo((corpus / "corpus-card.md").read_text(encoding="utf-8"))
    click.echo(f"corpus: {corpus}")
    if summary.n_errors:
        click.echo(
            f"{summary.n_errors} items failed, the rest was built; reasons are in "
            f"{corpus / 'failures.csv'}",
            err=True,
        )
        sys.exit(EXIT_SOME_FAILED)


def _parse_shard(text: str | None) -> tuple[int, int] | None:
    if text is None:
        return None
    index, _, n_shards = text.partition("/")
    if not (index.isdecimal() and n_shards.isdecimal()):
        raise click.UsageError(f"--shard {text}: expected i/n, e.g. 3/10")
    return int(index), int(n_shards)


@click.command("fetch")
@click.argument("name")
@click.option("--out", type=PATH, help="Folder to unpack into.  [default: the recipe's name]")
@click.option("--keep-archive", is_flag=True, help="Keep the archive after unpacking.")
@quiet_option
def fetch_command(name: str, out: Path | None, keep_archive: bool, quiet: bool) -> None:
    """Download NAME, e.g. librispeech:dev-clean, check it and unpack it.

    Continues a download that broke off. 'stressnet recipes' lists what can be fetched.
    """
    from stressnet.corpus.fetch import fetch

    folder = out or Path(name.split(":")[0])
    fetch(name, folder, progress=not quiet, keep_archive=keep_archive)
    recipe = name.split(":")[0]
    click.echo(f"recordings: {folder}")
    click.echo(f"next: stressnet build-corpus {folder} {folder}-corpus --recipe {recipe}")


@click.command("validate")
@click.argument("recordings", type=PATH)
@click.option(
    "--recipe",
    default="generic",
    show_default=True,
    help="How the recordings are laid out: a name (see 'stressnet recipes') or a TOML file.",
)
@click.option("--samples", is_flag=True, help="Read the sound too, not only the headers.")
@click.option("--csv", "table", type=PATH, help="Write the whole table to this file.")
@click.option(
    "--limit",
    type=click.IntRange(1),
    default=200,
    show_default=True,
    help="Most rows to print.",
)
@quiet_option
def validate_command(
    recordings: Path, recipe: str, samples: bool, table: Path | None, limit: int, quiet: bool
) -> None:
    """List what is wrong with RECORDINGS and their alignments; change nothing.

    Overlaps, intervals without length, ends past the audio, phones that cross words, tiers that do
    not match, unreadable files, missing transcripts. Exit code 3 if there is any.
    """
    from stressnet.runs.progress import Progress
    from stressnet.workflows.validate import table_text, validate_folder, write_table

    found = validate_folder(recordings, recipe, samples=samples, progress=Progress(not quiet))
    click.echo(table_text(found, limit))
    if table is not None:
        write_table(table, found)
        click.echo(f"table: {table}")
    if found.rows:
        sys.exit(EXIT_SOME_FAILED)


@click.command("recipes")
def recipes_command() -> None:
    """List the corpus recipes, their licences and what can be fetched."""
    from stressnet.corpus.recipe import available_recipes, load_recipe

    for name in available_recipes():
        recipe = load_recipe(name)
        click.echo(f"{name:<14} {recipe.title} (licence: {recipe.licence})")
        for part, source in recipe.parts.items():
            click.echo(f"{'':<14}   stressnet fetch {name}:{part}   {source.size}")
