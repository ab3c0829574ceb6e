"""What ``stressnet evaluate`` prints."""

from __future__ import annotations

import pandas as pd

from stressnet.evaluation import tables
from stressnet.evaluation.sets import TITLES, Unit
from stressnet.evaluation.text import audit_lines, heard_text, interval_text
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
    notes = {unit.name: _unit_note(unit) for unit in result.units}
    for model, rows in result.scores.groupby("model", sort=False):
        lines += [
            f"{model}{notes.get(str(model), '')}",
            f"  {'test set':<36}{'n':>6}{'FINAL':>7}{'majority':>10}{'accuracy':>23}"
            f"{'balanced accuracy':>23}{'MCC':>25}{'AUROC':>23}{'recall I / F':>16}{'ECE':>8}",
        ]
        within = []
        for name, part in rows.groupby("test_set", sort=False):
            values = part.set_index("metric")
            first = part.iloc[0]
            line = f"  {TITLES[str(name)]:<36}{first['n']:>6}{first['n_final']:>7}"
            line += f"{first['majority_rate']:>10.3f}"
            widths = {"accuracy": 23, "balanced_accuracy": 23, "mcc": 25, "auroc": 23}
            for metric, width in widths.items():
                line += interval_text(values.loc[metric]).rjust(width)
            figures = ["recall_initial", "recall_final", "ece_balanced"]
            initial, final, error = values["estimate"].reindex(figures).astype(float)
            line += f"{initial:.3f} / {final:.3f}".rjust(16)
            lines.append(line + ("" if error != error else f"{error:.3f}".rjust(8)))
            mean, auroc = values.loc[tables.WORD_MEAN], values.loc[tables.WORD_AUROC]
            if mean["n"]:
                within.append(
                    f"  {TITLES[str(name)]}: within the {mean['n_words']} words that show both "
                    f"readings (n = {mean['n']}), means over words: AUROC {interval_text(auroc)}, "
                    f"balanced accuracy {interval_text(mean)}"
                )
        lines += [*within, ""]
    if len(result.seeds):
        lines.append("balanced accuracy over seeds: mean, standard deviation, range; ensemble")
        for _, row in result.seeds[result.seeds["metric"] == "balanced_accuracy"].iterrows():
            lines.append(
                f"  {row['model']:<30}{TITLES[row['test_set']]:<36}{row['mean']:.3f} "
                f"{row['sd']:.3f} {row['min']:.3f} to {row['max']:.3f}; {row['ensemble']:.3f}"
            )
        lines.append("")
    lines += _comparison_lines(result.comparisons)
    lines += audit_lines(result.audits)
    lines.append(
        "intervals: 95 %, bootstrap clustered by speaker and word family. ECE: 10 bins of equal "
        "width, both classes weighing the same, not calibrated; see calibration in scores.csv."
    )
    lines.append(f"page: {result.path / 'index.html'}")
    return "\n".join(lines)


def _unit_note(unit: Unit) -> str:
    temperature = f", temperature {unit.calibration.temperature:.2f}" if unit.calibration else ""
    return f" ({unit.preset}{temperature})"


def _comparison_lines(comparisons: pd.DataFrame) -> list[str]:
    if not len(comparisons):
        return []
    lines = ["differences in balanced accuracy; McNemar's exact p takes tokens for independent"]
    for _, row in comparisons.iterrows():
        low, high = row["balanced_accuracy_low"], row["balanced_accuracy_high"]
        lines.append(
            f"  {row['first']} - {row['second']}, {TITLES[row['test_set']]:<36}"
            f"{row['balanced_accuracy_difference']:+.3f} [{low:+.3f}, {high:+.3f}]  "
            f"{row['only_first']} : {row['only_second']} tokens, p = {row['mcnemar_p']:.3g}"
        )
    return [*lines, ""]
