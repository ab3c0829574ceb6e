"""What networks were trained on, as their checkpoints say it, to tell what another corpus repeats.

A corpus that is built again, renamed, or merged with others, is another corpus by its hash, and its
splits are others; the recordings, words and speakers that the networks know are the same.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING

import pandas as pd

from stressnet.corpus.store import Corpus
from stressnet.errors import CheckpointError, ConfigError
from stressnet.languages import capitals, language_of
from stressnet.lexicon.families import word_families
from stressnet.models.checkpoint import TrainedNetwork
from stressnet.runs.problems import warnings_about
from stressnet.training.corpus_data import Fold, recording_hashes, splits_of_fold

if TYPE_CHECKING:
    from stressnet.runs.folder import RunFolder


@dataclass(frozen=True)
class Heard:
    """What at least one network was trained on; each is empty for checkpoints that do not say."""

    # Names; a speaker of the same name in another corpus may be another person.
    speakers: frozenset[str] = frozenset()
    families: frozenset[str] = frozenset()
    # Hashes from `stressnet.training.corpus_data.recording_hashes`.
    recordings: frozenset[str] = frozenset()
    # Hashes of the tokens' sounds, from `stressnet.corpus.sound_identity.sound_hashes`.
    sounds: frozenset[str] = frozenset()

    @classmethod
    def by(cls, models: Sequence[TrainedNetwork]) -> Heard:
        """What some networks were trained on together."""
        names: dict[str, set[str]] = {field.name: set() for field in fields(cls)}
        for model in models:
            for name, known in names.items():
                listed = model.info.training.get(name, [])
                if not isinstance(listed, list) or not all(isinstance(one, str) for one in listed):
                    raise CheckpointError(
                        f"{model.path}: '{name}' is no list of names; train again"
                    )
                known.update(listed)
        return cls(*map(frozenset, names.values()))

    def in_corpus(self, corpus: Corpus, tokens: pd.DataFrame) -> pd.DataFrame:
        """Which tokens of a corpus were, or may have been, heard in training.

        A recording was heard if speaker and utterance have the names of one that was, or if the
        sound of one of its tokens was, whatever it is called. A speaker may have been heard under
        the same name, or in such a recording. Returns truth values ``recording``, ``speaker`` and
        ``word``, with the index of the tokens.
        """
        heard = recording_hashes(tokens).isin(self.recordings)
        if self.sounds:
            heard |= tokens["token_id"].map(corpus.sound_hashes).isin(self.sounds)
            heard = heard.groupby(tokens["utterance_id"]).transform("any")
        voices = {*self.speakers, *tokens.loc[heard, "speaker"]}
        return pd.DataFrame(
            {
                "recording": heard,
                "speaker": tokens["speaker"].isin(voices),
                "word": self._has_word(tokens),
            }
        )

    def _has_word(self, tokens: pd.DataFrame) -> pd.Series:
        """Which tokens are of word families that were trained on."""
        if not self.families:
            return tokens["word"].isin([])
        joined = word_families([*self.families, *tokens["word"].unique()], language_of(tokens).code)
        known = {joined[capitals(name)] for name in self.families}
        return tokens["word"].map(capitals).map(joined).isin(known)


def count_heard(model: TrainedNetwork, corpus: Corpus, tokens: pd.DataFrame) -> int:
    """Number of tokens of another corpus in recordings that a network was trained on."""
    if model.info.corpus_hash == corpus.fingerprint:
        return 0
    return int(Heard.by([model]).in_corpus(corpus, tokens)["recording"].sum())


def fold_of(models: Sequence[TrainedNetwork]) -> Fold | None:
    """The fold that all networks were trained on, None for the corpus's own splits."""
    first = models[0].info.training.get("fold")
    for model in models[1:]:  # what is new to one must not be known to the other
        if model.info.training.get("fold") != first:
            raise ConfigError(
                f"{model.path}: was trained on other splits than {models[0].path}; evaluate each "
                f"fold apart (summary.csv of the training has all folds together)"
            )
    return None if first is None else Fold(**first)


def with_splits_of(corpus: Corpus, models: Sequence[TrainedNetwork]) -> Corpus:
    """The corpus with the splits of the fold on which networks were trained on it, if on one."""
    own = [model for model in models if model.info.corpus_hash == corpus.fingerprint]
    fold = fold_of(own) if own else None
    return (
        corpus
        if fold is None
        else corpus.with_splits(splits_of_fold(corpus.tokens, fold, corpus.contrast))
    )


def trained_on(model: TrainedNetwork, corpus: Corpus) -> frozenset[str]:
    """Ids of the tokens that a network was trained on, or that are of such recordings."""
    tokens = with_splits_of(corpus, [model]).tokens
    if model.info.corpus_hash == corpus.fingerprint:
        return frozenset(tokens.loc[tokens["split"] == "train", "token_id"])
    return frozenset(
        tokens.loc[Heard.by([model]).in_corpus(corpus, tokens)["recording"], "token_id"]
    )


def is_own_corpus(models: Sequence[TrainedNetwork], corpus: Corpus) -> bool:
    """Whether the networks were trained on this corpus."""
    own = [model for model in models if model.info.corpus_hash == corpus.fingerprint]
    for model in own:
        if model.info.training.get("all_tokens"):
            raise ConfigError(
                f"{model.path}: was trained on all tokens of {corpus.path}, none is left to test "
                f"on; use another corpus, or a network trained without --all-tokens"
            )
    if own and len(own) < len(models):
        other = next(model for model in models if model not in own)
        raise ConfigError(
            f"{other.path}: was not trained on {corpus.path}, but {own[0].path} was; evaluate them "
            f"apart, since their new words and speakers differ"
        )
    return bool(own)


def tell_language(models: Sequence[TrainedNetwork], corpus: Corpus, folder: RunFolder) -> None:
    """Say, and keep in the table of failures, if networks were trained on another language."""
    for one in models:
        if text := one.language_doubt(corpus.language):
            folder.progress.say(f"WARNING: {text}")
            folder.problems += warnings_about(one.name, "language", [text])
