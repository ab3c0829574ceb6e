"""Commands that train networks."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from stressnet.cli.options import PATH, overwrite_option, quiet_option, seed_option


@click.command("train")
@click.argument("corpus", type=PATH)
@click.argument("model", type=PATH)
@click.option("--model", "architecture", default="compact", show_default=True, help="Network.")
@click.option("--preset", help="Spectrogram preset.  [default: the network's usual one]")
@click.option("--recipe", help="Training recipe.  [default: the network's usual one]")
@click.option("--max-epochs", type=click.IntRange(1), help="Instead of the recipe's.")
@click.option("--patience", type=click.IntRange(1), help="Instead of the recipe's.")
@click.option("--max-minutes", type=float, help="Stop after the epoch that passes this limit.")
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

    changes: dict[str, Any] = {"max_epochs": max_epochs, "patience": patience}
    changes["max_minutes"] = max_minutes
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
