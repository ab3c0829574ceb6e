"""What ``stressnet stats`` prints."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd

    from stressnet.stages.stats.run import Statistics


def summary_text(result: Statistics) -> str:
    """The claims, and what else was made."""
    table = result.tables["claims"]
    main = table[(table["stratum"] == "ALL") & table["null"].isin(["", "exchange"])]
    lines = []
    for network, rows in main.groupby("network", sort=False):
        about = result.manifest["results"]["networks"][network]
        seeds = len(about["seeds"])
        scope = "these weights only, not other training runs" if seeds == 1 else "training runs too"
        lines += [
            f"{network}: {about['n_tokens']} tokens, {about['n_words']} words, "
            f"{about['n_speakers']} speakers, n_seeds = {seeds} ({scope})",
            f"  {'claim':<21}{'criterion':<40}{'effect':>7}  {'interval':<16}"
            f"{'margin':>7}  verdict",
        ]
        claim = ""
        for row in rows.to_dict("records"):
            new = row["claim"] != claim
            claim = row["claim"]
            lines.append(_claim_line(row, claim if new else ""))
            if row["role"] == "primary":
                lines += _by_class(table, row)
        lines.append("")
    lines.append("(controls stand in brackets: they do not enter the verdict, but the reading)")
    lines += [_count_line(name, len(table)) for name, table in result.tables.items()]
    if result.problems:
        lines.append(f"{len(result.problems)} comparisons or models failed or were left out")
    return "\n".join(lines)


def _by_class(table: pd.DataFrame, row: dict[Any, Any]) -> list[str]:
    """The same criterion for each class of stress: classes are not equally frequent."""
    same = (table["stratum"] == "stress") & (table["role"] == "primary")
    for key in ("network", "claim", "criterion"):
        same &= table[key] == row[key]
    return [
        _claim_line({**found, "criterion": f"  {found['level']} words"}, "")
        for found in table[same].to_dict("records")
    ]


def _claim_line(row: dict[Any, Any], claim: str) -> str:
    low, high = row["low"], row["high"]
    interval = f"[{low:.2f}, {high:.2f}]" if low == low else "not estimable"
    effect = f"{row['effect']:.2f}" if row["effect"] == row["effect"] else "-"
    said = row["decision"] if row["role"] == "primary" else f"({row['decision']})"
    why = f": {row['reason']}" if row["reason"] else ""
    return (
        f"  {claim:<21}{row['criterion']:<40}{effect:>7}  {interval:<16}{row['margin']:>7.2f}  "
        f"{said}{why}"
    )


def _count_line(name: str, n: int) -> str:
    return f"{name + '.csv':<24}{n:>7} rows"
