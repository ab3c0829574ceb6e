"""The summary table: known means, the null, counts, and independence of row order."""

from __future__ import annotations

import time

import numpy as np
import pandas as pd
import pytest

from stressnet.errors import ConfigError
from stressnet.statistics import contrast, summarise
from stressnet.statistics.summary import SUMMARY_COLUMNS


def make_table(n_tokens: int = 400, n_speakers: int = 20, n_regions: int = 3) -> pd.DataFrame:
    """Region 0 is twice as dense as its null, the others as dense."""
    rng = np.random.default_rng(0)
    token = np.repeat(np.arange(n_tokens), n_regions)
    region = np.tile(np.arange(n_regions), n_tokens)
    speaker = token % n_speakers
    null = rng.gamma(20, 0.05, len(token)) * (1 + 0.1 * rng.standard_normal(n_speakers)[speaker])
    noise = rng.gamma(20, 0.05, len(token)) * (1 + 0.1 * rng.standard_normal(n_speakers)[speaker])
    return pd.DataFrame(
        {
            "token_id": [f"t{t}" for t in token],
            "word": [f"w{t % 37}" for t in token],
            "speaker": [f"s{s}" for s in speaker],
            "stress": np.where(token % 4 == 0, "FINAL", "INITIAL"),
            "region": [f"r{r}" for r in region],
            "density": np.where(region == 0, 2.0, 1.0) * noise,
            "null_density": null,
            "energy_share": 0.25,
        }
    )


def row(summary: pd.DataFrame, region: str, stress: str, measure: str = "density") -> pd.Series:
    keys = (summary.region == region) & (summary.stress == stress) & (summary.measure == measure)
    assert keys.sum() == 1
    return summary[keys].iloc[0]


def test_means_ratios_and_decisions() -> None:
    table = make_table()
    summary = summarise(table)
    assert tuple(summary.columns) == SUMMARY_COLUMNS
    assert len(summary) == 3 * 3 * 2
    dense, even = row(summary, "r0", "ALL"), row(summary, "r1", "ALL")
    values = table.loc[table.region == "r0", "density"]
    assert dense["mean"] == pytest.approx(values.mean())
    assert dense["mean_low"] < dense["mean"] < dense["mean_high"]
    assert dense["ratio"] == pytest.approx(2.0, abs=0.2)
    assert dense["ratio_low"] > 1.7
    assert dense["p_holm"] < 0.01
    assert even["ratio_low"] < 1.0 < even["ratio_high"]
    assert even["difference_low"] < 0.0 < even["difference_high"]
    assert even["p_holm"] > 0.05
    energy = row(summary, "r0", "ALL", "energy_share")
    assert energy["mean"] == energy["mean_low"] == energy["mean_high"] == 0.25
    assert np.isnan(energy["p_value"])
    assert np.isnan(energy["ratio"])


def test_every_row_says_how_many() -> None:
    table = make_table()
    table.loc[(table.region == "r2") & (table.speaker == "s3"), ["density", "null_density"]] = (
        np.nan
    )
    summary = summarise(table)
    full, gap = row(summary, "r0", "ALL"), row(summary, "r2", "ALL")
    assert (full.n_tokens, full.n_words, full.n_speakers, full.n_missing) == (400, 37, 20, 0)
    assert (gap.n_tokens, gap.n_speakers, gap.n_missing) == (380, 19, 20)
    final = row(summary, "r0", "FINAL")
    assert final.n_tokens == 100
    assert final.n_speakers == 5


def test_null_is_compared_over_the_same_tokens() -> None:
    table = make_table()
    late = (table.region == "r1") & (table.word > "w2")
    table.loc[late, "density"] += 100  # tokens without a null must not enter the difference
    table.loc[late, "null_density"] = np.nan
    found = row(summarise(table), "r1", "ALL")
    assert found["mean"] > 50
    assert abs(found["difference"]) < 0.2


def test_order_of_rows_does_not_matter() -> None:
    table = make_table()
    shuffled = table.sample(frac=1, random_state=1)
    a = summarise(table).set_index(["region", "stress", "measure"]).sort_index()
    b = summarise(shuffled).set_index(["region", "stress", "measure"]).sort_index()
    pd.testing.assert_frame_equal(a, b, rtol=1e-9)


def test_signed_quantities_have_no_ratio() -> None:
    table = make_table()
    table["signed_share"] = table["density"] - 1.0
    table["null_signed_share"] = table["null_density"] - 1.0
    found = row(summarise(table), "r0", "ALL", "signed_share")
    assert np.isnan(found["ratio"])
    assert found["difference_low"] > 0.8


def test_contrast_pairs_regions_within_tokens() -> None:
    table = make_table()
    found = contrast(table, [("r0", "r1"), ("r1", "r2")])
    assert found["difference"][0] == pytest.approx(1.0, abs=0.1)
    assert found["p_holm"][0] < 0.01
    assert found["difference_low"][1] < 0 < found["difference_high"][1]
    assert found["n_tokens"].tolist() == [400, 400]
    with pytest.raises(ConfigError, match="no region tongue"):
        contrast(table, [("r0", "tongue")])


def test_bad_tables_are_refused() -> None:
    table = make_table(20, 5)
    with pytest.raises(ConfigError, match="lacks column speaker"):
        summarise(table.drop(columns="speaker"))
    with pytest.raises(ConfigError, match="without speaker"):
        summarise(table.assign(speaker=None))
    with pytest.raises(ConfigError, match="twice"):
        summarise(pd.concat([table, table]))
    with pytest.raises(ConfigError, match="no rows"):
        summarise(table.iloc[:0])


def test_thousands_of_tokens_take_seconds() -> None:
    table = make_table(3000, 170, 35)
    start = time.process_time()
    summarise(table, measures=["density", "energy_share"])
    assert time.process_time() - start < 20


def test_means_that_cannot_be_negative_have_no_negative_limits() -> None:
    table = make_table(n_speakers=6)
    loud = table["speaker"] == "s0"
    table["density"] = np.where(loud, 50.0, 0.01)
    table["signed_share"] = np.where(loud, 50.0, 0.01)
    table["null_signed_share"] = 0.0
    found = summarise(table)
    assert row(found, "r0", "ALL")["mean_low"] == 0.0
    assert row(found, "r0", "ALL", "signed_share")["mean_low"] < 0.0
