"""Tables for R: what R reads is what the run holds, and its means are the summary's."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner
from report_runs import make_run

from stressnet.cli import cli
from stressnet.runs.tables import write_csv
from stressnet.stages.export_r.run import by_syllable
from stressnet.stages.measure import measure_corpus


def has_r() -> bool:
    """Whether R is here with what the script needs."""
    if shutil.which("Rscript") is None:
        return False
    check = "stopifnot(requireNamespace('lme4'), requireNamespace('ggplot2'))"
    return subprocess.run(["Rscript", "-e", check], capture_output=True).returncode == 0


@pytest.fixture(scope="module")
def exported(make_corpus, tmp_path_factory) -> tuple[Path, Path]:
    """A run, and what export-r made of it."""
    run = make_run(make_corpus, tmp_path_factory.getbasetemp() / "report-run")
    out = tmp_path_factory.mktemp("r") / "out"
    cues = measure_corpus(run.parent / "corpus", out.with_name("cues"), contours=3).path
    done = CliRunner().invoke(cli, ["export-r", str(run), str(out), "--measured", str(cues)])
    assert done.exit_code == 0, done.output
    assert "rows of relevance.csv" in done.output and "analysis.R" in done.output
    return run, out


def test_logicals_are_those_of_r_and_come_back(tmp_path: Path) -> None:
    table = pd.DataFrame({"yes": [True, False], "text": ["True", "x"]})
    write_csv(table, tmp_path / "t.csv")
    assert (tmp_path / "t.csv").read_text() == "yes,text\nTRUE,True\nFALSE,x\n"
    pd.testing.assert_frame_equal(pd.read_csv(tmp_path / "t.csv"), table.astype({"text": "str"}))
    table = pd.DataFrame({"known": pd.array([True, None], dtype="boolean")})
    write_csv(table, tmp_path / "u.csv")
    assert (tmp_path / "u.csv").read_text() == 'known\nTRUE\n""\n'


def test_tables_are_tidy(exported) -> None:
    out = exported[1]
    tokens, relevance = (pd.read_csv(out / f"{name}.csv") for name in ("tokens", "relevance"))
    assert tokens["token_id"].is_unique and tokens["correct"].dtype == bool
    assert "map_index" not in tokens and not {"word", "speaker"} & set(relevance)
    assert not relevance.duplicated(["token_id", "region"]).any()
    assert "## tokens.parquet" in (out / "data-dictionary.md").read_text(encoding="utf-8")


def test_cues_have_a_row_per_syllable() -> None:
    cues = pd.DataFrame(
        {
            "token_id": ["a", "b", "c"],
            "stress": ["INITIAL", "FINAL", None],
            "nucleus_1": ["AH0", "IY1", "ER0"],
            "nucleus_2": ["EH1", "AE0", "OW1"],
            "nucleus_1_f1_hz": [500.0, 300.0, 450.0],
            "nucleus_2_f1_hz": [600.0, np.nan, 550.0],
            "syllable_1_duration_s": [0.1, 0.2, 0.3],
            "syllable_2_duration_s": [0.4, 0.5, 0.6],
            "nucleus_log2ratio_f1": [0.0, 1.0, 2.0],
            "missing_reason": ["", "F1", ""],
        }
    )
    rows = by_syllable(cues)
    assert list(rows) == [
        *("token_id", "stress", "missing_reason", "syllable", "stressed"),
        *("vowel", "nucleus_f1_hz", "syllable_duration_s"),
    ]
    assert rows["syllable"].tolist() == [1, 2, 1, 2, 1, 2]
    assert rows["stressed"].tolist()[:4] == [True, False, False, True]
    assert rows["stressed"].isna().tolist()[4:] == [True, True]
    assert rows["vowel"].tolist() == ["AH0", "EH1", "IY1", "AE0", "ER0", "OW1"]
    assert rows["nucleus_f1_hz"].tolist()[:3] == [500.0, 600.0, 300.0]


def test_cues_of_longer_words_have_a_row_for_each_of_their_syllables() -> None:
    vowels = {"nucleus_1": ["AH0", "OW0"], "nucleus_2": ["AE1", "EH1"], "nucleus_3": ["AH0", None]}
    stress = ["PENULTIMATE", "FINAL"]
    cues = pd.DataFrame({"token_id": ["banana", "hotel"], "stress": stress, **vowels})
    rows = by_syllable(cues)
    assert rows["token_id"].tolist() == ["banana"] * 3 + ["hotel"] * 2
    assert rows["stressed"].tolist() == [False, True, False, False, True]


@pytest.mark.skipif(not has_r(), reason="R with lme4 and ggplot2 is not here")
def test_r_finds_the_means_of_the_summary(exported) -> None:
    run, out = exported
    subprocess.run(["Rscript", "analysis.R"], cwd=out, check=True, capture_output=True)
    for name in ("relevance.pdf", "contours.pdf"):
        assert (out / name).stat().st_size > 1000
    found = pd.read_csv(out / "table.csv").set_index("region")
    relevance = pd.read_parquet(run / "relevance.parquet")
    for region, row in found.iterrows():
        own = relevance[(relevance["region"] == region)].dropna(
            subset=["positive_share", "null_positive_share"]
        )
        assert row["n_tokens"] == len(own)
        assert row["mean"] == pytest.approx(own["positive_share"].mean(), rel=1e-9)
        assert row["null_mean"] == pytest.approx(own["null_positive_share"].mean(), rel=1e-9)
