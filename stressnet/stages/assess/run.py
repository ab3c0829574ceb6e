"""How faithful several attribution methods are to one network.

Tokens are measured a few at a time. Units and regions come from the corpus's alignment and formant
tracks.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from stressnet.corpus.mean_spectrum import mean_spectrum
from stressnet.corpus.splits import TEST_SPLITS
from stressnet.corpus.store import Corpus
from stressnet.errors import ConfigError, check_names
from stressnet.evaluation.heard import with_splits_of
from stressnet.explain.composites import suited
from stressnet.explain.faithfulness import BASELINES, METRICS
from stressnet.explain.faithfulness.attributions import find_attributions
from stressnet.explain.faithfulness.battery import Battery
from stressnet.explain.reference import REFERENCED
from stressnet.models.checkpoint import TrainedNetwork, load_networks
from stressnet.regions import get_regions
from stressnet.report.assess_figure import headline, plot_faithfulness, rank_methods
from stressnet.report.style import save_figure
from stressnet.runs import Result, RunFolder, Step
from stressnet.stages.assess import AssessConfig
from stressnet.stages.assess.tokens import measure_tokens, value_table
from stressnet.statistics.faithfulness_summary import fill_chance, summarise_faithfulness

DEFAULT_METHODS = (
    "epsilon-gamma",
    "epsilon-plus",
    "input-times-gradient",
    "integrated-gradients",
    "random",
)
"""The first is what ``stressnet explain`` uses; the last is the chance level of some metrics."""


TABLE, SUMMARY = "faithfulness.csv", "faithfulness-summary.csv"


def run(config: AssessConfig, corpus: Corpus, network: TrainedNetwork, folder: RunFolder) -> Result:
    """Measure attribution methods on the tokens of a corpus."""
    config = _checked(config, network)
    methods = config.methods
    images = corpus.images(network.info.preset)
    networks = load_networks(config.other_models, network.device, network)
    for one in networks:
        one.check_images(images)
    others = {one.name: one for one in networks[1:]}
    chosen = with_splits_of(corpus, networks).select(config.splits, config.max_tokens, config.seed)
    spectrum = None
    if any(name in REFERENCED for name in methods):
        spectrum = mean_spectrum(corpus, images, chosen.tokens)
    padding = str(network.info.presets[0]["padding"])
    attributions = find_attributions(methods, padding, config.seed, spectrum)
    folder.begin(
        config,
        {
            "corpus": corpus,
            "model": network,
            **{f"other_model {name}": other for name, other in others.items()},
        },
        notes={"preset": network.info.preset},
        steps=[Step("assess", len(chosen) * len(methods), "maps", 5.0)],
    )

    battery = Battery(
        model=network.model,
        attributions=attributions,
        metrics=config.metrics,
        baselines=config.baselines,
        score=config.score,
        seed=config.seed,
        others={name: other.model for name, other in others.items()},
    )
    rows = measure_tokens(battery, corpus, network, chosen, config, folder)
    with folder.progress.stage("summarise"):
        values = fill_chance(value_table(rows, chosen, network, images))
        summary = summarise_faithfulness(values, methods[0], config.seed)
        folder.table(TABLE, values, float_format="%.8g")
        folder.table(SUMMARY, summary, float_format="%.8g")
        figure = plot_faithfulness(summary, default=methods[0])
        save_figure(figure, folder.figure("faithfulness"), spoken=corpus.language)
    counts = {
        "n_tokens": len(chosen),
        "n_speakers": int(chosen.tokens["speaker"].nunique()),
        "n_rows": len(values),
        "n_without_value": int(values["value"].isna().sum()),
    }
    return Result.of(folder, counts, values=values, summary=pd.DataFrame(summary))


def _checked(config: AssessConfig, network: TrainedNetwork) -> AssessConfig:
    """The config with every name checked, all methods in one list, what is left open filled in."""
    get_regions(config.regions)
    own = network.info.composite
    methods = [*config.composites, *config.methods] or suited(DEFAULT_METHODS, own)
    return replace(
        config,
        composites=(),
        methods=_unique("method", methods),
        metrics=_unique("metric", config.metrics or METRICS, METRICS),
        baselines=_unique("baseline", config.baselines, BASELINES),
        splits=config.splits or TEST_SPLITS,
    )


def _unique(what: str, names: Sequence[str] | Any, known: Any = None) -> tuple[str, ...]:
    distinct = tuple(dict.fromkeys(names))
    check_names(what, distinct, distinct if known is None else known)
    if not distinct:
        raise ConfigError(f"no {what} was given")
    return distinct


def summary_text(result: Result) -> str:
    """The main figures, ranked as in the figure."""
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
