"""Removal, stability and randomisation: linear models whose answers are known by formula."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from stressnet.errors import ConfigError, ExplainError
from stressnet.explain import attribute_batch
from stressnet.explain import faithfulness as ff
from stressnet.explain.faithfulness.removal import TIED, TOO_FEW
from stressnet.explain.faithfulness.scores import CONSTANT, ZERO

SHAPE = (1, 6, 5)
N_CELLS = 30


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


class Linear(nn.Module):
    """Logits (w·x, 0): the logit of class 0 is a sum of independent parts."""

    def __init__(self, weights: Tensor) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.stack([weights, torch.zeros_like(weights)]))

    def forward(self, x: Tensor) -> Tensor:
        return x.flatten(1) @ self.weight.T


def linear_case(n: int = 3) -> tuple[nn.Module, Tensor, Tensor, ff.Score]:
    """A linear model, inputs, the exact map for class 0 and the logit as score."""
    draw = generator(1)
    weights = torch.randn(N_CELLS, generator=draw, dtype=torch.float64)
    inputs = torch.randn((n, *SHAPE), generator=draw, dtype=torch.float64)
    model = Linear(weights).eval()
    maps = inputs * weights.reshape(SHAPE)
    return model, inputs, maps, ff.Score(model, torch.zeros(n, dtype=torch.int64), "logit")


def small_net() -> nn.Module:
    """Convolution, normalisation with statistics, pooling and a dense layer, float64."""
    torch.manual_seed(3)
    net = nn.Sequential(
        nn.Conv2d(1, 4, 3, padding=1),
        nn.BatchNorm2d(4),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Linear(24, 2),
    ).double()
    net.train()
    net(torch.randn(16, *SHAPE, dtype=torch.float64))
    return net.eval()


def gradient_map(model: nn.Module, inputs: Tensor, classes: Tensor) -> Tensor:
    return attribute_batch(model, inputs, "input-times-gradient", "log-odds", classes).relevance


def top_sums(maps: Tensor, n: int) -> Tensor:
    return maps.flatten(1).sort(dim=1, descending=True).values[:, :n].sum(dim=1)


def test_comprehensiveness_and_sufficiency_of_the_exact_map() -> None:
    _, inputs, maps, score = linear_case()
    zero, fractions = ff.fill_with(0.0), (0.1, 0.5)
    comp = ff.comprehensiveness(
        ff.Removal(score, inputs, maps, zero), generator(), fractions=fractions
    )
    suff = ff.sufficiency(ff.Removal(score, inputs, maps, zero), generator(), fractions=fractions)
    removed = (top_sums(maps, 3) + top_sums(maps, 15)) / 2
    total = maps.flatten(1).sum(dim=1)
    torch.testing.assert_close(comp.values, removed)
    torch.testing.assert_close(suff.values, total - removed)


def test_only_cells_that_count_are_removed() -> None:
    _, inputs, maps, score = linear_case()
    cells = torch.zeros(SHAPE, dtype=torch.bool)
    cells[:, :2] = True  # ten cells
    comp = ff.comprehensiveness(
        ff.Removal(score, inputs, maps, ff.fill_with(0.0), cells=cells),
        generator(),
        fractions=(1.0,),
    )
    torch.testing.assert_close(comp.values, maps[:, :, :2].flatten(1).sum(dim=1))


def test_curves_of_the_exact_map_are_the_sorted_sums() -> None:
    _, inputs, maps, score = linear_case()
    zero = ff.fill_with(0.0)
    morf = ff.deletion_curve(ff.Removal(score, inputs, maps, zero), generator(), fractions=N_CELLS)
    lerf = ff.deletion_curve(
        ff.Removal(score, inputs, maps, zero), generator(), order="lerf", fractions=N_CELLS
    )
    falling = maps.flatten(1).sort(dim=1, descending=True).values
    total = falling.sum(dim=1, keepdim=True)
    torch.testing.assert_close(morf.values[:, 1:], total - falling.cumsum(dim=1))
    torch.testing.assert_close(lerf.values[:, 1:], total - falling.flip(1).cumsum(dim=1))
    torch.testing.assert_close(morf.values[:, -1], torch.zeros(3, dtype=torch.float64))
    by_hand = torch.trapezoid(morf.values, dx=1 / N_CELLS)
    torch.testing.assert_close(morf.area().values, by_hand)
    gain = ff.relevance_gain(morf, lerf)
    torch.testing.assert_close(gain.values, lerf.area().values - morf.area().values)
    assert (gain.values > 0).all()


def test_the_opposite_map_has_the_opposite_gain() -> None:
    model = small_net()
    inputs = torch.randn(5, *SHAPE, generator=generator(9), dtype=torch.float64)
    maps = torch.randn(5, *SHAPE, generator=generator(6), dtype=torch.float64)

    def gain(maps: Tensor) -> Tensor:
        score = ff.Score.of_predictions(model, inputs)
        curves = [
            ff.deletion_curve(
                ff.Removal(score, inputs, maps, ff.local_mean), generator(), order=order
            )
            for order in ("morf", "lerf")
        ]
        return ff.relevance_gain(*curves).values

    torch.testing.assert_close(gain(-maps), -gain(maps))
    torch.testing.assert_close(gain(7 * maps), gain(maps))  # only the ranking counts


def test_random_maps_are_at_chance() -> None:
    _, inputs, maps, score = linear_case(40)
    zero, draw = ff.fill_with(0.0), generator(5)
    noise = torch.randn(maps.shape, generator=draw, dtype=torch.float64)
    comp = ff.comprehensiveness(ff.Removal(score, inputs, noise, zero), draw, fractions=(0.5,))
    expected = maps.flatten(1).sum(dim=1) / 2  # half of the cells hold half of the logit
    spread = (comp.values - expected).std() / np.sqrt(40)
    assert abs(float((comp.values - expected).mean())) < 4 * float(spread)
    curves = {
        order: ff.deletion_curve(ff.Removal(score, inputs, noise, zero), draw, order=order)
        for order in ("morf", "lerf")
    }
    gain = ff.relevance_gain(curves["morf"], curves["lerf"]).values
    assert abs(float(gain.mean())) < 4 * float(gain.std()) / np.sqrt(40)


def test_units_of_the_exact_map() -> None:
    _, inputs, maps, score = linear_case()
    rows = torch.zeros((6, *SHAPE), dtype=torch.bool)
    for row in range(6):
        rows[row, :, row] = True
    units = [rows] * 3
    comp, chance = ff.comprehensiveness_over_units(
        ff.Removal(score, inputs, maps, ff.fill_with(0.0)), units, generator(), n_random=200
    )
    sums = maps.sum(dim=(1, 3)).sort(dim=1, descending=True).values
    by_hand = sums.cumsum(dim=1)[:, :3].mean(dim=1)
    torch.testing.assert_close(comp.values, by_hand)
    total = maps.flatten(1).sum(dim=1)
    # One, two and three of six units in random order hold a third of the total on average.
    torch.testing.assert_close(chance.values, total / 3, atol=0.6, rtol=0)
    suff, _ = ff.sufficiency_over_units(
        ff.Removal(score, inputs, maps, ff.fill_with(0.0)), units, generator(), n_random=0
    )
    torch.testing.assert_close(suff.values, total - by_hand)


def test_units_that_cannot_be_ranked_have_a_reason() -> None:
    _, inputs, maps, score = linear_case()
    half = torch.zeros((2, *SHAPE), dtype=torch.bool)
    half[0, :, :3], half[1, :, 3:] = True, True
    maps = maps.clone()
    maps[1] = 0
    maps[2] = maps[2].abs()
    maps[2, :, 3:] = maps[2, :, :3]
    values, _ = ff.comprehensiveness_over_units(
        ff.Removal(score, inputs, maps, ff.fill_with(0.0)), [half[:1], half, half], generator()
    )
    assert values.reasons == (TOO_FEW, ZERO, TIED)
    assert values.values.isnan().all()


def test_infidelity_of_the_exact_map_is_zero() -> None:
    _, inputs, maps, score = linear_case()
    options = {"window": (2, 2), "n_samples": 10}
    for scaled, factor in ((False, 1.0), (True, 7.0)):
        found = ff.infidelity(
            ff.Removal(score, inputs, factor * maps, ff.fill_with(0.0)),
            generator(),
            scaled=scaled,
            **options,
        )
        torch.testing.assert_close(found.values, torch.zeros(3, dtype=torch.float64))
    against = ff.infidelity(
        ff.Removal(score, inputs, -maps, ff.fill_with(0.0)), generator(), **options
    )
    torch.testing.assert_close(against.values, torch.ones(3, dtype=torch.float64))
    noise = torch.randn(maps.shape, generator=generator(4), dtype=torch.float64)
    options["n_samples"] = 100
    chance = ff.infidelity(
        ff.Removal(score, inputs, noise, ff.fill_with(0.0)), generator(), **options
    )
    assert float(chance.mean) > 0.7


def test_max_sensitivity_by_formula() -> None:
    model, inputs, _, score = linear_case()

    def constant(model: nn.Module, inputs: Tensor, classes: Tensor) -> Tensor:
        return torch.ones_like(inputs)

    def doubled_noise(model: nn.Module, inputs: Tensor, classes: Tensor) -> Tensor:
        return 2 * inputs

    still = ff.max_sensitivity(ff.Subject(constant, model, inputs, score.classes), generator())
    assert still.values.tolist() == [0, 0, 0]
    moved = ff.max_sensitivity(
        ff.Subject(doubled_noise, model, inputs, score.classes),
        generator(8),
        radius=0.1,
        n_samples=1,
    )
    spread = inputs.flatten(1).std(dim=1)
    bound = 0.1 * spread * np.sqrt(N_CELLS) / inputs.flatten(1).norm(dim=1)
    assert ((moved.values > 0) & (moved.values < bound)).all()


def test_randomisation_tells_maps_that_use_the_model_from_those_that_do_not() -> None:
    model = small_net()
    inputs = torch.randn(4, *SHAPE, generator=generator(2), dtype=torch.float64)
    classes = torch.zeros(4, dtype=torch.int64)

    def edges(model: nn.Module, inputs: Tensor, classes: Tensor) -> Tensor:
        return inputs.abs()

    fixed, stages = ff.parameter_randomisation(
        ff.Subject(edges, model, inputs, classes), generator()
    )
    torch.testing.assert_close(fixed.values, torch.ones(4, dtype=torch.float64))
    assert list(stages) == ["5", "1", "0"]  # from the output down
    used, _ = ff.parameter_randomisation(
        ff.Subject(gradient_map, model, inputs, classes), generator()
    )
    assert float(used.mean) < 0.8
    rise = ff.efficient_parameter_randomisation(
        ff.Subject(edges, model, inputs, classes), generator()
    )
    assert rise.values.tolist() == [0.0] * 4


def test_randomisation_leaves_the_model_byte_identical() -> None:
    model = small_net()
    before = {key: value.clone() for key, value in model.state_dict().items()}
    ids = [id(p) for p in model.parameters()]
    random_state = torch.get_rng_state()
    inputs = torch.randn(2, *SHAPE, generator=generator(), dtype=torch.float64)
    classes = torch.zeros(2, dtype=torch.int64)
    for path, altered in ff.cascade(model, generator()):
        assert altered is not model
        assert not altered.training
        changed = [k for k, v in altered.state_dict().items() if not torch.equal(v, before[k])]
        assert any(key.startswith(f"{path}.") for key in changed)
    ff.parameter_randomisation(ff.Subject(gradient_map, model, inputs, classes), generator())
    ff.efficient_parameter_randomisation(
        ff.Subject(gradient_map, model, inputs, classes), generator()
    )

    def broken(model: nn.Module, inputs: Tensor, classes: Tensor) -> Tensor:
        return inputs[:, :, :1]

    with pytest.raises(ConfigError, match="explain returned"):
        ff.parameter_randomisation(ff.Subject(broken, model, inputs, classes), generator())
    after = model.state_dict()
    assert all(torch.equal(after[key], value) for key, value in before.items())
    assert [id(p) for p in model.parameters()] == ids
    assert all(p.grad is None for p in model.parameters())
    assert torch.equal(torch.get_rng_state(), random_state)


def test_cascade_groups_layers_and_ends_with_all() -> None:
    model = small_net()
    paths = [path for path, _ in ff.cascade(model, generator(), n_stages=2)]
    assert paths[-1] == "0"
    assert len(paths) == 2
    (_, last) = list(ff.cascade(model, generator()))[-1]
    again = list(ff.cascade(model, generator()))[-1][1]
    assert all(
        torch.equal(a, b) for a, b in zip(last.parameters(), again.parameters(), strict=True)
    )
    normal = last[1]
    assert normal.running_var.tolist() == [1.0] * 4
    assert normal.running_mean.tolist() == [0.0] * 4


Run = Callable[[nn.Module, Tensor, Tensor, int], Any]


def _score(
    model: nn.Module, inputs: Tensor, batch_size: int, kind: str = "probability"
) -> ff.Score:
    return ff.Score.of_predictions(model, inputs, kind, batch_size)


def _morf(order: str) -> Run:
    return lambda m, x, r, b: (
        ff.deletion_curve(
            ff.Removal(_score(m, x, b), x, r, ff.local_mean), generator(), order=order, fractions=4
        ).values
    )


UNITS = torch.zeros((3, *SHAPE), dtype=torch.bool)
for _k in range(3):
    UNITS[_k, :, 2 * _k : 2 * _k + 2] = True

INVARIANT: dict[str, Run] = {
    "comprehensiveness": lambda m, x, r, b: (
        ff.comprehensiveness(
            ff.Removal(
                _score(m, x, b),
                x,
                r,
                ff.fill_with_noise(x, torch.zeros(6, 1), torch.ones(6, 1), generator(1)),
            ),
            generator(),
        ).values
    ),
    "sufficiency": lambda m, x, r, b: (
        ff.sufficiency(ff.Removal(_score(m, x, b), x, r, ff.fill_with(0.0)), generator()).values
    ),
    "units": lambda m, x, r, b: (
        ff.comprehensiveness_over_units(
            ff.Removal(_score(m, x, b), x, r, ff.fill_with(0.0)), [UNITS] * len(x), generator()
        )[1].values
    ),
    "morf": _morf("morf"),
    "lerf": _morf("lerf"),
    "road": lambda m, x, r, b: (
        ff.road(
            ff.Removal(_score(m, x, b), x, r, ff.noisy_linear(x, generator(1))), generator()
        ).values
    ),
    "infidelity": lambda m, x, r, b: (
        ff.infidelity(
            ff.Removal(_score(m, x, b, "log-odds"), x, r, ff.fill_with(0.0)),
            generator(),
            window=(2, 2),
        ).values
    ),
    "max_sensitivity": lambda m, x, r, b: (
        ff.max_sensitivity(
            ff.Subject(gradient_map, m, x, _score(m, x, b).classes, batch_size=b), generator()
        ).values
    ),
    "randomisation": lambda m, x, r, b: (
        ff.parameter_randomisation(
            ff.Subject(gradient_map, m, x, _score(m, x, b).classes, batch_size=b), generator()
        )[0].values
    ),
    "emprt": lambda m, x, r, b: (
        ff.efficient_parameter_randomisation(
            ff.Subject(gradient_map, m, x, _score(m, x, b).classes, batch_size=b), generator()
        ).values
    ),
}


@pytest.mark.parametrize("name", INVARIANT)
def test_batch_size_does_not_matter(name: str) -> None:
    model = small_net()
    inputs = torch.randn(7, *SHAPE, generator=generator(9), dtype=torch.float64)
    classes = _score(model, inputs, 7).classes
    maps = gradient_map(model, inputs, classes)
    results = [INVARIANT[name](model, inputs, maps, size) for size in (1, 3, 7)]
    assert not results[0].isnan().any()
    for other in results[1:]:
        torch.testing.assert_close(results[0], other, atol=1e-10, rtol=1e-10)


def test_samples_one_after_another_draw_as_together() -> None:
    model = small_net()
    inputs = torch.randn(4, *SHAPE, generator=generator(9), dtype=torch.float64)
    maps = inputs.round()  # many ties
    together = ff.comprehensiveness(
        ff.Removal(_score(model, inputs, 4), inputs, maps, ff.fill_with(0.0)), generator()
    )
    draw, alone = generator(), []
    for x, r in zip(inputs.split(1), maps.split(1), strict=True):
        alone.append(
            ff.comprehensiveness(ff.Removal(_score(model, x, 1), x, r, ff.fill_with(0.0)), draw)
        )
    torch.testing.assert_close(together.values, torch.cat([one.values for one in alone]))


def test_maps_that_rank_nothing_have_no_value() -> None:
    _, inputs, maps, score = linear_case()
    maps = maps.clone()
    maps[0], maps[1] = 0.0, 2.0
    zero = ff.fill_with(0.0)
    for found in (
        ff.comprehensiveness(ff.Removal(score, inputs, maps, zero), generator()),
        ff.sufficiency(ff.Removal(score, inputs, maps, zero), generator()),
        ff.deletion_curve(ff.Removal(score, inputs, maps, zero), generator()).area(),
        ff.road(
            ff.Removal(score, inputs, maps, ff.noisy_linear(inputs, generator())), generator()
        ).mean(),
        ff.infidelity(ff.Removal(score, inputs, maps, zero), generator()),
    ):
        assert found.reasons == (ZERO, CONSTANT, "")
        assert found.values.isnan().tolist() == [True, True, False]


def test_displaced_maps_keep_their_values_inside_the_cells() -> None:
    _, _, maps, _ = linear_case()
    cells = torch.zeros(SHAPE, dtype=torch.bool)
    cells[..., 1:4] = True
    moved = ff.displaced(maps, generator(), cells=cells)
    assert not torch.equal(moved, maps)
    for a, b in zip(maps, moved, strict=True):
        torch.testing.assert_close(a[cells].sort().values, b[cells].sort().values)
        torch.testing.assert_close(a[~cells], b[~cells])


def test_bad_arguments_say_what_is_wrong() -> None:
    model, inputs, maps, score = linear_case()
    zero = ff.fill_with(0.0)
    cases: list[tuple[str, Callable[[], Any]]] = [
        (
            "maps have shape",
            lambda: ff.comprehensiveness(ff.Removal(score, inputs, maps[:2], zero), generator()),
        ),
        (
            "fractions must",
            lambda: ff.sufficiency(
                ff.Removal(score, inputs, maps, zero), generator(), fractions=(0.5, 0.1)
            ),
        ),
        (
            "order must",
            lambda: ff.deletion_curve(
                ff.Removal(score, inputs, maps, zero), generator(), order="up"
            ),
        ),
        (
            "cells must",
            lambda: ff.road(ff.Removal(score, inputs, maps, zero, cells=maps), generator()),
        ),
        ("torch.Generator", lambda: ff.comprehensiveness(ff.Removal(score, inputs, maps, zero), 0)),  # type: ignore[arg-type]
        ("no score", lambda: replace(score, kind="loss")),
        ("batch_size", lambda: ff.Score(model, score.classes, batch_size=0)),
        ("classes must lie", lambda: ff.Score(model, score.classes + 5)(inputs)),
        (
            "lists of units",
            lambda: ff.sufficiency_over_units(
                ff.Removal(score, inputs, maps, zero), [], generator()
            ),
        ),
        ("no baseline", lambda: ff.make_baseline("nil", inputs, generator())),
        ("mean", lambda: ff.make_baseline("noise", inputs, generator())),
        (
            "radius",
            lambda: ff.max_sensitivity(
                ff.Subject(gradient_map, model, inputs, score.classes), generator(), radius=0
            ),
        ),
    ]
    for text, call in cases:
        with pytest.raises(ConfigError, match=text):
            call()
    with pytest.raises(ExplainError, match="training mode"):
        ff.Score(small_net().train(), score.classes)
