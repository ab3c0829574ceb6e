"""``stressnet train``: fit a network to a corpus, test it on every test set, save it."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stressnet.audio import read_audio
from stressnet.corpus.splits import TEST_SPLITS, VALIDATION_SPLITS
from stressnet.corpus.store import LONGER_WORDS, Corpus
from stressnet.corpus.tokens import LABEL_ALIGNER
from stressnet.errors import CheckpointError, CorpusError
from stressnet.lexicon.stress import Stress
from stressnet.models.registry import get_spec
from stressnet.runs.lock import hold
from stressnet.runs.manifest import FILE_NAME, hash_data, read_manifest, write_json, write_manifest
from stressnet.runs.progress import Progress
from stressnet.runs.tables import write_parquet

if TYPE_CHECKING:
    import pandas as pd

    from stressnet.training.data import StressData
    from stressnet.training.fit import TrainResult
    from stressnet.training.recipes import TrainConfig

REQUEST_NAME = "request.json"


@dataclass(frozen=True)
class Fold:
    """One fold of a cross-validation; see :mod:`stressnet.corpus.folds`.

    Parameters
    ----------
    number, n_folds : int
        Which, from 1, of how many.
    seed : int
        Of the deal.
    """

    number: int
    n_folds: int
    seed: int = 0


@dataclass(frozen=True)
class TrainedModel:
    """What training left on disk.

    Parameters
    ----------
    path : Path
        Checkpoint folder, with ``metrics.csv`` and ``predictions.parquet``.
    metrics : DataFrame
        One row per test set and metric; empty if all tokens were trained on.
    manifest : dict
        Its manifest.
    """

    path: Path
    metrics: pd.DataFrame
    manifest: dict[str, Any]


def stress_data(
    corpus: Corpus,
    preset: str,
    fold: Fold | None = None,
    *,
    longer_words: bool = False,
    all_tokens: bool = False,
) -> StressData:
    """Labelled tokens of a corpus with their images.

    All validation cells are one set here: the doubly new one alone is too small to stop by.

    Parameters
    ----------
    corpus : Corpus
    preset : str
        Whose images to take.
    fold : Fold, optional
        Take the splits of this fold instead of the corpus's own.
    longer_words : bool
        Put the stretches of longer words that may be trained on behind the tokens, in the
        training set; a corpus without them is no error.
    all_tokens : bool
        Put every token with a label into the training set, whatever its split, but for those whose
        label is only the aligner's choice.

    Raises
    ------
    CorpusError
        If the preset was not built, or the corpus has no splits.
    """
    import numpy as np

    from stressnet.training.data import StressData
    from stressnet.training.parts import parts_of_frames

    tokens = corpus.tokens
    if (tokens["split"] == "unsplit").all() and not all_tokens:
        raise CorpusError(
            f"{corpus.path}: was built with --no-splits; build it with splits to train"
        )
    images = corpus.images(preset)
    own = tokens["split"]
    if fold is not None:
        own = splits_of_fold(tokens, fold)
    if all_tokens:
        usable = tokens["stress"].notna() & (tokens["label_source"] != LABEL_ALIGNER)
        own = own.where(~usable, "train").where(usable, "unlabelled")
    splits = own.replace(dict.fromkeys(VALIDATION_SPLITS, "valid"))
    # Tokens without a label keep their place (images and table run in parallel) but no split uses
    # them, so the class written here is never read.
    labels = [Stress(s or Stress.INITIAL).class_index for s in tokens["stress"].fillna("")]
    data = StressData(
        images=images.values,
        labels=np.array(labels),
        speakers=tokens["speaker"].to_numpy(),
        lemmas=tokens["family"].to_numpy(),
        splits=splits.to_numpy(dtype=np.str_),
        token_ids=tokens["token_id"].to_numpy(),
        parts=parts_of_frames(tokens, images.axes.time_s),
    )
    if longer_words and len(corpus.stretches):
        return _with_stretches(data, corpus, preset, tokens.assign(split=data.splits))
    return data


def _with_stretches(
    data: StressData, corpus: Corpus, preset: str, tokens: pd.DataFrame
) -> StressData:
    """The data, and behind it all stretches; those that may not be trained on are in no set."""
    import numpy as np

    from stressnet.corpus.longer_words import trainable
    from stressnet.training.data import TRAIN, JoinedImages, StressData
    from stressnet.training.parts import parts_of_frames

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


def splits_of_fold(tokens: pd.DataFrame, fold: Fold) -> pd.Series:
    """The split of each token in one fold, checked for leaks.

    Raises
    ------
    ConfigError, CorpusError
        If there are too few folds, speakers or word families.
    """
    from stressnet.corpus.folds import assign_folds, fold_splits

    dealt = assign_folds(tokens, fold.n_folds, fold.seed)
    return fold_splits(dealt, fold.number - 1, fold.n_folds)["split"]


def with_deviations(
    data: StressData, corpus: Corpus, preset: str, progress: Progress
) -> StressData:
    """The data with each image's standard deviation before normalisation.

    Stored images no longer tell it, so it is computed from the excerpts, for the tokens that are
    trained on: about two milliseconds each.
    """
    from dataclasses import replace

    import numpy as np

    from stressnet.acoustics.spectrogram import SpectrogramPreset, compute
    from stressnet.training.data import TRAIN

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
            audio = read_audio(folder / token["excerpt_file"])
            start_s, end_s = (token[k] - token["excerpt_start_s"] for k in ("start_s", "end_s"))
            made = compute(raw, audio.samples, audio.rate_hz, start_s, end_s)
            cells = made.values if with_padding else made.values[:, made.mask]
            deviations[row] = cells.std(dtype=np.float64, ddof=1)
            bar.update()
    return replace(data, deviations=deviations)


def pick_device(device: str) -> str:
    """``auto`` to the first CUDA device if there is one, else the CPU."""
    if device != "auto":
        return device
    import torch

    return "cuda" if torch.cuda.is_available() else "cpu"


def train_model(
    corpus_path: Path,
    out: Path,
    *,
    architecture: str = "compact",
    preset: str | None = None,
    recipe: str | Path | None = None,
    changes: Mapping[str, Any] | None = None,
    device: str = "auto",
    seed: int = 0,
    fold: Fold | None = None,
    all_tokens: bool = False,
    tensorboard: bool = False,
    overwrite: bool = False,
    keep_finished: bool = False,
    progress: Progress | None = None,
) -> TrainedModel:
    """Train, test and save a network; an interrupted run continues.

    Under torchrun every process calls this with the same arguments; the first one writes.

    Parameters
    ----------
    corpus_path : Path
        A built corpus.
    out : Path
        Checkpoint folder to write.
    architecture, preset, recipe : str
        What to train on what and how; None takes the usual one of the network. A recipe may be a
        TOML file (:func:`stressnet.training.recipes.read_recipe`).
    changes : mapping
        Parameters of the recipe to change.
    device : str
        ``cpu``, ``cuda``, or ``auto``.
    seed : int
        For initial weights, order and augmentation.
    fold : Fold, optional
        Train and test on the splits of this fold instead of the corpus's own.
    all_tokens : bool
        Train on all splits, for a network to be used on other recordings; nothing is left to test
        it on, and how good the recipe is has to be known from a training without this.
    tensorboard : bool
        Log for TensorBoard too.
    overwrite : bool
        Replace a model in ``out``.
    keep_finished : bool
        Return a finished model of the same settings instead of raising.

    Raises
    ------
    CheckpointError
        If ``out`` holds another model or cannot be written.
    ConfigError
        If all tokens are to be trained on and the recipe needs validation to end.
    """
    from stressnet.acoustics.spectrogram import SpectrogramPreset
    from stressnet.training.distributed import join_world
    from stressnet.training.fit import train
    from stressnet.training.image_domain import needs_deviations

    corpus = Corpus.open(corpus_path)
    spec = get_spec(architecture)
    preset = preset or spec.preset
    config = recipe_for(recipe or spec.recipe, seed, changes)
    data = stress_data(
        corpus, preset, fold, longer_words=config.longer_words, all_tokens=all_tokens
    )
    images = corpus.images(preset)
    parameters = {
        "corpus": str(corpus_path),
        "corpus_name": corpus.name,
        "architecture": architecture,
        "preset": preset,
        "training": config.to_dict(),
        "seed": seed,
    }
    if fold is not None:
        parameters["fold"] = asdict(fold)
    if all_tokens:
        parameters["all_tokens"] = True
    content = {k: v for k, v in parameters.items() if k != "corpus"}
    request = hash_data([content, corpus.fingerprint])
    with join_world(pick_device(device)) as world:
        if not world.is_first:
            progress = None
        progress = progress or Progress(verbose=False)
        done = (out / FILE_NAME).is_file() and not overwrite and keep_finished
        if done and _read_trained(out).manifest["parameters"].get("request") == request:
            return _read_trained(out)
        if world.is_first:
            claim_folder(out, request, overwrite, "model")
        world.wait()
        if needs_deviations(config, SpectrogramPreset.from_dict(images.preset)):
            data = with_deviations(data, corpus, preset, progress)
        with progress.stage("train"):
            result = train(
                architecture,
                data,
                config,
                out,
                preset=preset,
                preset_parameters=images.preset,
                corpus_hash=corpus.fingerprint,
                progress=progress.verbose and sys.stderr.isatty(),
                resume=True,
                tensorboard=tensorboard,
                fold=None if fold is None else asdict(fold),
                validated=not all_tokens,
                world=world,
            )
        if world.is_first:
            if not all_tokens:
                with progress.stage("test"):
                    _test(out, corpus, data, result, seed)
            write_manifest(
                out,
                "model",
                parameters={**parameters, "request": request},
                inputs={"corpus": corpus.fingerprint},
                outputs=[
                    p for p in out.iterdir() if p.suffix in (".safetensors", ".csv", ".parquet")
                ],
                results={"ended": result.ended, "best_epoch": result.best_epoch},
                seconds=progress.seconds,
            )
            (out / REQUEST_NAME).unlink()
        world.wait()
    return _read_trained(out)


def recipe_for(
    recipe: str | Path, seed: int, changes: Mapping[str, Any] | None = None
) -> TrainConfig:
    """A recipe with some parameters changed.

    Classes are weighted unless a recipe *file* or ``changes`` say otherwise: running speech is
    unbalanced, and the published recipes assume it is not.
    """
    from stressnet.training.recipes import get_recipe, is_recipe_file

    balance = {} if is_recipe_file(recipe) else {"class_balance": "weights"}
    return get_recipe(recipe, **{**balance, "seed": seed, **dict(changes or {})})


def _test(out: Path, corpus: Corpus, data: StressData, result: TrainResult, seed: int) -> None:
    """Write predictions and metrics of every test set."""
    from stressnet.training.metrics import evaluate_splits
    from stressnet.training.predict import predictions_table

    table = predictions_table(result.model, data, ["valid", *TEST_SPLITS])
    table = add_token_columns(table, corpus)
    write_parquet(table, out / "predictions.parquet")
    evaluate_splits(table, seed=seed).to_csv(out / "metrics.csv", index=False)


def _read_trained(out: Path) -> TrainedModel:
    """A finished checkpoint folder."""
    import pandas as pd

    manifest = read_manifest(out, "model")
    if manifest["parameters"].get("all_tokens"):
        return TrainedModel(out, pd.DataFrame(), manifest)
    metrics = pd.read_csv(out / "metrics.csv").fillna({"reason": ""})
    return TrainedModel(out, metrics, manifest)


def add_token_columns(predictions: pd.DataFrame, corpus: Corpus) -> pd.DataFrame:
    """Predictions with each token's word, sex, and the source of its label."""
    columns = ["token_id", "word", "sex", "label_source", "is_prosody_only_pair"]
    return predictions.merge(corpus.tokens[columns], on="token_id", how="left", validate="1:1")


def claim_folder(out: Path, request: str, overwrite: bool, kind: str) -> None:
    """Make ``out`` ready for a run identified by ``request``.

    Raises
    ------
    CheckpointError
        If it holds another run, something else, or cannot be written.
    """
    import json

    request_file = out / REQUEST_NAME
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise CheckpointError(
            f"{out}: cannot be written ({error.strerror}); choose another output folder"
        ) from error
    hold(out)
    ours = request_file.exists() or (out / FILE_NAME).exists()
    if any(out.iterdir()):
        if not ours:
            raise CheckpointError(
                f"{out}: not empty and not a stressnet {kind}; choose a new folder"
            )
        if overwrite:
            shutil.rmtree(out)
            out.mkdir()
            hold(out)
        elif (out / FILE_NAME).exists():
            raise CheckpointError(f"{out}: already holds a {kind}; use --overwrite or a new folder")
        elif json.loads(request_file.read_text(encoding="utf-8"))["request"] != request:
            raise CheckpointError(
                f"{out}: holds an unfinished {kind} of other settings; "
                f"use --overwrite or a new folder"
            )
    write_json(request_file, {"request": request})


def metrics_text(model: TrainedModel) -> str:
    """The test figures as a table for people."""
    if not len(model.metrics):
        return "trained on all tokens of the corpus; nothing is left to test on"
    lines = [
        f"{'test set':<28}{'n':>6}{'FINAL':>7}{'majority':>10}"
        f"{'accuracy':>22}{'balanced accuracy':>22}{'MCC':>22}"
    ]
    for name, rows in model.metrics.groupby("test_set", sort=False):
        by_metric = rows.set_index("metric")
        first = rows.iloc[0]
        line = f"{name:<28}{first['n']:>6}{first['n_final']:>7}{first['majority_rate']:>10.3f}"
        for metric in ("accuracy", "balanced_accuracy", "mcc"):
            row = by_metric.loc[metric]
            line += f"{row['estimate']:>8.3f} [{row['low']:.3f}, {row['high']:.3f}]".rjust(22)
        lines.append(line)
    lines.append("intervals: 95 %, bootstrap clustered by speaker and word family")
    return "\n".join(lines)
