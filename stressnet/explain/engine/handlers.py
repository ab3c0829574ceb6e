"""Handlers of each kind of operation; all of them take the engine and the call."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from stressnet.errors import ExplainError
from stressnet.explain.composites import Composite
from stressnet.explain.engine import attention, layers, nodes
from stressnet.explain.engine import operations as ops
from stressnet.explain.engine.calls import (
    Call,
    Tag,
    all_nonnegative,
    known_tag,
    original,
    tag_of,
    tensors_in,
)
from stressnet.explain.engine.layer_node import LayerNode, LayerSpec
from stressnet.explain.engine.route import route
from stressnet.explain.engine.taps import hand_to_taps
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
    layer_call = layers.describe(call)
    if layer_call is None or len(tagged) > 1 or tagged[0] is not layer_call.x:
        if call.name not in ops.MATRIX_PRODUCTS:
            return unknown(engine, call)
        result = call.run()
        if len(tagged) == 2 and engine.composite.attention == "gradient":
            path = engine.numbered(engine.where())
            result = route(nodes.ExpansionNode(engine.context, path, call.name, "taylor()"), result)
        elif len(tagged) == 2:
            result = route(nodes.HalfNode(), result)
        return engine.tag(result, Tag())
    x, kind, bias = layer_call.x, layer_call.kind, layer_call.bias
    source = known_tag(x)
    path = engine.path_of(original(layer_call.weight))
    spec = LayerSpec(
        path,
        kind,
        engine.composite.rule_for(kind, path, source.is_input),
        layer_call.map,
        layer_call.map_weight.detach(),
        None if bias is None else bias.detach(),
        source.nonnegative,
        source.is_input,
        source.bounds,
    )
    return engine.run_layer(LayerNode(engine.context, spec, call.function_of(x)), x)


def batch_norm(engine: RelevanceMode, call: Call) -> Any:
    """Folded into the layer whose very output it receives; otherwise a layer of its own."""
    names = ("input", "running_mean", "running_var", "weight", "bias", "training")
    given = call.bound(*names, "momentum", "eps")
    x = given["input"]
    path = engine.path_of(original(given.get("weight")))
    scale, shift = layers.scale_and_shift(given, path)
    tag = known_tag(x)
    before = tag.node
    if engine.composite.fold_batch_norm and before is not None:
        source = before.source
        assert source is not None  # set when the layer ran
        if source._version != before.versions["source"]:
            raise ExplainError(
                f"{before.spec.path}: its input was changed in place before the batch "
                "normalisation; use the out-of-place operation there"
            )
        output = x.detach()
        spec = before.spec.followed_by(scale, shift)
        node = LayerNode(engine.context, spec, lambda _: call.swapped(x, output).run())
        engine.rules[path] = f"folded into {spec.path}"
        result = engine.run_layer(node, source)
        hand_to_taps(tag.taps, result, ChannelwiseMap.broadcast(scale, x))
        return result
    rule = engine.composite.rule_for("batch_norm", path, tag.is_input)
    spec = LayerSpec(path, "batch_norm", rule, ChannelwiseMap(), scale, shift, tag.nonnegative)
    result = engine.run_layer(LayerNode(engine.context, spec, call.function_of(x)), x)
    known_tag(result).node = None
    return result


def pooling(engine: RelevanceMode, call: Call) -> Any:
    """Average pooling is linear; max pooling gives all to the winner, or shares."""
    x = call.tagged[0]
    before = known_tag(x)
    if call.name in ops.MAX_POOLS and engine.composite.pooling == "proportional":
        path = engine.numbered(engine.where())
        spec = layers.proportional_pool(call, path, x, before.nonnegative)
        result = engine.run_layer(LayerNode(engine.context, spec, call.function_of(x)), x)
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
    path, stabiliser = engine.numbered(engine.where()), engine.composite.activation_stabiliser
    node = nodes.ActivationNode(engine.context, path, call, x, stabiliser)
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
        return engine.tag(route(nodes.HalfNode(), result), tag)
    return engine.tag(result, Tag())


def normalisation(engine: RelevanceMode, call: Call) -> Any:
    """Layer, group, instance and RMS normalisation with a constant scale."""
    if len(call.tagged) > 1:
        return unknown(engine, call)
    x = call.tagged[0]
    details = layers.describe_normalisation(call, x)
    path = engine.path_of(original(details.parameter))
    node = nodes.NormalisationNode(engine.context, path, call, x, details)
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
    row = nodes.LedgerNode(engine.context, where, call.name, "plain gradient")
    result = call.mapped(lambda t: route(nodes.ProbeNode(row, "in"), t) if tag_of(t) else t).run()

    def watched(value: Any) -> Any:
        if isinstance(value, Tensor) and value.requires_grad:
            return engine.tag(route(nodes.ProbeNode(row, "out"), value), Tag())
        return value

    return watched(result) if isinstance(result, Tensor) else tuple(map(watched, result))


def _book_offset(engine: RelevanceMode, call: Call, result: Tensor) -> Tensor:
    """Book what the operation gives for an input of zeros as bias share."""
    path = engine.numbered(engine.where())
    return route(
        nodes.OffsetNode(engine.context, path, call.name, call.with_constants_only()), result
    )


def _stabilised(engine: RelevanceMode, result: Any, name: str, stabiliser: float) -> Any:
    """Apply the stabiliser of pooling or sums, if there is one."""
    if stabiliser == 0 or not isinstance(result, Tensor):
        return result
    before = known_tag(result)
    node = nodes.StabiliserNode(engine.context, engine.numbered(engine.where()), name, stabiliser)
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
