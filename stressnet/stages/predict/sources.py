"""Recordings with what is known of their words: alignments, transcripts, or nothing."""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from stressnet.alignment.readers import detect_format
from stressnet.corpus.transcripts import LINES_ENDING, read_lines, read_text
from stressnet.corpus.written import split_words
from stressnet.errors import AlignmentError, ConfigError, TranscriptError, UnknownFormatError
from stressnet.languages import ENGLISH

_TIMED = (".eaf", ".cha", ".json", ".vtt", ".srt", ".csv", ".tsv")
_ALIGNMENTS = (".TextGrid", ".textgrid", *_TIMED)
_TRANSCRIPTS = (".txt", ".lab")


@dataclass(frozen=True)
class Source:
    """A recording and what is known of its words."""

    audio: Path
    alignment: Path | None = None  # With words and phones, with words, or with text that has times
    # The transcript, if there is no alignment or in case it cannot be used; without either, the
    # recording holds one unknown word.
    words: tuple[str, ...] = ()
    speaker: str | None = None  # Whose tiers or rows (of a CTM file: channel) to take
    channel: int | None = None  # Of the sound, counted from 1; None for the mean of all
    problem: str = ""  # Why its words are not known, if they should be
    language: str = ENGLISH


def sources_of(
    files: Sequence[Path],
    alignments: Path | None = None,
    transcripts: Path | None = None,
    text: str | None = None,
    code: str = ENGLISH,
) -> list[Source]:
    """Bring recordings together with their alignments or transcripts, or one with its text.

    Alignments or transcripts are a file if there is one recording, else a folder with a file named
    like each recording in it or in folders below: ``.TextGrid`` for alignments, ``.txt`` or
    ``.lab`` for transcripts, for either what ELAN, CHAT and recognisers write, and subtitles. A
    transcript may also be a line of a file in LibriSpeech's form, ``*.trans.txt``: the recording's
    name, then what is said. Without any of these what lies beside a recording is taken. The code is
    that of the language.
    """
    if sum(value is not None for value in (alignments, transcripts, text)) > 1:
        raise ConfigError("give one of alignment, transcript and text, not several")
    if text is not None:
        if len(files) != 1:
            raise ConfigError(f"one text cannot be that of {len(files)} recordings; use a folder")
        words = _nonempty(split_words(text, code), "the text given")
        return [Source(files[0], words=words, language=code)]
    if alignments is not None:
        paths = [_beside(file, alignments, _ALIGNMENTS) for file in files]
        for file, path in zip(files, paths, strict=True):
            if path is None:
                raise AlignmentError(f"{alignments}: no TextGrid for {file.name}; add it")
        pairs = zip(files, paths, strict=True)
        return [Source(file, alignment=path, language=code) for file, path in pairs]
    if transcripts is not None:
        return [_transcribed(file, transcripts, code) for file in files]
    return [_source_beside(file, code) for file in files]


def sources_one_by_one(
    files: Sequence[Path],
    alignments: Path | None = None,
    transcripts: Path | None = None,
    code: str = ENGLISH,
) -> list[Source]:
    """The same, but a recording whose words cannot be had costs only itself."""
    sources = []
    for file in files:
        try:
            sources += sources_of([file], alignments, transcripts, code=code)
        except (AlignmentError, TranscriptError) as error:
            sources.append(Source(file, problem=f"{file}: {error}"))
    return sources


def _source_beside(file: Path, code: str) -> Source:
    """A recording with the alignment and transcript of its name in its folder, if there are any."""
    source = Source(file, language=code)
    if _beside(file, file.parent, _TRANSCRIPTS) is not None:
        source = _transcribed(file, file.parent, code)
    for ending in _ALIGNMENTS:
        path = _beside(file, file.parent, (ending,))
        with suppress(UnknownFormatError):  # of another program
            if path is not None and detect_format(path):
                return replace(source, alignment=path)
    return source


def _beside(file: Path, place: Path, endings: tuple[str, ...]) -> Path | None:
    """The file in a folder that belongs to a recording, or the file given."""
    if not place.is_dir():
        return place
    names = [f"{file.stem}{ending}" for ending in endings]
    folders = [place, file.parent] if place in file.parents else [place]
    for path in (folder / name for folder in folders for name in names):
        if path.is_file():
            return path
    if place == file.parent:
        return None
    below = (path for name in names for path in sorted(place.rglob(name)))
    return next((path for path in below if path.is_file()), None)


def _transcribed(file: Path, place: Path, code: str) -> Source:
    """A recording with its words: from its own file, or from its line of a file of many."""
    own = _beside(file, place, (*_TRANSCRIPTS, *_TIMED))
    if own is not None and not own.name.endswith(LINES_ENDING):
        try:
            if own.is_file() and detect_format(own):
                return Source(file, alignment=own, language=code)
        except UnknownFormatError:
            if own.suffix.lower() in _TIMED:
                raise
        words = _nonempty(split_words(read_text(own), code), str(own))
        return Source(file, words=words, language=code)
    many = sorted(place.rglob(f"*{LINES_ENDING}")) if place.is_dir() else [place]
    for path in many:
        if file.stem in (lines := read_lines(path)):
            where = f"{path}, line of {file.stem}"
            return Source(file, words=_nonempty(lines[file.stem], where), language=code)
    raise TranscriptError(f"{place}: no transcript for {file.name}; add it")


def _nonempty(words: tuple[str, ...], where: str) -> tuple[str, ...]:
    if not words:
        raise TranscriptError(f"{where}: holds no words; write down what is said")
    return words
