"""Predictions as text, CSV, JSON and TextGrids."""

import csv
import io
import json
from collections.abc import Sequence
from dataclasses import asdict, fields
from math import isnan
from pathlib import Path

from stressnet.alignment.textgrid import write_textgrid
from stressnet.errors import ConfigError
from stressnet.intervals import Interval
from stressnet.runs import RunFolder, hash_file
from stressnet.runs.tables import no_formula
from stressnet.stages.predict.alignments import UNKNOWN_WORD
from stressnet.stages.predict.words import Predicted, WordPrediction

OF_ENSEMBLES = ("n_agreeing", "n_members", "accuracy_so")
"""Columns that only predictions of ensembles have."""

COLUMNS = [field.name for field in fields(WordPrediction) if field.name not in OF_ENSEMBLES]


def as_text(result: Predicted) -> str:
    """A table for people; skipped words follow it, with their reasons."""
    lines = []
    several = len(result.alignments) > 1
    width = max((len(word.stress or "") for word in result.words), default=0) + 1
    width = max(width, 9)
    is_ensemble = _of_ensemble(result.words)
    for name in result.alignments:
        if several:
            lines.append(name)
        head = (
            f"{'word':<18}{'start (s)':>10}{'end (s)':>9}  {'stress':<{width}}{'probability':>11}"
        )
        lines.append(f"{head}  members agreeing" if is_ensemble else head)
        skipped: dict[str, list[str]] = {}
        for word in result.words:
            if word.file != name:
                continue
            if word.stress is None:
                skipped.setdefault(word.reason, []).append(word.word)
                continue
            label = word.word or "(one word)"
            lines.append(
                f"{label:<18}{word.start_s:>10.3f}{word.end_s:>9.3f}  "
                f"{word.stress:<{width}}{word.probability:>11.3f}{_agreement(word)}"
            )
        for reason, words in sorted(skipped.items()):
            lines.append(f"skipped, {reason}: {' '.join(words)}")
        if several:
            lines.append("")
    return "\n".join(lines)


def _of_ensemble(words: Sequence[WordPrediction]) -> bool:
    return any(word.n_members is not None for word in words)


def _agreement(word: WordPrediction) -> str:
    """How many members agree, and how often an ensemble that agrees so far was right."""
    if word.n_members is None:
        return ""
    text = f"  {word.n_agreeing} of {word.n_members}"
    return text if isnan(word.accuracy_so) else f"{text} (right: {word.accuracy_so:.0%})"


def as_csv(words: Sequence[WordPrediction], spreadsheet: bool = False) -> str:
    """CSV with a header; numbers of skipped words are empty.

    ``spreadsheet`` makes words and files' names harmless that would be formulas there.
    """
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    more = OF_ENSEMBLES if _of_ensemble(words) else ()
    writer.writerow([*COLUMNS, *more])
    for word in words:
        names = [word.file, word.word]
        row = [no_formula(name) for name in names] if spreadsheet else names
        row += ["" if isnan(time) else f"{time:.4f}" for time in (word.start_s, word.end_s)]
        figures = (word.probability, word.p_initial, word.logit_difference)
        row += [word.stress or "", *("" if isnan(x) else f"{x:.6f}" for x in figures)]
        told = [getattr(word, name) for name in more]
        told = ["" if x is None or x != x else f"{x:.6g}" for x in told]
        writer.writerow([*row, word.reason, word.warning, *told])
    return buffer.getvalue()


def as_json(result: Predicted) -> str:
    """JSON with the network and one object per word; numbers of skipped words are null."""
    rows = [asdict(word) for word in result.words]
    if not _of_ensemble(result.words):
        rows = [{name: row[name] for name in COLUMNS} for row in rows]
    words = [{name: None if v != v else v for name, v in row.items()} for row in rows]
    problems = [asdict(problem) for problem in result.problems]
    whole = {"network": result.network, "words": words, "problems": problems}
    return json.dumps(whole, indent=2, ensure_ascii=False)


def write_textgrids(result: Predicted, out: Path, inputs: Sequence[Path] = ()) -> list[Path]:
    """One TextGrid per recording, with a tier ``stress``, in a folder with a manifest.

    Earlier predictions in the folder are replaced. No input may lie in it.
    """
    stems = [Path(name).stem for name in result.alignments]
    twice = sorted({stem for stem in stems if stems.count(stem) > 1})
    if twice:
        raise ConfigError(f"two recordings are called '{twice[0]}'; predict them one by one")
    files = []
    with RunFolder(out, "predictions", inputs=inputs, overwrite=True) as folder:
        folder.begin(
            {"network": result.network, "label_of_unknown_words": UNKNOWN_WORD},
            inputs={name: hash_file(Path(name)) for name in result.alignments},
        )
        for name, alignment in result.alignments.items():
            stress = [
                Interval(word.start_s, word.end_s, f"{word.stress} {word.probability:.2f}")
                for word in result.words
                if word.file == name and word.stress is not None
            ]
            path = folder.file(f"{Path(name).stem}.TextGrid")
            write_textgrid(path, alignment, result.durations_s[name], {"stress": stress})
            files.append(path)
        counts = {"n_words": result.n_predicted, "n_skipped": result.n_skipped}
        folder.finish({**counts, "n_errors": result.n_unused})
    return files
