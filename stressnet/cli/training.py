"""Commands that train networks."""

from __future__ import annotations

import click

from stressnet.cli.commands import command_of
from stressnet.stages.search import search_recipe
from stressnet.stages.train import train_model

train_command = command_of(train_model)
search_command = command_of(search_recipe)


@click.command("models")
@click.option("--preset", help="Describe all for images of this preset, not each for its own.")
@click.option("--layers", metavar="NETWORK", help="List the layers of one network instead.")
def models_command(preset: str | None, layers: str | None) -> None:
    """List the networks: size, cost, reach, and the presets, recipes and rules that suit them."""
    from stressnet.report.models_text import layers_text, models_text

    click.echo(models_text(preset) if layers is None else layers_text(layers, preset))
