"""Watches a model's operations and gives each its rule.

The model runs unmodified under a ``TorchFunctionMode``: every operation, whether called by a
module, a function or an operator, passes through :meth:`RelevanceMode.follow`. The
forward values are those of the model, bit by bit; what changes is the gradient. Nothing is written
to the model: no hooks, no parameters replaced.
"""

import sys
import warnings
from types import FrameType
from typing import Any
from weakref import ref

import torch
from torch import Tensor

from stressnet.errors import ExplainError
from stressnet.explain.composites import Composite
from stressnet.explain.engine import calls
from stressnet.explain.engine import operations as ops
from stressnet.explain.engine.calls import without_history as cut
from stressnet.explain.engine.handlers import find_handler
from stressnet.explain.engine.layer_node import LayerNode
from stressnet.explain.engine.route import Context, route


class ExplainWarning(UserWarning):
    """Something in an explanation that the user should know."""


class RelevanceMode(calls.CallMode):
    """The engine for one forward pass of a model in evaluation mode.

    With ``strict`` it raises at operations without a rule; otherwise it warns and uses the plain
    gradient there.
    """

    def __init__(
        self, model: torch.nn.Module, composite: Composite, context: Context, *, strict: bool = True
    ) -> None:
        super().__init__()
        self.composite, self.context, self.strict = composite, context, strict
        self.rules: dict[str, str] = {}
        self._module_paths = {id(module): path for path, module in model.named_modules()}
        self._parameter_paths = {
            id(parameter): path.rpartition(".")[0] for path, parameter in model.named_parameters()
        }
        self._times_used: dict[str, int] = {}
        self._warned: set[str] = set()

    def follow(self, call: calls.Call) -> Any:
        """The operation's result, with the gradient that its rule gives."""
        tensors = call.tensors
        for tensor in tensors:
            if calls.is_mapped(tensor):
                raise ExplainError(
                    f"in {self.where()}: {call.name} received a tensor mapped by torch.func.vmap "
                    "from outside; only inputs, seeds, classes and bounds can be mapped"
                )
            if calls.is_foreign(tensor):
                self.problem(
                    f"in {self.where()}: {call.name} received a tensor made by an operation that "
                    "cannot be seen (custom autograd function, scripted or compiled code); replace "
                    "it with plain torch operations"
                )
        if all(calls.tag_of(tensor) is None for tensor in tensors):
            return calls.mark_constant(call.run())
        if call.name in ops.QUERIES or call.name in ops.MAKERS:
            return call.run()
        if call.kwargs.get("out") is not None:
            raise ExplainError(
                f"in {self.where()}: {call.name} writes to out=, which cannot be followed; "
                "use its result"
            )
        call = call.mapped(cut)
        if call.is_in_place:
            return self._in_place(call)
        for tensor in call.tagged:
            self._count_use(call, calls.known_tag(tensor))
        return find_handler(call.name, self.composite)(self, call)

    # -- for handlers -----------------------------------------------------------------------

    def where(self) -> str:
        """Path of the module whose ``forward`` is running."""
        frame: FrameType | None = sys._getframe(1)
        while frame is not None:
            if frame.f_code.co_name == "_call_impl":
                path = self._module_paths.get(id(frame.f_locals.get("self")))
                if path is not None:
                    return path or "(model)"
            frame = frame.f_back
        return "(model)"

    def path_of(self, parameter: Tensor | None) -> str:
        """Path of the module that owns a parameter; of the running module if none does."""
        path = self._parameter_paths.get(id(parameter)) if parameter is not None else None
        return self.numbered(self.where() if path is None else (path or "(model)"))

    def numbered(self, path: str) -> str:
        """``path``, ``path#2``, … for its first, second, … use."""
        self._times_used[path] = times = self._times_used.get(path, 0) + 1
        return path if times == 1 else f"{path}#{times}"

    def tag(self, result: Any, tag: calls.Tag) -> Any:
        """Mark floating-point results, which must have a gradient, as dependent on the input."""
        for tensor in calls.tensors_in(result):
            if not tensor.is_floating_point():
                continue
            if not tensor.requires_grad:
                raise ExplainError(
                    f"in {self.where()}: gradients are switched off (no_grad, or inside a custom "
                    "autograd function), so relevance cannot pass; use plain torch operations"
                )
            calls.set_tag(
                tensor, calls.Tag(tag.nonnegative, tag.is_input, tag.bounds, tag.node, tag.uses)
            )
        return result

    def run_layer(self, node: LayerNode, x: Tensor) -> Tensor:
        """Send ``x`` through a layer under its rule."""
        rule, path = node.spec.rule, node.spec.path
        if rule.input_only and not node.spec.reads_input:
            raise ExplainError(
                f"rule {rule.name} at {path}: this layer does not read the model's "
                f"input; rule {rule.name} gives relevance to zeros and is for the first "
                "layer only"
            )
        if rule.input_only and x is not self.context.root:
            self.context.keep_graph = True
        node.open()
        node.source, node.versions["source"] = x, x._version
        result = route(node, x)
        self.rules[path] = str(rule)
        self.tag(result, calls.Tag(node=node, uses=node.uses))
        calls.known_tag(x).savers.append((ref(node), "x"))
        calls.known_tag(result).savers.append((ref(node), "z"))
        return result

    def problem(self, message: str) -> None:
        """Raise, or warn once where the user asked for leniency."""
        if self.strict:
            raise ExplainError(message)
        if message not in self._warned:
            self._warned.add(message)
            warnings.warn(message, ExplainWarning, stacklevel=2)

    # -- bookkeeping ------------------------------------------------------------------------

    def _count_use(self, call: calls.Call, tag: calls.Tag) -> None:
        pooled = call.name in ops.MAX_POOLS and self.composite.pooling == "winner"
        moved = call.name in ops.STRUCTURAL and len(call.tagged) == 1
        if call.name in ops.RECTIFIERS:
            tag.uses.rectified += 1
        elif not (pooled or moved):  # those hand on to the uses of their result
            tag.uses.other += 1

    def _in_place(self, call: calls.Call) -> Tensor:
        target = call.args[0]
        if calls.tag_of(target) is None:
            raise ExplainError(
                f"in {self.where()}: {call.name} writes input-dependent values into a tensor made "
                "elsewhere; use the out-of-place operation"
            )
        tag = calls.known_tag(target)
        if call.name in ops.RECTIFIERS:
            untouched = tag.uses == calls.Uses()
            for saver, slot in tag.living_savers():
                if slot == "z" and untouched:
                    saver.allow_rectified()
                else:
                    saver.keep_copy(slot)
            tag.uses.rectified += 1
            result = call.run()
            calls.set_tag(target, calls.Tag(nonnegative=True))
            return result
        if call.name not in ops.MAY_BE_IN_PLACE:
            raise ExplainError(
                f"in {self.where()}: in-place operation '{call.name}' has no rule; use the "
                "out-of-place operation"
            )
        for saver, slot in tag.living_savers():
            saver.keep_copy(slot)
        for tensor in call.tagged:
            calls.known_tag(tensor).uses.other += 1
        value = find_handler(call.name, self.composite)(self, call.out_of_place())
        if value is not target:
            target.copy_(value)
            calls.set_tag(target, calls.Tag(nonnegative=calls.known_tag(value).nonnegative))
        return target
