"""Draw docs/images/librispeech-cues.png from docs/results/librispeech-cue-*.csv.

python benchmarks/cues_figure.py
"""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from stressnet.report.cues_figure import draw_coefficients, draw_importance
from stressnet.report.style import save_figure, style

DOCS = Path(__file__).parents[1] / "docs"
SHOWN = (
    "log2ratio_duration diff_f0_max_st diff_intensity_max_db diff_spectral_emphasis_db "
    "log2ratio_f1 log2ratio_f2 log2ratio_f3 diff_peripherality_bark"
)


def main() -> None:
    """Coefficients of some comparisons of the two vowels, and families of cues."""
    from matplotlib.figure import Figure

    results = DOCS / "results"
    coefficients = pd.read_csv(results / "librispeech-cue-coefficients.csv")
    own = coefficients["baseline"] == "logistic-regression"
    chosen = coefficients[own].set_index("cue", drop=False)
    importance = pd.read_csv(results / "librispeech-cue-importance.csv")
    own = (importance["unit"] == "group") & (importance["baseline"] != "five-cues")
    with style():
        figure = Figure(figsize=(5.0, 3.6), layout="constrained")
        upper, lower = figure.subplots(2, height_ratios=(8, 7))
        draw_coefficients(upper, chosen.loc[[f"nucleus_{name}" for name in SHOWN.split()]])
        upper.set_title("some cues of the vowels: coefficients, logistic regression", loc="left")
        draw_importance(lower, importance[own])
        lower.set_title("families of cues, dealt out anew", loc="left")
    save_figure(figure, DOCS / "images" / "librispeech-cues", ["png"])


if __name__ == "__main__":
    main()
