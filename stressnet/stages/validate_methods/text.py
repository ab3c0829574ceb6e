"""What ``stressnet validate-methods`` prints."""

from stressnet.runs.result import Result


def summary_text(result: Result) -> str:
    """The best methods and the recommendation in a few lines."""
    counts = result.manifest["results"]
    lines = [
        f"{counts['n_sets']} sets, {counts['n_solved']} of {counts['n_networks']} networks solved "
        f"theirs, {counts['n_scores']} scores"
    ]
    table = result.tables["methods"]
    if len(table):
        lines += ["", f"{'method':<44}{'first':>7}{'chance':>8}{'false':>7}{'rank':>7}{'n':>6}"]
    for row in table[table["kind"] != "no control"].head(12).to_dict("records"):
        name = f"{row['method']} {row['seed_output']} {str(row['part'])[:3]}"
        lines.append(
            f"{name:<44}{row['first']:>7.2f}{row['first_chance']:>8.2f}"
            f"{row['false_positive']:>7.2f}{row['rank']:>7.2f}{row['n_units']:>6}"
        )
    lines.append("")
    for one in result.recommendations:
        lines.append(f"{one.question}: {one.name.replace('`', '')}")
    return "\n".join(lines)
