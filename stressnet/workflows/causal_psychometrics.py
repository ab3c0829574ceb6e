"""``stressnet psychometrics``: curves, cue weights and listeners from a folder of stimuli."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from stressnet.errors import CorpusError
from stressnet.runs.manifest import FILE_NAME, hash_data, hash_file, read_manifest, write_manifest
from stressnet.runs.progress import Progress
from stressnet.workflows.train import REQUEST_NAME, claim_folder

if TYPE_CHECKING:
    import pandas as pd

CURVES, WEIGHTS, LISTENERS = "psychometric.csv", "weights.csv", "listeners.csv"
FIGURE = "psychometric"


@dataclass(frozen=True)
class Psychometrics:
    """What ``stressnet psychometrics`` left on disk.

    Parameters
    ----------
    path : Path
    curves : DataFrame
        One row per network and cue.
    weights : DataFrame
        One row per network and pair of cues; empty if no pairs were made.
    listeners : DataFrame
        Weights beside what studies of people found; empty without weights.
    manifest : dict
    """

    path: Path
    curves: pd.DataFrame
    weights: pd.DataFrame
    listeners: pd.DataFrame
    manifest: dict[str, Any]


def psychometrics(
    stimuli: Path,
    out: Path,
    *,
    answers: str = "decision",
    overwrite: bool = False,
    progress: Progress | None = None,
) -> Psychometrics:
    """Fit psychometric functions and cue weights to networks' responses.

    Parameters
    ----------
    stimuli : Path
        Folder of ``stressnet manipulate`` with responses.
    out : Path
        Folder to write.
    answers : {"decision", "probability"}
        What a network answers.
    overwrite : bool
        Replace what is in ``out``.

    Raises
    ------
    CorpusError
        If the folder has no responses.
    CheckpointError
        If ``out`` holds something else.
    """
    import pandas as pd

    from stressnet.manipulation.psychometric import psychometric_table
    from stressnet.manipulation.weights import COLUMNS, beside_listeners, cue_weights
    from stressnet.report.manipulation_figures import plot_psychometric
    from stressnet.report.style import save_figure
    from stressnet.workflows.manipulate import read_manipulation

    progress = progress or Progress(verbose=False)
    read_manifest(stimuli, "manipulation")
    tables = read_manipulation(stimuli)
    if "responses" not in tables:
        raise CorpusError(f"{stimuli}: no responses; run 'stressnet manipulate' with --model MODEL")
    inputs = {"stimuli": hash_file(stimuli / FILE_NAME)}
    claim_folder(out, hash_data([answers, inputs]), overwrite, "psychometrics")
    responses = tables["responses"]
    single = with_units(responses[responses["kind"].isin(["single", "all"])])
    pairs = responses[responses["kind"] == "pair"]
    with progress.stage("fit"):
        curves = (
            psychometric_table(single, by=("model", "cue"), answers=answers)
            if len(single)
            else pd.DataFrame()
        )
        weights = pd.DataFrame(columns=["model", *COLUMNS])
        listeners = pd.DataFrame()
        if len(pairs):
            parts, beside = [], []
            for model, part in pairs.groupby("model", sort=False):
                found = cue_weights(part, answers=answers)
                parts.append(found.assign(model=model))
                beside.append(beside_listeners(found).assign(model=model))
            weights = pd.concat(parts, ignore_index=True)[["model", *COLUMNS]]
            listeners = pd.concat(beside, ignore_index=True)
    for table, name in ((curves, CURVES), (weights, WEIGHTS), (listeners, LISTENERS)):
        if len(table):
            table.to_csv(out / name, index=False, float_format="%.6g", lineterminator="\n")
    if len(single):
        save_figure(plot_psychometric(single, answers=answers), out / FIGURE)
    manifest = write_manifest(
        out,
        "psychometrics",
        parameters={"stimuli": str(stimuli), "answers": answers},
        inputs=inputs,
        outputs=[p for p in out.iterdir() if p.suffix in (".csv", ".png", ".pdf")],
        results={"n_tokens": int(responses["token_id"].nunique()), "n_responses": len(responses)},
        seconds=progress.seconds,
    )
    (out / REQUEST_NAME).unlink()
    return Psychometrics(out, curves, weights, listeners, manifest)


def with_units(responses: pd.DataFrame) -> pd.DataFrame:
    """Responses with steps counted from 1 and the unit of each cue's contrast."""
    from stressnet.manipulation.cues import CUES

    units = {cue.name: cue.unit for cue in CUES}
    return responses.assign(step=responses["step"] + 1, unit=responses["cue"].map(units).fillna(""))


def curves_text(result: Psychometrics) -> str:
    """Curves and weights for people."""
    lines = [
        f"{'network':<14}{'cue':<11}{'slope per step':>24}{'crossover step':>24}"
        f"{'slope per unit':>18}{'tokens':>8}"
    ]
    for row in result.curves.to_dict("records"):
        unit = f" / {row['unit']}" if row["unit"] else ""
        per_unit = f"{row['slope_per_unit']:.2f}{unit}" if _is(row["slope_per_unit"]) else "-"
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
    return "\n".join(lines)


def _is(value: float) -> bool:
    return bool(np.isfinite(value))


def _limits(row: Any, name: str) -> str:
    if not _is(row[name]):
        return "-"
    low, high = row[f"{name}_low"], row[f"{name}_high"]
    return f"{row[name]:.2f}" + ("" if np.isnan(low) else f" [{low:.2f}, {high:.2f}]")
