"""``stressnet stats``: tables of relevance with intervals and tests over one or more runs."""

from stressnet.stages.stats.config import run_statistics

__all__ = ["run_statistics"]
