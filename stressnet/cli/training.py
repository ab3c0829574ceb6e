"""Commands that train networks."""

from __future__ import annotations

import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from stressnet.cli.options import PATH, overwrite_option, quiet_option, seed_option


def parse_settings(settings: Sequence[str]) -> dict[str, Any]:
    """``FIELD=VALUE`` with values as in TOML; what is no TOML value is text."""
    changes: dict[str, Any] = {}
    for setting in settings:
        name, equals, text = setting.partition("=")
        if not (name and equals):
            raise click.BadParameter(f"{setting!r} is not FIELD=VALUE", param_hint="--set")
        try:
            changes[name.strip()] = tomllib.loads(f"value = {text}")["value"]
        except tomllib.TOMLDecodeError:
            changes[name.strip()] = text.strip()
    return changes


@click.command("train")
@click.argument("corpus", type=PATH)
@click.argument("model", type=PATH)
@click.option("--model", "architecture", default="compact", show_default=True, help="Network.")
@click.option("--preset", help="Spectrogram preset.  [default: the network's usual one]")
@click.option("--recipe", help="Training recipe.  [default: the network's usual one]")
@click.option("--max-epochs", type=click.IntRange(1), help="Instead of the recipe's.")
@click.option("--patience", type=click.IntRange(1), help="Instead of the recipe's.")
@click.option("--max-minutes", type=float, help="Stop after the epoch that passes this limit.")
@click.option(
    "--precision",
    type=click.Choice(["float32", "bfloat16", "float16"]),
    help="Number format while training, instead of the recipe's.",
)
@click.option(
    "--set",
    "settings",
    metavar="FIELD=VALUE",
    multiple=True,
    help="Change any field of the recipe, such as noise_snr_db=[5,30]; repeatable.",
)
@click.option("--shuffle-labels", is_flag=True, help="Train on permuted labels, as a control.")
@click.option("--device", default="auto", show_default=True, help="cpu, cuda, or auto.")
@seed_option
@overwrite_option
@quiet_option
def train_command(
    corpus: Path,
    model: Path,
    architecture: str,
    preset: str | None,
    recipe: str | None,
    max_epochs: int | None,
    patience: int | None,
    max_minutes: float | None,
    precision: str | None,
    settings: tuple[str, ...],
    shuffle_labels: bool,
    device: str,
    seed: int,
    overwrite: bool,
    quiet: bool,
) -> None:
    """Train a network on CORPUS, test it, and save it in the folder MODEL.

    Networks: lenet, vgg11, vgg13, vgg16, vgg19 (as in the paper) and compact. Prints the figures of
    every test set with 95 % intervals.
    """
    from stressnet.progress import Progress
    from stressnet.workflows.train import metrics_text, train_model

    changes = {
        "max_epochs": max_epochs,
        "patience": patience,
        "max_minutes": max_minutes,
        "precision": precision,
        "shuffle_labels": shuffle_labels or None,
        **parse_settings(settings),
    }
    result = train_model(
        corpus,
        model,
        architecture=architecture,
        preset=preset,
        recipe=recipe,
        changes={k: v for k, v in changes.items() if v is not None},
        device=device,
        seed=seed,
        overwrite=overwrite,
        progress=Progress(not quiet),
    )
    click.echo(metrics_text(result))
    click.echo(f"model: {model}")
