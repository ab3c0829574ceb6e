"""Search for a better recipe with Optuna; write trials.csv and best.toml into OUT.

Starts from the recipe and varies its rate, decay, batch size, smoothing and augmentation. What
--set fixes stays fixed. An interrupted search continues. Train with the result by
`stressnet train CORPUS MODEL --recipe OUT/best.toml`.
"""

from dataclasses import dataclass

from stressnet.runs import CORPUS, Stage, option
from stressnet.stages.train import RecipeOptions


@dataclass(frozen=True)
class SearchOptions(RecipeOptions):
    """Where the search starts, how far it goes, and what counts."""

    n_trials: int = option(20, flag="--trials", minimum=1, help="Networks to train.")
    objective: str = option(
        "valid_loss",
        choices=("valid_loss", "valid_balanced_accuracy"),
        help="What the best recipe is best in; test sets are not looked at.",
    )


search_recipe = Stage(
    "search",
    config=SearchOptions,
    kind="search",
    inputs=(CORPUS,),
    text="stressnet.stages.train.text:search_text",
    has_device=True,
)
