"""What ``stressnet cue-baselines`` prints."""

from __future__ import annotations

from stressnet.runs.result import Result


def baselines_text(result: Result, best_single: int = 8) -> str:
    """Balanced accuracy of the main baselines per test set."""
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
    lines.append("intervals in baselines.csv; gradient boosting: mean over seeds")
    return "\n".join(lines)
