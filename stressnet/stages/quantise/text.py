"""What ``stressnet quantise`` prints."""

from stressnet.evaluation.text import interval_text
from stressnet.quantise.cost import TOGETHER
from stressnet.runs.result import Result


def quantised_text(result: Result) -> str:
    """What each plan costs on all test sets together, and whether maps stay the same."""
    cost = result.tables["cost"]
    columns = {name: name for name in ("balanced_accuracy", "agreement")}
    columns |= {
        name: name.replace("_", " ") for name in cost if name.endswith(("_float", "_uniform"))
    }
    lines = [
        f"{'network':<14}{'plan':<14}{'bits':>5}{'size':>7}"
        + "".join(f"{t:>26}" for t in columns.values())
    ]
    for _, row in cost[cost["test_set"] == TOGETHER].iterrows():
        line = f"{row['network']:<14}{row['score']:<14}{row['mean_bits']:>5g}"
        line += f"{row['bytes'] / row['float_bytes']:>7.1%}"
        for name in columns:
            line += f"{interval_text(row, name, signed=name.startswith('difference')):>26}"
        lines.append(line)
    if "maps" in result.tables:
        lines.append("correlation of relevance maps with the float network's")
        for _, row in result.tables["maps"].iterrows():
            shown = interval_text(row, "correlation")
            lines.append(f"{row['network']:<14}{row['plan']:<19}{shown:>24}  ({row['n']} words)")
    return "\n".join(lines)
