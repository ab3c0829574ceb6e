"""What ``stressnet train`` and ``stressnet search`` print."""

from __future__ import annotations

from stressnet.runs.result import Result

_POOLED = "pooled"
_SHOWN = ("accuracy", "balanced_accuracy", "mcc")


def trained_text(result: Result) -> str:
    """Test figures of a network, or of several."""
    return summary_text(result) if "summary" in result.tables else metrics_text(result)


def metrics_text(model: Result) -> str:
    """The test figures."""
    if not len(model.metrics):
        return "trained on all tokens of the corpus; nothing is left to test on"
    lines = [
        f"{'test set':<28}{'n':>6}{'FINAL':>7}{'majority':>10}"
        f"{'accuracy':>22}{'balanced accuracy':>22}{'MCC':>22}"
    ]
    for name, rows in model.metrics.groupby("test_set", sort=False):
        by_metric = rows.set_index("metric")
        first = rows.iloc[0]
        line = f"{name:<28}{first['n']:>6}{first['n_final']:>7}{first['majority_rate']:>10.3f}"
        for metric in ("accuracy", "balanced_accuracy", "mcc"):
            row = by_metric.loc[metric]
            line += f"{row['estimate']:>8.3f} [{row['low']:.3f}, {row['high']:.3f}]".rjust(22)
        lines.append(line)
    lines.append("intervals: 95 %, bootstrap clustered by speaker and word family")
    return "\n".join(lines)


def summary_text(trained: Result) -> str:
    """The summary."""
    lines = [
        f"{'fold':<8}{'test set':<28}{'n':>6}{'metric':>19}{'mean':>8}{'sd':>7}{'ensemble':>24}"
    ]
    shown = trained.summary[trained.summary["metric"].isin(_SHOWN)]
    if (shown["fold"] == _POOLED).any():
        shown = shown[shown["fold"] == _POOLED]
    for row in shown.to_dict("records"):
        interval = f"{row['ensemble']:.3f} [{row['ensemble_low']:.3f}, {row['ensemble_high']:.3f}]"
        spread = f"{row['sd']:.3f}" if row["n_seeds"] > 1 else "-"
        lines.append(
            f"{row['fold'] or '-':<8}{row['test_set']:<28}{row['n']:>6}{row['metric']:>19}"
            f"{row['mean']:>8.3f}{spread:>7}{interval:>24}"
        )
    lines.append(
        "mean, sd: over seeds (pooled: over folds); ensemble: logits averaged over seeds, with 95 %"
    )
    lines.append("intervals from a bootstrap clustered by speaker and word family")
    return "\n".join(lines)


def search_text(found: Result, n_shown: int = 5) -> str:
    """The best trials and where the recipe is."""
    lines = [f"{'trial':>6}{found.objective:>26}"]
    for row in found.trials.head(n_shown).to_dict("records"):
        lines.append(f"{row['number']:>6}{row['value']:>26.4f}")
    lines.append(f"best recipe: {found.path / 'best.toml'}")
    return "\n".join(lines)
