"""How networks are trained: every parameter, as named recipes, and the search for better ones.

Importing this module does not import torch.
"""

from __future__ import annotations

import json
from collections.abc import Collection
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_args, get_type_hints

from stressnet.errors import ConfigError, MissingPartError
from stressnet.runs.toml_file import read_toml


@dataclass(frozen=True)
class TrainConfig:
    """All that decides about a training run, apart from the data and the network."""

    name: str  # Name of the recipe
    # Adam (Kingma & Ba 2015) or Adam with decoupled weight decay (Loshchilov & Hutter 2019).
    optimizer: Literal["adam", "adamw"] = "adamw"
    learning_rate: float = 3e-3  # Constant rate, or the peak of the one-cycle schedule
    # One cycle (Smith & Topin 2019): cosine up over the first quarter of `max_epochs`, cosine down
    # to almost zero at its end.
    schedule: Literal["constant", "one_cycle"] = "one_cycle"
    weight_decay: float = 0.01  # Only on weights of convolutions and linear layers
    # Images per step; the last, smaller batch of an epoch is left out of training (unless there is
    # only one).
    batch_size: int = 32
    max_epochs: int = 30  # Upper limit, and length of the one-cycle schedule
    # Stop after the epoch that passes this limit. Such a run depends on the speed of the machine
    # and is not reproducible; the description of the result says so.
    max_minutes: float | None = None
    patience: int = 30  # Stop when validation loss has not fallen for this many epochs
    # Weigh the loss by the inverse frequency of the classes; or draw both classes equally often; or
    # neither. Validation loss is weighed in the same way unless "none".
    class_balance: Literal["weights", "sampler", "none"] = "weights"
    label_smoothing: float = 0.0  # Mass taken from the true class (training loss only)
    # Test and keep not the weights of the last step but their exponential moving average with this
    # decay per step (Polyak & Juditsky 1992), 0.995 say; 0: never.
    weight_average: float = 0.0
    # Train on two-syllable stretches of longer words as well (`stressnet.corpus.longer_words`), as
    # far as the corpus has them; they are neither validated nor tested on.
    longer_words: bool = False
    # Weight of a second loss, of networks that say which part of the word (outside, consonants,
    # nucleus 1, nucleus 2) each stretch of the image belongs to (`nuclei`, `transformer`): the
    # cross entropy of that. `train_loss` in the history is the sum of both.
    part_weight: float = 0.0
    # Images move by up to this many frames to either side; what enters is `fill_value`.
    time_shift_frames: int = 0
    # One stretch of up to so many frames and one band of up to so many bins are set to `fill_value`
    # (SpecAugment, Park et al. 2019, without warping).
    mask_frames: int = 0
    mask_bins: int = 0
    # Words are said up to this share faster or slower, at the same pitch. This and the following
    # changes are described in `stressnet.training.image_changes`; 0 or None: never.
    speed_range: float = 0.0
    # Harmonics move by up to so many semitones up or down, formants stay.
    pitch_semitones: float = 0.0
    vocal_tract_range: float = 0.0  # Formants move by up to this share up or down, harmonics stay
    # Noise between white and pink at a signal-to-noise ratio drawn from this range in dB.
    noise_snr_db: tuple[float, float] | None = None
    # noise_share, room_share: Shares of the images that get noise and reverberation.
    noise_share: float = 0.5
    # Reverberation with a time (60 dB decay) in seconds and a ratio of direct to reverberant energy
    # in dB drawn from these ranges.
    room_rt60_s: tuple[float, float] | None = None
    room_drr_db: tuple[float, float] = (0.0, 15.0)
    room_share: float = 0.5
    # What silence outside the sound looks like in the images; None takes it from the spectrogram
    # preset (`stressnet.training.image_changes.padding_value`).
    fill_value: float | None = None
    # Permute the labels within the training split and within the validation split: a control that
    # must end at chance on every test set.
    shuffle_labels: bool = False
    # Number format of convolutions and linear layers while training (automatic mixed precision; all
    # else, validation and test stay in float32). bfloat16 is several times faster on hardware made
    # for it (GPUs, CPUs with AMX) and slower elsewhere. float16 needs a GPU; gradients are then
    # scaled so that small ones do not vanish (Micikevicius et al. 2018).
    precision: Literal["float32", "bfloat16", "float16"] = "float32"
    seed: int = 0  # Fixes initial weights, order, augmentation and dropout

    def __post_init__(self) -> None:
        for name in ("noise_snr_db", "room_rt60_s", "room_drr_db"):
            if getattr(self, name) is not None:  # lists, as TOML and JSON give them
                object.__setattr__(self, name, tuple(getattr(self, name)))
        problem = self._problem()
        if problem:
            raise ConfigError(f"training recipe {self.name!r}: {problem}")

    def _problem(self) -> str | None:
        hints = get_type_hints(TrainConfig)
        for name in ("optimizer", "schedule", "class_balance", "precision"):
            allowed = get_args(hints[name])
            if getattr(self, name) not in allowed:
                choices = f"{', '.join(allowed[:-1])} or {allowed[-1]}"
                return f"{name} {getattr(self, name)!r} is not {choices}"
        if not self.learning_rate > 0:
            return f"learning_rate={self.learning_rate} must be positive"
        if min(self.batch_size, self.max_epochs, self.patience) < 1:
            return "batch_size, max_epochs and patience must be at least 1"
        if self.max_minutes is not None and not self.max_minutes > 0:
            return f"max_minutes={self.max_minutes} must be positive"
        if min(self.time_shift_frames, self.mask_frames, self.mask_bins, self.weight_decay) < 0:
            return "shifts, masks and weight_decay must not be negative"
        for name, most, limit in (
            ("label_smoothing", 1.0, ")"),
            ("part_weight", 100.0, "]"),
            ("weight_average", 1.0, ")"),
            ("speed_range", 0.5, "]"),
            ("vocal_tract_range", 0.5, "]"),
            ("pitch_semitones", 12.0, "]"),
            ("noise_share", 1.0, "]"),
            ("room_share", 1.0, "]"),
        ):
            value = getattr(self, name)
            if not 0 <= value <= most or (value == most and limit == ")"):
                return f"{name}={value} must lie in [0, {most:g}{limit}"
        for name in ("noise_snr_db", "room_rt60_s", "room_drr_db"):
            limits = getattr(self, name)
            if limits is not None and not (len(limits) == 2 and limits[0] <= limits[1]):
                return f"{name}={limits} must be a lower and an upper limit"
        if self.room_rt60_s is not None and not self.room_rt60_s[0] > 0:
            return f"room_rt60_s={self.room_rt60_s} must be positive"
        if self.seed < 0:
            return f"seed={self.seed} must not be negative"
        return None

    def to_dict(self) -> dict[str, Any]:
        """All fields as JSON has them (ranges are lists), for checkpoints."""
        return {k: list(v) if isinstance(v, tuple) else v for k, v in asdict(self).items()}


_COMPACT = TrainConfig(
    name="compact",
    max_epochs=20,
    label_smoothing=0.05,
    weight_average=0.995,
    longer_words=True,
    time_shift_frames=4,
    mask_frames=10,
    mask_bins=24,
)

_PUBLISHED = TrainConfig(
    name="allouche2025-lenet",
    optimizer="adam",
    learning_rate=1e-3,
    schedule="constant",
    weight_decay=0.0,
    batch_size=100,
    max_epochs=100,
    patience=30,
    class_balance="none",
    seed=1234,
)

RECIPES: dict[str, TrainConfig] = {
    recipe.name: recipe
    for recipe in (
        _COMPACT,
        replace(_COMPACT, name="nuclei", part_weight=1.0),
        replace(
            _COMPACT, name="transformer", learning_rate=2e-3, weight_decay=0.05, part_weight=1.0
        ),
        _PUBLISHED,
        replace(_PUBLISHED, name="allouche2025-vgg", learning_rate=1e-5),
    )
}
"""Recipes by name. ``nuclei`` is ``compact`` with a loss on the parts of the word, ``transformer``
is ``nuclei`` with a lower rate and more weight decay. The two ``allouche2025`` recipes are the
settings of the published code: Adam at 1e-3 for LeNet and 1e-5 for VGG (those of its other networks
are not known), batches of 100, patience 30, weights of the best validation loss, no augmentation.
It balanced no classes either; for tokens as unbalanced as running speech, use ``get_recipe(name,
class_balance="weights")``."""


def is_recipe_file(name: str | Path) -> bool:
    """Whether this names a recipe file and not a recipe."""
    return Path(name).suffix == ".toml"


def read_recipe(path: Path) -> TrainConfig:
    """The recipe in a TOML file.

    Its keys are the fields of :class:`TrainConfig`; what is not given is as in the recipe named by
    ``base``, or as in ``compact``.
    """
    values = read_toml(path, ConfigError)
    base = values.pop("base", "compact")
    if base not in RECIPES:
        raise ConfigError(f"{path}: base {base!r} is none of {', '.join(RECIPES)}")
    try:
        return get_recipe(base, **{"name": path.stem, **values})
    except (ConfigError, TypeError) as error:
        raise ConfigError(f"{path}: {error}") from None


def write_recipe(path: Path, config: TrainConfig) -> None:
    """Write a recipe as a TOML file that :func:`read_recipe` reads; None is left out."""
    lines = [
        f"{name} = {json.dumps(value)}"
        for name, value in config.to_dict().items()
        if value is not None
    ]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def get_recipe(name: str | Path, /, **changes: Any) -> TrainConfig:
    """The recipe called ``name``, a key of :data:`RECIPES` or a TOML file (:func:`read_recipe`).

    ``changes`` are fields of :class:`TrainConfig` to replace, such as ``seed=3``. Raises
    :class:`ConfigError` if there is no such recipe or field, or a value is out of range.
    """
    if not is_recipe_file(name) and name not in RECIPES:
        raise ConfigError(
            f"no training recipe {name!r}; there are {', '.join(RECIPES)}, or give a .toml file"
        )
    unknown = sorted(set(changes) - set(TrainConfig.__dataclass_fields__))
    if unknown:
        raise ConfigError(f"training recipe {name!r} has no parameter {', '.join(unknown)}")
    return replace(
        read_recipe(Path(name)) if is_recipe_file(name) else RECIPES[str(name)], **changes
    )


if TYPE_CHECKING:
    import optuna

STUDY_NAME = "study.jsonl"

OBJECTIVES: dict[str, Literal["minimize", "maximize"]] = {
    "valid_loss": "minimize",
    "valid_balanced_accuracy": "maximize",
}
"""What a trial gives, of its best epoch, and which way is better."""


def suggest(trial: optuna.Trial, base: TrainConfig, fixed: Collection[str] = ()) -> dict[str, Any]:
    """Changes to a recipe for one trial; ``fixed`` fields stay as they are."""
    rate, number, whole = base.learning_rate, trial.suggest_float, trial.suggest_int
    drawn: dict[str, tuple[Any, ...]] = {
        "learning_rate": (partial(number, log=True), rate / 10, rate * 10),
        "weight_decay": (partial(number, log=True), 1e-4, 0.3),
        "batch_size": (trial.suggest_categorical, [16, 32, 64]),
        "label_smoothing": (number, 0.0, 0.2),
        "time_shift_frames": (whole, 0, 6),
        "mask_frames": (whole, 0, 16),
        "mask_bins": (whole, 0, 40),
        "speed_range": (number, 0.0, 0.2),
        "pitch_semitones": (number, 0.0, 3.0),
        "vocal_tract_range": (number, 0.0, 0.15),
        "noise_share": (number, 0.0, 0.7),
        "room_share": (number, 0.0, 0.7),
    }
    changes = {
        name: draw(name, *limits) for name, (draw, *limits) in drawn.items() if name not in fixed
    }
    if "noise_snr_db" not in fixed:
        changes["noise_snr_db"] = [5.0, 30.0]
    if "room_rt60_s" not in fixed:
        changes["room_rt60_s"] = [0.2, 0.8]
    return changes


def open_study(folder: Path, objective: str, seed: int) -> optuna.Study:
    """The study in a folder's ``study.jsonl`` (one line of JSON per event), new or continued.

    ``objective`` is a key of :data:`OBJECTIVES`, ``seed`` that of the sampler (TPE). A continued
    search draws other values than an uninterrupted one.
    """
    try:
        import optuna
        from optuna.storages import JournalStorage
        from optuna.storages.journal import JournalFileBackend
    except ImportError as error:
        raise MissingPartError(
            f"Optuna is not installed ({error}); pip install 'stressnet[search]'"
        ) from None
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    storage = JournalStorage(JournalFileBackend(str(folder / STUDY_NAME)))
    return optuna.create_study(
        study_name="recipe",
        storage=storage,
        sampler=optuna.samplers.TPESampler(seed=seed),
        direction=OBJECTIVES[objective],
        load_if_exists=True,
    )
