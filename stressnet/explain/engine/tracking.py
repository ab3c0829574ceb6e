"""What the engine remembers about tensors that depend on the input.

The memory hangs on the tensors themselves (a Python attribute), never in a table by ``id``, which
Python gives out again after a tensor is gone.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from weakref import ReferenceType

from torch import Tensor

if TYPE_CHECKING:
    from stressnet.explain.engine.layer_node import LayerNode

_ATTRIBUTE = "_stressnet_tag"


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
    return tensor.__dict__.get(_ATTRIBUTE)


def set_tag(tensor: Tensor, tag: Tag) -> None:
    """Attach ``tag``."""
    tensor.__dict__[_ATTRIBUTE] = tag
