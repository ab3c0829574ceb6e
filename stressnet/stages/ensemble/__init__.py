"""Join several MODELs into one network that answers by the mean of their logits; write it to OUT.

OUT is a model like any other: every command that takes a MODEL takes it. Members may differ in
seed, architecture and preset (CORPUS then needs all of them; the first MODEL's preset is the grid
of relevance maps). A MODEL may be a folder of several. The temperature of the probabilities, and
how often the ensemble is right when so many members agree, are measured on validation words of
CORPUS that no member was trained on.
"""

from dataclasses import dataclass

from stressnet.runs.options import resamples_option, seed_option
from stressnet.runs.stage import CORPUS, MODELS, Stage


@dataclass(frozen=True)
class EnsembleConfig:
    """Of the intervals."""

    n_resamples: int = resamples_option(2000)
    seed: int = seed_option()


make_ensemble = Stage(
    "ensemble",
    config=EnsembleConfig,
    kind="model",
    inputs=(CORPUS, MODELS),
    text="stressnet.stages.ensemble.run:ensemble_text",
    has_device=True,
    done="ensemble",
)
