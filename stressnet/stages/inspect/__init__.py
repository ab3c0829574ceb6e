"""Look at RECORDINGS and write the recipe that fits them, with comments.

Shows what was understood (recordings, speakers, transcripts, alignments) and what was not.
Correct the recipe where it is wrong, and give it to validate and build-corpus with --recipe.
Exit code 3 if something was not understood.
"""

from dataclasses import dataclass
from pathlib import Path

from stressnet.runs import Input, Stage, option


@dataclass(frozen=True)
class InspectConfig:
    """Where the recipe is written, and what is shown."""

    out: Path = option(Path("recipe.toml"), help="File to write the recipe into.")
    limit: int = option(20, minimum=1, help="Most rows of what was not understood to print.")


inspect_folder = Stage(
    "inspect",
    config=InspectConfig,
    inputs=(Input("recordings"),),
    text="stressnet.stages.inspect.run:inspection_text",
)
