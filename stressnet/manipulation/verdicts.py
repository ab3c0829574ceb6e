"""What relevance, deletion and causal effect together say about a claim of the paper.

The first is what an explanation says, the other two are what the network does. Each is decided by
its interval against a margin that is the same for every network; :data:`VERDICTS` says what
follows, and ``docs/findings.md`` explains it. A kind of evidence that cannot exist for a claim (no
cue belongs to "throughout the word") does not count.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from stressnet.axes import FloatArray
from stressnet.errors import ConfigError
from stressnet.inference.jackknife import jackknife
from stressnet.inference.twoway import Inference, Spread, add_seeds, infer
from stressnet.lexicon.stress import Stress
from stressnet.manipulation.psychometric import clusters_of
from stressnet.statistics.claims import (
    FAILS,
    FEW_SEEDS,
    HOLDS,
    NOT_TESTED,
    OPEN,
    PRIMARY,
    decide,
    verdict,
)
from stressnet.statistics.stream import EXCHANGE

DENSITY_MARGIN = 0.10  # Deletion: smallest difference of interest, if even evidence is 1

SHARE_MARGIN = 0.10  # Deletion: smallest share of the evidence of interest

CAUSAL_MARGIN = 0.05  # Causal effect: smallest share of interest of the distance of the classes

CONSISTENT = "consistent"
MAP_ONLY = "only in the map"
MISSED = "missed by the map"
REFUTED = "smaller than the margin"
UNDECIDED = "cannot be decided"

VERDICTS = {  # Verdicts and when they are given
    CONSISTENT: "relevance holds, and so does everything that tests it",
    MAP_ONLY: "relevance holds, but deletion or the causal effect is smaller than the margin",
    MISSED: "relevance is smaller than the margin, though deletion and the causal effect hold",
    REFUTED: "relevance, deletion and the causal effect are smaller than the margin",
    FEW_SEEDS: "fewer than three networks",
    UNDECIDED: "anything else",
}


@dataclass(frozen=True)
class ClaimTests:
    """What tests a claim besides relevance.

    Deletion of the ``regions`` is compared ``against`` another region, ``"exchange"`` (the same
    region by another token's times or tracks), or ``"share"`` (nothing: the share itself counts);
    ``cue`` is the continuum whose effect tests the claim, empty if none does.
    """

    claim: str
    regions: tuple[str, ...]
    against: str
    cue: str = ""


TESTS = (
    ClaimTests("stressed syllable", ("syllable_stressed",), "syllable_unstressed"),
    ClaimTests("stressed vowel", ("nucleus_stressed",), "consonants", "all"),
    ClaimTests("vowels", ("nucleus_unstressed",), "consonants", "all"),
    ClaimTests("F1", ("F1_stressed",), "exchange", "f1"),
    ClaimTests("F2", ("F2_stressed",), "exchange", "f2"),
    ClaimTests("F3", ("F3_stressed",), "exchange", "f3"),
    ClaimTests("F0", ("F0_stressed",), "exchange", "f0"),
    ClaimTests("throughout the word", ("syllable_unstressed", "consonants"), "share"),
)
"""In the order of the claims. Cues are changed as a relation between both vowels, so that no
continuum tests one syllable against the other; consonants are not changed."""


def overall(relevance: str, others: Sequence[str]) -> str:
    """The verdict on a claim from decisions on its relevance and on all else."""
    for decision in (relevance, *others):
        if decision not in (HOLDS, FAILS, OPEN, NOT_TESTED, FEW_SEEDS):
            raise ConfigError(f"no decision '{decision}'")
    if FEW_SEEDS in (relevance, *others):
        return FEW_SEEDS
    tested = {decision for decision in others if decision != NOT_TESTED}
    if relevance == HOLDS and FAILS in tested:
        return MAP_ONLY
    both = (relevance, tested.pop() if len(tested) == 1 else OPEN)
    agreed = {(HOLDS, HOLDS): CONSISTENT, (FAILS, HOLDS): MISSED, (FAILS, FAILS): REFUTED}
    return agreed.get(both, UNDECIDED)


COLUMNS = (  # Columns of `findings.csv`: a row per claim and deleted region
    *("claim", "verdict", "relevance", "deletion", "causal"),
    *("relevance_effect", "relevance_low", "relevance_high", "relevance_observed"),
    *("relevance_null", "relevance_beyond_energy"),
    *("relevance_beyond_energy_low", "relevance_beyond_energy_high"),
    *("region", "against", "deleted", "deleted_null", "deletion_effect"),
    *("deletion_low", "deletion_high", "cue", "causal_effect", "causal_low", "causal_high"),
    *("n_relevance", "n_deletion", "n_causal", "n_networks", "reason"),
    "may_conclude",
)


def findings_table(
    claims: pd.DataFrame, losses: pd.DataFrame, swings: pd.DataFrame
) -> pd.DataFrame:
    """The table of findings, with columns :data:`COLUMNS`.

    ``claims`` are those of one network over all tokens, from ``claims.csv``; ``losses`` come from
    :func:`stressnet.stages.findings.deletion.delete_regions`, with ``model``, ``speaker`` and
    ``family``; ``swings`` have ``model, token_id, speaker, family, stress, logit_difference, cue,
    swing``.
    """
    rows: list[dict[str, Any]] = []
    for test in TESTS:
        relevance = _relevance(claims, test)
        deletion = [_deletion_row(losses, test, region) for region in test.regions]
        causal = causal_row(swings, test.cue)
        decisions = [str(row["deletion"]) for row in deletion]
        said = verdict(decisions)
        for row, mine in zip(deletion, relevance, strict=False):
            rows.append(
                {
                    "claim": test.claim,
                    **mine,
                    **row,
                    **causal,
                    "deletion": said,
                    "n_networks": losses["model"].nunique(),
                    "verdict": overall(str(mine["relevance"]), [said, str(causal["causal"])]),
                    "may_conclude": may_conclude(test, said, str(causal["causal"])),
                }
            )
    return pd.DataFrame(rows)[list(COLUMNS)]


def _relevance(claims: pd.DataFrame, test: ClaimTests) -> list[dict[Any, Any]]:
    """The claim's primary criteria, one per deleted region."""
    rows = claims[(claims["claim"] == test.claim) & (claims["role"] == PRIMARY)]
    if rows.empty:
        raise ConfigError(f"no claim '{test.claim}' in the statistics; run 'stressnet stats' again")
    energy = claims[
        (claims["claim"] == test.claim)
        & (claims["criterion"] == "beyond the energy there")
        & (claims["null"] == EXCHANGE)
    ]
    beyond = {
        f"relevance_beyond_energy{limit}": float(energy[name].iloc[0]) if len(energy) else np.nan
        for name, limit in (("effect", ""), ("low", "_low"), ("high", "_high"))
    }
    names = {"verdict": "relevance", "compared_with": "relevance_null", "n_tokens": "n_relevance"}
    names |= {name: f"relevance_{name}" for name in ("effect", "low", "high", "observed")}
    table = rows[list(names)].rename(columns=names)
    return table.assign(**beyond).to_dict("records")


def may_conclude(test: ClaimTests, deletion: str, causal: str) -> str:
    """What a reader may conclude of a formant or F0; empty for other claims.

    Density, also per energy, says where a map lies. Deletion takes away energy and formant
    together; only moving the formant keeps the energy.
    """
    if test.against != EXCHANGE:
        return ""
    band = "the sound in its band counts, " if deletion == HOLDS else ""
    if causal == HOLDS:
        return f"{band}its frequency moves the answer"
    if causal == FAILS:
        return f"{band}its frequency hardly does" if band else "its frequency hardly counts"
    return f"{band}of its frequency nothing" if band else "nothing"


def _deletion_row(losses: pd.DataFrame, test: ClaimTests, region: str) -> dict[str, Any]:
    is_share = test.against == "share"
    other = (region, EXCHANGE) if test.against == EXCHANGE else (test.against, "")
    tables = [
        _paired(part, region, None if is_share else other)
        for _, part in losses.groupby("model", sort=False)
    ]
    row: dict[str, Any] = {"region": region, "against": test.against, "n_deletion": 0, "reason": ""}
    if not any(map(len, tables)):
        nothing = ("deleted", "deleted_null", "deletion_effect", "deletion_low", "deletion_high")
        return row | dict.fromkeys(nothing, np.nan) | {"deletion": OPEN}
    found, n = _jackknifed(tables, lambda table, kept: _deleted(table, kept, is_share))
    effect, margin = found[2], SHARE_MARGIN if is_share else DENSITY_MARGIN
    return row | {
        "n_deletion": n,
        "deleted": found.value[0],
        "deleted_null": np.nan if is_share else found.value[1],
        "deletion_effect": effect.value,
        "deletion_low": effect.low,
        "deletion_high": effect.high,
        "deletion": decide(effect.low, effect.high, margin, len(tables)),
        "reason": effect.reason,
    }


def _paired(part: pd.DataFrame, region: str, other: tuple[str, str] | None) -> pd.DataFrame:
    """A network's losses by a region and by what it is compared with, token by token."""
    keys = ["token_id", "speaker", "family", "evidence"]
    own = part[(part["region"] == region) & (part["null"] == "")]
    table = own[[*keys, "loss", "area"]]
    if other is None:
        return table.assign(other_loss=0.0, other_area=1.0)
    theirs = part[(part["region"] == other[0]) & (part["null"] == other[1])]
    theirs = theirs[["token_id", "loss", "area"]].rename(
        columns={"loss": "other_loss", "area": "other_area"}
    )
    return table.merge(theirs, on="token_id", validate="1:1")


def _deleted(table: pd.DataFrame, kept: FloatArray, is_share: bool) -> FloatArray:
    """Deleted share (or density), that of the null, and their difference, (n_sets, 3)."""
    names = ["loss", "area", "other_loss", "other_area", "evidence"]
    loss, area, other, other_area, evidence = table[names].to_numpy(np.float64).T @ kept
    n = kept.sum(axis=0)
    if is_share:
        share = loss / evidence
        return np.column_stack([share, np.zeros_like(share), share])
    one = loss / evidence / (area / n)
    two = other / evidence / (other_area / n)
    return np.column_stack([one, two, one - two])


def causal_row(swings: pd.DataFrame, cue: str) -> dict[str, Any]:
    """The causal effect of a cue or a group of cues, with its decision."""
    row: dict[str, Any] = {"cue": cue, "n_causal": 0, "causal": NOT_TESTED}
    row |= dict.fromkeys(("causal_effect", "causal_low", "causal_high"), np.nan)
    here = swings[(swings["cue"] == cue) & np.isfinite(swings["swing"])]
    if here.empty:
        return row
    tables = [part for _, part in here.groupby("model", sort=False)]
    found, n = _jackknifed(tables, lambda table, kept: share_of_distance(table, ["swing"], kept))
    effect = found[0]
    return row | {
        "n_causal": n,
        "causal_effect": effect.value,
        "causal_low": effect.low,
        "causal_high": effect.high,
        "causal": decide(effect.low, effect.high, CAUSAL_MARGIN, len(tables)),
    }


def share_of_distance(table: pd.DataFrame, swings: Sequence[str], kept: FloatArray) -> FloatArray:
    """Mean of columns of swings as a share of the distance between the classes of tokens.

    ``kept`` is 1 for the rows of each set, else 0, shape (n_rows, n_sets); the result has shape
    (n_sets, n_swings).
    """
    logit = table["logit_difference"].to_numpy(np.float64)
    initial = (table["stress"] == Stress.INITIAL.value).to_numpy(np.float64)
    with np.errstate(divide="ignore", invalid="ignore"):
        means = [(logit * of) @ kept / (of @ kept) for of in (initial, 1 - initial)]
        swing = table[list(swings)].to_numpy(np.float64).T @ kept / kept.sum(axis=0)
        return (swing / (means[0] - means[1])).T


def _jackknifed(
    tables: Sequence[pd.DataFrame], statistic: Callable[[pd.DataFrame, FloatArray], FloatArray]
) -> tuple[Inference, int]:
    """Mean over networks, with intervals over speakers, words and seeds, and number of tokens."""
    joined = pd.concat(tables)
    keys = [k for k in ("token_id", "speaker", "family", "stress") if k in joined]
    mean = joined.groupby(keys, sort=False, as_index=False).mean(numeric_only=True)
    found = jackknife(lambda kept: statistic(mean, kept), len(mean), clusters_of(mean))
    spread = Spread(found.error**2, found.df, found.reason, found.note)
    per_model = [statistic(table, np.ones((len(table), 1)))[0] for table in tables]
    return infer(found.value, add_seeds(spread, np.stack(per_model))), len(mean)


def findings_text(result: Any) -> str:
    """The table for people."""
    table = result.table
    head = f"{'claim':<20}{'relevance':>26}{'deletion':>26}{'causal effect':>26}  verdict"
    lines = [head]
    for row in table.to_dict("records"):
        cells = [
            _cell(row["relevance_effect"], row["relevance_low"], row["relevance_high"]),
            _cell(row["deletion_effect"], row["deletion_low"], row["deletion_high"]),
            _cell(row["causal_effect"], row["causal_low"], row["causal_high"]),
        ]
        marks = [_MARKS.get(str(row[kind]), "?") for kind in ("relevance", "deletion", "causal")]
        text = "".join(f"{f'{c} {m}':>26}" for c, m in zip(cells, marks, strict=True))
        lines.append(f"{row['claim']:<20}{text}  {row['verdict']}")
    lines.append(f"\n{'':<20}{'density / null':>26}{'density per energy / null':>26}  may conclude")
    for row in table[table["may_conclude"] != ""].to_dict("records"):
        density, energy = (
            _cell(*(row[f"relevance_{name}"] for name in names))
            for names in (
                ("effect", "low", "high"),
                [f"beyond_energy{limit}" for limit in ("", "_low", "_high")],
            )
        )
        lines.append(f"{row['claim']:<20}{density:>26}{energy:>26}  {row['may_conclude']}")
    lines.append("effect of moving a cue, or cues together, from end to end:")
    for row in result.cues.to_dict("records"):
        cell = _cell(row["causal_effect"], row["causal_low"], row["causal_high"])
        lines.append(f"  {row['cue']:<18}{cell:>26}  {row['causal']}, {row['n_causal']} tokens")
    lines.append(f"+ {HOLDS}, - {FAILS}, ? undecided; rules: docs/findings.md")
    return "\n".join(lines)


_MARKS: Mapping[str, str] = {HOLDS: "+", FAILS: "-", NOT_TESTED: " "}


def _cell(value: float, low: float, high: float) -> str:
    if not np.isfinite(value):
        return ""
    return f"{value:.2f} [{low:.2f}, {high:.2f}]"
