"""``stressnet assess``: how faithful several attribution methods are to one network."""

from stressnet.stages.assess.config import AssessConfig, assess

__all__ = ["AssessConfig", "assess"]
