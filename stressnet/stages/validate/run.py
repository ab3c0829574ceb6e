"""What is wrong with recordings and alignments; nothing is changed."""

from __future__ import annotations

import csv
from collections import Counter
from contextlib import suppress
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path

from stressnet.alignment.validation import findings
from stressnet.corpus.building.expect import Expected, expected_text
from stressnet.corpus.building.given import Given, read_given, use_given, words_only_text
from stressnet.corpus.building.listen import SoundKey
from stressnet.corpus.building.request import unused_labels
from stressnet.corpus.changes import count_changes, counts_text, warnings_of
from stressnet.corpus.labels import idle_labels, labels_by_utterance, read_labels
from stressnet.corpus.layouts import layouts_of
from stressnet.corpus.recipe import load_recipe
from stressnet.corpus.scan import Recording, scan
from stressnet.corpus.sound_check import Sound, check_sound
from stressnet.corpus.written import Change
from stressnet.errors import AlignmentError, CorpusError, MissingPartError
from stressnet.lexicon.dictionary import load_dictionary, load_word_list
from stressnet.runs.held import check_file
from stressnet.runs.problems import Severity
from stressnet.runs.tables import no_formula
from stressnet.runs.work import Work
from stressnet.stages.validate import AUTO, ValidateConfig


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table.

    Parameters
    ----------
    item : str
        Utterance id.
    severity : str
        ``error``: the build loses the recording or some of its words; ``warning``: it copes.
    tier : str
        ``words``, ``phones``, or ``file`` for what concerns the whole recording.
    time_s : float or None
        Where in the recording.
    label : str
        The word or phone.
    problem : str
        What is wrong.
    """

    item: str
    severity: str
    tier: str
    time_s: float | None
    label: str
    problem: str


@dataclass(frozen=True)
class Validation:
    """What was found.

    Parameters
    ----------
    rows : tuple of Row
        By recording, then by time.
    n_recordings, n_aligned : int
        Usable recordings, and those with an alignment.
    limit : int or None
        Most rows to print.
    table : Path or None
        Where the whole table was written.
    expected : str
        Tokens that the build would find, per class, and whether they are enough to train on.
    """

    rows: tuple[Row, ...]
    n_recordings: int
    n_aligned: int
    limit: int | None = None
    table: Path | None = None
    expected: str = ""

    @property
    def n_failed(self) -> int:
        """Number of problems."""
        return len(self.rows)


def run(config: ValidateConfig, recordings: Path, work: Work) -> Validation:
    """Check every recording of a folder, its alignment and its words, as the build would.

    Raises
    ------
    CorpusError
        If the folder holds no audio that the recipe recognises.
    """
    if config.csv is not None:
        check_file(
            config.csv, [recordings, config.labels, config.dictionary, config.function_words]
        )
    recipe = layouts_of(recordings)[0].recipe if config.recipe == AUTO else None
    recipe = recipe or load_recipe(config.recipe)
    found = scan(recipe, recordings, speakers=config.speakers, channel=config.channel)
    labels = {**found.labels, **(read_labels(config.labels) if config.labels else {})}
    found = replace(found, labels=labels)
    dictionary = load_dictionary(config.dictionary)
    function_words = load_word_list(config.function_words) if config.function_words else None
    by_utterance = labels_by_utterance(found.labels)
    problems = (*found.problems, *unused_labels(found))
    rows = [Row(p.item, p.severity.value, "file", None, "", p.reason) for p in problems]
    expected, n_aligned = Expected(), 0
    words_only: list[Recording] = []
    changes: dict[str, tuple[Change, ...]] = {}
    heard: dict[SoundKey, Sound] = {}
    with work.progress.stage("validate", len(found.recordings), "utt") as bar:
        for recording in found.recordings:
            name = recording.utterance_id
            sound = (recording.audio_path, recording.channel)
            is_first = sound not in heard
            if is_first:
                heard[sound] = check_sound(*sound) if config.samples else Sound()
            of_sound = heard[sound].findings
            lost = [(s, text) for s, text in of_sound if s == Severity.ERROR]
            rows += [Row(name, s, "file", None, "", t) for s, t in (of_sound if is_first else lost)]
            recording = replace(recording, speech_s=heard[sound].speech_s)
            given, path = None, recording.alignment_path
            if path is not None:
                n_aligned += 1
                given, own_rows = _alignment_rows(recording, path)
                rows += own_rows
            if not lost and (path is None or given is not None):
                try:
                    given = expected.add(
                        recording, given, dictionary, by_utterance.get(name, {}), function_words
                    )
                except (AlignmentError, CorpusError) as error:
                    if not any(r.item == name and r.severity == "error" for r in rows):
                        rows.append(Row(name, Severity.ERROR.value, "file", None, "", str(error)))
            if given is not None and path is not None and given.changes:
                changes[name] = given.changes
            if given is not None:
                rows += [Row(name, "warning", "file", None, "", text) for text in given.warnings]
                if path is not None and given.alignment is None and not given.is_told:
                    words_only.append(recording)
            bar.update()
    if words_only:
        text = words_only_text(words_only)
        rows.append(Row(words_only[0].utterance_id, "warning", "file", None, "", text))
    of_changes = warnings_of(changes, recipe.reading.convention)
    own = [*of_changes, *idle_labels(found.labels, expected.never)]
    rows += [Row(p.item, p.severity.value, "file", None, "", p.reason) for p in own]
    rows += [Row("", "warning", "file", None, "", text) for text in expected.language_warnings]
    told = counts_text(count_changes({**found.changes, **changes}))
    validation = Validation(
        tuple(rows),
        len(found.recordings),
        n_aligned,
        config.limit,
        config.csv,
        expected_text(expected, [recording.speaker for recording in found.recordings])
        + (f"\ntranscripts, {told}" if told else ""),
    )
    if config.csv is not None:
        write_table(config.csv, validation)
    return validation


def validation_text(validation: Validation) -> str:
    """The table, and where the whole of it is."""
    text = table_text(validation, validation.limit)
    text = f"{text}\n{validation.expected}" if validation.expected else text
    return text if validation.table is None else f"{text}\ntable: {validation.table}"


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
        rows.append(Row(name, Severity.ERROR.value, "file", None, "", refusal))
    return given, rows


def table_text(validation: Validation, limit: int | None = None) -> str:
    """The table for a terminal, then counts per kind of problem."""
    rows = validation.rows if limit is None else validation.rows[:limit]
    cells = [tuple(f.name for f in fields(Row))] + [
        (
            row.item,
            row.severity,
            row.tier,
            "" if row.time_s is None else f"{row.time_s:.3f}",
            row.label,
            row.problem,
        )
        for row in rows
    ]
    widths = [max(len(line[k]) for line in cells) for k in range(5)]
    lines = []
    if validation.rows:
        lines += [
            "  ".join([*(c.ljust(w) for c, w in zip(line, widths, strict=False)), line[5]])
            for line in cells
        ]
        left_out = len(validation.rows) - len(rows)
        lines += [f"... and {left_out} more (all of them with --csv FILE)"] * (left_out > 0)
        lines.append("")
    items = {row.item for row in validation.rows if row.item}
    severities = Counter(row.severity for row in validation.rows)
    counted = ", ".join(f"{n} {kind}s" for kind, n in sorted(severities.items())) or "no problems"
    lines.append(
        f"{validation.n_recordings} usable recordings, {validation.n_aligned} with alignments: "
        f"{counted}" + (f" in {len(items)} recordings" if items else "")
    )
    return "\n".join(lines)


def write_table(path: Path, validation: Validation) -> None:
    """Write the table as CSV, without what a spreadsheet would take for a formula."""
    with path.open("w", newline="", encoding="utf-8", errors="backslashreplace") as file:
        writer = csv.DictWriter(file, [f.name for f in fields(Row)], lineterminator="\n")
        writer.writeheader()
        for row in validation.rows:
            writer.writerow({name: no_formula(cell) for name, cell in asdict(row).items()})
