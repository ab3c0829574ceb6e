"""Tables of relevance with intervals and tests over one or more runs; write into OUT.

SOURCE is a CONFIG.toml that names runs, strata, contrasts and models (--example prints one), or
a folder of 'stressnet explain', for which all are the defaults. Intervals respect speakers,
words and training seeds. Ends with a verdict on each claim of the paper.
"""

from dataclasses import dataclass

from stressnet.runs.stage import Input, Stage


@dataclass(frozen=True)
class NoOptions:
    """The analysis itself is an input, see :mod:`stressnet.statistics.analysis`."""


run_statistics = Stage(
    "stats",
    config=NoOptions,
    kind="statistics",
    inputs=(Input("source", "stressnet.statistics.analysis:open_analysis"),),
    text="stressnet.stages.stats.text:summary_text",
    items="comparisons or models failed",
)
