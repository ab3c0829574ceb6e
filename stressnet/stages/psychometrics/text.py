"""What ``stressnet psychometrics`` prints."""

from __future__ import annotations

from typing import Any

import numpy as np

from stressnet.manipulation.weights import listeners_text
from stressnet.runs.result import Result


def psychometrics_text(result: Result) -> str:
    """Curves and weights, and those of listeners beside each network."""
    parts = [curves_text(result)]
    if len(result.listeners):
        for model, part in result.listeners.groupby("model", sort=False):
            parts.append(f"\nlisteners beside {model}:\n{listeners_text(part)}")
    return "\n".join(parts)


def curves_text(result: Result) -> str:
    """Curves and weights."""
    lines = [
        f"{'network':<14}{'cue':<11}{'slope per step':>24}{'crossover step':>24}"
        f"{'slope per unit':>18}{'tokens':>8}"
    ]
    for row in result.curves.to_dict("records"):
        unit = f" / {row['unit']}" if row["unit"] else ""
        per_unit = f"{row['slope_per_unit']:.2f}{unit}" if _is(row["slope_per_unit"]) else "-"
        lines.append(
            f"{row['model']:<14}{row['cue']:<11}{_limits(row, 'slope_per_step'):>24}"
            f"{_limits(row, 'crossover_step'):>24}{per_unit:>18}{row['n_tokens']:>8}"
            + (f"  {row['reason']}" if row["reason"] else "")
        )
    for row in result.weights.to_dict("records"):
        lines.append(
            f"{row['model']}: {row['cue_1']} {row['weight_1']:.2f} "
            f"[{row['weight_1_low']:.2f}, {row['weight_1_high']:.2f}] : {row['cue_2']} "
            f"{row['weight_2']:.2f}" + (f"  {row['reason']}" if row["reason"] else "")
        )
    return "\n".join(lines)


def _is(value: float) -> bool:
    return bool(np.isfinite(value))


def _limits(row: Any, name: str) -> str:
    if not _is(row[name]):
        return "-"
    low, high = row[f"{name}_low"], row[f"{name}_high"]
    return f"{row[name]:.2f}" + ("" if np.isnan(low) else f" [{low:.2f}, {high:.2f}]")
