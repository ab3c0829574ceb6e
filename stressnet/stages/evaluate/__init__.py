"""``stressnet evaluate``: how well networks predict stress, on every test set, with audits."""

from stressnet.stages.evaluate.config import EvaluateConfig, evaluate_models

__all__ = ["EvaluateConfig", "evaluate_models"]
