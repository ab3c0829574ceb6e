"""Reads the arguments of layers with parameters: which map, which weights, which input."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from stressnet.errors import ExplainError
from stressnet.explain.engine.calls import Call
from stressnet.explain.engine.layer_node import LayerNode
from stressnet.explain.engine.route import Context
from stressnet.explain.rules import proportional
from stressnet.explain.rules.linear_maps import ConvolutionMap, DenseMap, LinearMap

Arguments = dict[str, Any]

PROPORTIONAL = proportional(stabiliser=1e-9)


@dataclass(frozen=True)
class LayerCall:
    """A call of a layer: what kind, on which input, with which parameters.

    ``weight`` is the tensor the call received, ``map_weight`` the same laid out for ``map``.
    """

    kind: str
    x: Tensor
    weight: Tensor
    map_weight: Tensor
    bias: Tensor | None
    map: LinearMap


@dataclass(frozen=True)
class BatchNormCall:
    """A call of ``batch_norm``."""

    x: Tensor
    mean: Tensor | None
    variance: Tensor | None
    weight: Tensor | None
    bias: Tensor | None
    training: bool
    eps: float

    def scale_and_shift(self) -> tuple[Tensor, Tensor]:
        """Factor and offset of each channel, at least float32."""
        assert self.mean is not None and self.variance is not None  # not training
        dtype = torch.promote_types(self.variance.dtype, torch.float32)
        scale = (self.variance.to(dtype) + self.eps).rsqrt()
        if self.weight is not None:
            scale = scale * self.weight.to(dtype)
        shift = -self.mean.to(dtype) * scale
        if self.bias is not None:
            shift = shift + self.bias.to(dtype)
        return scale, shift


def _bind(names: tuple[str, ...], args: tuple[Any, ...], kwargs: Arguments) -> Arguments:
    return {**dict(zip(names, args, strict=False)), **kwargs}


def _each(value: int | tuple[int, ...] | list[int], dimensions: int) -> tuple[int, ...]:
    values = (value,) if isinstance(value, int) else tuple(value)
    return values * dimensions if len(values) == 1 else values


def describe(name: str, args: tuple[Any, ...], kwargs: Arguments) -> LayerCall | None:
    """The layer behind a call of a convolution, ``linear``, ``addmm`` or a matrix product.

    Returns None for matrix products whose second operand is no plain matrix.
    """
    if name == "linear":
        call = _bind(("input", "weight", "bias"), args, kwargs)
        weight = call["weight"]
        return LayerCall("linear", call["input"], weight, weight, call.get("bias"), DenseMap())
    if name == "addmm":
        call = _bind(("input", "mat1", "mat2"), args, kwargs)
        if call.get("alpha", 1) != 1 or call.get("beta", 1) != 1 or call["input"].dim() != 1:
            return None
        weight = call["mat2"]
        return LayerCall("linear", call["mat1"], weight, weight.T, call["input"], DenseMap())
    if name in ("matmul", "mm", "bmm"):
        x, weight = list(_bind(("input", "other"), args, kwargs).values())[:2]
        if weight.dim() != 2 or x.dim() < 2:
            return None
        return LayerCall("linear", x, weight, weight.T, None, DenseMap())
    return _describe_convolution(name, args, kwargs)


def _describe_convolution(name: str, args: tuple[Any, ...], kwargs: Arguments) -> LayerCall:
    dimensions = int(name[-2])
    transposed = "transpose" in name
    names: tuple[str, ...] = ("input", "weight", "bias", "stride", "padding")
    names += ("output_padding", "groups", "dilation") if transposed else ("dilation", "groups")
    call = _bind(names, args, kwargs)
    x, weight = call["input"], call["weight"]
    if x.dim() != dimensions + 2:
        raise ExplainError(
            f"{name} received an input of shape {tuple(x.shape)} without a batch dimension; "
            "keep the samples in the first dimension"
        )
    dilation = _each(call.get("dilation", 1), dimensions)
    padding, extra = call.get("padding", 0), (0,) * dimensions
    if padding == "valid":
        padding = 0
    elif padding == "same":
        total = [d * (k - 1) for d, k in zip(dilation, weight.shape[2:], strict=True)]
        padding = tuple(value // 2 for value in total)
        extra = tuple(value % 2 for value in total)
    return LayerCall(
        "convolution",
        x,
        weight,
        weight,
        call.get("bias"),
        ConvolutionMap(
            stride=_each(call.get("stride", 1), dimensions),
            padding=_each(padding, dimensions),
            dilation=dilation,
            groups=call.get("groups", 1),
            transposed=transposed,
            output_padding=_each(call.get("output_padding", 0), dimensions),
            extra_padding=extra,
        ),
    )


def describe_batch_norm(args: tuple[Any, ...], kwargs: Arguments) -> BatchNormCall:
    """The arguments of ``torch.nn.functional.batch_norm``."""
    names = (
        "input",
        "running_mean",
        "running_var",
        "weight",
        "bias",
        "training",
        "momentum",
        "eps",
    )
    call = _bind(names, args, kwargs)
    mean, variance = call.get("running_mean"), call.get("running_var")
    return BatchNormCall(
        call["input"],
        mean,
        variance,
        call.get("weight"),
        call.get("bias"),
        bool(call.get("training", False)) or mean is None or variance is None,
        float(call.get("eps", 1e-5)),
    )


def describe_normalisation(
    name: str, x: Tensor, args: tuple[Any, ...], kwargs: Arguments
) -> Arguments:
    """Axes and parameters of layer, group, instance and RMS normalisation."""
    rest = (1,) * (x.dim() - 2)
    if name in ("layer_norm", "rms_norm"):
        names = (
            "input",
            "normalized_shape",
            "weight",
            *(("bias",) if name == "layer_norm" else ()),
        )
        call = _bind((*names, "eps"), args, kwargs)
        kept = x.dim() - len(call["normalized_shape"])
        shape = (*x.shape[:kept], -1)
        weight, bias = call.get("weight"), call.get("bias")
    else:
        if name == "group_norm":
            call = _bind(("input", "num_groups", "weight", "bias", "eps"), args, kwargs)
            groups = call["num_groups"]
        else:
            names = ("input", "running_mean", "running_var", "weight", "bias", "use_input_stats")
            call = _bind((*names, "momentum", "eps"), args, kwargs)
            groups = x.shape[1]
            if not call.get("use_input_stats", True):
                raise ExplainError(
                    "instance_norm with running statistics has no rule; use batch normalisation"
                )
        shape = (x.shape[0], groups, -1)
        weight, bias = (
            None if call.get(key) is None else call[key].reshape(-1, *rest)
            for key in ("weight", "bias")
        )
    eps = call.get("eps")
    if eps is None:
        eps = torch.finfo(x.dtype).eps if name == "rms_norm" else 1e-5
    return {
        "parameter": call.get("weight"),
        "groups_shape": shape,
        "weight": weight,
        "bias": bias,
        "eps": float(eps),
        "centred": name != "rms_norm",
    }


def is_dropping(call: Call) -> bool:
    """A dropout that would drop something."""
    probability = call.argument("p", 1, 0.5)
    training = call.argument("train", 2, True) and call.kwargs.get("training", True)
    return bool(training) and probability > 0


def fills(call: Call) -> bool:
    """The operation may put constants other than zero between the values."""
    if call.name == "pad":
        return bool(call.argument("value", 3))
    if call.name == "constant_pad_nd":
        return bool(call.argument("value", 2))
    return call.name in ("where", "masked_fill")


def proportional_pool(context: Context, path: str, pool: Call, x_is_nonnegative: bool) -> LayerNode:
    """Max pooling whose relevance goes to all inputs of a window in proportion to their value.

    Raises
    ------
    ExplainError
        For adaptive pooling and ``ceil_mode``, which have no fixed window.
    """
    names = ("input", "kernel_size", "stride", "padding", "dilation", "ceil_mode")
    call = _bind(names, pool.args, pool.kwargs)
    if pool.name.startswith("adaptive") or call.get("ceil_mode") or call.get("return_indices"):
        raise ExplainError(
            f"{path}: proportional pooling needs a plain max pooling (no adaptive size, ceil_mode "
            "or indices); use pooling='winner'"
        )
    x = call["input"]
    dimensions, channels = x.dim() - 2, x.shape[1]
    window = _each(call["kernel_size"], dimensions)
    stride = call.get("stride")
    geometry = ConvolutionMap(
        stride=window if stride is None or stride == [] else _each(stride, dimensions),
        padding=_each(call.get("padding", 0), dimensions),
        dilation=_each(call.get("dilation", 1), dimensions),
        groups=channels,
    )
    weight = torch.ones(channels, 1, *window, dtype=x.dtype, device=x.device)
    return LayerNode(
        context,
        path,
        "pooling",
        PROPORTIONAL,
        geometry,
        weight,
        None,
        pool.function_of(x),
        x_is_nonnegative=x_is_nonnegative,
    )
