"""What is wrong with recordings, their alignments and words, as a build would meet it."""

from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path

from stressnet.alignment.validation import findings
from stressnet.corpus.building.expect import Expected
from stressnet.corpus.building.given import Given, read_given, use_given, words_only_text
from stressnet.corpus.building.request import unused_labels
from stressnet.corpus.changes import warnings_of
from stressnet.corpus.labels import idle_labels, labels_by_utterance
from stressnet.corpus.scan import Recording, Scan
from stressnet.corpus.sound_check import Sound, check_sound
from stressnet.corpus.written import Change
from stressnet.errors import AlignmentError, CorpusError, MissingPartError
from stressnet.lexicon.contrast import ORDINARY, Wanted
from stressnet.lexicon.dictionary import Dictionary
from stressnet.runs.problems import Problem, Severity


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table: a problem, the utterance it is in, and where in the recording.

    With the ``severity`` ``error`` the build loses the recording or some of its words; with
    ``warning`` it copes. ``tier`` is ``words`` or ``phones``, or ``file`` for the whole recording.
    """

    item: str
    severity: str
    tier: str
    time_s: float | None
    label: str
    problem: str


@dataclass
class RecordingChecks:
    """Checks recordings one after the other.

    ``function_words`` are no tokens (None: the usual ones); ``samples`` says whether the sound is
    read. ``rows`` are what is wrong, ``expected`` what a build would find, and ``changes`` how
    words of alignments are read otherwise than they stand there, by utterance.
    """

    found: Scan
    dictionary: Dictionary
    function_words: frozenset[str] | None
    samples: bool
    wanted: Wanted = ORDINARY
    rows: list[Row] = field(default_factory=list)
    expected: Expected = field(init=False)
    changes: dict[str, tuple[Change, ...]] = field(default_factory=dict)
    n_aligned: int = 0
    _words_only: list[Recording] = field(default_factory=list)
    _heard: dict[tuple[Path, int | None], Sound] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.expected = Expected(self.wanted)
        self._labels = labels_by_utterance(self.found.labels)
        self._note([*self.found.problems, *unused_labels(self.found)])

    def add(self, recording: Recording) -> None:
        """Check a recording, its alignment and its words."""
        name, path = recording.utterance_id, recording.alignment_path
        sound = (recording.audio_path, recording.channel)
        is_first = sound not in self._heard
        if is_first:
            self._heard[sound] = check_sound(*sound) if self.samples else Sound()
        of_sound = self._heard[sound].findings
        lost = [(s, text) for s, text in of_sound if s == Severity.ERROR]
        self.rows += [_file_row(name, s, text) for s, text in (of_sound if is_first else lost)]
        recording = replace(recording, speech_s=self._heard[sound].speech_s)
        given = None
        if path is not None:
            self.n_aligned += 1
            given, own_rows = _alignment_rows(recording, path)
            self.rows += own_rows
        if not lost and (path is None or given is not None):
            labels = self._labels.get(name, {})
            try:
                given = self.expected.add(
                    recording, given, self.dictionary, labels, self.function_words
                )
            except (AlignmentError, CorpusError) as error:
                if not any(r.item == name and r.severity == "error" for r in self.rows):
                    self.rows.append(_file_row(name, Severity.ERROR, str(error)))
        if given is not None:
            if path is not None and given.changes:
                self.changes[name] = given.changes
            self.rows += [_file_row(name, Severity.WARNING, text) for text in given.warnings]
            if path is not None and given.alignment is None and not given.is_told:
                self._words_only.append(recording)

    def finish(self, convention: str) -> None:
        """Add what only all recordings together show; how words are written is the recipe's."""
        only = self._words_only
        if only:
            item = only[0].utterance_id
            self.rows.append(_file_row(item, Severity.WARNING, words_only_text(only)))
        self._note(warnings_of(self.changes, convention))
        self._note(idle_labels(self.found.labels, self.expected.never))
        texts = self.expected.language_warnings
        self.rows += [_file_row("", Severity.WARNING, text) for text in texts]

    def _note(self, problems: Iterable[Problem]) -> None:
        self.rows += [_file_row(p.item, p.severity, p.reason) for p in problems]


def _file_row(item: str, severity: str, text: str) -> Row:
    return Row(item, str(severity), "file", None, "", text)


def _alignment_rows(recording: Recording, path: Path) -> tuple[Given | None, list[Row]]:
    """What a build makes of an alignment, if it can be used, and what is wrong with it."""
    name = recording.utterance_id
    given, rows, refusal = None, [], ""
    try:
        given = use_given(recording, path)
    except (AlignmentError, MissingPartError) as error:
        refusal = str(error)
    if refusal or (given and given.alignment):
        with suppress(AlignmentError, MissingPartError):
            found = findings(read_given(recording, path), recording.duration_s)
            rows += [
                Row(name, Severity.ERROR.value, f.tier, f.time_s, f.label, f.problem)
                for f in sorted(found, key=lambda f: f.time_s)
            ]
    if refusal and not rows:
        rows.append(_file_row(name, Severity.ERROR, refusal))
    return given, rows
