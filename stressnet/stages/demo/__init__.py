"""``stressnet demo``: the whole study on speech that espeak-ng speaks, with known times."""

from stressnet.stages.demo.config import DemoConfig, run_demo

__all__ = ["DemoConfig", "run_demo"]
