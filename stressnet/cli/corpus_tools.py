"""Commands for finished corpora."""

from __future__ import annotations

from pathlib import Path

import click

from stressnet.cli.commands import command_of
from stressnet.cli.options import PATH
from stressnet.stages.corpus_export import export_corpus, write_folds
from stressnet.stages.corpus_merge import merge_corpora


@click.group("corpus")
def corpus_group() -> None:
    """Look at corpora, export them, merge them."""


@corpus_group.command("show")
@click.argument("corpus", type=PATH)
def show_command(corpus: Path) -> None:
    """Print the card of CORPUS: sources, licences, counts, durations."""
    from stressnet.corpus.card import show_corpus

    click.echo(show_corpus(corpus))


for stage in (export_corpus, write_folds, merge_corpora):
    corpus_group.add_command(command_of(stage))
