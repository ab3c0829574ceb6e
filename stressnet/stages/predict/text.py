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
from stressnet.lexicon.contrast import STRESS, Contrast
from stressnet.runs import RunFolder, hash_file
from stressnet.runs.tables import no_formula
from stressnet.stages.predict.alignments import UNKNOWN_WORD
from stressnet.stages.predict.words import Predicted, WordPrediction

OF_ENSEMBLES = ("n_agreeing", "n_members", "accuracy_so")
"""Columns that only predictions of ensembles have."""


def as_text(result: Predicted) -> str:
    """A table for people; skipped words follow it, with their reasons."""
    lines, of = [], Contrast.in_manifest(result.network).column
    several = len(result.alignments) > 1
    width = max((len(word.stress or "") for word in result.words), default=0) + 1
    width = max(width, 9, len(of) + 1)
    for name in result.alignments:
        if several:
            lines.append(name)
        lines.append(
            f"{'word':<18}{'start (s)':>10}{'end (s)':>9}  {of:<{width}}{'probability':>11}"
        )
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
                f"{word.stress:<{width}}{word.probability:>11.3f}"
                f"{'' if word.sure == 'yes' else '  not sure'}{_agreement(word)}"
            )
        for reason, words in sorted(skipped.items()):
            lines.append(f"skipped, {reason}: {' '.join(words)}")
        if several:
            lines.append("")
    return "\n".join(lines)


def _columns(words: Sequence[WordPrediction], contrast: Contrast) -> dict[str, str]:
    """What fields are called in tables; those of ensembles come last, if there is one."""
    names = [field.name for field in fields(WordPrediction)]
    names = names if any(word.n_members for word in words) else names[: -len(OF_ENSEMBLES)]
    return dict(zip(names, names, strict=True)) | {
        "stress": contrast.column,
        "p_initial": contrast.p,
    }


def _agreement(word: WordPrediction) -> str:
    """How many members agree, and how often the ensemble was right then."""
    text = f"  {word.n_agreeing} of {word.n_members} agree" if word.n_members else ""
    return text if word.accuracy_so is None else f"{text} (right: {word.accuracy_so:.0%})"


def as_csv(
    words: Sequence[WordPrediction], spreadsheet: bool = False, contrast: Contrast = STRESS
) -> str:
    """CSV with a header; numbers of skipped words are empty."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    names = _columns(words, contrast)
    writer.writerow(names.values())
    for word in words:
        row = [no_formula(x) if spreadsheet else x for x in (word.file, word.word)]
        row += ["" if isnan(time) else f"{time:.4f}" for time in (word.start_s, word.end_s)]
        figures = (word.probability, word.p_initial, word.logit_difference)
        row += [word.stress or "", *("" if isnan(x) else f"{x:.6f}" for x in figures)]
        more = [getattr(word, name) for name in OF_ENSEMBLES if name in names]
        writer.writerow([*row, word.reason, word.warning, word.sure, *more])
    return buffer.getvalue()


def as_json(result: Predicted) -> str:
    """JSON with the network and one object per word; numbers of skipped words are null."""
    names = _columns(result.words, Contrast.in_manifest(result.network))
    rows = [{told: getattr(word, k) for k, told in names.items()} for word in result.words]
    words = [{name: None if v != v else v for name, v in row.items()} for row in rows]
    problems = [asdict(problem) for problem in result.problems]
    whole = {"network": result.network, "words": words, "problems": problems}
    return json.dumps(whole, indent=2, ensure_ascii=False)


def write_textgrids(result: Predicted, out: Path, inputs: Sequence[Path] = ()) -> list[Path]:
    """One TextGrid per recording, with a tier of answers, ``stress``, in a folder with a manifest.

    Earlier predictions in the folder are replaced. No input may lie in it.
    """
    stems = [Path(name).stem for name in result.alignments]
    twice = sorted({stem for stem in stems if stems.count(stem) > 1})
    if twice:
        raise ConfigError(f"two recordings are called '{twice[0]}'; predict them one by one")
    files, of = [], Contrast.in_manifest(result.network).column
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
            write_textgrid(path, alignment, result.durations_s[name], {of: stress})
            files.append(path)
        counts = {"n_words": result.n_predicted, "n_skipped": result.n_skipped}
        folder.finish({**counts, "n_errors": result.n_unused})
    return files
