"""Counts of a build, for its manifest and its warnings."""

from collections import Counter
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow.parquet as pq

from stressnet.corpus.changes import count_changes
from stressnet.corpus.scan import Scan
from stressnet.corpus.store import LONGER_WORDS, NOT_TOKENS, TOKENS
from stressnet.lexicon.dictionary import Reject
from stressnet.runs.folder import RunFolder
from stressnet.runs.manifest import read_json
from stressnet.runs.problems import count_lost, count_problems


def unknown_words(out: Path, found: Scan) -> Counter[str]:
    """Words that are not in the dictionary, by speaker."""
    words = pd.read_parquet(out / NOT_TOKENS, columns=["utterance_id", "reason"])
    speakers = {recording.utterance_id: recording.speaker for recording in found.recordings}
    of_reason = words["reason"] == Reject.NOT_IN_DICTIONARY
    return Counter(words.loc[of_reason, "utterance_id"].map(speakers))


def words_longer_than_image(out: Path, presets: list[str]) -> dict[str, int]:
    """Per preset, words that are longer than its images and were cut on the right."""
    files = {name: out / "spectrograms" / name / "axes.json" for name in presets}
    return {name: int(read_json(file)["n_truncated"]) for name, file in files.items()}


def n_stretches(out: Path) -> int:
    """Rows of the table of stretches of longer words."""
    path = out / LONGER_WORDS / TOKENS
    return int(pq.read_metadata(path).num_rows) if path.is_file() else 0


def build_counts(
    folder: RunFolder,
    tokens: pd.DataFrame,
    found: Scan,
    rejected: Counter[str],
    presets: list[str],
    kind_of_words: str,
) -> dict[str, Any]:
    """What the manifest of a corpus says of its build."""
    return {
        "kind_of_words": kind_of_words,
        "n_tokens": len(tokens),
        "n_stretches_of_longer_words": n_stretches(folder.path),
        "n_utterances": int(tokens["utterance_id"].nunique()),
        "n_recordings_found": len(found.recordings),
        "audio_hours": round(sum(r.duration_s for r in found.recordings) / 3600, 3),
        "n_speakers": int(tokens["speaker"].nunique()),
        "n_words": int(tokens["word"].nunique()),
        "stress": {str(k): int(v) for k, v in tokens["stress"].value_counts(dropna=False).items()},
        "splits": {str(k): int(v) for k, v in tokens["split"].value_counts().items()},
        "rejected_words": dict(rejected.most_common()),
        "readings": count_changes(found.changes),
        "problems": count_problems(folder.problems),
        "n_errors": count_lost(folder.problems),
        "presets": presets,
        "words_longer_than_image": words_longer_than_image(folder.path, presets),
        "token_table": TOKENS,
    }
