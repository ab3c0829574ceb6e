"""``stressnet cue-baselines``: what the measured cues alone tell about stress."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stressnet.errors import CheckpointError, CorpusError
from stressnet.runs.manifest import hash_data, hash_file, read_manifest, write_manifest
from stressnet.runs.progress import Progress
from stressnet.runs.tables import write_parquet
from stressnet.workflows.measure import TABLE
from stressnet.workflows.train import REQUEST_NAME, claim_folder

if TYPE_CHECKING:
    import pandas as pd

METRICS, COEFFICIENTS, IMPORTANCE, COMPARISONS = (
    "baselines.csv",
    "coefficients.csv",
    "importance.csv",
    "comparisons.csv",
)
PREDICTIONS = "predictions"
N_SEEDS = 5
N_RESAMPLES = 1000


@dataclass(frozen=True)
class CueBaselines:
    """What ``stressnet cue-baselines`` left on disk.

    Parameters
    ----------
    path : Path
        The folder; ``predictions/<baseline>.parquet`` has the columns of a network's
        ``predictions.parquet``.
    metrics : DataFrame
        One row per baseline, seed, test set and metric.
    coefficients, importance : DataFrame
        As :mod:`stressnet.training.cue_baselines` describes them.
    comparisons : DataFrame
        Networks against baselines, if any were given.
    manifest : dict
        Its manifest.
    """

    path: Path
    metrics: pd.DataFrame
    coefficients: pd.DataFrame
    importance: pd.DataFrame
    comparisons: pd.DataFrame
    manifest: dict[str, Any]


def run_cue_baselines(
    cues: Path,
    out: Path,
    *,
    models: Sequence[Path] = (),
    n_seeds: int = N_SEEDS,
    n_resamples: int = N_RESAMPLES,
    seed: int = 0,
    overwrite: bool = False,
    progress: Progress | None = None,
) -> CueBaselines:
    """Train and test all baselines on the cues of a measured corpus.

    Parameters
    ----------
    cues : Path
        What ``stressnet measure`` wrote.
    out : Path
        Folder to write.
    models : sequence of Path
        Folders of networks trained on the same corpus, to be compared token by token.
    n_seeds : int
        Seeds of gradient boosting, the only baseline with chance in it.
    n_resamples : int
        Of the bootstrap.
    seed : int
        The first seed.
    overwrite : bool
        Replace earlier baselines in ``out``.

    Raises
    ------
    ConfigError
        If the corpus has no splits or too few tokens.
    CorpusError
        If ``cues`` is no measurement.
    CheckpointError
        If ``out`` cannot be written, or a network was trained on another corpus.
    """
    import pandas as pd

    from stressnet.report.cues_figure import plot_cues
    from stressnet.report.style import save_figure
    from stressnet.training import cue_baselines as cb
    from stressnet.training.metrics import evaluate_splits

    progress = progress or Progress(verbose=False)
    source = read_manifest(cues, "cues")
    table = pd.read_parquet(cues / TABLE)
    rivals = {path.name: _network_predictions(path, source) for path in models}
    inputs = {"cues": source["outputs"][TABLE]}
    inputs |= {f"model {p.name}": hash_file(p / "predictions.parquet") for p in models}
    content = {"n_seeds": n_seeds, "n_resamples": n_resamples, "seed": seed}
    request = hash_data([content, inputs])
    data = cb.cue_data(table)
    claim_folder(out, request, overwrite, "cue baselines")
    (out / PREDICTIONS).mkdir(exist_ok=True)

    every = list(cb.baselines())
    scores, settings, comparisons = [], {}, []
    kept: dict[str, list[cb.Fitted]] = {}
    with progress.stage("baselines", len(every), "baseline") as bar:
        for baseline in every:
            for number in range(n_seeds if baseline.is_boosting else 1):
                fitted = cb.fit_baseline(baseline, data, seed + number)
                predictions = cb.predictions_of(fitted, data)
                rows = evaluate_splits(predictions, seed=seed, n_resamples=n_resamples)
                names = {"baseline": baseline.name, "kind": baseline.kind, "seed": seed + number}
                names["n_cues"] = len(baseline.columns)
                scores.append(pd.concat([pd.DataFrame(names, index=rows.index), rows], axis=1))
                kept.setdefault(baseline.name, []).append(fitted)
                if number == 0:
                    write_parquet(predictions, out / PREDICTIONS / f"{baseline.name}.parquet")
                    settings[baseline.name] = fitted.setting
                    if baseline.kind == "several cues":
                        comparisons += _compare(baseline.name, predictions, rivals, n_resamples)
            bar.update()
    with progress.stage("importance"):
        weights = pd.concat(
            [cb.coefficients(kept[name][0], data, seed=seed) for name in (cb.LOGISTIC, cb.FIVE)],
            ignore_index=True,
        )
        importance = pd.concat(
            [
                cb.permutation_importance(kept[name], data, seed=seed)
                for name in (cb.LOGISTIC, cb.BOOSTING, cb.FIVE)
            ],
            ignore_index=True,
        )
    metrics = pd.concat(scores, ignore_index=True)
    compared = pd.DataFrame(comparisons)
    tables = {METRICS: metrics, COEFFICIENTS: weights, IMPORTANCE: importance}
    if len(compared):
        tables[COMPARISONS] = compared
    for name, frame in tables.items():
        frame.to_csv(out / name, index=False, lineterminator="\n")
    save_figure(plot_cues(weights, importance), out / "cues")
    manifest = write_manifest(
        out,
        "cue-baselines",
        parameters={
            "cues": str(cues),
            "corpus_name": source["parameters"]["corpus_name"],
            **content,
            "five_cues": list(cb.FIVE_CUES),
            "models": {path.name: str(path) for path in models},
            "request": request,
        },
        inputs={**inputs, "corpus": source["inputs"]["corpus"]},
        outputs=[p for p in out.rglob("*") if p.is_file() and p.name != REQUEST_NAME],
        results={"settings": settings, "n_baselines": len(every)},
        seconds=progress.seconds,
    )
    (out / REQUEST_NAME).unlink()
    return CueBaselines(out, metrics, weights, importance, compared, manifest)


def _network_predictions(path: Path, source: dict[str, Any]) -> pd.DataFrame:
    """A network's predictions, refused if it was trained on another corpus."""
    import pandas as pd

    manifest = read_manifest(path, "model")
    if manifest["inputs"].get("corpus") != source["inputs"]["corpus"]:
        raise CheckpointError(
            f"{path}: was trained on another corpus than the cues were measured in; "
            f"measure that corpus"
        )
    file = path / "predictions.parquet"
    if not file.is_file():
        raise CorpusError(f"{file} is missing; train the network again")
    return pd.read_parquet(file)


def _compare(
    baseline: str, predictions: pd.DataFrame, rivals: dict[str, pd.DataFrame], n_resamples: int
) -> list[dict[str, Any]]:
    """Networks against a baseline on every test set; tokens without cues are left out."""
    from stressnet.lexicon.stress import Stress
    from stressnet.training.comparison import compare

    rows = []
    for name, theirs in rivals.items():
        both = theirs.merge(
            predictions[["token_id", "logit_initial", "logit_final"]],
            on="token_id",
            suffixes=("", "_cues"),
            validate="1:1",
        )
        for split, part in both.groupby("split", sort=False):
            result = compare(
                [Stress(value).class_index for value in part["stress_true"]],
                part["logit_initial"] - part["logit_final"],
                part["logit_initial_cues"] - part["logit_final_cues"],
                part["speaker"],
                part["lemma"],
                n_resamples=n_resamples,
            )
            rows.append(
                {
                    "model": name,
                    "baseline": baseline,
                    "test_set": split,
                    "n": result.n,
                    "only_model_right": result.only_first,
                    "only_baseline_right": result.only_second,
                    "mcnemar_p": result.mcnemar_p,
                    "accuracy_difference": result.accuracy.value,
                    "balanced_accuracy_difference": result.balanced_accuracy.value,
                    "low": result.balanced_accuracy.low,
                    "high": result.balanced_accuracy.high,
                }
            )
    return rows


def baselines_text(result: CueBaselines, best_single: int = 8) -> str:
    """Balanced accuracy of the main baselines per test set, as a table for people."""
    table = result.metrics[result.metrics["metric"] == "balanced_accuracy"]
    means = table.groupby(["kind", "baseline", "test_set"], sort=False)["estimate"].mean()
    wide = means.unstack("test_set")[list(dict.fromkeys(table["test_set"]))]
    singles = wide.loc[["single cue"]]
    order = singles.mean(axis=1).sort_values(ascending=False).index[:best_single]
    rest = wide[wide.index.get_level_values("kind") != "single cue"]
    lines = [f"{'baseline':<40}" + "".join(f"{name[:24]:>26}" for name in wide.columns)]
    for part in (rest, singles.loc[order]):
        names = part.index.get_level_values("baseline")
        for name, values in zip(names, part.to_numpy(), strict=True):
            lines.append(f"{name:<40}" + "".join(f"{value:>26.3f}" for value in values))
    lines.append(f"balanced accuracy; the best {best_single} of {len(singles)} single cues last;")
    lines.append(f"intervals in {METRICS}; gradient boosting: mean over seeds")
    return "\n".join(lines)
