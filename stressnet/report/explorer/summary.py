"""Figures and tables of the explorer's other tabs, each with what it was made from."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from stressnet.corpus.store import Corpus
from stressnet.report import run_sections, tables
from stressnet.report.document import Block, Heading, Paragraph
from stressnet.report.explorer.tokens import Method


def summary_blocks(
    methods: Sequence[Method], corpus: Corpus, out: Path, made: Sequence[str] = ()
) -> Iterator[Block]:
    """Relevance by region and mean maps of every run."""
    yield Heading("Tokens")
    yield tables.corpus_table(corpus.tokens)
    yield Paragraph(_source(corpus.manifest), "source")
    for number, method in enumerate(methods, start=1):
        yield Heading(f"Relevance: {method.label}")
        sources = run_sections.Sources(
            method.run,
            corpus,
            out,
            formats=["png"],
            suffix="" if number == 1 else f"-{number}",
            made=made,
            origin=_source(method.run.manifest),
        )
        yield from run_sections.regions(sources)
        yield run_sections.mean_maps(sources)
        yield run_sections.vowels(sources)
        yield from run_sections.conservation(sources)


def provenance_blocks(methods: Sequence[Method], corpus: Corpus) -> Iterator[Block]:
    """How corpus, networks and runs were made."""
    manifests: dict[str, dict[str, Any]] = {"corpus": corpus.manifest}
    for method in methods:
        if method.model is not None:
            manifests[f"network of {method.label}"] = method.model
        manifests[f"relevance, {method.label}"] = method.run.manifest
    yield Heading("Provenance")
    if about := run_sections.origin(corpus):
        yield Paragraph(" ".join(about))
    yield tables.provenance_table(manifests)
    yield Paragraph(
        "Hashes of all files: manifest.json in each folder. The report's own: manifest.json "
        "beside this page."
    )


def _source(manifest: dict[str, Any]) -> str:
    """One line that says from which folder a figure comes and how that was made."""
    command = " ".join(map(str, manifest.get("command", []))) or "command unknown"
    version = manifest.get("versions", {}).get("stressnet", "?")
    return (
        f"Source: {manifest.get('kind', 'folder')} made {manifest.get('created', '?')} by "
        f"stressnet {version}: {command}"
    )
