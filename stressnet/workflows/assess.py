"""``stressnet assess``: how faithful several attribution methods are to one network.

Tokens are measured a few at a time and journalled, so an interrupted run continues with the same
command. Units and regions come from the corpus's alignment and formant tracks.
"""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from stressnet.corpus.splits import TEST_SPLITS
from stressnet.corpus.store import Corpus, Images
from stressnet.errors import ConfigError
from stressnet.lexicon.stress import CLASSES
from stressnet.models.registry import get_spec
from stressnet.runs.journal import Journal
from stressnet.runs.manifest import FILE_NAME, hash_data, hash_file, read_manifest, write_manifest
from stressnet.runs.progress import Progress
from stressnet.workflows.assess_tokens import bin_statistics, read_batch, reference_spectrum
from stressnet.workflows.train import REQUEST_NAME, claim_folder

if TYPE_CHECKING:
    import pandas as pd
    from torch import Tensor

    from stressnet.regions.from_corpus import SceneReader
    from stressnet.workflows.assess_battery import Battery

DEFAULT_METHODS = (
    "epsilon-gamma",
    "epsilon-plus",
    "input-times-gradient",
    "integrated-gradients",
    "random",
)
"""The first is what ``stressnet explain`` uses; the last is the chance level of some metrics."""

DEFAULT_BASELINES = ("fill", "noise", "local")
DEFAULT_REGIONS = ("word", "nucleus_stressed", "nucleus_unstressed", "F1", "F2")

CHUNK = 8
"""Tokens that are measured together and draw from the same generators."""

TABLE, SUMMARY = "faithfulness.csv", "faithfulness-summary.csv"


@dataclass(frozen=True)
class Assessment:
    """What ``stressnet assess`` left on disk.

    Parameters
    ----------
    path : Path
        The folder.
    values, summary : DataFrame
        One row per token, method and metric; one per method and metric.
    manifest : dict
        Its manifest.
    """

    path: Path
    values: pd.DataFrame
    summary: pd.DataFrame
    manifest: dict[str, Any]


def assess(
    corpus_path: Path,
    model_path: Path,
    out: Path,
    *,
    methods: Sequence[str] | None = None,
    metrics: Sequence[str] | None = None,
    baselines: Sequence[str] = DEFAULT_BASELINES,
    regions: Sequence[str] = DEFAULT_REGIONS,
    score: str = "probability",
    other_models: Sequence[Path] = (),
    splits: Sequence[str] | None = None,
    max_tokens: int | None = 100,
    seed: int = 0,
    overwrite: bool = False,
    progress: Progress | None = None,
) -> Assessment:
    """Measure attribution methods on the tokens of a corpus.

    Parameters
    ----------
    corpus_path, model_path : Path
        A built corpus and a checkpoint folder.
    out : Path
        Folder to write.
    methods : sequence of str, optional
        Composites of layer-wise relevance propagation and other methods; the first is the one that
        others are compared with. :data:`DEFAULT_METHODS` if left out, as far as the network's
        layers allow them.
    metrics : sequence of str, optional
        Names in :data:`stressnet.explain.faithfulness.METRICS`; all if left out.
    baselines : sequence of str
        What removed cells become, see :data:`stressnet.explain.faithfulness.BASELINES`. The first
        is also used for infidelity.
    regions : sequence of str
        Regions for localisation.
    score : {"probability", "log-odds", "logit"}
        Of the predicted class; what removal is measured by.
    other_models : sequence of Path
        The same network trained with other seeds, for agreement between them.
    splits : sequence of str, optional
        Which tokens; all test sets if left out.
    max_tokens : int, optional
        A random sample of this size; None is all.
    seed : int
        For all chance.
    overwrite : bool
        Replace an assessment in ``out``.

    Raises
    ------
    ConfigError
        For an unknown method, metric, baseline or region.
    CheckpointError
        If a network does not fit the corpus or ``out`` cannot be written.
    CorpusError
        If no token is left, or ``out`` holds something else.
    """
    import pandas as pd

    from stressnet.explain.composites import suited
    from stressnet.explain.faithfulness import BASELINES, METRICS
    from stressnet.models.checkpoint import WEIGHTS_NAME, load_checkpoint
    from stressnet.regions import get_regions
    from stressnet.regions.from_corpus import SceneReader
    from stressnet.report.assess_figure import plot_faithfulness
    from stressnet.report.style import save_figure
    from stressnet.workflows.assess_battery import Battery, find_attributions
    from stressnet.workflows.assess_summary import fill_chance, summarise_faithfulness

    progress = progress or Progress(verbose=False)
    metrics = _unique("metric", metrics or METRICS, METRICS)
    baselines = _unique("baseline", baselines, BASELINES)
    if score not in ("probability", "log-odds", "logit"):
        raise ConfigError(f"no score '{score}'; choose from probability, log-odds, logit")
    get_regions(regions)
    corpus = Corpus.open(corpus_path)
    model, info = load_checkpoint(model_path)
    images = corpus.images(info.preset)
    info.check_input(info.preset, images.preset, images.axes.shape)
    own = get_spec(info.architecture).composite
    methods = _unique("method", methods or suited(DEFAULT_METHODS, own))
    others = {}
    for path in other_models:
        other, other_info = load_checkpoint(path)
        other_info.check_input(info.preset, images.preset, images.axes.shape)
        if path.name in others:
            raise ConfigError(f"two other models are named '{path.name}'; rename a folder")
        others[path.name] = other
    chosen = corpus.select(splits or TEST_SPLITS, max_tokens, seed).tokens
    spectrum = reference_spectrum(corpus, images, chosen, methods)
    attributions = find_attributions(methods, str(images.preset["padding"]), seed, spectrum)
    content = {
        "preset": info.preset,
        "methods": list(methods),
        "metrics": list(metrics),
        "baselines": list(baselines),
        "regions": list(regions),
        "score": score,
        "splits": list(splits or TEST_SPLITS),
        "max_tokens": max_tokens,
        "seed": seed,
    }
    inputs = {"corpus": corpus.fingerprint, "model": hash_file(model_path / WEIGHTS_NAME)}
    inputs |= {f"other_model {p.name}": hash_file(p / WEIGHTS_NAME) for p in other_models}
    request = hash_data([content, inputs, len(chosen)])
    if (out / FILE_NAME).is_file():
        read_manifest(out, "assessment")  # refuses what is something else, also with overwrite
    claim_folder(out, request, overwrite, "assessment")

    battery = Battery(
        model=model,
        attributions=attributions,
        metrics=metrics,
        baselines=baselines,
        score=score,
        seed=seed,
        others=others,
    )
    reader = SceneReader(corpus, info.preset)
    statistics = bin_statistics(corpus, images, chosen, seed)
    with progress.stage("assess", len(chosen), "token") as bar:
        records = _measure(out, battery, reader, chosen, regions, statistics, bar)
    with progress.stage("summarise"):
        values = _value_table(records, chosen, model, images)
        values = fill_chance(values)
        summary = summarise_faithfulness(values, methods[0], seed)
        _write_csv(values, out / TABLE)
        _write_csv(summary, out / SUMMARY)
        figure = plot_faithfulness(summary, default=methods[0])
        save_figure(figure, out / "faithfulness")
    manifest = write_manifest(
        out,
        "assessment",
        parameters={
            "corpus": str(corpus_path),
            "model": str(model_path),
            "other_models": [str(p) for p in other_models],
            **content,
            "request": request,
        },
        inputs=inputs,
        outputs=[p for p in out.iterdir() if p.suffix in (".csv", ".png", ".pdf")],
        results={
            "n_tokens": len(chosen),
            "n_speakers": int(chosen["speaker"].nunique()),
            "n_rows": len(values),
            "n_without_value": int(values["value"].isna().sum()),
        },
        seconds=progress.seconds,
    )
    shutil.rmtree(out / "state")
    (out / REQUEST_NAME).unlink()
    return Assessment(out, values, pd.DataFrame(summary), manifest)


def _unique(what: str, names: Sequence[str] | Any, known: Any = None) -> tuple[str, ...]:
    found = tuple(dict.fromkeys(names))
    unknown = [name for name in found if known is not None and name not in known]
    if unknown:
        raise ConfigError(f"no {what} '{unknown[0]}'; there are {', '.join(known)}")
    if not found:
        raise ConfigError(f"no {what} was given")
    return found


def _measure(
    out: Path,
    battery: Battery,
    reader: SceneReader,
    chosen: pd.DataFrame,
    regions: Sequence[str],
    statistics: tuple[Tensor, Tensor],
    bar: Any,
) -> list[dict[str, Any]]:
    """Rows of all chunks, from the journal where they are there."""
    (out / "state").mkdir(exist_ok=True)
    with Journal(out / "state" / "rows.jsonl") as journal:
        starts = range(0, len(chosen), CHUNK)
        for start in starts:
            ids = chosen["token_id"].tolist()[start : start + CHUNK]
            if str(start) not in journal.done:
                rows = battery.run(read_batch(reader, ids, regions, statistics))
                journal.add(str(start), rows)
            bar.update(len(ids))
        return [row for start in starts for row in journal.done[str(start)]]


def _value_table(
    records: list[dict[str, Any]], chosen: pd.DataFrame, model: Any, images: Images
) -> pd.DataFrame:
    """Rows with the token's word, speaker, stress and prediction."""
    import pandas as pd
    import torch

    from stressnet.explain.faithfulness.scores import logits_of

    predicted = []
    for index in chosen["image"]:
        image = torch.from_numpy(np.array(images.values[index], dtype=np.float32))[None, None]
        predicted.append(CLASSES[int(logits_of(model, image, 1).argmax())].value)
    tokens = chosen[["token_id", "word", "speaker", "stress", "split"]].copy()
    tokens.insert(4, "stress_predicted", predicted)
    return tokens.merge(pd.DataFrame(records), on="token_id", how="right", validate="1:m")


def _write_csv(table: pd.DataFrame, path: Path) -> None:
    """Write a table that appears whole or not at all."""
    part = path.with_name(f".{path.name}.part")
    table.to_csv(part, index=False, float_format="%.8g")
    part.replace(path)


def summary_text(result: Assessment) -> str:
    """The main figures for people, ranked as in the figure."""
    from stressnet.report.assess_figure import headline, rank_methods

    counts = result.manifest["results"]
    lines = [f"{counts['n_tokens']} tokens of {counts['n_speakers']} speakers", ""]
    rows = headline(result.summary)
    names = list(dict.fromkeys(zip(rows["title"], rows["better"], strict=True)))
    methods = rank_methods(result.summary)
    width = max(len(title) for title, _ in names) + 12
    lines.append(" " * width + "".join(f"{method:>22}" for method in methods))
    for title, better in names:
        cells = [f"{f'{title} ({better})':<{width}}"]
        for method in methods:
            one = rows[(rows["title"] == title) & (rows["method"] == method)]
            value = float(one["mean"].iloc[0]) if len(one) else np.nan
            chance = float(one["chance"].iloc[0]) if len(one) else np.nan
            text = f"{value:.3f}" if np.isfinite(value) else "-"
            text += f" ({chance:.3f})" if np.isfinite(chance) else ""
            cells.append(f"{text:>22}")
        lines.append("".join(cells))
    lines.append("in brackets: chance; (higher), (lower): what is better")
    return "\n".join(lines)
