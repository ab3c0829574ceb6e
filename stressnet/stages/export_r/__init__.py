"""Write the tables of RUN into OUT for R: CSV, a data dictionary, and a script.

Rscript analysis.R, in OUT, repeats the table of relevance by region, fits a mixed model with
speakers and words for each, and draws it (ggplot2, lme4).
"""

from dataclasses import dataclass
from pathlib import Path

from stressnet.runs import Stage, option
from stressnet.stages.report import RUN


@dataclass(frozen=True)
class ExportRConfig:
    """Which tables are written beside those of the run."""

    measured: Path | None = option(
        None, help="What measure wrote: its cues, one row per syllable, and contours are added."
    )


export_r = Stage("export-r", config=ExportRConfig, kind="export", inputs=(RUN,))
