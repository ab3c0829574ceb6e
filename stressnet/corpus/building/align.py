"""Stage *align*: the corpus's own alignments, or an aligner's."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stressnet.alignment.aligner import Aligner, AlignmentFailure, Utterance
from stressnet.alignment.choose import get_aligner
from stressnet.corpus.scan import Recording, Scan
from stressnet.corpus.tokens import words_of
from stressnet.errors import AlignmentError, LexiconError, MissingPartError
from stressnet.intervals import Alignment, Interval
from stressnet.lexicon.dictionary import Dictionary, load_dictionary
from stressnet.runs.journal import Journal, Results
from stressnet.runs.problems import Problem, Severity

if TYPE_CHECKING:
    from stressnet.runs.folder import RunFolder
    from stressnet.stages.build_corpus.config import BuildConfig

_NO_NEWS_S = 0.001
"""Ends past the audio by less are rounding, not worth a line each."""


def to_record(alignment: Alignment) -> dict[str, Any]:
    """An alignment as JSON."""
    return {
        "words": [[i.start_s, i.end_s, i.label] for i in alignment.words],
        "phones": [[i.start_s, i.end_s, i.label] for i in alignment.phones],
        "source": alignment.source,
        "confidence": list(alignment.confidence) if alignment.confidence else None,
    }


def from_record(record: Mapping[str, Any]) -> Alignment:
    """The inverse of :func:`to_record`."""
    return Alignment(
        words=tuple(Interval(*row) for row in record["words"]),
        phones=tuple(Interval(*row) for row in record["phones"]),
        source=record["source"],
        confidence=tuple(record["confidence"]) if record["confidence"] else None,
    )


class Alignments(Mapping[str, Alignment]):
    """Alignments by utterance id, each read from the journal when it is asked for.

    Parameters
    ----------
    names : sequence of str
        Utterances that have one.
    results : Results
        The journal's.
    """

    def __init__(self, names: Sequence[str], results: Results) -> None:
        self._names = dict.fromkeys(names)
        self._results = results

    def __getitem__(self, utterance_id: str) -> Alignment:
        if utterance_id not in self._names:
            raise KeyError(utterance_id)
        return from_record(self._results[utterance_id])

    def __contains__(self, utterance_id: object) -> bool:
        return utterance_id in self._names

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)


def _read_given(recording: Recording, path: Path) -> tuple[Alignment, list[str]]:
    """A corpus's own alignment, clamped to its audio, and what is odd about it."""
    from stressnet.alignment.validation import fit_to_audio, overhang_s

    alignment = read_given(recording, path)
    try:
        fitted = fit_to_audio(alignment, recording.duration_s)
    except AlignmentError as error:
        raise AlignmentError(f"{path}: {error}") from error
    over_s = overhang_s(alignment, recording.duration_s)
    if over_s <= _NO_NEWS_S:
        return fitted, []
    return fitted, [
        f"{path}: ends {1000 * over_s:.0f} ms past the audio ({recording.duration_s:.3f} s); cut "
        f"off there"
    ]


def read_given(recording: Recording, path: Path) -> Alignment:
    """The alignment that came with a recording, as it stands.

    Raises
    ------
    AlignmentError
        If it cannot be read.
    """
    from stressnet.alignment.readers import read_alignment

    name = recording.alignment_id or recording.utterance_id
    how: Any = {"format": recording.alignment_format, "utterance_id": name}
    if recording.voice is not None:
        return read_alignment(path, **how, speaker=recording.voice)
    try:
        return read_alignment(path, **how)
    except AlignmentError as error:
        try:  # several speakers' tiers in one file: take this speaker's
            return read_alignment(path, **how, speaker=recording.speaker)
        except AlignmentError:
            raise error from None


def unpronounceable(recording: Recording, dictionary: Dictionary) -> str | None:
    """The reason why a recording's words cannot be aligned; None if all have a pronunciation."""
    for word in recording.words:
        reason = _reason(word, dictionary)
        if reason:
            return (
                f"{recording.audio_path}: {reason}; spell the word out in the transcript or add it "
                f"with --dictionary"
            )
    return None


@lru_cache(maxsize=1 << 16)
def _reason(word: str, dictionary: Dictionary) -> str | None:
    try:
        dictionary.pronounce(word)
    except LexiconError as error:
        return str(error)
    return None


def _pronounceable(
    recordings: list[Recording], dictionary: Dictionary, problems: list[Problem]
) -> list[Recording]:
    """Recordings whose words all have a pronunciation; others become problems."""
    kept = []
    for recording in recordings:
        reason = unpronounceable(recording, dictionary)
        if reason is None:
            kept.append(recording)
        else:
            problems.append(Problem(recording.utterance_id, "align", Severity.ERROR, reason))
    return kept


def _unaligned(record: Mapping[str, Any] | None) -> bool:
    """Whether an utterance still waits for the aligner."""
    return record is None or "words_only" in record


def _to_align(
    recordings: Sequence[Recording], journal: Journal, problems: list[Problem]
) -> list[Recording]:
    """Recordings without phones of their own; words that came without phones are transcripts."""
    todo, words_only = [], []
    for recording in recordings:
        if recording.alignment_path is None:
            todo.append(recording)
        elif words := journal.first(recording.utterance_id).get("words_only"):
            words_only.append(recording)
            todo.append(replace(recording, words=tuple(words), alignment_path=None))
    if words_only:
        problems.append(
            Problem(
                words_only[0].utterance_id,
                "align",
                Severity.WARNING,
                f"{words_only[0].alignment_path}: holds words without phones, as do the alignments "
                f"of {len(words_only)} recordings in all; their words were taken as transcripts "
                f"and aligned anew",
            )
        )
    return todo


def _aligner(name: str, problems: list[Problem]) -> Aligner:
    """An aligner; that a lesser one had to do is a row of the failure table."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        aligner = get_aligner(name)
    problems += [Problem("", "align", Severity.WARNING, str(warning.message)) for warning in caught]
    return aligner


def align(folder: RunFolder, found: Scan, config: BuildConfig) -> Alignments:
    """Alignments of all recordings: the corpus's own where given, else an aligner's.

    Returns
    -------
    Alignments
        Utterance id to alignment, in the order of the scan; failures become problems of the folder.
    """
    dictionary = load_dictionary(config.dictionary)
    problems = folder.problems
    with (
        folder.journal("alignments") as journal,
        folder.progress.stage("align", len(found.recordings), "utt") as bar,
    ):
        bar.update(len(journal.done))
        for recording in found.recordings:
            if recording.alignment_path is None or recording.utterance_id in journal.done:
                continue
            try:
                given, warnings_ = _read_given(recording, recording.alignment_path)
            except (AlignmentError, MissingPartError) as error:
                journal.add(recording.utterance_id, {"failure": str(error)})
            else:
                if given.spoken_words() and not given.phones:
                    if recording.voice:
                        text = (
                            f"{recording.alignment_path}: words of several speakers without phones "
                            f"cannot be aligned apart; add phone tiers"
                        )
                        journal.add(recording.utterance_id, {"failure": text})
                        continue
                    words = words_of(given)
                    journal.add(recording.utterance_id, {"words_only": words})
                    continue
                journal.add(recording.utterance_id, to_record(given) | {"warnings": warnings_})
            bar.update()
        todo = _to_align(found.recordings, journal, problems)
        todo = _pronounceable(todo, dictionary, problems)
        # The aligner learns from the whole corpus, so it must see all of it even when only a few
        # utterances are missing: otherwise a resumed run would differ from a straight one.
        if any(_unaligned(journal.done.get(r.utterance_id)) for r in todo):
            utterances = [
                Utterance(r.utterance_id, r.speaker, r.audio_path, r.words, r.channel) for r in todo
            ]
            aligner = _aligner(config.aligner, problems)
            for utterance_id, result in aligner.align(
                utterances, dictionary.pronounce, jobs=folder.work.jobs, seed=config.seed
            ):
                if not _unaligned(journal.done.get(utterance_id)):
                    continue
                if isinstance(result, AlignmentFailure):
                    journal.add(utterance_id, {"failure": result.detail})
                elif not result.phones:
                    text = (
                        f"{utterance_id}: the aligner finds words only; use one that finds phones"
                    )
                    journal.add(utterance_id, {"failure": text})
                else:
                    journal.add(utterance_id, to_record(result))
                bar.update()
        done = journal.done
    aligned: list[str] = []
    for recording in found.recordings:
        record = done.get(recording.utterance_id)
        if record is None or "words_only" in record:
            continue
        problems += [
            Problem(recording.utterance_id, "align", Severity.WARNING, text)
            for text in record.get("warnings", ())
        ]
        if "failure" in record:
            problems.append(
                Problem(recording.utterance_id, "align", Severity.ERROR, record["failure"])
            )
        else:
            aligned.append(recording.utterance_id)
    return Alignments(aligned, done)
