"""Result of an explanation: the map, its ledger and its provenance."""

import sys
from collections.abc import Mapping
from dataclasses import dataclass, field

import torch
from torch import Tensor

from stressnet.axes import Axes
from stressnet.explain.engine.route import COLUMNS, LedgerRecord
from stressnet.explain.engine.taps import Tap
from stressnet.version import __version__


def versions() -> dict[str, str]:
    """Versions of what computed the result."""
    return {
        "stressnet": __version__,
        "torch": torch.__version__,
        "python": ".".join(map(str, sys.version_info[:3])),
    }


@dataclass(frozen=True)
class Conservation:
    """Where the explained value of each sample went; all tensors of shape (batch,), float64.

    ``relevance`` is the sum of the map; ``residual`` is the explained value ``output`` minus it and
    the shares kept by biases, by stabilisers and by operations without a rule: rounding, if the
    engine is right.
    """

    output: Tensor
    relevance: Tensor
    bias_share: Tensor
    stabiliser_share: Tensor
    unaccounted_share: Tensor
    residual: Tensor

    @property
    def relative_residual(self) -> Tensor:
        """Residual over the largest of ``|f|`` and the shares (their scale), shape (batch,)."""
        parts = (self.output, self.relevance, self.bias_share, self.stabiliser_share)
        scale = torch.stack([part.abs() for part in parts]).amax(dim=0)
        return self.residual.abs() / scale.clamp(min=torch.finfo(torch.float64).tiny)

    def __str__(self) -> str:
        def middle(values: Tensor) -> str:
            return f"{float(values.median()):.4g}"

        return (
            f"median f {middle(self.output)} = relevance {middle(self.relevance)} + bias "
            f"{middle(self.bias_share)} + stabiliser {middle(self.stabiliser_share)} + unaccounted "
            f"{middle(self.unaccounted_share)}; largest relative residual "
            f"{float(self.relative_residual.max()):.1e}"
        )


@dataclass(frozen=True)
class Explanation:
    """Relevance of every input value, with its provenance.

    Parameters
    ----------
    relevance : Tensor, shape of the inputs
        Signed relevance in the unit of ``output``.
    output, target : Tensor, shape (batch,)
        Explained value ``f``, float64, and explained class, if the seed has one.
    logits : Tensor, shape (batch, n_classes)
        The model's output.
    seed : str
        What ``f`` is (see :mod:`stressnet.explain.seeds`).
    composite : str
        Composite or other method.
    rules : dict
        Rule with its parameters, by module path.
    stabilisers : dict
        Stabiliser of each rule and of pooling, sums and activations.
    versions : dict
        Versions of stressnet, torch and Python.
    ledger : tuple of dict
        One record per sample and layer: ``sample, layer, operation, rule, relevance_out,
        relevance_in, bias_share, stabiliser_share, unaccounted_share``, in the unit of ``f``.
        Under ``torch.func.vmap`` the numbers are tensors without axes.
    layer_relevance, taps : dict
        Relevance of layer outputs by module path, and value and coefficient (:class:`Tap`) at
        places, as far as they were asked for.
    axes : Axes or None
        Seconds and hertz of the map's last two dimensions, if they were given.
    """

    relevance: Tensor
    output: Tensor
    logits: Tensor
    seed: str
    target: Tensor | None
    composite: str
    rules: Mapping[str, str]
    stabilisers: Mapping[str, float]
    ledger: tuple[LedgerRecord, ...]
    versions: Mapping[str, str] = field(default_factory=versions)
    layer_relevance: Mapping[str, Tensor] = field(default_factory=dict)
    axes: Axes | None = None
    taps: Mapping[str, Tap] = field(default_factory=dict)

    def conservation(self) -> Conservation:
        """Sums over layers and the residual of ``f = R + bias + stabiliser + unaccounted``."""
        batch = len(self.output)
        sums = dict(zip(COLUMNS, self.shares().sum(dim=1).unbind(dim=1), strict=True))
        shares = {
            name: sums[name].cpu()
            for name in ("bias_share", "stabiliser_share", "unaccounted_share")
        }
        relevance = self.relevance.double().reshape(batch, -1).sum(dim=1).cpu()
        output = self.output.cpu()
        residual = output - relevance - sum(shares.values())
        return Conservation(output, relevance, residual=residual, **shares)

    def shares(self) -> Tensor:
        """The ledger as one float64 tensor, shape (batch, n_rows, n_columns).

        Rows are layers in order of the forward pass; columns are those of the ledger.
        """
        values = [[record[name] for name in COLUMNS] for record in self.ledger]
        batch = len(self.output)
        if values and isinstance(values[0][0], Tensor):  # under torch.func.vmap
            table = torch.stack([torch.stack(row) for row in values])
        else:
            table = torch.tensor(values, dtype=torch.float64)
        return table.reshape(batch, len(values) // batch, len(COLUMNS))

    def with_shares(self, shares: Tensor) -> tuple[LedgerRecord, ...]:
        """Records of this ledger's layers with other samples' :meth:`shares`, as tensors."""
        first = [record for record in self.ledger if record["sample"] == 0]
        return tuple(
            {**record, "sample": sample, **dict(zip(COLUMNS, row, strict=True))}
            for sample, rows in enumerate(shares)
            for record, row in zip(first, rows, strict=True)
        )
