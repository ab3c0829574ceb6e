"""What is wrong with recordings and alignments; nothing is changed."""

from __future__ import annotations

import csv
from collections import Counter
from dataclasses import asdict, dataclass, fields
from pathlib import Path

from stressnet.alignment.validation import OVERHANG_TOLERANCE_S, findings, overhang_s
from stressnet.corpus.building.align import read_given
from stressnet.corpus.recipe import load_recipe
from stressnet.corpus.scan import Recording, scan
from stressnet.errors import AlignmentError, AudioError, MissingPartError
from stressnet.runs.problems import Severity
from stressnet.runs.work import Work
from stressnet.stages.validate.config import ValidateConfig

_ROUNDING_S = 0.001
"""Ends past the audio by less are rounding."""


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
    """

    rows: tuple[Row, ...]
    n_recordings: int
    n_aligned: int
    limit: int | None = None
    table: Path | None = None

    @property
    def n_failed(self) -> int:
        """Number of problems."""
        return len(self.rows)


def run(config: ValidateConfig, recordings: Path, work: Work) -> Validation:
    """Check every recording of a folder and its alignment.

    Raises
    ------
    CorpusError
        If the folder holds no audio that the recipe recognises.
    """
    found = scan(
        load_recipe(config.recipe), recordings, speakers=config.speakers, channel=config.channel
    )
    rows = [Row(p.item, p.severity.value, "file", None, "", p.reason) for p in found.problems]
    n_aligned = 0
    with work.progress.stage("validate", len(found.recordings), "utt") as bar:
        for recording in found.recordings:
            if config.samples:
                rows += _unreadable(recording)
            if recording.alignment_path is not None:
                n_aligned += 1
                rows += _alignment_rows(recording, recording.alignment_path)
            bar.update()
    validation = Validation(tuple(rows), len(found.recordings), n_aligned, config.limit, config.csv)
    if config.csv is not None:
        write_table(config.csv, validation)
    return validation


def validation_text(validation: Validation) -> str:
    """The table, and where the whole of it is."""
    text = table_text(validation, validation.limit)
    return text if validation.table is None else f"{text}\ntable: {validation.table}"


def _unreadable(recording: Recording) -> list[Row]:
    from stressnet.audio import read_audio

    try:
        read_audio(recording.audio_path)
    except AudioError as error:
        name = recording.utterance_id
        return [Row(name, Severity.ERROR.value, "file", None, "", str(error))]
    return []


def _alignment_rows(recording: Recording, path: Path) -> list[Row]:
    name = recording.utterance_id
    try:
        alignment = read_given(recording, path)
    except (AlignmentError, MissingPartError) as error:
        return [Row(name, Severity.ERROR.value, "file", None, "", str(error))]
    rows = []
    over_s = overhang_s(alignment, recording.duration_s)
    if _ROUNDING_S < over_s <= OVERHANG_TOLERANCE_S:
        text = f"ends {1000 * over_s:.0f} ms past the audio; the build cuts it off there"
        rows.append(Row(name, Severity.WARNING.value, "file", recording.duration_s, "", text))
    if not alignment.phones:
        text = f"{path.name} holds words without phones; the build aligns them anew"
        rows.append(Row(name, Severity.WARNING.value, "file", None, "", text))
    found = sorted(findings(alignment, recording.duration_s), key=lambda f: f.time_s)
    wrong = Severity.ERROR.value
    return rows + [Row(name, wrong, f.tier, f.time_s, f.label, f.problem) for f in found]


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
    items = {row.item for row in validation.rows}
    severities = Counter(row.severity for row in validation.rows)
    counted = ", ".join(f"{n} {kind}s" for kind, n in sorted(severities.items())) or "no problems"
    lines.append(
        f"{validation.n_recordings} usable recordings, {validation.n_aligned} with alignments: "
        f"{counted}" + (f" in {len(items)} recordings" if items else "")
    )
    return "\n".join(lines)


def write_table(path: Path, validation: Validation) -> None:
    """Write the table as CSV."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, [f.name for f in fields(Row)], lineterminator="\n")
        writer.writeheader()
        writer.writerows(asdict(row) for row in validation.rows)
