"""Who speaks: the table of speakers, folders of sessions, and ids that no two recordings share."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from stressnet.corpus.plain_table import read_rows
from stressnet.corpus.recipe import SpeakerTable
from stressnet.runs.manifest import hash_ends
from stressnet.runs.problems import Problem, warnings_about

SEXES = {"f": "female", "m": "male", "female": "female", "male": "male", "w": "female"}
_SPEAKER_HEADERS = ("speaker", "speaker_id", "speakerid", "spk", "id", "name", "participant")
_SEX_HEADERS = ("sex", "gender")
SET_NAMES = frozenset({"train", "training", "dev", "valid", "validation", "test", "eval"})
"""Folders of sets, below which the same speakers may lie."""


@dataclass
class Candidate:
    """A recording before it is known who speaks in it.

    `parts` are the folders between the corpus folder and the recording, in normal form C; `fields`
    what the recipe's pattern found in the path, `name` and `speaker` what the recipe makes of it;
    `utterance_id` is the name, or more where names repeat.
    """

    path: Path
    parts: tuple[str, ...]
    fields: dict[str, str]
    name: str
    speaker: str
    utterance_id: str = ""

    def __post_init__(self) -> None:
        self.utterance_id = self.utterance_id or self.name


@dataclass(frozen=True)
class Speakers:
    """A corpus's table of speakers: its name, empty if there is none, and what it says.

    `sexes` are ``"female"``, ``"male"`` or ``""``; `problems` are lines that were not understood.
    """

    file: str = ""
    sexes: Mapping[str, str] = field(default_factory=dict)
    problems: tuple[Problem, ...] = ()

    def listed(self, speaker: str) -> str | None:
        """The name under which the table lists a speaker, whatever its case; None if it does not.

        Names that differ in their case alone are told apart.
        """
        if speaker in self.sexes:
            return speaker
        alike = [name for name in self.sexes if name.casefold() == speaker.casefold()]
        return alike[0] if len(alike) == 1 else None

    def sex(self, speaker: str, otherwise: str) -> str:
        """Sex of a speaker."""
        name = self.listed(speaker)
        return otherwise if name is None else self.sexes[name]


class People(dict[str, str]):
    """One name per person by its form without case, however tiers, folders and tables write it."""

    def name(self, name: str) -> str:
        """The first name met of a person who is called so."""
        return self.setdefault(name.casefold(), name)


def examples(names: Iterable[str], most: int = 3) -> str:
    """The first few of some names, and how many more there are."""
    names = list(dict.fromkeys(names))
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(f"'{name}'" for name in names[:most]) + more


def read_speakers(root: Path, tables: Sequence[SpeakerTable]) -> Speakers:
    """The first table of speakers that exists in ``root``; of a pattern, all that there are.

    Columns are found by their headers ``speaker`` and ``sex``, else by number; they may be
    separated by tabs, commas, semicolons or blanks if the recipe's delimiter does not occur. A
    first line that gives somebody's sex is no header.
    """
    there = ((table, _files(root, table.file)) for table in tables)
    table, paths = next(((table, paths) for table, paths in there if paths), (None, []))
    if table is None:
        return Speakers()
    path = paths[0]
    rows = [
        row
        for each in paths
        for row in read_rows(each, prefer=table.delimiter, comment=table.comment, blanks=True)
    ]
    speaker_column, sex_column = table.speaker_column, table.sex_column
    if table.header and rows:
        header = [cell.lower() for cell in rows[0][1]]
        if len(header) <= sex_column or header[sex_column] not in SEXES:  # names of columns
            del rows[0]
            # Numbers that a recipe states win over headers.
            if (speaker_column, sex_column) == (0, 1):
                speaker_column = _column(header, _SPEAKER_HEADERS, speaker_column)
                sex_column = _column(header, _SEX_HEADERS, sex_column)
    sexes: dict[str, str] = {}
    wrong = []
    for number, cells in rows:
        if len(cells) <= max(speaker_column, sex_column):
            wrong.append(f"line {number} has {len(cells)} column{'s' * (len(cells) != 1)}")
            continue
        value = cells[sex_column]
        sex = SEXES.get(value.lower(), "")
        if not sex and value.strip("?-. ").lower() not in ("", "unknown", "n/a", "na", "none"):
            wrong.append(f"line {number} gives the sex '{value}'")
        name = cells[speaker_column]
        if sexes.get(name, sex) != sex:
            wrong.append(f"line {number} lists '{name}' again with another sex")
            sex = ""
        sexes[name] = sex
    if not wrong:
        return Speakers(table.file, sexes)
    in_words = {"\t": "a tab", ",": "a comma", ";": "a semicolon"}
    delimiter = in_words.get(table.delimiter, f"'{table.delimiter}'")
    text = (
        f"{path}: {'; '.join(wrong[:3])}{f' and {len(wrong) - 3} more' * (len(wrong) > 3)}; a "
        f"line names a speaker and the sex, female or male, separated by {delimiter}"
    )
    return Speakers(table.file, sexes, tuple(warnings_about(table.file, "scan", [text])))


def _files(root: Path, name: str) -> list[Path]:
    paths = sorted(root.glob(name)) if "*" in name else [root / name]
    return [path for path in paths if path.is_file()]


def _column(header: Sequence[str], names: Sequence[str], default: int) -> int:
    return next((header.index(name) for name in names if name in header), default)


def from_listed_folders(candidates: Sequence[Candidate], speakers: Speakers) -> list[Problem]:
    """Take the folder that the table of speakers lists, where the one next to the recording is not.

    ``anna/session1/a.wav`` is said by anna if the table lists her and no session1.
    """
    moved = []
    for candidate in candidates:
        if speakers.listed(candidate.speaker) is not None:
            continue
        above = [part for part in candidate.parts if speakers.listed(part) is not None]
        if above:
            moved.append((candidate, above[-1]))
    if not moved:
        return []
    first, speaker = moved[0]
    text = (
        f"{first.path}: '{first.speaker}' is not in {speakers.file}, '{speaker}' further up in the "
        f"path is: taken as the speaker, as in {len(moved)} recordings in all; to settle it, use a "
        f'recipe with pattern = "**/{{speaker}}/{{session}}/{{utterance}}.wav" under [audio]'
    )
    for candidate, name in moved:
        candidate.speaker = name
    return warnings_about(first.utterance_id, "scan", [text])


def one_name_many_folders(candidates: Sequence[Candidate], speakers: Speakers) -> list[Problem]:
    """A warning for folders of one name below several others, e.g. a session of several people."""
    above: dict[str, dict[tuple[str, ...], None]] = defaultdict(dict)
    for candidate in {c.utterance_id: c for c in reversed(candidates)}.values():  # without copies
        is_folder = candidate.parts[-1:] == (candidate.speaker,)
        if is_folder and speakers.listed(candidate.speaker) is None:
            above[candidate.speaker][candidate.parts] = None
    several = {
        name: sorted(folders)
        for name, folders in above.items()
        if len(folders) > 1 and not any(SET_NAMES & {p.lower() for p in f} for f in folders)
    }
    if not several:
        return []
    name, folders = min(several.items())
    text = (
        f"speaker '{name}' lies in {len(folders)} folders "
        f"({examples('/'.join(parts) for parts in folders)}), as do {len(several)} speakers in "
        f"all; if these are sessions of different people, list the people in speakers.tsv or use a "
        f'recipe with pattern = "**/{{speaker}}/{{session}}/{{utterance}}.wav" under [audio]'
    )
    return warnings_about(name, "scan", [text])


def make_unique(candidates: Sequence[Candidate]) -> list[Problem]:
    """Give recordings of one name ids of speaker and name, or else of all their folders.

    Recordings of one name in one folder (``a.wav`` and ``a.flac``) keep it, since they share all
    else, and so do copies of one file.
    """
    folders: dict[str, set[tuple[str, ...]]] = defaultdict(set)
    for candidate in candidates:
        folders[candidate.name].add(candidate.parts)
    originals: dict[tuple[str, str, str], Candidate] = {}
    copies: list[tuple[Candidate, Candidate]] = []
    repeated = []
    contents: dict[tuple[str, str], set[str]] = defaultdict(set)
    for candidate in candidates:
        if len(folders[candidate.name]) < 2:
            continue
        with suppress(OSError):  # reported when it is read
            key = (candidate.speaker, candidate.name, hash_ends(candidate.path))
            original = originals.setdefault(key, candidate)
            if original is not candidate:
                copies.append((candidate, original))
                continue
            contents[key[1:]].add(candidate.speaker)
        repeated.append(candidate)
    if len({(c.name, c.parts) for c in repeated}) == len({c.name for c in repeated}):
        return []  # nothing but copies
    open_ones = repeated
    for make in (
        lambda c: f"{c.speaker}_{c.name}",
        lambda c: "_".join((*c.parts, c.name)),
        lambda c: "/".join((*c.parts, c.name)),
    ):
        for candidate in open_ones:
            candidate.utterance_id = make(candidate)
        for copy, original in copies:
            copy.utterance_id = original.utterance_id
        owners: dict[str, set[tuple[object, ...]]] = defaultdict(set)
        for c in (*repeated, *(c for c in candidates if len(folders[c.name]) < 2)):
            owners[c.utterance_id].add((c.parts, c.name))
        open_ones = [c for c in open_ones if len(owners[c.utterance_id]) > 1]
    name = repeated[0].name
    group = [c for c in repeated if c.name == name]
    text = (
        f"{len(group)} recordings are called '{name}' ({examples(str(c.path) for c in group)}), "
        f"names that repeat: {len({c.name for c in repeated})}; their ids are made of speaker and "
        f"name: {examples(c.utterance_id for c in group)}"
    )
    same = next((speakers for speakers in contents.values() if len(speakers) > 1), None)
    if same:
        text += f"; the same file lies under {examples(sorted(same))}: check that none is a copy"
    return warnings_about(name, "scan", [text])


def unmatched(speakers: Speakers, found: Iterable[str]) -> list[Problem]:
    """A warning if the table of speakers lists nobody who speaks, or only some."""
    found = sorted(set(found))
    missing = [speaker for speaker in found if speakers.listed(speaker) is None]
    if not speakers.file or not missing:
        return []
    if len(missing) == len(found):
        what = f"none of its {len(speakers.sexes)} speakers is in the recordings"
        if not speakers.sexes:
            what = "lists no speaker"
    else:
        what = f"{len(missing)} of {len(found)} speakers of the recordings are not in it"
    absent = [name for name in speakers.sexes if name.casefold() not in map(str.casefold, found)]
    text = (
        f"{speakers.file}: {what}; the recordings have {examples(missing)}"
        + (f", the table has {examples(absent)} besides" if absent else "")
        + "; names must be the same in both, else the sex is unknown"
    )
    return warnings_about(speakers.file, "scan", [text])
