"""Transcripts of recordings: text files, files of lines, and tables."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Mapping
from pathlib import Path

from stressnet.alignment.readers.options import companion
from stressnet.corpus.recipe import TranscriptSource
from stressnet.errors import (
    TranscriptError,
)

_APOSTROPHES = dict.fromkeys(map(ord, "’‘´`ʼ′＇"), "'")
_INVISIBLE = dict.fromkeys(
    [0x00AD, 0x200B, 0x200C, 0x200D, 0x200E, 0x200F, 0x2060, 0xFEFF]
)  # soft hyphen, zero-width and direction marks
_NOISES = (
    "applause|breath|cough|cross ?talk|gasp|inaudible|inhal|exhal|laugh|lip ?smack|music|noise|"
    "pause|sigh|silence|sneez|sniff|throat|unclear|unintelligible|whistl|yawn"
)
_MARK = re.compile(
    r"\[[^\]\n]*\]|\{[^}\n]*\}|<[^>\n]*>|\(\([^)\n]*\)\)"  # what somebody heard or did
    rf"|\((?:[^()\n]{{0,20}}\b)?(?:{_NOISES})[^()\n]{{0,20}}\)"  # other parentheses are read out
    r"|^[ \t]*(?-i:[A-Z])[\w.]*:(?=\s)"  # who speaks, at the start of a line
    r"|(?<!\S)(?:xxx|yyy|www)(?!\w)"  # not understood, in CHAT's convention
    r"|(?<![\w'-])[^\W\d_]+-(?=\s|$)(?!\s+(?:and|or)\b)",  # a word that breaks off
    re.MULTILINE | re.IGNORECASE,
)
_WORD = re.compile(r"[^\W_]+(?:'[^\W_]+)*'?", re.UNICODE)


def marks_in(text: str) -> list[str]:
    """What a transcript holds that nobody says.

    Marks in brackets, speakers' names before a colon, ``xxx``, and words that break off.

    Examples
    --------
    >>> marks_in("Susan: the [laughter] per- permit (coughing) (as he said) xxx")
    ['Susan:', '[laughter]', 'per-', '(coughing)', 'xxx']
    """
    return [mark.strip() for mark in _MARK.findall(_nfc(text))]


def is_mark(label: str) -> bool:
    """Whether the label of an interval is nothing but a mark, such as ``[laughter]``."""
    return _MARK.fullmatch(_nfc(label).strip()) is not None


def split_words(text: str) -> tuple[str, ...]:
    """Words of a transcript: upper case, punctuation dropped, apostrophes kept, hyphens split.

    What :func:`marks_in` lists is left out.

    Examples
    --------
    >>> split_words("The rebel's well-known protest -- didn’t last.")
    ('THE', "REBEL'S", 'WELL', 'KNOWN', 'PROTEST', "DIDN'T", 'LAST')
    """
    text = _MARK.sub(" ", _nfc(text)).translate(_INVISIBLE).translate(_APOSTROPHES)
    return tuple(word.upper() for word in _WORD.findall(text))


LINES_ENDING = ".trans.txt"
"""Name of LibriSpeech's files of one chapter's transcripts."""


def read_lines(path: Path) -> dict[str, tuple[str, ...]]:
    """Words of every utterance of a file with a name and a text per line.

    Raises
    ------
    TranscriptError
        If it cannot be read; see :func:`read_text`.
    """
    rows = (line.split(maxsplit=1) for line in read_text(path).splitlines() if line.strip())
    return {_nfc(row[0]): split_words(row[1] if len(row) == 2 else "") for row in rows}


def read_text(path: Path) -> str:
    """Read a text file in UTF-8 (with or without BOM), UTF-16, or Windows-1252.

    Raises
    ------
    TranscriptError
        If it cannot be opened, or ends in the middle of a UTF-16 letter.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise TranscriptError(f"{path}: cannot be read ({error.strerror})") from error
    if data[:2] in (b"\xff\xfe", b"\xfe\xff"):
        encoding = "utf-16"
    elif b"\0" in data[:2]:  # UTF-16 without byte order mark: every other byte of ASCII is zero
        encoding = "utf-16-be" if data[0] == 0 else "utf-16-le"
    else:
        encoding = "utf-8-sig"
    try:
        return data.decode(encoding)
    except UnicodeDecodeError as error:
        if encoding == "utf-8-sig":
            return data.decode("cp1252", errors="replace")
        raise TranscriptError(
            f"{path}: damaged UTF-16 ({error.reason} at byte {error.start}); save it as UTF-8"
        ) from error


class Transcripts:
    """The transcripts of one corpus; files that hold many utterances are read once.

    Parameters
    ----------
    sources : tuple of TranscriptSource
        Tried in this order for every utterance.
    root : Path
        The corpus folder.
    ignore_case : bool
        Whether files are found whatever the case of their names.

    Attributes
    ----------
    marks : dict of str to list of str
        By utterance, what its transcript holds that nobody says.
    """

    def __init__(
        self,
        sources: tuple[TranscriptSource, ...],
        root: Path = Path(),
        *,
        ignore_case: bool = False,
    ) -> None:
        self._sources = sources
        self._root = root
        self._ignore_case = ignore_case
        self._shared: dict[tuple[Path, TranscriptSource], dict[str, str]] = {}
        self.marks: dict[str, list[str]] = {}

    def find(self, fields: Mapping[str, str], folder: Path) -> tuple[str, ...]:
        """Words of an utterance from the first source that has it.

        Parameters
        ----------
        fields : mapping
            What the recipe's audio pattern found in the recording's path.
        folder : Path
            The recording's folder.

        Raises
        ------
        TranscriptError
            If none has it, or it holds no words.
        """
        utterance = _nfc(fields["utterance"])
        tried = []
        for source in self._sources:
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
            words = split_words(text)
            if not words:
                raise TranscriptError(f"{path}: holds no words for '{utterance}'; fill it in")
            if marks := marks_in(text):
                self.marks[utterance] = marks
            return words
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
    template: str,
    fields: Mapping[str, str],
    folder: Path,
    root: Path,
    *,
    ignore_case: bool = False,
) -> Path:
    named = {"folder": folder.as_posix(), "root": root.as_posix(), **fields}
    path = Path(template.format(**named))
    if not ignore_case or path.is_file():
        return path
    return companion(path, path.suffix) or path
