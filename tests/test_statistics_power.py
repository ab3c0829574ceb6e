"""Sizes of studies: variance components that are known, and the power that was promised."""

import numpy as np
import pandas as pd
import pytest

from stressnet.errors import ConfigError, CorpusError
from stressnet.inference.jackknife import spread_of
from stressnet.inference.twoway import infer
from stressnet.runs import RunFolder
from stressnet.stages.power import PowerConfig, find_power
from stressnet.statistics.power import Study, balanced

SDS = (0.3, 0.5, 1.0)


def draw(rng: np.random.Generator, n_speakers: int, n_words: int, n: int, mean: float) -> tuple:
    """Tokens of speakers and words, each as often as the others."""
    speakers, words = np.arange(n) % n_speakers, rng.permutation(np.arange(n) % n_words)
    of_speaker, of_word = rng.normal(0, SDS[0], n_speakers), rng.normal(0, SDS[1], n_words)
    noise = rng.normal(0, SDS[2], n)
    return mean + of_speaker[speakers] + of_word[words] + noise, speakers, words


def test_components_are_recovered() -> None:
    rng = np.random.default_rng(0)
    found = np.mean([Study.of(*draw(rng, 24, 18, 432, 0.0)).variances for _ in range(120)], axis=0)
    np.testing.assert_allclose(found, np.square(SDS), rtol=0.1)


def test_a_study_of_the_stated_size_has_the_stated_power() -> None:
    """Interval and margin as everywhere; the answer is known by drawing such studies."""
    rng = np.random.default_rng(1)
    pilot = Study(0.0, np.square(SDS), np.array([10.0, 8.0, 80.0]), (10, 8, 80))
    needed = pilot.needed(0.35, 0.8)
    sizes = [int(needed[f"n_{kind}_needed"]) for kind in ("speakers", "words", "tokens")]
    assert sizes == [35, 28, 278]
    shown = 0
    for _ in range(600):
        values, speakers, words = draw(rng, *sizes, 0.35)
        parts = (values - values.mean())[:, None] / len(values)
        clusters = {"speakers": speakers, "words": words}
        found = infer(np.array([values.mean()]), spread_of(parts, clusters))
        shown += found.low[0] > 0
    assert shown / 600 == pytest.approx(0.8, abs=0.045)


def test_what_more_words_cannot_do() -> None:
    """With ten speakers of sd 0.3 the error stays above 0.3 / sqrt(10) = 0.095."""
    pilot = Study(0.0, np.square(SDS), np.array([10.0, 8.0, 80.0]), (10, 8, 80))
    assert np.isinf(pilot.needed(0.15, 0.8)["n_words_if_more_words"])
    assert np.isfinite(pilot.needed(0.15, 0.8)["n_words_needed"])
    assert np.isinf(pilot.needed(-0.1, 0.8)["n_tokens_needed"])


def test_balanced_values_have_the_mean_of_the_classes() -> None:
    values = balanced([1, 1, 0, 1, 0, 0], ["I", "I", "I", "I", "F", "F"])
    assert values.mean() == pytest.approx((0.75 + 0.0) / 2)


def evaluation(folder_path, n_words: int = 12) -> None:
    """Predictions that are right in 90 % of each class."""
    rng = np.random.default_rng(2)
    n = 480
    stress = np.where(np.arange(n) % 4 == 0, "FINAL", "INITIAL")
    other = np.where(stress == "FINAL", "INITIAL", "FINAL")
    table = pd.DataFrame(
        {
            **{"model": "compact", "split": "minimal_pairs", "is_prosody_only_pair": False},
            "speaker": [f"s{i % 20}" for i in range(n)],
            "lemma": [f"w{i % n_words}" for i in rng.permutation(n)],
            "stress_true": stress,
            "stress_predicted": np.where(rng.random(n) < 0.9, stress, other),
        }
    )
    with RunFolder(folder_path, "evaluation") as run:
        run.begin({}, inputs={})
        run.table("predictions.parquet", table)
        run.finish()


def test_power_of_an_evaluation(tmp_path) -> None:
    evaluation(tmp_path / "scores")
    table = find_power(tmp_path / "scores", tmp_path / "out").table
    assert table["what"].tolist() == [
        "minimal_pairs",
        "minimal_pairs, beyond each word's commoner reading",
    ]
    assert table["effect"].iloc[0] == pytest.approx(0.9, abs=0.05)
    assert table["power"].iloc[0] > 0.99
    assert table["n_tokens_needed"].iloc[0] < 480
    less = find_power(tmp_path / "scores", tmp_path / "less", distance=0.05).table
    assert less["n_words_needed"].iloc[0] > table["n_words_needed"].iloc[0]
    with pytest.raises(CorpusError, match="no finished stressnet statistics"):
        find_power(tmp_path / "none", tmp_path / "other")
    with pytest.raises(ConfigError, match="not between 0 and 1"):
        PowerConfig(goal=1.0)
