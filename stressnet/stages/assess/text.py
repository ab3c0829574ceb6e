"""What ``stressnet assess`` prints."""

from __future__ import annotations

import numpy as np

from stressnet.report.assess_figure import headline, rank_methods
from stressnet.runs.result import Result


def summary_text(result: Result) -> str:
    """The main figures, ranked as in the figure."""
    counts = result.manifest["results"]
    lines = [f"{counts['n_tokens']} tokens of {counts['n_speakers']} speakers", ""]
    rows = headline(result.summary)
    names = list(dict.fromkeys(zip(rows["title"], rows["better"], strict=True)))
    methods = rank_methods(result.summary)
    width = max(len(title) for title, _ in names) + 12
    lines.append(" " * width + "".join(f"{method:>22}" for method in methods))
    for title, better in names:
        cells = [f"{f'{title} ({better})':<{width}}"]
        for method in methods:
            one = rows[(rows["title"] == title) & (rows["method"] == method)]
            value = float(one["mean"].iloc[0]) if len(one) else np.nan
            chance = float(one["chance"].iloc[0]) if len(one) else np.nan
            text = f"{value:.3f}" if np.isfinite(value) else "-"
            text += f" ({chance:.3f})" if np.isfinite(chance) else ""
            cells.append(f"{text:>22}")
        lines.append("".join(cells))
    lines.append("in brackets: chance; (higher), (lower): what is better")
    return "\n".join(lines)
