"""``stressnet manipulate``: words with one cue changed at a time, and networks' answers to them."""

from stressnet.stages.manipulate.config import ManipulateConfig, manipulate_corpus

__all__ = ["ManipulateConfig", "manipulate_corpus"]
