"""Relevance maps of tokens on disk: journalled, memory-mapped, for a network and its controls.

Memory does not grow with the number of tokens, and what is finished is not computed again.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from stressnet.errors import ConfigError
from stressnet.lexicon.stress import CLASSES, Stress
from stressnet.runs.journal import Journal

if TYPE_CHECKING:
    import pandas as pd

    from stressnet.corpus.store import Corpus, Images
    from stressnet.models.checkpoint import CheckpointInfo

BATCH = 32
"""Images per forward and backward pass; the result does not depend on it."""

N_STATISTICS = 256
"""Images over which the BatchNorm statistics of an untrained network are taken."""


def compute_maps(
    file: Path,
    model: Any,
    images: Images,
    image_index: NDArray[np.intp],
    composite: str,
    seed_output: str,
    bar: Any,
    *,
    journal_file: Path,
    spectrum: NDArray[np.floating] | None = None,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Write the maps of some images into a ``.npy`` file.

    Parameters
    ----------
    file : Path
        Gets an array (n_tokens, n_bins, n_frames) float32, in the order of ``image_index``.
    model : torch.nn.Module
        In evaluation mode.
    images : Images
        All images of the corpus.
    image_index : ndarray of int
        Which of them.
    composite, seed_output : str
        As for :func:`stressnet.workflows.explain.explain_corpus`.
    bar : tqdm
        Counts tokens.
    journal_file : Path
        Where finished batches are recorded.
    spectrum : ndarray, shape (n_bins,), optional
        Mean of sound, for methods of :data:`stressnet.explain.reference.REFERENCED`.

    Returns
    -------
    tokens : DataFrame
        One row per token: outputs and conservation.
    ledger : DataFrame
        Mean ledger per layer.
    """
    import pandas as pd
    import torch

    from stressnet.explain import attribute_batch, explain_batch
    from stressnet.explain.reference import REFERENCED, reference_images

    target = None if seed_output == "logit-difference" else Stress.INITIAL.class_index
    index, values = image_index, images.values
    journal_file.parent.mkdir(parents=True, exist_ok=True)
    with Journal(journal_file) as journal:
        mode: Any = "r+" if file.exists() and journal.done else "w+"
        shape = (len(index), *values.shape[1:])
        maps = np.lib.format.open_memmap(file, mode=mode, dtype=np.float32, shape=shape)
        for start in range(0, len(index), BATCH):
            part = index[start : start + BATCH]
            if str(start) not in journal.done:
                picture = np.array(values[part], dtype=np.float32)
                inputs = torch.from_numpy(picture)[:, None]
                if composite in REFERENCED and spectrum is not None:
                    baseline = reference_images(picture, images.mask[part], spectrum)
                    explained = attribute_batch(
                        model,
                        inputs,
                        REFERENCED[composite],
                        seed_output,
                        target,
                        baseline=torch.from_numpy(baseline)[:, None],
                    )
                else:
                    explained = explain_batch(model, inputs, composite, seed_output, target)
                maps[start : start + len(part)] = explained.relevance[:, 0].float().numpy()
                maps.flush()
                journal.add(str(start), _batch_record(explained))
            bar.update(len(part))
        records = [journal.done[str(start)] for start in range(0, len(index), BATCH)]
    del maps
    rows = [row for record in records for row in record["tokens"]]
    ledger = pd.DataFrame([row for record in records for row in record["ledger"]])
    keys = ["layer", "operation", "rule"]
    sums = ledger.groupby(keys, sort=False).sum(numeric_only=True)
    means = sums.div(len(index)).add_prefix("mean_").reset_index()
    return pd.DataFrame(rows), means


def _batch_record(explained: Any) -> dict[str, Any]:
    """What is kept of a batch beside its maps: outputs, conservation, ledger summed over tokens."""
    balance = explained.conservation()
    logits = explained.logits.double()
    p_initial = logits.softmax(dim=1)[:, Stress.INITIAL.class_index]
    columns = {
        "output": balance.output,
        "relevance_sum": balance.relevance,
        "bias_share": balance.bias_share,
        "stabiliser_share": balance.stabiliser_share,
        "closure": balance.relative_residual + _open_share(balance),
        "p_initial": p_initial,
        "predicted": logits.argmax(dim=1),
    }
    names = list(columns)
    lists = [columns[name].tolist() for name in names]
    tokens = [dict(zip(names, row, strict=True)) for row in zip(*lists, strict=True)]
    ledger: dict[tuple[str, str, str], dict[str, Any]] = {}
    shares = ("relevance_out", "relevance_in", "bias_share", "stabiliser_share")
    for record in explained.ledger:
        key = (record["layer"], record["operation"], record["rule"])
        line = ledger.setdefault(
            key,
            {"layer": key[0], "operation": key[1], "rule": key[2], **dict.fromkeys(shares, 0.0)},
        )
        for share in shares:
            line[share] += float(record[share])
    return {"tokens": tokens, "ledger": list(ledger.values())}


def _open_share(balance: Any) -> Any:
    """What the map leaves unaccounted, over the scale of the residual: quadrature's error, e.g."""
    parts = (balance.output, balance.relevance, balance.bias_share)
    scale = sum(part.abs() for part in parts).clamp(min=1e-12)
    return balance.unaccounted_share.abs() / scale


def token_table(chosen: pd.DataFrame, maps: pd.DataFrame) -> pd.DataFrame:
    """``tokens.parquet`` of a run: what is known of the tokens and what the network said."""
    columns = ["token_id", "word", "family", "speaker", "sex", "stress", "split", "label_source"]
    columns += ["is_minimal_pair", "is_prosody_only_pair", "duration_s"]
    table = chosen[columns].copy()
    table.insert(1, "map_index", np.arange(len(table)))
    table["stress_predicted"] = [CLASSES[int(k)].value for k in maps["predicted"]]
    table["correct"] = table["stress"] == table["stress_predicted"]
    kept = ["p_initial", "output", "relevance_sum", "bias_share", "stabiliser_share", "closure"]
    return table.join(maps[kept])


def untrained_network(info: CheckpointInfo, images: Any, seed: int) -> Any:
    """A network of the same architecture with fresh weights, ready to explain.

    BatchNorm takes its statistics from ``images``, since those of a network that has seen nothing
    would let values fade or grow from layer to layer.

    Parameters
    ----------
    info : CheckpointInfo
        Of the trained network.
    images : ndarray, shape (n, n_bins, n_frames)
        Some images.
    seed : int
        For the weights; torch's global generator is left as it was.
    """
    import torch

    from stressnet.models.registry import build_model

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = build_model(info.architecture, info.n_bins, info.n_frames, len(info.classes))
        norms = [m for m in model.modules() if isinstance(m, torch.nn.modules.batchnorm._BatchNorm)]
        if norms:
            momenta = [norm.momentum for norm in norms]
            for norm in norms:
                norm.reset_running_stats()
                norm.momentum = None  # the plain mean over batches
            model.train()
            with torch.no_grad():
                for start in range(0, len(images), BATCH):
                    batch = np.array(images[start : start + BATCH], dtype=np.float32)
                    if len(batch) > 1:
                        model(torch.from_numpy(batch)[:, None])
            for norm, momentum in zip(norms, momenta, strict=True):
                norm.momentum = momentum
    return model.eval()


def null_networks(
    info: CheckpointInfo,
    corpus: Corpus,
    chosen: pd.DataFrame,
    *,
    untrained: bool,
    null_models: Sequence[Path],
    taken: Sequence[str],
    seed: int,
) -> dict[str, Any]:
    """Networks whose maps serve as nulls, by the name of the null.

    Parameters
    ----------
    info : CheckpointInfo
        Of the network that is explained.
    corpus : Corpus
        Its corpus.
    chosen : DataFrame
        The tokens to be explained, with their ``image`` index.
    untrained : bool
        Whether one with fresh weights is wanted.
    null_models : sequence of Path
        Checkpoints, e.g. of a network trained on permuted labels; named as their folders.
    taken : sequence of str
        Names of other nulls.
    seed : int
        For fresh weights.

    Raises
    ------
    ConfigError
        If two nulls have one name.
    CheckpointError
        If a checkpoint is unusable or takes other images.
    """
    from stressnet.models.checkpoint import load_checkpoint

    images = corpus.images(info.preset)
    networks: dict[str, Any] = {}
    if untrained:
        some = chosen["image"].to_numpy()[:N_STATISTICS]
        networks[UNTRAINED] = untrained_network(info, images.values[some], seed)
    for path in null_models:
        name = path.resolve().name
        if name in networks or name in taken or name == UNTRAINED:
            raise ConfigError(f"{path}: there is already a null '{name}'; rename the folder")
        network, other = load_checkpoint(path)
        other.check_input(info.preset, images.preset, images.axes.shape)
        networks[name] = network
    return networks


UNTRAINED = "untrained"
"""Name of the null of a network with fresh weights."""
