"""What ``stressnet train`` and ``stressnet search`` print."""

from stressnet.models.checkpoint import read_info
from stressnet.report.document import Table
from stressnet.report.tables import metrics_table
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
    contrast = read_info(model.path).contrast
    lines = metrics_table(model.metrics, contrast).lines()
    lines.append("intervals: 95 %, bootstrap clustered by speaker and word family")
    return "\n".join(lines)


def summary_text(trained: Result) -> str:
    """The summary."""
    shown = trained.summary[trained.summary["metric"].isin(_SHOWN)]
    if (shown["fold"] == _POOLED).any():
        shown = shown[shown["fold"] == _POOLED]
    table = Table.of(
        shown,
        [
            ("fold", lambda row: row["fold"] or "-"),
            *(("test set", "test_set"), "n", "metric", ("mean", "mean:.3f")),
            ("sd", lambda row: f"{row['sd']:.3f}" if row["n_seeds"] > 1 else "-"),
            (
                "ensemble",
                lambda row: (
                    f"{row['ensemble']:.3f} [{row['ensemble_low']:.3f}, {row['ensemble_high']:.3f}]"
                ),
            ),
        ],
        flush_left=(0, 1),
    )
    lines = table.lines()
    lines.append(
        "mean, sd: over seeds (pooled: over folds); ensemble: logits averaged over seeds, with 95 %"
    )
    lines.append("intervals from a bootstrap clustered by speaker and word family")
    return "\n".join(lines)


def search_text(found: Result, n_shown: int = 5) -> str:
    """The best trials and where the recipe is."""
    columns = [("trial", "number"), (found.objective, "value:.4f")]
    lines = Table.of(found.trials.head(n_shown), columns).lines()
    lines.append(f"best recipe: {found.path / 'best.toml'}")
    return "\n".join(lines)
