"""``stressnet findings``: the paper's claims beside what tests them, with verdicts."""

from stressnet.stages.findings.config import FindingsConfig, find_out

__all__ = ["FindingsConfig", "find_out"]
