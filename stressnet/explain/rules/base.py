"""What a rule is: a function of a layer and the relevance of its outputs."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from stressnet.errors import ConfigError
from stressnet.explain.rules.linear_maps import LinearMap


def stabilise(z: Tensor, stabiliser: float, *, overwrite: bool = False) -> tuple[Tensor, Tensor]:
    """``s(z)`` and ``s(z) - z``.

    Without a stabiliser only zeros are moved (to one), so that what would be divided by zero is
    booked as stabiliser share. (Written without masks: ``torch.where`` on a random pattern costs
    as much as a convolution.) With ``overwrite`` ``z`` itself becomes ``s(z)``.
    """
    if stabiliser == 0:
        offset = (z == 0).to(z)
    else:
        offset = torch.copysign(torch.tensor(stabiliser, dtype=z.dtype, device=z.device), z)
    return (z.add_(offset) if overwrite else z + offset), offset


def per_sample(a: Tensor, b: Tensor, batch: int) -> Tensor:
    """``sum(a * b)`` for each of ``batch`` samples, shape ``(batch,)``."""
    left, right = a.reshape(batch, -1), b.reshape(batch, -1)
    if a.device.type == "cpu":  # no temporary
        return torch.stack([torch.dot(x, y) for x, y in zip(left, right, strict=True)])
    return (left * right).sum(dim=1)


@dataclass(frozen=True)
class Layer:
    """A layer as its rule sees it.

    A large batch reaches its rule a few samples at a time (see
    :class:`stressnet.explain.engine.layer_node.LayerNode`), so ``x``, ``z`` and ``bounds`` may be a
    part of the batch.
    """

    # Input and exact output; of a convolution with its batch normalisation folded, the output of
    # the normalisation.
    x: Tensor
    z: Tensor
    # The effective (folded) parameters and the linear part.
    weight: Tensor
    bias: Tensor | None
    map: LinearMap
    batch: int  # Number of samples explained together
    # Known from data flow (after a ReLU, say), so that negative-input terms can be left out.
    x_is_nonnegative: bool = False
    # Every consumer is a ReLU, so that outputs `z < 0` carry no relevance.
    z_is_rectified: bool = False
    # Lowest and highest possible input, shaped like `x`; only rule zB asks for them.
    bounds: tuple[Tensor, Tensor] | None = None
    made: dict[str, Tensor] = field(default_factory=dict)  # What `once` has made
    c: Tensor | None = None  # Coefficient of the outputs, `r = z * c`

    def once(self, name: str, make: Callable[[], Tensor]) -> Tensor:
        """A tensor that depends on the parameters alone, made once for all parts of a batch."""
        if name not in self.made:
            self.made[name] = make()
        return self.made[name]

    def forward(self, x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
        """The linear part with other inputs or parameters."""
        return self.map.apply(x, weight, bias)

    def back(self, s: Tensor, weight: Tensor) -> Tensor:
        """``sum_j s_j w_ij``, shape of ``x``."""
        return self.map.transpose(s, weight, self.x)

    def bias_share(self, s: Tensor, bias: Tensor | None) -> Tensor:
        """``sum_j s_j b_j`` per sample."""
        if bias is None:
            return s.new_zeros(self.batch)
        return self.map.per_channel(s, self.batch) @ bias

    def total(self, a: Tensor, b: Tensor) -> Tensor:
        """``sum(a * b)`` per sample."""
        return per_sample(a, b, self.batch)


@dataclass(frozen=True)
class Passed:
    """What a rule returns: ``coefficient`` or ``relevance`` of the inputs, and the two shares."""

    bias_share: Tensor
    stabiliser_share: Tensor
    coefficient: Tensor | None = None
    relevance: Tensor | None = None


RuleFunction = Callable[..., Passed]


@dataclass(frozen=True)
class Rule:
    """A rule with its parameters; call it with a :class:`Layer` and the relevance of its outputs.

    ``function(layer, r, **parameters)`` gives what is :class:`Passed`. ``input_only`` is true for
    rules that do not vanish at ``x = 0``: they are for layers that read the input.
    """

    name: str
    function: RuleFunction
    parameters: tuple[tuple[str, Any], ...] = ()
    input_only: bool = False

    def __call__(self, layer: Layer, r: Tensor) -> Passed:
        return self.function(layer, r, **dict(self.parameters))

    def __str__(self) -> str:
        return f"{self.name}({', '.join(f'{key}={value:g}' for key, value in self.parameters)})"


RULES: dict[str, Callable[..., Rule]] = {}


def rule(name: str, *, input_only: bool = False) -> Callable[[RuleFunction], Callable[..., Rule]]:
    """Turn a function into a rule's maker and list it in :data:`RULES`.

    With ``input_only`` it returns relevance, not a coefficient (see :class:`Rule`). The maker
    raises :class:`ConfigError` for a parameter that the function does not have.
    """

    def decorate(function: RuleFunction) -> Callable[..., Rule]:
        defaults = dict(function.__kwdefaults__ or {})

        def make(**parameters: Any) -> Rule:
            unknown = set(parameters) - set(defaults)
            if unknown:
                raise ConfigError(
                    f"rule {name} has no parameter {', '.join(sorted(unknown))}; "
                    f"it has {', '.join(defaults) or 'none'}"
                )
            return Rule(name, function, tuple({**defaults, **parameters}.items()), input_only)

        make.__doc__ = function.__doc__
        make.__name__ = function.__name__
        make.__module__ = function.__module__
        RULES[name] = make
        return make

    return decorate
