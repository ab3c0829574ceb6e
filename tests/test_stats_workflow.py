"""``stressnet stats``: the TOML, the folder, resuming, several seeds, the command line."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pandas as pd
import pytest
from stats_runs import make_run

from stressnet.cli import main
from stressnet.errors import ConfigError, CorpusError, FolderError
from stressnet.runs.manifest import read_manifest, write_manifest
from stressnet.stages.stats import run_statistics
from stressnet.stages.stats.run import TABLES
from stressnet.stages.stats.text import summary_text
from stressnet.statistics import analysis as stats_config
from stressnet.statistics.analysis import EXAMPLE, RunEntry, StatsConfig, parse_config, read_config
from stressnet.statistics.analysis_plan import networks_by_label
from stressnet.statistics.estimate import COLUMNS

SMALL = 'measures = ["density"]\nstrata = ["stress"]\nmodels = false\n'


def config_of(text: str, folder: Path) -> StatsConfig:
    return parse_config(tomllib.loads(text), folder / "stats.toml")


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_run(tmp_path_factory.mktemp("stats"), n_tokens=240)


@pytest.fixture(scope="module")
def seeds(run: Path) -> StatsConfig:
    """Two training seeds of one network and one of another."""
    other = make_run(run.parent / "second", n_tokens=240, shift=1.1, with_nulls=False)
    runs = [(run, "net", 0), (other, "net", 1), (run, "lone", 0)]
    text = SMALL + "".join(
        f'[[run]]\npath = "{path}"\nnetwork = "{name}"\nseed = {seed}\n'
        for path, name, seed in runs
    )
    return config_of(text, run.parent)


def test_the_example_is_valid_and_shows_the_defaults(tmp_path: Path) -> None:
    file = tmp_path / "stats.toml"
    file.write_text(EXAMPLE, encoding="utf-8")
    config = read_config(file)
    plain = StatsConfig(run=config.run)
    for name in ("measures", "regions", "nulls", "strata", "word_unit", "level", "claims"):
        assert getattr(config, name) == getattr(plain, name), name
    assert config.options == plain.options
    assert config.run[0].path == str(tmp_path / "run")
    lines = EXAMPLE.splitlines()
    entry = re.compile(r"# (\[\[|\w+ = )")
    uncommented = "\n".join(x.removeprefix("# ") if entry.match(x) else x for x in lines)
    parsed = config_of(uncommented, tmp_path)
    assert [r.seed for r in parsed.run] == [0, 1]
    assert parsed.model[0].name == "syllables_by_stress"
    assert parsed.level_pairs() == {"pair": [("prosody-only", "vowel-changing")]}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[[run]]\npath = 'a'\nnetwrk = 'b'", r"\[\[run\]\] has an unknown entry 'netwrk'"),
        ("regoins = []\n[[run]]\npath = 'a'", "unknown entry 'regoins'"),
        ("measures = []", r"lacks \[\[run\]\]"),
        ("[[run]]\nnetwork = 'a'", r"\[\[run\]\] lacks 'path'"),
        ("level = 95\n[[run]]\npath = 'a'", "level = 95.0 must lie between 0 and 1"),
        ("level = '0.9'\n[[run]]\npath = 'a'", "must be a number"),
        ("strata = 'stress'\n[[run]]\npath = 'a'", "must be a list of texts"),
        ("[run]\npath = 'a'", r"must be written \[\[run\]\]"),
        ("[[run]]\npath = 'a'\n[[model]]\nname = 'm'\nregion = 'x'", "needs either 'other'"),
        (
            "models = false\n[[run]]\npath = 'a'\n[[model]]\nname = 'm'\nregion = 'x'\nother = 'y'",
            "excludes",
        ),
        ("[claims]\nratio = 2\n[[run]]\npath = 'a'", "unknown entry 'ratio'"),
    ],
)
def test_mistakes_in_the_toml_are_named(text: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=message) as error:
        config_of(text, tmp_path)
    assert "\n" not in str(error.value)
    assert "stats.toml" in str(error.value)


def test_unreadable_toml_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be read"):
        read_config(tmp_path / "none.toml")
    (tmp_path / "bad.toml").write_text("[[run]\n", encoding="utf-8")
    with pytest.raises(ConfigError, match=r"bad\.toml: not valid TOML"):
        read_config(tmp_path / "bad.toml")


def test_tables_seeds_and_manifest(seeds: StatsConfig, tmp_path: Path) -> None:
    out = tmp_path / "out"
    result = run_statistics(seeds, out)
    for name in TABLES:
        assert (out / f"{name}.parquet").exists()
        stored = pd.read_csv(out / f"{name}.csv")
        if name in COLUMNS:
            assert tuple(stored.columns) == COLUMNS[name]
    summary = result.tables["summary"]
    here = summary[(summary["region"] == "F1_stressed") & (summary["level"] == "ALL")]
    by_network = here.set_index(["network", "measure"])
    both, lone = by_network.loc["net", "density"], by_network.loc["lone", "density"]
    assert (both["n_seeds"], lone["n_seeds"]) == (2, 1)
    assert both["n_tokens"] == lone["n_tokens"] == 240
    assert both["mean"] == pytest.approx(1.05 * lone["mean"])
    # Two seeds that differ by a tenth: the interval is about other seeds, too, and wider.
    assert both["se"] > lone["se"] or both["reason"].startswith("2 seeds disagree")
    text = summary_text(result)
    assert "n_seeds = 2 (training runs too)" in text
    assert "n_seeds = 1 (these weights only" in text
    assert "F0" in text
    manifest = read_manifest(out, "statistics")
    assert manifest["results"]["networks"]["net"]["seeds"] == [0, 1]
    assert not (out / "state").exists()
    with pytest.raises(FolderError, match="already holds"):
        run_statistics(seeds, out)


def test_an_interrupted_analysis_goes_on(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = (
        SMALL.replace("models = false\n", "")
        + f'[[run]]\npath = "{run}"\n'
        + (
            '[[model]]\nname = "syllables"\nregion = "syllable_stressed"\n'
            'other = "syllable_unstressed"\nfixed = ["stress"]\n'
        )
    )
    config = config_of(text, tmp_path)
    whole = run_statistics(config, tmp_path / "whole")

    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("stressnet.stages.stats.run.fit", stop)
        with pytest.raises(KeyboardInterrupt):
            run_statistics(config, tmp_path / "parts")
    assert list((tmp_path / "parts" / "state").glob("0-0-*.parquet"))
    with monkeypatch.context() as patch:
        patch.setattr("stressnet.stages.stats.run.accumulate", stop)  # must not sum again
        parts = run_statistics(config, tmp_path / "parts")
    for name in TABLES:
        pd.testing.assert_frame_equal(whole.tables[name], parts.tables[name])
    model = parts.tables["models"]
    assert model["converged"].all()
    assert model["ratio"][0] == pytest.approx(2.0, abs=0.3)
    for suffix in ("csv", "R"):
        assert (tmp_path / "parts" / "models" / f"run_syllables.{suffix}").exists()
    with pytest.raises(FolderError):
        run_statistics(
            config_of(text + "[claims]\nshare_margin = 0.2", tmp_path), tmp_path / "parts"
        )


def test_what_runs_lack_is_told(run: Path, tmp_path: Path) -> None:
    base = f'models = false\n[[run]]\npath = "{run}"\n'
    for text, message in (
        ('measures = ["loudness"]\n', "no measure 'loudness'"),
        ('regions = ["tongue"]\n', "no region 'tongue'"),
        ('nulls = ["void"]\n', "no null 'void'"),
        ('strata = ["dialect"]\n', "no stratum 'dialect'"),
    ):
        with pytest.raises(ConfigError, match=message):
            run_statistics(config_of(text + base, tmp_path), tmp_path / "out", overwrite=True)
    with pytest.raises(CorpusError, match="no finished stressnet relevance folder"):
        run_statistics(stats_config.config_for_run(tmp_path), tmp_path / "out")


def test_command(run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main(["stats", "--example"])
    assert capsys.readouterr().out == EXAMPLE
    with pytest.raises(SystemExit) as wrong:
        main(["stats"])
    assert wrong.value.code == 2
    capsys.readouterr()
    file = tmp_path / "stats.toml"
    file.write_text(SMALL + f'[[run]]\npath = "{run}"\nnetwork = "net"\n', encoding="utf-8")
    main(["stats", str(file), str(tmp_path / "out"), "--quiet"])
    shown = capsys.readouterr().out
    assert "stressed syllable" in shown
    assert "claims.csv" in shown
    file.write_text(file.read_text().replace("measures", "mesures"), encoding="utf-8")
    with pytest.raises(SystemExit) as failed:
        main(["stats", str(file), str(tmp_path / "other")])
    assert failed.value.code == 1
    assert capsys.readouterr().err.count("\n") == 1


def test_runs_know_their_network_wherever_they_are_read_from(tmp_path: Path) -> None:
    for seed in (0, 3):
        parameters = {"model": "nowhere", "network": {"architecture": "compact", "seed": seed}}
        (tmp_path / str(seed)).mkdir()
        write_manifest(tmp_path / str(seed), "relevance", parameters=parameters)
    config = StatsConfig(run=[RunEntry(str(tmp_path / name)) for name in ("0", "3")])
    assert [run.seed for run in networks_by_label(config)["compact"]] == [0, 3]
