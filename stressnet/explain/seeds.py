"""What is explained: the value ``f`` of each sample and where its relevance starts.

``docs/explain.md`` defines the seeds. For two classes the log-odds of class 0 are the logit
difference. For more, the entropy of the other classes is no share of any logit; it is booked as
bias share of the row ``(seed)``.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from stressnet.errors import ConfigError, ExplainError, check_names

SEEDS: tuple[str, ...] = ("logit-difference", "logit", "log-odds", "best-other", "mean-others")
Target = int | Tensor | None


@dataclass(frozen=True)
class Seeded:
    """The start of an explanation."""

    name: str
    output: Tensor  # Explained values f
    weights: Tensor  # The derivative with which each logit enters, shape (batch, n_classes)
    offset: Tensor  # `f - sum(logits * weights)`, zero but for log-odds of more than two classes
    target: Tensor | None  # Explained classes


def check_logits(logits: object, batch: int) -> Tensor:
    """The model's output; :class:`ExplainError` unless it is a score per class and sample."""
    if not isinstance(logits, Tensor) or logits.dim() != 2 or logits.shape[0] != batch:
        shape = tuple(logits.shape) if isinstance(logits, Tensor) else type(logits).__name__
        raise ExplainError(
            f"the model must return one tensor of shape (batch, n_classes), not {shape}; wrap it "
            "in a module that returns the logits"
        )
    return logits


def make_seed(logits: Tensor, seed: str | Tensor, target: Target) -> Seeded:
    """Value and start weights for each sample, from the model's ``logits`` (batch, n_classes).

    A ``seed`` is one of :data:`SEEDS`; given as weights it has shape (batch, n_classes) or
    (n_classes,). The ``target`` is the class to explain, one for all or each sample, the predicted
    one if None; the logit difference and weights take none. A :class:`ConfigError` says what does
    not fit.
    """
    exact = logits.detach().double()
    n_classes = exact.shape[1]
    if isinstance(seed, str):
        check_names("seed", [seed], SEEDS)
    if not isinstance(seed, str) or seed == "logit-difference":
        if target is not None:
            raise ConfigError(
                "target= names the class of seeds such as 'logit' and 'log-odds'; "
                "the logit difference and weights take none"
            )
        weights = _given_weights(exact, seed)
        name = seed if isinstance(seed, str) else "weights"
        return _finish(name, logits, exact, weights, (exact * weights).sum(dim=1), None)
    classes = _classes(exact, target)
    chosen = torch.nn.functional.one_hot(classes, n_classes).to(exact)
    if seed == "logit":
        return _finish(seed, logits, exact, chosen, (exact * chosen).sum(dim=1), classes)
    if n_classes < 2:
        raise ConfigError(f"{seed} needs at least two classes")
    others = exact.masked_fill(chosen.bool(), -torch.inf)
    if seed in ("best-other", "mean-others"):
        best = torch.nn.functional.one_hot(others.argmax(dim=1), n_classes).to(exact)
        against = best if seed == "best-other" else (1.0 - chosen) / (n_classes - 1)
        weights = chosen - against
        return _finish(seed, logits, exact, weights, (exact * weights).sum(dim=1), classes)
    weights = chosen - torch.softmax(others, dim=1)
    value = (exact * chosen).sum(dim=1) - torch.logsumexp(others, dim=1)
    return _finish(seed, logits, exact, weights, value, classes)


def _finish(
    name: str, logits: Tensor, exact: Tensor, weights: Tensor, value: Tensor, target: Tensor | None
) -> Seeded:
    used = weights.to(logits.dtype)
    offset = value - (exact * used.double()).sum(dim=1)
    if name != "log-odds":
        value, offset = value - offset, torch.zeros_like(offset)
    return Seeded(name, value, used, offset, target)


def _given_weights(exact: Tensor, seed: str | Tensor) -> Tensor:
    batch, n_classes = exact.shape
    if isinstance(seed, str):
        if n_classes != 2:
            raise ConfigError(
                f"seed 'logit-difference' needs two classes, the model has {n_classes}; "
                "use 'logit' or 'log-odds'"
            )
        return exact.new_tensor([1.0, -1.0]).expand(batch, 2)
    if seed.shape not in ((batch, n_classes), (n_classes,)):
        raise ConfigError(
            f"seed weights have shape {tuple(seed.shape)}, not {(batch, n_classes)} as the logits"
        )
    return seed.to(exact).expand(batch, n_classes)


def _classes(exact: Tensor, target: Target) -> Tensor:
    batch, n_classes = exact.shape
    if target is None:
        return exact.argmax(dim=1)
    classes = torch.as_tensor(target, device=exact.device, dtype=torch.long)
    classes = classes.reshape(-1).expand(batch) if classes.numel() == 1 else classes
    if classes.shape != (batch,) or bool(((classes < 0) | (classes >= n_classes)).any()):
        raise ConfigError(
            f"target must be a class between 0 and {n_classes - 1}, or one for each of the "
            f"{batch} samples; got {target!r}"
        )
    return classes
