"""What ``stressnet sensitivity`` prints."""

import numpy as np

from stressnet.runs.result import Result


def sensitivity_text(result: Result) -> str:
    """Density over null density per region and setting."""
    table = result.table
    rows = table[(table["measure"] == "density") & (table["stress"] == "ALL")]
    lines = ["density of relevance (ratio to the null of other tokens' tracks and times)"]
    settings = rows[["model", "composite", "bands"]].drop_duplicates()
    first = settings.iloc[0]
    for what, fixed in (
        ("bands", ("model", "composite")),
        ("composite", ("model", "bands")),
        ("model", ("composite", "bands")),
    ):
        part = rows
        for column in fixed:
            part = part[part[column] == first[column]]
        values = list(dict.fromkeys(part[what]))
        if len(values) < 2:
            continue
        width = max(14, *(len(value) + 2 for value in values))
        lines += ["", f"{'by ' + what:<24}" + "".join(f"{value:>{width}}" for value in values)]
        cells = part.set_index(["region", what])[["mean", "ratio"]].to_dict("index")
        for region in dict.fromkeys(part["region"]):
            if sum((region, value) in cells for value in values) < 2:
                continue  # regions of times do not change with the band rule
            line = f"{region:<24}"
            for value in values:
                cell, text = cells.get((region, value)), "-"
                if cell and np.isfinite(cell["mean"]):
                    text = f"{cell['mean']:.2f} ({cell['ratio']:.2f})"
                line += f"{text:>{width}}"
            lines.append(line)
    return "\n".join(lines)
