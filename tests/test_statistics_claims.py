"""Claims: the rule of decision, tables with known answers, and maps with known answers."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from stats_runs import make_run

from stressnet.errors import ConfigError
from stressnet.stages.stats import run_statistics
from stressnet.statistics.analysis import RunEntry, StatsConfig
from stressnet.statistics.claims import (
    CLAIMS,
    COLUMNS,
    FAILS,
    FEW_SEEDS,
    HOLDS,
    NOT_TESTED,
    OPEN,
    PRIMARY,
    claims_table,
    decide,
    verdict,
)

COUNTS = {"n_tokens": 100, "n_words": 50, "n_speakers": 20, "n_seeds": 3, "n_draws": 5}
KEYS = {"network": "net", "stratum": "ALL", "level": "ALL"}
UNTRAINED, INPUT = (1.3, 1.2, 1.4, 1.3, 1.3), (1.3,)


def test_the_rule() -> None:
    assert decide(1.11, 2.0, 1.1, 3) == HOLDS
    assert decide(0.5, 1.09, 1.1, 3) == FAILS
    assert decide(1.0, 1.2, 1.1, 3) == OPEN
    assert decide(1.1, 1.2, 1.1, 3) == OPEN  # touching the margin is not above it
    assert decide(math.nan, math.nan, 1.1, 3) == OPEN
    assert decide(1.11, 2.0, 1.1, 2) == FEW_SEEDS
    assert verdict([HOLDS, HOLDS]) == HOLDS
    assert verdict([HOLDS, FAILS, OPEN]) == FAILS
    assert verdict([HOLDS, OPEN]) == OPEN
    assert verdict([HOLDS, NOT_TESTED]) == NOT_TESTED
    assert verdict([FEW_SEEDS, NOT_TESTED]) == NOT_TESTED
    assert verdict([FEW_SEEDS, FEW_SEEDS]) == FEW_SEEDS
    assert verdict([]) == OPEN


def test_claims_are_in_the_order_of_the_paper() -> None:
    names = [claim.name for claim in CLAIMS]
    assert names == [
        "stressed syllable",
        "stressed vowel",
        "vowels",
        "F1",
        "F2",
        "F3",
        "F0",
        "throughout the word",
    ]
    for claim in CLAIMS:
        nulls = {c.null for c in claim.criteria if c.role == PRIMARY}
        assert nulls >= {"untrained", "input"} or claim.name == "throughout the word"


def known_tables(f1: tuple[float, float], share: float = 0.3) -> dict[str, pd.DataFrame]:
    """F1 with a given interval against the exchange and the controls, one contrast, and shares."""
    low, high = f1
    base = {**KEYS, **COUNTS, "reason": ""}
    middle = math.sqrt(low * high)
    limits = {"ratio": middle, "ratio_low": low, "ratio_high": high, "ratio_df": 50.0}
    limits["ratio_se"] = middle * math.log(high / low) / 2 / 2.0086  # t of 50 degrees of freedom
    null = {**base, "region": "F1_stressed", "measure": "density", "mean": 4.0, "null_mean": 2.0}
    per = {**null, "measure": "density_per_exchange"}
    nulls = [
        {**null, **limits, "null": "exchange"},
        {**null, **limits, "null": "permuted"},
        *({**per, **limits, "null": name} for name in ("untrained", "input")),
    ]
    pair = {**base, "region": "syllable_stressed", "other": "syllable_unstressed"}
    pair |= {"measure": "density", "mean": 3.0, "other_mean": 1.5, "ratio_df": 50.0}
    twice = {"ratio": 2.0, "ratio_low": 1.5, "ratio_high": 2.7, "ratio_se": 0.3}
    pairs = [
        {**pair, **twice, "aspect": aspect, "null": null}
        for aspect in ("", "stress", "position")
        for null in ("", "untrained", "input")
    ]
    same = {"ratio": 1.0, "ratio_low": 0.9, "ratio_high": 1.05, "ratio_se": 0.04}
    pairs.append({**pair, **same, "aspect": "stress", "null": "exchange"})
    shares = [
        {
            **base,
            "region": region,
            "measure": "positive_share",
            "mean": share,
            "mean_low": share - 0.05,
            "mean_high": share + 0.05,
            "se": 0.025,
            "df": 50.0,
        }
        for region in ("syllable_unstressed", "consonants")
    ]
    return {
        "summary": pd.DataFrame(shares),
        "nulls": pd.DataFrame(nulls),
        "contrasts": pd.DataFrame(pairs),
    }


def verdicts(table: pd.DataFrame) -> pd.Series:
    return table[table["stratum"] == "ALL"].drop_duplicates("claim").set_index("claim")["verdict"]


def test_known_tables_give_known_verdicts() -> None:
    found = claims_table(known_tables((1.5, 2.5)))
    assert tuple(found.columns) == COLUMNS
    by_claim = verdicts(found)
    assert by_claim["stressed syllable"] == HOLDS
    assert by_claim["F1"] == HOLDS
    assert by_claim["throughout the word"] == HOLDS
    assert by_claim["F2"] == NOT_TESTED  # not in the tables
    f2 = found[(found["claim"] == "F2") & (found["role"] == PRIMARY)].iloc[0]
    assert f2["reason"] == "the run lacks the region"
    syllable = found[found["claim"] == "stressed syllable"]
    assert syllable["controls"].iloc[0] == "2 of 3 hold"
    control = syllable[syllable["null"] == "exchange"].iloc[0]
    assert (control["observed"], control["compared_with"]) == (2.0, 2.0)
    permuted = found[(found["claim"] == "F1") & (found["null"] == "permuted")].iloc[0]
    assert permuted["role"] == "control"
    counts = ["n_tokens", "n_words", "n_speakers", "n_seeds", "n_draws"]
    assert found[counts].iloc[0].tolist() == list(COUNTS.values())


def test_margins_decide_and_are_what_is_tested() -> None:
    tables = known_tables((1.05, 1.4), share=0.12)
    strict = claims_table(tables)
    assert verdicts(strict)["F1"] == OPEN
    assert verdicts(strict)["throughout the word"] == OPEN
    f1 = strict[(strict["claim"] == "F1") & (strict["role"] == PRIMARY)].iloc[0]
    assert f1["p_value"] > 0.05  # though the ratio is clearly not 1
    easy = verdicts(claims_table(tables, ratio_margin=1.0, share_margin=0.05))
    assert easy["F1"] == HOLDS
    assert easy["throughout the word"] == HOLDS
    assert verdicts(claims_table(known_tables((0.9, 1.05))))["F1"] == FAILS


def test_a_verdict_needs_the_corrected_test() -> None:
    found = claims_table(known_tables((1.101, 1.6)))  # just above the margin: p a little below 0.05
    f1 = found[(found["claim"] == "F1") & (found["role"] == PRIMARY)]
    assert set(f1["decision"]) == {HOLDS}
    assert f1["p_value"].iloc[0] < 0.05 < f1["p_value"].iloc[0] * 2
    assert f1["p_holm"].iloc[0] == pytest.approx(f1["p_value"].iloc[0])  # the largest of three
    harder = known_tables((1.101, 1.6))
    harder["summary"]["mean"] = 0.101  # a second claim whose p is larger: factor two
    found = claims_table(harder)
    f1 = found[(found["claim"] == "F1") & (found["role"] == PRIMARY)]
    assert f1["p_holm"].iloc[0] == pytest.approx(2 * f1["p_value"].iloc[0])
    assert set(f1["decision"]) == {HOLDS}
    assert set(f1["verdict"]) == {OPEN}


def test_without_five_untrained_networks_nothing_holds() -> None:
    tables = known_tables((1.5, 2.5))
    tables["nulls"]["n_draws"] = 4
    found = claims_table(tables)
    assert verdicts(found)["F1"] == NOT_TESTED
    reason = found[(found["claim"] == "F1") & (found["null"] == "untrained")]["reason"].iloc[0]
    assert reason == "4 untrained networks: fewer than 5"
    tables["nulls"] = tables["nulls"][tables["nulls"]["null"] == "exchange"]
    found = claims_table(tables)
    assert verdicts(found)["F1"] == NOT_TESTED
    reason = found[(found["claim"] == "F1") & (found["null"] == "untrained")]["reason"].iloc[0]
    assert "--untrained 5" in reason


def test_two_seeds_give_no_verdict() -> None:
    tables = known_tables((1.5, 2.5))
    for table in tables.values():
        table["n_seeds"] = 2
    assert set(verdicts(claims_table(tables))) == {FEW_SEEDS, NOT_TESTED}
    assert verdicts(claims_table(tables))["throughout the word"] == FEW_SEEDS


def test_senseless_margins_are_refused() -> None:
    with pytest.raises(ConfigError, match="ratio margin"):
        claims_table(known_tables((1, 2)), ratio_margin=0.1)
    with pytest.raises(ConfigError, match="share margin"):
        claims_table(known_tables((1, 2)), share_margin=10)


def claims_of(
    folder: Path,
    controls: Mapping[str, Sequence[float]],
    n_seeds: int = 3,
    first_syllable: float = 1.0,
) -> dict[str, pd.DataFrame]:
    """All tables of some runs whose map has twice the density around F1, and F2 as elsewhere."""
    runs = [
        make_run(folder / str(k), controls=controls, first_syllable=first_syllable, seed=k)
        for k in range(n_seeds)
    ]
    config = StatsConfig(
        run=[RunEntry(str(path), "net", k) for k, path in enumerate(runs)],
        measures=["density"],
        strata=["stress"],
        model=[],
    )
    return run_statistics(config, folder / "stats").tables


def test_a_map_that_follows_f1_more_than_the_controls_passes(tmp_path: Path) -> None:
    tables = claims_of(tmp_path, {"untrained": UNTRAINED, "input": INPUT})
    found = tables["claims"]
    assert verdicts(found)["F1"] == HOLDS
    assert verdicts(found)["stressed vowel"] == HOLDS
    assert verdicts(found)["F2"] == FAILS  # as dense as elsewhere
    f1 = found[(found["claim"] == "F1") & (found["stratum"] == "ALL")].set_index("null")
    assert f1.loc["untrained", "n_draws"] == len(UNTRAINED)
    geometric = math.exp(np.log(UNTRAINED).mean())
    assert f1.loc["untrained", "effect"] == pytest.approx(2.0 / geometric, rel=0.05)
    assert f1.loc["input", "effect"] == pytest.approx(2.0 / 1.3, rel=0.05)
    # Networks that differ more make the comparison less certain.
    width = np.log(f1["high"] / f1["low"])
    assert width["untrained"] > width["input"]


def test_what_untrained_networks_show_too_is_no_finding(tmp_path: Path) -> None:
    """An untrained network's own map, and a map that follows the sound like the input does."""
    untrained = claims_of(tmp_path / "a", {"untrained": [2.0] * 5, "input": INPUT})["claims"]
    loud = claims_of(tmp_path / "b", {"untrained": UNTRAINED, "input": (2.0,)})["claims"]
    for found, null in ((untrained, "untrained"), (loud, "input")):
        rows = found[(found["claim"] == "F1") & (found["stratum"] == "ALL")]
        rows = rows[rows["role"] == PRIMARY].set_index("null")
        assert rows.loc["exchange", "decision"] == HOLDS
        assert rows.loc[null, "decision"] == FAILS
        assert set(rows["verdict"]) == {FAILS}


def test_stress_and_position_apart(tmp_path: Path) -> None:
    """A map that is dense in stressed syllables, and thrice as dense in first ones."""
    controls = {"untrained": UNTRAINED, "input": INPUT}
    tables = claims_of(tmp_path, controls, first_syllable=3.0)
    table = tables["contrasts"][tables["contrasts"]["measure"] == "density"]
    rows = table[(table["region"] == "syllable_stressed") & (table["null"] == "")]
    ratio = rows[rows["stratum"] == "ALL"].set_index("aspect")["ratio"]
    by_class = rows[rows["stratum"] == "stress"].set_index("level")["ratio"]
    assert ratio["stress"] == pytest.approx(2.0, rel=0.05)
    assert ratio["position"] == pytest.approx(3.0, rel=0.05)
    assert ratio["stress"] == pytest.approx(math.sqrt(by_class["INITIAL"] * by_class["FINAL"]))
    assert ratio["position"] == pytest.approx(math.sqrt(by_class["INITIAL"] / by_class["FINAL"]))
    assert rows.set_index("aspect")["ratio_low"].notna().all()
    found = tables["claims"]
    assert verdicts(found)["stressed syllable"] == HOLDS
    final = found[(found["level"] == "FINAL") & (found["claim"] == "stressed syllable")]
    assert "needs words of both classes" in set(final["reason"])
