"""Simple classifiers on measured cues, tested as networks are tested."""

from pathlib import Path
from typing import Any

import pandas as pd

from stressnet.errors import CheckpointError, CorpusError
from stressnet.languages import ENGLISH
from stressnet.lexicon.contrast import Contrast
from stressnet.report.cues_figure import plot_cues
from stressnet.report.document import Table
from stressnet.report.style import save_figure
from stressnet.runs import Result, RunFolder, Step, hash_file, read_manifest, read_table
from stressnet.stages.cue_baselines import CueBaselinesConfig
from stressnet.stages.measure.run import TABLE
from stressnet.training import cue_baselines as cb
from stressnet.training.comparison import compare_with_cues
from stressnet.training.cue_baselines import coefficients, permutation_importance
from stressnet.training.metrics import evaluate_splits

FILES = {
    "metrics": "baselines.csv",
    "coefficients": "coefficients.csv",
    "importance": "importance.csv",
    "comparisons": "comparisons.csv",
}


def run(config: CueBaselinesConfig, cues: Path, folder: RunFolder) -> Result:
    """Train and test all baselines on the cues of a measured corpus."""
    source = read_manifest(cues, "cues")
    spoken = source["parameters"].get("language") or ENGLISH
    contrast = Contrast.in_manifest(source["parameters"])
    rivals = {path.name: _network_predictions(path, source) for path in config.models}
    data = cb.cue_data(read_table(cues / TABLE), contrast)
    every = list(cb.baselines(contrast))
    folder.begin(
        config,
        inputs={
            "cues": source["outputs"][TABLE],
            "corpus": source["inputs"]["corpus"],
            **{f"model {p.name}": hash_file(p / "predictions.parquet") for p in config.models},
        },
        notes={
            "cues": str(cues),
            "corpus_name": source["parameters"]["corpus_name"],
            "language": spoken,
            **contrast.noted,
            "five_cues": list(cb.FIVE_CUES),
        },
        steps=[Step("train", len(every), "baselines", 2.0)],
    )
    options = {"seed": config.seed, "n_resamples": config.n_resamples}
    scores, settings, comparisons = [], {}, []
    kept: dict[str, list[cb.Fitted]] = {}
    with folder.progress.stage("baselines", len(every), "baseline") as bar:
        for baseline in every:
            for number in range(config.n_seeds if baseline.is_boosting else 1):
                seed = config.seed + number
                fitted = cb.fit_baseline(baseline, data, seed)
                predictions = cb.predictions_of(fitted, data)
                rows = evaluate_splits(predictions, contrast, **options)
                names = {"baseline": baseline.name, "kind": baseline.kind, "seed": seed}
                names["n_cues"] = len(baseline.columns)
                scores.append(pd.concat([pd.DataFrame(names, index=rows.index), rows], axis=1))
                kept.setdefault(baseline.name, []).append(fitted)
                if number > 0:
                    continue
                folder.table(f"predictions/{baseline.name}.parquet", predictions)
                settings[baseline.name] = fitted.setting
                if baseline.kind == "several cues":
                    of_both = (predictions, rivals, config.n_resamples, contrast)
                    comparisons += compare_with_cues(baseline.name, *of_both)
            bar.update()
    with folder.progress.stage("importance"):
        linear, several = (cb.LOGISTIC, cb.FIVE), (cb.LOGISTIC, cb.BOOSTING, cb.FIVE)
        weights = [coefficients(kept[name][0], data, seed=config.seed) for name in linear]
        losses = [permutation_importance(kept[name], data, seed=config.seed) for name in several]
    parts = {"metrics": scores, "coefficients": weights, "importance": losses}
    tables = {name: pd.concat(part, ignore_index=True) for name, part in parts.items()}
    tables["comparisons"] = pd.DataFrame(comparisons)
    for name, file in FILES.items():
        if len(tables[name]):
            folder.table(file, tables[name], lineterminator="\n")
    figure = plot_cues(tables["coefficients"], tables["importance"], contrast)
    save_figure(figure, folder.figure("cues"), spoken=spoken)
    return Result.of(folder, {"settings": settings, "n_baselines": len(every)}, **tables)


def _network_predictions(path: Path, source: dict[str, Any]) -> pd.DataFrame:
    """A network's predictions, refused if it was trained on another corpus."""
    manifest = read_manifest(path, "model")
    if manifest["inputs"].get("corpus") != source["inputs"]["corpus"]:
        raise CheckpointError(
            f"{path}: was trained on another corpus than the cues were measured in; "
            f"measure that corpus"
        )
    file = path / "predictions.parquet"
    if not file.is_file():
        raise CorpusError(f"{file} is missing; train the network again")
    return read_table(file)


def baselines_text(result: Result, best_single: int = 8) -> str:
    """Balanced accuracy of the main baselines per test set, with its interval, and tokens."""
    table = result.metrics[result.metrics["metric"] == "balanced_accuracy"]
    table = table[~table["test_set"].str.contains("/")]
    sets = list(dict.fromkeys(table["test_set"]))
    values = table.groupby(["kind", "baseline", "test_set"], sort=False)[
        ["estimate", "low", "high"]
    ]
    means = values.mean().unstack("test_set")
    singles = means.loc[["single cue"]]
    order = singles["estimate"].mean(axis=1).sort_values(ascending=False).index[:best_single]
    rest = means[means.index.get_level_values("kind") != "single cue"]
    counts = table.drop_duplicates("test_set").set_index("test_set")
    second = Contrast.in_manifest(result.manifest["parameters"]).classes[1]
    tokens = [
        f"{row['n']} ({row[f'n_{second.lower()}']} {second})"
        for _, row in counts.loc[sets].iterrows()
    ]
    rows = [["tokens", *tokens]]
    for (_, baseline), row in pd.concat([rest, singles.loc[order]]).iterrows():
        cells = [[row[number][name] for number in ("estimate", "low", "high")] for name in sets]
        texts = [f"{value:.3f} [{low:.2f}, {high:.2f}]" for value, low, high in cells]
        rows.append([baseline, *texts])
    lines = Table(["", *sets], rows).lines()
    lines.append(
        f"balanced accuracy [95 % interval]; the best {best_single} of {len(singles)} single"
    )
    lines.append(
        "cues last; gradient boosting: means over seeds; parts of sets are in baselines.csv"
    )
    return "\n".join(lines)
