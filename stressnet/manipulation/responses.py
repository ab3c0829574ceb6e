"""Networks' answers to stimuli."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import expit

from stressnet.acoustics.spectrogram import SpectrogramPreset
from stressnet.errors import ConfigError
from stressnet.lexicon.stress import Stress
from stressnet.models.checkpoint import TrainedNetwork

FROM_STIMULI = (  # Columns copied from `stimuli.parquet` so that the table can be used alone
    *("stimulus_id", "token_id", "speaker", "word", "stress", "split", "kind", "cue"),
    *("cue_1", "cue_2", "step", "step_1", "step_2", "position", "position_1", "position_2"),
    "value",
)


def preset_of(network: TrainedNetwork) -> SpectrogramPreset:
    """The preset that a network takes, checked against its input."""
    preset = SpectrogramPreset.from_dict(network.info.preset_parameters)
    network.info.check_input(preset.name, preset.to_dict(), preset.shape)
    return preset


def presets_of(networks: Sequence[TrainedNetwork]) -> dict[str, SpectrogramPreset]:
    """The presets that the networks need, each once; two of one name must not differ."""
    presets: dict[str, SpectrogramPreset] = {}
    for network in networks:
        preset = preset_of(network)
        known = presets.setdefault(preset.name, preset)
        if known != preset:
            raise ConfigError(
                f"{network.path}: preset '{known.name}' differs from that of another network; "
                f"run them one at a time"
            )
    return presets


def responses(
    network: TrainedNetwork, stimuli: pd.DataFrame, images: NDArray[np.float32]
) -> pd.DataFrame:
    """One network's answers to the stimuli of a token, beside their design.

    ``images``, of shape (n, n_bins, n_frames), are in the same order, under the network's preset.
    Logits are joined by ``logit_difference`` (INITIAL minus FINAL) and ``p_initial`` (not
    calibrated).
    """
    logits = network.logits(images)
    table = stimuli[list(FROM_STIMULI)].copy()
    table.insert(0, "model", network.name)
    table.insert(1, "architecture", network.info.architecture)
    table["logit_initial"] = logits[:, Stress.INITIAL.class_index]
    table["logit_final"] = logits[:, Stress.FINAL.class_index]
    table["logit_difference"] = table["logit_initial"] - table["logit_final"]
    table["p_initial"] = expit(table["logit_difference"])
    return table
