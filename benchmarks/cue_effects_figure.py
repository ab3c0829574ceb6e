"""Draw docs/images/cue-effects.png from the table "Causal effects of each cue" in docs/findings.md.

python benchmarks/cue_effects_figure.py
"""

from __future__ import annotations

import re
from pathlib import Path

from stressnet.report.grid import bare_rows, draw_estimate
from stressnet.report.style import save_figure, style

DOCS = Path(__file__).parents[1] / "docs"
NAMES = {"all seven": "all seven cues", "tilt": "spectral tilt"}
COLOURS = {"compact": "#222222", "nuclei": "#7b5ea7"}


def main() -> None:
    """Read the table, draw, save."""
    from matplotlib.figure import Figure

    text = (DOCS / "findings.md").read_text(encoding="utf-8")
    table = text.split("### Causal effects of each cue")[1].split("###")[0]
    rows = [line.strip("| ").split(" | ") for line in table.splitlines() if line.startswith("| ")][
        1:
    ]
    with style():
        figure = Figure(figsize=(5.2, 2.5), layout="constrained")
        ax = figure.add_subplot()
        ax.axvline(0, color="#bbbbbb", linewidth=0.6)
        for y, (_, _, *cells) in enumerate(rows):
            for (name, colour), cell, shift in zip(
                COLOURS.items(), cells, (-0.16, 0.16), strict=True
            ):
                value, low, high = map(float, re.findall(r"-?\d\.\d\d", cell)[:3])
                draw_estimate(ax, y + shift, value, (low, high), colour=colour, width=1.3)
                if y == 0:
                    ax.plot([], [], "o-", color=colour, markersize=2.8, label=name)
        ax.set_yticks(range(len(rows)), [NAMES.get(row[0], row[0]) for row in rows])
        ax.set_ylim(len(rows) - 0.5, -0.5)
        ax.set_xlabel("share of the distance between INITIAL and FINAL words that the cue covers")
        ax.xaxis.set_major_formatter(lambda share, _: f"{100 * share:.0f} %")
        ax.legend(loc="lower right")
        bare_rows(ax, lines=True)
    save_figure(figure, DOCS / "images" / "cue-effects", ["png"])


if __name__ == "__main__":
    main()
