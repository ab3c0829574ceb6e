"""The claims of the paper, each as a declared contrast with a declared rule of decision.

Allouche et al. (2025, arXiv:2508.07229) state: a network is influenced most by the stressed rather
than the unstressed syllable, particularly by the spectrum of the stressed vowel, strongly by its
first and second formant, with some evidence for its pitch and third formant; yet it uses
information throughout the word. Here each statement is a claim with criteria; each criterion
compares one estimate with one margin, the smallest effect of interest, that was fixed beforehand:

holds
    the whole interval lies above the margin;
does not hold
    the whole interval lies below it: if there is an effect, it is smaller than of interest;
cannot be decided
    anything else, also where nothing can be estimated.

A claim holds if all its primary criteria hold, and does not hold if one of them does not. Controls
say what else could explain it; they do not enter the verdict.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from stressnet.errors import ConfigError
from stressnet.statistics.accumulate import PER_ENERGY
from stressnet.statistics.multiplicity import holm
from stressnet.statistics.stream import EXCHANGE

RATIO_MARGIN = 1.10
"""Smallest ratio of interest: a tenth denser than what it is compared with."""

SHARE_MARGIN = 0.10
"""Smallest share of interest: a tenth of all positive relevance."""

HOLDS, FAILS, OPEN = "holds", "does not hold", "cannot be decided"

PRIMARY, CONTROL = "primary", "control"


@dataclass(frozen=True)
class Criterion:
    """One estimate and the margin it must pass.

    Parameters
    ----------
    name : str
        In words.
    role : str
        ``primary`` or ``control``.
    kind : str
        ``pair``: ratio of a region's mean to another's; ``pair-null``: that ratio over the same
        under the null; ``null``: ratio of a region's mean to its null; ``share``: a region's mean.
    measure : str
        What is compared.
    region : str
        Which region.
    other : str
        The other region of a pair.
    """

    name: str
    role: str
    kind: str
    measure: str
    region: str
    other: str = ""


@dataclass(frozen=True)
class Claim:
    """A statement of the paper.

    Parameters
    ----------
    name : str
        Short name.
    text : str
        The statement.
    criteria : tuple of Criterion
        What decides it, and controls.
    """

    name: str
    text: str
    criteria: tuple[Criterion, ...]


def _pair(region: str, other: str) -> tuple[Criterion, ...]:
    controlled = "beyond boundaries of other words"
    return (
        Criterion("denser", PRIMARY, "pair", "density", region, other),
        Criterion(controlled, CONTROL, "pair-null", "density", region, other),
    )


def _track(region: str) -> tuple[Criterion, ...]:
    return (
        Criterion("denser than under other tokens' tracks", PRIMARY, "null", "density", region),
        Criterion("beyond the energy there", CONTROL, "null", PER_ENERGY, region),
    )


CLAIMS = (
    Claim(
        "stressed syllable",
        "Relevance is denser in the stressed than in the unstressed syllable",
        _pair("syllable_stressed", "syllable_unstressed"),
    ),
    Claim(
        "stressed vowel",
        "Relevance is denser in the stressed vowel than in the consonants",
        _pair("nucleus_stressed", "consonants"),
    ),
    Claim(
        "vowels",
        "Relevance is denser in the unstressed vowel, too, than in the consonants",
        _pair("nucleus_unstressed", "consonants"),
    ),
    Claim("F1", "Relevance follows the stressed vowel's first formant", _track("F1_stressed")),
    Claim("F2", "Relevance follows the stressed vowel's second formant", _track("F2_stressed")),
    Claim("F3", "Relevance follows the stressed vowel's third formant", _track("F3_stressed")),
    Claim("F0", "Relevance follows the stressed vowel's F0", _track("F0_stressed")),
    Claim(
        "throughout the word",
        "The unstressed syllable and the consonants each hold part of the positive relevance",
        tuple(
            Criterion(name, PRIMARY, "share", "positive_share", region)
            for name, region in (
                ("unstressed syllable", "syllable_unstressed"),
                ("consonants", "consonants"),
            )
        ),
    ),
)
"""In the order of the paper."""

CLAIM_PAIRS = tuple(
    dict.fromkeys((c.region, c.other) for claim in CLAIMS for c in claim.criteria if c.other)
)
"""Pairs of regions that the claims need contrasted by density."""

CLAIM_MEASURES = ("density", "positive_share", "energy_share")
"""Measures that the claims need."""

COLUMNS = (
    *("claim", "statement", "network", "stratum", "level", "verdict", "controls"),
    *("criterion", "role"),
    *("measure", "region", "other", "null", "effect", "low", "high", "scale", "margin", "decision"),
    *("observed", "compared_with", "p_value", "p_holm"),
    *("n_tokens", "n_words", "n_speakers", "n_seeds", "reason"),
)


def decide(low: float, high: float, margin: float) -> str:
    """The verdict on an interval."""
    if not (math.isfinite(low) and math.isfinite(high)):
        return OPEN
    if low > margin:
        return HOLDS
    return FAILS if high < margin else OPEN


def verdict(decisions: Sequence[str]) -> str:
    """The verdict on a claim from the decisions on its primary criteria."""
    if FAILS in decisions:
        return FAILS
    return HOLDS if decisions and all(d == HOLDS for d in decisions) else OPEN


def claims_table(
    tables: Mapping[str, pd.DataFrame],
    *,
    ratio_margin: float = RATIO_MARGIN,
    share_margin: float = SHARE_MARGIN,
    strata: Sequence[str] = ("ALL",),
) -> pd.DataFrame:
    """Every claim for every network and level of some strata.

    Parameters
    ----------
    tables : mapping of str to DataFrame
        From :func:`stressnet.statistics.estimate.tables`.
    ratio_margin, share_margin : float
        Smallest effects of interest.
    strata : sequence of str
        For which strata.

    Returns
    -------
    DataFrame
        One row per claim, network, level, criterion and null, with columns :data:`COLUMNS`.
        ``verdict`` is the claim's, ``decision`` the criterion's. Nulls other than the exchange are
        controls.

    Raises
    ------
    ConfigError
        If a margin makes no sense.
    """
    if not ratio_margin >= 1:
        raise ConfigError(f"ratio margin {ratio_margin} must be at least 1 (1.1: a tenth more)")
    if not 0 <= share_margin < 1:
        raise ConfigError(f"share margin {share_margin} must lie between 0 and 1")
    margins = {"ratio": ratio_margin, "share": share_margin}
    summary = tables["summary"]
    groups = summary[summary["stratum"].isin(strata)][["network", "stratum", "level"]]
    rows: list[dict[str, Any]] = []
    for keys in groups.drop_duplicates().itertuples(index=False):
        here = {
            name: tables[name].merge(pd.DataFrame([keys]), on=["network", "stratum", "level"])
            for name in ("summary", "nulls", "contrasts")
        }
        found = [row for claim in CLAIMS for row in _claim_rows(claim, here, margins)]
        p = np.array([r["p_value"] if r["role"] == PRIMARY else np.nan for r in found])
        for row, corrected in zip(found, holm(p), strict=True):
            row |= {"network": keys.network, "stratum": keys.stratum, "level": keys.level}
            row["p_holm"] = corrected
        rows += found
    return pd.DataFrame(rows, columns=list(COLUMNS))


def _claim_rows(
    claim: Claim, tables: Mapping[str, pd.DataFrame], margins: Mapping[str, float]
) -> list[dict[str, Any]]:
    rows = [row for c in claim.criteria for row in _criterion_rows(c, tables, margins)]
    decisions = [row["decision"] for row in rows if row["role"] == PRIMARY]
    controls = [row["decision"] == HOLDS for row in rows if row["role"] == CONTROL]
    about = {
        "claim": claim.name,
        "statement": claim.text,
        "verdict": verdict(decisions),
        "controls": f"{sum(controls)} of {len(controls)} hold" if controls else "",
    }
    return [{**about, **row} for row in rows]


def _criterion_rows(
    criterion: Criterion, tables: Mapping[str, pd.DataFrame], margins: Mapping[str, float]
) -> list[dict[str, Any]]:
    """A row per null; without any, one that says so."""
    source = {"pair": "contrasts", "pair-null": "contrasts", "null": "nulls", "share": "summary"}
    table = tables[source[criterion.kind]]
    found = table[(table["region"] == criterion.region) & (table["measure"] == criterion.measure)]
    if criterion.other:
        found = found[found["other"] == criterion.other]
        found = found[(found["null"] == "") == (criterion.kind == "pair")]
    scale = "share" if criterion.kind == "share" else "ratio"
    base = {
        "criterion": criterion.name,
        "role": criterion.role,
        "measure": criterion.measure,
        "region": criterion.region,
        "other": criterion.other,
        "null": "",
        "scale": scale,
        "margin": margins[scale],
    }
    nothing = {
        **dict.fromkeys(("effect", "low", "high", "observed", "compared_with", "p_value"), np.nan),
        **dict.fromkeys(("n_tokens", "n_words", "n_speakers", "n_seeds"), 0),
        "decision": OPEN,
    }
    rows = [_filled(base, row, scale) for row in found.to_dict("records")]
    if not any(row["null"] in ("", EXCHANGE) for row in rows):
        what = "its null" if len(table[table["region"] == criterion.region]) else "the region"
        rows.append({**base, **nothing, "reason": f"the run lacks {what}"})
    return rows


def _filled(base: dict[str, Any], row: Mapping[Any, Any], scale: str) -> dict[str, Any]:
    name = "mean" if scale == "share" else "ratio"
    low, high = float(row[f"{name}_low"]), float(row[f"{name}_high"])
    null = str(row.get("null", ""))
    observed, compared_with = row["mean"], row.get("other_mean", row.get("null_mean", np.nan))
    if base["other"] and null:  # a ratio, compared with the same ratio under the null
        observed = row["mean"] / row["other_mean"] if row["other_mean"] else np.nan
        compared_with = observed / row["ratio"]
    return {
        **base,
        "null": null,
        "role": base["role"] if null in ("", EXCHANGE) else CONTROL,
        "effect": row[name],
        "low": low,
        "high": high,
        "decision": decide(low, high, base["margin"]),
        "observed": observed,
        "compared_with": compared_with,
        "p_value": row.get("p_value", np.nan),
        **{n: row[n] for n in ("n_tokens", "n_words", "n_speakers", "n_seeds")},
        "reason": row["reason"],
    }
