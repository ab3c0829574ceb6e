"""Reads the arguments of layers with parameters: which map, which weights, which input."""

from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from stressnet.errors import ExplainError
from stressnet.explain.engine import operations as ops
from stressnet.explain.engine.calls import Call
from stressnet.explain.engine.layer_node import LayerSpec
from stressnet.explain.rules import proportional
from stressnet.explain.rules.linear_maps import ConvolutionMap, DenseMap, LinearMap

PROPORTIONAL = proportional(stabiliser=1e-9)


@dataclass(frozen=True)
class LayerCall:
    """A call of a layer: what kind, on which input, with which parameters."""

    kind: str
    x: Tensor
    weight: Tensor  # The tensor the call received
    map_weight: Tensor  # The same laid out for `map`
    bias: Tensor | None
    map: LinearMap


def each(value: int | tuple[int, ...] | list[int], dimensions: int) -> tuple[int, ...]:
    """A size of a layer, one value per dimension."""
    values = (value,) if isinstance(value, int) else tuple(value)
    return values * dimensions if len(values) == 1 else values


def describe(call: Call) -> LayerCall | None:
    """The layer behind a call of a convolution, ``linear``, ``addmm`` or a matrix product."""
    if call.name == "linear":
        x, weight, bias = (call.argument(n, i) for i, n in enumerate(("input", "weight", "bias")))
        return LayerCall("linear", x, weight, weight, bias, DenseMap())
    if call.name == "addmm":
        bias, x, weight = (call.argument(n, i) for i, n in enumerate(("input", "mat1", "mat2")))
        if call.kwargs.get("alpha", 1) != 1 or call.kwargs.get("beta", 1) != 1 or bias.dim() != 1:
            return None
        return LayerCall("linear", x, weight, weight.T, bias, DenseMap())
    if call.name in ops.MATRIX_PRODUCTS:
        x, weight = [*call.args, *call.kwargs.values()][:2]
        if weight.dim() != 2 or x.dim() < 2:
            return None
        return LayerCall("linear", x, weight, weight.T, None, DenseMap())
    return _describe_convolution(call)


def _describe_convolution(call: Call) -> LayerCall:
    dimensions, transposed = int(call.name[-2]), "transpose" in call.name
    rest = ("output_padding", "groups", "dilation") if transposed else ("dilation", "groups")
    given = call.bound("input", "weight", "bias", "stride", "padding", *rest)
    x, weight = given["input"], given["weight"]
    if x.dim() != dimensions + 2:
        raise ExplainError(
            f"{call.name} received an input of shape {tuple(x.shape)} without a batch dimension; "
            "keep the samples in the first dimension"
        )
    dilation = each(given.get("dilation", 1), dimensions)
    padding, extra = given.get("padding", 0), (0,) * dimensions
    if padding == "valid":
        padding = 0
    elif padding == "same":
        total = [d * (k - 1) for d, k in zip(dilation, weight.shape[2:], strict=True)]
        padding = tuple(value // 2 for value in total)
        extra = tuple(value % 2 for value in total)
    geometry = ConvolutionMap(
        stride=each(given.get("stride", 1), dimensions),
        padding=each(padding, dimensions),
        dilation=dilation,
        groups=given.get("groups", 1),
        transposed=transposed,
        output_padding=each(given.get("output_padding", 0), dimensions),
        extra_padding=extra,
    )
    return LayerCall("convolution", x, weight, weight, given.get("bias"), geometry)


def scale_and_shift(given: dict[str, Any], path: str) -> tuple[Tensor, Tensor]:
    """Factor and offset of each channel of a batch normalisation, at least float32."""
    mean, variance = given.get("running_mean"), given.get("running_var")
    if given.get("training", False) or mean is None or variance is None:
        raise ExplainError(
            f"{path}: batch normalisation uses the statistics of this batch; explain a model in "
            "evaluation mode with running statistics"
        )
    dtype = torch.promote_types(variance.dtype, torch.float32)
    scale = (variance.to(dtype) + float(given.get("eps", 1e-5))).rsqrt()
    if given.get("weight") is not None:
        scale = scale * given["weight"].to(dtype)
    shift = -mean.to(dtype) * scale
    if given.get("bias") is not None:
        shift = shift + given["bias"].to(dtype)
    return scale, shift


@dataclass(frozen=True)
class Normalisation:
    """A layer, group, instance or RMS normalisation.

    ``parameter`` is the weight as the call received it; ``weight`` and ``bias`` broadcast to the
    input. Statistics run over the last axis of the input reshaped to ``groups_shape``, which is
    ``centred`` (its mean subtracted) by all but RMS normalisation.
    """

    parameter: Tensor | None
    groups_shape: tuple[int, ...]
    weight: Tensor | None
    bias: Tensor | None
    eps: float
    centred: bool


def describe_normalisation(call: Call, x: Tensor) -> Normalisation:
    """Axes and parameters of a normalisation of ``x``."""
    if call.name in ("layer_norm", "rms_norm"):
        bias = ("bias",) if call.name == "layer_norm" else ()
        given = call.bound("input", "normalized_shape", "weight", *bias, "eps")
        shape: tuple[int, ...] = (*x.shape[: x.dim() - len(given["normalized_shape"])], -1)
        spatial = None
    else:
        if call.name == "group_norm":
            given = call.bound("input", "num_groups", "weight", "bias", "eps")
        else:
            names = ("input", "running_mean", "running_var", "weight", "bias", "use_input_stats")
            given = call.bound(*names, "momentum", "eps")
            if not given.get("use_input_stats", True):
                raise ExplainError(
                    "instance_norm with running statistics has no rule; use batch normalisation"
                )
        shape = (x.shape[0], given.get("num_groups", x.shape[1]), -1)
        spatial = (-1, *(1,) * (x.dim() - 2))
    weight, parameter_bias = (
        value if value is None or spatial is None else value.reshape(spatial)
        for value in (given.get("weight"), given.get("bias"))
    )
    eps = given.get("eps")
    if eps is None:
        eps = torch.finfo(x.dtype).eps if call.name == "rms_norm" else 1e-5
    centred = call.name != "rms_norm"
    return Normalisation(given.get("weight"), shape, weight, parameter_bias, float(eps), centred)


def is_dropping(call: Call) -> bool:
    """A dropout that would drop something."""
    probability = call.argument("p", 1, 0.5)
    training = call.argument("train", 2, True) and call.kwargs.get("training", True)
    return bool(training) and probability > 0


def fills(call: Call) -> bool:
    """The operation may put constants other than zero between the values."""
    if call.name in ("pad", "constant_pad_nd"):
        return bool(call.argument("value", 3 if call.name == "pad" else 2))
    return call.name in ("where", "masked_fill")


def pool_geometry(call: Call, dimensions: int) -> tuple[tuple[int, ...], ConvolutionMap]:
    """Window of a pooling, and its stride, padding and dilation, each with a value per axis."""
    window = each(call.argument("kernel_size", 1), dimensions)
    stride = call.argument("stride", 2)
    dilation = call.argument("dilation", 4, 1) if call.name in ops.MAX_POOLS else 1
    geometry = ConvolutionMap(
        stride=window if stride is None or stride == [] else each(stride, dimensions),
        padding=each(call.argument("padding", 3, 0), dimensions),
        dilation=each(dilation, dimensions),
    )
    return window, geometry


def proportional_pool(call: Call, path: str, x: Tensor, x_is_nonnegative: bool) -> LayerSpec:
    """Max pooling whose relevance goes to all inputs of a window in proportion to their value."""
    unusual = call.argument("ceil_mode", 5) or call.kwargs.get("return_indices")
    if call.name.startswith("adaptive") or unusual:
        raise ExplainError(
            f"{path}: proportional pooling needs a plain max pooling (no adaptive size, ceil_mode "
            "or indices); use pooling='winner'"
        )
    window, geometry = pool_geometry(call, x.dim() - 2)
    channels = x.shape[1]
    weight = torch.ones(channels, 1, *window, dtype=x.dtype, device=x.device)
    map = replace(geometry, groups=channels)
    return LayerSpec(path, "pooling", PROPORTIONAL, map, weight, None, x_is_nonnegative)
