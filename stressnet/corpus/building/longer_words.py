"""Stage *longer words*: two-syllable stretches of longer words, kept beside the tokens.

They lie in a folder of their own, with a table, excerpts and spectrograms as the corpus has them.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stressnet.corpus.building.cut import read_excerpts, write_excerpt
from stressnet.corpus.longer_words import find_stretches
from stressnet.corpus.scan import Recording, Scan
from stressnet.corpus.store import LONGER_WORDS, TOKENS
from stressnet.corpus.tables import STRETCH_TYPES, TableWriter, arrow_schema, columns_of
from stressnet.errors import AlignmentError, AudioError
from stressnet.intervals import Alignment
from stressnet.lexicon.dictionary import load_dictionary
from stressnet.runs.folder import RunFolder

if TYPE_CHECKING:
    from stressnet.stages.build_corpus import BuildConfig


def _cut_one(task: tuple[Recording, Alignment, BuildConfig, Path]) -> list[dict[str, Any]]:
    """Rows of one utterance's stretches; the excerpt of a word serves all of its stretches."""
    recording, alignment, config, out = task
    dictionary = load_dictionary(config.dictionary, config.code)
    try:
        stretches = find_stretches(recording, alignment, dictionary)
        words = [list(group) for _, group in groupby(stretches, lambda s: s.word_index)]
        times_s = [(group[0].start_s, group[-1].end_s) for group in words]
        excerpts, _ = read_excerpts(recording, times_s, config.context_s)
    except (AlignmentError, AudioError):  # told by the stage that cuts the tokens
        return []
    rows = []
    for group, excerpt in zip(words, excerpts, strict=True):
        name = group[0].token_id.rpartition(".")[0]
        columns = write_excerpt(out, recording, name, excerpt)
        rows += [columns_of(stretch, STRETCH_TYPES) | columns for stretch in group]
    return rows


def cut_longer_words(
    folder: RunFolder, found: Scan, aligned: Mapping[str, Alignment], config: BuildConfig
) -> int:
    """Write table and excerpts of all stretches into the corpus; return their number."""
    where = folder.tree(f"{LONGER_WORDS}/excerpts/*/*.flac").parent
    recordings = [r for r in found.recordings if r.utterance_id in aligned]
    tasks = ((r.utterance_id, (r, aligned[r.utterance_id], config, where)) for r in recordings)
    table_file = folder.file(f"{LONGER_WORDS}/{TOKENS}")
    with TableWriter(table_file, arrow_schema(STRETCH_TYPES)) as table:
        for _, rows in folder.chunks(
            "longer words", tasks, _cut_one, total=len(recordings), unit="utt"
        ):
            table.add(rows)
    return table.n_rows
