"""The claims of the paper, each as a declared contrast with a declared rule of decision.

Each statement of Allouche et al. (2025, arXiv:2508.07229) is a claim with criteria; each criterion
compares one estimate with one margin, the smallest effect of interest, the same for every network.
Maps of untrained networks are denser on formants and vowels, too, and so is the input itself taken
as a map: the trained network has to exceed both, by the margin. Verdicts are explained in
``docs/statistics.md``. The test of a claim is that of its margins, corrected for the number of
claims (:func:`claims_table`); controls say what else could explain it and do not enter the verdict.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from scipy.stats import t as student

from stressnet.errors import ConfigError
from stressnet.inference.twoway import holm
from stressnet.statistics.accumulate import DENSITY, ENERGY, PER_ENERGY, PER_EXCHANGE, SHARE
from stressnet.statistics.estimate import COUNTS, POSITION, STRESS
from stressnet.statistics.stream import EXCHANGE, INPUT, UNTRAINED

RATIO_MARGIN = 1.10  # Smallest ratio of interest: a tenth denser than what it is compared with
SHARE_MARGIN = 0.10  # Smallest share of interest: a tenth of all positive relevance
MIN_SEEDS = 3  # Training seeds without which there is no verdict
MIN_UNTRAINED = 5  # Untrained networks without which a claim about density is not tested

HOLDS, FAILS, OPEN = "holds", "smaller than the margin", "cannot be decided"
NOT_TESTED, FEW_SEEDS = "not tested", "needs three networks"

PRIMARY, CONTROL = "primary", "control"


@dataclass(frozen=True)
class Criterion:
    """One estimate and the margin it must pass."""

    name: str
    role: str  # `primary` or `control`
    # Where the estimate is: `contrasts` (a region's mean over another's), `nulls` (a region's mean
    # over its null) or `summary` (a region's mean).
    table: str
    measure: str
    region: str
    other: str = ""
    null: str = ""  # Under which null; empty for none
    # Of a contrast: `stress` or `position`, see `stressnet.statistics.estimate`; empty for all
    # words as they come.
    aspect: str = ""


@dataclass(frozen=True)
class Claim:
    """A statement of the paper."""

    name: str
    text: str
    criteria: tuple[Criterion, ...]


MORE_THAN = {UNTRAINED: "more than in untrained networks", INPUT: "more than in the input itself"}
"""Criteria that say that training has put relevance there, by their null."""


def _pair(region: str, other: str) -> tuple[Criterion, ...]:
    def criterion(name: str, role: str, null: str = "", aspect: str = STRESS) -> Criterion:
        return Criterion(name, role, "contrasts", DENSITY, region, other, null, aspect)

    return (
        criterion("denser, √(I·F)", PRIMARY),
        *(criterion(name, PRIMARY, null) for null, name in MORE_THAN.items()),
        criterion("all words as they come", CONTROL, aspect=""),
        criterion("earlier in the word, √(I/F)", CONTROL, aspect=POSITION),
        criterion("beyond boundaries of other words", CONTROL, EXCHANGE),
    )


def _track(region: str) -> tuple[Criterion, ...]:
    def criterion(name: str, role: str, measure: str, null: str) -> Criterion:
        return Criterion(name, role, "nulls", measure, region, null=null)

    return (
        criterion("denser than under other tokens' tracks", PRIMARY, DENSITY, EXCHANGE),
        *(criterion(name, PRIMARY, PER_EXCHANGE, null) for null, name in MORE_THAN.items()),
        criterion("beyond the energy there", CONTROL, PER_ENERGY, EXCHANGE),
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
        (
            Criterion("unstressed syllable", PRIMARY, "summary", SHARE, "syllable_unstressed"),
            Criterion("consonants", PRIMARY, "summary", SHARE, "consonants"),
            *(
                Criterion(f"{part}, {name}", CONTROL, "nulls", SHARE, region, null=null)
                for part, region in (
                    ("unstressed syllable", "syllable_unstressed"),
                    ("consonants", "consonants"),
                )
                for null, name in MORE_THAN.items()
            ),
        ),
    ),
)
"""In the order of the paper."""

CLAIM_PAIRS = tuple(
    dict.fromkeys((c.region, c.other) for claim in CLAIMS for c in claim.criteria if c.other)
)
"""Pairs of regions that the claims need contrasted by density."""

CLAIM_MEASURES = (DENSITY, SHARE, ENERGY)  # Measures that the claims need

COLUMNS = (
    *("claim", "statement", "network", "stratum", "level", "verdict", "p_holm", "controls"),
    *("criterion", "role", "measure", "region", "other", "aspect", "null"),
    *("effect", "low", "high", "scale", "margin", "p_value", "decision"),
    *("observed", "compared_with", *COUNTS, "n_draws", "reason"),
)


def decide(low: float, high: float, margin: float, n_seeds: int) -> str:
    """What an interval over some training seeds says about a margin."""
    if n_seeds < MIN_SEEDS:
        return FEW_SEEDS
    if not (math.isfinite(low) and math.isfinite(high)):
        return OPEN
    if low > margin:
        return HOLDS
    return FAILS if high < margin else OPEN


def verdict(decisions: Sequence[str]) -> str:
    """What the decisions on several criteria, all of which must hold, say together."""
    for decision in (FAILS, NOT_TESTED, FEW_SEEDS):
        if decision in decisions:
            return decision
    return HOLDS if decisions and all(d == HOLDS for d in decisions) else OPEN


def claims_table(
    tables: Mapping[str, pd.DataFrame],
    *,
    ratio_margin: float = RATIO_MARGIN,
    share_margin: float = SHARE_MARGIN,
    strata: Sequence[str] = ("ALL",),
    level: float = 0.95,
) -> pd.DataFrame:
    """Every claim for every network and level of some strata.

    ``level`` is the confidence level of the tables; tests are made at 1 - level. Returns one row
    per claim, network, level and criterion, with columns :data:`COLUMNS`. ``p_value`` tests whether
    the effect is the margin, ``decision`` is the criterion's and agrees with the interval.
    ``verdict`` is the claim's; it needs ``p_holm``, corrected for the number of claims, below 1 -
    level. A claim's p-value is the largest of its primary criteria's if all lie above their margins
    (all have to hold), else the smallest of those below, times the number of criteria (one is
    enough).
    """
    if not ratio_margin >= 1:
        raise ConfigError(f"ratio margin {ratio_margin} must be at least 1 (1.1: a tenth more)")
    if not 0 <= share_margin < 1:
        raise ConfigError(f"share margin {share_margin} must lie between 0 and 1")
    margins = {"ratio": ratio_margin, "share": share_margin}
    summary = tables["summary"]
    groups = summary[summary["stratum"].isin(strata)][["network", "stratum", "level"]]
    parts = []
    for values in groups.drop_duplicates().itertuples(index=False, name=None):
        keys = dict(zip(groups.columns, values, strict=True))
        here = {
            name: tables[name].merge(pd.DataFrame([keys]), on=["network", "stratum", "level"])
            for name in ("summary", "nulls", "contrasts")
        }
        claims = [pd.DataFrame(_criterion_rows(claim, here, margins)) for claim in CLAIMS]
        corrected = holm(np.array([_claim_p(rows) for rows in claims]))
        for claim, rows, p in zip(CLAIMS, claims, corrected, strict=True):
            rows = rows.assign(claim=claim.name, statement=claim.text, **keys)
            controls = rows.loc[rows["role"] == CONTROL, "decision"]
            controls = controls[controls != NOT_TESTED]
            rows["controls"] = f"{(controls == HOLDS).sum()} of {len(controls)} hold"
            rows["p_holm"] = p
            said = verdict(list(rows.loc[rows["role"] == PRIMARY, "decision"]))
            decided = said not in (HOLDS, FAILS) or p <= 1 - level
            rows["verdict"] = said if decided else OPEN
            parts.append(rows)
    table = pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=list(COLUMNS))
    return table[list(COLUMNS)]


def _claim_p(rows: pd.DataFrame) -> float:
    """The p-value of a claim from those of its primary criteria; NaN if one was not estimable."""
    primary = rows[rows["role"] == PRIMARY]
    below = primary[primary["effect"] < primary["margin"]]
    if len(below):
        return float(min(1.0, below["p_value"].min() * len(primary)))
    return float(primary["p_value"].max(skipna=False))


def _criterion_rows(
    claim: Claim, tables: Mapping[str, pd.DataFrame], margins: Mapping[str, float]
) -> list[dict[str, Any]]:
    """A row per criterion, then controls: the same under any further null that the runs have."""
    rows = [_criterion_row(c, tables[c.table], margins) for c in claim.criteria]
    known = {EXCHANGE, *MORE_THAN, ""}
    for null in dict.fromkeys(tables["nulls"]["null"]):
        others = [replace(c, null=null, role=CONTROL) for c in claim.criteria if c.null]
        found = (_criterion_row(c, tables[c.table], margins) for c in dict.fromkeys(others))
        rows += [row for row in found if null not in known and row["n_tokens"]]
    return rows


def _criterion_row(
    criterion: Criterion, table: pd.DataFrame, margins: Mapping[str, float]
) -> dict[str, Any]:
    """What the tables say of a criterion."""
    about = vars(criterion).copy()
    about["criterion"], source = about.pop("name"), about.pop("table")
    scale = "share" if source == "summary" else "ratio"
    margin = margins[scale]
    row: dict[str, Any] = {**about, "scale": scale, "margin": margin}
    there = table[(table["region"] == criterion.region) & (table["measure"] == criterion.measure)]
    for key in ("other", "null", "aspect"):
        if key in there:
            there = there[there[key] == about[key]]
    if there.empty:
        nothing = ("effect", "low", "high", "p_value", "observed", "compared_with")
        row |= dict.fromkeys(nothing, np.nan) | dict.fromkeys((*COUNTS, "n_draws"), 0)
        return row | {"decision": NOT_TESTED, "reason": _lack(criterion, table)}
    found = there.to_dict("records")[0]
    name = "mean" if scale == "share" else "ratio"
    low, high = float(found[f"{name}_low"]), float(found[f"{name}_high"])
    row |= {"effect": float(found[name]), "low": low, "high": high}
    row |= {n: found[n] for n in COUNTS}
    row |= {"p_value": _margin_p(found, scale, margin), "reason": found["reason"]}
    row["n_draws"] = found.get("n_draws", 1)
    row["observed"] = found["mean"] / found["other_mean"] if criterion.other else found["mean"]
    row["compared_with"] = np.nan if scale == "share" else row["observed"] / row["effect"]
    row["decision"] = decide(low, high, margin, row["n_seeds"])
    if criterion.other and not criterion.null:
        row |= {"observed": found["mean"], "compared_with": found["other_mean"]}
    if criterion.null == UNTRAINED and row["n_draws"] < MIN_UNTRAINED:
        row["decision"] = NOT_TESTED
        row["reason"] = f"{row['n_draws']} untrained networks: fewer than {MIN_UNTRAINED}"
    return row


def _margin_p(found: Mapping[Any, Any], scale: str, margin: float) -> float:
    """Two-sided p-value that an estimate is the margin; ratios on the logarithm."""
    with np.errstate(divide="ignore", invalid="ignore"):
        if scale == "share":
            distance, error, df = found["mean"] - margin, found["se"], found["df"]
        else:
            ratio = found["ratio"]
            distance, error = np.log(ratio / margin), found["ratio_se"] / ratio
            df = found["ratio_df"]
        return float(2 * student.sf(abs(distance) / error, df))


def _lack(criterion: Criterion, table: pd.DataFrame) -> str:
    """Why the tables hold no such estimate."""
    if criterion.region not in set(table["region"]):
        return "the run lacks the region"
    if criterion.null in (UNTRAINED, INPUT):
        return "the run lacks untrained networks; run explain with --untrained 5"
    return "needs words of both classes" if criterion.aspect else "the run lacks its null"
