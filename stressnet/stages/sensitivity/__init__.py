"""``stressnet sensitivity``: how relevance in regions changes with choices of the analysis."""

from stressnet.stages.sensitivity.config import SensitivityConfig, measure_sensitivity

__all__ = ["SensitivityConfig", "measure_sensitivity"]
