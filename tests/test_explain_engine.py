"""The engine on unmodified models: what it must follow, and what it must leave alone."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
import torch
from lrp_nets import VGG, CompactCNN, LeNet, randomise, signed_input
from torch import Tensor, nn
from torch.nn import functional as fn

from stressnet.axes import Axes
from stressnet.errors import ConfigError, ExplainError
from stressnet.explain import (
    COMPOSITES,
    RULES,
    ExplainWarning,
    attribute_batch,
    explain_batch,
    explain_stream,
    rule,
    rules,
    salient_map,
)
from stressnet.explain.composites import suited
from stressnet.explain.rules import Layer, Passed, stabilise

X = torch.linspace(-1, 2, 12, dtype=torch.float64).reshape(2, 6)


class Net(nn.Module):
    """Two dense layers with something in between."""

    def __init__(self, between: object):
        super().__init__()
        self.first, self.last = nn.Linear(6, 4), nn.Linear(4, 2)
        self.between = between

    def forward(self, x: Tensor) -> Tensor:
        return self.last(self.between(self.first(x)))


def net(between: object) -> nn.Module:
    return randomise(Net(between), seed=5)


def snapshot(model: nn.Module) -> dict[str, object]:
    """Everything about a model that an explanation must not change."""
    hooks = [
        (len(m._forward_hooks), len(m._forward_pre_hooks), len(m._backward_hooks))
        for m in model.modules()
    ]
    return {
        "bytes": {k: v.numpy().tobytes() for k, v in model.state_dict().items()},
        "ids": [(id(p), p.requires_grad, p.grad, p._version) for p in model.parameters()],
        "buffers": [(id(b), b._version) for b in model.buffers()],
        "hooks": hooks,
        "training": [m.training for m in model.modules()],
        "attributes": [sorted(vars(m)) for m in model.modules()],
        "forward": [m.forward.__func__ for m in model.modules() if hasattr(m.forward, "__func__")],
        "marks": [dict(p.__dict__) for p in model.parameters()],
    }


# -- the model stays as it was ------------------------------------------------------------------


@pytest.mark.parametrize("name", COMPOSITES)
def test_state_is_unchanged(name: str) -> None:
    model = randomise(CompactCNN())
    x = signed_input(2, (16, 16))
    kept = x.clone()
    before = snapshot(model)
    explain_batch(model, x, name, bounds=(-5.0, 5.0))
    assert snapshot(model) == before
    assert torch.equal(x, kept) and x.grad is None and not x.requires_grad
    assert not hasattr(x, "_stressnet_tag")


def test_state_is_unchanged_after_an_exception() -> None:
    model = net(lambda h: torch.sin(fn.relu(h)))
    before = snapshot(model)
    with pytest.raises(ExplainError):
        explain_batch(model, X, "epsilon")
    assert snapshot(model) == before
    with torch.no_grad():
        model(X)  # the mode is gone
    assert torch.overrides._get_current_function_mode() is None


def test_gradients_of_parameters_are_not_touched() -> None:
    model = randomise(CompactCNN())
    model(signed_input(1, (16, 16))).sum().backward()
    grads = [p.grad.clone() for p in model.parameters()]
    explain_batch(model, signed_input(2, (16, 16)), "epsilon-plus")
    assert all(torch.equal(p.grad, g) for p, g in zip(model.parameters(), grads, strict=True))


@pytest.mark.parametrize("context", [torch.no_grad, torch.inference_mode, torch.enable_grad])
def test_works_in_any_gradient_context(context: type) -> None:
    model = randomise(CompactCNN())
    x = signed_input(2, (16, 16))
    expected = explain_batch(model, x).relevance
    with context():
        assert torch.equal(explain_batch(model, x.clone()).relevance, expected)


def test_memory_is_freed_without_the_garbage_collector() -> None:
    import gc
    import weakref

    seen: list[weakref.ref] = []

    class Watch(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            seen.append(weakref.ref(x))
            return x

    model = randomise(
        nn.Sequential(
            nn.Conv2d(1, 2, 3), Watch(), nn.BatchNorm2d(2), Watch(), nn.ReLU(), Watch(),
            nn.Flatten(), nn.Linear(2 * 14 * 14, 2),
        )
    )  # fmt: skip
    gc.collect()
    gc.disable()
    try:
        explain_batch(model, signed_input(1, (16, 16)), "epsilon-plus-flat")
        assert len(seen) == 3 and all(reference() is None for reference in seen)
    finally:
        gc.enable()


# -- what must be followed ----------------------------------------------------------------------


def relu_in_place(h: Tensor) -> Tensor:
    return fn.relu(h, inplace=True)


@pytest.mark.parametrize("name", ["epsilon", "epsilon-plus", "epsilon-gamma", "alpha2-beta1"])
@pytest.mark.parametrize(
    ("one", "other"),
    [
        (nn.ReLU(), relu_in_place),
        (nn.ReLU(), lambda h: h.relu_()),
        (nn.ReLU(), lambda h: h.clamp_(min=0).relu()),
        (lambda h: fn.relu(h + h), lambda h: h.add_(h).relu_()),
        (lambda h: fn.relu(h + 1), lambda h: h.add_(1.0).relu_()),
        (lambda h: fn.relu(h + 1), lambda h: torch.add(1, h).relu()),
        (lambda h: fn.relu(h * 2), lambda h: h.mul_(2).relu()),
        (lambda h: fn.relu(h) - 0.5, lambda h: -(0.5 - h.relu())),
        (nn.ReLU(), lambda h: fn.dropout(h.relu(), 0.5, training=False, inplace=True)),
        (nn.ReLU(), lambda h: torch.cat(h.relu().chunk(2, dim=1), dim=-1)),
        (nn.ReLU(), lambda h: torch.stack([h[:, i] for i in range(4)], dim=1).relu()),
        (nn.ReLU(), lambda h: h.view(2, 2, 2).transpose(1, 2).relu().transpose(1, 2).flatten(1)),
        (nn.ReLU(), lambda h: torch.where(h > 0, h, torch.zeros_like(h))),
    ],
)
def test_spellings_of_one_network_agree(one: object, other: object, name: str) -> None:
    expected, got = (explain_batch(net(part), X, name) for part in (one, other))
    # clamp goes through the identity rule of activations, with its own stabiliser
    torch.testing.assert_close(got.relevance, expected.relevance, rtol=1e-6, atol=1e-9)
    for explained in (expected, got):
        assert float(explained.conservation().relative_residual.max()) < 1e-10


def test_normalisation_is_folded_by_data_flow_not_by_definition_order() -> None:
    class Crossed(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.norm_b, self.conv_a = nn.BatchNorm2d(2), nn.Conv2d(1, 2, 3, bias=False)
            self.norm_a, self.conv_b = nn.BatchNorm2d(2), nn.Conv2d(2, 2, 3)
            self.head = nn.Linear(2, 2)

        def forward(self, x: Tensor) -> Tensor:
            x = fn.relu(self.norm_a(self.conv_a(x)))
            x = fn.relu(self.norm_b(self.conv_b(x)))
            return self.head(x.mean(dim=(2, 3)))

    explained = explain_batch(randomise(Crossed()), signed_input(2, (9, 9)))
    assert explained.rules["norm_a"] == "folded into conv_a"
    assert explained.rules["norm_b"] == "folded into conv_b"


def test_folding_leaves_other_readers_of_the_convolution_alone() -> None:
    class Branching(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv, self.norm = nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2)
            self.head = nn.Linear(2, 2)

        def forward(self, x: Tensor) -> Tensor:
            y = self.conv(x)
            return self.head((fn.relu(self.norm(y)) + fn.relu(y)).mean(dim=(2, 3)))

    model, x = randomise(Branching()), signed_input(2, (9, 9))
    explained = explain_batch(model, x, "lrp-0")
    leaf = x.clone().requires_grad_(True)
    logits = model(leaf)
    (gradient,) = torch.autograd.grad((logits[:, 0] - logits[:, 1]).sum(), leaf)
    torch.testing.assert_close(explained.relevance, leaf.detach() * gradient)
    sums = explain_batch(model, x, "epsilon-plus").conservation()
    assert float(sums.relative_residual.max()) < 1e-10


def test_unfolded_normalisation_by_lrp_0_equals_folded() -> None:
    model, x = randomise(CompactCNN()), signed_input(2, (16, 16))
    folded = explain_batch(model, x, "lrp-0").relevance
    plain = COMPOSITES["lrp-0"].with_(fold_batch_norm=False)
    torch.testing.assert_close(explain_batch(model, x, plain).relevance, folded)


def test_reused_layers_are_numbered() -> None:
    class Twice(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer, self.head = nn.Linear(6, 6), nn.Linear(6, 2)

        def forward(self, x: Tensor) -> Tensor:
            return self.head(fn.relu(self.layer(fn.relu(self.layer(x)))))

    explained = explain_batch(randomise(Twice()), X)
    assert list(explained.rules) == ["layer", "layer#2", "head"]


def test_models_library_layers_under_autocast_dtype() -> None:
    model = randomise(CompactCNN())
    x = signed_input(2, (16, 16))
    exact = explain_batch(model, x, "epsilon-plus")
    half = explain_batch(model.bfloat16(), x.bfloat16(), "epsilon-plus")
    assert half.relevance.dtype == torch.float32
    error = (half.relevance - exact.relevance).abs().sum() / exact.relevance.abs().sum()
    assert float(error) < 0.05


def test_weight_norm_and_parametrised_layers_are_followed() -> None:
    model = net(nn.ReLU())
    plain = explain_batch(model, X)
    torch.nn.utils.parametrizations.weight_norm(model.first)
    model.eval()
    torch.testing.assert_close(explain_batch(model, X).relevance, plain.relevance)


@pytest.mark.parametrize("norm", [nn.LayerNorm(4), nn.GroupNorm(2, 4), nn.RMSNorm(4)])
def test_normalisations_with_constant_scale(norm: nn.Module) -> None:
    class Frozen(nn.Module):
        """The same normalisation as a linear map, its scale given."""

        def __init__(self, scale: Tensor):
            super().__init__()
            self.scale = scale

        def forward(self, h: Tensor) -> Tensor:
            if isinstance(norm, nn.RMSNorm):
                centred = h
            elif isinstance(norm, nn.LayerNorm):
                centred = h - h.mean(dim=1, keepdim=True)
            else:
                groups = h.reshape(2, 2, 2)
                centred = (groups - groups.mean(dim=2, keepdim=True)).flatten(1)
            bias = 0 if norm.bias is None else norm.bias
            return centred * self.scale * norm.weight + bias

    if isinstance(norm, nn.RMSNorm):
        norm.bias = None
    with torch.no_grad():
        norm.weight.copy_(torch.tensor([0.5, 1.0, -2.0, 1.5]))
        if norm.bias is not None:
            norm.bias.copy_(torch.tensor([0.1, -0.2, 0.3, 0.4]))
    model = net(norm)
    explained = explain_batch(model, X, "lrp-0")
    assert float(explained.conservation().relative_residual.max()) < 1e-10
    with torch.no_grad():
        h = model.first(X)
        shape = (2, 2, 2) if isinstance(norm, nn.GroupNorm) else (2, 1, 4)
        spread = h.reshape(shape)
        if isinstance(norm, nn.RMSNorm):
            eps, square = torch.finfo(h.dtype).eps, (spread**2).mean(2, keepdim=True)
        else:
            eps, square = norm.eps, spread.var(2, unbiased=False, keepdim=True)
        scale = (square + eps).rsqrt().expand(shape).reshape(2, 4)
    frozen = net(Frozen(scale))
    frozen.load_state_dict({k: v for k, v in model.state_dict().items() if "between" not in k})
    torch.testing.assert_close(
        explained.relevance, explain_batch(frozen, X, "lrp-0").relevance, rtol=1e-9, atol=1e-12
    )


# -- seeds --------------------------------------------------------------------------------------


def test_seeds_and_their_values() -> None:
    model = net(nn.ReLU())
    logits = model(X).detach()
    difference = explain_batch(model, X)
    torch.testing.assert_close(difference.output, logits[:, 0] - logits[:, 1])
    predicted = explain_batch(model, X, seed="logit")
    assert torch.equal(predicted.target, logits.argmax(dim=1))
    torch.testing.assert_close(predicted.output, logits.max(dim=1).values)
    labels = torch.tensor([1, 0])
    given = explain_batch(model, X, seed="logit", target=labels)
    torch.testing.assert_close(given.output, logits[[0, 1], labels])
    odds = explain_batch(model, X, seed="log-odds", target=0)
    p = torch.softmax(logits, dim=1)[:, 0]
    torch.testing.assert_close(odds.output, torch.log(p / (1 - p)))
    torch.testing.assert_close(odds.relevance, difference.relevance)


def test_log_odds_of_three_classes_close() -> None:
    model = randomise(nn.Sequential(nn.Linear(6, 5), nn.ReLU(), nn.Linear(5, 3)))
    explained = explain_batch(model, X, "epsilon", "log-odds", 2)
    p = torch.softmax(model(X).detach(), dim=1)[:, 2]
    torch.testing.assert_close(explained.output, torch.log(p / (1 - p)))
    assert float(explained.conservation().relative_residual.max()) < 1e-10
    assert explained.ledger[-1]["layer"] == "(seed)"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"seed": "probability"}, "no seed 'probability'"),
        ({"target": 1}, "the logit difference and weights take none"),
        ({"seed": "logit", "target": 2}, "between 0 and 1"),
        ({"seed": "logit", "target": torch.tensor([0, 1, 0])}, "one for each of the 2 samples"),
        ({"seed": torch.ones(3)}, r"seed weights have shape \(3,\)"),
        ({"composite": "lrp"}, "no composite 'lrp'; there are lrp-0, epsilon"),
        ({"composite": "epsilon-gamma-box"}, r"needs bounds=\(low, high\)"),
        ({"composite": "epsilon-gamma-box", "bounds": (1.0, 0.0)}, "low exceeds high"),
        (
            {"composite": "epsilon-gamma-box", "bounds": (torch.zeros(5), 1.0)},
            r"does not broadcast to the inputs' \(2, 6\)",
        ),
        ({"layers": ["middle"]}, "the model has no layer 'middle'"),
        ({"keep_channels": {"middle": [0]}}, "the model has no layer 'middle'"),
    ],
)
def test_wrong_options(options: dict, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        explain_batch(net(nn.ReLU()), X, **options)


def test_three_classes_have_no_logit_difference() -> None:
    with pytest.raises(ConfigError, match="needs two classes, the model has 3"):
        explain_batch(randomise(nn.Sequential(nn.Linear(6, 3))), X)


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        (torch.zeros(2, 6, dtype=torch.long), "floating-point tensor"),
        (torch.zeros(0, 6), "no sample"),
        (torch.full((1, 6), torch.nan), "not finite"),
        ([1.0], "floating-point tensor"),
    ],
)
def test_wrong_inputs(inputs: Tensor, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        explain_batch(net(nn.ReLU()), inputs)


def test_bounds_per_bin_and_inputs_outside() -> None:
    model, x = randomise(CompactCNN()), signed_input(2, (16, 12))
    low = torch.linspace(-6, -5, 16).reshape(16, 1)
    per_bin = explain_batch(model, x, "epsilon-plus-box", bounds=(low, 6.0))
    assert float(per_bin.conservation().relative_residual.max()) < 1e-10
    everywhere = explain_batch(model, x, "epsilon-plus-box", bounds=(low.expand(16, 12), 6.0))
    assert torch.equal(per_bin.relevance, everywhere.relevance)
    with pytest.warns(ExplainWarning, match="input values lie outside the bounds"):
        explain_batch(model, x, "epsilon-plus-box", bounds=(-0.1, 0.1))


# -- refusals -----------------------------------------------------------------------------------


def no_gradient(h: Tensor) -> Tensor:
    with torch.no_grad():
        return h * 2


class Hidden(torch.autograd.Function):
    """An operation the engine cannot see."""

    @staticmethod
    def forward(ctx: object, x: Tensor) -> Tensor:
        return x * 2

    @staticmethod
    def backward(ctx: object, g: Tensor) -> Tensor:
        return g * 2


class Opaque(torch.autograd.Function):
    """One that does not even call torch operations on its argument."""

    @staticmethod
    def forward(ctx: object, x: Tensor) -> Tensor:
        with torch._C.DisableTorchFunction():
            return x * 2

    @staticmethod
    def backward(ctx: object, g: Tensor) -> Tensor:
        return g * 2


def write_elsewhere(h: Tensor) -> Tensor:
    result = torch.zeros(2, 4).double()
    result[:, :] = h
    return result


def set_item(h: Tensor) -> Tensor:
    h = h.clone()
    h[:, 0] = 0
    return h


@pytest.mark.parametrize(
    ("between", "message"),
    [
        (torch.sin, r"no relevance rule for operation 'sin' in \(model\): rewrite the model"),
        (nn.Softmax(dim=1), "'softmax' in between: explain the logits"),
        (lambda h: h / h.sum(), "operation 'div'"),
        (lambda h: h**2, "operation 'pow'"),
        (torch.abs, "operation 'abs'"),
        (lambda h: h.detach(), "'detach' .*: it cuts the path of relevance"),
        (lambda h: h * h.sum().item(), "'item'.*: its value leaves the graph"),
        (lambda h: h * float(h.sum()), "'item'.*: its value leaves the graph"),
        (lambda h: fn.dropout(h, 0.5), "dropout is active although"),
        (no_gradient, "gradients are switched off"),
        (Hidden.apply, "inside a custom autograd function"),
        (Opaque.apply, "linear received a tensor made by an operation that cannot be seen"),
        (lambda h: torch.add(h, 1, out=torch.empty(2, 4).double()), "add writes to out="),
        (write_elsewhere, "writes input-dependent values"),
        (set_item, "'setitem' has no rule"),
        (lambda h: h.zero_(), "in-place operation 'zero' has no rule"),
        (lambda h: torch.zeros(2, 4).double().add_(h), "writes input-dependent values"),
        (nn.BatchNorm1d(4, track_running_stats=False), "uses the statistics of this batch"),
        (lambda h: h.view(4, 2).relu_().view(2, 4) * 1 + 0 * h, "changed in place through a view"),
    ],
)
def test_operations_without_a_rule_are_refused(between: object, message: str) -> None:
    with pytest.raises(ExplainError, match=message):
        explain_batch(net(between), X, "epsilon")


def test_lenient_mode_warns_and_states_the_share() -> None:
    model = net(lambda h: torch.sin(h))
    with pytest.warns(ExplainWarning, match="no relevance rule for operation 'sin'"):
        explained = explain_batch(model, X, "epsilon", strict=False)
    sums = explained.conservation()
    assert float(sums.unaccounted_share.abs().min()) > 0
    assert float(sums.relative_residual.max()) < 1e-10


def test_training_mode_is_refused() -> None:
    model = randomise(CompactCNN())
    model.drop.train()
    with pytest.raises(ExplainError, match=r"training mode \(drop\).*model.eval\(\)"):
        explain_batch(model, signed_input(1, (16, 16)))


class Compiled(nn.Module):
    """As ``torch.compile`` wraps a module, without its cost."""

    def __init__(self, model: nn.Module):
        super().__init__()
        self._orig_mod = model


def test_scripted_models_are_refused_and_compiled_ones_unwrapped() -> None:
    model = net(nn.ReLU())
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        scripted = torch.jit.trace(model, X)
    with pytest.raises(ExplainError, match="scripted"):
        explain_batch(scripted, X)
    compiled = Compiled(model).eval()
    assert torch.equal(explain_batch(compiled, X).relevance, explain_batch(model, X).relevance)


def test_models_that_return_something_else() -> None:
    class Pair(nn.Module):
        def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
            return x, x

    class Deaf(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return torch.zeros(len(x), 2, requires_grad=True) + 1

    with pytest.raises(ExplainError, match=r"one tensor of shape \(batch, n_classes\), not tuple"):
        explain_batch(Pair().eval(), X)
    with pytest.raises(ExplainError, match="output does not depend on its input"):
        explain_batch(Deaf().eval(), X)


def test_first_layer_rules_need_a_first_layer() -> None:
    model = net(nn.ReLU())

    class Scaled(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.model = model

        def forward(self, x: Tensor) -> Tensor:
            return self.model(x * 2 + 1)

    with pytest.raises(ExplainError, match="no layer reads the model's input directly"):
        explain_batch(Scaled().eval(), X, "epsilon-plus-flat")
    second = COMPOSITES["epsilon"].with_(layers=(("last", rules.flat()),))
    with pytest.raises(ExplainError, match="rule flat at last: this layer does not read"):
        explain_batch(model, X, second)


def test_samples_must_stay_in_the_first_dimension() -> None:
    class Transposed(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return (x.transpose(0, 1)[:3] + torch.ones(3, 1)).transpose(0, 1)[:, :2]

    with pytest.raises(ExplainError, match="does not keep the 2 samples in its first dimension"):
        explain_batch(Transposed().eval(), X)


def test_samples_that_left_the_first_dimension_unseen_leave_the_ledger_open() -> None:
    class TimeFirst(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.dense, self.head = nn.Linear(3, 3), nn.Linear(3, 2)

        def forward(self, x: Tensor) -> Tensor:
            steps = x.reshape(len(x), 4, 3).transpose(0, 1)  # four steps for two samples
            return self.head(fn.relu(self.dense(steps)).sum(dim=0))

    model = randomise(TimeFirst())
    x = torch.linspace(-2, 3, 24, dtype=torch.float64).reshape(2, 12)
    with pytest.warns(ExplainWarning, match="leaves .* of a sample's value open"):
        explain_batch(model, x, "epsilon")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        explain_batch(model, x[:1], "epsilon")


# -- more than a map ----------------------------------------------------------------------------


def test_first_layer_rules_reach_the_input_through_reshaping() -> None:
    class Reshaped(nn.Module):
        def __init__(self, inner: nn.Module):
            super().__init__()
            self.inner = inner

        def forward(self, x: Tensor) -> Tensor:
            return self.inner(fn.pad(x.transpose(2, 3), (1, 0)).transpose(2, 3)[:, :, 1:])

    model, x = randomise(CompactCNN()), signed_input(2, (16, 12))
    for name in ("epsilon-plus-flat", "epsilon-gamma-box"):
        expected = explain_batch(model, x, name, bounds=(-5.0, 5.0)).relevance
        got = explain_batch(Reshaped(model).eval(), x, name, bounds=(-5.0, 5.0)).relevance
        torch.testing.assert_close(got, expected)


def test_relevance_at_layers_and_through_chosen_channels() -> None:
    model, x = randomise(CompactCNN()), signed_input(2, (16, 16))
    path = "blocks.4"
    whole = explain_batch(model, x, "epsilon-plus", layers=[path])
    at_layer = whole.layer_relevance[path]
    assert at_layer.shape[:2] == (2, 16)
    row = [r["relevance_out"] for r in whole.ledger if r["layer"] == path]
    assert at_layer.sum(dim=(1, 2, 3)).tolist() == pytest.approx(row)
    parts = [
        explain_batch(model, x, "epsilon-plus", keep_channels={path: channels})
        for channels in (range(5), range(5, 16))
    ]
    together = parts[0].relevance + parts[1].relevance
    torch.testing.assert_close(together, whole.relevance)
    for part in parts:
        assert float(part.conservation().relative_residual.max()) < 1e-10


def test_stream_equals_one_batch() -> None:
    model, x = randomise(CompactCNN()), signed_input(5, (16, 16))
    labels = torch.tensor([0, 1, 1, 0, 1])
    options = {"composite": "epsilon-gamma", "seed": "logit"}
    whole = explain_batch(model, x, target=labels, **options)
    parts = list(explain_stream(model, x, batch_size=2, target=labels, **options))
    assert [len(part.output) for part in parts] == [2, 2, 1]
    torch.testing.assert_close(torch.cat([p.relevance for p in parts]), whole.relevance)
    assert len(list(explain_stream(model, iter([x[:2], x[2:]])))) == 2


def test_result_says_how_it_was_made() -> None:
    explained = explain_batch(randomise(CompactCNN()), signed_input(2, (16, 16)), "epsilon-plus")
    assert explained.rules["head"] == "epsilon(stabiliser=1e-06)"
    assert explained.stabilisers == {
        "z-plus": 1e-6,
        "epsilon": 1e-6,
        "pooling": 0.0,
        "addition": 0.0,
        "activation": 1e-9,
    }
    assert set(explained.versions) == {"stressnet", "torch", "python"}
    assert {row["layer"] for row in explained.ledger} == {"blocks.0", "blocks.4", "head"}
    assert "largest relative residual" in str(explained.conservation())
    with pytest.raises(AttributeError):
        explained.seed = "other"  # type: ignore[misc]


def test_axes_travel_with_the_map() -> None:
    axes = Axes(np.arange(16) * 0.01, np.arange(16) * 50.0)
    x = signed_input(2, (16, 16))
    for made in (
        explain_batch(randomise(CompactCNN()), x, axes=axes),
        attribute_batch(randomise(CompactCNN()), x, "gradient", axes=axes),
    ):
        assert made.axes is axes
        shown = salient_map(made, time_scale_s=0.1, frequency_scale_hz=300)
        assert shown.axes is axes
    assert explain_batch(randomise(CompactCNN()), x).axes is None
    with pytest.raises(ConfigError, match=r"shape \(16, 16\), but their axes say \(16, 15\)"):
        explain_batch(randomise(CompactCNN()), x, axes=Axes(axes.time_s[:15], axes.frequency_hz))


def test_a_new_rule_takes_ten_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(RULES, "absolute", rules.epsilon)  # removed again after the test

    @rule("absolute")
    def absolute(layer: Layer, r: Tensor, *, stabiliser: float = 1e-6) -> Passed:
        """Shares by absolute weight, for non-negative inputs."""
        w = layer.weight.abs()
        d, offset = stabilise(layer.forward(layer.x, w), stabiliser)
        s = r / d
        return Passed(r.new_zeros(layer.batch), layer.total(s, offset), layer.back(s, w))

    composite = COMPOSITES["epsilon"].with_(name="mine", layers=(("first", absolute()),))
    explained = explain_batch(net(nn.ReLU()), X.abs(), composite)
    assert explained.rules["first"] == "absolute(stabiliser=1e-06)"
    assert float(explained.conservation().relative_residual.max()) < 1e-10


@pytest.mark.parametrize("model", [LeNet(4, 8, (40, 40)), VGG(11, (40, 40), 16, 8)])
def test_float32_and_float64_agree(model: nn.Module) -> None:
    x = signed_input(2, (40, 40))
    exact = explain_batch(randomise(model), x, "epsilon-plus").relevance
    single = explain_batch(model.float(), x.float(), "epsilon-plus").relevance
    assert float((single - exact).abs().max() / exact.abs().max()) < 1e-4


def test_composites_that_suit_a_network_with_attention() -> None:
    names = ("epsilon-gamma", "smoothgrad", "cp-lrp", "random")
    assert suited(names, "epsilon-gamma") == names
    assert suited(names, "epsilon-gamma-cp") == (
        "epsilon-gamma-cp",
        "smoothgrad",
        "cp-lrp",
        "random",
    )
