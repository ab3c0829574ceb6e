"""What a model makes of altered inputs, and values per sample that may be missing for a reason."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Self

import torch
from torch import Tensor, nn

from stressnet.errors import ConfigError, check_names
from stressnet.explain.checks import at_least_one, check_inputs, check_model, expanded
from stressnet.explain.seeds import check_logits, make_seed

SCORE_KINDS = ("probability", "log-odds", "logit", "decision")


CONSTANT = "the map is the same everywhere"
NOT_FINITE = "the map has values that are not finite"
ZERO = "the map is zero"
NO_CELL = "no cell may be removed"


@dataclass(frozen=True)
class Score:
    """One number per input: how much the model speaks for each sample's explained class.

    The model is in evaluation mode and returns logits (batch, n_classes). ``classes``, int of shape
    (n_samples,), are explained; altered copies are scored for the same class. The kinds are the
    softmax ``probability`` of the class, its ``log-odds``, its ``logit``, and the ``decision``: 1
    where it is the prediction, else 0.
    """

    model: nn.Module
    classes: Tensor
    kind: str = "probability"
    batch_size: int = 64

    def __post_init__(self) -> None:
        check_model(self.model)
        check_names("score", [self.kind], SCORE_KINDS)
        at_least_one("batch_size", self.batch_size)
        if self.classes.dim() != 1 or self.classes.is_floating_point():
            raise ConfigError("classes must be one class number for each sample")

    @classmethod
    def of_predictions(
        cls, model: nn.Module, inputs: Tensor, kind: str = "probability", batch_size: int = 64
    ) -> Self:
        """A score of the classes that the model predicts for ``inputs``."""
        check_inputs(inputs)
        check_model(model)
        return cls(model, logits_of(model, inputs, batch_size).argmax(dim=1), kind, batch_size)

    def __call__(self, inputs: Tensor) -> Tensor:
        """Scores of an altered copy of each sample, float64 on the CPU, shape (n_samples,)."""
        logits = logits_of(self.model, inputs, self.batch_size)
        classes = self.classes.to(logits.device)
        if bool(((classes < 0) | (classes >= logits.shape[1])).any()):
            raise ConfigError(f"classes must lie between 0 and {logits.shape[1] - 1}")
        if self.kind == "decision":
            return (logits.argmax(dim=1) == classes).double().cpu()
        if self.kind == "probability":
            chances = logits.double().softmax(dim=1)
            return chances.gather(1, classes[:, None])[:, 0].cpu()
        return make_seed(logits, self.kind, classes).output.double().cpu()


def logits_of(model: nn.Module, inputs: Tensor, batch_size: int) -> Tensor:
    """Logits of all inputs, computed piece by piece, without gradient."""
    with torch.no_grad():
        parts = [
            check_logits(model(part), len(part))
            for part in torch.split(inputs.detach(), batch_size)
        ]
    return torch.cat(parts)


@dataclass(frozen=True)
class Scores:
    """A metric's values, float64 of shape (n_samples,); NaN with a reason where there is none."""

    values: Tensor
    reasons: tuple[str, ...]

    @classmethod
    def of(cls, values: Tensor, missing: Sequence[str]) -> Self:
        """Values, blanked where there is a reason why they are missing."""
        gone = torch.tensor([bool(reason) for reason in missing])
        values = values.detach().double().cpu().masked_fill(gone, torch.nan)
        return cls(values, tuple(missing))

    @classmethod
    def collect(cls, outcomes: Iterable[float | str]) -> Self:
        """A value, or the reason why there is none, for each sample."""
        listed = list(outcomes)
        reasons = [one if isinstance(one, str) else "" for one in listed]
        numbers = [torch.nan if isinstance(one, str) else one for one in listed]
        return cls.of(torch.tensor(numbers, dtype=torch.float64), reasons)

    @property
    def mean(self) -> float:
        """Mean of the samples that have a value; NaN if none has."""
        values = self.values[~self.values.isnan()]
        return float(values.mean()) if len(values) else float("nan")


def combine_reasons(*lists: Sequence[str]) -> list[str]:
    """For each sample the first reason that any list gives."""
    return [next((reason for reason in row if reason), "") for row in zip(*lists, strict=True)]


def check_maps(inputs: Tensor, maps: Tensor, cells: Tensor | None = None) -> Tensor:
    """Refuse maps or cells of another shape than the inputs; return the cells."""
    if maps.shape != inputs.shape:
        raise ConfigError(f"maps have shape {tuple(maps.shape)}, but inputs {tuple(inputs.shape)}")
    if inputs.dim() < 2 or len(inputs) == 0:
        raise ConfigError(f"inputs of shape {tuple(inputs.shape)} are no batch of samples")
    if cells is None:
        return torch.ones(inputs.shape, dtype=torch.bool)
    if cells.dtype != torch.bool:
        raise ConfigError(f"cells must be a mask of type bool, not {cells.dtype}")
    return expanded(cells.cpu(), inputs.shape, "a mask of cells")


def counted(cells: Tensor, *tensors: Tensor) -> Iterator[list[Tensor]]:
    """Of each sample the values that count, of each tensor, float64 on the CPU."""
    for here, *ones in zip(cells, *tensors, strict=True):
        yield [one.detach().double().cpu()[here] for one in ones]


def map_problems(maps: Tensor, cells: Tensor) -> list[str]:
    """Why each map cannot rank its cells; empty where it can."""
    problems = []
    for (values,) in counted(cells, maps):
        if values.numel() == 0:
            problems.append(NO_CELL)
        elif not bool(torch.isfinite(values).all()):
            problems.append(NOT_FINITE)
        elif bool((values == values[0]).all()):
            problems.append(ZERO if float(values[0]) == 0 else CONSTANT)
        else:
            problems.append("")
    return problems


def check_generator(generator: torch.Generator) -> None:
    """Refuse anything but a torch generator: no metric draws from the global one."""
    if not isinstance(generator, torch.Generator):
        raise ConfigError(
            "generator must be a torch.Generator, e.g. torch.Generator().manual_seed(0)"
        )
