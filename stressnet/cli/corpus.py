"""Commands that make corpora."""

from __future__ import annotations

from pathlib import Path

import click

from stressnet.cli.commands import command_of
from stressnet.cli.options import (
    PATH,
    quiet_option,
)
from stressnet.stages.build_corpus import build_corpus
from stressnet.stages.validate import validate_folder

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


validate_command = command_of(validate_folder)


@click.command("recipes")
def recipes_command() -> None:
    """List the corpus recipes, their licences and what can be fetched."""
    from stressnet.corpus.recipe import available_recipes, load_recipe

    for name in available_recipes():
        recipe = load_recipe(name)
        click.echo(f"{name:<14} {recipe.title} (licence: {recipe.licence})")
        for part, source in recipe.parts.items():
            click.echo(f"{'':<14}   stressnet fetch {name}:{part}   {source.size}")
