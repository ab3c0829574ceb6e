"""Training data from a corpus: labelled tokens with their images, splits and folds."""

import hashlib
from collections.abc import Collection
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from stressnet.acoustics.spectrogram import SpectrogramPreset
from stressnet.acoustics.token_image import image_in_excerpt
from stressnet.audio import read_audio
from stressnet.corpus.folds import assign_folds, fold_splits
from stressnet.corpus.longer_words import trainable
from stressnet.corpus.splits import VALIDATION_SPLITS
from stressnet.corpus.store import LONGER_WORDS, Corpus
from stressnet.corpus.tokens import LABEL_ALIGNER
from stressnet.errors import CorpusError
from stressnet.lexicon.contrast import STRESS, Contrast
from stressnet.lexicon.stress import Stress
from stressnet.runs.names import inside
from stressnet.runs.work import Progress
from stressnet.training.data import TRAIN, JoinedImages, StressData
from stressnet.training.parts import parts_of_frames


@dataclass(frozen=True)
class Fold:
    """Fold ``number``, from 1, of ``n_folds`` (:mod:`stressnet.corpus.folds`)."""

    number: int
    n_folds: int
    seed: int = 0


def stress_data(
    corpus: Corpus,
    preset: str,
    fold: Fold | None = None,
    *,
    longer_words: bool = False,
    all_tokens: bool = False,
) -> StressData:
    """Labelled tokens of a corpus with their images under one preset.

    All validation cells are one set here: the doubly new one alone is too small to stop by. Raises
    :class:`CorpusError` if the preset was not built, or the corpus has no splits.

    Parameters
    ----------
    fold : Fold, optional
        Take the splits of this fold instead of the corpus's own.
    longer_words : bool
        Put the stretches of longer words that may be trained on, if there are any, behind the
        tokens, in the training set.
    all_tokens : bool
        Put every token with a label into the training set, whatever its split, but for those whose
        label is only the aligner's choice.
    """
    tokens = corpus.tokens
    if (tokens["split"] == "unsplit").all() and not all_tokens:
        raise CorpusError(
            f"{corpus.path}: was built with --no-splits; build it with splits to train"
        )
    images = corpus.images(preset)
    own = tokens["split"]
    if fold is not None:
        own = splits_of_fold(tokens, fold, corpus.contrast)
    if all_tokens:
        usable = tokens["stress"].notna() & (tokens["label_source"] != LABEL_ALIGNER)
        own = own.where(~usable, "train").where(usable, "unlabelled")
    splits = own.replace(dict.fromkeys(VALIDATION_SPLITS, "valid"))
    # Tokens without a label keep their place (images and table run in parallel) but no split uses
    # them, so the class written here is never read.
    contrast = corpus.contrast
    named = tokens[contrast.column].fillna(contrast.classes[0])
    data = StressData(
        images=images.values,
        labels=np.array([contrast.classes.index(one) for one in named]),
        speakers=tokens["speaker"].to_numpy(),
        lemmas=tokens["family"].to_numpy(),
        splits=splits.to_numpy(dtype=np.str_),
        token_ids=tokens["token_id"].to_numpy(),
        parts=parts_of_frames(tokens, images.axes.time_s) if contrast.is_pair else None,
        contrast=contrast,
    )
    if longer_words and len(corpus.stretches):
        return _with_stretches(data, corpus, preset, tokens.assign(split=data.splits))
    return data


def _with_stretches(
    data: StressData, corpus: Corpus, preset: str, tokens: pd.DataFrame
) -> StressData:
    """The data, and behind it all stretches; those that may not be trained on are in no set."""
    more = corpus.stretches
    splits = np.where(trainable(more, tokens), TRAIN, "held_out_stretch")
    images = JoinedImages(corpus.images(preset).values, corpus.stretch_images(preset).values)
    return StressData(
        images=images,
        labels=np.append(data.labels, [Stress(s).class_index for s in more["stress"]]),
        speakers=np.append(data.speakers, more["speaker"].to_numpy(dtype=np.str_)),
        lemmas=np.append(data.lemmas, more["word"].str.lower().to_numpy(dtype=np.str_)),
        splits=np.append(data.splits, splits),
        token_ids=np.append(data.token_ids, more["token_id"].to_numpy(dtype=np.str_)),
        parts=np.concatenate([data.parts, parts_of_frames(more, corpus.images(preset).axes.time_s)])
        if data.parts is not None
        else None,
    )


def recording_hashes(tokens: pd.DataFrame) -> pd.Series:
    """A short hash of each token's recording: of the speaker's and the utterance's name.

    Equal in a corpus that is built again from the same recordings, whatever its splits, presets
    and alignments.
    """
    names = tokens["speaker"].astype(str) + "\0" + tokens["utterance_id"].astype(str)
    return names.map(lambda name: hashlib.sha256(name.encode()).hexdigest()[:16])


def recordings_of(corpus: Corpus, token_ids: Collection[str]) -> tuple[str, ...]:
    """Hashes of the recordings that some tokens, or stretches of longer words, are of."""
    hashes: set[str] = set()
    for table in (corpus.tokens, corpus.stretches):
        hashes.update(recording_hashes(table[table["token_id"].isin(token_ids)]))
    return tuple(sorted(hashes))


def sounds_of(corpus: Corpus, token_ids: Collection[str]) -> tuple[str, ...]:
    """Hashes of the sounds of some tokens: what they are known by after everything was renamed."""
    hashes = corpus.sound_hashes
    return tuple(sorted({*hashes[hashes.index.isin(token_ids)]} - {""}))


def splits_of_fold(tokens: pd.DataFrame, fold: Fold, contrast: Contrast = STRESS) -> pd.Series:
    """The split of each token in one fold; raises if there are too few folds, speakers or words."""
    dealt = assign_folds(tokens, fold.n_folds, fold.seed, contrast)
    return fold_splits(dealt, fold.number - 1, fold.n_folds)["split"]


def with_deviations(
    data: StressData, corpus: Corpus, preset: str, progress: Progress
) -> StressData:
    """The data with each image's standard deviation before normalisation.

    Stored images no longer tell it, so it is computed from the excerpts, for the tokens that are
    trained on: about two milliseconds each.
    """
    kind = SpectrogramPreset.from_dict(corpus.images(preset).preset)
    raw = replace(kind, normalisation="none")
    with_padding = kind.normalisation == "zscore-image"
    rows = data.rows(TRAIN)
    deviations = np.ones(len(data), dtype=np.float32)
    columns = ["start_s", "end_s", "excerpt_file", "excerpt_start_s"]
    tables = [(corpus.path, corpus.tokens), (corpus.path / LONGER_WORDS, corpus.stretches)]
    tokens = [(folder, row) for folder, t in tables for row in t[columns].to_dict("records")]
    with progress.stage("levels", len(rows), "token") as bar:
        for row in rows:
            folder, token = tokens[row]
            audio = read_audio(inside(folder, token["excerpt_file"]))
            start_s, end_s = (token[k] - token["excerpt_start_s"] for k in ("start_s", "end_s"))
            made = image_in_excerpt(raw, audio, start_s, end_s)
            cells = made.values if with_padding else made.values[:, made.mask]
            deviations[row] = cells.std(dtype=np.float64, ddof=1)
            bar.update()
    return replace(data, deviations=deviations)


def add_token_columns(predictions: pd.DataFrame, corpus: Corpus) -> pd.DataFrame:
    """Predictions with each token's word, sex, and the source of its label."""
    columns = ["token_id", "word", "sex", "label_source", "is_prosody_only_pair"]
    return predictions.merge(corpus.tokens[columns], on="token_id", how="left", validate="1:1")
