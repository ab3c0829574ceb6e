"""What the board says in words: which method, rule and seed for which question, and how sure.

Every sentence is made from the tables; nothing is written by hand.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from stressnet.lab.board_plan import SEEDLESS
from stressnet.lab.scoreboard import (
    BAR_FALSE,
    BAR_FIRST,
    PLACED_CUES,
    QUESTIONS,
    methods_table,
    rank_methods,
)

_CHOICE = ["method", "seed_output", "part"]
_DEFAULT_CHOICE = ("logit-difference", "positive")  # Seed and part that `stressnet explain` uses


@dataclass(frozen=True)
class Recommendation:
    """The best method for a question."""

    question: str  # A key of `stressnet.lab.scoreboard.QUESTIONS`, or `all`
    cues: tuple[str, ...]
    row: pd.Series | None  # The best of the table of methods; None if no network solved a set
    # Share of units whose true region comes first in the half of the voices that the choice was not
    # made on, mean over both halves; NaN with fewer than two voices.
    checked: float

    @property
    def choice(self) -> tuple[str, ...]:
        """Method, seed and part; all empty where there is none."""
        return tuple("" if self.row is None else str(self.row[name]) for name in _CHOICE)

    @property
    def method(self) -> str:
        """The best method."""
        return self.choice[0]

    @property
    def name(self) -> str:
        """The choice in one phrase."""
        method, seed_output, part = self.choice
        return f"`{method}`, seed `{seed_output}`, {part} part" if method else "none"


def recommend(units: pd.DataFrame, scores: pd.DataFrame, *, seed: int = 0) -> list[Recommendation]:
    """The best method over all placed cues, then for each question."""
    asked: dict[str, Sequence[str]] = {"all": PLACED_CUES, **QUESTIONS}
    return [_recommend(name, cues, units, scores, seed) for name, cues in asked.items()]


def _recommend(
    question: str, cues: Sequence[str], units: pd.DataFrame, scores: pd.DataFrame, seed: int
) -> Recommendation:
    mine = units[units["cue"].isin(cues)]
    solved = tuple(cue for cue in cues if (mine["cue"] == cue).any())
    table = methods_table(units, scores, cues, seed=seed)
    # Intact methods that look at the network; those that only some networks were explained with
    # cannot be compared with the others.
    table = table[(table["kind"] == "method") & ~table["method"].isin(SEEDLESS)]
    table = table[table["n_networks"] == table["n_networks"].max()]
    if not len(table):
        return Recommendation(question, solved, None, float("nan"))
    checked = float("nan")
    if mine["voice"].nunique() > 1:
        checked = float(np.nanmean(_cross_checked(mine, table)))
    return Recommendation(question, solved, table.iloc[0], checked)


def _cross_checked(units: pd.DataFrame, table: pd.DataFrame) -> list[float]:
    """Choose on every other voice; the share that comes first among the rest."""
    keys = [*_CHOICE, "kind"]
    known = set(map(tuple, table[_CHOICE].to_numpy()))
    units = units[[tuple(row) in known for row in units[_CHOICE].to_numpy()]]
    units = units.assign(first=units["place"] == 1)
    voices = sorted(units["voice"].unique())
    shares = []
    for half in (0, 1):
        chosen_on = units["voice"].isin(voices[half::2])
        by_cue = units[chosen_on].groupby([*keys, "cue"], sort=False)
        means = by_cue[["first", "false_positive"]].mean().groupby(keys, sort=False).mean()
        best = rank_methods(means.reset_index().assign(rank_gain=0.0)).iloc[0]
        rest = _rows_of(units[~chosen_on], *best[_CHOICE])
        if len(rest):
            shares.append(float(rest["first"].groupby(rest["cue"]).mean().mean()))
    return shares


def _rows_of(table: pd.DataFrame, method: str, seed_output: str, part: str) -> pd.DataFrame:
    return table[(table[_CHOICE] == [method, seed_output, part]).all(axis=1)]


def recommendation_text(
    found: Sequence[Recommendation],
    tables: Mapping[str, pd.DataFrame],
    default: str = "epsilon-gamma",
) -> str:
    """The written recommendation, in Markdown."""
    overall = found[0]
    parts = ["# Which explanation to trust", _solved_text(tables["networks"]), "## Recommendation"]
    if any(one.row is not None for one in found):
        parts.append(_table_text(found))
    if overall.row is None:
        parts.append(
            "No network solved a set of synthetic words with spectral place, so no method can be "
            "recommended over all. Draw more words or larger effects."
        )
        return "\n\n".join(parts) + "\n"
    parts += [_bar_text(overall, overall.row), "## What goes wrong"]
    parts += [_failures_text(overall, tables["units"]), "## The default"]
    parts += [_default_text(overall, overall.row, tables["methods"], default)]
    parts += ["## Broken explanations", _controls_text(tables["scores"])]
    parts += ["## Duration and intensity", _places_text(tables["places"], overall)]
    return "\n\n".join(parts) + "\n"


def _solved_text(networks: pd.DataFrame) -> str:
    n, solved = len(networks), int(networks["solved"].sum()) if len(networks) else 0
    text = (
        f"{solved} of {n} networks solved their set (lower limit of balanced accuracy on test "
        "words at least 0.75); only these are explained."
    )
    failed = [
        f"{row.set} ({row.network}-{row.net_seed}: {row.balanced_accuracy:.2f})"
        for row in networks.itertuples()
        if not row.solved
    ]
    return f"{text}\nNot solved: {', '.join(failed)}." if failed else text


def _percent(value: float) -> str:
    return "-" if value != value else f"{100 * value:.0f} %"


def _table_text(found: Sequence[Recommendation]) -> str:
    lines = [
        "| question | cues | best | true region first | on other voices | false positives |",
        "|---|---|---|---|---|---|",
    ]
    for one in found:
        if one.row is None:
            lines.append(f"| {one.question} | none solved | - | - | - | - |")
            continue
        first = f"{_first(one.row)[:-1]}, n = {one.row['n_units']})"
        cells = [one.question, ", ".join(one.cues), one.name, first, _percent(one.checked)]
        lines.append(f"| {' | '.join([*cells, _percent(one.row['false_positive'])])} |")
    return "\n".join(lines)


def _first(row: pd.Series) -> str:
    """How often the true region comes first, with its interval."""
    low, high = _percent(row["first_low"]), _percent(row["first_high"])
    return f"{_percent(row['first'])} ({low}-{high})"


def _bar_text(overall: Recommendation, best: pd.Series) -> str:
    first, false = best["first"], best["false_positive"]
    missed = [] if first >= BAR_FIRST else ["the share of first places"]
    missed += [] if false <= BAR_FALSE else ["false positives"]
    verdict = (
        f"no method meets it; {' and '.join(missed)} fall short" if missed else "it meets the bar"
    )
    return (
        f"The bar is the true region first in {_percent(BAR_FIRST)} of cue × voice units, with "
        f"at most {_percent(BAR_FALSE)} false positives. The best method, {overall.name}, reaches "
        f"{_percent(first)} with {_percent(false)} false positives: {verdict}."
    )


def _failures_text(overall: Recommendation, units: pd.DataFrame) -> str:
    """Units of the best method whose true region is not first, by cue and by what came first."""
    mine = _rows_of(units, *overall.choice)
    mine = mine[mine["cue"].isin(PLACED_CUES) & (mine["kind"] == "method")]
    missed = mine[mine["place"] > 1]
    text = "The best method puts the true region first in every unit."
    if len(missed):
        counts = missed.groupby(["cue", "top"]).size().sort_values(ascending=False).head(8)
        named = counts.reset_index(name="n").to_dict("records")
        parts = [f"{row['top']} instead of {row['cue']} ({row['n']})" for row in named]
        text = (
            f"The best method misses {len(missed)} of {len(mine)} units. First instead of the "
            f"truth: {', '.join(parts)}."
        )
    by_cue = mine.assign(first=mine["place"] == 1).groupby("cue")[["first", "false_positive"]]
    parts = [
        f"{cue} {_percent(row['first'])} / {_percent(row['false_positive'])}"
        for cue, row in by_cue.mean().iterrows()
    ]
    return f"{text}\n\nFirst places / false positives by cue: {'; '.join(parts)}."


def _default_text(
    overall: Recommendation, best: pd.Series, methods: pd.DataFrame, default: str
) -> str:
    mine = _rows_of(methods, default, *_DEFAULT_CHOICE)
    if not len(mine):
        return f"The default composite, `{default}`, was not scored."
    row = mine.iloc[0]
    text = (
        f"`stressnet explain` uses `{default}`: true region first in {_first(row)}, false "
        f"positives {_percent(row['false_positive'])}, relevance rank accuracy {row['rank']:.2f}."
    )
    if overall.method == default:
        return f"{text} It is the recommended method: the default stands."
    overlap = row["first_high"] >= best["first_low"]
    if overlap and row["false_positive"] <= best["false_positive"] + BAR_FALSE:
        return f"{text} The intervals overlap; the board gives no reason to change the default."
    return f"{text} It falls behind {overall.name}; the default should follow."


def _controls_text(scores: pd.DataFrame) -> str:
    """Each broken map: largest gain over chance of any measure, beside the intact map's."""
    broken = scores[scores["kind"] == "control"]
    if not len(broken):
        return "No control was scored."
    means = broken.groupby(["method", "measure"])["gain"].mean().dropna()
    parts = [
        f"`{method}` {gains.max():+.3f} ({gains.droplevel(0).idxmax()})"
        for method, gains in means.groupby(level=0)
    ]
    base = str(broken["method"].iloc[0]).split("/")[0]
    intact = _rows_of(scores, base, *_DEFAULT_CHOICE).groupby("measure")["gain"].mean().dropna()
    own = ", ".join(f"{name} {value:+.3f}" for name, value in intact.items())
    return (
        "Largest mean gain over chance of a deliberately broken map, in any measure: "
        f"{'; '.join(parts)}. The intact `{base}`: {own}. Zero is chance."
    )


def _places_text(places: pd.DataFrame, overall: Recommendation) -> str:
    if not len(places):
        return "No network solved a set whose cue has no place."
    mine = _rows_of(places, *overall.choice)
    lines = [
        "These cues have no cells of their own, so no map can be right or wrong. Share of the "
        f"relevance of {overall.name} (in brackets: share of the image's area):"
    ]
    for (cue, where), rows in mine.groupby(["cue", "where"], sort=False):
        by_place = rows.groupby("place", sort=False)[["value", "area"]].mean()
        parts = [f"{p} {r.value:.2f} ({r.area:.2f})" for p, r in by_place.iterrows()]
        lines.append(f"- {cue}, {where}: {', '.join(parts)}")
    return "\n\n".join(lines)
