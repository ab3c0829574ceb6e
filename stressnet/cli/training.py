"""Commands that train networks."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
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


def recipe_options(function: Any) -> Any:
    """What decides how a network is trained, the same for all commands that train."""
    for option in reversed(
        (
            click.option(
                "--model", "architecture", default="compact", show_default=True, help="Network."
            ),
            click.option(
                "--preset", help="Spectrogram preset.  [default: the network's usual one]"
            ),
            click.option(
                "--recipe",
                help="Training recipe, by name or as a TOML file.  [default: the network's]",
            ),
            click.option("--max-epochs", type=click.IntRange(1), help="Instead of the recipe's."),
            click.option("--patience", type=click.IntRange(1), help="Instead of the recipe's."),
            click.option(
                "--max-minutes", type=float, help="Stop after the epoch that passes this limit."
            ),
            click.option(
                "--precision",
                type=click.Choice(["float32", "bfloat16", "float16"]),
                help="Number format while training, instead of the recipe's.",
            ),
            click.option(
                "--set",
                "settings",
                metavar="FIELD=VALUE",
                multiple=True,
                help="Change any field of the recipe, such as noise_snr_db=[5,30]; repeatable.",
            ),
            click.option("--device", default="auto", show_default=True, help="cpu, cuda, or auto."),
        )
    ):
        function = option(function)
    return function


def recipe_changes(options: Mapping[str, Any]) -> dict[str, Any]:
    """Changes to the recipe that :func:`recipe_options` and ``--shuffle-labels`` stand for."""
    names = ("max_epochs", "patience", "max_minutes", "precision", "shuffle_labels")
    changes = {name: options.get(name) or None for name in names}
    changes |= parse_settings(options["settings"])
    return {name: value for name, value in changes.items() if value is not None}


@click.command("train")
@click.argument("corpus", type=PATH)
@click.argument("model", type=PATH)
@recipe_options
@click.option("--shuffle-labels", is_flag=True, help="Train on permuted labels, as a control.")
@click.option(
    "--seeds", type=click.IntRange(1), help="Train so many networks, from --seed on, into MODEL/."
)
@click.option(
    "--folds", type=click.IntRange(3), help="Cross-validate over speakers and word families."
)
@click.option(
    "--all-tokens",
    is_flag=True,
    help="Train on all splits, for use on other recordings; nothing is left to test on.",
)
@click.option("--tensorboard", is_flag=True, help="Log for TensorBoard too.")
@seed_option
@overwrite_option
@quiet_option
def train_command(
    corpus: Path,
    model: Path,
    architecture: str,
    preset: str | None,
    recipe: str | None,
    device: str,
    seeds: int | None,
    folds: int | None,
    all_tokens: bool,
    tensorboard: bool,
    seed: int,
    overwrite: bool,
    quiet: bool,
    **options: Any,
) -> None:
    """Train a network on CORPUS, test it, and save it in the folder MODEL.

    `stressnet models` lists the networks. Prints the figures of every test set with 95 %
    intervals. With --seeds or --folds, MODEL holds one network each (seed-0, ...; fold-1/seed-0,
    ...), a table of their figures (summary.csv) and those of their averaged logits (ensemble/).
    An interrupted training continues where it was. On several GPUs or nodes: torchrun
    --nproc-per-node N -m stressnet train ...
    """
    from stressnet.runs.progress import Progress
    from stressnet.training.distributed import is_first_process
    from stressnet.workflows.train import metrics_text, train_model
    from stressnet.workflows.train_many import summary_text, train_many

    arguments: dict[str, Any] = {
        "architecture": architecture,
        "preset": preset,
        "recipe": recipe,
        "changes": recipe_changes(options),
        "device": device,
        "seed": seed,
        "tensorboard": tensorboard,
        "overwrite": overwrite,
        "progress": Progress(not quiet),
    }
    if all_tokens and not (seeds is None and folds is None):
        raise click.UsageError("--all-tokens trains one network; leave out --seeds and --folds")
    if seeds is None and folds is None:
        text = metrics_text(train_model(corpus, model, all_tokens=all_tokens, **arguments))
    else:
        trained = train_many(corpus, model, n_seeds=seeds or 1, n_folds=folds, **arguments)
        text = summary_text(trained)
    if is_first_process():
        click.echo(text)
        click.echo(f"model: {model}")


@click.command("search")
@click.argument("corpus", type=PATH)
@click.argument("out", type=PATH)
@click.option(
    "--trials", type=click.IntRange(1), default=20, show_default=True, help="Networks to train."
)
@click.option(
    "--objective",
    type=click.Choice(["valid_loss", "valid_balanced_accuracy"]),
    default="valid_loss",
    show_default=True,
    help="What the best recipe is best in; test sets are not looked at.",
)
@recipe_options
@seed_option
@overwrite_option
@quiet_option
def search_command(
    corpus: Path,
    out: Path,
    trials: int,
    objective: str,
    architecture: str,
    preset: str | None,
    recipe: str | None,
    device: str,
    seed: int,
    overwrite: bool,
    quiet: bool,
    **options: Any,
) -> None:
    """Search for a better recipe with Optuna; write trials.csv and best.toml into OUT.

    Starts from the recipe and varies its rate, decay, batch size, smoothing and augmentation. What
    --set fixes stays fixed. An interrupted search continues. Train with the result by
    `stressnet train CORPUS MODEL --recipe OUT/best.toml`.
    """
    from stressnet.runs.progress import Progress
    from stressnet.workflows.search import search_recipe, search_text

    found = search_recipe(
        corpus,
        out,
        n_trials=trials,
        objective=objective,
        architecture=architecture,
        preset=preset,
        recipe=recipe,
        changes=recipe_changes(options),
        device=device,
        seed=seed,
        overwrite=overwrite,
        progress=Progress(not quiet),
    )
    click.echo(search_text(found))


@click.command("models")
@click.option("--preset", help="Describe all for images of this preset, not each for its own.")
@click.option("--layers", metavar="NETWORK", help="List the layers of one network instead.")
def models_command(preset: str | None, layers: str | None) -> None:
    """List the networks: size, cost, reach, and the presets, recipes and rules that suit them."""
    from stressnet.workflows.models import layers_text, models_text

    click.echo(models_text(preset) if layers is None else layers_text(layers, preset))
