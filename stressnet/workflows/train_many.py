"""``stressnet train --folds --seeds``: the same training again and again, and how much it varies.

Layout of the output folder::

    seed-0/, seed-1/, ...            checkpoints (within fold-1/, fold-2/, ... with folds)
    ensemble/predictions.parquet     logits averaged over seeds
    ensemble/metrics.csv             the same figures and intervals as of a single network
    summary.csv                      figures over seeds, and the ensemble's
    manifest.json
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stressnet.corpus.splits import PAIR_SPLITS
from stressnet.corpus.store import Corpus
from stressnet.errors import CheckpointError
from stressnet.models.registry import get_spec
from stressnet.runs.manifest import hash_data, write_manifest
from stressnet.runs.progress import Progress
from stressnet.runs.tables import write_parquet
from stressnet.workflows.train import (
    REQUEST_NAME,
    Fold,
    TrainedModel,
    claim_folder,
    pick_device,
    recipe_for,
    splits_of_fold,
    train_model,
)

if TYPE_CHECKING:
    import pandas as pd

SUMMARY_NAME = "summary.csv"
ENSEMBLE_NAME = "ensemble"
POOLED = "pooled"
"""Name of all folds together."""

_SHOWN = ("accuracy", "balanced_accuracy", "mcc")


@dataclass(frozen=True)
class TrainedSet:
    """What several trainings left on disk.

    Parameters
    ----------
    path : Path
        Their folder.
    models : tuple of TrainedModel
        In the order of folds and seeds.
    summary : DataFrame
        One row per fold, test set and metric: ``fold`` (empty without folds, ``pooled`` for all of
        them together), ``test_set``, ``metric``, ``n``, ``n_seeds``, ``mean``, ``sd`` (over seeds,
        n - 1; of the pooled rows over folds' means), ``min``, ``max``, and ``ensemble``,
        ``ensemble_low``, ``ensemble_high``: the averaged logits with their 95 % interval.
    manifest : dict
        Its manifest.
    """

    path: Path
    models: tuple[TrainedModel, ...]
    summary: pd.DataFrame
    manifest: dict[str, Any]


def train_many(
    corpus_path: Path,
    out: Path,
    *,
    n_seeds: int = 1,
    n_folds: int | None = None,
    architecture: str = "compact",
    preset: str | None = None,
    recipe: str | Path | None = None,
    changes: Mapping[str, Any] | None = None,
    device: str = "auto",
    seed: int = 0,
    tensorboard: bool = False,
    overwrite: bool = False,
    progress: Progress | None = None,
) -> TrainedSet:
    """Train a network with several seeds, on several folds, or both; finished ones are kept.

    Parameters
    ----------
    corpus_path, architecture, preset, recipe, changes, device, tensorboard
        As for :func:`stressnet.workflows.train.train_model`.
    out : Path
        Folder to write; each checkpoint in it can be evaluated and explained by itself.
    n_seeds : int
        Seeds ``seed``, ``seed + 1``, ...
    n_folds : int, optional
        Folds over speakers and word families; None trains on the corpus's own splits.
    seed : int
        First seed. The folds are dealt with it, too.
    overwrite : bool
        Replace what is in ``out``.

    Raises
    ------
    CheckpointError
        If ``out`` holds something else.
    CorpusError
        If there are too few speakers or word families for the folds.
    """
    from stressnet.training.distributed import join_world

    corpus = Corpus.open(corpus_path)
    spec = get_spec(architecture)
    parameters = {
        "corpus": str(corpus_path),
        "corpus_name": corpus.name,
        "architecture": architecture,
        "preset": preset or spec.preset,
        "training": recipe_for(recipe or spec.recipe, seed, changes).to_dict(),
        "seeds": list(range(seed, seed + n_seeds)),
        "n_folds": n_folds,
    }
    content = {k: v for k, v in parameters.items() if k != "corpus"}
    request = hash_data([content, corpus.fingerprint])
    folds: list[Fold | None] = [None]
    if n_folds is not None:
        folds = [Fold(number, n_folds, seed) for number in range(1, n_folds + 1)]
    _check_folds(corpus, folds)
    with join_world(pick_device(device)) as world:
        progress = (progress if world.is_first else None) or Progress(verbose=False)
        if world.is_first:
            claim_folder(out, request, overwrite, "set of models")
        world.wait()
        models: dict[tuple[Fold | None, int], TrainedModel] = {}
        for fold in folds:
            for number in range(seed, seed + n_seeds):
                folder = _folder(out, fold) / f"seed-{number}"
                progress.say(
                    f"{folder.relative_to(out)} ({len(models) + 1} of {len(folds) * n_seeds})"
                )
                models[fold, number] = train_model(
                    corpus_path,
                    folder,
                    architecture=architecture,
                    preset=preset,
                    recipe=recipe,
                    changes=changes,
                    device=device,
                    seed=number,
                    fold=fold,
                    tensorboard=tensorboard,
                    keep_finished=True,
                    progress=progress,
                )
        summary, manifest = _finish(out, models, parameters, request, corpus, seed, world.is_first)
        world.wait()
    return TrainedSet(out, tuple(models.values()), summary, manifest)


def _folder(out: Path, fold: Fold | None) -> Path:
    return out if fold is None else out / f"fold-{fold.number}"


def _check_folds(corpus: Corpus, folds: list[Fold | None]) -> None:
    """Deal all folds before training on the first."""
    for fold in folds:
        if fold is not None:
            splits_of_fold(corpus.tokens, fold)


def _finish(
    out: Path,
    models: Mapping[tuple[Fold | None, int], TrainedModel],
    parameters: dict[str, Any],
    request: str,
    corpus: Corpus,
    seed: int,
    writes: bool,
) -> tuple[pd.DataFrame, dict[str, Any]]:
    """Ensembles, the summary and the manifest."""
    import pandas as pd

    from stressnet.training.metrics import evaluate_splits

    ensembles: dict[Fold | None, pd.DataFrame] = {}
    parts = []
    for fold in dict.fromkeys(fold for fold, _ in models):
        members = [model for (of, _), model in models.items() if of == fold]
        ensembles[fold] = average_logits(
            [pd.read_parquet(model.path / "predictions.parquet") for model in members]
        )
        metrics = evaluate_splits(ensembles[fold], seed=seed)
        name = "" if fold is None else str(fold.number)
        parts.append(summarise_seeds([m.metrics for m in members], metrics).assign(fold=name))
        if writes:
            _write_ensemble(_folder(out, fold) / ENSEMBLE_NAME, ensembles[fold], metrics)
    if None not in ensembles:
        pooled = pool_folds(list(ensembles.values()))
        metrics = evaluate_splits(pooled, seed=seed)
        means = [part.rename(columns={"mean": "estimate"}) for part in parts]
        parts.append(summarise_seeds(means, metrics).assign(fold=POOLED))
        if writes:
            _write_ensemble(out / ENSEMBLE_NAME, pooled, metrics)
    summary = pd.concat(parts, ignore_index=True)
    summary.insert(0, "fold", summary.pop("fold"))
    if not writes:
        return summary, {}
    summary.to_csv(out / SUMMARY_NAME, index=False)
    manifest = write_manifest(
        out,
        "models",
        parameters={**parameters, "request": request},
        inputs={"corpus": corpus.fingerprint},
        outputs=[*out.glob("**/model.safetensors"), *out.glob("**/ensemble/*"), out / SUMMARY_NAME],
        results={"n_models": len(models)},
    )
    (out / REQUEST_NAME).unlink()
    return summary, manifest


def average_logits(tables: list[pd.DataFrame]) -> pd.DataFrame:
    """Predictions of an ensemble: the mean of its members' logits, token by token.

    Parameters
    ----------
    tables : list of DataFrame
        As :func:`stressnet.training.predict.predictions_table` makes them, of the same tokens in
        the same order.

    Returns
    -------
    DataFrame
        Of the same columns.

    Raises
    ------
    CheckpointError
        If the tables are not of the same tokens.
    """
    if any(list(table["token_id"]) != list(tables[0]["token_id"]) for table in tables):
        raise CheckpointError("predictions to average are not of the same tokens; train again")
    result = tables[0].copy()
    for column in ("logit_initial", "logit_final"):
        result[column] = sum(table[column] for table in tables) / len(tables)
    return _decided(result)


def pool_folds(tables: list[pd.DataFrame]) -> pd.DataFrame:
    """Predictions of all folds as one table, each token once per test set.

    Words with both readings are tested in every fold; where the speaker was new, their logits are
    averaged, the other folds are left out. Validation tokens are left out, too: they steered.
    """
    import pandas as pd

    joined = pd.concat(tables, ignore_index=True)
    of_pair = joined["split"].isin(PAIR_SPLITS)
    joined = joined[(joined["split"] != "valid") & ~(of_pair & joined["speaker_is_known"])]
    keys = ["token_id", "split"]
    logits = joined.groupby(keys, sort=False)[["logit_initial", "logit_final"]].mean().reset_index()
    rest = joined.drop(columns=["logit_initial", "logit_final"]).drop_duplicates(keys)
    return _decided(rest.merge(logits, on=keys, validate="1:1"))


def _decided(table: pd.DataFrame) -> pd.DataFrame:
    """Probability and predicted class from the logits."""
    import numpy as np
    from scipy.special import expit

    from stressnet.lexicon.stress import Stress

    difference = table["logit_initial"] - table["logit_final"]
    names = np.where(difference >= 0, Stress.INITIAL.value, Stress.FINAL.value)
    return table.assign(stress_predicted=names, p_initial=expit(difference.to_numpy()))


def summarise_seeds(members: list[pd.DataFrame], ensemble: pd.DataFrame) -> pd.DataFrame:
    """Mean, standard deviation and range of metrics over members, beside the ensemble's.

    Parameters
    ----------
    members : list of DataFrame
        With ``test_set``, ``metric`` and ``estimate``.
    ensemble : DataFrame
        As :func:`stressnet.training.metrics.evaluate_splits` makes it.

    Returns
    -------
    DataFrame
        See :class:`TrainedSet`; one row per row of ``ensemble``.
    """
    import pandas as pd

    keys = ["test_set", "metric"]
    over = pd.concat(members).groupby(keys, sort=False)["estimate"]
    table = ensemble[[*keys, "n", "estimate", "low", "high"]].rename(
        columns={"estimate": "ensemble", "low": "ensemble_low", "high": "ensemble_high"}
    )
    spread = over.agg(n_seeds="count", mean="mean", sd="std", min="min", max="max").reset_index()
    table = table.merge(spread, on=keys, how="left")
    front = ["test_set", "metric", "n", "n_seeds", "mean", "sd", "min", "max"]
    return table[[*front, "ensemble", "ensemble_low", "ensemble_high"]]


def _write_ensemble(folder: Path, predictions: pd.DataFrame, metrics: pd.DataFrame) -> None:
    folder.mkdir(exist_ok=True)
    write_parquet(predictions, folder / "predictions.parquet")
    metrics.to_csv(folder / "metrics.csv", index=False)


def summary_text(trained: TrainedSet) -> str:
    """The summary as a table for people."""
    lines = [
        f"{'fold':<8}{'test set':<28}{'n':>6}{'metric':>19}{'mean':>8}{'sd':>7}{'ensemble':>24}"
    ]
    shown = trained.summary[trained.summary["metric"].isin(_SHOWN)]
    if (shown["fold"] == POOLED).any():
        shown = shown[shown["fold"] == POOLED]
    for row in shown.to_dict("records"):
        interval = f"{row['ensemble']:.3f} [{row['ensemble_low']:.3f}, {row['ensemble_high']:.3f}]"
        spread = f"{row['sd']:.3f}" if row["n_seeds"] > 1 else "-"
        lines.append(
            f"{row['fold'] or '-':<8}{row['test_set']:<28}{row['n']:>6}{row['metric']:>19}"
            f"{row['mean']:>8.3f}{spread:>7}{interval:>24}"
        )
    lines.append(
        "mean, sd: over seeds (pooled: over folds); ensemble: logits averaged over seeds, with 95 %"
    )
    lines.append("intervals from a bootstrap clustered by speaker and word family")
    return "\n".join(lines)
