"""The two classes, by name and never by bare number."""

from __future__ import annotations

from enum import StrEnum
from typing import Any


class Stress(StrEnum):
    """Class of a disyllable: the syllable that carries primary stress.

    Members are strings, so tables hold ``"INITIAL"`` and ``"FINAL"``. Networks need a class index:
    :attr:`class_index` and :meth:`from_class_index` are the only place where the order is fixed.
    """

    INITIAL = "INITIAL"
    FINAL = "FINAL"

    @property
    def class_index(self) -> int:
        """Position among a network's outputs: INITIAL is 0, FINAL is 1."""
        return CLASSES.index(self)

    @property
    def other(self) -> Stress:
        """The opposite class."""
        return Stress.FINAL if self is Stress.INITIAL else Stress.INITIAL

    @classmethod
    def from_class_index(cls, index: int) -> Stress:
        """The class at a network's output ``index``."""
        return CLASSES[index]


CLASSES: tuple[Stress, ...] = (Stress.INITIAL, Stress.FINAL)
"""Order of a network's outputs. A logit difference is always INITIAL minus FINAL."""


def logit_difference(logits: Any) -> Any:
    """INITIAL minus FINAL of a network's outputs, shape (..., 2): arrays or tensors."""
    return logits[..., Stress.INITIAL.class_index] - logits[..., Stress.FINAL.class_index]
