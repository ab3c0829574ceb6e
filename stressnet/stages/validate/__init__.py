"""``stressnet validate``: what is wrong with recordings and alignments; nothing is changed."""

from stressnet.stages.validate.config import ValidateConfig, validate_folder

__all__ = ["ValidateConfig", "validate_folder"]
