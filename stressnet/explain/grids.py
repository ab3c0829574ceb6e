"""Maps of networks that take other presets, brought together on one grid of seconds and hertz."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch

from stressnet.axes import Axes, FloatArray, cell_edges
from stressnet.explain.engine.route import COLUMNS, LedgerRecord
from stressnet.explain.result import Explanation

GRID = "(grid)"  # Row of the ledger for relevance that lies outside the grid


def cell_shares(source: FloatArray, target: FloatArray, lowest: float = -np.inf) -> FloatArray:
    """Which share of each cell around the centres ``source`` lies in each around ``target``.

    Shape (n_target, n_source). Columns add up to one where the target covers the source. No cell
    begins below ``lowest``.
    """
    theirs, ours = (np.maximum(cell_edges(centres), lowest) for centres in (source, target))
    low = np.maximum(ours[:-1, None], theirs[None, :-1])
    high = np.minimum(ours[1:, None], theirs[None, 1:])
    return np.maximum(high - low, 0.0) / np.diff(theirs)


def on_first_grid(explained: Explanation, axes: Sequence[Axes]) -> Explanation:
    """The relevance of images one above the other, summed on the axes of the first of them.

    A cell's relevance goes to the cells that it overlaps, in proportion to the overlap in seconds
    and hertz, so that sums stay. What lies outside the first image's axes is booked as bias share
    in the row :data:`GRID` of the ledger. The relevance has shape (batch, 1, all bins, most
    frames), the ``axes`` are of the images in their order.
    """
    whole = explained.relevance.double()
    relevance = torch.zeros(*whole.shape[:2], *axes[0].shape, dtype=torch.float64)
    start = 0
    for one in axes:
        bins, frames = one.shape
        part = whole[:, :, start : start + bins, :frames].cpu()
        rows = cell_shares(one.frequency_hz, axes[0].frequency_hz, 0.0)
        columns = cell_shares(one.time_s, axes[0].time_s)
        relevance += torch.from_numpy(rows) @ part @ torch.from_numpy(columns.T.copy())
        start += bins
    outside = whole.cpu().sum(dim=(1, 2, 3)) - relevance.sum(dim=(1, 2, 3))
    each = len(explained.ledger) // len(whole)
    ledger: list[LedgerRecord] = []
    for sample, lost in enumerate(outside.tolist()):
        row: LedgerRecord = {
            "sample": sample,
            "layer": GRID,
            "operation": "outside the first preset",
            "rule": "",
        }
        ledger += explained.ledger[sample * each : (sample + 1) * each]
        ledger.append({**row, **dict.fromkeys(COLUMNS, 0.0), "bias_share": lost})
    return replace(explained, relevance=relevance, ledger=tuple(ledger), axes=axes[0])
