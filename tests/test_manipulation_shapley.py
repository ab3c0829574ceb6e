"""Shapley values and interactions of games whose answers are known by hand."""

import numpy as np
import pandas as pd
import pytest

from stressnet.errors import ConfigError
from stressnet.manipulation.shapley import (
    ALL,
    interaction_weights,
    shapley_tables,
    shapley_weights,
    subsets_of,
)

NAMES = ("f0", "duration", "quality")


def responses(game: dict[tuple[str, ...], float], distance: float = 4.0) -> pd.DataFrame:
    """Answers to all subsets of 48 tokens, of which each moves by a factor of its own."""
    rng = np.random.default_rng(3)
    rows = []
    for number in range(48):
        initial = number % 2 == 0
        about = {"token_id": f"t{number}", "speaker": f"s{number % 8}", "word": f"w{number % 6}"}
        about |= {"stress": "INITIAL" if initial else "FINAL"}
        middle = distance / 2 if initial else -distance / 2
        rows.append(about | {"kind": "natural", "cue": "natural", "logit_difference": middle})
        factor = rng.uniform(0.5, 1.5)
        for some, value in game.items():
            kind = "single" if len(some) == 1 else "subset"
            for at, sign in ((0.0, 0.5), (1.0, -0.5)):
                answer = {"position": at, "logit_difference": middle + sign * value * factor}
                rows.append(about | {"kind": kind, "cue": "+".join(some)} | answer)
    return pd.DataFrame(rows)


def test_an_additive_game_gives_back_what_each_adds() -> None:
    adds = dict(zip(NAMES, (1.0, 2.0, -0.5), strict=True))
    game = np.array([sum(adds[name] for name in some) for some in subsets_of(NAMES)])
    np.testing.assert_allclose(game @ shapley_weights(NAMES), [1.0, 2.0, -0.5])
    for weights in interaction_weights(NAMES):
        np.testing.assert_allclose(game @ weights, 0.0, atol=1e-12)


def test_a_multiplicative_game_by_hand() -> None:
    """v(S) = product over S of (1 + a) - 1 with a = 1, 2, 3, over all six orders."""
    factors = dict(zip(NAMES, (2.0, 3.0, 4.0), strict=True))
    values = {some: np.prod([factors[name] for name in some]) - 1 for some in subsets_of(NAMES)}
    game = np.array(list(values.values()))
    # By hand: f0 is first in two orders (1), second after duration (5 - 2) and after quality
    # (7 - 3), and last in two orders (23 - 11); the others likewise.
    expected = [(2 * 1 + 3 + 4 + 2 * 12) / 6, (2 * 2 + 4 + 8 + 2 * 16) / 6]
    expected.append((2 * 3 + 6 + 9 + 2 * 18) / 6)
    np.testing.assert_allclose(game @ shapley_weights(NAMES), expected)
    assert sum(expected) == pytest.approx(23.0)  # efficiency: what all do together
    alone, overall = interaction_weights(NAMES)
    np.testing.assert_allclose(game @ alone, [2.0, 3.0, 6.0])  # a_i a_j
    # Without and with the third, which multiplies by its factor: the mean of the two.
    np.testing.assert_allclose(game @ overall, [2 * 2.5, 3 * 2.0, 6 * 1.5])


def test_tables_are_shares_of_the_distance_between_the_classes() -> None:
    values = dict(zip(subsets_of(NAMES), (0.4, 0.8, 0.0, 2.0, 0.4, 0.8, 2.0), strict=True))
    data = responses(values)
    cues, pairs = shapley_tables(data)
    factor = cues.loc[cues["cue"] == ALL, "shapley"].iloc[0] / (2.0 / 4.0)
    assert factor == pytest.approx(1.0, abs=0.1)
    table = cues.set_index("cue")[["alone", "shapley", "last"]] / factor
    # f0 and duration gain 0.2 together and share it; quality does nothing.
    assert table.loc["f0"].tolist() == pytest.approx([0.1, 0.2, 0.3])
    assert table.loc["duration"].tolist() == pytest.approx([0.2, 0.3, 0.4])
    assert table.loc["quality"].tolist() == pytest.approx([0.0, 0.0, 0.0])
    assert table.loc[ALL].tolist() == pytest.approx([0.3, 0.5, 0.5])
    assert pairs["interaction"].tolist() == pytest.approx([0.2 * factor, 0.0, 0.0])
    assert pairs["index"].tolist() == pytest.approx([0.2 * factor, 0.0, 0.0])
    assert pairs["p_holm"].iloc[0] < 0.001
    assert (cues["shapley_low"] <= cues["shapley"]).all()
    assert cues["n_tokens"].tolist() == [48] * 4
    # One missing subset is filled from singles and pairs, here exactly; of two, the token is left
    # out; a subset without any is an error.
    of_first = data["token_id"] == "t0"
    filled = shapley_tables(data[~(of_first & (data["cue"] == "f0+duration+quality"))])[0]
    assert filled["shapley"].tolist() == pytest.approx(cues["shapley"].tolist())
    assert filled["share_filled"].iloc[0] == pytest.approx(1 / (48 * 7))
    left = shapley_tables(data[~(of_first & data["cue"].isin(["f0", "f0+quality"]))])[0]
    assert left["n_tokens"].iloc[0] == 47
    with pytest.raises(ConfigError, match="--subsets"):
        shapley_tables(data[data["cue"] != "f0+quality"])
