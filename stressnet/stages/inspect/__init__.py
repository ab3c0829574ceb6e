"""``stressnet inspect``: what a folder of recordings holds, and the recipe that fits it."""

from stressnet.stages.inspect.config import InspectConfig, inspect_folder

__all__ = ["InspectConfig", "inspect_folder"]
