"""Networks to evaluate, what they say about the tokens of a corpus, and the test sets."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import expit

from stressnet.corpus.phrases import phrase_positions
from stressnet.corpus.store import Corpus
from stressnet.corpus.tokens import LABEL_ALIGNER, LABEL_TABLE
from stressnet.errors import CheckpointError, ConfigError, CorpusError
from stressnet.evaluation.heard import Heard, fold_of, is_own_corpus, with_splits_of
from stressnet.languages import language_of
from stressnet.lexicon.contrast import STRESS, Contrast
from stressnet.lexicon.stress import CLASSES, Stress, logit_difference
from stressnet.models.checkpoint import INFO_NAME, TrainedNetwork
from stressnet.runs.work import Progress
from stressnet.training.calibration import Calibration, calibrate, load_calibration
from stressnet.training.corpus_data import Fold

WORD_SETS = ("test", "test_known_speakers", "test_known_words")
"""Test sets of words with one reading, in the networks' own corpus."""

FULL_VOWELS = "all/full_vowels"
"""Test set of the words in which no reduced vowel gives the stress away."""

TITLES: dict[str, str] = {
    "test": "new words, new speakers",
    "test_known_speakers": "new words, known speakers",
    "test_known_words": "known words, new speakers",
    FULL_VOWELS: "both vowels full",
    "minimal_pairs": "minimal pairs",
    "minimal_pairs/new_speakers": "minimal pairs, new speakers",
    "minimal_pairs/known_speakers": "minimal pairs, known speakers",
    "minimal_pairs/prosody_only": "minimal pairs, only prosody differs",
    "minimal_pairs/vowel_changes": "minimal pairs, a vowel changes",
    "minimal_pairs/sources_agree": "minimal pairs, all sources of the label agree",
    "all": "all tokens",
    "all/new_words": "new words",
    "all/known_words": "known words",
    "all/other_speakers": "other speakers",
    "all/namesakes": "speakers it may have heard",
    "all/new_words_other_speakers": "new words, other speakers",
}
"""Test sets in words."""


AT_ONCE = 128
"""Images in memory at a time."""


@dataclass(frozen=True)
class Unit:
    """A network, or several (``members``) whose logits are averaged.

    ``logit_difference`` is the first minus the second class, in the order of the token table. There
    is no ``calibration`` without validation tokens. ``balanced``: its loss weighed the classes
    equally. ``each``, shape (n_members, n_tokens), are the logit differences of the members of an
    ensemble that is one checkpoint; None for a mean of several checkpoints. A vote has no
    probabilities.
    """

    name: str
    members: tuple[str, ...]
    preset: str
    logit_difference: NDArray[np.float64]
    calibration: Calibration | None
    balanced: bool
    each: NDArray[np.float64] | None = None
    contrast: Contrast = STRESS
    is_vote: bool = False

    def probabilities(self, scores: NDArray[np.float64]) -> dict[str, NDArray[np.float64]]:
        """Of the first class for some logit differences, ``plain`` and ``calibrated``."""
        kinds = {} if self.is_vote else {"plain": expit(scores)}
        if self.calibration is not None:
            kinds["calibrated"] = self.calibration.p_initial(scores)
        return kinds


def load_models(paths: Sequence[Path], device: str = "cpu") -> list[TrainedNetwork]:
    """Checkpoint folders, those inside of other folders, or the network ``pretrained``."""
    found: list[Path] = []
    for path in paths:
        inside = sorted(file.parent for file in path.rglob(INFO_NAME))
        found += [path] if (path / INFO_NAME).is_file() or not inside else inside
    places = [path.resolve() for path in found]
    twice = [str(p) for p, n in Counter(places).items() if n > 1]
    if twice:
        raise CheckpointError(f"{twice[0]}: given twice; give each network once")
    return [
        TrainedNetwork.of_disyllables(path, device, name)
        for path, name in zip(found, _names(places), strict=True)
    ]


def _names(paths: Sequence[Path]) -> list[str]:
    """The folders' names, with as many parents as it takes to tell them apart."""
    for depth in range(1, 1 + max(len(path.parts) for path in paths)):
        names = ["/".join(path.parts[-depth:]) for path in paths]
        if len(set(names)) == len(names):
            return names
    return [str(path) for path in paths]


def token_table(corpus: Corpus, own: bool) -> pd.DataFrame:
    """Labelled tokens that can be tested on, with what the tables are grouped by.

    Tokens of the training split are left out if the corpus is the networks' own, in any other those
    whose label is only the aligner's choice. Raises :class:`CorpusError` if no token is left.

    Columns are those of ``tokens.parquet`` and ``row`` (position in the corpus), ``lemma``,
    ``speaker_is_known``, ``class_index`` (0, 1), ``unstressed_vowel`` (``reduced`` or ``full``, by
    its label) and ``phrase_position`` (:mod:`stressnet.corpus.phrases`).
    """
    tokens = corpus.tokens.copy()
    tokens["row"] = np.arange(len(tokens))
    tokens["lemma"] = tokens["family"]
    train = tokens["split"] == "train"
    known = set(tokens.loc[train, "speaker"]) if own else set()
    tokens["speaker_is_known"] = tokens["speaker"].isin(known)
    tokens["class_index"] = corpus.contrast.indices_in(tokens)
    first = tokens["stress"] == Stress.INITIAL.value
    unstressed = tokens["nucleus_2"].where(first, tokens["nucleus_1"])
    is_reduced = unstressed.isin(language_of(tokens).reduced)
    tokens["unstressed_vowel"] = np.where(is_reduced, "reduced", "full")
    tokens["phrase_position"] = phrase_positions(corpus, tokens).fillna("")
    keep = tokens["stress"].notna()
    keep &= ~train if own else tokens["label_source"] != LABEL_ALIGNER
    if not keep.any():
        raise CorpusError(f"{corpus.path}: no labelled token to test on; build it with labels")
    return tokens[keep].reset_index(drop=True)


@dataclass(frozen=True)
class TestSets:
    """The tokens that networks are tested on.

    ``tokens`` is of :func:`token_table`, ``masks`` of :func:`sets_of`; ``fold`` says whose splits
    these are, if not the corpus's own. In a corpus that is not the networks' own, ``n_heard``
    tokens are by speakers who may have been trained on, by their name or in recordings that are
    left out, and ``n_left_out`` further tokens, of recordings that were trained on, are left out.
    """

    __test__ = False  # no test, whatever its name says to pytest

    tokens: pd.DataFrame
    masks: dict[str, NDArray[np.bool_]]
    own: bool
    fold: Fold | None
    n_heard: int = 0
    n_left_out: int = 0
    contrast: Contrast = STRESS

    @classmethod
    def of(cls, corpus: Corpus, models: Sequence[TrainedNetwork]) -> TestSets:
        """What a corpus offers to test these networks on."""
        own = is_own_corpus(models, corpus)
        fold = fold_of(models) if own else None
        tokens = token_table(with_splits_of(corpus, models), own)
        heard = (Heard() if own else Heard.by(models)).in_corpus(corpus, tokens)
        trained_on = heard["recording"]
        if trained_on.all():
            raise ConfigError(
                f"{corpus.path}: all its recordings were trained on, so none is left to test on; "
                f"evaluate on the corpus of the training, whose test sets are known"
            )
        tokens = tokens[~trained_on].reset_index(drop=True)
        heard = heard[~trained_on].reset_index(drop=True)
        masks = sets_of(tokens, None if own else heard)
        if not masks:
            raise CorpusError(f"{corpus.path}: none of its tokens belongs to a test set")
        for model in models:
            model.check_classes(corpus)
            model.check_images(corpus.images(model.info.preset))
        n_heard = int(heard["speaker"].sum())
        counts = n_heard, int(trained_on.sum())
        return cls(tokens, masks, own, fold, *counts, corpus.contrast)


def predict_units(
    models: Sequence[TrainedNetwork], corpus: Corpus, tests: TestSets, progress: Progress
) -> list[Unit]:
    """What each network, and each ensemble of one architecture, preset and recipe, says."""
    rows, split = tests.tokens["row"].to_numpy(), tests.tokens["split"]
    valid = (split.str.startswith("valid") & (split != "valid_test_mixed")).to_numpy() & tests.own
    labels = class_indices(tests.tokens)
    units: list[Unit] = []
    groups: dict[tuple[str, str, str], list[Unit]] = {}
    with progress.stage("predict", len(models), "network") as bar:
        for one in models:
            images = corpus.images(one.info.preset)
            one.check_images(images)
            each = _answers(one, images.values, rows)
            scores = each.mean(axis=0)
            recipe = one.info.training.get("recipe", {})
            balanced = recipe.get("class_balance", "none") != "none"
            calibration = _fitted(labels[valid], scores[valid], balanced, one.digest)
            calibration = calibration or load_calibration(one.path, one.digest)
            about = scores, calibration, balanced, each, tests.contrast
            unit = Unit(one.name, (one.name,), one.info.preset, *about)
            units.append(unit)
            bar.update()
            if len(each) > 1:
                units.append(majority_vote(unit))
                continue
            key = (one.info.architecture, one.info.preset, str(recipe.get("name", "")))
            groups.setdefault(key, []).append(unit)
    for (architecture, preset, _), members in groups.items():
        if len(members) > 1:
            mean = np.mean([unit.logit_difference for unit in members], axis=0)
            name = f"{architecture} ensemble of {len(members)}"
            if name in {unit.name for unit in units}:
                name = f"{name}, {preset}"
            balanced = members[0].balanced
            fitted = _fitted(labels[valid], mean[valid], balanced, "")
            names = tuple(unit.name for unit in members)
            units.append(Unit(name, names, preset, mean, fitted, balanced))
    return units


def _answers(
    network: TrainedNetwork, images: NDArray[np.float32], rows: NDArray[np.int64]
) -> NDArray[np.float64]:
    """Logit differences of each member, shape (n_members, n_rows), some images in memory."""
    starts = range(0, len(rows), AT_ONCE)
    parts = [np.asarray(images[rows[k : k + AT_ONCE]], dtype=np.float32) for k in starts]
    return np.concatenate([logit_difference(network.each(part, AT_ONCE)) for part in parts], axis=1)


def majority_vote(unit: Unit) -> Unit:
    """The ensemble as a vote: what most members say; of a tie, what their mean says."""
    assert unit.each is not None
    votes = np.sign(unit.each).sum(axis=0) + 0.5 * np.sign(unit.logit_difference)
    own = {"name": f"{unit.name}, vote", "logit_difference": votes, "is_vote": True}
    return replace(unit, **own, calibration=None, each=None)


def representatives(units: Sequence[Unit]) -> list[Unit]:
    """Ensembles, and networks that are in none."""
    inside = {name for unit in units if len(unit.members) > 1 for name in unit.members}
    return [unit for unit in units if unit.name not in inside]


def _fitted(
    labels: NDArray[np.int64], scores: NDArray[np.float64], balanced: bool, sha256: str
) -> Calibration | None:
    if len(set(labels.tolist())) < len(CLASSES):
        return None
    return calibrate(labels, scores, balanced=balanced, weights_sha256=sha256)


def class_indices(tokens: pd.DataFrame) -> NDArray[np.int64]:
    """Class index of every token."""
    return np.asarray(tokens["class_index"], dtype=np.int64)


def asked(
    tokens: pd.DataFrame, scores: NDArray[np.float64]
) -> tuple[NDArray[np.int64], NDArray[np.float64], pd.Series, pd.Series]:
    """Class indices, scores, speakers and word families, as metrics take them."""
    return class_indices(tokens), scores, tokens["speaker"], tokens["lemma"]


def sets_of(
    tokens: pd.DataFrame, heard: pd.DataFrame | None = None
) -> dict[str, NDArray[np.bool_]]:
    """Which tokens each test set of :data:`TITLES` holds; sets without tokens are left out."""
    split, own = tokens["split"], heard is None
    sets: dict[str, Any] = {name: split == name for name in WORD_SETS} if own else {}
    pairs = tokens["is_minimal_pair"] & (tokens["label_source"] == LABEL_TABLE)
    sets["minimal_pairs"] = pairs
    if own and tokens.loc[pairs, "speaker_is_known"].nunique() == 2:
        sets["minimal_pairs/new_speakers"] = pairs & ~tokens["speaker_is_known"]
        sets["minimal_pairs/known_speakers"] = pairs & tokens["speaker_is_known"]
    sets["minimal_pairs/prosody_only"] = pairs & tokens["is_prosody_only_pair"]
    sets["minimal_pairs/vowel_changes"] = pairs & ~tokens["is_prosody_only_pair"]
    if "label_agreement" in tokens:  # not in corpora built before it was noted
        sets["minimal_pairs/sources_agree"] = pairs & (tokens["label_agreement"] == "agree")
    if heard is not None:
        sets["all"] = split.notna()
        parts = {
            ("all/known_words", "all/new_words"): heard["word"],
            ("all/namesakes", "all/other_speakers"): heard["speaker"],
        }
        for (known, new), mask in parts.items():
            if mask.any():
                sets |= {known: mask, new: ~mask}
        if heard["word"].any() and heard["speaker"].any():
            sets["all/new_words_other_speakers"] = ~heard["word"] & ~heard["speaker"]
    if reduced := language_of(tokens).reduced:
        full = ~tokens[["nucleus_1", "nucleus_2"]].isin(reduced).any(axis=1)
        sets[FULL_VOWELS] = full & (split.isin(WORD_SETS) if own else split.notna())
    masks = {name: mask.to_numpy(dtype=bool) for name, mask in sets.items()}
    order = [*([] if own else ["all"]), *TITLES]
    return {name: masks[name] for name in sorted(masks, key=order.index) if masks[name].any()}


def whole_sets(names: Iterable[str]) -> list[str]:
    """Test sets that are not parts of others."""
    return [name for name in names if "/" not in name]


def describe_models(models: Sequence[TrainedNetwork]) -> list[Mapping[str, Any]]:
    """What manifests and pages say of the networks."""
    return [
        {
            "name": one.name,
            "path": str(one.path),
            "architecture": one.info.architecture,
            "preset": one.info.preset,
            "seed": one.info.seed,
            "recipe": dict(one.info.training.get("recipe", {})).get("name", ""),
            "best_epoch": one.info.training.get("best_epoch"),
            "weights_sha256": one.digest,
        }
        for one in models
    ]
