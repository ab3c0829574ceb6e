"""Checks of models and inputs before an explanation runs."""

import contextlib
import functools
import sys
from collections.abc import Callable, Iterator, Sequence
from typing import ParamSpec, TypeVar

import torch
from torch import Tensor, nn

from stressnet.axes import Axes
from stressnet.errors import ConfigError, ExplainError

P = ParamSpec("P")
R = TypeVar("R")


def plain_model(model: nn.Module) -> nn.Module:
    """The module behind ``torch.compile``."""
    inner = getattr(model, "_orig_mod", model)
    return inner if isinstance(inner, nn.Module) else model


def never_compiled(function: Callable[P, R]) -> Callable[P, R]:
    """Within a function given to ``torch.compile``, this one still runs as it is."""

    @functools.wraps(function)
    def run(*args: P.args, **kwargs: P.kwargs) -> R:
        if (
            "torch._dynamo" not in sys.modules
        ):  # nothing can be compiled; importing it takes seconds
            return function(*args, **kwargs)
        return torch.compiler.disable(function)(*args, **kwargs)

    return run


def eager() -> contextlib.AbstractContextManager[object]:
    """Compiled parts of a model run their plain code here, where their operations can be seen."""
    if "torch._dynamo" not in sys.modules:
        return contextlib.nullcontext()
    return torch.compiler.set_stance("force_eager")


@contextlib.contextmanager
def full_precision() -> Iterator[None]:
    """Outside inference mode, and with all bits of float32 in convolutions on a GPU.

    TF32, torch's default there, keeps ten: it moved maps of an untrained VGG16 by up to 0.4 of
    their largest value.
    """
    before = torch.backends.cudnn.allow_tf32
    torch.backends.cudnn.allow_tf32 = False
    try:
        with torch.inference_mode(False):
            yield
    finally:
        torch.backends.cudnn.allow_tf32 = before


def check_model(model: nn.Module) -> None:
    """Raise :class:`ExplainError` for a model in training mode or with a scripted part."""
    for path, module in model.named_modules():
        if module.training:
            raise ExplainError(
                f"the model is in training mode ({path or 'model'}): dropout and batch statistics "
                "would change the result; call model.eval() first"
            )
        if isinstance(module, torch.jit.ScriptModule):
            raise ExplainError(
                f"{path or 'the model'} is scripted and its operations cannot be seen; pass the "
                "plain module"
            )


def check_inputs(inputs: Tensor) -> None:
    """Raise :class:`ConfigError` unless inputs are a finite floating-point batch with a sample."""
    if not isinstance(inputs, Tensor) or not inputs.is_floating_point() or inputs.dim() < 2:
        what = f"{tuple(inputs.shape)} {inputs.dtype}" if isinstance(inputs, Tensor) else inputs
        raise ConfigError(
            f"inputs must be a floating-point tensor with the batch first, not {what}"
        )
    if len(inputs) == 0:
        raise ConfigError("inputs hold no sample")
    if not bool(torch.isfinite(inputs).all()):
        raise ConfigError("inputs hold values that are not finite; explain clean spectrograms")


def check_images(inputs: Tensor, what: str) -> None:
    """Raise :class:`ConfigError` unless inputs are pictures; ``what`` asks for them."""
    if inputs.dim() != 4:
        raise ConfigError(
            f"{what} needs inputs (batch, channels, bins, frames), not {inputs.dim()}-D"
        )


def expanded(values: Tensor, shape: Sequence[int], what: str, of: str = "the inputs'") -> Tensor:
    """``values`` broadcast to a shape; ``what`` and ``of`` name both in a :class:`ConfigError`."""
    try:
        return values.expand(tuple(shape))
    except RuntimeError:
        raise ConfigError(
            f"{what} of shape {tuple(values.shape)} does not broadcast to {of} {tuple(shape)}"
        ) from None


def check_axes(inputs: Tensor, axes: Axes | None) -> None:
    """Raise :class:`ConfigError` unless axes are those of the inputs' last two dimensions."""
    shape = tuple(getattr(inputs, "shape", ())[-2:])
    if axes is not None and shape != axes.shape:
        raise ConfigError(f"inputs have the shape {shape}, but their axes say {axes.shape}")


def check_paths(model: nn.Module, paths: Sequence[str]) -> None:
    """Raise :class:`ConfigError` for module paths that the model does not have."""
    known = dict(model.named_modules())
    for path in paths:
        if path.partition(":")[0].partition("#")[0] not in known:
            raise ConfigError(f"the model has no layer {path!r}; see model.named_modules()")


def at_least_one(what: str, value: int) -> None:
    """Raise :class:`ConfigError` for numbers below one."""
    if value < 1:
        raise ConfigError(f"{what} must be at least 1, not {value}")
