"""What the engine knows about each operation, by name.

Names are those of functions of torch, ``torch.nn.functional`` and ``Tensor`` without the marks of
in-place and reflected forms: ``relu_``, ``Tensor.relu`` and ``F.relu`` are all ``relu``;
``Tensor.__iadd__`` is ``add``.
"""

from collections.abc import Callable
from typing import Any

STRUCTURAL = frozenset(
    """reshape view view_as reshape_as flatten unflatten permute transpose swapaxes swapdims
    movedim moveaxis t T mT squeeze unsqueeze getitem narrow select index_select gather
    take_along_dim masked_select chunk split tensor_split unbind split_with_sizes unfold expand
    expand_as
    broadcast_to repeat repeat_interleave tile roll flip contiguous clone to type type_as float
    double half bfloat16 cpu cuda cat concat concatenate stack hstack vstack dstack pad
    constant_pad_nd pixel_shuffle pixel_unshuffle channel_shuffle dropout dropout1d dropout2d
    dropout3d alpha_dropout feature_dropout feature_alpha_dropout diagonal rot90 ravel
    atleast_1d atleast_2d atleast_3d adjoint where masked_fill""".split()
)
"""Move, copy or select values: relevance moves with them."""

LINEAR = frozenset(
    """mean sum nansum cumsum neg negative positive interpolate upsample upsample_nearest
    upsample_bilinear grid_sample trace""".split()
)
"""Linear without parameters: the plain gradient is LRP-0."""

AVERAGE_POOLS = frozenset(
    f"{prefix}avg_pool{dim}d" for prefix in ("", "adaptive_") for dim in (1, 2, 3)
)
MAX_POOLS = frozenset(
    f"{prefix}max_pool{dim}d{suffix}"
    for prefix in ("", "adaptive_")
    for dim in (1, 2, 3)
    for suffix in ("", "_with_indices")
)
SELECTIONS = frozenset(["amax", "amin", "max", "min", "maximum", "minimum", "topk", "sort", "fmax"])
"""Winner takes all: the plain gradient goes to the selected inputs."""

RECTIFIERS = frozenset(["relu"])
ACTIVATIONS = frozenset(
    """gelu silu tanh sigmoid leaky_relu elu selu celu softplus hardtanh relu6 hardswish
    hardsigmoid mish prelu softsign logsigmoid log_sigmoid clamp clamp_min clamp_max clip
    threshold rrelu hardshrink softshrink tanhshrink expit erf atan sinh asinh""".split()
)
"""Element-wise: relevance passes unchanged (identity rule)."""

MAY_BE_IN_PLACE = ACTIVATIONS | {"add", "sub", "mul", "div", "dropout", "dropout1d", "dropout2d"}
NONNEGATIVE_RESULTS = frozenset(["relu", "relu6", "sigmoid", "hardsigmoid", "softmax", "softplus"])

CONVOLUTIONS = frozenset(
    f"conv{transposed}{dim}d" for transposed in ("", "_transpose") for dim in (1, 2, 3)
)
MATRIX_PRODUCTS = frozenset(["matmul", "mm", "bmm"])
NORMALISATIONS = frozenset(["layer_norm", "group_norm", "instance_norm", "rms_norm"])

LEAKS = frozenset(["item", "tolist", "numpy", "array", "dlpack", "untyped_storage", "data_ptr"])
"""Hand values to Python, where the engine cannot follow them."""

MAKERS = frozenset(
    """zeros_like ones_like full_like empty_like rand_like randn_like new_zeros new_ones new_full
    new_empty new_tensor""".split()
)
"""Make constants with the shape of a tensor."""

QUERIES = frozenset(
    """shape size dim ndim ndimension numel nelement dtype device layout is_contiguous
    is_floating_point is_complex is_cuda is_cpu is_mps is_nested is_sparse is_quantized is_meta
    is_leaf requires_grad stride storage_offset element_size len grad_fn names get_device
    is_same_size is_inference is_mkldnn is_xla is_conj is_neg retains_grad output_nr
    dim_order""".split()
)
"""Ask about a tensor without using its values."""

REMEDIES = {
    "softmax": "explain the logits: leave the softmax out of the model's forward; for attention "
    "choose composite attn-lrp or cp-lrp",
    "log_softmax": "explain the logits: leave the log_softmax out of the model's forward",
    "detach": "it cuts the path of relevance; remove it from the forward",
    "data": "it cuts the path of relevance; remove it from the forward",
    "item": "its value leaves the graph; keep it a tensor",
    "scaled_dot_product_attention": "choose composite attn-lrp or cp-lrp",
    "multi_head_attention_forward": "choose composite attn-lrp or cp-lrp",
}
DEFAULT_REMEDY = (
    "rewrite the model with supported operations, add a rule (docs/explain.md), or pass "
    "strict=False to use the plain gradient there and have its share stated in the ledger"
)


def canonical_name(function: Callable[..., Any]) -> str:
    """Name of an operation without marks of in-place, reflected or accessor forms."""
    name = getattr(function, "__name__", str(function))
    if name in ("__get__", "__set__"):
        attribute = getattr(getattr(function, "__self__", None), "__name__", "?")
        return attribute if name == "__get__" else f"set {attribute}"
    if name.startswith("__") and name.endswith("__"):
        bare = name[2:-2]
        if bare in ("float", "int", "index", "complex"):
            return "item"
        for prefix in ("r", "i"):
            if bare[1:] in _DUNDER_STEMS and bare[0] == prefix:
                bare = bare[1:]
        return {"truediv": "div"}.get(bare, bare)
    name = name.rstrip("_").lstrip("_")
    return {"subtract": "sub", "multiply": "mul", "divide": "div", "true_divide": "div"}.get(
        name, name
    )


_DUNDER_STEMS = frozenset(
    ["add", "sub", "mul", "div", "truediv", "matmul", "pow", "mod", "floordiv", "and", "or", "xor"]
)


def is_in_place(function: Callable[..., Any]) -> bool:
    """True for ``relu_``, ``Tensor.__iadd__``, ``Tensor.__setitem__`` and the like."""
    name = getattr(function, "__name__", "")
    if name == "__setitem__":
        return True
    if name.startswith("__"):
        return name.startswith("__i") and name[3:-2] in _DUNDER_STEMS
    return name.endswith("_")


def is_reflected(function: Callable[..., Any]) -> bool:
    """True for ``Tensor.__rsub__`` and the like, and ``torch.rsub``."""
    name = getattr(function, "__name__", "")
    return name == "rsub" or (name.startswith("__r") and name[3:-2] in _DUNDER_STEMS)
