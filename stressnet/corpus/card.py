"""``corpus-card.md``: what a corpus is, for people."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from stressnet.corpus.agreement import agreement_text
from stressnet.corpus.changes import counts_text
from stressnet.corpus.recipe import Recipe
from stressnet.corpus.splits import split_counts
from stressnet.corpus.store import Corpus
from stressnet.languages import ENGLISH, language
from stressnet.lexicon.contrast import STRESS, Contrast
from stressnet.lexicon.syllables import RULE_NAME

_BIN_S = 0.1
_BAR = 40
_MOST_SPEAKERS = 50


@dataclass(frozen=True, slots=True)
class Source:
    """Where a corpus's recordings come from, as its manifest says."""

    title: str
    licence: str
    citation: str
    synthetic: bool
    language: str


def card_text(
    title: str,
    sources: Sequence[Source | Recipe],
    tokens: pd.DataFrame,
    results: Mapping[str, Any],
    contrast: Contrast = STRESS,
) -> str:
    """The card in Markdown, from the token table and the counts in the manifest."""
    speakers, classes = tokens["speaker"].nunique(), contrast.among(tokens[contrast.column])
    lines = [f"# {title}", ""]
    for source in (one for i, one in enumerate(sources) if one not in sources[:i]):
        lines += [f"Source: {source.title}"] * (len(sources) > 1)
        lines += [
            "**Synthetic speech.**" if source.synthetic else "Recorded speech.",
            *about_language(source.language),
            f"Licence: {source.licence}. Cite: {source.citation}",
            "",
        ]
    lines += [
        f"{len(tokens)} {results.get('kind_of_words', 'disyllabic')} word tokens of "
        f"{tokens['word'].nunique()} words by {speakers} speakers, "
        f"from {tokens['utterance_id'].nunique()} utterances "
        f"({results['audio_hours']} h of audio looked at).",
        f"Aligned by: {', '.join(sorted(tokens['aligner'].unique()))}. "
        f"Syllable boundaries: {RULE_NAME}.",
        *(
            []
            if contrast.is_stress
            else [f"Told apart: {contrast.name}, column {contrast.column}."]
        ),
        "",
        f"| split | n | {' | '.join(classes)} | words | speakers |",
        "|---" * (len(classes) + 4) + "|",
    ]
    counts = split_counts(tokens, sorted(tokens["split"].unique()), contrast)
    lines += ["| " + " | ".join(map(str, row)) + " |" for row in counts.to_numpy()]
    if "corpus" in tokens and tokens["corpus"].nunique() > 1:
        lines += ["", *_counts(tokens, "corpus", contrast)]
    lines += [
        "",
        *_counts(tokens.assign(sex=tokens["sex"].replace("", "unknown")), "sex", contrast),
    ]
    lines += [] if contrast.is_stress else ["", *_counts(tokens, "stress", contrast)]
    lines += _unknown_sex(tokens)
    if speakers <= _MOST_SPEAKERS:
        lines += ["", *_counts(tokens, "speaker", contrast)]
    else:
        per_speaker = tokens["speaker"].value_counts()
        lines += [
            "",
            f"Tokens per speaker: median {per_speaker.median():.0f}, from {per_speaker.min()} to "
            f"{per_speaker.max()}.",
        ]
    lines += ["", "Duration of the words in seconds:", "", "```", *_histogram(tokens), "```"]
    lines += ["", "Words that are no tokens:", ""]
    lines += [f"- {reason}: {n}" for reason, n in results["rejected_words"].items()]
    if told := counts_text(results.get("readings", {})):
        lines += ["", f"Transcripts, {told} (see readings.csv)."]
    lines += ["", f"Items that failed: {results['n_errors']} (see failures.csv).", ""]
    return "\n".join(lines)


def about_language(code: str) -> list[str]:
    """A text about a language, its labels and reduced vowels; none about English."""
    one = language(code)
    reduced = " It has no reduced vowels." * (not one.reduced)
    text = f"Language: {one.name}. Stress labels from: {one.labels}.{reduced}"
    return [] if one.is_english else [text]


def _unknown_sex(tokens: pd.DataFrame) -> list[str]:
    """What follows where the sex of speakers is not known, and what to do."""
    unknown = tokens.loc[tokens["sex"].fillna("") == "", "speaker"].nunique()
    if not unknown:
        return []
    return [
        "",
        f"**The sex of {unknown} of {tokens['speaker'].nunique()} speakers is not known.** Their "
        "formants are tracked under the ceiling for women, which is too high for most men. Give "
        "it in the recordings' table of speakers (`speakers.tsv`, see `docs/recipes.md`), and "
        "build again.",
    ]


def _counts(tokens: pd.DataFrame, column: str, contrast: Contrast) -> list[str]:
    """A table of tokens per value of a column and class."""
    classes = contrast.among(tokens[contrast.column])
    lines = [f"| {column} | n | {' | '.join(classes)} | words |", "|---" * (len(classes) + 3) + "|"]
    for value, part in tokens.groupby(column, sort=True):
        counts = [int((part[contrast.column] == s).sum()) for s in classes]
        cells = [value, len(part), *counts, part["word"].nunique()]
        lines.append("| " + " | ".join(map(str, cells)) + " |")
    return lines


def _histogram(tokens: pd.DataFrame) -> list[str]:
    """Bars of text, one per tenth of a second."""
    bins = np.floor(tokens["duration_s"].to_numpy() / _BIN_S + 1e-9).astype(int)
    counts = np.bincount(bins)
    first = int(np.flatnonzero(counts)[0])
    most = counts.max()
    return [
        f"{k * _BIN_S:.1f}-{(k + 1) * _BIN_S:.1f} {n:>7} {'#' * round(_BAR * n / most)}".rstrip()
        for k, n in enumerate(counts)
        if k >= first
    ]


def sources_of(manifest: dict[str, Any]) -> list[Source]:
    """Where a corpus comes from; several if it was merged."""
    parameters = manifest["parameters"]
    return [
        Source(
            title=str(source.get("title", source["recipe"])),
            licence=str(source["licence"]),
            citation=str(source["citation"]),
            synthetic=bool(source["synthetic"]),
            language=str(source.get("language") or ENGLISH),
        )
        for source in parameters.get("sources") or [parameters]
    ]


def show_corpus(path: Path) -> str:
    """The card of a corpus, counted anew from its tables."""
    corpus = Corpus.of_any_length(path)
    sources = sources_of(corpus.manifest)
    title = sources[0].title if len(sources) == 1 else f"{len(sources)} corpora merged"
    text = card_text(title, sources, corpus.tokens, corpus.manifest["results"], corpus.contrast)
    agreement = "\n".join(agreement_text(corpus.tokens))
    presets = ", ".join(corpus.presets()) or "none"
    versions = corpus.manifest["versions"]
    return (
        f"{text}{agreement}\nSpectrograms: {presets}. Made by stressnet {versions['stressnet']}, "
        f"{corpus.manifest['created']}.\n"
    )
