"""Networks trained on lab sets, and whether they solved them.

A map of a network that did not learn the cue cannot be expected to show it. A set counts as solved
if the lower limit of the 95 % interval of balanced accuracy on test words (over voices and words)
is at least :data:`SOLVED`, or no test word is wrong. At 0.75 the network has found half of what
separates chance from perfection; explanations of its right answers then have something to show,
while cues near the threshold of audibility still count.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from torch import nn

from stressnet.inference.bootstrap import Estimate
from stressnet.lab.labset import LabSet
from stressnet.lexicon.stress import Stress, logit_difference
from stressnet.models.checkpoint import WEIGHTS_NAME, load_checkpoint
from stressnet.models.registry import get_spec
from stressnet.training.data import StressData, predict_logits
from stressnet.training.fit import Origin, train
from stressnet.training.metrics import evaluate
from stressnet.training.parts import COLUMNS, parts_of_frames
from stressnet.training.recipes import TrainConfig, get_recipe

SOLVED = 0.75  # Least lower limit of balanced accuracy for a set to be solved
LAB_EPOCHS = 16  # Length of the one-cycle schedule for sets of about a thousand words


@dataclass(frozen=True)
class Learned:
    """What a network learned from a lab set."""

    n_test: int
    balanced_accuracy: Estimate
    auroc: Estimate
    solved: bool
    # Whether balanced accuracy among each voice's words is at least `SOLVED`; the words of one
    # voice are too few for an interval.
    solved_by_voice: dict[str, bool]
    correct: NDArray[np.bool_]  # Which test words it gets right, shape (n_test,)


def lab_recipe(network: str, seed: int, **changes: Any) -> TrainConfig:
    """The network's own recipe with a short schedule and nothing that moves the cue.

    One cycle of :data:`LAB_EPOCHS` epochs, at the rate of ``compact`` or at 1e-3. Shifts in time
    stay; masks go, which hide the cue in some words, and so does the running average of the
    weights, which takes longer than the few hundred steps that there are.
    """
    recipe = get_spec(network).recipe
    base = get_recipe(recipe)
    settings: dict[str, Any] = {
        "name": f"lab-{network}",
        "schedule": "one_cycle",
        "max_epochs": LAB_EPOCHS,
        "patience": LAB_EPOCHS,
        "batch_size": 32,
        "class_balance": "none",
        "mask_frames": 0,
        "mask_bins": 0,
        "weight_average": 0.0,
        "longer_words": False,
        "time_shift_frames": 3,
        "learning_rate": base.learning_rate if network in ("compact", "nuclei") else 1e-3,
        "seed": seed,
    }
    return get_recipe(recipe, **{**settings, **changes})


def stress_data(words: LabSet) -> StressData:
    """The set as the training loop wants it, with the parts of its words for ``nuclei``."""
    spans = [(scene.times.word, *scene.times.nuclei) for scene in words.scenes]
    seconds = [[t for span in word for t in (span.start_s, span.end_s)] for word in spans]
    limits = pd.DataFrame(seconds, columns=COLUMNS)
    return StressData(
        images=words.images,
        labels=words.labels,
        speakers=words.voices,
        lemmas=words.words,
        splits=words.splits,
        token_ids=words.word_ids,
        parts=parts_of_frames(limits, words.axes.time_s),
    )


def train_network(words: LabSet, network: str, seed: int, out: Path, **changes: Any) -> nn.Module:
    """Train a network on the set's training words, or load it if ``out`` holds it."""
    fields = words.preset.to_dict()
    name = fields.pop("name")
    config = lab_recipe(network, seed, **changes)
    if (out / WEIGHTS_NAME).is_file():
        model, info = load_checkpoint(out)
        if info.corpus_hash == words.fingerprint and info.training["recipe"] == config.to_dict():
            return model
    origin = Origin(name, fields, words.fingerprint)
    return train(network, stress_data(words), config, out, origin, resume=True).model


def judge(model: nn.Module, words: LabSet, *, seed: int = 0) -> Learned:
    """How well a network does on the test words of a set, and whether it solved it."""
    rows = words.rows("test")
    logits = predict_logits(model, stress_data(words), rows).astype(np.float64)
    initial = Stress.INITIAL.class_index
    difference = logit_difference(logits)
    labels, voices = words.labels[rows], words.voices[rows]
    found = evaluate(labels, difference, voices, words.words[rows], seed=seed, n_resamples=1000)
    correct = (difference >= 0) == (labels == initial)
    by_voice = {}
    for voice in np.unique(voices):
        mine = voices == voice
        recalls = [correct[mine & (labels == c)].mean() for c in np.unique(labels[mine])]
        by_voice[str(voice)] = bool(np.mean(recalls) >= SOLVED)
    balanced = found.metrics["balanced_accuracy"]
    # With one voice and one word there is no interval, and nothing counts as solved. Without any
    # error the limit speaks of the number of voices alone, which is small.
    certain = balanced.low >= SOLVED or (correct.all() and np.isfinite(balanced.low))
    return Learned(
        n_test=len(rows),
        balanced_accuracy=balanced,
        auroc=found.metrics["auroc"],
        solved=bool(certain),
        solved_by_voice=by_voice,
        correct=correct,
    )
