"""Options of readers, and the files that belong together."""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from stressnet.errors import AlignmentError
from stressnet.intervals import Alignment


@dataclass(frozen=True, slots=True)
class ReadOptions:
    """Choices that a file leaves open, as of `stressnet.alignment.readers.read_alignment`."""

    speaker: str | None = None
    rate_hz: int | None = None
    channel: str | None = None


def beside(path: Path, name: str) -> Path | None:
    """The file in the folder of `path` with a name, whatever its case; None if there is none."""
    exact = path.with_name(name)
    if exact.is_file():
        return exact
    try:
        changed_ns = path.parent.stat().st_mtime_ns
        # Within a tick of the file system's clock a folder may change and keep its time.
        is_settled = time.time_ns() - changed_ns > 1e9
        listing = (_listing if is_settled else _listing.__wrapped__)(path.parent, changed_ns)
    except OSError:
        return None
    file = listing.get(name.lower())
    return file if file is not None and file.is_file() else None


@lru_cache(maxsize=4)
def _listing(folder: Path, changed_ns: int) -> dict[str, Path]:
    """Files by their names in lower case, kept while a folder of many recordings is read."""
    return {file.name.lower(): file for file in sorted(folder.iterdir(), reverse=True)}


def pair(path: Path, words_suffix: str, phones_suffix: str, corpus: str) -> tuple[Path, Path]:
    """The files of words and of phones of a recording, given either, whatever their case."""
    words, phones = (beside(path, path.stem + end) for end in (words_suffix, phones_suffix))
    if words is None or phones is None:
        lacking = words_suffix if words is None else phones_suffix
        raise AlignmentError(
            f"{path}: no file '{path.stem}{lacking}' beside it; {corpus}'s words and phones are "
            "two files, supply both"
        )
    return words, phones


class Alignments(dict[str, Alignment]):
    """Alignment by utterance id.

    ``voices`` are names and alignments of a recording's speakers or channels; a recording with
    several is not in the dict itself.
    """

    def __init__(self, alignments: Mapping[str, Alignment] | None = None) -> None:
        super().__init__(alignments or {})
        self.voices: dict[str, dict[str, Alignment]] = {}

    def add(self, name: str, voices: Mapping[str, Alignment]) -> None:
        """A recording's alignment, or one per voice if there are several."""
        self.voices[name] = dict(voices)
        if len(voices) == 1:
            self[name] = next(iter(voices.values()))
