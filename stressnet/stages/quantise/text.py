"""What ``stressnet quantise`` prints."""

from __future__ import annotations

from stressnet.evaluation.text import interval_text
from stressnet.quantise.cost import TOGETHER
from stressnet.runs.result import Result


def quantised_text(result: Result) -> str:
    """What each plan costs on all test sets together, and whether maps stay the same."""
    lines = []
    for network, part in result.tables["cost"].groupby("network", sort=False):
        rows = part[part["test_set"] == TOGETHER]
        lines += [
            f"{network}, {rows['n'].iloc[0]} test words",
            f"  {'plan':<16}{'bits':>6}{'bytes':>8}{'balanced accuracy':>24}{'change':>26}"
            f"{'less uniform':>26}{'same answer':>24}",
        ]
        for _, row in rows.iterrows():
            name = row["score"] + (f" {row['draw'] + 1}" if row["score"] == "random" else "")
            line = f"  {name:<16}{row['mean_bits']:>6g}{row['bytes'] / row['float_bytes']:>8.1%}"
            line += f"{interval_text(row, 'balanced_accuracy'):>24}"
            line += f"{interval_text(row, 'difference_to_float', signed=True):>26}"
            if "difference_to_uniform" in row:
                line += f"{interval_text(row, 'difference_to_uniform', signed=True):>26}"
            lines.append(line + f"{interval_text(row, 'agreement'):>24}")
        lines.append("")
    if "maps" in result.tables:
        lines.append("correlation of relevance maps with the float network's")
        for _, row in result.tables["maps"].iterrows():
            shown = interval_text(row, "correlation")
            lines.append(f"  {row['network']:<24}{row['plan']:<20}{shown:>24}  ({row['n']} words)")
    return "\n".join(lines)
