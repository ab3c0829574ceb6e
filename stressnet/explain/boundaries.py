"""Places of a model where a tensor can be read and replaced: outputs and inputs of modules.

A place is written as the path of a module, ``"block1.attention"``, for its output (of a tuple: the
first element), with ``":input"`` for its first argument, and with ``"#2"`` behind the path for the
second time the module runs. A replaced input is what this module alone reads: other readers of the
same tensor keep the old one.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from stressnet.errors import ExplainError
from stressnet.explain.checks import check_paths

Change = Callable[[Tensor], Tensor]


@contextmanager
def changed_at(model: nn.Module, changes: Mapping[str, Change]) -> Iterator[set[str]]:
    """While the context lasts, each named place holds a function of the tensor it had.

    The model gets forward hooks, which are removed at the end. ``changes`` are functions of a
    tensor that return a new one of the same shape, by place. Yields the places whose module
    overwrote its input, see :func:`check_read`.
    """
    check_paths(model, list(changes))
    by_path: dict[str, dict[str, Change]] = {}
    for place, change in changes.items():
        path, _, _ = place.partition(":")[0].partition("#")
        by_path.setdefault(path, {})[place] = change
    left, overwritten = set(changes), set[str]()
    with ExitStack() as stack:
        for path, here in by_path.items():
            for handle in _Boundary(path, here, left, overwritten).attach(
                model.get_submodule(path)
            ):
                stack.callback(handle.remove)
        yield overwritten
        if left:
            raise ExplainError(
                f"{', '.join(sorted(left))}: the module does not run (that often): another one may "
                "use its parameters, as attention does with those of its projections; name that one"
            )


def check_read(place: str, overwritten: set[str]) -> None:
    """Raise :class:`ExplainError` if nothing read the new tensor of a place."""
    if place in overwritten:
        raise ExplainError(
            f"{place} overwrites its input and nothing reads what it returns; name the module "
            "before it or the one after it with :input"
        )


def _version(tensor: Tensor) -> int:
    """How often a tensor was overwritten; the engine need not see the question."""
    with torch._C.DisableTorchFunction():
        return tensor._version


class _Boundary:
    """Both sides of one module."""

    def __init__(
        self, path: str, changes: Mapping[str, Change], left: set[str], overwritten: set[str]
    ) -> None:
        self.path, self.changes, self.left, self.overwritten = path, changes, left, overwritten
        self.calls = 0
        self.given: list[tuple[Tensor, int]] = []  # inputs of the running call, with their version
        self.is_new = False  # the first of them is a replacement

    def attach(self, module: nn.Module) -> list[torch.utils.hooks.RemovableHandle]:
        return [
            module.register_forward_pre_hook(self.before, with_kwargs=True),
            module.register_forward_hook(self.after),
        ]

    @property
    def place(self) -> str:
        """The module's path with the number of its call."""
        return self.path if self.calls == 1 else f"{self.path}#{self.calls}"

    def replaced(self, side: str, tensor: object) -> Any:
        """What the place holds from now on."""
        change = self.changes.get(place := f"{self.place}{side}")
        if change is None:
            return tensor
        if not isinstance(tensor, Tensor):
            raise ExplainError(f"{place}: there is no tensor, but {type(tensor).__name__}")
        self.left.discard(place)
        with torch._C.DisableTorchFunction():
            return change(tensor)

    def before(self, module: nn.Module, args: Any, kwargs: dict[str, Any]) -> Any:
        self.calls += 1
        name = next((key for key, value in kwargs.items() if isinstance(value, Tensor)), "")
        old = args[0] if args else kwargs.get(name)
        new = self.replaced(":input", old)
        self.is_new = new is not old
        self.given = [(new, _version(new))] if isinstance(new, Tensor) else []
        if not self.is_new:
            return None
        return ((new, *args[1:]), kwargs) if args else (args, {**kwargs, name: new})

    def after(self, module: nn.Module, args: Any, output: Any) -> Any:
        if any(_version(tensor) != version for tensor, version in self.given):
            if self.is_new:
                raise ExplainError(
                    f"{self.path}:input: the module overwrites its input; name the module before it"
                )
            self.overwritten.add(self.place)
        self.given = []
        if isinstance(output, (tuple, list)) and output:
            make = getattr(type(output), "_make", type(output))  # named tuples, too
            return make([self.replaced("", output[0]), *output[1:]])
        return self.replaced("", output)
