"""Sections of the page about single words, groups and tokens."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from stressnet.corpus.store import Corpus
from stressnet.evaluation.tables import ORACLE, WORD_AUROC, WORD_MEAN
from stressnet.evaluation.text import interval_text, level_text, set_title
from stressnet.report.document import Bullets, Document, Heading, Paragraph, Table
from stressnet.runs.names import inside

if TYPE_CHECKING:
    import pandas as pd


N_WORST = 15


Tables = Mapping[str, "pd.DataFrame"]


def _pairs(page: Document, tables: Tables, names: Sequence[str]) -> None:
    pairs, scores = tables["pairs"], tables["scores"]
    page.add(Heading("Words that show both readings"))
    metrics = scores[scores["model"].isin([*names, ORACLE]) & (scores["n"] > 0)]
    means = metrics[metrics["metric"] == WORD_MEAN]
    aurocs = metrics[metrics["metric"] == WORD_AUROC]
    if not len(pairs):
        page.say("No word shows both readings here.", kind="missing")
        return
    page.add(
        Paragraph(
            "Only these words cannot be got right by knowing the word. AUROC within words: which "
            "of two tokens of one word has initial stress. The oracle hears nothing and gives each "
            "word the reading that it has most often in the test set."
        ),
        Bullets(
            [
                f"{row['model']}, {set_title(row)}: means over {row['n_words']} words: AUROC "
                f"{interval_text(auroc)}, balanced accuracy {interval_text(row)} (n = {row['n']})"
                for (_, row), (_, auroc) in zip(means.iterrows(), aurocs.iterrows(), strict=True)
            ]
        ),
        Table.of(
            pairs,
            [
                ("network", "model"),
                ("test set", set_title),
                ("word", "word"),
                ("INITIAL", "n_initial"),
                ("FINAL", "n_final"),
                ("recall", "recall_initial:.2f"),
                ("recall", "recall_final:.2f"),
                ("mean", "balanced_accuracy:.2f"),
                ("AUROC", "auroc:.2f"),
            ],
            caption="Tokens of each reading, recall of INITIAL and of FINAL, their mean, and the "
            "AUROC.",
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
        Table.of(
            chosen,
            [
                ("test set", set_title),
                ("group", lambda row: row["group"].replace("_", " ")),
                ("level", level_text),
                ("n", "n"),
                ("FINAL", "n_final"),
                ("speakers", "n_speakers"),
                ("balanced accuracy", interval_text),
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
        Table.of(
            hardest,
            [
                ("word", "word"),
                ("label", "stress"),
                ("label from", "label_source"),
                ("p(label)", "p_true:.3f"),
                ("test set", set_title),
                ("speaker", "speaker"),
                ("token", "token_id"),
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
            Table.of(
                rows,
                [
                    (column, column),
                    (extra, extra),
                    ("test set", set_title),
                    ("n", "n"),
                    ("FINAL", "n_final"),
                    ("accuracy", "accuracy:.2f"),
                    ("mean p(label)", "mean_p_true:.2f"),
                ],
                caption=f"{name}: worst {key} with three tokens or more; all in {key}.csv.",
                flush_left=(0, 1, 2),
            )
        )
