"""Statistics block by block: the same numbers as in memory, whatever the blocks, and refusals."""

from __future__ import annotations

import tracemalloc
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from stats_runs import REGIONS, make_run

from stressnet.errors import ConfigError, CorpusError
from stressnet.runs.tables import write_parquet
from stressnet.statistics import stream, summarise
from stressnet.statistics.accumulate import NetworkRuns, Plan, accumulate, passes, scan
from stressnet.statistics.estimate import tables
from stressnet.statistics.strata import get_strata, tertile_limits
from stressnet.statistics.stream import RunTables, open_run

STRATA = ("stress", "pair", "unstressed_vowel", "vowel", "sex", "corpus", "duration", "pair+stress")


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_run(tmp_path_factory.mktemp("stream"))


def analyse(
    path: Path, strata: tuple[str, ...] = ("stress",), **plan: object
) -> tuple[NetworkRuns, dict[str, pd.DataFrame]]:
    network = scan("net", [open_run(path)], [0], strata)
    nulls = {"density": ("exchange", "untrained", "time_shift"), "pointing": ("chance",)}
    share = ("exchange",)
    nulls |= {"positive_share": share, "energy_share": share}
    settings = {
        "measures": ("density", "positive_share", "energy_share", "pointing"),
        "pairs": {"density": (("syllable_stressed", "syllable_unstressed"),)},
        "nulls": nulls,
    }
    full = Plan(REGIONS, strata=("ALL", *strata), **{**settings, **plan})  # type: ignore[arg-type]
    parts = [
        tables(network, full, accumulate(network, full, p), 0.95) for p in passes(network, full)
    ]
    return network, {
        name: pd.concat([t[name] for t in parts if len(t[name])], ignore_index=True)
        for name in parts[0]
    }


def row(table: pd.DataFrame, **keys: str) -> pd.Series:
    for name, value in keys.items():
        table = table[table[name] == value]
    assert len(table) == 1
    return table.iloc[0]


def test_numbers_equal_the_summary_in_memory(run: Path) -> None:
    _, found = analyse(run)
    rows = pd.read_parquet(run / "relevance.parquet").merge(
        pd.read_parquet(run / "tokens.parquet"), on="token_id"
    )
    expected = summarise(rows, measures=["density"])
    for stress, level in (("ALL", "ALL"), ("INITIAL", "INITIAL")):
        for region in REGIONS:
            ours = row(found["summary"], level=level, region=region, measure="density")
            theirs = row(expected, stress=stress, region=region)
            for a, b in (("mean", "mean"), ("mean_low", "mean_low"), ("n_tokens", "n_tokens")):
                assert ours[a] == pytest.approx(theirs[b])
            null = row(
                found["nulls"], level=level, region=region, measure="density", null="exchange"
            )
            for name in ("null_mean", "difference_low", "ratio_high", "p_value", "p_holm"):
                assert null[name] == pytest.approx(theirs[name])


def test_known_effects_are_found(run: Path) -> None:
    _, found = analyse(run)
    stressed = row(found["contrasts"], level="ALL", null="", aspect="")
    assert stressed["ratio_low"] < 2.0 < stressed["ratio_high"]
    assert stressed["p_holm"] < 1e-4
    assert stressed["n_tokens"] == 299  # one token lacks the stressed syllable
    assert (stressed["n_words"], stressed["n_speakers"], stressed["n_seeds"]) == (20, 20, 1)
    nulls = found["nulls"][found["nulls"]["level"] == "ALL"]
    f1 = row(nulls, region="F1_stressed", measure="density", null="exchange")
    assert f1["ratio_low"] < 2.0 < f1["ratio_high"]
    assert f1["p_value"] <= f1["p_bh"] <= f1["p_holm"]
    f2 = row(nulls, region="F2_stressed", measure="density", null="exchange")
    assert f2["ratio_low"] < 1.0 < f2["ratio_high"]
    per_energy = row(nulls, region="F1_stressed", measure="share_per_energy", null="exchange")
    assert per_energy["ratio_low"] < 2.0 < per_energy["ratio_high"]
    missing = row(found["summary"], level="ALL", region=REGIONS[0], measure="density")
    assert missing["n_missing"] == 1


def test_other_nulls_and_chance_levels(run: Path) -> None:
    _, found = analyse(run)
    nulls = found["nulls"][(found["nulls"]["level"] == "ALL")]
    untrained = row(nulls, region="F1_stressed", measure="density", null="untrained")
    assert untrained["null_mean"] == pytest.approx(1.0)  # draws of 1.5 and 0.5
    assert untrained["n_tokens"] == 150  # every second token has this null
    assert (
        row(nulls, region="F1_stressed", measure="density", null="time_shift")["null_mean"] == 2.0
    )
    pointing = row(nulls, region="F1_stressed", measure="pointing", null="chance")
    assert pointing["null_mean"] == 0.5
    assert pointing["difference_low"] > 0.3
    both = found["contrasts"]
    assert set(both["null"]) == {"", "exchange", "untrained", "time_shift"}


def test_blocks_and_passes_change_nothing(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    strata = ("stress", "sex")
    _, whole = analyse(run, strata)
    monkeypatch.setattr(stream, "ROWS_PER_BLOCK", 500)
    monkeypatch.setattr("stressnet.statistics.accumulate.MEMORY_BUDGET", 1)
    network = scan("net", [open_run(run)], [0], strata)
    plan = Plan(REGIONS, ("density",), ("ALL", *strata))
    assert len(passes(network, plan)) == 3
    _, parts = analyse(run, strata)
    for name, table in whole.items():
        pd.testing.assert_frame_equal(table, parts[name], rtol=1e-9)


def test_strata_sort_tokens_as_they_say(run: Path) -> None:
    network, found = analyse(run, STRATA)
    tokens = pd.read_parquet(run / "tokens.parquet")
    corpus = pd.read_parquet(run.parent / "corpus" / "tokens.parquet")
    tokens = tokens.merge(corpus, on="token_id")
    sizes = found["summary"][
        (found["summary"]["measure"] == "pointing") & (found["summary"]["region"] == REGIONS[1])
    ].set_index(["stratum", "level"])["n_tokens"]
    pair = tokens["is_minimal_pair"]
    assert sizes["pair", "prosody-only"] == (pair & tokens["is_prosody_only_pair"]).sum()
    assert sizes["pair", "no pair"] == (~pair).sum()
    unstressed = tokens["nucleus_2"].where(tokens["stress"] == "INITIAL", tokens["nucleus_1"])
    assert sizes["unstressed_vowel", "reduced"] == unstressed.isin(["AH0", "ER0"]).sum()
    assert network.levels["vowel"] == ["AE", "AH", "ER", "IY"]
    assert network.levels["sex"] == ["female"]  # unknown sex is no level
    assert network.levels["corpus"] == ["tones"]
    thirds = [sizes["duration", name] for name in ("short", "medium", "long")]
    assert sum(thirds) == 300
    assert max(thirds) - min(thirds) <= 8
    assert network.levels["pair+stress"][0] == "prosody-only, INITIAL"
    apart = found["strata_contrasts"]
    assert {"stress", "pair", "duration"} <= set(apart["stratum"])


def test_tertiles_of_a_histogram() -> None:
    counts = np.zeros(1000, dtype=np.intp)
    counts[[100, 200, 300, 400, 500, 600]] = 5
    assert tertile_limits(counts) == (pytest.approx(0.201), pytest.approx(0.401))


def test_memory_does_not_grow_with_tokens(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stream, "ROWS_PER_BLOCK", 1000)
    peaks = []
    for n_tokens in (1000, 8000):
        path = make_run(tmp_path / str(n_tokens), n_tokens=n_tokens, with_nulls=False)
        network = scan("net", [open_run(path)], [0], ("stress",))
        plan = Plan(REGIONS, ("density",), ("ALL", "stress"))
        tracemalloc.start()
        accumulate(network, plan, plan.jobs())
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < 1.5 * peaks[0] + 2**20


def test_tables_in_another_order_are_refused(run: Path, tmp_path: Path) -> None:
    path = make_run(tmp_path)
    rows = pd.read_parquet(path / "relevance.parquet")
    write_parquet(rows.iloc[::-1], path / "relevance.parquet")
    small = pd.read_parquet(path / "tokens.parquet")
    monster = scan("net", [open_run(path)], [0], ())
    plan = Plan(REGIONS, ("density",), ("ALL",), nulls={"density": ("untrained",)})
    with pytest.raises(CorpusError, match=r"nulls\.parquet: its tokens are not in the order"):
        accumulate(monster, plan, plan.jobs())
    write_parquet(rows, path / "relevance.parquet")
    write_parquet(small.iloc[10:], path / "tokens.parquet")
    fewer = scan("net", [open_run(path)], [0], ())
    with pytest.raises(CorpusError, match="does not hold the token t00000"):
        accumulate(fewer, plan, plan.jobs())


def test_a_region_twice_is_refused(tmp_path: Path) -> None:
    path = make_run(tmp_path, n_tokens=60)
    rows = pd.read_parquet(path / "relevance.parquet")
    write_parquet(rows.iloc[np.r_[0, 0 : len(rows)]], path / "relevance.parquet")
    network = scan("net", [open_run(path)], [0], ())
    plan = Plan(REGIONS, ("density",), ("ALL",))
    with pytest.raises(CorpusError, match="t00000 or one after it has a region twice"):
        accumulate(network, plan, plan.jobs())


def test_a_token_without_relevance_does_not_shift_the_others(tmp_path: Path) -> None:
    path = make_run(tmp_path, n_tokens=80)
    rows = pd.read_parquet(path / "relevance.parquet")
    write_parquet(rows[rows["token_id"] != "t00005"], path / "relevance.parquet")
    _, found = analyse(path)
    rows = rows.merge(pd.read_parquet(path / "tokens.parquet"), on="token_id")
    kept = rows[(rows["token_id"] != "t00005") & (rows["region"] == REGIONS[1])]
    for stress, part in kept.groupby("stress"):
        ours = row(found["summary"], level=str(stress), region=REGIONS[1], measure="density")
        assert ours["mean"] == pytest.approx(part["density"].mean())


def test_errors_name_what_is_wrong(run: Path, tmp_path: Path) -> None:
    opened = open_run(run)
    with pytest.raises(ConfigError, match="no stratum 'dialect'"):
        scan("net", [opened], [0], ("dialect",))
    with pytest.raises(ConfigError, match="more than 60 levels"):
        scan("net", [opened], [0], ("duration_s",))
    with pytest.raises(ConfigError, match="two runs of one training seed"):
        scan("net", [opened, opened], [0, 0], ())
    bare = RunTables(run)
    with pytest.raises(ConfigError, match="'vowel' needs the column nucleus_1"):
        get_strata(["vowel"], bare.token_columns)
    with pytest.raises(CorpusError, match="no finished stressnet relevance folder"):
        open_run(tmp_path)
    (tmp_path / "relevance.parquet").write_text("no parquet")
    with pytest.raises(CorpusError, match=r"cannot be read as a table .*; correct it, or make"):
        _ = RunTables(tmp_path).measures
