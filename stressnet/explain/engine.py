"""Watches a model's operations and gives each its rule.

The model runs unmodified under a ``TorchFunctionMode``: every operation, whether called by a
module, a function or an operator, passes through :meth:`RelevanceMode.__torch_function__`. The
forward values are those of the model, bit by bit; what changes is the gradient. Nothing is written
to the model: no hooks, no parameters replaced.
"""

from __future__ import annotations

import sys
import warnings
from collections.abc import Callable, Iterable
from types import FrameType
from typing import Any
from weakref import ref

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode

from stressnet.errors import ExplainError
from stressnet.explain import layers
from stressnet.explain import operations as ops
from stressnet.explain.composites import Composite
from stressnet.explain.maps import ChannelwiseMap
from stressnet.explain.nodes import (
    ActivationNode,
    Context,
    HalfNode,
    LayerNode,
    NormalisationNode,
    OffsetNode,
    StabiliserNode,
    UnknownNode,
    route,
)
from stressnet.explain.tracking import Tag, Uses, set_tag, tag_of

_CONSTANT = "_stressnet_constant"
Call = tuple[Callable[..., Any], tuple[Any, ...], dict[str, Any]]


class ExplainWarning(UserWarning):
    """Something in an explanation that the user should know."""


class RelevanceMode(TorchFunctionMode):
    """The engine for one forward pass.

    Parameters
    ----------
    model : torch.nn.Module
        In evaluation mode.
    composite : Composite
        Rules.
    context : Context
        Ledger and side channels of this explanation.
    strict : bool
        Raise on operations without a rule; otherwise warn and use the plain gradient.
    """

    def __init__(
        self, model: torch.nn.Module, composite: Composite, context: Context, *, strict: bool = True
    ) -> None:
        super().__init__()
        self.composite, self.context, self.strict = composite, context, strict
        self.module_paths = {id(module): path for path, module in model.named_modules()}
        self.parameter_paths = {
            id(parameter): path.rpartition(".")[0]
            for path, parameter in model.named_parameters(remove_duplicate=True)
        }
        self.rules: dict[str, str] = {}
        self._times_used: dict[str, int] = {}
        self._warned: set[str] = set()

    # -- entry ------------------------------------------------------------------------------

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Iterable[type],
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        kwargs = kwargs or {}
        tensors = list(_tensors((args, kwargs)))
        tagged = [t for t in tensors if tag_of(t) is not None]
        name = ops.canonical_name(func)
        self._refuse_foreign(tensors, name)
        if not tagged:
            return _constant(func(*args, **kwargs))
        if name in ops.QUERIES:
            return func(*args, **kwargs)
        args, kwargs = _map_tensors((args, kwargs), _without_history)
        overwritten = tagged[0] if self._is_in_place(func, args, kwargs) else None
        self._count_uses(name, tagged, overwritten)
        if overwritten is None:
            return self._dispatch(name, (func, args, kwargs), tensors, tagged)
        return self._in_place(name, (func, args, kwargs), tensors, tagged, overwritten)

    def _dispatch(self, name: str, call: Call, tensors: list[Tensor], tagged: list[Tensor]) -> Any:
        func, args, kwargs = call
        if name in ops.RECTIFIERS:
            return self._tag(func(*args, **kwargs), Tag(nonnegative=True))
        if name in ops.CONVOLUTIONS or name in ("linear", "addmm") or name in ops.MATRIX_PRODUCTS:
            return self._layer(name, call, tagged)
        if name == "batch_norm":
            return self._batch_norm(call, tagged)
        if name in ops.STRUCTURAL:
            return self._structural(name, call, tensors, tagged)
        if name in ops.MAX_POOLS or name in ops.AVERAGE_POOLS:
            return self._pool(name, call, tagged)
        if name in ops.ACTIVATIONS:
            return self._activation(name, call, tagged)
        if name in ("add", "sub", "rsub"):
            return self._sum(name, call, tensors, tagged)
        if name in ("mul", "div"):
            return self._product(name, call, tensors, tagged)
        if name in ops.NORMALISATIONS:
            return self._normalisation(name, call, tagged)
        if name in ops.LINEAR or (name in ops.SELECTIONS and len(tensors) == len(tagged)):
            nonnegative = name in ("mean", "sum", "max", "amax") and _all_nonnegative(tagged)
            result = self._tag(func(*args, **kwargs), Tag(nonnegative=nonnegative))
            pooling = self.composite.pooling_stabiliser if name == "mean" else 0.0
            return self._stabilised(result, name, pooling)
        return self._unknown(name, call)

    # -- bookkeeping ------------------------------------------------------------------------

    def where(self) -> str:
        """Path of the module whose ``forward`` is running."""
        frame: FrameType | None = sys._getframe(1)
        while frame is not None:
            if frame.f_code.co_name == "_call_impl":
                path = self.module_paths.get(id(frame.f_locals.get("self")))
                if path is not None:
                    return path or "(model)"
            frame = frame.f_back
        return "(model)"

    def _path_of(self, parameter: object) -> str:
        path = self.parameter_paths.get(id(parameter))
        path = self.where() if path is None else (path or "(model)")
        return self._numbered(path)

    def _numbered(self, path: str) -> str:
        self._times_used[path] = times = self._times_used.get(path, 0) + 1
        return path if times == 1 else f"{path}#{times}"

    def _tag(self, result: Any, tag: Tag) -> Any:
        """Tag floating-point results; refuse those made without gradient."""
        for tensor in _tensors(result):
            if not tensor.is_floating_point():
                continue
            if not tensor.requires_grad:
                raise ExplainError(
                    f"in {self.where()}: gradients are switched off (no_grad), so relevance "
                    "cannot pass; remove that from the model's forward"
                )
            set_tag(tensor, Tag(tag.nonnegative, tag.is_input, tag.bounds, tag.node, tag.uses))
        return result

    def _count_uses(self, name: str, tagged: list[Tensor], overwritten: Tensor | None) -> None:
        for tensor in tagged:
            tag = tag_of(tensor)
            assert tag is not None  # the caller filtered
            if name in ops.RECTIFIERS:
                if tensor is overwritten:
                    untouched = tag.uses == Uses()
                    for saver, slot in _alive(tag):
                        if slot == "z" and untouched and isinstance(saver, LayerNode):
                            saver.allow_rectified()
                        else:
                            saver.keep_copy(slot)
                tag.uses.rectified += 1
            elif not self._hands_on(name, tagged):
                tag.uses.other += 1
            if tensor is overwritten and name not in ops.RECTIFIERS:
                for saver, slot in _alive(tag):
                    saver.keep_copy(slot)

    def _hands_on(self, name: str, tagged: list[Tensor]) -> bool:
        """The result is a selection of the input, so that a ReLU after it rectifies both."""
        pooled = name in ops.MAX_POOLS and self.composite.pooling == "winner"
        return pooled or (name in ops.STRUCTURAL and len(tagged) == 1)

    @staticmethod
    def _is_in_place(func: Callable[..., Any], args: tuple[Any, ...], kwargs: dict) -> bool:
        return ops.is_in_place(func) or bool(kwargs.get("inplace"))

    def _in_place(
        self, name: str, call: Call, tensors: list[Tensor], tagged: list[Tensor], target: Tensor
    ) -> Tensor:
        func, args, kwargs = call
        if tag_of(args[0]) is None or args[0] is not target:
            raise ExplainError(
                f"in {self.where()}: {name} writes input-dependent values into a tensor made "
                "elsewhere; use the out-of-place operation"
            )
        if name in ops.RECTIFIERS:
            result = func(*args, **kwargs)
            set_tag(target, Tag(nonnegative=True))
            return result
        if name not in ops.MAY_BE_IN_PLACE:
            raise ExplainError(
                f"in {self.where()}: in-place operation '{name}' has no rule; use the "
                "out-of-place operation"
            )
        kwargs = {key: value for key, value in kwargs.items() if key != "inplace"}
        if ops.is_in_place(func):
            func = _out_of_place(func, name)
        value = self._dispatch(name, (func, args, kwargs), tensors, tagged)
        if value is not target:
            target.copy_(value)
            tag = tag_of(value)
            assert tag is not None  # _dispatch tags its results
            set_tag(target, Tag(nonnegative=tag.nonnegative, is_input=False))
        return target

    def _refuse_foreign(self, tensors: list[Tensor], name: str) -> None:
        """Tensors with a gradient history that did not pass here come from hidden operations."""
        for tensor in tensors:
            known = tag_of(tensor) is not None or _CONSTANT in tensor.__dict__
            if tensor.grad_fn is not None and not known:
                self._problem(
                    f"in {self.where()}: {name} received a tensor made by an "
                    "operation that cannot be seen (custom autograd function, scripted or compiled "
                    "code); replace it with plain torch operations"
                )

    def _problem(self, message: str) -> None:
        if self.strict:
            raise ExplainError(message)
        if message not in self._warned:
            self._warned.add(message)
            warnings.warn(message, ExplainWarning, stacklevel=2)

    # -- kinds of operations ------------------------------------------------------------------

    def _unknown(self, name: str, call: Call) -> Any:
        func, args, kwargs = call
        leaks = name in ops.LEAKS or name.startswith("set ")
        if not leaks:
            with torch.no_grad():
                outcome = func(*args, **kwargs)
            if not any(t.is_floating_point() for t in _tensors(outcome)):
                return outcome  # comparisons, indices, shapes: constants for the explanation
        remedy = ops.REMEDIES.get(name, ops.DEFAULT_REMEDY)
        where = self.where()
        self._problem(f"no relevance rule for operation '{name}' in {where}: {remedy}")
        if leaks:
            return func(*args, **kwargs)
        node = UnknownNode(self.context, where, name)
        args, kwargs = _map_tensors(
            (args, kwargs), lambda t: route(node.at("in"), t) if tag_of(t) else t
        )
        result = func(*args, **kwargs)
        single = isinstance(result, Tensor)
        for_all = [result] if single else list(result)
        outputs = [
            self._tag(route(node.at("out"), t), Tag())
            if isinstance(t, Tensor) and t.requires_grad
            else t
            for t in for_all
        ]
        return outputs[0] if single else type(result)(outputs)

    def _structural(
        self, name: str, call: Call, tensors: list[Tensor], tagged: list[Tensor]
    ) -> Any:
        func, args, kwargs = call
        if "dropout" in name and _is_active(args, kwargs):
            raise ExplainError(
                f"in {self.where()}: dropout is active although the model is in evaluation "
                "mode; pass training=self.training"
            )
        result = func(*args, **kwargs)
        if any(result is t for t in tagged):
            return result
        sources = [t for t in tensors if t.is_floating_point()]
        constants = len(sources) > len(tagged)
        filled = _fills(name, args, kwargs)
        tag = Tag(nonnegative=_all_nonnegative(tagged) and not constants and not filled)
        first = tag_of(tagged[0])
        assert first is not None  # tagged tensors have tags
        if len(tagged) == 1:
            first.uses.passed_on.append(tag.uses)
        if len(tagged) == 1 and first.is_input and not constants and not filled:
            tag.is_input = True
            if first.bounds is not None and isinstance(result, Tensor):
                low, high = (
                    func(*_swap(args, tagged[0], b), **_swap(kwargs, tagged[0], b))
                    for b in first.bounds
                )
                tag.bounds = (low, high)
        if filled or constants:
            result = self._offset(name, (func, args, kwargs), result)
        return self._tag(result, tag)

    def _offset(self, name: str, call: Call, result: Tensor) -> Tensor:
        """Book what the operation gives for input zero."""
        func, args, kwargs = call
        args, kwargs = _map_tensors(
            (args, kwargs), lambda t: torch.zeros_like(t) if tag_of(t) else t
        )
        with torch.no_grad():
            constant = func(*args, **kwargs)
        return route(OffsetNode(self.context, self.where(), name, constant), result)

    def _layer(self, name: str, call: Call, tagged: list[Tensor]) -> Any:
        func, args, kwargs = call
        spec = layers.describe(name, args, kwargs)
        if spec is None or len(tagged) > 1 or tagged[0] is not spec.x:
            if name in ops.MATRIX_PRODUCTS and len(tagged) == 2:
                return self._tag(route(HalfNode(), func(*args, **kwargs)), Tag())
            if name in ops.MATRIX_PRODUCTS and len(tagged) == 1:
                return self._tag(func(*args, **kwargs), Tag())
            return self._unknown(name, call)
        source = tag_of(spec.x)
        assert source is not None  # it is tagged
        path = self._path_of(_original(spec.weight))
        rule = self.composite.rule_for(spec.kind, path, source.is_input)
        if rule.input_only and not source.is_input:
            raise ExplainError(
                f"rule {rule.name} at {path}: this layer does not read the model's input; "
                f"rule {rule.name} gives relevance to zeros and is for the first layer only"
            )
        node = LayerNode(
            self.context,
            path,
            spec.kind,
            rule,
            spec.map,
            spec.map_weight.detach(),
            None if spec.bias is None else spec.bias.detach(),
            lambda x: func(*_swap(args, spec.x, x), **_swap(kwargs, spec.x, x)),
            reads_input=source.is_input,
            x_is_nonnegative=source.nonnegative,
            bounds=source.bounds,
        )
        return self._run_layer(node, spec.x)

    def _run_layer(self, node: LayerNode, x: Tensor) -> Tensor:
        node.open()
        node.source, node.versions["source"] = x, x._version
        result = route(node, x)
        self.rules[node.path] = str(node.rule)
        self._tag(result, Tag(node=node, uses=node.uses))
        for tensor, slot in ((x, "x"), (result, "z")):
            tag = tag_of(tensor)
            assert tag is not None  # both are tagged
            tag.savers.append((ref(node), slot))
        return result

    def _batch_norm(self, call: Call, tagged: list[Tensor]) -> Any:
        func, args, kwargs = call
        spec = layers.describe_batch_norm(args, kwargs)
        path = self._path_of(_original(spec.weight))
        if spec.training:
            raise ExplainError(
                f"{path}: batch normalisation uses the statistics of this batch; explain a model "
                "in evaluation mode with running statistics"
            )
        scale, shift = spec.scale_and_shift()
        tag = tag_of(spec.x)
        assert tag is not None  # it depends on the input
        before = tag.node
        if self.composite.fold_batch_norm and before is not None and before.kind != "batch_norm":
            y = spec.x.detach()
            bias = shift if before.bias is None else before.bias.to(scale) * scale + shift
            source = before.source
            assert source is not None  # set when the layer ran
            if source._version != before.versions["source"]:
                raise ExplainError(
                    f"{before.path}: its input was changed in place before the batch "
                    "normalisation; use the out-of-place operation there"
                )
            node = LayerNode(
                self.context,
                before.path,
                before.kind,
                before.rule,
                before.map,
                before.map.scale_outputs(before.weight.to(scale), scale),
                bias,
                lambda x: func(*_swap(args, spec.x, y), **_swap(kwargs, spec.x, y)),
                reads_input=before.reads_input,
                x_is_nonnegative=before.x_is_nonnegative,
                bounds=before.bounds,
            )
            self.rules[path] = f"folded into {before.path}"
            return self._run_layer(node, source)
        rule = self.composite.rule_for("batch_norm", path, tag.is_input)
        node = LayerNode(
            self.context,
            path,
            "batch_norm",
            rule,
            ChannelwiseMap(),
            scale,
            shift,
            lambda x: func(*_swap(args, spec.x, x), **_swap(kwargs, spec.x, x)),
            x_is_nonnegative=tag.nonnegative,
        )
        return self._run_layer(node, spec.x)

    def _pool(self, name: str, call: Call, tagged: list[Tensor]) -> Any:
        func, args, kwargs = call
        before = tag_of(tagged[0])
        assert before is not None  # it is tagged
        if name in ops.MAX_POOLS and self.composite.pooling == "proportional":
            path = self._numbered(self.where())
            x = tagged[0]
            node = layers.proportional_pool(
                self.context,
                path,
                name,
                args,
                kwargs,
                lambda value: func(*_swap(args, x, value), **_swap(kwargs, x, value)),
                before.nonnegative,
            )
            result = self._run_layer(node, x)
            tag = tag_of(result)
            assert tag is not None  # just tagged
            tag.nonnegative, tag.node = before.nonnegative, None
            return result
        tag = Tag(nonnegative=before.nonnegative)
        if name in ops.MAX_POOLS:
            before.uses.passed_on.append(tag.uses)
        result = self._tag(func(*args, **kwargs), tag)
        return self._stabilised(result, name, self.composite.pooling_stabiliser)

    def _stabilised(self, result: Any, name: str, stabiliser: float) -> Any:
        if stabiliser == 0 or not isinstance(result, Tensor):
            return result
        tag = tag_of(result)
        assert tag is not None  # results of _tag
        node = StabiliserNode(self.context, self._numbered(self.where()), name, stabiliser)
        return self._tag(route(node, result), Tag(nonnegative=tag.nonnegative, uses=tag.uses))

    def _activation(self, name: str, call: Call, tagged: list[Tensor]) -> Any:
        func, args, kwargs = call
        x = tagged[0]
        if len(tagged) > 1:
            return self._unknown(name, call)
        node = ActivationNode(
            self.context,
            self.where(),
            name,
            self.composite.activation_stabiliser,
            lambda value: func(*_swap(args, x, value), **_swap(kwargs, x, value)),
        )
        return self._tag(route(node, x), Tag(nonnegative=name in ops.NONNEGATIVE_RESULTS))

    def _sum(self, name: str, call: Call, tensors: list[Tensor], tagged: list[Tensor]) -> Any:
        func, args, kwargs = call
        result = func(*args, **kwargs)
        nonnegative = name == "add" and len(tagged) == 2 and _all_nonnegative(tagged)
        if len(tagged) < 2:
            result = self._offset(name, call, result)
        result = self._tag(result, Tag(nonnegative=nonnegative))
        if len(tagged) == 2:
            return self._stabilised(result, name, self.composite.addition_stabiliser)
        return result

    def _product(self, name: str, call: Call, tensors: list[Tensor], tagged: list[Tensor]) -> Any:
        func, args, kwargs = call
        if name == "div" and (
            tag_of(args[0]) is None or len(tagged) == 2 or ops.is_reflected(func)
        ):
            return self._unknown("div", call)
        result = func(*args, **kwargs)
        if len(tagged) == 2:
            result = route(HalfNode(), result)
            return self._tag(result, Tag(nonnegative=_all_nonnegative(tagged)))
        return self._tag(result, Tag())

    def _normalisation(self, name: str, call: Call, tagged: list[Tensor]) -> Any:
        func, args, kwargs = call
        if len(tagged) > 1:
            return self._unknown(name, call)
        x = tagged[0]
        details = layers.describe_normalisation(name, x, args, kwargs)
        node = NormalisationNode(
            self.context,
            self._path_of(_original(details.pop("parameter"))),
            name,
            lambda value: func(*_swap(args, x, value), **_swap(kwargs, x, value)),
            **details,
        )
        self.rules[node.path] = "constant-scale()"
        return self._tag(route(node, x), Tag())


# -- helpers ----------------------------------------------------------------------------------


def _tensors(tree: Any) -> Iterable[Tensor]:
    """Tensors in nested tuples, lists and dicts."""
    if isinstance(tree, Tensor):
        yield tree
    elif isinstance(tree, (tuple, list)):
        for item in tree:
            yield from _tensors(item)
    elif isinstance(tree, dict):
        for item in tree.values():
            yield from _tensors(item)


def _map_tensors(tree: Any, function: Callable[[Tensor], Any]) -> Any:
    """The same nest with tensors replaced."""
    if isinstance(tree, Tensor):
        return function(tree)
    if isinstance(tree, dict):
        return {key: _map_tensors(item, function) for key, item in tree.items()}
    if isinstance(tree, list):
        return [_map_tensors(item, function) for item in tree]
    if isinstance(tree, tuple) and type(tree) is tuple:
        return tuple(_map_tensors(item, function) for item in tree)
    return tree


def _fills(name: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> bool:
    """The operation may put constants other than zero between the values."""
    if name in ("pad", "constant_pad_nd"):
        position = 3 if name == "pad" else 2
        return bool(kwargs.get("value", args[position] if len(args) > position else None))
    return name in ("where", "masked_fill")


def _is_active(args: tuple[Any, ...], kwargs: dict[str, Any]) -> bool:
    """Dropout that would drop something."""
    probability = kwargs.get("p", args[1] if len(args) > 1 else 0.5)
    training = kwargs.get("training", kwargs.get("train", args[2] if len(args) > 2 else True))
    return bool(training) and probability > 0


def _constant(result: Any) -> Any:
    """Mark what was computed from parameters alone."""
    for tensor in _tensors(result):
        if tensor.grad_fn is not None:
            tensor.__dict__[_CONSTANT] = True
    return result


def _alive(tag: Tag) -> Iterable[tuple[Any, str]]:
    """Savers that still exist."""
    for reference, slot in tag.savers:
        saver = reference()
        if saver is not None:
            yield saver, slot


def _swap(tree: Any, old: Tensor, new: Tensor) -> Any:
    return _map_tensors(tree, lambda t: new if t is old else t)


def _without_history(tensor: Tensor) -> Tensor:
    """Parameters and tensors made of them, cut from the graph; the original stays reachable."""
    if tag_of(tensor) is not None or not tensor.requires_grad:
        return tensor
    plain = tensor.detach()
    plain.__dict__["_stressnet_original"] = tensor
    return plain


def _original(tensor: Tensor | None) -> Tensor | None:
    return None if tensor is None else tensor.__dict__.get("_stressnet_original", tensor)


def _all_nonnegative(tagged: list[Tensor]) -> bool:
    return all(tag is not None and tag.nonnegative for tag in map(tag_of, tagged))


def _out_of_place(func: Callable[..., Any], name: str) -> Callable[..., Any]:
    """The out-of-place form of an in-place method."""
    for owner in (Tensor, torch, torch.nn.functional):
        if hasattr(owner, name):
            return getattr(owner, name)
    return func
