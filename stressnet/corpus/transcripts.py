"""Transcripts of recordings: text files, files of lines, and tables."""

import unicodedata
from collections.abc import Iterator, Mapping
from pathlib import Path

from stressnet.alignment import encoding
from stressnet.alignment.readers.options import beside
from stressnet.corpus.recipe import TranscriptSource
from stressnet.corpus.written import Normaliser, Reading, split_words
from stressnet.errors import AlignmentError, TranscriptError

LINES_ENDING = ".trans.txt"  # Name of LibriSpeech's files of one chapter's transcripts


def read_lines(path: Path) -> dict[str, tuple[str, ...]]:
    """Words of every utterance of a file with a name and a text per line; see :func:`read_text`."""
    rows = _rows(path, TranscriptSource("lines", ""))
    return {name: split_words(text) for name, text in rows}


def read_text(path: Path) -> str:
    """Read a text file in UTF-8 (with or without BOM), UTF-16, Windows-1252, or Mac Roman."""
    try:
        return encoding.read_text(path, windows=True)
    except AlignmentError as error:
        raise TranscriptError(str(error)) from error


class Transcripts:
    """The transcripts of one corpus; files that hold many utterances are read once."""

    def __init__(
        self,
        sources: tuple[TranscriptSource, ...],
        root: Path = Path(),
        *,
        ignore_case: bool = False,
        normaliser: Normaliser | None = None,
    ) -> None:
        self._normaliser = normaliser or Normaliser()
        self._sources = sources
        self._root = root
        self._ignore_case = ignore_case
        self._shared: dict[tuple[Path, TranscriptSource], dict[str, str]] = {}

    def find(self, fields: Mapping[str, str], folder: Path) -> Reading:
        """What is read of an utterance's transcript, from the first source that has it.

        ``fields`` are what the recipe's audio pattern found in the recording's path. Raises
        `TranscriptError` if none has it, or it holds no words.
        """
        utterance = _nfc(fields["utterance"])
        tried = []
        for source in self._sources:
            if source.kind == "path":
                return self._normaliser.read(source.pattern.format(**fields))
            path = _resolve(
                source.pattern, fields, folder, self._root, ignore_case=self._ignore_case
            )
            tried.append(path.name)
            if not path.is_file():
                continue
            if source.kind == "beside":
                text: str | None = read_text(path)
                if source.skip_words:
                    text = " ".join((text or "").split()[source.skip_words :])
            else:
                text = self._table(path, source).get(utterance)
            if text is None:
                continue
            reading = self._normaliser.read(text)
            if not reading.words:
                raise TranscriptError(f"{path}: holds no words for '{utterance}'; fill it in")
            return reading
        raise TranscriptError(
            f"no transcript for '{utterance}' in {folder} "
            f"(looked for {', '.join(dict.fromkeys(tried)) or 'nothing'}); add it"
        )

    def _table(self, path: Path, source: TranscriptSource) -> dict[str, str]:
        key = (path, source)
        if key not in self._shared:
            self._shared[key] = dict(_rows(path, source))
        return self._shared[key]


def _rows(path: Path, source: TranscriptSource) -> Iterator[tuple[str, str]]:
    """Utterance id and text of every line of a file with many transcripts."""
    for line in read_text(path).splitlines():
        if source.kind == "lines":
            parts = line.split(maxsplit=1)
            if parts:
                yield _nfc(parts[0]), parts[1] if len(parts) == 2 else ""
            continue
        cells = line.split(source.delimiter)
        if len(cells) > max(source.id_column, source.text_column):
            yield _nfc(cells[source.id_column].strip()), cells[source.text_column]


def _nfc(text: str) -> str:
    """Unicode normal form C: macOS writes file names in form D, everybody else types form C."""
    return unicodedata.normalize("NFC", text)


def _resolve(
    template: str, fields: Mapping[str, str], folder: Path, root: Path, *, ignore_case: bool = False
) -> Path:
    named = {"folder": folder.as_posix(), "root": root.as_posix(), **fields}
    path = Path(template.format(**named))
    if not ignore_case or path.is_file():
        return path
    return beside(path, path.name) or path
