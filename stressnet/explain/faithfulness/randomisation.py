"""How much a map changes when the parameters of the network are randomised.

Copies are randomised; the model itself stays as it is.
"""

import copy
import math
from collections.abc import Iterator

import torch
from torch import Tensor, nn

from stressnet.errors import ConfigError
from stressnet.explain.checks import at_least_one, check_model
from stressnet.explain.faithfulness.map_measures import histogram_entropy, rank_correlation
from stressnet.explain.faithfulness.scores import Scores, check_generator, combine_reasons
from stressnet.explain.faithfulness.stability import Subject


def cascade(
    model: nn.Module, generator: torch.Generator, *, n_stages: int | None = None
) -> Iterator[tuple[str, nn.Module]]:
    """Copies of the model with more and more layers freshly initialised, from the output down.

    Yields the path of the lowest randomised layer, and the copy; each copy is new. Weights of two
    or more dimensions are uniform within ±1/√fan-in and other parameters of such layers too, as
    torch initialises convolutions and dense layers; normalisations become the identity with empty
    statistics. Layers are randomised in ``n_stages`` groups of equal number; one by one if left
    out.
    """
    check_model(model)
    check_generator(generator)
    own = {path: [*module.parameters(recurse=False)] for path, module in model.named_modules()}
    paths = [path for path, parameters in own.items() if parameters][::-1]
    if not paths:
        raise ConfigError("the model has no parameters to randomise")
    n_stages = len(paths) if n_stages is None else n_stages
    at_least_one("n_stages", n_stages)
    n_stages = min(n_stages, len(paths))
    ends = [round((stage + 1) * len(paths) / n_stages) for stage in range(n_stages)]
    current, start = model, 0
    for end in ends:
        current = copy.deepcopy(current)
        modules = dict(current.named_modules())
        for path in paths[start:end]:
            _randomise(modules[path], generator)
        start = end
        yield paths[end - 1], current


def parameter_randomisation(
    subject: Subject,
    generator: torch.Generator,
    *,
    n_stages: int | None = None,
    cells: Tensor | None = None,
) -> tuple[Scores, dict[str, Scores]]:
    """Rank correlation of maps before and after cascading randomisation; lower is better.

    Chance (a map that owes everything to the parameters) is 0; a map that ignores them has 1.
    Spectrogram and map share their outline, so even a right method keeps some correlation (Adebayo
    et al. 2018, NeurIPS, "Sanity checks for saliency maps"). ``generator`` and ``n_stages`` are
    those of :func:`cascade`. Returns the mean over stages, and each stage by the path of its lowest
    randomised layer.
    """
    start = subject.own_maps
    stages = {
        path: rank_correlation(start, subject.maps(model=altered), cells=cells)
        for path, altered in cascade(subject.model, generator, n_stages=n_stages)
    }
    reasons = combine_reasons(*(stage.reasons for stage in stages.values()))
    values = torch.stack([stage.values for stage in stages.values()]).mean(dim=0)
    return Scores.of(values, reasons), stages


def efficient_parameter_randomisation(
    subject: Subject, generator: torch.Generator, *, cells: Tensor | None = None
) -> Scores:
    """Relative rise of the map's complexity when all parameters are randomised; higher is better.

    ``(H(R_random) - H(R)) / H(R)`` with H from
    :func:`~stressnet.explain.faithfulness.map_measures.histogram_entropy`; above zero if the
    trained model's map has more order than the random model's, 0 by chance (eMPRT of Hedström et
    al. 2023, arXiv:2401.06465). Parameters as for :func:`parameter_randomisation`.
    """
    ((_, altered),) = cascade(subject.model, generator, n_stages=1)
    before, after = (
        histogram_entropy(maps, cells=cells)
        for maps in (subject.own_maps, subject.maps(model=altered))
    )
    reasons = combine_reasons(before.reasons, after.reasons)
    return Scores.of((after.values - before.values) / before.values, reasons)


def _randomise(module: nn.Module, generator: torch.Generator) -> None:
    """Initialise a copy's module afresh."""
    parameters = dict(module.named_parameters(recurse=False))
    widest = max(parameters.values(), key=lambda parameter: parameter.dim())
    with torch.no_grad():
        if widest.dim() < 2:
            for name, parameter in parameters.items():
                parameter.fill_(0.0 if name == "bias" else 1.0)
            for name, buffer in module.named_buffers(recurse=False):
                buffer.fill_(1 if name == "running_var" else 0)
            return
        bound = 1 / math.sqrt(max(widest[0].numel(), 1))
        for parameter in parameters.values():
            drawn = torch.rand(parameter.shape, generator=generator, dtype=torch.float64)
            parameter.copy_((2 * drawn - 1) * bound)
