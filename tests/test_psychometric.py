"""Psychometric functions and cue weights of simulated observers whose truth is known."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
from scipy.special import expit

from stressnet.errors import ConfigError
from stressnet.inference.jackknife import jackknife, mean_of, spread_of
from stressnet.inference.twoway import infer
from stressnet.manipulation.psychometric import (
    ALWAYS_FINAL,
    ALWAYS_INITIAL,
    NO_CROSSOVER,
    NOT_BOUNDED,
    ONE_STEP,
    SEPARATED,
    fit_logistic,
    fit_psychometric,
    psychometric_table,
    separation,
)
from stressnet.manipulation.weights import beside_listeners, cue_weights, listeners_text

STEPS = np.arange(1, 8)


def observer(
    rng: np.random.Generator,
    *,
    slope: float = 0.9,
    crossover: float = 3.6,
    n_speakers: int = 30,
    n_words: int = 20,
    n_tokens: int = 120,
    sd_speaker: float = 0.0,
    sd_word: float = 0.0,
    noise: bool = True,
) -> pd.DataFrame:
    """Answers of an observer to 7 steps of each token.

    With ``noise`` the log odds of each answer get standard logistic noise, which makes its
    decisions follow exactly the psychometric function with that slope and crossover.
    """
    speaker, word = rng.integers(n_speakers, size=n_tokens), rng.integers(n_words, size=n_tokens)
    shift = rng.normal(0, sd_speaker, n_speakers)[speaker] + rng.normal(0, sd_word, n_words)[word]
    odds = slope * (STEPS[None] - crossover) + shift[:, None]
    if noise:
        odds = odds + rng.logistic(size=odds.shape)
    token = np.repeat(np.arange(n_tokens), len(STEPS))
    return pd.DataFrame(
        {
            "token_id": [f"t{i}" for i in token],
            "speaker": [f"s{i}" for i in speaker[token]],
            "word": [f"w{i}" for i in word[token]],
            "cue": "f0",
            "unit": "st",
            "step": np.tile(STEPS, n_tokens),
            "value": np.tile(6.0 - 2.0 * STEPS, n_tokens),
            "logit_difference": -odds.ravel(),
        }
    )


def test_slope_and_crossover_are_recovered_in_steps_and_units() -> None:
    table = psychometric_table(observer(np.random.default_rng(1), n_tokens=600))
    row = table.iloc[0]
    assert row["slope_per_step"] == pytest.approx(0.9, abs=0.08)
    assert row["crossover_step"] == pytest.approx(3.6, abs=0.12)
    assert row["slope_per_unit"] == pytest.approx(-row["slope_per_step"] / 2, rel=1e-6)
    assert row["crossover_unit"] == pytest.approx(6 - 2 * row["crossover_step"], rel=1e-6)
    assert row["slope_per_step_low"] < 0.9 < row["slope_per_step_high"]
    assert row["logit_per_step"] == pytest.approx(0.9, abs=0.05)
    assert (row["n_stimuli"], row["n_tokens"], row["unit"]) == (4200, 600, "st")
    assert row["reason"] == ""


@pytest.mark.parametrize(
    ("sd_speaker", "sd_word"), [(0.0, 0.0), (0.8, 0.0), (0.5, 0.8)], ids=["none", "speaker", "both"]
)
def test_intervals_cover(sd_speaker: float, sd_word: float) -> None:
    """Truth is what a very large sample of the same kind of observers gives."""
    options = {"sd_speaker": sd_speaker, "sd_word": sd_word}
    rng = np.random.default_rng(7)
    z = rng.normal(0, np.hypot(sd_speaker, sd_word), 20_000)[:, None]
    p = expit(0.9 * (STEPS - 3.6) + z).mean(axis=0)
    repeated = np.tile(STEPS, 10_000)  # so many that the penalty is nothing
    truth = fit_logistic(repeated, np.tile(p, 10_000))[0]
    n, hits = 100, np.zeros(2)
    for _ in range(n):
        data = observer(rng, **options)
        fit = fit_psychometric(
            data["step"],
            data["logit_difference"] < 0,
            {"speakers": data["speaker"], "words": data["word"]},
        )
        hits += [
            fit.slope_low <= truth[1] <= fit.slope_high,
            fit.crossover_low <= -truth[0] / truth[1] <= fit.crossover_high,
        ]
    coverage = hits / n
    assert (coverage >= 0.89).all(), coverage
    assert (coverage <= 0.995).all(), coverage


def test_large_samples_agree_with_statsmodels() -> None:
    data = observer(np.random.default_rng(2), n_tokens=400)
    y = (data["logit_difference"] < 0).astype(float)
    oracle = sm.GLM(y, sm.add_constant(data[["step"]]), family=sm.families.Binomial()).fit()
    coefficients, contributions = fit_logistic(data["step"], y)
    np.testing.assert_allclose(coefficients, oracle.params, rtol=5e-3)
    robust = np.sqrt((contributions**2).sum(axis=0))
    np.testing.assert_allclose(
        robust,
        sm.GLM(y, sm.add_constant(data[["step"]]), family=sm.families.Binomial())
        .fit(cov_type="HC0")
        .bse,
        rtol=1e-2,
    )
    assert abs(contributions.sum(axis=0)).max() < 0.02


def test_firth_is_nearly_unbiased_in_small_samples() -> None:
    rng = np.random.default_rng(3)
    fitted = []
    for _ in range(300):
        odds = 0.9 * (np.tile(STEPS, 6) - 4) + rng.logistic(size=42)
        fitted.append(fit_logistic(np.tile(STEPS, 6), odds > 0)[0][1])
    assert np.mean(fitted) == pytest.approx(0.9, abs=0.06)


def test_probabilities_are_answers_too() -> None:
    data = observer(np.random.default_rng(4), noise=False)
    row = psychometric_table(data, answers="probability").iloc[0]
    assert row["slope_per_step"] == pytest.approx(0.9, rel=0.01)
    assert row["crossover_step"] == pytest.approx(3.6, abs=0.01)


@pytest.mark.parametrize(("shift", "reason"), [(20.0, ALWAYS_FINAL), (-20.0, ALWAYS_INITIAL)])
def test_answers_that_never_change_have_no_slope(shift: float, reason: str) -> None:
    data = observer(np.random.default_rng(5), noise=False)
    data["logit_difference"] -= shift
    row = psychometric_table(data).iloc[0]
    assert row["reason"] == reason
    assert np.isnan([row["slope_per_step"], row["crossover_step"], row["slope_per_step_low"]]).all()
    assert row["logit_per_step"] == pytest.approx(0.9)


def test_complete_separation_gives_a_bounded_crossover_and_no_upper_slope() -> None:
    data = observer(np.random.default_rng(6), noise=False)
    row = psychometric_table(data).iloc[0]
    assert row["reason"] == SEPARATED
    assert np.isfinite(row["slope_per_step"])
    assert row["slope_per_step"] > 3
    assert np.isnan(row["slope_per_step_high"])
    assert (row["crossover_step_low"], row["crossover_step_high"]) == (3.0, 4.0)
    assert 3 <= row["crossover_step"] <= 4


def test_separation_by_hand() -> None:
    assert separation([1, 2, 3, 4], [0, 0, 1, 1]) == (2, 3)
    assert separation([1, 2, 3, 4], [1, 1, 0, 0]) == (2, 3)
    assert separation([1, 2, 2, 3], [0, 0, 1, 1]) == (1, 3)
    assert separation([1, 2, 3, 4], [0, 1, 0, 1]) is None
    assert separation([1, 2], [0.2, 0.9]) is None
    assert separation([1, 2], [1, 1]) is None


def test_a_crossover_outside_is_not_extrapolated() -> None:
    data = observer(np.random.default_rng(8), crossover=11.0, slope=0.6)
    row = psychometric_table(data).iloc[0]
    assert row["reason"] == NO_CROSSOVER
    assert np.isnan(row["crossover_step"])
    assert row["slope_per_step_low"] < 0.6 < row["slope_per_step_high"]


def test_a_cue_that_does_nothing_leaves_the_crossover_open() -> None:
    data = observer(np.random.default_rng(9), slope=1e-6, crossover=4.0)
    fit = fit_psychometric(
        data["step"],
        data["logit_difference"] < 0,
        {"speakers": data["speaker"], "words": data["word"]},
    )
    assert fit.slope_low < 0 < fit.slope_high
    if fit.reason == NOT_BOUNDED:
        assert np.isinf([fit.crossover_low, fit.crossover_high]).any()
    else:
        assert fit.reason == NO_CROSSOVER


def test_band_and_curve_belong_together() -> None:
    data = observer(np.random.default_rng(10))
    clusters = {"speakers": data["speaker"], "words": data["word"]}
    fit = fit_psychometric(data["step"], data["logit_difference"] < 0, clusters)
    assert (fit.curve_low < fit.curve).all()
    assert (fit.curve < fit.curve_high).all()
    assert np.interp(fit.crossover, fit.grid, fit.curve) == pytest.approx(0.5, abs=1e-3)
    assert fit.crossover_low < fit.crossover < fit.crossover_high


def test_few_speakers_get_an_interval_over_words_and_a_remark() -> None:
    data = observer(np.random.default_rng(11), n_speakers=3)
    row = psychometric_table(data).iloc[0]
    assert "these speakers only, over words; 3 speakers: fewer than 5" in row["reason"]
    assert row["slope_per_step_low"] < row["slope_per_step"] < row["slope_per_step_high"]
    assert np.isfinite(row["crossover_step"])


def test_bad_input_is_refused() -> None:
    data = observer(np.random.default_rng(12), n_tokens=10)
    with pytest.raises(ConfigError, match="lacks column speaker"):
        psychometric_table(data.drop(columns="speaker"))
    with pytest.raises(ConfigError, match="no responses"):
        psychometric_table(data.iloc[:0])
    with pytest.raises(ConfigError, match="decision"):
        psychometric_table(data, answers="yes")
    with pytest.raises(ConfigError, match="between 0"):
        fit_logistic([1, 2, 3], [0, 2, 1])
    with pytest.raises(ConfigError, match="one value"):
        fit_logistic([1, 1, 1], [0, 1, 1])
    with pytest.raises(ConfigError, match="finite"):
        fit_logistic([1, 2, np.nan], [0, 1, 1])
    row = psychometric_table(data[data["step"] == 3]).iloc[0]
    assert row["reason"] == ONE_STEP


def test_jackknife_of_a_mean_is_the_linearised_interval() -> None:
    rng = np.random.default_rng(13)
    speakers, words = rng.integers(12, size=200), rng.integers(15, size=200)
    x = rng.normal(size=200) + rng.normal(size=12)[speakers]
    clusters = {"speakers": speakers, "words": words}
    found = jackknife(mean_of(x[:, None]), 200, clusters)
    oracle = infer(
        np.array([x.mean()]), spread_of(((x - x.mean()) / 200)[:, None], clusters), level=0.95
    )
    np.testing.assert_allclose(found.low, oracle.low)
    np.testing.assert_allclose(found.high, oracle.high)
    with pytest.raises(ConfigError, match="kinds"):
        jackknife(mean_of(x[:, None]), 200, {})


def two_cues(
    rng: np.random.Generator, slopes: tuple[float, float], n_tokens: int = 60, n_steps: int = 5
) -> pd.DataFrame:
    """Answers to all combinations of two cues' steps."""
    speaker, word = rng.integers(25, size=n_tokens), rng.integers(20, size=n_tokens)
    one, other = (g.ravel() for g in np.meshgrid(np.arange(n_steps), np.arange(n_steps)))
    middle = (n_steps - 1) / 2
    odds = slopes[0] * (one - middle) + slopes[1] * (other - middle)
    odds = odds + rng.normal(0, 0.3, 25)[speaker][:, None] + rng.logistic(size=(n_tokens, len(one)))
    token = np.repeat(np.arange(n_tokens), len(one))
    return pd.DataFrame(
        {
            "token_id": [f"t{i}" for i in token],
            "speaker": speaker[token],
            "word": word[token],
            "cue_1": "f0",
            "cue_2": "duration",
            "step_1": np.tile(one, n_tokens),
            "step_2": np.tile(other, n_tokens),
            "logit_difference": -odds.ravel(),
        }
    )


def test_weights_of_a_known_observer() -> None:
    row = cue_weights(two_cues(np.random.default_rng(20), (0.9, 0.3), n_tokens=200)).iloc[0]
    assert row["weight_1"] == pytest.approx(0.75, abs=0.03)
    assert row["weight_1"] + row["weight_2"] == pytest.approx(1)
    assert row["weight_1_low"] < 0.75 < row["weight_1_high"]
    assert row["stronger"] == "f0"
    assert (row["n_steps_1"], row["n_steps_2"], row["n_stimuli"]) == (5, 5, 5000)


def test_weights_do_not_depend_on_how_many_steps_a_cue_has() -> None:
    data = two_cues(np.random.default_rng(21), (0.8, 0.8), n_tokens=200)
    renamed = data.assign(step_2=10 * data["step_2"])
    assert cue_weights(renamed)["weight_1"].iloc[0] == pytest.approx(
        cue_weights(data)["weight_1"].iloc[0]
    )


def test_intervals_of_weights_cover() -> None:
    rng = np.random.default_rng(22)
    hits = 0
    for _ in range(60):
        row = cue_weights(two_cues(rng, (0.8, 0.4), n_tokens=30)).iloc[0]
        hits += row["weight_1_low"] <= 2 / 3 <= row["weight_1_high"]
    assert 53 <= hits <= 60


def test_weights_say_when_there_is_nothing_to_weigh() -> None:
    data = two_cues(np.random.default_rng(23), (0.8, 0.4))
    always = data.assign(logit_difference=-5.0)
    assert cue_weights(always)["reason"].iloc[0] == "always FINAL"
    one = cue_weights(data[data["step_2"] == 1])["reason"].iloc[0]
    assert one == "a cue has only one step"
    with pytest.raises(ConfigError, match="step_2"):
        cue_weights(data.drop(columns="step_2"))


def test_weights_stand_beside_the_listeners() -> None:
    data = two_cues(np.random.default_rng(24), (0.3, 0.9))
    table = beside_listeners(cue_weights(data))
    fry = table[table["study"].str.startswith("Fry 1955") & (table["people_stronger"] == "f0")]
    assert fry["people_weaker"].tolist() == ["duration"]
    assert fry["same"].tolist() == ["no"]
    assert fry["network_weight"].iloc[0] == pytest.approx(0.25, abs=0.06)
    assert (table["source"] != "").all()
    text = listeners_text(table)
    assert "f0 over duration; network: weight 0.2" in text
    assert text.count("repository.stcloudstate.edu") == 1
