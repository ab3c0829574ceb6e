"""Causal agreement where the truth is known: linear models, shuffled maps, classes alone."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import torch
from scipy.stats import rankdata, spearmanr

from stressnet.errors import ConfigError
from stressnet.explain import attribute_batch
from stressnet.manipulation.causal import (
    ALL_CUES,
    _each_token,
    agreement_table,
    effects_from_responses,
    rank_correlations,
)
from stressnet.regions import REGIONS

CUES = ("f0", "f1", "f2", "f3")
N_TOKENS = 120


class Linear(torch.nn.Module):
    """Logit difference = sum of weights times image."""

    def __init__(self, weights: torch.Tensor) -> None:
        super().__init__()
        self.weights = torch.nn.Parameter(weights)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        half = (images[:, 0] * self.weights).sum(dim=(1, 2)) / 2
        return torch.stack([half, -half], dim=1)


def linear_pairs(seed: int, method: str = "input-times-gradient") -> pd.DataFrame:
    """Pairs of a linear model on images whose cues are blocks of rows; neutral is 0."""
    rng = np.random.default_rng(seed)
    generator = torch.Generator().manual_seed(seed)
    images = torch.randn((N_TOKENS, 1, 8, 6), generator=generator)
    model = Linear(torch.randn((8, 6), generator=generator)).eval()
    options = {"generator": generator} if method == "random" else {}
    found = attribute_batch(model, images, method, **options)
    maps, whole = found.relevance[:, 0].numpy(), found.output.numpy()
    rows = []
    speaker, word = rng.integers(20, size=N_TOKENS), rng.integers(25, size=N_TOKENS)
    for number, cue in enumerate(CUES):
        block = slice(2 * number, 2 * number + 2)
        neutral = images.clone()
        neutral[:, :, block] = 0.0
        with torch.no_grad():
            logits = model(neutral)
        effect = whole - (logits[:, 0] - logits[:, 1]).numpy()
        for i in range(N_TOKENS):
            rows.append(
                {
                    "token_id": f"t{i}",
                    "speaker": f"s{speaker[i]}",
                    "word": f"w{word[i]}",
                    "method": method,
                    "cue": cue,
                    "relevance": maps[i, block].sum(),
                    "effect": effect[i],
                    "stress_predicted": "INITIAL" if whole[i] > 0 else "FINAL",
                }
            )
    return pd.DataFrame(rows)


def test_a_linear_model_agrees_with_input_times_gradient() -> None:
    table = agreement_table(linear_pairs(0), n_null=99)
    assert table["cue"].tolist() == [*CUES, ALL_CUES]
    assert (table["rho"] > 0.999).all()
    assert (table["rho_in_class"] > 0.99).all()
    assert (table["same_sign"] > 0.999).all()
    np.testing.assert_allclose(table["p_value"], 0.01)
    assert (table["null"].abs() < 0.6).all()
    assert (table["n_tokens"] == N_TOKENS).all()


def test_the_gradient_alone_agrees_less_than_the_gradient_times_the_input() -> None:
    """The gradient of a linear model is the same for every token: it cannot say for which."""
    table = agreement_table(linear_pairs(1, "gradient"), n_null=19).set_index("cue")
    assert table.loc[list(CUES), "rho"].isna().all()
    assert (table.loc[list(CUES), "reason"] == "relevance is the same for all tokens").all()


def test_relevance_of_other_tokens_is_at_zero() -> None:
    pairs = linear_pairs(2)
    rng = np.random.default_rng(2)
    found = []
    for _ in range(20):
        mixed = pairs.copy()
        for _, rows in pairs.groupby("cue").groups.items():
            values = pairs.loc[rows, "relevance"].to_numpy()
            mixed.loc[rows, "relevance"] = values[rng.permutation(len(values))]
        found.append(agreement_table(mixed, n_null=19)[["rho", "rho_low", "rho_high"]].to_numpy())
    rho, low, high = np.moveaxis(np.stack(found), 2, 0)
    assert np.abs(rho.mean(axis=0)).max() < 0.1
    assert ((low <= 0) & (high >= 0)).mean() >= 0.85


def test_a_random_map_is_at_zero() -> None:
    table = agreement_table(linear_pairs(3, "random"), n_null=99)
    assert table["rho"].abs().max() < 0.35
    assert (table["p_holm"] > 0.05).all()


def test_classes_alone_are_in_the_null() -> None:
    """Relevance that says nothing but the class agrees overall, yet not within classes."""
    pairs = linear_pairs(4)
    rng = np.random.default_rng(4)
    sign = np.where(pairs["stress_predicted"] == "INITIAL", 1.0, -1.0)
    pairs["relevance"] = 3 * sign + rng.normal(size=len(pairs))
    pairs["effect"] = 3 * sign + rng.normal(size=len(pairs))
    table = agreement_table(pairs, n_null=99).set_index("cue").loc[list(CUES)]
    assert (table["rho"] > 0.6).all()
    assert (table["null"] > 0.6).all()
    assert (table["p_value"] > 0.01).all()
    assert table["rho_in_class"].abs().max() < 0.25


def test_intervals_cover_the_correlation_of_the_population() -> None:
    """Bivariate normal with r = 0.6 and effects of speakers: Spearman's is 6/pi asin(r/2)."""
    truth = 6 / np.pi * np.arcsin(0.3)
    rng = np.random.default_rng(5)
    hits, n = 0, 30
    for _ in range(n):
        speaker = rng.integers(30, size=100)
        level = np.array([[1.0, 0.6], [0.6, 1.0]])
        own = rng.multivariate_normal([0, 0], 0.7 * level, size=100)
        theirs = rng.multivariate_normal([0, 0], 0.3 * level, size=30)[speaker]
        x, y = (own + theirs).T
        pairs = pd.DataFrame(
            {
                "token_id": [f"t{i}" for i in range(100)],
                "speaker": speaker,
                "word": rng.integers(60, size=100),
                "method": "m",
                "cue": "f1",
                "relevance": x,
                "effect": y,
                "stress_predicted": "INITIAL",
            }
        )
        row = agreement_table(pairs, n_null=9).iloc[0]
        hits += row["rho_low"] <= truth <= row["rho_high"]
    assert hits / n >= 0.86


def test_rank_correlations_agree_with_scipy() -> None:
    rng = np.random.default_rng(6)
    x, y = rng.integers(5, size=(2, 40)).astype(float)
    truth = spearmanr(x, y).statistic
    assert rank_correlations(x, y, np.zeros(40))[0] == pytest.approx([truth, truth])
    classes, kept = rng.integers(2, size=40), rng.integers(2, size=(40, 5)).astype(float)
    found = rank_correlations(x, y, classes, kept)
    for k in range(5):
        here = kept[:, k] == 1
        assert found[k, 0] == pytest.approx(spearmanr(x[here], y[here]).statistic)
        sizes = [np.sum(here & (classes == c)) for c in classes]
        centred = [np.zeros(40), np.zeros(40)]
        for c in (0, 1):
            group = here & (classes == c)
            for ranks, values in zip(centred, (x, y), strict=True):
                ranks[group] = rankdata(values[group]) - (group.sum() + 1) / 2
        one, other = (ranks / np.maximum(sizes, 1) for ranks in centred)
        expected = one @ other / np.sqrt((one @ one) * (other @ other))
        assert found[k, 1] == pytest.approx(expected)
    a, b = rng.integers(4, size=(2, 10, 6)).astype(float)
    a[0, 2] = np.nan
    each = _each_token(a, b)
    kept = np.isfinite(a[0])
    assert each[0] == pytest.approx(spearmanr(a[0][kept], b[0][kept]).statistic)
    for i in range(1, 10):
        expected = spearmanr(a[i], b[i]).statistic
        assert each[i] == pytest.approx(expected, nan_ok=True)


def test_few_tokens_and_missing_values_are_said() -> None:
    pairs = linear_pairs(7)
    few = agreement_table(pairs[pairs["token_id"].isin([f"t{i}" for i in range(6)])], n_null=9)
    assert few["reason"].iloc[0] == "6 tokens: fewer than 10"
    assert few["rho"].isna().all()
    holes = pairs.copy()
    holes.loc[holes["cue"] == "f0", "effect"] = np.nan
    assert "f0" not in set(agreement_table(holes, n_null=9)["cue"])
    holes["effect"] = np.nan
    with pytest.raises(ConfigError, match="no token"):
        agreement_table(holes)
    with pytest.raises(ConfigError, match="lacks column effect"):
        agreement_table(pairs.drop(columns="effect"))


def test_the_same_seed_gives_the_same_table() -> None:
    pairs = linear_pairs(8)
    one, other = (agreement_table(pairs, n_null=29, seed=3) for _ in range(2))
    pd.testing.assert_frame_equal(one, other)


def response(token: str, kind: str, cue: str, position: float, logit: float) -> dict[str, object]:
    return {
        "token_id": token,
        "kind": kind,
        "cue": cue,
        "position": position,
        "logit_difference": logit,
    }


def test_effects_compare_with_what_went_the_same_way() -> None:
    """F0 goes through overlap-add, F1 does not: their words as they are differ."""
    nan = np.nan
    responses = pd.DataFrame(
        [
            response("a", "natural", "natural", nan, 2.0),
            response("a", "resynthesised", "resynthesised", nan, 1.8),
            *(response("a", "single", "f0", p, v) for p, v in ((0, 3), (0.5, 0.5), (1, -1))),
            *(response("a", "single", "f1", p, v) for p, v in ((0, 2), (0.5, 1.5), (1, 1))),
            *(response("a", "all", "all", p, v) for p, v in ((0, 5), (0.5, 0), (1, -5))),
            response("b", "single", "f1", 0.5, 1.0),
        ]
    )
    found = effects_from_responses(responses).set_index(["token_id", "cue"])
    assert found.loc[("a", "f0"), "effect"] == pytest.approx(1.3)
    assert found.loc[("a", "f1"), "effect"] == pytest.approx(0.5)
    assert found.loc[("a", "all"), "effect"] == pytest.approx(1.8)
    assert found["swing"].to_list() == [4, 1, 10]
    assert "b" not in found.index
    with pytest.raises(ConfigError, match="odd number"):
        effects_from_responses(responses[responses["position"] != 0.5])
    two = pd.concat([responses.assign(model="x"), responses.assign(model="y")])
    with pytest.raises(ConfigError, match="several networks"):
        effects_from_responses(two)


def test_regions_of_cues_exist() -> None:
    from stressnet.manipulation.causal import CUE_REGIONS

    assert {name for names in CUE_REGIONS.values() for name in names} <= set(REGIONS)
