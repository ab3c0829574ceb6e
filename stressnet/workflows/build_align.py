"""Stage *align*: the corpus's own alignments, or an aligner's."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stressnet.alignment.aligner import Aligner, AlignmentFailure, Utterance
from stressnet.alignment.choose import get_aligner
from stressnet.corpus.scan import Recording, Scan
from stressnet.errors import AlignmentError, LexiconError
from stressnet.intervals import Alignment, Interval
from stressnet.lexicon.dictionary import Dictionary, load_dictionary
from stressnet.problems import Problem, Severity
from stressnet.progress import Progress
from stressnet.workflows.journal import Journal

if TYPE_CHECKING:
    from stressnet.workflows.build import BuildConfig

STATE_FILE = Path("state") / "alignments.jsonl"


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


def _read_given(recording: Recording, path: Path) -> Alignment:
    """A corpus's own alignment, clamped to its audio."""
    from stressnet.alignment.textgrid import read_textgrid
    from stressnet.alignment.validation import fit_to_audio

    try:
        alignment = read_textgrid(path)
    except AlignmentError as error:
        try:  # several speakers' tiers in one file: take this speaker's
            alignment = read_textgrid(path, recording.speaker)
        except AlignmentError:
            raise error from None
    try:
        return fit_to_audio(alignment, recording.duration_s)
    except AlignmentError as error:
        raise AlignmentError(f"{path}: {error}") from error


def _pronounceable(
    recordings: list[Recording], dictionary: Dictionary, problems: list[Problem]
) -> list[Recording]:
    """Recordings whose words all have a pronunciation; others become problems."""
    trouble: dict[str, str | None] = {}
    kept = []
    for recording in recordings:
        reasons = []
        for word in recording.words:
            if word not in trouble:
                try:
                    dictionary.pronounce(word)
                    trouble[word] = None
                except LexiconError as error:
                    trouble[word] = str(error)
            reasons += [trouble[word]] if trouble[word] else []
        if not reasons:
            kept.append(recording)
            continue
        problems.append(
            Problem(
                recording.utterance_id,
                "align",
                Severity.ERROR,
                f"{recording.audio_path}: {reasons[0]}; spell the word out in the transcript or "
                f"add it with --dictionary",
            )
        )
    return kept


def _aligner(name: str, problems: list[Problem]) -> Aligner:
    """An aligner; that a lesser one had to do is a row of the failure table."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        aligner = get_aligner(name)
    problems += [Problem("", "align", Severity.WARNING, str(warning.message)) for warning in caught]
    return aligner


def align(
    out: Path,
    found: Scan,
    config: BuildConfig,
    *,
    jobs: int,
    progress: Progress,
    problems: list[Problem],
) -> dict[str, Alignment]:
    """Alignments of all recordings: the corpus's own where given, else an aligner's.

    Returns
    -------
    dict
        Utterance id to alignment, in the order of the scan; failures are added to ``problems``.
    """
    dictionary = load_dictionary(config.dictionary)
    with (
        Journal(out / STATE_FILE) as journal,
        progress.stage("align", len(found.recordings), "utt") as bar,
    ):
        bar.update(len(journal.done))
        for recording in found.recordings:
            if recording.alignment_path is None or recording.utterance_id in journal.done:
                continue
            try:
                given = _read_given(recording, recording.alignment_path)
                journal.add(recording.utterance_id, to_record(given))
            except AlignmentError as error:
                journal.add(recording.utterance_id, {"failure": str(error)})
            bar.update()
        todo = [r for r in found.recordings if r.alignment_path is None]
        todo = _pronounceable(todo, dictionary, problems)
        # The aligner learns from the whole corpus, so it must see all of it even when only a few
        # utterances are missing: otherwise a resumed run would differ from a straight one.
        if any(r.utterance_id not in journal.done for r in todo):
            utterances = [Utterance(r.utterance_id, r.speaker, r.audio_path, r.words) for r in todo]
            aligner = _aligner(config.aligner, problems)
            for utterance_id, result in aligner.align(
                utterances, dictionary.pronounce, jobs=jobs, seed=config.seed
            ):
                if utterance_id in journal.done:
                    continue
                if isinstance(result, AlignmentFailure):
                    journal.add(utterance_id, {"failure": result.detail})
                else:
                    journal.add(utterance_id, to_record(result))
                bar.update()
        done = dict(journal.done)
    aligned: dict[str, Alignment] = {}
    for recording in found.recordings:
        record = done.get(recording.utterance_id)
        if record is None:
            continue
        if "failure" in record:
            problems.append(
                Problem(recording.utterance_id, "align", Severity.ERROR, record["failure"])
            )
        else:
            aligned[recording.utterance_id] = from_record(record)
    return aligned
