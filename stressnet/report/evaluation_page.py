"""The page of an evaluation: tables, figures, and the hardest tokens with their sound."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from stressnet import __version__
from stressnet.corpus.store import Corpus
from stressnet.evaluation.audits import alarms
from stressnet.evaluation.sets import TITLES, Unit, representatives, whole_sets
from stressnet.evaluation.text import heard_text, interval_text
from stressnet.report.document import Document, Heading, Paragraph, Picture, Table
from stressnet.report.evaluation_figures import accuracy_figure, reliability_figure
from stressnet.report.evaluation_tokens import Tables, _groups, _hardest, _pairs, _worst
from stressnet.report.style import save_figure

if TYPE_CHECKING:
    import pandas as pd

    from stressnet.evaluation.sets import TestSets
    from stressnet.models.checkpoint import TrainedNetwork


def write_page(
    out: Path,
    corpus: Corpus,
    models: Sequence[TrainedNetwork],
    units: Sequence[Unit],
    tables: Tables,
    hardest: pd.DataFrame,
    tests: TestSets,
    n_resamples: int,
) -> Path:
    """Write ``index.html`` with its figures and sounds; it opens from disk.

    Parameters
    ----------
    hardest : DataFrame
        Tokens to be heard, from the first of :func:`representatives`.
    """
    names = [unit.name for unit in representatives(units)]
    figures = out / "figures"
    drawn = accuracy_figure(tables["scores"], tables["audits"], names)
    save_figure(drawn, figures / "accuracy")
    save_figure(reliability_figure(tables["reliability"], names[0]), figures / "reliability")
    page = Document(f"Evaluation on {corpus.name}")
    page.add(
        Paragraph(
            "The networks were trained on the training split of this corpus."
            if tests.own
            else "The networks were not trained on this corpus: nothing is said of which of its "
            "words and speakers they know."
        ),
        Paragraph(
            f"Intervals are 95 %, from {n_resamples} resamples of speakers and, independently, of "
            f"word families. Balanced accuracy is the mean of the two recalls; always giving the "
            f"same answer makes 0.5."
        ),
    )
    heard = heard_text(tests.n_heard, len(tests.tokens))
    for alarm in [*([f"{heard}."] if heard else []), *alarms(tables["audits"])]:
        page.add(Paragraph(alarm, kind="warning"))
    _scores(page, tables, names)
    _audits(page, tables)
    _calibration(page, tables, units)
    if len(names) > 1:
        _comparisons(page, tables)
    _pairs(page, tables, names)
    _groups(page, tables, names)
    _hardest(page, out, corpus, hardest, names[0])
    _worst(page, tables, names[0])
    page.add(Heading("Networks"))
    page.add(
        Table(
            ["network", "architecture", "preset", "recipe", "seed", "best epoch", "weights"],
            [
                [
                    one.name,
                    one.info.architecture,
                    one.info.preset,
                    str(dict(one.info.training.get("recipe", {})).get("name", "")),
                    str(one.info.seed),
                    str(one.info.training.get("best_epoch", "")),
                    one.digest[:12],
                ]
                for one in models
            ],
            flush_left=(0, 1, 2, 3, 6),
        ),
        Paragraph(f"stressnet {__version__}; all tables are CSV files beside this page."),
    )
    file = out / "index.html"
    file.write_text(page.to_html(), encoding="utf-8")
    return file


def _scores(page: Document, tables: Tables, names: Sequence[str]) -> None:
    page.add(
        Heading("Test sets"),
        Picture(
            "figures/accuracy.png",
            "Balanced accuracy per test set. Grey: what classifiers reach that see only part of "
            "the input.",
            ["figures/accuracy.pdf"],
        ),
    )
    scores = tables["scores"]
    for name in names:
        counts, rows = [], []
        for test_set, part in scores[scores["model"] == name].groupby("test_set", sort=False):
            values, first, title = part.set_index("metric"), part.iloc[0], TITLES[str(test_set)]
            counts.append(
                [
                    title,
                    *(str(first[column]) for column in ("n", "n_final", "n_speakers", "n_words")),
                    f"{first['majority_rate']:.3f}",
                    *(
                        interval_text(values.loc[metric])
                        for metric in ("accuracy", "balanced_accuracy")
                    ),
                ]
            )
            others = ("mcc", "auroc", "recall_initial", "recall_final")
            rows.append([title, *(interval_text(values.loc[metric]) for metric in others)])
        columns = "test set,n,FINAL,speakers,words,majority,accuracy,balanced accuracy"
        page.add(
            Heading(name, level=3),
            Table(columns.split(","), counts),
            Table(["test set", "MCC", "AUROC", "recall INITIAL", "recall FINAL"], rows),
        )
    seeds = tables["seeds"]
    if len(seeds):
        chosen = seeds[seeds["metric"] == "balanced_accuracy"]
        page.add(
            Table(
                ["ensemble", "test set", "seeds", "mean", "sd", "min", "max", "ensemble's"],
                [
                    [
                        row["model"],
                        TITLES[row["test_set"]],
                        str(row["n_seeds"]),
                        *(f"{row[c]:.3f}" for c in ("mean", "sd", "min", "max", "ensemble")),
                    ]
                    for _, row in chosen.iterrows()
                ],
                caption="Balanced accuracy of single networks that differ in their seed.",
                flush_left=(0, 1),
            )
        )


def _audits(page: Document, tables: Tables) -> None:
    audits = tables["audits"]
    page.add(Heading("Leak audits"))
    if not len(audits):
        page.add(Paragraph("Not run.", kind="missing"))
        return
    page.add(
        Paragraph(
            "What is known without hearing the word as a whole. Duration, envelope and phones are "
            "true cues of stress, so these classifiers may be above chance; what matters is how "
            "much the network adds. The network on shuffled labels must be at chance."
        ),
        Table(
            ["audit", "test set", "n", "audit", "network", "network - audit", "verdict"],
            [
                [
                    row["audit"],
                    TITLES.get(row["test_set"], row["test_set"]),
                    str(row["n"]),
                    interval_text(row),
                    interval_text(row, "network"),
                    interval_text(row, "difference", signed=True),
                    row["verdict"],
                ]
                for _, row in audits.iterrows()
            ],
            caption="Balanced accuracy; chance is 0.5. Part of speech: 'audit' are nouns with "
            "final and verbs with initial stress, 'network' the others.",
            flush_left=(0, 1, 6),
        ),
    )


def _calibration(page: Document, tables: Tables, units: Sequence[Unit]) -> None:
    scores = tables["scores"]
    rows = []
    for unit in representatives(units):
        mine = scores[(scores["model"] == unit.name)]
        for name in whole_sets(dict.fromkeys(mine["test_set"])):
            values = mine[mine["test_set"] == name].set_index("metric")
            rows.append(
                [
                    unit.name,
                    TITLES[name],
                    "-" if unit.calibration is None else f"{unit.calibration.temperature:.2f}",
                    *(
                        interval_text(values.loc[metric])
                        for metric in (
                            "ece",
                            "ece_calibrated",
                            "ece_balanced",
                            "ece_balanced_calibrated",
                        )
                    ),
                ]
            )
    page.add(
        Heading("Calibration"),
        Picture(
            "figures/reliability.png",
            f"Reliability of {representatives(units)[0].name}. A network whose loss weighed the "
            "classes equally is meant for the lower row.",
            ["figures/reliability.pdf"],
        ),
        Table(
            [
                "network",
                "test set",
                "temperature",
                "ECE",
                "ECE, calibrated",
                "ECE, classes equal",
                "ECE, classes equal, calibrated",
            ],
            rows,
            caption="Expected calibration error, 10 bins of equal width over the probability of "
            "INITIAL. The temperature is fitted on the validation tokens.",
            flush_left=(0, 1),
        ),
    )


def _comparisons(page: Document, tables: Tables) -> None:
    rows = [
        [
            f"{row['first']} - {row['second']}",
            TITLES[row["test_set"]],
            str(row["n"]),
            f"{row['balanced_accuracy_difference']:+.3f} "
            f"[{row['balanced_accuracy_low']:+.3f}, {row['balanced_accuracy_high']:+.3f}]",
            str(row["only_first"]),
            str(row["only_second"]),
            f"{row['mcnemar_p']:.3g}",
        ]
        for _, row in tables["comparisons"].iterrows()
    ]
    page.add(
        Heading("Comparisons"),
        Table(
            [
                "networks",
                "test set",
                "n",
                "difference in balanced accuracy",
                "only first right",
                "only second right",
                "McNemar's exact p",
            ],
            rows,
            caption="McNemar's test takes tokens for independent, which those of one speaker or "
            "word are not; believe the interval.",
            flush_left=(0, 1),
        ),
    )
