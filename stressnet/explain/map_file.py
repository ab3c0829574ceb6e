"""Relevance maps of many images in one memory-mapped file.

Memory does not grow with the number of images, and what is finished is not computed again.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

from stressnet.axes import Axes
from stressnet.explain import attribute_batch, explain_batch
from stressnet.explain.grids import on_first_grid
from stressnet.explain.reference import REFERENCED, reference_images
from stressnet.runs.arrays import ArrayFile
from stressnet.runs.journal import Journal


class StoredImages(Protocol):
    """Images on disk: values (n, n_bins, n_frames) and masks of sound (n, n_frames)."""

    @property
    def values(self) -> NDArray[np.float32]: ...

    @property
    def mask(self) -> NDArray[np.bool_]: ...

    @property
    def axes(self) -> Axes: ...

    @property
    def parts(self) -> tuple[Any, ...]: ...


@dataclass(frozen=True)
class MapRequest:
    """Images to be explained, with the composite and the output."""

    index: NDArray[np.intp]  # Rows of the images
    # Rules of layer-wise relevance propagation, or a method of
    # `stressnet.explain.reference.REFERENCED`, which needs the mean of sound `spectrum`.
    composite: str
    # `logit-difference` (INITIAL minus FINAL), or `logit` or `log-odds` of a class, or a class
    # against another output (`stressnet.explain.seeds.SEEDS`).
    output: str
    # Index of that class among the network's outputs, for all images or for each; None is what the
    # network predicts.
    target: int | NDArray[np.int64] | None
    spectrum: NDArray[np.floating] | None = None
    temperature: float = 1.0  # Of the network's probabilities
    threshold: float = 0.0  # First minus second logit from which the answer is the first class


BATCH = 32  # Images per forward and backward pass; the result does not depend on it


def compute_maps(
    file: Path,
    model: torch.nn.Module,
    images: StoredImages,
    request: MapRequest,
    journal: Journal,
    bar: Any,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Write the maps of some images into a ``.npy`` file.

    The file gets an array (n, n_bins, n_frames) float32, in the order of ``request.index`` (maps of
    images of several presets meet on the axes of the first); the
    ``journal`` records finished batches, the ``bar`` counts images. Returns a table with a row per
    image (outputs and conservation), and the mean ledger per layer.
    """
    index = request.index
    shape = (len(index), *images.axes.shape)
    with ArrayFile(file, shape, keep=bool(journal.done)) as maps:
        for start in range(0, len(index), BATCH):
            part = index[start : start + BATCH]
            if str(start) not in journal.done:
                own = request.target
                if own is not None:
                    own = np.broadcast_to(own, len(index))[start : start + BATCH].copy()
                explained = _explain_part(model, images, part, request, own)
                maps.write(start, explained.relevance[:, 0].float().cpu().numpy())
                journal.add(str(start), _batch_record(explained, request, own))
            bar.update(len(part))
    records = [journal.done[str(start)] for start in range(0, len(index), BATCH)]
    rows = [row for record in records for row in record["tokens"]]
    ledger = pd.DataFrame([row for record in records for row in record["ledger"]])
    keys = ["layer", "operation", "rule"]
    sums = ledger.groupby(keys, sort=False).sum(numeric_only=True)
    means = sums.div(len(index)).add_prefix("mean_").reset_index()
    return pd.DataFrame(rows), means


def _explain_part(
    model: torch.nn.Module,
    images: StoredImages,
    part: NDArray[np.intp],
    request: MapRequest,
    classes: NDArray[np.int64] | None,
) -> Any:

    device = next(model.parameters()).device
    picture = np.array(images.values[part], dtype=np.float32)
    inputs = torch.from_numpy(picture)[:, None].to(device)
    by_class = request.output != "logit-difference" and classes is not None
    target = torch.from_numpy(classes) if by_class else None
    if request.composite not in REFERENCED or request.spectrum is None:
        explained = explain_batch(model, inputs, request.composite, request.output, target)
        if images.parts:
            return on_first_grid(explained, [one.axes for one in images.parts])
        return explained
    baseline = reference_images(picture, images.mask[part], request.spectrum)
    return attribute_batch(
        model,
        inputs,
        REFERENCED[request.composite],
        request.output,
        target,
        baseline=torch.from_numpy(baseline)[:, None].to(device),
    )


def _batch_record(
    explained: Any, request: MapRequest, classes: NDArray[np.int64] | None
) -> dict[str, Any]:
    """What is kept of a batch beside its maps: outputs, conservation, ledger summed over tokens."""
    balance = explained.conservation()
    parts = (balance.output, balance.relevance, balance.bias_share)
    scale = sum(part.abs() for part in parts).clamp(min=1e-12)
    # What is unaccounted for is the error of a quadrature, for example.
    open_share = balance.unaccounted_share.abs() / scale
    target = explained.logits.argmax(dim=1)
    logits = explained.logits.double().clone()
    logits[:, 0] -= request.threshold
    probabilities = (logits / request.temperature).softmax(dim=1)
    predicted = logits.argmax(dim=1)
    target = target if classes is None else target.new_tensor(classes)
    columns = {
        "output": balance.output,
        "relevance_sum": balance.relevance,
        "bias_share": balance.bias_share,
        "stabiliser_share": balance.stabiliser_share,
        "closure": balance.relative_residual + open_share,
        "p_explained": probabilities.gather(1, target[:, None])[:, 0],
        "predicted": predicted,
    }
    rows = zip(*(values.tolist() for values in columns.values()), strict=True)
    tokens = [dict(zip(columns, row, strict=True)) for row in rows]
    ledger: dict[tuple[str, str, str], dict[str, Any]] = {}
    shares = ("relevance_out", "relevance_in", "bias_share", "stabiliser_share")
    for record in explained.ledger:
        key = (record["layer"], record["operation"], record["rule"])
        labels = dict(zip(("layer", "operation", "rule"), key, strict=True))
        line = ledger.setdefault(key, {**labels, **dict.fromkeys(shares, 0.0)})
        for share in shares:
            line[share] += float(record[share])
    return {"tokens": tokens, "ledger": list(ledger.values())}
