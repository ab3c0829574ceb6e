"""Alignments in the formats that other programs and corpora use.

`read_alignment` reads one recording's alignment; `read_alignments` all of a file that holds many.
The format is named, or told from the file's name and first lines. See ``docs/formats.md``.
"""

from collections.abc import Callable
from dataclasses import replace
from functools import lru_cache
from pathlib import Path

from stressnet.alignment.encoding import foreign_json, nfc, parsed_json, read_text
from stressnet.alignment.readers.buckeye import buckeye_files, read_buckeye
from stressnet.alignment.readers.chat import read_chat
from stressnet.alignment.readers.ctm import ctm_files, read_ctm
from stressnet.alignment.readers.fave import is_fave, read_fave
from stressnet.alignment.readers.lhotse import read_lhotse
from stressnet.alignment.readers.librispeech import LINE, read_condensed
from stressnet.alignment.readers.options import Alignments, ReadOptions
from stressnet.alignment.readers.phone_sets import in_phones_of
from stressnet.alignment.readers.recogniser import items_of, read_recogniser
from stressnet.alignment.readers.stm import read_stm
from stressnet.alignment.readers.subtitles import read_subtitles
from stressnet.alignment.readers.table import check_columns, read_table
from stressnet.alignment.readers.timit import read_timit, timit_files
from stressnet.alignment.textgrid import read_textgrid, speakers_of
from stressnet.errors import AlignmentError, ConfigError, MissingPartError, UnknownFormatError
from stressnet.intervals import Alignment
from stressnet.languages import Language

AUTO = "auto"


def _textgrid(path: Path, options: ReadOptions) -> Alignment:
    return read_textgrid(path, options.speaker)


# Readers of files of one recording; they raise `AlignmentError` for what is missing or damaged.
_ONE: dict[str, Callable[[Path, ReadOptions], Alignment]] = {
    "textgrid": _textgrid,
    "mfa-json": _textgrid,
    "elan": _textgrid,
    "timit": read_timit,
    "buckeye": read_buckeye,
}
# Readers of files that may hold many; Lhotse's may be missing (`MissingPartError`).
_MANY: dict[str, Callable[[Path, ReadOptions], Alignments]] = {
    "librispeech": read_condensed,
    "ctm": read_ctm,
    "csv": read_table,
    "lhotse": read_lhotse,
    "recogniser": read_recogniser,
    "subtitles": read_subtitles,
    "stm": read_stm,
    "chat": read_chat,
    "fave": read_fave,
}
# All files that are read when one of them is given, where they are several.
_FILES: dict[str, Callable[[Path], tuple[Path | None, ...]]] = {
    "timit": timit_files,
    "buckeye": buckeye_files,
    "ctm": ctm_files,
}

FORMATS = (*_ONE, *_MANY)  # Names of formats; `csv` covers the Montreal Forced Aligner's

TIMED_FORMATS = frozenset({"elan", "recogniser", "subtitles", "stm", "chat", "fave", "csv"})
"""Formats in which transcripts with times are written."""

_SUFFIXES = {
    ".textgrid": "textgrid",
    ".eaf": "elan",
    ".srt": "subtitles",
    ".vtt": "subtitles",
    ".stm": "stm",
    ".cha": "chat",
    ".wrd": "timit",
    ".phn": "timit",
    ".words": "buckeye",
    ".phones": "buckeye",
    ".ctm": "ctm",
    ".jsonl": "lhotse",
    ".gz": "lhotse",
}


def detect_format(path: Path) -> str:
    """The format of a file, from its suffix or else from what it holds."""
    return _SUFFIXES.get(path.suffix.lower()) or _told(path, _stamp(path))


def _stamp(path: Path) -> tuple[int, int]:
    """What changes when a file does."""
    try:
        status = path.stat()
    except OSError as error:
        raise AlignmentError(f"{path}: cannot be read ({error.strerror})") from error
    return status.st_mtime_ns, status.st_size


@lru_cache(maxsize=8)
def _told(path: Path, stamp: tuple[int, int]) -> str:
    text = read_text(path, windows=True)
    suffix = path.suffix.lower()
    if suffix in (".csv", ".tsv"):
        check_columns(path, text)
        return "csv"
    lines = (line for line in text.splitlines() if line.strip())
    first, second = next(lines, ""), next(lines, "")
    if suffix == ".json" or (not suffix and first[:1] in ("{", "[")):
        try:
            document = parsed_json(path, text)
        except AlignmentError:
            return "mfa-json"  # whose reader says what is wrong
        if isinstance(document, dict) and "tiers" in document:
            return "mfa-json"
        if items_of(document) is None:
            raise foreign_json(path, document)
        return "recogniser"
    if "ooTextFile" in first:
        return "textgrid"
    if LINE.match(first):
        return "librispeech"
    if first.startswith("WEBVTT") or "-->" in (second if first.strip().isdigit() else first):
        return "subtitles"
    if first.startswith(("@UTF8", "@Begin")):
        return "chat"
    if is_fave(first) or (first.count("\t") >= 4 and is_fave(second)):
        return "fave"
    raise UnknownFormatError(
        f"{path}: its format cannot be told from its name or first line; name it, one of "
        f"{', '.join(FORMATS)}"
    )


def _format(path: Path, name: str) -> str:
    if name != AUTO and name not in FORMATS:
        raise ConfigError(
            f"no alignment format is called '{name}'; there are: auto, {', '.join(FORMATS)}"
        )
    return detect_format(path) if name == AUTO else name


def has_many(path: Path, format: str = AUTO) -> bool:
    """Whether a file of this format may hold the alignments of many recordings."""
    return _format(path, format) in _MANY


def files_of(path: Path, format: str = AUTO) -> tuple[Path, ...]:
    """All files of an alignment, e.g. TIMIT's ``.WRD`` and ``.PHN``; a damaged one stands alone."""
    try:
        files = _FILES.get(_format(path, format), lambda path: (path,))
        return tuple(file for file in files(path) if file is not None)
    except (AlignmentError, MissingPartError):  # reported when it is read
        return (path,)


def read_alignments(
    path: Path | str, format: str = AUTO, options: ReadOptions | None = None
) -> Alignments:
    """All alignments of a file, by utterance id; that of a single recording by the file's name."""
    path = Path(path)
    name = _format(path, format)
    options = options or ReadOptions()
    if name in _MANY:
        return _MANY[name](path, options)
    return Alignments({nfc(path.stem): _ONE[name](path, options)})


@lru_cache(maxsize=4)
def _kept(path: Path, format: str, options: ReadOptions, stamp: tuple[int, int]) -> Alignments:
    """Files with many recordings, read once while a corpus is gone through."""
    return read_alignments(path, format, options)


def holds(path: Path, utterance_id: str, format: str = AUTO) -> bool:
    """Whether a file of many recordings has the alignment of this one."""
    alignments = _kept(path, format, ReadOptions(), _stamp(path))
    name = nfc(utterance_id)
    names = alignments.keys() | alignments.voices.keys()
    return name in names or names == {""}


def voices_of(path: Path, utterance_id: str, format: str = AUTO) -> tuple[str, ...]:
    """Speakers (of a CTM file: channels) whose words an alignment of one recording tells apart."""
    name = _format(path, format)
    if _ONE.get(name) is _textgrid:
        return speakers_of(path)
    if name not in _MANY:
        return ()
    all_voices = _kept(path, format, ReadOptions(), _stamp(path)).voices
    voices = tuple(all_voices.get(nfc(utterance_id)) or all_voices.get("") or ())
    return voices if len(voices) > 1 else ()


def read_alignment(
    path: Path | str,
    format: str = AUTO,
    *,
    utterance_id: str | None = None,
    speaker: str | None = None,
    rate_hz: int | None = None,
    channel: str | None = None,
    language: Language | None = None,
) -> Alignment:
    """Read one recording's words and phones, whatever program wrote them.

    Where words and phones are two files, ``path`` is either of them; ``format`` is ``"auto"`` or
    one of `FORMATS`. Of files with several recordings or speakers ``utterance_id`` and ``speaker``
    (in any case of letters) say which, of CTM files and Lhotse manifests ``channel``. Times may be
    counted in samples at ``rate_hz``, if not at the format's own rate. The IPA is read as ARPAbet
    if the ``language`` is English, and stays what it is in others.

    Times are in seconds from the recording's first sample, phones as
    :func:`~stressnet.alignment.readers.phone_sets.in_phones_of` reads them, every mark for silence
    ``""``. There are no phones if the format has none (condensed LibriSpeech alignments, a CTM of
    words).
    """
    path = Path(path)
    reader = _ONE.get(_format(path, format))
    options = ReadOptions(speaker, rate_hz, channel)
    if reader is not None:
        return in_phones_of(reader(path, options), language)
    # Files of many are kept as they are, whichever speaker is wanted.
    alignments = _kept(path, format, replace(options, speaker=None), _stamp(path))
    names = list(dict.fromkeys((*alignments, *alignments.voices)))
    if utterance_id is not None and nfc(utterance_id) in names:
        name = nfc(utterance_id)
    elif names == [""] or (utterance_id is None and len(names) == 1):
        name = names[0]  # a table without a column for it belongs to one recording
    elif utterance_id is None:
        raise AlignmentError(
            f"{path}: holds {len(names)} recordings ({', '.join(names[:3])}, ...); say which by "
            f"utterance_id"
        )
    else:
        raise AlignmentError(f"{path}: holds no alignment of '{utterance_id}'; add it")
    voices = alignments.voices.get(name, {})
    is_one_of_many = speaker is not None and any(voices)
    if name in alignments and not is_one_of_many:
        return in_phones_of(alignments[name], language)
    wanted = {v.casefold() for v in (speaker, channel) if v is not None}
    for voice, alignment in voices.items():
        if voice.casefold() in wanted:
            return in_phones_of(alignment, language)
    what = "channels" if _format(path, format) == "ctm" else "speakers"
    raise AlignmentError(
        f"{path}: '{name or path.stem}' has the {what} {', '.join(sorted(voices))}"
        + (f", not {speaker}" if speaker is not None else "")
        + "; choose one with --speaker"
    )
