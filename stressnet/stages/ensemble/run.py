"""Several networks joined into one checkpoint, calibrated where words are left to do so."""

from dataclasses import replace

import numpy as np
import pandas as pd

from stressnet.corpus.store import Corpus
from stressnet.errors import ConfigError
from stressnet.evaluation.sets import TestSets, class_indices, describe_models, predict_units
from stressnet.evaluation.tables import agreement_table
from stressnet.models.checkpoint import INFO_NAME, WEIGHTS_NAME, TrainedNetwork, save_checkpoint
from stressnet.models.ensemble import AGREEMENT, join_networks
from stressnet.runs import Result, RunFolder, Step
from stressnet.runs.problems import warnings_about
from stressnet.stages.ensemble import EnsembleConfig
from stressnet.training.calibration import FILE_NAME, calibrate, save_calibration


def run(
    config: EnsembleConfig, corpus: Corpus, models: list[TrainedNetwork], folder: RunFolder
) -> Result:
    """Join networks; the result has ``agreement``, see ``evaluation.tables.agreement_table``."""
    for one in models:
        one.check_classes(corpus)
        one.check_images(corpus.images(one.info.preset))
    model, info = join_networks(models)
    folder.begin(
        config,
        {"corpus": corpus, **{one.name: one for one in models}},
        notes={"architecture": info.architecture, "models": describe_models(models)}
        | ({"all_tokens": True} if info.training.get("all_tokens") else {}),
        steps=[Step("predict", len(corpus.tokens) * len(models), seconds_each=0.003)],
    )
    for name in (WEIGHTS_NAME, INFO_NAME):
        folder.file(name)
    save_checkpoint(folder.path, model, info)
    network = TrainedNetwork.load(folder.path, folder.work.device)
    agreement, temperature = pd.DataFrame(), None
    try:
        agreement, temperature = _calibrated(network, corpus, config, folder)
    except ConfigError as error:
        why = f"no temperature was fitted, probabilities are not calibrated: {error}"
        folder.problems += warnings_about(network.name, "calibrate", [why])
    counts = {"n_members": len(models), "temperature": temperature}
    return Result.of(folder, counts, agreement=agreement)


def _calibrated(
    network: TrainedNetwork, corpus: Corpus, config: EnsembleConfig, folder: RunFolder
) -> tuple[pd.DataFrame, float]:
    """How right the ensemble is by its members' agreement, and the temperature; both written."""
    tests = TestSets.of(corpus, [network])
    split = tests.tokens["split"]
    valid = (split.str.startswith("valid") & (split != "valid_test_mixed")).to_numpy()
    unit = predict_units([network], corpus, tests, folder.progress)[0]
    labels = class_indices(tests.tokens)
    fitted = calibrate(
        labels[valid],
        unit.logit_difference[valid],
        balanced=unit.balanced,
        weights_sha256=network.digest,
    )
    folder.file(FILE_NAME)
    save_calibration(folder.path, fitted)
    unit = replace(unit, calibration=fitted)
    how = {"seed": config.seed, "n_resamples": config.n_resamples}
    table = agreement_table([unit], replace(tests, masks={"valid": valid}), **how)
    folder.table(AGREEMENT, table, float_format="%.6g")
    return table, fitted.temperature


def ensemble_text(result: Result) -> str:
    """The temperature, and how often it is right when so many members agree."""
    n, temperature = result.n_members, result.temperature
    if temperature is None:
        return f"{n} networks; {result.problems[0].reason}"
    lines = [f"{n} networks, temperature {temperature:.2f}; right on validation words:"]
    for row in result.agreement.itertuples():
        who = "all words" if np.isnan(row.n_agreeing) else f"{row.n_agreeing:.0f} of {n} agree"
        lines.append(
            f"  {who:<16}{row.n:>6} words  {row.accuracy:.3f} [{row.low:.3f}, {row.high:.3f}]"
        )
    return "\n".join(lines)
