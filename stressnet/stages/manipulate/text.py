"""What ``stressnet manipulate`` prints."""

import numpy as np
import pandas as pd

from stressnet.runs.result import Result


def manipulated_text(result: Result) -> str:
    """How many stimuli were made, how far their cues moved, and what was left out."""
    counts = result.manifest["results"]
    lines = [
        f"{counts['n_stimuli']} stimuli of {counts['n_tokens']} tokens",
        summary_text(result.summary),
    ]
    if counts["n_limited"]:
        lines.append(f"{counts['n_limited']} stimuli ask for less than their end, column 'limited'")
    if counts["n_scaled"]:
        lines.append(f"{counts['n_scaled']} stimuli were made softer so as not to clip")
    if result.problems:
        lines.append(f"left out: {counts['problems']}, see {result.path / 'failures.csv'}")
    return "\n".join(lines)


def summary_text(table: pd.DataFrame) -> str:
    """The intended cues' lines and the largest crosstalk of each."""
    lines = [f"{'continuum':<14}{'stimuli':>8}{'reached':>9}   others, largest share of own range"]
    for continuum, part in table.groupby("continuum", sort=False):
        others = part[~part["is_intended"]].nlargest(2, "share_of_range")
        text = ", ".join(
            f"{cue} {share:.0%}"
            for cue, share in zip(others["cue"], others["share_of_range"], strict=True)
        )
        reached = part.loc[part["is_intended"], "reached_median"].min()  # of a group, the least
        share = f"{reached:.0%}" if np.isfinite(reached) else "-"
        lines.append(f"{continuum:<14}{part['n_stimuli'].iloc[0]:>8}{share:>9}   {text}")
    return "\n".join(lines)
