"""What ``stressnet evaluate`` prints."""

from stressnet.evaluation.text import heard_text
from stressnet.report.evaluation_page import (
    audits_table,
    comparisons_table,
    score_tables,
    seeds_table,
    within_words,
)
from stressnet.runs.result import Result


def evaluation_text(result: Result) -> str:
    """Figures of every network and test set, comparisons and audits."""
    facts = result.manifest["results"]
    warning = heard_text(
        facts["n_by_speakers_named_as_trained_on"],
        facts["n_tokens"],
        facts["n_of_recordings_trained_on"],
    )
    lines = [f"warning: {warning}", ""] if warning else []
    notes = {}
    for unit in result.units:
        scaled = f", temperature {unit.calibration.temperature:.2f}" if unit.calibration else ""
        notes[unit.name] = f" ({unit.preset}{scaled})"
    contrast = result.units[0].contrast
    for model in result.scores["model"].unique():
        own = result.scores[result.scores["model"] == model]
        lines.append(f"{model}{notes.get(model, '')}")
        for table in score_tables(own, model, contrast):
            lines += [*table.lines("  "), ""]
        lines += [*within_words(own), ""]
    for title, frame, table_of in (
        ("balanced accuracy over seeds", result.seeds, seeds_table),
        (
            "differences in balanced accuracy; McNemar's exact p takes tokens for independent",
            result.comparisons,
            comparisons_table,
        ),
        (
            "leak audits, balanced accuracy (chance 0.5); part of speech: 'audit' are nouns with "
            "final and verbs with initial stress, 'network' the others; no difference is good",
            result.audits,
            audits_table,
        ),
    ):
        if len(frame):
            lines += [title, *table_of(frame).lines("  "), ""]
    if not len(result.audits):
        lines += ["leak audits: not run", ""]
    lines.append(
        "intervals: 95 %, bootstrap clustered by speaker and word family. ECE: 10 bins of equal "
        "width, both classes weighing the same, not calibrated; see calibration in scores.csv."
    )
    lines.append(f"page: {result.path / 'index.html'}")
    return "\n".join(lines)
