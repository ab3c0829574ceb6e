"""Write figures (PNG, PDF) and pages that open in a browser from RUN into REPORT.

index.html is the report, explorer.html a page to hear, see and filter the tokens. Both open
from disk and need no network.
"""

from dataclasses import dataclass
from pathlib import Path

from stressnet.runs import Input, Stage, option, seed_option

RUN = Input("run", "stressnet.report.run:RelevanceRun.find")


@dataclass(frozen=True)
class ReportConfig:
    """What stands in the report beside the run."""

    others: tuple[Path, ...] = option(
        (), flag="--run", help="A further run on the same corpus, shown beside in the explorer."
    )
    cues: Path | None = option(
        None, help="What cue-baselines wrote: its coefficients are drawn beside relevance."
    )
    stats: Path | None = option(None, help="What stats wrote: its claims are shown.")
    patching: Path | None = option(None, help="What patch wrote: shown in report and explorer.")
    explorer_tokens: int = option(
        2500, minimum=0, help="Tokens in the explorer; of more, a random sample. 0: no explorer."
    )
    seed: int = seed_option()


report_run = Stage(
    "report",
    config=ReportConfig,
    kind="report",
    inputs=(RUN,),
    output="report",
    items="tokens left out of the explorer",
    done="folder",
    has_jobs=True,
)
