"""Mixed models: known coefficients come back, R agrees, failures are told."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from stressnet.errors import ConfigError
from stressnet.statistics import mixed
from stressnet.statistics.mixed import Design, design, fit
from stressnet.statistics.mixed_tables import COLUMNS, fit_rows, r_script

EFFECTS = {"Intercept": 0.5, "stress[INITIAL - FINAL]": -0.4, "sex[female - male]": 0.2}
SDS = {"speaker": 0.3, "word": 0.6, "residual": 0.9}


def tokens(seed: int = 0, n: int = 900, n_speakers: int = 40, n_words: int = 70) -> pd.DataFrame:
    """Data of a model with :data:`EFFECTS` and :data:`SDS`, speakers and words crossed."""
    rng = np.random.default_rng(seed)
    speaker, word = rng.integers(0, n_speakers, n), rng.integers(0, n_words, n)
    stress = np.where(word % 2 == 0, "INITIAL", "FINAL")
    sex = np.where(speaker % 2 == 0, "female", "male")
    y = EFFECTS["Intercept"] + SDS["residual"] * rng.standard_normal(n)
    y += SDS["speaker"] * rng.standard_normal(n_speakers)[speaker]
    y += SDS["word"] * rng.standard_normal(n_words)[word]
    y += EFFECTS["stress[INITIAL - FINAL]"] * np.where(stress == "INITIAL", 0.5, -0.5)
    y += EFFECTS["sex[female - male]"] * np.where(sex == "female", 0.5, -0.5)
    return pd.DataFrame(
        {
            "token_id": [f"t{i}" for i in range(n)],
            "response": y,
            "raw_difference": np.exp(y) - 1,
            "speaker": [f"{s:03d}" for s in speaker],
            "word": [f"w{w}" for w in word],
            "stress": stress,
            "sex": sex,
        }
    )


@pytest.fixture(scope="module")
def model() -> Design:
    return design("known", "a number", tokens(), ["stress", "sex"])


def test_known_coefficients_come_back(model: Design) -> None:
    found = fit(model)
    assert found.converged
    assert found.message == ""
    assert found.terms == tuple(EFFECTS)
    true = np.array(list(EFFECTS.values()))
    assert (np.abs(found.estimate - true) < 3 * found.error).all()
    assert (found.error < 0.25).all()
    for name, sd in SDS.items():
        assert found.sd[name] == pytest.approx(sd, rel=0.35)


def test_rows_hold_effect_sizes_and_counts(model: Design) -> None:
    rows = fit_rows("net", model, fit(model), n_seeds=2)
    assert tuple(rows.columns) == COLUMNS
    first = rows.iloc[0]
    total = np.sqrt(first["sd_speaker"] ** 2 + first["sd_word"] ** 2 + first["sd_residual"] ** 2)
    assert first["standardised"] == pytest.approx(first["estimate"] / total)
    assert first["ratio_low"] == pytest.approx(np.exp(first["low"]))
    assert first["raw_difference"] == pytest.approx(model.data["raw_difference"].mean())
    means = model.data.groupby("stress")["raw_difference"].mean()
    assert rows["raw_difference"][1] == pytest.approx(means["INITIAL"] - means["FINAL"])
    assert first[["n_tokens", "n_words", "n_speakers", "n_seeds"]].tolist() == [900, 70, 40, 2]


def test_the_fit_reaches_the_maximum_of_its_likelihood(model: Design) -> None:
    found = fit(model)
    x = np.column_stack([np.ones(900), model.data["x1"], model.data["x2"]])
    y = model.data["response"].to_numpy()
    groups = [model.data[g].to_numpy() for g in ("speaker", "word")]
    crossed = mixed._Crossed(y, x, groups)
    best = np.array([found.sd["speaker"], found.sd["word"]]) / found.sd["residual"]
    top = mixed._deviance(best, crossed)
    assert -0.5 * top == pytest.approx(found.log_likelihood, abs=1e-4)
    for step in ((0.05, 0), (-0.05, 0), (0, 0.05), (0, -0.05)):
        assert mixed._deviance(best + step, crossed) > top


def test_r_agrees(model: Design, tmp_path: Path) -> None:
    rscript = shutil.which("Rscript")
    if rscript is None:
        pytest.skip("no R here")
    there = subprocess.run([rscript, "-e", "library(lme4)"], capture_output=True, check=False)
    if there.returncode:
        pytest.skip("R has no lme4")
    model.data.to_csv(tmp_path / "known.csv", index=False)
    (tmp_path / "known.R").write_text(r_script(model, "known"), encoding="utf-8")
    subprocess.run([rscript, "known.R"], cwd=tmp_path, check=True, capture_output=True)
    theirs, ours = pd.read_csv(tmp_path / "known_r.csv"), fit(model)
    assert theirs["term"].tolist() == list(ours.terms)
    np.testing.assert_allclose(theirs["estimate"], ours.estimate, atol=1e-4)
    np.testing.assert_allclose(theirs["se"], ours.error, rtol=0.02)
    for name in SDS:
        assert theirs[f"sd_{name}"][0] == pytest.approx(ours.sd[name], abs=1e-3)
    assert theirs["log_likelihood"][0] == pytest.approx(ours.log_likelihood, abs=1e-3)


def test_factors_of_three_levels_and_interactions() -> None:
    table = tokens()
    table["size"] = np.array(["a", "b", "c"])[np.arange(len(table)) % 3]
    both = design("m", "y", table, ["stress", "size", "stress:size"])
    assert list(both.terms) == [
        "stress[INITIAL - FINAL]",
        "size[a - mean]",
        "size[b - mean]",
        "stress[INITIAL - FINAL]:size[a - mean]",
        "stress[INITIAL - FINAL]:size[b - mean]",
    ]
    a, b, c = (both.data[both.data["size"] == level].iloc[0] for level in "abc")
    assert [r["x2"] for r in (a, b, c)] == [1, 0, -1]
    assert a["x4"] == a["x1"] * a["x2"]
    table.loc[:9, "response"] = np.nan
    assert design("m", "y", table, ["stress"]).n_left_out == 10


def test_random_effects_without_variance_are_dropped_and_named() -> None:
    table = tokens()
    rng = np.random.default_rng(1)
    table["response"] = rng.standard_normal(len(table))  # neither speaker nor word matters
    table["response"] -= table.groupby("speaker")["response"].transform("mean")
    table["response"] -= table.groupby("word")["response"].transform("mean")
    found = fit(design("m", "y", table, ["stress"]))
    assert found.converged
    assert found.message == "no variance between speakers; no variance between words"
    assert found.sd["word"] == 0.0
    assert np.isfinite(found.error).all()


def test_what_cannot_be_fitted_says_so() -> None:
    few = tokens(n_speakers=3)
    found = fit(design("m", "y", few, ["stress"]))
    assert not found.converged
    assert found.message == "3 speakers: fewer than 5"
    assert np.isnan(found.estimate).all()
    same = tokens()
    same["again"] = same["stress"]
    assert "determine one another" in fit(design("m", "y", same, ["stress", "again"])).message
    rows = fit_rows("net", design("m", "y", few, []), fit(design("m", "y", few, [])), 1)
    assert not rows["converged"].any()


def test_a_fit_below_the_maximum_is_not_believed(
    model: Design, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = mixed.profile
    monkeypatch.setattr(mixed, "profile", lambda *a: (real(*a)[0], real(*a)[1] + 1.0))
    found = fit(model)
    assert not found.converged
    assert found.message == "log-likelihood 1.00 below its maximum"


def test_bad_models_are_refused() -> None:
    table = tokens(n=100)
    with pytest.raises(ConfigError, match="no factor 'accent'"):
        design("m", "y", table, ["accent"])
    with pytest.raises(ConfigError, match="one level of 'stress'"):
        design("m", "y", table[table["stress"] == "FINAL"], ["stress"])
    with pytest.raises(ConfigError, match="needs both factors"):
        design("m", "y", table, ["stress", "stress:sex"])
