"""What ``stressnet causal-agreement`` prints."""

from __future__ import annotations

from typing import Any

import numpy as np

from stressnet.manipulation.causal import ALL_CUES
from stressnet.runs.result import Result


def summary_text(result: Result) -> str:
    """Rank correlations: a line per cue, a column per method."""
    table = result.table
    methods = list(dict.fromkeys(table["method"]))
    counts = result.manifest["results"]
    lines = [
        f"{counts['n_tokens']} tokens of {counts['n_speakers']} speakers",
        "rank correlation of relevance with the effect of neutralising the cue [95 %] (null)",
        f"{'':<20}" + "".join(f"{method:>30}" for method in methods),
    ]
    for cue in dict.fromkeys(table["cue"]):
        name = "cues of a token" if cue == ALL_CUES else str(cue)
        cells = []
        for method in methods:
            rows = table[(table["method"] == method) & (table["cue"] == cue)]
            cells.append(f"{_cell(rows.iloc[0]) if len(rows) else '-':>30}")
        lines.append(f"{name:<20}" + "".join(cells))
    return "\n".join(lines)


def _cell(row: Any) -> str:
    if not np.isfinite(row["rho"]):
        return "-"
    star = "*" if row["p_holm"] < 0.05 else ""
    return (
        f"{row['rho']:.2f}{star} [{row['rho_low']:.2f}, {row['rho_high']:.2f}] ({row['null']:.2f})"
    )
