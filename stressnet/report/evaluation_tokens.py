"""Sections of the page about single words, groups and tokens."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from stressnet.corpus.store import Corpus
from stressnet.evaluation.sets import TITLES
from stressnet.evaluation.tables import WORD_MEAN
from stressnet.evaluation.text import interval_text
from stressnet.report.document import Bullets, Document, Heading, Paragraph, Table
from stressnet.runs.names import inside

if TYPE_CHECKING:
    import pandas as pd


N_WORST = 15


Tables = Mapping[str, "pd.DataFrame"]


def _pairs(page: Document, tables: Tables, names: Sequence[str]) -> None:
    pairs, scores = tables["pairs"], tables["scores"]
    page.add(Heading("Words that show both readings"))
    means = scores[
        (scores["metric"] == WORD_MEAN) & scores["model"].isin(names) & (scores["n"] > 0)
    ]
    if not len(pairs):
        page.add(Paragraph("No word shows both readings here.", kind="missing"))
        return
    page.add(
        Bullets(
            [
                f"{row['model']}, {TITLES[row['test_set']]}: mean over {row['n_words']} words "
                f"{interval_text(row)} (n = {row['n']})"
                for _, row in means.iterrows()
            ]
        ),
        Table(
            ["network", "test set", "word", "INITIAL", "FINAL", "recall", "recall", "mean"],
            [
                [
                    row["model"],
                    TITLES[row["test_set"]],
                    row["word"],
                    str(row["n_initial"]),
                    str(row["n_final"]),
                    *(
                        f"{row[c]:.2f}"
                        for c in ("recall_initial", "recall_final", "balanced_accuracy")
                    ),
                ]
                for _, row in pairs.iterrows()
            ],
            caption="Tokens of each reading, recall of INITIAL and of FINAL, and their mean.",
            flush_left=(0, 1, 2),
        ),
    )


def _groups(page: Document, tables: Tables, names: Sequence[str]) -> None:
    groups = tables["groups"]
    chosen = groups[(groups["metric"] == "balanced_accuracy") & (groups["model"] == names[0])]
    pairs = chosen["test_set"] == "minimal_pairs"  # other sets hold known or new speakers only
    chosen = chosen[pairs | (chosen["group"] != "speaker_is_known")]
    page.add(
        Heading("Groups"),
        Table(
            ["test set", "group", "level", "n", "FINAL", "speakers", "balanced accuracy"],
            [
                [
                    TITLES[row["test_set"]],
                    row["group"].replace("_", " "),
                    {"True": "yes", "False": "no"}.get(row["level"], row["level"]),
                    str(row["n"]),
                    str(row["n_final"]),
                    str(row["n_speakers"]),
                    interval_text(row),
                ]
                for _, row in chosen.iterrows()
            ],
            caption=f"{names[0]}. Unstressed vowels count as reduced if they are AH, ER or IH.",
            flush_left=(0, 1, 2),
        ),
    )


def _hardest(page: Document, out: Path, corpus: Corpus, hardest: pd.DataFrame, name: str) -> None:
    sounds = out / "sounds"
    sounds.mkdir(exist_ok=True)
    files = []
    for number, file in enumerate(hardest["excerpt_file"]):
        source = inside(corpus.path, file)
        target = sounds / f"{number:02d}{source.suffix}"
        if source.is_file():
            shutil.copyfile(source, target)
        files.append(target.relative_to(out).as_posix() if source.is_file() else "")
    page.add(
        Heading("Hardest tokens"),
        Paragraph(
            f"Where {name} is most wrong. Listen before believing the label: of words with both "
            "readings it rests on grammar, and a speaker may deviate; of others on a dictionary. "
            "The sounds have a quarter of a second of context on both sides."
        ),
        Table(
            ["word", "label", "label from", "p(label)", "test set", "speaker", "token"],
            [
                [
                    row["word"],
                    row["stress"],
                    row["label_source"],
                    f"{row['p_true']:.3f}",
                    TITLES[row["test_set"]],
                    row["speaker"],
                    row["token_id"],
                ]
                for _, row in hardest.iterrows()
            ],
            flush_left=(0, 1, 2, 4, 5, 6),
            sounds=files,
        ),
    )


def _worst(page: Document, tables: Tables, name: str) -> None:
    page.add(Heading("Words and speakers"))
    for key, column, extra in (("words", "lemma", "words"), ("speakers", "speaker", "sex")):
        table = tables[key]
        mine = table[(table["model"] == name) & (table["n"] >= 3)]
        rows = mine.sort_values(["accuracy", "n"], ascending=[True, False]).head(N_WORST)
        page.add(
            Table(
                [column, extra, "test set", "n", "FINAL", "accuracy", "mean p(label)"],
                [
                    [
                        str(row[column]),
                        str(row[extra]),
                        TITLES[row["test_set"]],
                        str(row["n"]),
                        str(row["n_final"]),
                        f"{row['accuracy']:.2f}",
                        f"{row['mean_p_true']:.2f}",
                    ]
                    for _, row in rows.iterrows()
                ],
                caption=f"{name}: worst {key} with three tokens or more; all in {key}.csv.",
                flush_left=(0, 1, 2),
            )
        )
