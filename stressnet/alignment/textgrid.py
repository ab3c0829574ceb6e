"""Praat TextGrids: words and phones read, and written so that Praat opens them.

Every text format of Praat but the chronological one can be read, and the JSON of praatIO and of the
Montreal Forced Aligner, in UTF-8 (with or without byte order mark) or UTF-16. Tiers may have any
order and case, and a speaker before the name (``words``, ``Word``, ``ALICE - words``, ``ORT-MAU``).
The long format is written, in UTF-8.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from praatio.utilities import textgrid_io

from stressnet.alignment.elan import elan_tiers
from stressnet.alignment.encoding import (
    finite_number,
    foreign_json,
    made_interval,
    nfc,
    parsed_json,
    read_text,
    shown,
)
from stressnet.alignment.paths import with_pauses
from stressnet.alignment.tier_names import (
    ABOUT_SPEECH,
    PHONE_TIERS,
    UTTERANCE_TIERS,
    WORD_TIERS,
    split_name,
)
from stressnet.alignment.validation import fit_to_audio
from stressnet.errors import AlignmentError
from stressnet.intervals import TIMED_TEXT, Alignment, Interval

_INTERVAL_TIER = ("IntervalTier", "interval")  # the latter in the Montreal Forced Aligner's JSON

# Praat reads strings in quotation marks (a quotation mark inside is doubled) and words that begin
# with a number; every other word is a comment, as is everything from a "!" to the end of its line.
# No alternative can give up what it has consumed, so the time is linear in the text.
_TOKEN = (
    r"""!.*|"(?P<text>{text})"(?={end})|(?P<undoubled>")|(?P<number>[-+]?\.?\d[^\s=]*+)|[^\s=]++"""
)
_AS_PRAAT = re.compile(_TOKEN.format(text=r'[^"]*+(?:""[^"]*+)*+', end=r"\s|\Z"))
# Some programs do not double them; a string then ends with its line.
_UNDOUBLED = re.compile(
    _TOKEN.format(text=r'(?:[^"]|"(?![ \t]*(?:\n|\Z)))*+', end=r"[ \t]*(?:\n|\Z)")
)
_Tier = tuple[str, Sequence[object]]  # its name and its entries as they stand
_ENTRIES = {"IntervalTier": re.compile("(?:nnt)*+"), "TextTier": re.compile("(?:nt)*+")}


def read_textgrid(path: Path | str, speaker: str | None = None) -> Alignment:
    """Read the word and phone tiers of a TextGrid.

    Where tiers carry speakers' names (``ALICE - words``), those of ``speaker`` are taken, which is
    not needed if there is only one. Times are in seconds; every mark for silence becomes ``""``;
    other labels stay as they stand, in Unicode normal form C. `source` is ``"textgrid"``. Overlaps
    and overhangs are kept as they are: `validate` lists them, `fit_to_audio` clamps the ends.

    Without a tier of phones there are words only, or utterances: intervals of several words. Raises
    `AlignmentError` if the file cannot be read as a TextGrid or has no tier of words or utterances.
    """
    path = Path(path)
    tiers = _interval_tiers(path)
    names = [split_name(name) for name, _ in tiers]
    own = {b for s, b in names if speaker is None or s.casefold() == speaker.casefold()}
    utterances = _utterance_tiers(tiers)
    speakers = [_speaker(name).casefold() for name, _ in utterances]
    if not own & WORD_TIERS and utterances and (speaker or speakers[0]).casefold() in speakers:
        words = _pick(path, utterances, None, "utterance", speaker)
        return Alignment(words=words, phones=(), source=TIMED_TEXT)
    words = _pick(path, tiers, WORD_TIERS, "word", speaker)
    if not own & PHONE_TIERS:
        return Alignment(words=words, phones=(), source="textgrid")
    phones = _pick(path, tiers, PHONE_TIERS, "phone", speaker)
    return Alignment(words=words, phones=phones, source="textgrid")


def _speaker(name: str) -> str:
    """The speaker that a tier of utterances belongs to."""
    speaker, base = split_name(name)
    return speaker if base in UTTERANCE_TIERS else name.strip()


def _utterance_tiers(tiers: Sequence[_Tier]) -> list[_Tier]:
    """Tiers that hold what is said, one per speaker, as MFA and FAVE take them."""
    bases = [split_name(name)[1] for name, _ in tiers]
    named = [tier for tier, base in zip(tiers, bases, strict=True) if base in UTTERANCE_TIERS]
    if named or not (WORD_TIERS | PHONE_TIERS).isdisjoint(bases):
        return named
    return [
        tier
        for tier in tiers
        if not ABOUT_SPEECH.search(tier[0])
        and any(
            isinstance(entry, (list, tuple)) and len(entry) == 3 and str(entry[2]).strip()
            for entry in tier[1]
        )
    ]


def speakers_of(path: Path | str) -> tuple[str, ...]:
    """Speakers before the names of word tiers, in their order; empty if there is one word tier.

    ``""`` stands for a word tier without a speaker. Tiers of utterances count for speakers without
    a word tier; where there are neither words nor phones, they are named after their speakers.
    """
    path = Path(path)
    tiers = _interval_tiers(path)
    names = [split_name(name) for name, _ in tiers]
    words = [speaker for speaker, base in names if base in WORD_TIERS]
    others = [_speaker(name) for name, _ in _utterance_tiers(tiers)]
    speakers = words + [name for name in others if not words or (name and name not in words)]
    several = len(speakers) > 1 and len(set(speakers)) == len(speakers)
    return tuple(speakers) if several else ()


def write_textgrid(
    path: Path | str,
    alignment: Alignment,
    duration_s: float,
    extra_tiers: Mapping[str, Sequence[Interval]] | None = None,
) -> None:
    """Write an alignment as a TextGrid in Praat's long text format, UTF-8.

    Ends up to 50 ms past ``duration_s``, the length of the recording, are clamped. After the tiers
    ``words`` and ``phones`` come ``extra_tiers``.
    """
    path = Path(path)
    extra_tiers = extra_tiers or {}
    taken = {"words", "phones"} & set(extra_tiers)
    if taken:
        raise AlignmentError(f"{path}: an extra tier may not be called '{min(taken)}'; rename it")
    try:
        fitted = fit_to_audio(alignment, duration_s)
        tiers = {"words": fitted.words, "phones": fitted.phones}
        for name, intervals in extra_tiers.items():
            tiers[name] = fit_to_audio(Alignment(tuple(intervals), ()), duration_s).words
    except AlignmentError as error:
        raise AlignmentError(f"{path}: {error}") from error
    limits = {"xmin": 0.0, "xmax": float(duration_s)}
    written = [
        {
            "class": "IntervalTier",
            "name": name,
            **limits,
            "entries": _contiguous(path, name, intervals, float(duration_s)),
        }
        for name, intervals in tiers.items()
    ]
    text = textgrid_io.getTextgridAsStr(
        {**limits, "tiers": written},
        "long_textgrid",
        includeBlankSpaces=False,
        minimumIntervalLength=None,
    )
    path.write_text(text, encoding="utf-8", newline="\n")


def _interval_tiers(path: Path) -> list[_Tier]:
    """All interval tiers of a file."""
    if path.suffix.lower() == ".eaf":
        return elan_tiers(path)
    text = read_text(path)
    if "chronological" in text.split("\n", 1)[0]:
        raise AlignmentError(
            f"{path}: a TextGrid in Praat's chronological format; open it in Praat and save it "
            "with 'Save as text file...'"
        )
    return list((_json_tiers if text.lstrip().startswith("{") else _praat_tiers)(path, text))


def _json_tiers(path: Path, text: str) -> Iterator[_Tier]:
    """Interval tiers of the Montreal Forced Aligner's JSON and of praatIO's two kinds."""
    document = parsed_json(path, text)
    tiers = document.get("tiers") if isinstance(document, dict) else None
    if isinstance(tiers, dict):
        named = list(tiers.items())
    elif isinstance(tiers, list):
        named = [(t.get("name") if isinstance(t, dict) else None, t) for t in tiers]
    else:
        raise foreign_json(path, document)
    for number, (name, tier) in enumerate(named, start=1):
        entries = tier.get("entries") if isinstance(tier, dict) else None
        if not isinstance(name, str) or not isinstance(entries, list):
            raise AlignmentError(
                f"{path}, tier {number}: {shown(tier)} has no name or no list 'entries'; correct it"
            )
        if tier.get("type", tier.get("class")) in _INTERVAL_TIER:
            yield nfc(name), entries


def _praat_tiers(path: Path, text: str) -> Iterator[_Tier]:
    """Interval tiers of a TextGrid in one of Praat's text formats.

    The long and the short format, free text with comments, and a TextGrid in a Praat Collection
    are the same strings and numbers in the same order.
    """
    try:
        kinds, values = _tokens(path, text, _AS_PRAAT)
    except AlignmentError:
        kinds, values = _tokens(path, text, _UNDOUBLED)
    if "TextGrid" not in values:
        raise AlignmentError(
            f"{path}: not a TextGrid in Praat's text format; open it in Praat and save it again "
            "as a text file"
        )
    place = 0
    while place < len(values):
        entries = _ENTRIES.get(values[place]) if kinds[place] == "t" else None
        if entries is None:
            place += 1
            continue
        # The tier's class and name, its start, its end, and the number of its entries.
        if not kinds.startswith("ttnnn", place):
            raise AlignmentError(f"{path}: the last tier is cut off; make the file again")
        name, announced = " ".join(nfc(values[place + 1]).splitlines()), values[place + 4]
        first, width = place + 5, 3 if values[place] == "IntervalTier" else 2
        match = entries.match(kinds, first)
        end = match.end() if match else first
        count = (end - first) // width
        if finite_number(announced, f"{path}, tier '{name}'", "number of intervals") > count:
            raise AlignmentError(
                f"{path}, tier '{name}': {announced} intervals are announced but only {count} are "
                "there; the file is cut off or damaged, make it again"
            )
        if width == 3:
            columns = (values[first + k : end : 3] for k in range(3))
            yield name, list(zip(*columns, strict=True))
        place = end


def _tokens(path: Path, text: str, pattern: re.Pattern[str]) -> tuple[str, list[str]]:
    """Strings and numbers of a text in their order, and for each whether it is ``t`` or ``n``."""
    kinds, values = [], []
    for match in pattern.finditer(text):
        if match.lastgroup == "undoubled":
            line = text.count("\n", 0, match.start()) + 1
            raise AlignmentError(
                f"{path}, line {line}: a label does not end, or a quotation mark in it is not "
                "doubled; open the file in Praat and save it again"
            )
        if match.lastgroup is not None:
            kinds.append(match.lastgroup[0])
            values.append(match[match.lastgroup].replace('""', '"'))
    return "".join(kinds), values


def _pick(
    path: Path,
    tiers: Sequence[_Tier],
    names: frozenset[str] | None,
    level: str,
    speaker: str | None,
) -> tuple[Interval, ...]:
    """The one tier of a level, by name without regard to case or speaker prefix."""
    matching = []
    for name, entries in tiers:
        own, base = (_speaker(name), "") if names is None else split_name(name)
        if (names is None or base in names) and (
            speaker is None or own.casefold() == speaker.casefold()
        ):
            matching.append((name, entries))
    names_there = ", ".join(f"'{name}'" for name, _ in tiers) or "none"
    if not matching:
        of_speaker = f" of speaker '{speaker}'" if speaker is not None else ""
        raise AlignmentError(
            f"{path}: no {level} tier{of_speaker}; interval tiers found: {names_there}; "
            f"name one '{level}s'"
        )
    if len(matching) > 1:
        raise AlignmentError(
            f"{path}: more than one {level} tier; interval tiers found: {names_there}; "
            "choose the speaker whose tiers to take with --speaker, or remove the others"
        )
    ((name, entries),) = matching
    return tuple(
        _interval(entry, f"{path}, tier '{name}', interval {index}")
        for index, entry in enumerate(entries, start=1)
    )


def _interval(entry: object, place: str) -> Interval:
    if not isinstance(entry, (list, tuple)) or len(entry) != 3:
        raise AlignmentError(f"{place}: {shown(entry)} is not [start, end, label]; correct it")
    start_s = finite_number(entry[0], place, "start")
    end_s = finite_number(entry[1], place, "end")
    return made_interval(start_s, end_s, entry[2], place)


def _contiguous(
    path: Path, tier: str, intervals: Sequence[Interval], duration_s: float
) -> list[tuple[float, float, str]]:
    """Intervals in time order with empty ones in the gaps, as Praat wants them."""
    kept: list[Interval] = []
    now_s = 0.0
    for interval in sorted(intervals, key=lambda i: i.start_s):
        start_s, end_s = float(interval.start_s), float(interval.end_s)
        if abs(start_s - now_s) < 1e-9:  # rounding, not a gap
            start_s = now_s
        if start_s < now_s or end_s <= start_s:
            raise AlignmentError(
                f"{path}: tier '{tier}': '{interval.label}' at {start_s:.3f} s overlaps what is "
                "before it or has no length; a TextGrid tier cannot hold this"
            )
        kept.append(Interval(start_s, end_s, interval.label))
        now_s = end_s
    if kept and 0.0 < duration_s - now_s < 1e-9:
        kept[-1] = replace(kept[-1], end_s=duration_s)
    return [(i.start_s, i.end_s, i.label) for i in with_pauses(kept, duration_s)]
