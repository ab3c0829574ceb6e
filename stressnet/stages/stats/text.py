"""What ``stressnet stats`` prints."""

from typing import Any

import pandas as pd

from stressnet.lexicon.contrast import Contrast
from stressnet.runs.result import Result
from stressnet.statistics.claims import MORE_THAN


def summary_text(result: Result) -> str:
    """The claims, and what else was made."""
    table = result.tables["claims"]
    named = result.manifest["parameters"].get("told_apart")  # `contrast` is a list of regions
    of = Contrast.in_manifest({"contrast": named}).column
    main = table[(table["stratum"] == "ALL") & table["null"].isin(_SHOWN_NULLS)]
    lines = []
    for network, rows in main.groupby("network", sort=False):
        about = result.manifest["results"]["networks"][network]
        seeds = len(about["seeds"])
        scope = "these weights only, not other training runs" if seeds == 1 else "training runs too"
        lines += [
            f"{network}: {about['n_tokens']} tokens, {about['n_words']} words, "
            f"{about['n_speakers']} speakers, n_seeds = {seeds} ({scope})",
            f"  {'criterion':<53}{'effect':>7}  {'interval':<16}{'margin':>7}  decision",
        ]
        for claim, criteria in rows.groupby("claim", sort=False):
            lines.append(f"  {claim}: {criteria['verdict'].iloc[0]}{_p_text(criteria)}")
            for row in criteria.to_dict("records"):
                lines.append(_line(row, row["criterion"]))
                if row["aspect"] == "" and row["null"] in ("", "exchange"):
                    lines += _by_class(table, row, of)
        lines.append("")
    lines.append("(controls stand in brackets: they do not enter the verdict, but the reading)")
    lines += [f"{name + '.csv':<24}{len(t):>7} rows" for name, t in result.tables.items()]
    if result.problems:
        lines.append(f"{len(result.problems)} comparisons or models failed or were left out")
    return "\n".join(lines)


_SHOWN_NULLS = ("", "exchange", *MORE_THAN)


def _p_text(criteria: pd.DataFrame) -> str:
    """A claim's corrected p-value, where it has one."""
    p = criteria["p_holm"].iloc[0]
    return f" (p = {p:.2g} after Holm)" if p == p else ""


def _by_class(table: pd.DataFrame, row: dict[Any, Any], of: str) -> list[str]:
    """The same criterion for each class: classes are not equally frequent."""
    same = table["stratum"] == of
    for key in ("network", "claim", "criterion", "null"):
        same &= table[key] == row[key]
    return [_line(found, f"  {found['level']} words") for found in table[same].to_dict("records")]


def _line(row: dict[Any, Any], name: str) -> str:
    low, high = row["low"], row["high"]
    interval = f"[{low:.2f}, {high:.2f}]" if low == low else "not estimable"
    effect = f"{row['effect']:.2f}" if row["effect"] == row["effect"] else "-"
    said = row["decision"] if row["role"] == "primary" else f"({row['decision']})"
    why = f": {row['reason']}" if row["reason"] else ""
    if row["null"] in MORE_THAN and row["n_tokens"]:
        why = f" ({row['observed']:.2f} : {row['compared_with']:.2f}){why}"
    return f"    {name:<51}{effect:>7}  {interval:<16}{row['margin']:>7.2f}  {said}{why}"
