"""``stressnet predict``: the stress of the disyllabic words in recordings."""

from stressnet.stages.predict.config import PredictConfig, predict

__all__ = ["PredictConfig", "predict"]
