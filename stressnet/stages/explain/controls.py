"""Maps that are no trained network's own: those of other networks, untrained ones and the input."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from stressnet.corpus.images import Images
from stressnet.corpus.store import Corpus, Selection
from stressnet.errors import ConfigError
from stressnet.models.checkpoint import N_STATISTICS, TrainedNetwork, untrained_network
from stressnet.regions.nulls import SHIFTS
from stressnet.regions.project_corpus import ControlMaps
from stressnet.runs.folder import RunFolder
from stressnet.stages.explain import ExplainConfig
from stressnet.stages.explain.tables import token_table
from stressnet.statistics.stream import EXCHANGE, INPUT, UNTRAINED

NULL_NAMES = (EXCHANGE, *SHIFTS)  # Nulls that can be asked for by name; `all` is all of them


def load_null_models(
    config: ExplainConfig, network: TrainedNetwork, corpus: Corpus
) -> dict[str, TrainedNetwork]:
    """Networks whose maps serve as nulls, by the name of the null."""
    images = corpus.images(network.info.preset)
    models: dict[str, TrainedNetwork] = {}
    for path in config.null_models:
        name = path.resolve().name
        if name in models or name in (*NULL_NAMES, UNTRAINED, INPUT):
            raise ConfigError(f"{path}: there is already a null '{name}'; rename the folder")
        other = TrainedNetwork.of_any_length(path, device=network.device)
        other.check_classes(corpus)
        other.check_images(images)
        models[name] = other
    return models


def _control_sample(config: ExplainConfig, chosen: Selection) -> Selection:
    """The tokens of the controls: one of every speaker, then a second one, until there are enough.

    They stay in the order of the table.
    """
    rng = np.random.default_rng([config.seed, 5])
    shuffled = chosen.tokens.iloc[rng.permutation(len(chosen))]
    turn = shuffled.groupby("speaker", sort=False).cumcount().to_numpy()
    places = shuffled.index[np.argsort(turn, kind="stable")[: config.control_tokens]]
    return Selection(chosen.tokens.loc[np.sort(places)].reset_index(drop=True))


def control_maps(
    config: ExplainConfig,
    network: TrainedNetwork,
    corpus: Corpus,
    chosen: Selection,
    null_models: dict[str, TrainedNetwork],
    explain: Callable[[str, Any, Path, Selection, bool], tuple[pd.DataFrame, pd.DataFrame]],
    folder: RunFolder,
) -> tuple[list[ControlMaps], dict[str, float]]:
    """Maps of other networks and of the input, and the networks' accuracy on them."""
    controls: list[ControlMaps] = []
    contrast = corpus.contrast

    def control(null: str, model: Any, part: Selection, draw: int | None = None) -> float:
        """Maps of a network, turned towards its own verdicts; return its accuracy."""
        name = null if draw is None else f"{null} {draw}"
        file = folder.state / f"null-{name}.npy"
        answers, _ = explain(f"null {name}", model, file, part, True)
        table = token_table(part.tokens, answers, contrast)
        second = (table[contrast.predicted] == contrast.classes[-1]) & contrast.is_pair
        signs = np.where(second, -1.0, 1.0).tolist()
        controls.append(ControlMaps(null, draw, file, list(table["token_id"]), signs))
        return float(table["correct"].mean())

    accuracy = {name: control(name, one.model, chosen) for name, one in null_models.items()}
    if not config.untrained:
        return controls, accuracy
    images, sample = corpus.images(network.info.preset), _control_sample(config, chosen)
    some = _training_images(corpus, images, chosen)
    device = next(network.model.parameters()).device
    right = []
    for seed in range(config.seed, config.seed + config.untrained):
        fresh = untrained_network(network.info, some, seed).to(device)
        right.append(control(UNTRAINED, fresh, sample, seed))
    accuracy[UNTRAINED] = float(np.mean(right))
    file = folder.state / "null-input.npy"
    seen = images.parts[0] if images.parts else images
    np.save(file, np.maximum(seen.values[sample.image_index], 0.0) ** 2)
    ids = list(sample.tokens["token_id"])
    controls.append(ControlMaps(INPUT, None, file, ids, [1.0] * len(ids)))
    return controls, accuracy


def _training_images(corpus: Corpus, images: Images, chosen: Selection) -> NDArray[np.float32]:
    """Some training images, for BatchNorm; of explained tokens where the corpus has no training."""
    where = np.flatnonzero((corpus.tokens["split"] == "train").to_numpy())
    where = where if len(where) else chosen.image_index
    return images.values[where[:: max(1, len(where) // N_STATISTICS)][:N_STATISTICS]]
