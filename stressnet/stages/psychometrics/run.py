"""Curves, cue weights and listeners from a folder of stimuli."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from stressnet.errors import CorpusError
from stressnet.languages import ENGLISH
from stressnet.manipulation.cues import CUES
from stressnet.manipulation.psychometric import psychometric_table
from stressnet.manipulation.shapley import shapley_tables
from stressnet.manipulation.weights import COLUMNS, beside_listeners, cue_weights, listeners_text
from stressnet.report.manipulation_figures import plot_psychometric, plot_shapley
from stressnet.report.style import save_figure
from stressnet.runs import Result, RunFolder, read_manifest
from stressnet.stages.manipulate.results import read_manipulation
from stressnet.stages.psychometrics import PsychometricsConfig

CURVES, WEIGHTS, LISTENERS = "psychometric.csv", "weights.csv", "listeners.csv"
SHAPLEY, INTERACTIONS = "shapley.csv", "interactions.csv"
FIGURE, SHAPLEY_FIGURE = "psychometric", "shapley"


def run(config: PsychometricsConfig, stimuli: Path, folder: RunFolder) -> Result:
    """Fit psychometric functions and cue weights to networks' responses."""
    tables = read_manipulation(stimuli)
    if "responses" not in tables:
        raise CorpusError(f"{stimuli}: no responses; run 'stressnet manipulate' with --model MODEL")
    answers: Any = config.answers
    folder.begin(config, {"stimuli": stimuli})
    responses = tables["responses"]
    single = with_units(responses[responses["kind"].isin(["single", "all"])])
    pairs = responses[responses["kind"] == "pair"]
    with folder.progress.stage("fit"):
        curves = listeners = pd.DataFrame()
        weights = pd.DataFrame(columns=["model", *COLUMNS])
        if len(single):
            curves = psychometric_table(single, by=("model", "cue"), answers=answers)
        if len(pairs):
            parts, beside = [], []
            for model, part in pairs.groupby("model", sort=False):
                of_model = cue_weights(part, answers=answers)
                parts.append(of_model.assign(model=model))
                beside.append(beside_listeners(of_model).assign(model=model))
            weights = pd.concat(parts, ignore_index=True)[["model", *COLUMNS]]
            listeners = pd.concat(beside, ignore_index=True)
        shapley, interactions = _games(responses)
    tables = {CURVES: curves, WEIGHTS: weights, LISTENERS: listeners}
    for name, table in (tables | {SHAPLEY: shapley, INTERACTIONS: interactions}).items():
        if len(table):
            folder.table(name, table, float_format="%.6g", lineterminator="\n")
    spoken = read_manifest(stimuli, "manipulation")["parameters"].get("language") or ENGLISH
    if len(single):
        figure = plot_psychometric(single, answers=answers)
        save_figure(figure, folder.figure(FIGURE), spoken=spoken)
    if len(shapley):
        save_figure(plot_shapley(shapley), folder.figure(SHAPLEY_FIGURE), spoken=spoken)
    counts = {"n_tokens": int(responses["token_id"].nunique()), "n_responses": len(responses)}
    made = {"curves": curves, "weights": weights, "listeners": listeners}
    return Result.of(folder, counts, **made, shapley=shapley, interactions=interactions)


def _games(responses: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Shapley values and interactions of every network, empty without subsets of cues."""
    if not (responses["kind"] == "subset").any():
        return pd.DataFrame(), pd.DataFrame()
    found = {str(name): shapley_tables(p) for name, p in responses.groupby("model", sort=False)}
    first, second = (
        pd.concat({name: tables[k] for name, tables in found.items()}, names=["model"])
        for k in (0, 1)
    )
    return first.reset_index("model"), second.reset_index("model")


def with_units(responses: pd.DataFrame) -> pd.DataFrame:
    """Responses with steps counted from 1 and the unit of each cue's contrast."""
    units = {cue.name: cue.unit for cue in CUES}
    return responses.assign(step=responses["step"] + 1, unit=responses["cue"].map(units).fillna(""))


def psychometrics_text(result: Result) -> str:
    """Curves and weights, and those of listeners beside each network."""
    lines = [
        f"{'network':<14}{'cue':<11}{'slope per step':>24}{'crossover step':>24}"
        f"{'slope per unit':>18}{'tokens':>8}"
    ]
    for row in result.curves.to_dict("records"):
        unit = f" / {row['unit']}" if row["unit"] else ""
        slope = row["slope_per_unit"]
        per_unit = f"{slope:.2f}{unit}" if np.isfinite(slope) else "-"
        lines.append(
            f"{row['model']:<14}{row['cue']:<11}{_limits(row, 'slope_per_step'):>24}"
            f"{_limits(row, 'crossover_step'):>24}{per_unit:>18}{row['n_tokens']:>8}"
            + (f"  {row['reason']}" if row["reason"] else "")
        )
    for row in result.weights.to_dict("records"):
        lines.append(
            f"{row['model']}: {row['cue_1']} {row['weight_1']:.2f} "
            f"[{row['weight_1_low']:.2f}, {row['weight_1_high']:.2f}] : {row['cue_2']} "
            f"{row['weight_2']:.2f}" + (f"  {row['reason']}" if row["reason"] else "")
        )
    for model, part in result.shapley.groupby("model", sort=False) if len(result.shapley) else ():
        lines.append(f"{model}: {part['n_tokens'].iloc[0]} tokens, share of the classes' distance")
        lines.append(f"  {'':<12}{'alone':>22}{'Shapley value':>22}{'as the last':>22}")
        for row in part.to_dict("records"):
            cells = (_limits(row, name) for name in ("alone", "shapley", "last"))
            lines.append(f"  {row['cue']:<12}" + "".join(f"{cell:>22}" for cell in cells))
    if len(result.listeners):
        for model, part in result.listeners.groupby("model", sort=False):
            lines.append(f"\nlisteners beside {model}:\n{listeners_text(part)}")
    return "\n".join(lines)


def _limits(row: Any, name: str) -> str:
    if not np.isfinite(row[name]):
        return "-"
    low, high = row[f"{name}_low"], row[f"{name}_high"]
    return f"{row[name]:.2f}" + ("" if np.isnan(low) else f" [{low:.2f}, {high:.2f}]")
