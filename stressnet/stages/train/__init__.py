"""Train a network on CORPUS, test it, and save it in the folder MODEL.

Prints the figures of every test set with 95 % intervals. With --seeds or --folds, MODEL holds
one network each (seed-0, ...; fold-1/seed-0, ...), a table of their figures (summary.csv) and
those of their averaged logits (ensemble/). An interrupted training continues where it was. On
several GPUs or nodes: torchrun --nproc-per-node N -m stressnet train ...
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from stressnet.errors import ConfigError
from stressnet.runs import ANY_CORPUS, Stage, option, seed_option

if TYPE_CHECKING:
    from stressnet.training.recipes import TrainConfig


@dataclass(frozen=True)
class RecipeOptions:
    """Which network is trained, and how.

    ``changes`` are fields of the recipe with other values, for callers in Python; ``settings`` says
    the same as text.
    """

    architecture: str = option(
        "compact", flag="--model", help="Network; 'stressnet models' lists them."
    )
    preset: str | None = option(
        None, help="Spectrogram preset.", default_text="the network's usual one"
    )
    recipe: str | None = option(
        None,
        help="Training recipe, by name or as a TOML file.",
        default_text="the network's usual one",
    )
    max_epochs: int | None = option(None, minimum=1, help="Most epochs, instead of the recipe's.")
    patience: int | None = option(
        None, minimum=1, help="Epochs without a lower validation loss, instead of the recipe's."
    )
    max_minutes: float | None = option(
        None, help="Stop after the epoch that passes this limit; not reproducible."
    )
    precision: str | None = option(
        None,
        choices=("float32", "bfloat16", "float16"),
        help="Number format while training, instead of the recipe's.",
    )
    settings: tuple[str, ...] = option(
        (),
        flag="--set",
        help="FIELD=VALUE: another value for any field of the recipe, e.g. noise_snr_db=[5,30].",
    )
    seed: int = seed_option()
    changes: Mapping[str, Any] = field(default_factory=dict)

    def recipe_changes(self) -> dict[str, Any]:
        """Fields of the recipe that are given other values."""
        changes = {
            name: value
            for name in ("max_epochs", "patience", "max_minutes", "precision")
            if (value := getattr(self, name)) is not None
        }
        return {**changes, **_parsed(self.settings), **self.changes}

    @property
    def preset_name(self) -> str:
        """The preset asked for, or the network's usual one."""
        from stressnet.models.registry import get_spec

        return self.preset or get_spec(self.architecture).preset

    def training(self) -> TrainConfig:
        """The recipe with all changes.

        Classes are weighted unless a recipe *file* or a change says otherwise: running speech is
        unbalanced, and the published recipes assume it is not.
        """
        from stressnet.models.registry import get_spec
        from stressnet.training.recipes import get_recipe, is_recipe_file

        recipe = self.recipe or get_spec(self.architecture).recipe
        balance = {} if is_recipe_file(recipe) else {"class_balance": "weights"}
        return get_recipe(recipe, **{**balance, "seed": self.seed, **self.recipe_changes()})


def _parsed(settings: tuple[str, ...]) -> dict[str, Any]:
    """``FIELD=VALUE`` with values as in TOML; what is no TOML value is text."""
    changes: dict[str, Any] = {}
    for setting in settings:
        name, equals, text = setting.partition("=")
        if not (name and equals):
            raise ConfigError(f"--set {setting}: is not FIELD=VALUE")
        try:
            changes[name.strip()] = tomllib.loads(f"value = {text}")["value"]
        except tomllib.TOMLDecodeError:
            changes[name.strip()] = text.strip()
    return changes


@dataclass(frozen=True)
class TrainOptions(RecipeOptions):
    """What is trained: one network, or one for each seed and fold."""

    shuffle_labels: bool = option(False, help="Train on permuted labels, as a control.")
    seeds: int | None = option(
        None, minimum=1, help="Train this many networks, from --seed on, into MODEL/."
    )
    folds: int | None = option(
        None, minimum=3, help="Cross-validate over speakers and word families, in this many folds."
    )
    all_tokens: bool = option(
        False, help="Train on all splits, for use on other recordings; nothing is left to test on."
    )
    tensorboard: bool = option(False, help="Log for TensorBoard too.", in_identity=False)

    def __post_init__(self) -> None:
        if self.all_tokens and self.kind == "models":
            raise ConfigError("--all-tokens trains one network; leave out --seeds and --folds")
        _parsed(self.settings)

    @property
    def kind(self) -> str:
        """What the output folder holds: a model, or a set of models."""
        return "model" if self.seeds is None and self.folds is None else "models"

    def recipe_changes(self) -> dict[str, Any]:
        """Fields of the recipe that are given other values."""
        shuffled = {"shuffle_labels": True} if self.shuffle_labels else {}
        return {**shuffled, **super().recipe_changes()}


train_model = Stage(
    "train",
    config=TrainOptions,
    kind="model",
    inputs=(ANY_CORPUS,),
    output="model",
    text="stressnet.stages.train.text:trained_text",
    has_device=True,
)
