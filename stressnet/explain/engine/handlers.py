"""What to do with each kind of operation. All handlers take the engine and the call."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from stressnet.errors import ExplainError
from stressnet.explain.composites import Composite
from stressnet.explain.engine import attention, layers
from stressnet.explain.engine import operations as ops
from stressnet.explain.engine.calls import Call, all_nonnegative, known_tag, original, tensors_in
from stressnet.explain.engine.layer_node import LayerNode
from stressnet.explain.engine.nodes import (
    ActivationNode,
    HalfNode,
    NormalisationNode,
    OffsetNode,
    StabiliserNode,
    UnknownNode,
)
from stressnet.explain.engine.route import route
from stressnet.explain.engine.tracking import Tag, tag_of
from stressnet.explain.rules.linear_maps import ChannelwiseMap

if TYPE_CHECKING:
    from stressnet.explain.engine.mode import RelevanceMode

Handler = Callable[["RelevanceMode", Call], Any]


def rectifier(engine: RelevanceMode, call: Call) -> Any:
    """ReLU: the plain gradient passes relevance unchanged."""
    return engine.tag(call.run(), Tag(nonnegative=True))


def structural(engine: RelevanceMode, call: Call) -> Any:
    """Moving, copying and selecting values."""
    if "dropout" in call.name and layers.is_dropping(call):
        raise ExplainError(
            f"in {engine.where()}: dropout is active although the model is in evaluation mode; "
            "pass training=self.training"
        )
    tagged = call.tagged
    result = call.run()
    if any(result is tensor for tensor in tagged):
        return result
    mixed = sum(t.is_floating_point() for t in call.tensors) > len(tagged) or layers.fills(call)
    tag = Tag(nonnegative=all_nonnegative(tagged) and not mixed)
    if len(tagged) == 1:
        source = known_tag(tagged[0])
        source.uses.passed_on.append(tag.uses)
        if source.is_input and not mixed:
            tag.is_input = True
            if source.bounds is not None and isinstance(result, Tensor):
                low, high = (call.swapped(tagged[0], bound).run() for bound in source.bounds)
                tag.bounds = (low, high)
    if mixed:
        result = _book_offset(engine, call, result)
    return engine.tag(result, tag)


def linear_without_parameters(engine: RelevanceMode, call: Call) -> Any:
    """Sums, means, interpolation: the plain gradient is LRP-0."""
    nonnegative = call.name in ("mean", "sum") and all_nonnegative(call.tagged)
    result = engine.tag(call.run(), Tag(nonnegative=nonnegative))
    pooling = engine.composite.pooling_stabiliser if call.name == "mean" else 0.0
    return _stabilised(engine, result, call.name, pooling)


def selection(engine: RelevanceMode, call: Call) -> Any:
    """Maximum, minimum, sorting: winner takes all."""
    if len(call.tensors) > len(call.tagged):
        return unknown(engine, call)
    return engine.tag(call.run(), Tag(nonnegative=all_nonnegative(call.tagged)))


def layer(engine: RelevanceMode, call: Call) -> Any:
    """Convolutions, dense layers and products with a constant matrix, under their rule."""
    tagged = call.tagged
    spec = layers.describe(call.name, call.args, call.kwargs)
    if spec is None or len(tagged) > 1 or tagged[0] is not spec.x:
        if call.name in ops.MATRIX_PRODUCTS:
            result = call.run()
            return engine.tag(route(HalfNode(), result) if len(tagged) == 2 else result, Tag())
        return unknown(engine, call)
    source = known_tag(spec.x)
    path = engine.path_of(original(spec.weight))
    node = LayerNode(
        engine.context,
        path,
        spec.kind,
        engine.composite.rule_for(spec.kind, path, source.is_input),
        spec.map,
        spec.map_weight.detach(),
        None if spec.bias is None else spec.bias.detach(),
        call.function_of(spec.x),
        reads_input=source.is_input,
        x_is_nonnegative=source.nonnegative,
        bounds=source.bounds,
    )
    return engine.run_layer(node, spec.x)


def batch_norm(engine: RelevanceMode, call: Call) -> Any:
    """Folded into the layer whose very output it receives; otherwise a layer of its own."""
    spec = layers.describe_batch_norm(call.args, call.kwargs)
    path = engine.path_of(original(spec.weight))
    if spec.training:
        raise ExplainError(
            f"{path}: batch normalisation uses the statistics of this batch; explain a model in "
            "evaluation mode with running statistics"
        )
    scale, shift = spec.scale_and_shift()
    tag = known_tag(spec.x)
    before = tag.node
    if engine.composite.fold_batch_norm and before is not None:
        source = before.source
        assert source is not None  # set when the layer ran
        if source._version != before.versions["source"]:
            raise ExplainError(
                f"{before.path}: its input was changed in place before the batch normalisation; "
                "use the out-of-place operation there"
            )
        output = spec.x.detach()
        node = before.folded(scale, shift, lambda _: call.swapped(spec.x, output).run())
        engine.rules[path] = f"folded into {before.path}"
        return engine.run_layer(node, source)
    node = LayerNode(
        engine.context,
        path,
        "batch_norm",
        engine.composite.rule_for("batch_norm", path, tag.is_input),
        ChannelwiseMap(),
        scale,
        shift,
        call.function_of(spec.x),
        x_is_nonnegative=tag.nonnegative,
    )
    result = engine.run_layer(node, spec.x)
    known_tag(result).node = None
    return result


def pooling(engine: RelevanceMode, call: Call) -> Any:
    """Average pooling is linear; max pooling gives all to the winner, or shares."""
    x = call.tagged[0]
    before = known_tag(x)
    if call.name in ops.MAX_POOLS and engine.composite.pooling == "proportional":
        path = engine.numbered(engine.where())
        node = layers.proportional_pool(engine.context, path, call, before.nonnegative)
        result = engine.run_layer(node, x)
        tag = known_tag(result)
        tag.nonnegative, tag.node = before.nonnegative, None
        return result
    tag = Tag(nonnegative=before.nonnegative)
    if call.name in ops.MAX_POOLS:
        before.uses.passed_on.append(tag.uses)
    result = engine.tag(call.run(), tag)
    return _stabilised(engine, result, call.name, engine.composite.pooling_stabiliser)


def activation(engine: RelevanceMode, call: Call) -> Any:
    """Element-wise non-linearities other than ReLU: identity rule."""
    if len(call.tagged) > 1:
        return unknown(engine, call)
    x = call.tagged[0]
    node = ActivationNode(
        engine.context,
        engine.numbered(engine.where()),
        call.name,
        engine.composite.activation_stabiliser,
        call.function_of(x),
    )
    return engine.tag(route(node, x), Tag(nonnegative=call.name in ops.NONNEGATIVE_RESULTS))


def addition(engine: RelevanceMode, call: Call) -> Any:
    """Sums of two branches, in proportion to their values; constants count as bias."""
    tagged = call.tagged
    result = call.run()
    if len(tagged) < 2:
        return engine.tag(_book_offset(engine, call, result), Tag())
    nonnegative = call.name == "add" and all_nonnegative(tagged)
    result = engine.tag(result, Tag(nonnegative=nonnegative))
    return _stabilised(engine, result, call.name, engine.composite.addition_stabiliser)


def product(engine: RelevanceMode, call: Call) -> Any:
    """Scaling is linear; of a product of two branches each gets half."""
    tagged = call.tagged
    if call.name == "div" and (
        tag_of(call.args[0]) is None or len(tagged) == 2 or ops.is_reflected(call.func)
    ):
        return unknown(engine, call)
    result = call.run()
    if len(tagged) == 2:
        tag = Tag(nonnegative=all_nonnegative(tagged))
        return engine.tag(route(HalfNode(), result), tag)
    return engine.tag(result, Tag())


def normalisation(engine: RelevanceMode, call: Call) -> Any:
    """Layer, group, instance and RMS normalisation with a constant scale."""
    if len(call.tagged) > 1:
        return unknown(engine, call)
    x = call.tagged[0]
    details = layers.describe_normalisation(call.name, x, call.args, call.kwargs)
    path = engine.path_of(original(details.pop("parameter")))
    node = NormalisationNode(engine.context, path, call.name, call.function_of(x), **details)
    engine.rules[path] = "constant-scale()"
    return engine.tag(route(node, x), Tag())


def unknown(engine: RelevanceMode, call: Call) -> Any:
    """Refuse, or warn and measure what the plain gradient does."""
    leaks = call.name in ops.LEAKS or call.name.startswith("set ")
    if not leaks:
        with torch.no_grad():
            outcome = call.run()
        if not any(t.is_floating_point() for t in tensors_in(outcome)):
            return outcome  # comparisons, indices, shapes: constants for the explanation
    where = engine.where()
    remedy = ops.REMEDIES.get(call.name, ops.DEFAULT_REMEDY)
    engine.problem(f"no relevance rule for operation '{call.name}' in {where}: {remedy}")
    if leaks:
        return call.run()
    node = UnknownNode(engine.context, where, call.name)
    result = call.mapped(lambda t: route(node.at("in"), t) if tag_of(t) is not None else t).run()

    def watched(value: Any) -> Any:
        if isinstance(value, Tensor) and value.requires_grad:
            return engine.tag(route(node.at("out"), value), Tag())
        return value

    return watched(result) if isinstance(result, Tensor) else tuple(map(watched, result))


def _book_offset(engine: RelevanceMode, call: Call, result: Tensor) -> Tensor:
    """Book what the operation gives for an input of zeros as bias share."""
    path = engine.numbered(engine.where())
    return route(OffsetNode(engine.context, path, call.name, call.with_constants_only()), result)


def _stabilised(engine: RelevanceMode, result: Any, name: str, stabiliser: float) -> Any:
    """Apply the stabiliser of pooling or sums, if there is one."""
    if stabiliser == 0 or not isinstance(result, Tensor):
        return result
    before = known_tag(result)
    node = StabiliserNode(engine.context, engine.numbered(engine.where()), name, stabiliser)
    return engine.tag(route(node, result), Tag(nonnegative=before.nonnegative, uses=before.uses))


_TABLE: dict[str, Handler] = {
    **dict.fromkeys(ops.STRUCTURAL, structural),
    **dict.fromkeys(ops.LINEAR, linear_without_parameters),
    **dict.fromkeys(ops.SELECTIONS, selection),
    **dict.fromkeys(ops.ACTIVATIONS, activation),
    **dict.fromkeys(ops.RECTIFIERS, rectifier),
    **dict.fromkeys(ops.MAX_POOLS | ops.AVERAGE_POOLS, pooling),
    **dict.fromkeys(ops.CONVOLUTIONS | ops.MATRIX_PRODUCTS | {"linear", "addmm"}, layer),
    **dict.fromkeys(ops.NORMALISATIONS, normalisation),
    **dict.fromkeys(("add", "sub", "rsub"), addition),
    **dict.fromkeys(("mul", "div"), product),
    "batch_norm": batch_norm,
}
_ATTENTION: dict[str, Handler] = {
    "softmax": attention.softmax,
    "scaled_dot_product_attention": attention.dot_product_attention,
    "multi_head_attention_forward": attention.multi_head_attention,
}


def find_handler(name: str, composite: Composite) -> Handler:
    """The handler of an operation; :func:`unknown` for those without a rule."""
    if name in _ATTENTION and composite.attention != "refused":
        return _ATTENTION[name]
    return _TABLE.get(name, unknown)
