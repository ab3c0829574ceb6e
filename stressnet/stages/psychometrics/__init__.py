"""``stressnet psychometrics``: curves and cue weights of networks, beside those of listeners."""

from stressnet.stages.psychometrics.config import PsychometricsConfig, psychometrics

__all__ = ["PsychometricsConfig", "psychometrics"]
