"""How often automatic labels of noun/verb pairs are right, by word.

    python benchmarks/labels.py FOLDER [--corpus CORPUS]

FOLDER is laid out like LibriSpeech and holds ``minimal_pairs.tsv`` with the reading decided by a
person for each token (utterance_id, word_index, word, stress). The part of speech is found in the
transcript.
CORPUS, built from FOLDER with ``label_source`` of any kind, adds the pronunciation variant that the
aligner chose. Words that vary between speakers are left out.
"""

from __future__ import annotations

from pathlib import Path

import click
import pandas as pd

from stressnet.corpus.recipe import load_recipe
from stressnet.corpus.scan import scan
from stressnet.corpus.store import Corpus
from stressnet.lexicon.families import lemmas
from stressnet.lexicon.part_of_speech import get_tagger, resolve_tagger, stress_by_part_of_speech


def gold_and_votes(folder: Path, corpus: Path | None, tagger_name: str) -> pd.DataFrame:
    """One row per decided token: gold and what each source says."""
    found = scan(load_recipe("librispeech"), folder)
    words = {r.utterance_id: r.words for r in found.recordings}
    tagger = get_tagger(tagger_name)
    aligned: dict[tuple[str, int], str] = {}
    if corpus is not None:
        tokens = Corpus.open(corpus).tokens
        keys = zip(tokens["utterance_id"], tokens["word_index"], strict=True)
        aligned = dict(zip(keys, tokens["aligner_stress"], strict=True))
    rows = []
    for (utterance, index), label in found.labels.items():
        if label.stress == "VARIES" or utterance not in words:
            continue
        row = {"word": label.word, "gold": label.stress}
        if tagger is not None:
            tags = tagger(words[utterance])
            vote = stress_by_part_of_speech(words[utterance], tags, index)
            row["part_of_speech"] = None if vote is None else vote.value
        if corpus is not None:
            row["aligner"] = aligned.get((utterance, index))
        rows.append(row)
    return pd.DataFrame(rows)


def confusion(votes: pd.DataFrame, source: str) -> pd.DataFrame:
    """Counts per lemma: gold and vote, I for INITIAL, F for FINAL, - for none."""
    lemma = votes["word"].map(lambda word: min(lemmas(word), key=lambda x: (len(x), x)))
    said = votes[source].map({"INITIAL": "I", "FINAL": "F"}).fillna("-")
    cell = votes["gold"].str[0] + "->" + said
    table = pd.crosstab(lemma, cell)
    columns = [c for c in ("I->I", "I->F", "I->-", "F->F", "F->I", "F->-") if c in table]
    return table[columns]


@click.command()
@click.argument("folder", type=click.Path(path_type=Path))
@click.option("--corpus", type=click.Path(path_type=Path))
@click.option("--tagger", default="auto", show_default=True)
def main(folder: Path, corpus: Path | None, tagger: str) -> None:
    """Print the confusion of each source, in all and per lemma."""
    name = resolve_tagger(tagger)
    votes = gold_and_votes(folder, corpus, name)
    click.echo(f"{len(votes)} tokens; tagger: {name}")
    for source in [c for c in ("part_of_speech", "aligner") if c in votes]:
        right = votes[source] == votes["gold"]
        by_class = right.groupby(votes["gold"]).agg(["sum", "count"])
        click.echo(f"\n{source}: {right.sum()} of {len(votes)} right ({100 * right.mean():.1f} %)")
        click.echo(by_class.to_string())
        click.echo(confusion(votes, source).to_string())
    if {"part_of_speech", "aligner"} <= set(votes):
        agree = votes["part_of_speech"] == votes["aligner"]
        right = votes.loc[agree, "part_of_speech"] == votes.loc[agree, "gold"]
        click.echo(f"\nboth agree on {agree.sum()}, of which {right.sum()} are right")


if __name__ == "__main__":
    main()
