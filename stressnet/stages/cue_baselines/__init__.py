"""``stressnet cue-baselines``: what the measured cues alone tell about stress."""

from stressnet.stages.cue_baselines.config import CueBaselinesConfig, run_cue_baselines

__all__ = ["CueBaselinesConfig", "run_cue_baselines"]
