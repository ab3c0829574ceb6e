"""What networks answer to the stimuli of ``stressnet manipulate``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from stressnet.acoustics.spectrogram import SpectrogramPreset
from stressnet.errors import ConfigError
from stressnet.lexicon.stress import Stress

if TYPE_CHECKING:
    import pandas as pd

_BATCH = 64

FROM_STIMULI = (
    *("stimulus_id", "token_id", "speaker", "word", "stress", "split", "kind", "cue"),
    *("cue_1", "cue_2", "step", "step_1", "step_2", "position", "position_1", "position_2"),
    "value",
)
"""Columns copied from ``stimuli.parquet`` so that the table can be used alone."""


@dataclass(frozen=True)
class AnsweringNetwork:
    """A network that answers.

    Parameters
    ----------
    name : str
        In the table: the name of its folder.
    path : Path
    model : torch.nn.Module
    architecture : str
    preset : SpectrogramPreset
    digest : str
        Hash of its weights.
    """

    name: str
    path: Path
    model: Any
    architecture: str
    preset: SpectrogramPreset
    digest: str


def load_networks(paths: Sequence[Path]) -> list[AnsweringNetwork]:
    """Networks by their folders.

    Raises
    ------
    CheckpointError
        If one is damaged, or its preset does not fit it.
    ConfigError
        If two folders have the same name.
    """
    from stressnet.models.checkpoint import WEIGHTS_NAME, load_checkpoint
    from stressnet.runs.manifest import hash_file

    found: list[AnsweringNetwork] = []
    for path in paths:
        model, info = load_checkpoint(path)
        preset = SpectrogramPreset.from_dict(info.preset_parameters)
        info.check_input(preset.name, preset.to_dict(), preset.shape)
        digest = hash_file(path / WEIGHTS_NAME)
        name = path.resolve().name
        if any(network.name == name for network in found):
            raise ConfigError(f"two networks are called '{name}'; rename one of the folders")
        found.append(AnsweringNetwork(name, path, model, info.architecture, preset, digest))
    return found


def presets_of(networks: Sequence[AnsweringNetwork]) -> dict[str, SpectrogramPreset]:
    """The presets that the networks need, each once.

    Raises
    ------
    ConfigError
        If two networks use different presets of the same name.
    """
    presets: dict[str, SpectrogramPreset] = {}
    for network in networks:
        known = presets.setdefault(network.preset.name, network.preset)
        if known != network.preset:
            raise ConfigError(
                f"{network.path}: preset '{known.name}' differs from that of another network; "
                f"run them one at a time"
            )
    return presets


def responses(
    network: AnsweringNetwork, stimuli: pd.DataFrame, images: NDArray[np.float32]
) -> pd.DataFrame:
    """One network's answers to the stimuli of a token.

    Parameters
    ----------
    network : AnsweringNetwork
    stimuli : DataFrame
        Rows of ``stimuli.parquet``.
    images : ndarray, shape (n, n_bins, n_frames)
        In the same order, under the network's preset.

    Returns
    -------
    DataFrame
        The stimuli's design with ``model``, ``architecture``, ``logit_initial``, ``logit_final``,
        ``logit_difference`` (INITIAL minus FINAL) and ``p_initial`` (not calibrated).
    """
    import torch
    from scipy.special import expit

    parts = []
    with torch.inference_mode():
        for start in range(0, len(images), _BATCH):
            batch = torch.from_numpy(images[start : start + _BATCH]).unsqueeze(1)
            parts.append(network.model(batch))
    logits = torch.cat(parts).double().numpy()
    table = stimuli[list(FROM_STIMULI)].copy()
    table.insert(0, "model", network.name)
    table.insert(1, "architecture", network.architecture)
    table["logit_initial"] = logits[:, Stress.INITIAL.class_index]
    table["logit_final"] = logits[:, Stress.FINAL.class_index]
    table["logit_difference"] = table["logit_initial"] - table["logit_final"]
    table["p_initial"] = expit(table["logit_difference"])
    return table
