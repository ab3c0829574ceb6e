"""A call of an operation, taken apart, and what the engine remembers about tensors.

The memory hangs on the tensors themselves (Python attributes), never in a table by ``id``, which
Python gives out again after a tensor is gone.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any
from weakref import ReferenceType

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode

from stressnet.explain.engine import operations as ops

if TYPE_CHECKING:
    from stressnet.explain.engine.layer_node import LayerNode
    from stressnet.explain.engine.taps import TapNode

_TAG = "_stressnet_tag"
_CONSTANT = "_stressnet_constant"
_ORIGINAL = "_stressnet_original"


@dataclass
class Uses:
    """How a tensor is consumed; tells whether only ReLUs see it (maybe through max pooling)."""

    rectified: int = 0
    other: int = 0
    passed_on: list[Uses] = field(default_factory=list)

    def only_rectified(self) -> bool:
        """Every path from here goes through a ReLU first."""
        some = self.rectified > 0 or bool(self.passed_on)
        return self.other == 0 and some and all(uses.only_rectified() for uses in self.passed_on)


@dataclass
class Tag:
    """Facts about a tensor that depends on the input."""

    nonnegative: bool = False  # known from data flow
    is_input: bool = False  # the input itself, or moved and copied values of it
    bounds: tuple[Tensor, Tensor] | None = None  # range of each value of the input
    node: LayerNode | None = None  # whose output this is, for a batch normalisation to fold into
    uses: Uses = field(default_factory=Uses)
    # Layers that keep an alias of this tensor, and as what (x or z).
    savers: list[tuple[ReferenceType[LayerNode], str]] = field(default_factory=list)
    # Taps of this tensor, each with the factor to it from what was folded since.
    taps: list[tuple[TapNode, Tensor | float]] = field(default_factory=list)

    def living_savers(self) -> Iterator[tuple[LayerNode, str]]:
        """Savers that still exist."""
        for reference, slot in self.savers:
            saver = reference()
            if saver is not None:
                yield saver, slot


def tag_of(tensor: object) -> Tag | None:
    """The tag of a tensor, None if it does not depend on the input."""
    if not isinstance(tensor, Tensor):
        return None
    return tensor.__dict__.get(_TAG)


def set_tag(tensor: Tensor, tag: Tag) -> None:
    """Attach ``tag``."""
    tensor.__dict__[_TAG] = tag


def known_tag(tensor: Tensor) -> Tag:
    """The tag of a tensor that is known to have one."""
    tag = tag_of(tensor)
    assert tag is not None
    return tag


@dataclass(frozen=True)
class Call:
    """An operation, its canonical name (:func:`operations.canonical_name`) and its arguments."""

    name: str
    func: Callable[..., Any]
    args: tuple[Any, ...]
    kwargs: dict[str, Any]

    def run(self) -> Any:
        return self.func(*self.args, **self.kwargs)

    @cached_property
    def tensors(self) -> list[Tensor]:
        """Tensors among the arguments."""
        return tensors_in((self.args, self.kwargs))

    @property
    def tagged(self) -> list[Tensor]:
        """Those that depend on the input."""
        return [t for t in self.tensors if tag_of(t) is not None]

    def mapped(self, function: Callable[[Tensor], Any]) -> Call:
        """The same call with every tensor replaced by ``function`` of it."""
        return Call(self.name, self.func, *map_tensors((self.args, self.kwargs), function))

    def swapped(self, old: Tensor, new: Tensor) -> Call:
        """The same call with one tensor exchanged."""
        return self.mapped(lambda t: new if t is old else t)

    def function_of(self, x: Tensor) -> Callable[[Tensor], Tensor]:
        """The call as a function of its argument ``x``."""
        return lambda value: self.swapped(x, value).run()

    def with_constants_only(self) -> Any:
        """The result for an input of zeros: what does not depend on the input."""
        call = self.mapped(lambda t: torch.zeros_like(t) if tag_of(t) is not None else t)
        with torch.no_grad():
            return call.run()

    @property
    def is_in_place(self) -> bool:
        """The call overwrites its first argument."""
        return ops.is_in_place(self.func) or bool(self.kwargs.get("inplace"))

    def out_of_place(self) -> Call:
        """The same operation without overwriting."""
        kwargs = {key: value for key, value in self.kwargs.items() if key != "inplace"}
        func = self.func
        if ops.is_in_place(func):
            owners = (Tensor, torch, torch.nn.functional)
            func = next(getattr(o, self.name) for o in owners if hasattr(o, self.name))
        return Call(self.name, func, self.args, kwargs)

    def bound(self, *names: str) -> dict[str, Any]:
        """The arguments by name; ``names`` are those that may be given by position."""
        return {**dict(zip(names, self.args, strict=False)), **self.kwargs}

    def argument(self, name: str, position: int, default: Any = None) -> Any:
        """An argument given by keyword or position."""
        if name in self.kwargs:
            return self.kwargs[name]
        return self.args[position] if len(self.args) > position else default


class CallMode(TorchFunctionMode, ABC):
    """Hands every operation on a tensor to :meth:`follow` instead of running it."""

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Iterable[type],
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        return self.follow(Call(ops.canonical_name(func), func, args, kwargs or {}))

    @abstractmethod
    def follow(self, call: Call) -> Any:
        """The operation's result."""


_PLAIN = frozenset((int, float, bool, str, type(None), torch.dtype))
"""Types of most arguments that are no tensors: told apart first, which is faster."""


def tensors_in(tree: Any) -> list[Tensor]:
    """Tensors in nested tuples, lists and dicts."""
    if isinstance(tree, Tensor):
        return [tree]
    if not isinstance(tree, (tuple, list, dict)):
        return []
    items = tree.values() if isinstance(tree, dict) else tree
    return [t for item in items if type(item) not in _PLAIN for t in tensors_in(item)]


def map_tensors(tree: Any, function: Callable[[Tensor], Any]) -> Any:
    """The same nest with tensors replaced; named tuples and other objects stay as they are."""
    if type(tree) in _PLAIN:
        return tree
    if isinstance(tree, Tensor):
        return function(tree)
    if isinstance(tree, dict):
        return {key: map_tensors(item, function) for key, item in tree.items()}
    if isinstance(tree, list):
        return [map_tensors(item, function) for item in tree]
    if type(tree) is tuple:
        return tuple([map_tensors(item, function) for item in tree])
    return tree


def without_history(tensor: Tensor) -> Tensor:
    """Parameters and what was made of them, cut from the graph; see :func:`original`."""
    if tag_of(tensor) is not None or not tensor.requires_grad:
        return tensor
    plain = tensor.detach()
    plain.__dict__[_ORIGINAL] = tensor
    return plain


def original(tensor: Tensor | None) -> Tensor | None:
    """The tensor that :func:`without_history` was given."""
    return None if tensor is None else tensor.__dict__.get(_ORIGINAL, tensor)


def mark_constant(result: Any) -> Any:
    """Remember that a result was computed from parameters alone."""
    for tensor in tensors_in(result):
        if tensor.grad_fn is not None:
            tensor.__dict__[_CONSTANT] = True
    return result


def is_foreign(tensor: Tensor) -> bool:
    """A tensor with a gradient history that was not made by an operation the engine saw."""
    known = tag_of(tensor) is not None or _CONSTANT in tensor.__dict__
    return tensor.grad_fn is not None and not known


def is_mapped(tensor: object) -> bool:
    """The tensor is one entry of a tensor that ``torch.func.vmap`` maps over."""
    return isinstance(tensor, Tensor) and torch._C._functorch.is_functorch_wrapped_tensor(tensor)


def all_nonnegative(tensors: Iterable[Tensor]) -> bool:
    """Known from data flow for every one of them."""
    return all(tag is not None and tag.nonnegative for tag in map(tag_of, tensors))
