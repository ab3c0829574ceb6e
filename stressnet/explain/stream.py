"""Explanations of many samples in constant memory.

The memory of tensors that live at the same time is counted while one and two samples are explained;
it grows by a constant per sample. Scratch space inside operations is not seen and is allowed for by
a margin.
"""

import weakref
from collections.abc import Iterable, Iterator
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

from stressnet.errors import ConfigError
from stressnet.explain.api import explain_batch
from stressnet.explain.engine.calls import tensors_in
from stressnet.explain.result import Explanation

MARGIN = 1.25  # For scratch space of convolutions and fragmentation


class PeakMemory(TorchDispatchMode):
    """Counts in ``peak`` the bytes of tensors made under it that are alive at the same time."""

    def __init__(self) -> None:
        super().__init__()
        self.peak = self._now = 0
        self._known: set[int] = set()

    def __torch_dispatch__(
        self,
        func: Any,
        types: Iterable[type],
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        before = {_key(tensor) for tensor in tensors_in((args, kwargs or {}))}
        result = func(*args, **(kwargs or {}))
        for tensor in tensors_in(result):
            key = _key(tensor)
            if key not in before and key not in self._known:
                storage = tensor.untyped_storage()
                self._known.add(key)
                self._now += storage.nbytes()
                weakref.finalize(storage, self._forget, key, storage.nbytes())
        self.peak = max(self.peak, self._now)
        return result

    def _forget(self, key: int, nbytes: int) -> None:
        self._known.discard(key)
        self._now -= nbytes


def _key(tensor: Tensor) -> int:
    return tensor.untyped_storage()._cdata


def estimate_batch_size(model: nn.Module, inputs: Tensor, max_bytes: int, **options: Any) -> int:
    """Largest batch whose explanation stays within ``max_bytes``, weights of the model not counted.

    Raises :class:`ConfigError` if not one sample fits.

    Parameters
    ----------
    inputs : Tensor, shape (n, ...)
        Two samples of the kind to be explained.
    **options
        As in :func:`stressnet.explain.explain_batch`.
    """
    chosen = {key: value for key, value in options.items() if key != "target"}
    pair = inputs[:2] if len(inputs) > 1 else torch.cat([inputs[:1]] * 2)
    peaks = []
    for batch in (pair[:1], pair):
        with PeakMemory() as memory:
            explain_batch(model, batch, **chosen)
        peaks.append(memory.peak * MARGIN)
    each = max(peaks[1] - peaks[0], 1.0)
    fixed = max(peaks[0] - each, 0.0)
    fits = int((max_bytes - fixed) // each)
    if fits < 1:
        raise ConfigError(
            f"max_bytes {max_bytes}: one sample needs about {round(fixed + each)} bytes; allow more"
        )
    return fits


def explain_stream(
    model: nn.Module,
    batches: Iterable[Tensor] | Tensor,
    *,
    batch_size: int = 16,
    max_bytes: int | None = None,
    **options: object,
) -> Iterator[Explanation]:
    """Yields explanations of one batch after another, in constant memory.

    Parameters
    ----------
    batches : iterable of Tensor, or one Tensor
        Batches of inputs; one tensor is cut into pieces of ``batch_size``.
    max_bytes : int, optional
        Memory that one piece may take; ``batch_size`` is lowered to fit
        (:func:`estimate_batch_size`). Only for one tensor.
    **options
        As in :func:`explain_batch`; ``target`` may hold one class for each sample of one tensor.
    """
    if not isinstance(batches, Tensor):
        if max_bytes is not None:
            raise ConfigError("max_bytes= cuts one tensor into pieces; batches are cut already")
        for inputs in batches:
            yield explain_batch(model, inputs, **options)  # type: ignore[arg-type]
        return
    target = options.pop("target", None)
    if max_bytes is not None and len(batches):
        batch_size = min(batch_size, estimate_batch_size(model, batches, max_bytes, **options))
    for start in range(0, len(batches), batch_size):
        part = slice(start, start + batch_size)
        chosen = target[part] if isinstance(target, Tensor) and target.dim() else target
        yield explain_batch(
            model,
            batches[part],
            target=chosen,  # type: ignore[arg-type]
            **options,  # type: ignore[arg-type]
        )
