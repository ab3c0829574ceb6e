"""``stressnet search``: train with varied recipes, keep what validates best.

Layout of the output folder::

    trial-000/, ...    checkpoints, tested like any other (the search does not look)
    study.jsonl        Optuna's journal
    trials.csv         one row per trial: value, parameters, state
    best.toml          the best recipe
    manifest.json
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stressnet.corpus.store import Corpus
from stressnet.errors import ConfigError
from stressnet.models.registry import get_spec
from stressnet.runs.manifest import hash_data, write_manifest
from stressnet.runs.progress import Progress
from stressnet.workflows.train import REQUEST_NAME, claim_folder, recipe_for, train_model

if TYPE_CHECKING:
    import optuna
    import pandas as pd

    from stressnet.training.recipes import TrainConfig

BEST_NAME = "best.toml"
TRIALS_NAME = "trials.csv"


@dataclass(frozen=True)
class Found:
    """What a search found.

    Parameters
    ----------
    path : Path
        Its folder.
    objective : str
        What was searched for.
    best : TrainConfig
        The best recipe.
    trials : DataFrame
        One row per trial, best first.
    """

    path: Path
    objective: str
    best: TrainConfig
    trials: pd.DataFrame


def search_recipe(
    corpus_path: Path,
    out: Path,
    *,
    n_trials: int,
    objective: str = "valid_loss",
    architecture: str = "compact",
    preset: str | None = None,
    recipe: str | Path | None = None,
    changes: Mapping[str, Any] | None = None,
    device: str = "auto",
    seed: int = 0,
    overwrite: bool = False,
    progress: Progress | None = None,
) -> Found:
    """Search for the recipe with the best figure on the validation split.

    Parameters
    ----------
    corpus_path, architecture, preset, recipe, device, seed
        As for :func:`stressnet.workflows.train.train_model`; all trials have one seed.
    out : Path
        Folder to write.
    n_trials : int
        Networks to train, those of an interrupted search included.
    objective : str
        Key of :data:`stressnet.training.search.OBJECTIVES`.
    changes : mapping
        Parameters of the recipe that are fixed to these values.
    overwrite : bool
        Replace a search in ``out``.

    Raises
    ------
    ConfigError
        If the objective is unknown or no trial came to an end.
    CheckpointError
        If ``out`` holds something else.
    MissingPartError
        If Optuna is not installed.
    """
    from stressnet.training.recipes import write_recipe
    from stressnet.training.search import OBJECTIVES, open_study, suggest

    if objective not in OBJECTIVES:
        raise ConfigError(f"no objective {objective!r}; there are {', '.join(OBJECTIVES)}")
    progress = progress or Progress(verbose=False)
    corpus = Corpus.open(corpus_path)
    spec = get_spec(architecture)
    fixed = dict(changes or {})
    base = recipe_for(recipe or spec.recipe, seed, fixed)
    parameters = {
        "corpus": str(corpus_path),
        "architecture": architecture,
        "preset": preset or spec.preset,
        "training": base.to_dict(),
        "fixed": sorted(fixed),
        "objective": objective,
        "n_trials": n_trials,
        "seed": seed,
    }
    content = {k: v for k, v in parameters.items() if k != "corpus"}
    request = hash_data([content, corpus.fingerprint])
    claim_folder(out, request, overwrite, "search")

    def run(trial: optuna.Trial) -> float:
        folder = out / f"trial-{trial.number:03d}"
        progress.say(f"{folder.name} ({trial.number + 1} of {n_trials})")
        model = train_model(
            corpus_path,
            folder,
            architecture=architecture,
            preset=preset,
            recipe=recipe,
            changes={**fixed, **suggest(trial, base, fixed)},
            device=device,
            seed=seed,
            overwrite=folder.exists(),
            progress=progress,
        )
        return float(read_measure(model.path, objective))

    study = open_study(out, objective, seed)
    done = [t for t in study.trials if t.state.is_finished()]
    study.optimize(run, n_trials=max(0, n_trials - len(done)))
    trials = study.trials_dataframe(attrs=("number", "value", "params", "state", "duration"))
    ascending = OBJECTIVES[objective] == "minimize"
    trials = trials.sort_values("value", ascending=ascending).reset_index(drop=True)
    trials.to_csv(out / TRIALS_NAME, index=False)
    best = replace(
        _recipe_of(out / f"trial-{study.best_trial.number:03d}"), name=f"{architecture}-searched"
    )
    write_recipe(out / BEST_NAME, best)
    write_manifest(
        out,
        "search",
        parameters={**parameters, "request": request},
        inputs={"corpus": corpus.fingerprint},
        outputs=[out / TRIALS_NAME, out / BEST_NAME],
        results={"best_trial": study.best_trial.number, "best_value": study.best_value},
        seconds=progress.seconds,
    )
    (out / REQUEST_NAME).unlink()
    return Found(out, objective, best, trials)


def read_measure(model: Path, name: str) -> float:
    """A figure that a checkpoint's description holds."""
    from stressnet.models.checkpoint import read_info

    return float(read_info(model).metrics[name])


def _recipe_of(model: Path) -> TrainConfig:
    from stressnet.models.checkpoint import read_info
    from stressnet.training.recipes import TrainConfig

    return TrainConfig(**read_info(model).training["recipe"])


def search_text(found: Found, n_shown: int = 5) -> str:
    """The best trials and where the recipe is, for people."""
    lines = [f"{'trial':>6}{found.objective:>26}"]
    for row in found.trials.head(n_shown).to_dict("records"):
        lines.append(f"{row['number']:>6}{row['value']:>26.4f}")
    lines.append(f"best recipe: {found.path / BEST_NAME}")
    return "\n".join(lines)
