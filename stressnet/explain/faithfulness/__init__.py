"""Measures of how faithful a map is to the model, with formula, direction and chance level.

Knows nothing of speech: models, inputs, maps and masks in, one value per sample out. Maps speak for
the explained class of each sample (positive relevance: for it). Nothing depends on the batch size,
all chance comes from given generators, models are left as they were, and a value that does not
exist is NaN with a reason. Catalogue: :data:`METRICS`.
"""

from stressnet.explain.faithfulness.baselines import (
    BASELINES,
    Baseline,
    fill_with,
    fill_with_noise,
    local_mean,
    make_baseline,
    noisy_linear,
)
from stressnet.explain.faithfulness.map_measures import (
    average_precision,
    complexity,
    displaced,
    gaussian_complexity,
    histogram_entropy,
    pointing_game,
    rank_correlation,
    relevance_mass_accuracy,
    relevance_rank_accuracy,
    sparseness,
    top_overlap,
)
from stressnet.explain.faithfulness.randomisation import (
    cascade,
    efficient_parameter_randomisation,
    parameter_randomisation,
)
from stressnet.explain.faithfulness.registry import METRICS, Metric
from stressnet.explain.faithfulness.removal import (
    Curve,
    Removal,
    comprehensiveness,
    comprehensiveness_over_units,
    deletion_curve,
    relevance_gain,
    road,
    sufficiency,
    sufficiency_over_units,
    unit_relevance,
)
from stressnet.explain.faithfulness.scores import Score, Scores
from stressnet.explain.faithfulness.stability import Explain, Subject, infidelity, max_sensitivity
