"""What a search for a better recipe may change, and Optuna's part in it.

Optuna (Akiba et al. 2019, KDD) is optional: ``pip install 'stressnet[search]'``.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from stressnet.errors import MissingPartError
from stressnet.training.recipes import TrainConfig

if TYPE_CHECKING:
    import optuna

STUDY_NAME = "study.jsonl"

OBJECTIVES: dict[str, Literal["minimize", "maximize"]] = {
    "valid_loss": "minimize",
    "valid_balanced_accuracy": "maximize",
}
"""What a trial gives, of its best epoch, and which way is better."""


def suggest(trial: optuna.Trial, base: TrainConfig, fixed: Collection[str] = ()) -> dict[str, Any]:
    """Changes to a recipe for one trial; ``fixed`` fields stay as they are.

    The rate is searched within a tenth and ten times that of ``base``.
    """
    rate = base.learning_rate
    drawn: dict[str, Callable[[], Any]] = {
        "learning_rate": lambda: trial.suggest_float(
            "learning_rate", rate / 10, rate * 10, log=True
        ),
        "weight_decay": lambda: trial.suggest_float("weight_decay", 1e-4, 0.3, log=True),
        "batch_size": lambda: trial.suggest_categorical("batch_size", [16, 32, 64]),
        "label_smoothing": lambda: trial.suggest_float("label_smoothing", 0.0, 0.2),
        "time_shift_frames": lambda: trial.suggest_int("time_shift_frames", 0, 6),
        "mask_frames": lambda: trial.suggest_int("mask_frames", 0, 16),
        "mask_bins": lambda: trial.suggest_int("mask_bins", 0, 40),
        "speed_range": lambda: trial.suggest_float("speed_range", 0.0, 0.2),
        "pitch_semitones": lambda: trial.suggest_float("pitch_semitones", 0.0, 3.0),
        "vocal_tract_range": lambda: trial.suggest_float("vocal_tract_range", 0.0, 0.15),
        "noise_share": lambda: trial.suggest_float("noise_share", 0.0, 0.7),
        "room_share": lambda: trial.suggest_float("room_share", 0.0, 0.7),
    }
    changes = {name: draw() for name, draw in drawn.items() if name not in fixed}
    if "noise_snr_db" not in fixed:
        changes["noise_snr_db"] = [5.0, 30.0]
    if "room_rt60_s" not in fixed:
        changes["room_rt60_s"] = [0.2, 0.8]
    return changes


def open_study(folder: Path, objective: str, seed: int) -> optuna.Study:
    """The study in a folder's ``study.jsonl`` (one line of JSON per event), new or continued.

    ``objective`` is a key of :data:`OBJECTIVES`, ``seed`` that of the sampler (TPE). A continued
    search draws other values than an uninterrupted one. Raises :class:`MissingPartError` if Optuna
    is not installed.
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
