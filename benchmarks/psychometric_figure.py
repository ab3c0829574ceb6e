"""Draw docs/images/psychometric.png from docs/results/librispeech-psychometric.csv.

python benchmarks/psychometric_figure.py
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from stressnet.report.style import save_figure, style

DOCS = Path(__file__).parents[1] / "docs"
COLOURS = {"compact": "#222222", "nuclei": "#7b5ea7"}
CUES = {
    "all": "all seven cues",
    "duration": "duration",
    "intensity": "intensity",
    "tilt": "spectral tilt",
    "f1": "F1",
    "f2": "F2",
    "f3": "F3",
    "f0": "F0",
}


def main() -> None:
    """Draw one line per network; the seeds of a network share a colour."""
    from matplotlib.figure import Figure

    table = pd.read_csv(DOCS / "results" / "librispeech-psychometric.csv")
    with style():
        figure = Figure(figsize=(6.6, 3.0), layout="constrained")
        axes = figure.subplots(2, 4, sharex=True, sharey=True)
        for ax, (cue, title) in zip(axes.flat, CUES.items(), strict=True):
            rows = table[table["cue"].str.lower() == cue]
            assert len(rows), f"no rows of {cue}"
            ax.axhline(0.5, color="#bbbbbb", linewidth=0.6)
            for row in rows.itertuples():
                ax.plot(*curve(row), color=COLOURS[row.model.partition("-")[0]], linewidth=0.9)
            ax.set_title(title, loc="left")
            ax.set(xlim=(0.6, 5.4), ylim=(0, 1))
            ax.set_yticks([0, 0.5, 1], ["0", "50 %", "100 %"])
            ax.set_xticks([1, 3, 5], ["INITIAL", "", "FINAL"])
        for name, colour in COLOURS.items():
            axes[0, 0].plot([], [], color=colour, label=name)
        axes[0, 0].legend(loc="upper left", frameon=False, handlelength=1.2)
        figure.supylabel("answers FINAL", fontsize="medium")
        figure.supxlabel("what the cue is like", fontsize="medium")
    save_figure(figure, DOCS / "images" / "psychometric", ["png"])


def curve(row: Any) -> tuple[np.ndarray, np.ndarray]:
    """Steps and shares of FINAL: the fitted slope, at the height of the observed ends."""
    step = np.linspace(1, 5, 60)
    ends = np.array([row.p_final_first, row.p_final_last])
    log_odds = np.log(ends / (1 - ends))
    middle = log_odds.mean() + row.slope_per_step * (step - 3)
    return step, 1 / (1 + np.exp(-middle))


if __name__ == "__main__":
    main()
