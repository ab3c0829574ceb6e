"""Claims: the rule of decision, and tables with known answers."""

from __future__ import annotations

import math

import pandas as pd
import pytest

from stressnet.errors import ConfigError
from stressnet.statistics.claims import (
    CLAIMS,
    COLUMNS,
    FAILS,
    HOLDS,
    OPEN,
    PRIMARY,
    claims_table,
    decide,
    verdict,
)

COUNTS = {"n_tokens": 100, "n_words": 50, "n_speakers": 20, "n_seeds": 1}
KEYS = {"network": "net", "stratum": "ALL", "level": "ALL"}


def test_the_rule() -> None:
    assert decide(1.11, 2.0, 1.1) == HOLDS
    assert decide(0.5, 1.09, 1.1) == FAILS
    assert decide(1.0, 1.2, 1.1) == OPEN
    assert decide(1.1, 1.2, 1.1) == OPEN  # touching the margin is not above it
    assert decide(math.nan, math.nan, 1.1) == OPEN
    assert verdict([HOLDS, HOLDS]) == HOLDS
    assert verdict([HOLDS, FAILS, OPEN]) == FAILS
    assert verdict([HOLDS, OPEN]) == OPEN
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
    assert all(any(c.role == PRIMARY for c in claim.criteria) for claim in CLAIMS)


def known_tables(f1: tuple[float, float], share: float = 0.3) -> dict[str, pd.DataFrame]:
    """F1 with a given interval against two nulls, one contrast, and shares."""
    low, high = f1
    base = {**KEYS, **COUNTS, "reason": "", "p_value": 0.001}
    null = {**base, "region": "F1_stressed", "measure": "density", "mean": 4.0, "null_mean": 2.0}
    limits = {"ratio": 2.0, "ratio_low": low, "ratio_high": high}
    nulls = [{**null, **limits, "null": n} for n in ("exchange", "untrained")]
    pair = {**base, "region": "syllable_stressed", "other": "syllable_unstressed"}
    pair |= {"measure": "density", "mean": 3.0, "other_mean": 1.5}
    pairs = [
        {**pair, "null": "", "ratio": 2.0, "ratio_low": 1.5, "ratio_high": 2.5},
        {**pair, "null": "exchange", "ratio": 1.0, "ratio_low": 0.9, "ratio_high": 1.05},
    ]
    shares = [
        {
            **base,
            "region": region,
            "measure": "positive_share",
            "mean": share,
            "mean_low": share - 0.05,
            "mean_high": share + 0.05,
        }
        for region in ("syllable_unstressed", "consonants")
    ]
    return {
        "summary": pd.DataFrame(shares),
        "nulls": pd.DataFrame(nulls),
        "contrasts": pd.DataFrame(pairs),
    }


def test_known_tables_give_known_verdicts() -> None:
    found = claims_table(known_tables((1.5, 2.5)))
    assert tuple(found.columns) == COLUMNS
    by_claim = found.drop_duplicates("claim").set_index("claim")["verdict"]
    assert by_claim["stressed syllable"] == HOLDS
    assert by_claim["F1"] == HOLDS
    assert by_claim["throughout the word"] == HOLDS
    assert by_claim["F2"] == OPEN  # not in the tables
    f2 = found[(found["claim"] == "F2") & (found["role"] == PRIMARY)].iloc[0]
    assert f2["reason"] == "the run lacks the region"
    syllable = found[found["claim"] == "stressed syllable"]
    assert syllable["controls"].iloc[0] == "0 of 1 hold"
    control = syllable[syllable["null"] == "exchange"].iloc[0]
    assert (control["observed"], control["compared_with"]) == (2.0, 2.0)
    untrained = found[(found["claim"] == "F1") & (found["null"] == "untrained")].iloc[0]
    assert untrained["role"] == "control"
    assert found[["n_tokens", "n_words", "n_speakers", "n_seeds"]].iloc[0].tolist() == [
        100,
        50,
        20,
        1,
    ]
    assert (found["p_holm"].dropna() >= found["p_value"][found["p_holm"].notna()]).all()


def test_margins_decide() -> None:
    tables = known_tables((1.05, 1.4), share=0.12)
    strict = claims_table(tables).drop_duplicates("claim").set_index("claim")["verdict"]
    assert strict["F1"] == OPEN
    assert strict["throughout the word"] == OPEN
    easy = claims_table(tables, ratio_margin=1.0, share_margin=0.05)
    easy = easy.drop_duplicates("claim").set_index("claim")["verdict"]
    assert easy["F1"] == HOLDS
    assert easy["throughout the word"] == HOLDS
    none = claims_table(known_tables((0.9, 1.05))).set_index("claim")["verdict"]
    assert none["F1"].iloc[0] == FAILS


def test_senseless_margins_are_refused() -> None:
    with pytest.raises(ConfigError, match="ratio margin"):
        claims_table(known_tables((1, 2)), ratio_margin=0.1)
    with pytest.raises(ConfigError, match="share margin"):
        claims_table(known_tables((1, 2)), share_margin=10)
