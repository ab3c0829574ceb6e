"""Stage *align*: the corpus's own alignments, or an aligner's."""

from __future__ import annotations

import tempfile
import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, astuple
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stressnet.alignment.aligner import Aligner, AlignmentFailure, Utterance
from stressnet.alignment.choose import get_aligner
from stressnet.audio import read_stretches, write_flac
from stressnet.corpus.building.given import (
    Given,
    left_out,
    pronounceable,
    speakable,
    use_given,
    words_only_text,
)
from stressnet.corpus.building.stretches import Stretch, joined
from stressnet.corpus.scan import Recording, Scan
from stressnet.corpus.written import Change
from stressnet.errors import AlignmentError, AudioError, MissingPartError
from stressnet.intervals import Alignment, Interval
from stressnet.lexicon.dictionary import Dictionary, load_dictionary
from stressnet.runs.folder import RunFolder
from stressnet.runs.journal import Journal, Results
from stressnet.runs.problems import Problem, Severity, warnings_about

if TYPE_CHECKING:
    from stressnet.stages.build_corpus import BuildConfig


def to_record(alignment: Alignment) -> dict[str, Any]:
    """An alignment as JSON."""
    return {
        "words": list(map(astuple, alignment.words)),
        "phones": list(map(astuple, alignment.phones)),
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

    `changes` holds, by utterance, what is not read as the text of its alignment has it.
    """

    def __init__(
        self, names: Sequence[str], results: Results, changes: Mapping[str, tuple[Change, ...]]
    ) -> None:
        self._names, self._results, self.changes = dict.fromkeys(names), results, changes

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


def _unaligned(record: Mapping[str, Any] | None) -> bool:
    """Whether an utterance still waits for the aligner."""
    return record is None or "words_only" in record


def _waiting(given: Given) -> dict[str, Any]:
    """Words that came without phones, as JSON; see `_given`."""
    return {
        "words_only": given.words,
        "stretches": list(map(astuple, given.stretches)),
        "noises": given.noises,
        "warnings": given.warnings,
        "is_told": given.is_told,
        "changes": [asdict(change) for change in given.changes],
    }


def _given(record: Mapping[str, Any]) -> Given:
    stretches = (
        Stretch(start_s, end_s, tuple(words), tuple((a, b, n) for a, b, n in kept), tuple(noises))
        for start_s, end_s, words, kept, noises in record.get("stretches", ())
    )
    return Given(
        None,
        tuple(record["words_only"]),
        tuple(stretches),
        tuple(record.get("warnings", ())),
        record.get("is_told", False),
        tuple(Change(**change) for change in record.get("changes", ())),
        tuple(record.get("noises", ())),
    )


def _to_align(
    recordings: Sequence[Recording],
    journal: Journal,
    dictionary: Dictionary,
    problems: list[Problem],
) -> list[tuple[Recording, Given]]:
    """Recordings without phones of their own, and what is known of their words."""
    todo, words_only = [], []
    for recording in recordings:
        given = Given(None, recording.words, noises=recording.noises)
        if recording.alignment_path is not None:
            record = journal.first(recording.utterance_id)
            if "words_only" not in record:
                continue
            given = _given(record)
            if not given.is_told:
                words_only.append(recording)
        name = recording.utterance_id
        try:
            given = speakable(recording, pronounceable(recording, given, dictionary), dictionary)
            todo.append((recording, given))
        except AlignmentError as error:
            problems.append(Problem(name, "align", Severity.ERROR, str(error)))
        problems += warnings_about(name, "align", given.warnings)
    if words_only:
        text = words_only_text(words_only)
        problems += warnings_about(words_only[0].utterance_id, "align", [text])
    return todo


def utterances_of(
    todo: Sequence[tuple[Recording, Given]], folder: Path
) -> Iterator[tuple[Recording, Given, list[Utterance | AlignmentFailure]]]:
    """What to align of each recording: all of it, or its stretches, cut out into a folder."""
    for number, (r, given) in enumerate(todo):
        whole = Utterance(
            r.utterance_id, r.speaker, r.audio_path, given.words, r.channel, given.noises
        )
        if not given.stretches:
            yield r, given, [whole]
            continue
        spans_s = [(stretch.start_s, stretch.end_s) for stretch in given.stretches]
        try:
            sounds, _ = read_stretches(r.audio_path, spans_s, channel=r.channel)
        except AudioError as error:
            yield r, given, [whole.unreadable(error)] * len(spans_s)
            continue
        parts: list[Utterance | AlignmentFailure] = []
        for k, (stretch, sound) in enumerate(zip(given.stretches, sounds, strict=True)):
            path = folder / f"{number:06d}-{k:06d}.flac"
            write_flac(path, sound)
            name = f"{r.utterance_id}/{k}"
            parts.append(Utterance(name, r.speaker, path, stretch.words, None, stretch.noises))
        yield r, given, parts


def record_of(
    recording: Recording, given: Given, results: Sequence[Alignment | AlignmentFailure]
) -> dict[str, Any]:
    """What the journal says of a recording after the aligner has seen it or its stretches."""
    if any(isinstance(result, Alignment) and not result.phones for result in results):
        text = f"{recording.utterance_id}: the aligner finds words only; use one that finds phones"
        return {"failure": text}
    if not given.stretches:
        (whole,) = results
        if isinstance(whole, AlignmentFailure):
            return {"failure": whole.detail}
        return to_record(whole)
    failed = [
        left_out(recording, stretch, result.reason, "check that they are said there")
        for stretch, result in zip(given.stretches, results, strict=True)
        if isinstance(result, AlignmentFailure)
    ]
    if len(failed) == len(results):
        more = f" (and {len(failed) - 1} more such stretches)" if len(failed) > 1 else ""
        return {"failure": failed[0] + more}
    alignments = [None if isinstance(r, AlignmentFailure) else r for r in results]
    alignment, n_far = joined(given.stretches, alignments)
    if n_far:
        failed.append(
            f"{recording.alignment_path}: {n_far} of {len(alignment.words)} words begin or end "
            f"more than 0.1 s from where the aligner hears them; their times were kept, check some"
        )
    return to_record(alignment) | {"warnings": failed}


def _spoken(parts: Sequence[Utterance | AlignmentFailure]) -> Iterator[Utterance]:
    return (u for u in parts if isinstance(u, Utterance))


def _aligner(name: str, code: str, problems: list[Problem]) -> Aligner:
    """An aligner; that a lesser one had to do is a row of the failure table."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        aligner = get_aligner(name, code)
    problems += warnings_about("", "align", [str(warning.message) for warning in caught])
    return aligner


def align(folder: RunFolder, found: Scan, config: BuildConfig) -> Alignments:
    """Alignments of all recordings, in order: the corpus's own where given, else an aligner's."""
    dictionary = load_dictionary(config.dictionary, config.code)
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
                given = use_given(recording, recording.alignment_path)
            except (AlignmentError, MissingPartError) as error:
                journal.add(recording.utterance_id, {"failure": str(error)})
            else:
                if given.alignment is None:
                    journal.add(recording.utterance_id, _waiting(given))
                    continue
                aligned_ = to_record(given.alignment) | {"warnings": given.warnings}
                journal.add(recording.utterance_id, aligned_)
            bar.update()
        todo = _to_align(found.recordings, journal, dictionary, problems)
        left = {r.utterance_id for r, _ in todo if _unaligned(journal.done.get(r.utterance_id))}
        if left:
            aligner = _aligner(config.aligner, dictionary.language.code, problems)
            # Beside the journals, where the workers of a cluster see it, too.
            with (
                tempfile.TemporaryDirectory(dir=folder.state) as temporary,
                folder.journal("first_pass") as notes,
            ):
                asked = list(utterances_of(todo, Path(temporary)))
                heard = {r.utterance_id: [*_spoken(parts)] for r, _, parts in asked}
                # The aligner learns from the whole corpus, so it is given all of it even when only
                # a few are missing: otherwise a resumed run would differ from a straight one.
                results = aligner.align(
                    [u for utterances in heard.values() for u in utterances],
                    dictionary.pronounce,
                    jobs=folder.work.jobs,
                    seed=config.seed,
                    executor=folder.work.executor,
                    journal=notes,
                    progress=folder.progress,
                    done={u.utterance_id for r in heard.keys() - left for u in heard[r]},
                )
                for recording, given, parts in asked:
                    if recording.utterance_id in left:
                        own = [next(results)[1] if isinstance(u, Utterance) else u for u in parts]
                        journal.add(recording.utterance_id, record_of(recording, given, own))
                        bar.update()
        done = journal.done
    aligned: list[str] = []
    for recording in found.recordings:
        name = recording.utterance_id
        record = done.get(name)
        if record is None or "words_only" in record:
            continue
        problems += warnings_about(name, "align", record.get("warnings", ()))
        if "failure" in record:
            problems.append(Problem(name, "align", Severity.ERROR, record["failure"]))
        else:
            aligned.append(name)
    changes = {r.utterance_id: given.changes for r, given in todo if given.changes}
    return Alignments(aligned, done, changes)
