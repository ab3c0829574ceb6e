"""Networks with varied recipes; what validates best is kept.

Layout of the output folder::

    trial-000/, ...    checkpoints, tested like any other (the search does not look)
    study.jsonl        Optuna's journal
    trials.csv         one row per trial: value, parameters, state
    best.toml          the best recipe
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from stressnet.corpus.store import Corpus
from stressnet.models.checkpoint import pick_device, read_info
from stressnet.runs import Result, RunFolder, Step
from stressnet.stages.search import SearchOptions
from stressnet.stages.train import TrainOptions
from stressnet.stages.train.run import train_one
from stressnet.training import recipes
from stressnet.training.distributed import World

if TYPE_CHECKING:
    import optuna

BEST, TRIALS = "best.toml", "trials.csv"


def run(config: SearchOptions, corpus: Corpus, folder: RunFolder) -> Result:
    """Search for the recipe with the best figure on the validation split."""
    fixed = config.recipe_changes()
    base = config.training()
    objective = config.objective
    folder.begin(
        {
            "architecture": config.architecture,
            "preset": config.preset_name,
            "training": base.to_dict(),
            "fixed": sorted(fixed),
            "objective": objective,
            "n_trials": config.n_trials,
            "seed": config.seed,
        },
        {"corpus": corpus},
        steps=[Step("train", config.n_trials, "networks", 180.0)],
    )
    world = World(device=pick_device(folder.work.device))

    def try_recipe(trial: optuna.Trial) -> float:
        name = f"trial-{trial.number:03d}"
        folder.progress.say(f"{name} ({trial.number + 1} of {config.n_trials})")
        options = TrainOptions(
            architecture=config.architecture,
            preset=config.preset,
            recipe=config.recipe,
            seed=config.seed,
            changes={**fixed, **recipes.suggest(trial, base, fixed)},
        )
        with folder.folder(name, "model") as child:
            model = train_one(options, corpus, child, world)
        return float(read_info(model.path).metrics[objective])

    folder.file(recipes.STUDY_NAME)
    study = recipes.open_study(folder.path, objective, config.seed)
    done = [t for t in study.trials if t.state.is_finished()]
    study.optimize(try_recipe, n_trials=max(0, config.n_trials - len(done)))
    trials = study.trials_dataframe(attrs=("number", "value", "params", "state", "duration"))
    ascending = recipes.OBJECTIVES[objective] == "minimize"
    trials = trials.sort_values("value", ascending=ascending).reset_index(drop=True)
    folder.table(TRIALS, trials)
    info = read_info(folder.path / f"trial-{study.best_trial.number:03d}")
    recipe = recipes.TrainConfig(**info.training["recipe"])
    best = replace(recipe, name=f"{config.architecture}-searched")
    recipes.write_recipe(folder.file(BEST), best)
    counts = {"best_trial": study.best_trial.number, "best_value": study.best_value}
    return Result.of(folder, counts, objective=objective, best=best, trials=trials)
