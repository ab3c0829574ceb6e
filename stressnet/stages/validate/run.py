"""What is wrong with recordings and alignments; nothing is changed."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from pathlib import Path

from stressnet.corpus.building.expect import expected_text
from stressnet.corpus.building.validate import RecordingChecks, Row
from stressnet.corpus.changes import count_changes, counts_text
from stressnet.corpus.layouts import layouts_of
from stressnet.corpus.recipe import load_recipe
from stressnet.corpus.scan import scan
from stressnet.lexicon.dictionary import load_dictionary, load_word_list
from stressnet.runs.held import check_file
from stressnet.runs.problems import write_rows
from stressnet.runs.work import Work
from stressnet.stages.validate import AUTO, ValidateConfig


@dataclass(frozen=True)
class Validation:
    """What is wrong, by recording, then by time; usable recordings, those with an alignment.

    ``expected`` says how many tokens the build would find, per class, and whether they are enough
    to train on; at most ``limit`` rows are printed, and the whole table is in a file.
    """

    rows: tuple[Row, ...]
    n_recordings: int
    n_aligned: int
    limit: int
    table: Path | None
    expected: str

    @property
    def n_failed(self) -> int:
        """Number of problems."""
        return len(self.rows)


def run(config: ValidateConfig, recordings: Path, work: Work) -> Validation:
    """Check every recording of a folder, its alignment and its words, as the build would."""
    if config.csv is not None:
        check_file(
            config.csv, [recordings, config.labels, config.dictionary, config.function_words]
        )
    recipe = layouts_of(recordings)[0].recipe if config.recipe == AUTO else None
    recipe = (recipe or load_recipe(config.recipe)).spoken_in(config.language)
    found = scan(recipe, recordings, speakers=config.speakers, channel=config.channel)
    config = config.telling(recipe)
    found = found.with_labels(config.labels, config.tells)
    dictionary = load_dictionary(config.dictionary, recipe.language)
    function_words = load_word_list(config.function_words) if config.function_words else None
    checks = RecordingChecks(found, dictionary, function_words, config.samples, config.words)
    with work.progress.stage("validate", len(found.recordings), "utt") as bar:
        for recording in found.recordings:
            checks.add(recording)
            bar.update()
    checks.finish(recipe.reading.convention)
    told = counts_text(count_changes({**found.changes, **checks.changes}))
    expected = expected_text(
        checks.expected, [one.speaker for one in found.recordings], recipe.language
    )
    if config.csv is not None:
        write_rows(config.csv, Row, checks.rows)
    return Validation(
        tuple(checks.rows),
        len(found.recordings),
        checks.n_aligned,
        config.limit,
        config.csv,
        expected + (f"\ntranscripts, {told}" if told else ""),
    )


def validation_text(validation: Validation) -> str:
    """The table, counts per kind of problem, what the build would find, and the table's file."""
    lines = [*_table_lines(validation.rows, validation.limit)] if validation.rows else []
    items = {row.item for row in validation.rows if row.item}
    severities = Counter(row.severity for row in validation.rows)
    counted = ", ".join(f"{n} {kind}s" for kind, n in sorted(severities.items())) or "no problems"
    lines.append(
        f"{validation.n_recordings} usable recordings, {validation.n_aligned} with alignments: "
        f"{counted}" + (f" in {len(items)} recordings" if items else "")
    )
    lines += [validation.expected] * bool(validation.expected)
    lines += [f"table: {validation.table}"] * (validation.table is not None)
    return "\n".join(lines)


def _table_lines(rows: Sequence[Row], limit: int) -> Iterator[str]:
    """The first rows as a table, how many more there are, and an empty line."""
    names = [field.name for field in fields(Row)]
    cells = [names]
    for row in rows[:limit]:
        time = "" if row.time_s is None else f"{row.time_s:.3f}"
        cells.append([time if name == "time_s" else getattr(row, name) for name in names])
    widths = [max(len(line[k]) for line in cells) for k in range(len(names) - 1)]
    for *line, problem in cells:
        yield "  ".join([*(c.ljust(w) for c, w in zip(line, widths, strict=True)), problem])
    if len(rows) > limit:
        yield f"... and {len(rows) - limit} more (all of them with --csv FILE)"
    yield ""
