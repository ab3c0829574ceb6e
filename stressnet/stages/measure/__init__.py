"""``stressnet measure``: acoustic cues to stress of every token of a corpus."""

from stressnet.stages.measure.config import MeasureConfig, measure_corpus

__all__ = ["MeasureConfig", "measure_corpus"]
