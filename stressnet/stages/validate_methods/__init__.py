"""``stressnet validate-methods``: a scoreboard of explanation methods on words with a known cue."""

from stressnet.stages.validate_methods.config import ValidateMethodsConfig, validate_methods

__all__ = ["ValidateMethodsConfig", "validate_methods"]
