"""Look through a folder with a recipe: which recordings are there, who speaks, what is said."""

import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Self

from stressnet.alignment.readers import detect_format, files_of, voices_of
from stressnet.audio import audio_facts, check_channel, check_rate
from stressnet.corpus.changes import warnings_of
from stressnet.corpus.given_alignments import given_alignment
from stressnet.corpus.labels import EVERY_WORD, Labels, StressLabel, with_table
from stressnet.corpus.passed_over import passed_over, without_lossy_copies
from stressnet.corpus.recipe import Recipe, find_audio
from stressnet.corpus.speakers import (
    SEXES,
    Candidate,
    People,
    examples,
    from_listed_folders,
    make_unique,
    one_name_many_folders,
    read_speakers,
    unmatched,
)
from stressnet.corpus.transcripts import Transcripts, _nfc
from stressnet.corpus.written import Change, Normaliser, Reading
from stressnet.errors import (
    AlignmentError,
    AudioError,
    CorpusError,
    MissingPartError,
    TranscriptError,
)
from stressnet.languages import Language, language
from stressnet.lexicon.contrast import Contrast
from stressnet.runs.problems import Problem, Severity

_NUMBERED = re.compile(r"(?:speaker|spkr?|s|channel|ch)?[ _-]*\d+", re.IGNORECASE)
"""Speakers as programs number them in each file anew."""

_TEXTS = (".txt", ".lab")  # Endings of alignments that are no transcripts besides
_CHANNELS = {"A": 1, "B": 2, "1": 1, "2": 2}  # Channels of a CTM file as channels of the sound


@dataclass(frozen=True)
class Recording:
    """One utterance as found on disk."""

    utterance_id: str
    speaker: str
    sex: str  # `"female"`, `"male"` or `""`
    audio_path: Path
    # Transcript in upper case; empty if an alignment that came with the corpus takes its place.
    words: tuple[str, ...]
    alignment_path: Path | None
    duration_s: float
    # How `alignment_path` is to be read; see `stressnet.alignment.readers`.
    alignment_format: str = "auto"
    alignment_id: str = ""  # The recording's name in an alignment of many
    # Speaker (in a CTM file, channel) whose words to take of an alignment with several; the same
    # sound is then that of several recordings, one per speaker.
    voice: str | None = None
    channel: int | None = None  # The channel of the sound, counted from 1; None for the mean of all
    # A transcript that is there beside an alignment, in case that cannot be used.
    transcript: Reading | None = None
    # Numbers of the words before which something sounds that is no word; see `Reading`.
    noises: tuple[int, ...] = ()
    normaliser: Normaliser = field(default_factory=Normaliser)  # How text in the alignment is read
    # How long somebody speaks, at least and at most, in seconds; None before that is measured.
    speech_s: tuple[float, float] | None = None

    @property
    def language(self) -> Language:
        """Of the speech."""
        return language(self.normaliser.language)


@dataclass(frozen=True)
class Scan:
    """What a folder holds: usable recordings, problems, and the user's stress labels."""

    recordings: tuple[Recording, ...]
    problems: tuple[Problem, ...]
    labels: Labels = field(default_factory=dict)
    changes: Mapping[str, tuple[Change, ...]] = field(default_factory=dict)

    def with_labels(self, path: Path | None, contrast: Contrast) -> Self:
        """The same with the decisions of a further table, if there is one, which win."""
        if path is None:
            return self
        voices = {recording.utterance_id: recording.speaker for recording in self.recordings}
        return replace(self, labels=with_table(self.labels, path, contrast, voices))


def _candidate(recipe: Recipe, root: Path, path: Path, fields: dict[str, str]) -> Candidate:
    """A recording with the names that the recipe gives it and its speaker."""
    name = _nfc(recipe.utterance_id.format(**fields))
    fields.setdefault("utterance", name)
    speaker = recipe.speaker_constant or _nfc(recipe.speaker_name.format(**fields))
    parts = tuple(_nfc(part) for part in path.parent.relative_to(root).parts)
    return Candidate(path, parts, fields, name, speaker)


def _reading(transcripts: Transcripts, candidate: Candidate) -> Reading:
    """The transcript of a recording, by the id that was made for it or by its name."""
    if candidate.utterance_id != candidate.name:
        with suppress(TranscriptError):
            fields = {**candidate.fields, "utterance": candidate.utterance_id}
            return transcripts.find(fields, candidate.path.parent)
    return transcripts.find(candidate.fields, candidate.path.parent)


def _voices(recording: Recording, people: People) -> list[Recording]:
    """A recording of several speakers as one recording per speaker; see `Recording.voice`."""
    path, format = recording.alignment_path, recording.alignment_format
    if path is None:
        return [recording]
    try:
        voices = voices_of(path, recording.alignment_id, format)
        by_channel = "ctm" in (format, detect_format(path) if format == "auto" else "")
    except (AlignmentError, MissingPartError):
        return [recording]  # reported when it is read
    found = []
    for voice in voices:
        own = f"{recording.utterance_id}_{voice}"
        if by_channel or _NUMBERED.fullmatch(voice):
            speaker = own  # somebody else in the next file
        elif format == "chat":  # CHI, MOT
            speaker = people.name(f"{recording.speaker}_{voice}")
        else:
            speaker = people.name(voice or recording.speaker)
        is_owner = not voice or speaker == recording.speaker
        found.append(
            replace(
                recording,
                utterance_id=recording.utterance_id if is_owner else own,
                speaker=speaker,
                voice=voice,
                channel=recording.channel or (_CHANNELS.get(voice) if by_channel else None),
                transcript=None,
            )
        )
    return found or [recording]


@dataclass
class _Found:
    """What the scan has gathered so far."""

    recordings: dict[str, Recording] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)
    passed: dict[str, list[tuple[str, str]]] = field(default_factory=dict)
    claims: dict[tuple[Path, str], list[str]] = field(default_factory=dict)
    changes: dict[str, tuple[Change, ...]] = field(default_factory=dict)

    def problem(self, item: str, severity: Severity, reason: str) -> None:
        self.problems.append(Problem(item, "scan", severity, reason))

    def add(self, recording: Recording) -> None:
        first = self.recordings.get(recording.utterance_id)
        if first is None:
            self.recordings[recording.utterance_id] = recording
            return
        text = (
            f"{recording.audio_path}: second recording with the id '{recording.utterance_id}' "
            f"(first: {first.audio_path}); rename one"
        )
        self.problem(recording.utterance_id, Severity.ERROR, text)

    def tell_of_passed(self) -> None:
        """Say which files beside recordings are no alignments, those of a kind together."""
        for several in self.passed.values():
            utterance_id, text = several[0]
            more = f", as are {len(several) - 1} more of its kind" if len(several) > 1 else ""
            self.problem(utterance_id, Severity.WARNING, f"{text}; passed over{more}")

    def tell_of_voices(self) -> None:
        """Say that recordings of several speakers became one recording per speaker."""
        several = [r for r in self.recordings.values() if r.voice is not None]
        if several:
            path = several[0].audio_path
            here = [r for r in several if r.audio_path == path]
            self.problem(
                several[0].alignment_id,
                Severity.WARNING,
                f"{path}: {len(here)} speakers ({examples(r.speaker for r in here)}), as in "
                f"{len({r.audio_path for r in several})} files in all; each speaker's words are "
                f"taken, under ids such as {examples(r.utterance_id for r in here)}",
            )

    def keep(self, speakers: Sequence[str]) -> None:
        """Leave out everybody else."""
        if not speakers:
            return
        wanted = {name.casefold() for name in speakers}
        there = sorted({r.speaker for r in self.recordings.values()})
        if missing := wanted - {name.casefold() for name in there}:
            raise CorpusError(
                f"--speaker {min(missing)}: nobody is called so; the recordings have "
                f"{examples(there)}"
            )
        self.recordings = {
            name: r for name, r in self.recordings.items() if r.speaker.casefold() in wanted
        }

    def refuse_shared_alignments(self) -> None:
        """Leave out recordings of one name that would share one alignment."""
        for (path, name), ids in self.claims.items():
            if len(set(ids)) < 2:
                continue
            for utterance_id in ids:
                if self.recordings.pop(utterance_id, None) is None:
                    continue
                self.problem(
                    utterance_id,
                    Severity.ERROR,
                    f"{path}: '{name}' may be any of {examples(ids)}; call the recordings by these "
                    f"ids in it, or keep an alignment beside each recording",
                )


def scan(
    recipe: Recipe, root: Path, *, speakers: Sequence[str] = (), channel: int | None = None
) -> Scan:
    """Find the recordings of a corpus in a folder.

    Only these ``speakers`` are taken, in any case; empty for everybody. ``channel`` is that of the
    sound, counted from 1, instead of the recipe's.
    """
    if not root.is_dir():
        raise CorpusError(f"{root}: no such folder; check the path")
    if channel is not None:
        recipe = replace(recipe, channel=channel)
    table = read_speakers(root, recipe.speaker_tables)
    candidates = without_lossy_copies(
        [_candidate(recipe, root, path, fields) for path, fields in find_audio(recipe, root)]
    )
    if not candidates:
        raise CorpusError(
            f"{root}: no audio that recipe '{recipe.name}' recognises "
            f"({', '.join(recipe.audio_patterns)}); check the folder or choose another recipe"
        )
    transcripts = Transcripts(
        recipe.transcripts, root, ignore_case=recipe.ignore_case, normaliser=recipe.reading
    )
    found = _Found(problems=list(table.problems))
    if recipe.speaker_constant is None and recipe.speaker_name == "{speaker}":
        found.problems += from_listed_folders(candidates, table)
    found.problems += make_unique(candidates)
    if recipe.speaker_constant is None and recipe.speaker_name == "{speaker}":
        found.problems += one_name_many_folders(candidates, table)
    people = People()
    for name in (*(candidate.speaker for candidate in candidates), *table.sexes):
        people.name(name)
    for candidate in candidates:
        try:
            recordings = _recordings_of(candidate, recipe, root, transcripts, people, found)
        except (AudioError, TranscriptError) as error:
            found.problem(candidate.utterance_id, Severity.ERROR, str(error))
            continue
        for recording in recordings:
            sex = (recipe.sex_constant or "").format(**candidate.fields)
            found.add(
                replace(recording, sex=table.sex(recording.speaker, SEXES.get(sex.lower(), sex)))
            )
    found.refuse_shared_alignments()
    found.tell_of_voices()
    found.tell_of_passed()
    found.problems += warnings_of(found.changes, recipe.reading.convention)
    found.keep(speakers)
    used = {
        file
        for recording in found.recordings.values()
        if recording.alignment_path is not None
        for file in files_of(recording.alignment_path, recording.alignment_format)
    }
    found.problems += passed_over(recipe, root, candidates, used)
    found.problems += unmatched(table, (r.speaker for r in found.recordings.values()))
    labels: dict[tuple[str, int], StressLabel] = {}
    voices = {name: recording.speaker for name, recording in found.recordings.items()}
    for table_ in recipe.label_tables:
        if table_.folder:
            of_folder = StressLabel.of_every_word(table_.value, table_.tells, table_.folder)
            for name, recording in found.recordings.items():
                if table_.folder in recording.audio_path.relative_to(root).parts:
                    labels[name, EVERY_WORD] = of_folder
        elif (root / table_.file).is_file():
            labels = with_table(labels, root / table_.file, table_.tells, voices)
    changes = {name: c for name, c in found.changes.items() if name in found.recordings}
    return Scan(tuple(found.recordings.values()), tuple(found.problems), labels, changes)


def _recordings_of(
    candidate: Candidate,
    recipe: Recipe,
    root: Path,
    transcripts: Transcripts,
    people: People,
    found: _Found,
) -> list[Recording]:
    """What one file holds: a recording, or one per speaker; an error if it cannot be used."""
    path, utterance_id = candidate.path, candidate.utterance_id
    if utterance_id in found.recordings:
        return [Recording(utterance_id, candidate.speaker, "", path, (), None, 0.0)]
    given, passed = given_alignment(recipe, candidate, root)
    facts = audio_facts(path)
    check_rate(path, facts.rate_hz)
    check_channel(path, facts.channels, recipe.channel)
    try:
        reading = Reading(()) if given else _reading(transcripts, candidate)
    except TranscriptError as error:
        raise TranscriptError("; ".join([str(error), *passed])) from error
    if reading.changes:
        found.changes[utterance_id] = reading.changes
    for text in passed:
        found.passed.setdefault(text.partition(": ")[2], []).append((utterance_id, text))
    transcript = None
    if given and given.path.suffix.lower() not in _TEXTS:
        with suppress(TranscriptError):
            transcript = _reading(transcripts, candidate)
    convention = recipe.reading.convention
    if given and given.format == "fave" and convention == "plain":
        convention = "fave"
    recording = Recording(
        utterance_id=utterance_id,
        speaker=candidate.speaker,
        sex="",
        audio_path=path,
        words=reading.words,
        noises=reading.noises,
        alignment_path=given.path if given else None,
        duration_s=facts.duration_s,
        alignment_format=given.format if given else "auto",
        alignment_id=given.utterance_id if given else "",
        channel=recipe.channel,
        transcript=transcript,
        normaliser=replace(recipe.reading, convention=convention),
    )
    if given and utterance_id != candidate.name:
        found.claims.setdefault((given.path, given.utterance_id), []).append(utterance_id)
    recordings = _voices(recording, people)
    if facts.channels > 1 and any(r.channel is None for r in recordings):
        found.problem(
            utterance_id,
            Severity.WARNING,
            f"{path}: {facts.channels} channels, averaged to one; if only one holds the speaker, "
            f"choose it with --channel or extract it first",
        )
    if facts.channels == 1:  # of a CTM's two, for instance
        recordings = [replace(r, channel=None) for r in recordings]
    return recordings
