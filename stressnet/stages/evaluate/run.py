"""How well networks predict stress, on every test set, with audits beside."""

from dataclasses import asdict

import pandas as pd

from stressnet.corpus.store import Corpus
from stressnet.errors import ConfigError
from stressnet.evaluation import tables
from stressnet.evaluation.audits import COLUMNS, alarms, run_audits
from stressnet.evaluation.heard import tell_language
from stressnet.evaluation.sets import TestSets, describe_models, predict_units, representatives
from stressnet.models.checkpoint import TrainedNetwork
from stressnet.report.evaluation_page import write_page
from stressnet.runs import Result, RunFolder, Step
from stressnet.stages.evaluate import EvaluateConfig

N_HARDEST = 40  # Tokens that the page lets hear


def run(
    config: EvaluateConfig, corpus: Corpus, models: list[TrainedNetwork], folder: RunFolder
) -> Result:
    """Evaluate networks on a corpus: their own (``own``), or any other that has their preset."""
    if not models:
        raise ConfigError("no network to evaluate; name at least one checkpoint folder")
    tests = TestSets.of(corpus, models)
    folder.begin(
        config,
        {"corpus": corpus, **{one.name: one for one in models}},
        notes={
            "corpus_name": corpus.name,
            "models": describe_models(models),
            "trained_on_this_corpus": tests.own,
            "fold": None if tests.fold is None else asdict(tests.fold),
        },
        steps=[Step("predict", len(tests.tokens) * len(models), seconds_each=0.003)],
    )

    tell_language(models, corpus, folder)
    units = predict_units(models, corpus, tests, folder.progress)
    main = representatives(units)[0]
    options = {"seed": config.seed, "n_resamples": config.n_resamples}
    with folder.progress.stage("tables"):
        scores = tables.scores_table(units, tests, **options)
        results: dict[str, pd.DataFrame] = {
            "scores": scores,
            "groups": tables.groups_table(units, tests, **options),
            "pairs": tables.pairs_table(units, tests),
            "words": tables.cluster_table(units, tests, "lemma"),
            "speakers": tables.cluster_table(units, tests, "speaker"),
            "comparisons": tables.comparison_table(units, tests, **options),
            "reliability": tables.reliability_table(units, tests),
            "seeds": tables.seeds_table(units, scores),
            "agreement": tables.agreement_table(units, tests, **options),
            "audits": pd.DataFrame(columns=COLUMNS),
        }
    if config.audits:
        results["audits"] = run_audits(corpus, main, tests, progress=folder.progress, **options)
    with folder.progress.stage("page"):
        for name, table in results.items():
            if len(table.columns):
                folder.table(f"{name}.csv", tests.contrast.named(table))
        folder.table("predictions.parquet", tables.predictions_of(units, tests))
        for pattern in ("figures/*", "sounds/*"):
            folder.tree(pattern)
        write_page(
            folder.file("index.html").parent,
            corpus,
            models,
            units,
            results,
            tables.hardest_tokens(main, tests, N_HARDEST),
            tests,
            config.n_resamples,
        )
    counts = {
        "test_sets": {name: int(mask.sum()) for name, mask in tests.masks.items()},
        "alarms": list(alarms(results["audits"])),
        "n_tokens": len(tests.tokens),
        "n_by_speakers_named_as_trained_on": tests.n_heard,
        "n_of_recordings_trained_on": tests.n_left_out,
    }
    kept = {name: results[name] for name in ("scores", "audits", "comparisons", "seeds")}
    return Result.of(folder, counts, own=tests.own, units=tuple(units), **kept)
