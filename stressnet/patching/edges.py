"""Edges of a transformer: what one of its parts adds to the residual stream and another one reads.

Path patching (Wang et al. 2023, Goldowsky-Dill et al. 2023): the input of a **receiver** takes the
contribution of a **sender** from the other image, ``x - sender(base) + sender(source)``; everything
else, the other readers of the stream included, stays as it was. Senders are what the stream begins
with, single heads, and the two-layer networks of the blocks. Receivers are the modules that read
the stream itself: the normalisations before attention and two-layer network, and all behind the
blocks. They are found by adding up what the parts give while the network runs once.
"""

from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from stressnet.errors import ConfigError
from stressnet.explain.boundaries import changed_at
from stressnet.patching.units import Sender, Unit, Units, head_units, roles_of

START = "start"  # Label of what the residual stream begins with

_PASSING = (nn.Dropout, nn.Identity)


def edge_units(network: nn.Module) -> Units:
    """All edges; the layer of each is its receiver's input, the label names the sender."""
    roles = {p: role for p, role in roles_of(network).items() if role != "activation"}
    if not roles:
        raise ConfigError("edge: the network has no residual stream; choose other units")
    stream = _Stream(roles, _heads_of(network))
    size = (int(network.n_bins), int(network.n_frames))  # type: ignore[arg-type]
    images = torch.randn(2, 1, *size, generator=torch.Generator().manual_seed(0))
    with torch.no_grad(), ExitStack() as stack:
        for path, module in network.named_modules():
            if not isinstance(module, _PASSING) and next(module.children(), None) is None:
                reads = partial(stream.is_read, path)
                stack.callback(module.register_forward_pre_hook(reads).remove)
        stack.enter_context(changed_at(network, {p: partial(stream.holds, p) for p in roles}))
        network(images.to(next(network.parameters())))
    return [
        Unit("edge", f"{path}:input", sender.label, sender=replace(sender, turned=turned))
        for path, (n, turned) in stream.receivers.items()
        for sender in stream.senders[:n]
    ]


def _heads_of(network: nn.Module) -> dict[str, list[Sender]]:
    """Heads by the path of their attention, as far as they are known."""
    found: dict[str, list[Sender]] = {}
    try:
        units = head_units(network)
    except ConfigError:
        return found
    for unit in units:
        dense = unit.layer.removesuffix(":input")
        attention, cells = dense.rpartition(".")[0], torch.from_numpy(unit.cells)
        weight: Any = network.get_submodule(dense).weight
        sender = Sender(unit.layer, f"{attention} {unit.label}", cells, weight.detach()[:, cells])
        found.setdefault(attention, []).append(sender)
    return found


@dataclass
class _Stream:
    """What was added while the network ran, by whom, and who read the sum."""

    roles: Mapping[str, str]
    heads: Mapping[str, list[Sender]]
    senders: list[Sender] = field(default_factory=list)
    receivers: dict[str, tuple[int, bool]] = field(default_factory=dict)
    total: Tensor | None = None

    def holds(self, place: str, tensor: Tensor) -> Tensor:
        """A part of the network gives a tensor; after each block the sum must be right."""
        if self.roles[place] != "residual" or self.total is None:
            self.total = tensor if self.total is None else self.total + tensor
            mlp = f"{place.rpartition('.')[0]} MLP"
            label = {"residual": START, "mlp": mlp}.get(self.roles[place], place)
            self.senders += self.heads.get(place, [Sender(place, label)])
        elif not _equal(self.total, tensor):
            raise ConfigError(f"edge: {place} is no sum of what its parts give; choose other units")
        return tensor

    def is_read(self, path: str, _: nn.Module, inputs: tuple[Any, ...]) -> None:
        """Note a module whose input is the stream, maybe with places and values exchanged."""
        if self.total is not None and inputs and isinstance(inputs[0], Tensor):
            for turned, stream in enumerate((self.total, self.total.mT)):
                if _equal(stream, inputs[0]):
                    self.receivers.setdefault(path, (len(self.senders), bool(turned)))
                    return


def _equal(one: Tensor, other: Tensor) -> bool:
    return one.shape == other.shape and torch.allclose(one, other, rtol=1e-3, atol=1e-5)
