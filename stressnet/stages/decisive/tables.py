"""Tables over tokens with intervals over speakers and words, and the sentences they say."""

from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any

import numpy as np
import pandas as pd

from stressnet.inference.jackknife import jackknife, mean_of
from stressnet.manipulation.psychometric import clusters_of, counts_of
from stressnet.report.document import Cell, Table
from stressnet.report.names import count_of
from stressnet.report.tables import with_interval
from stressnet.stages.decisive.units import CUES, PHONES

MOST_WORDS = 15  # Words that get a sentence: those with most tokens

FIGURES = ("loss", "drop", "turned", "random_turned", "turned_over_random")
SHARES = ("most_by_removal", "most_by_relevance", "least_by_removal", "least_by_relevance")
FIGURES_OF_LISTS = (
    *("comprehensiveness", "comprehensiveness_over_random"),
    *("sufficiency", "sufficiency_over_random", "turned"),
)
RATES = ("turned", "random_turned", "turned_random", *SHARES)  # Columns that are shares of tokens


def _with_shares(units: pd.DataFrame) -> pd.DataFrame:
    """Units with truth values of being first or last, and what a random unit of the token does."""
    units = units.assign(turned=units["turned"].astype(np.float64))
    same = units.groupby(["token_id", "kind", "baseline"], sort=False)
    units["random_turned"] = same["turned"].transform("mean")
    units["turned_over_random"] = units["turned"] - units["random_turned"]
    for name in ("removal", "relevance"):
        rank = units[f"rank_by_{name}"]
        units[f"most_by_{name}"] = (rank == 1).astype(np.float64)
        units[f"least_by_{name}"] = (rank == units["n_units"]).astype(np.float64)
    return units


def units_table(units: pd.DataFrame) -> pd.DataFrame:
    """Means over the tokens that have a unit; of all words, and by where their stress is.

    A token with two phones of one name (a cluster) has their mean, and is ``most`` if one is.
    """
    columns = [*FIGURES, *SHARES, "area_share"]
    named = ["token_id", "word", "family", "speaker", "stress", "kind", "unit", "baseline"]
    how = {column: "max" if column in SHARES else "mean" for column in columns}
    each = _with_shares(units).groupby(named, sort=False).agg(how).reset_index()
    whole = pd.concat([each.assign(stress="ALL"), each])
    table = _means(whole, ["stress", "kind", "baseline", "unit"], columns)
    keys, up = ["stress", "kind", "baseline", "loss"], [True, False, False, False]
    return table.sort_values(keys, ascending=up, kind="stable", ignore_index=True)


def words_table(units: pd.DataFrame) -> pd.DataFrame:
    """The same for each word with its stress, without intervals, the most decisive unit first."""
    keys = ["word", "stress", "kind", "baseline", "unit", "phone"]
    grouped = _with_shares(units).groupby(keys, sort=False)
    table = grouped[[*FIGURES, *SHARES, "relevance"]].mean()
    table.insert(0, "n_tokens", grouped["token_id"].nunique())
    up = [True, True, True, True, False]
    order = [*keys[:4], "loss"]
    return table.reset_index().sort_values(order, ascending=up, kind="stable", ignore_index=True)


def lists_table(lists: pd.DataFrame) -> pd.DataFrame:
    """Comprehensiveness and sufficiency of lists, beside random lists of the same size."""
    figures = ["comprehensiveness", "sufficiency", "turned"]
    key = ["token_id", "kind", "baseline", "size"]
    chance = lists.loc[lists["ranking"] == "random", [*key, *figures]]
    joined = lists.merge(chance, on=key, suffixes=("", "_random"))
    for name in figures:
        joined[f"{name}_over_random"] = joined[name] - joined[f"{name}_random"]
    told = [f"{name}{end}" for name in figures for end in ("", "_random", "_over_random")]
    keys = ["kind", "baseline", "ranking", "order", "size"]
    return _means(joined[joined["ranking"] != "random"], keys, told)


def _means(table: pd.DataFrame, keys: Sequence[str], columns: Sequence[str]) -> pd.DataFrame:
    """Means of groups with ``_low`` and ``_high``."""
    rows = []
    for key, part in table.groupby(list(keys), sort=False):
        values = part[list(columns)].to_numpy(dtype=np.float64)
        with np.errstate(invalid="ignore"):  # all tokens may be of one speaker
            found = jackknife(mean_of(values), len(part), clusters_of(part))
        row = dict(zip(keys, key, strict=True)) | counts_of(part)
        for number, name in enumerate(columns):
            estimate = found[number].columns(name)
            if np.ptp(values[:, number]) == 0:  # nothing varies, so nothing is known of the spread
                estimate |= {f"{name}_low": np.nan, f"{name}_high": np.nan}
            within = (0.0, 1.0) if name in RATES else (-np.inf, np.inf)
            row |= {key: float(np.clip(value, *within)) for key, value in estimate.items()}
        rows.append(row)
    return pd.DataFrame(rows)


def unit_name(unit: str) -> str:
    """``unit_name("vowel 2") == "the vowel of the second syllable"``."""
    what, _, number = unit.rpartition(" ")
    syllable = {"1": "first", "2": "second"}[number]
    if what.endswith("of vowel"):
        return f"{what.removesuffix(' of vowel')} of the {syllable} vowel"
    side = {"onset": "a consonant before the", "coda": "a consonant after the"}.get(what, "the")
    return f"{side} vowel of the {syllable} syllable"


def _percent(value: float) -> str:
    return f"{100 * value:.0f} %"


def _interval(row: Any, name: str, scale: float = 1.0, digits: int = 2) -> str:
    value, low, high = (scale * row[f"{name}{end}"] for end in ("", "_low", "_high"))
    return with_interval(value, low, high, digits)


def _verb(turned: float) -> str:
    """``decides`` if the answer turns without it in half of the tokens or more."""
    return "decides" if turned >= 0.5 else "matters most"


def corpus_sentences(table: pd.DataFrame) -> Iterator[str]:
    """What matters most and least, over all words and by where their stress is."""
    for (stress, kind), own in table.groupby(["stress", "kind"], sort=False):
        best, least = own.iloc[0], own.iloc[-1]
        yield (
            f"In {'all' if stress == 'ALL' else stress} words, of the {kind}, "
            f"{unit_name(best['unit'])} {_verb(best['turned'])}: without it the answer turns in "
            f"{_interval(best, 'turned', 100, 0)} % of {count_of(int(best['n_tokens']), 'token')} "
            f"(a random one: {_percent(best['random_turned'])}). It comes first in "
            f"{_percent(best['most_by_removal'])} by removal and in "
            f"{_percent(best['most_by_relevance'])} by relevance. Least matters "
            f"{unit_name(least['unit'])}: {_percent(least['turned'])}."
        )


def word_sentences(table: pd.DataFrame, min_tokens: int) -> Iterator[str]:
    """The same for single words: those with most tokens."""
    often = table[table["n_tokens"] >= min_tokens]  # rare pronunciations have units of their own
    groups = [part for _, part in often.groupby(["kind", "word", "stress"], sort=False)]
    groups.sort(key=lambda part: (part["kind"].iloc[0] == CUES, -part["n_tokens"].max()))
    for kind in (PHONES, CUES):
        own = [part for part in groups if part["kind"].iloc[0] == kind][:MOST_WORDS]
        firm = [part for part in own if not part["turned"].any()]
        for here in (part for part in own if part["turned"].any()):
            best, least = here.iloc[0], here.iloc[-1]
            named = str(here["unit"].iloc[int(here["relevance"].to_numpy().argmax())])
            too = "it, too" if named == best["unit"] else unit_name(named)
            yield (
                f"In {best['word'].lower()} ({best['stress']}, "
                f"{count_of(int(best['n_tokens']), 'token')}) {unit_name(best['unit'])} "
                f"({best['phone']}) {_verb(best['turned'])}; without it the answer turns in "
                f"{_percent(best['turned'])} of tokens (a random one: "
                f"{_percent(best['random_turned'])}; relevance names {too}). Least matters "
                f"{unit_name(least['unit'])} ({least['phone']}): {_percent(least['turned'])}."
            )
        if firm:
            words = (f"{part['word'].iloc[0].lower()} ({part['stress'].iloc[0]})" for part in firm)
            yield f"No single one of the {kind} turns the answer in {', '.join(words)}."


def decisive_text(tables: dict[str, pd.DataFrame], baseline: str, min_tokens: int) -> str:
    """The sentences and the tables that they rest on, under one baseline."""
    own = {name: table[table["baseline"] == baseline] for name, table in tables.items()}
    lines = [*corpus_sentences(own["corpus"]), "", *word_sentences(own["words"], min_tokens)]
    whole, sizes = own["corpus"][own["corpus"]["stress"] == "ALL"], own["sizes"]
    for kind in dict.fromkeys(whole["kind"]):
        for table, names, told in (
            (whole, ["unit"], ["turned", "drop", *SHARES]),
            (sizes, ["order", "ranking", "size"], [*FIGURES_OF_LISTS, "turned_random"]),
        ):
            columns: list[tuple[str, Cell]] = [(name, name) for name in [*names, "n_tokens"]]
            columns += [(name, partial(_interval, name=name)) for name in told]
            left = tuple(range(len(names)))
            shown = Table.of(table[table["kind"] == kind], columns, flush_left=left)
            lines += ["", kind, *shown.lines("  ")]
    return "\n".join(lines)
