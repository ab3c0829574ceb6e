"""Commands that make corpora."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from stressnet.cli.commands import command_of
from stressnet.cli.options import (
    EXIT_SOME_FAILED,
    PATH,
    quiet_option,
)
from stressnet.stages.build_corpus import build_corpus

build_corpus_command = command_of(build_corpus)


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
