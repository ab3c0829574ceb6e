"""Which recipe fits a folder: shipped ones and some made from its files are tried.

The best has the most usable recordings, then the fewest that fail, then the fewest warnings; of
equals the first is taken, and ``generic`` is the first.
"""

import json
import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path, PurePosixPath

from stressnet.corpus.recipe import (
    AlignmentSource,
    LabelTable,
    Recipe,
    SpeakerTable,
    TranscriptSource,
    files_below,
    load_recipe,
)
from stressnet.corpus.scan import Scan, scan
from stressnet.corpus.speakers import SET_NAMES
from stressnet.errors import CorpusError, StressnetError
from stressnet.media import AUDIO_ENDINGS
from stressnet.runs.problems import Severity

_SIGNATURES = {  # Files without which a shipped recipe is not tried
    "mfa": r"aligned/.*\.(TextGrid|json|csv)|.*\.(json|csv)",
    "ctm": r"all\.words\.ctm",
    "lhotse": r"(supervisions|cuts)\.jsonl(\.gz)?",
    "librispeech": r".*\.(trans|alignment)\.txt",
    "timit": r".*\.(wrd|phn)",
    "buckeye": r".*\.words",
    "ljspeech": r"metadata\.csv",
    "stress-clips": r".*/?(IS|FS)_tar/.*\.wav",
    "tedlium": r".*/?stm/.*\.stm",
    "oyez": r".*\.json",
}

_ALIGNMENT_ENDINGS = (".textgrid", ".eaf", ".cha", ".json", ".vtt", ".srt", ".csv", ".tsv")
_TEXT_ENDINGS = (".txt", ".lab")
_PREFIX = re.compile(r"([^_-]+)([_-])(.+)")


@dataclass(frozen=True)
class Layout:
    """A recipe that was tried on a folder, what there speaks for it, and what it finds."""

    recipe: Recipe
    why: str
    found: Scan

    @property
    def score(self) -> tuple[int, int, int]:
        """Usable recordings, minus those that fail, minus warnings."""
        failed = sum(p.severity is Severity.ERROR for p in self.found.problems)
        usable = len({r.audio_path for r in self.found.recordings})
        return usable, -failed, failed - len(self.found.problems)


def layouts_of(root: Path) -> list[Layout]:
    """Recipes that find something in a folder, the best first."""
    if not root.is_dir():
        raise CorpusError(f"{root}: no such folder; check the path")
    files = [PurePosixPath(relative) for relative, _ in sorted(files_below(root))]
    sounds = [file for file in files if file.suffix.lower() in AUDIO_ENDINGS]
    if not sounds:
        raise CorpusError(f"{root}: no sound in it or in its folders; check the path")
    tried = []
    for recipe, why in _recipes(files, sounds):
        try:
            tried.append(Layout(recipe, why, scan(recipe, root)))
        except StressnetError:
            continue  # finds no sound, or a table that it names is damaged
        if tried[0].found.recordings and not tried[0].found.problems:
            break  # nothing can be better
    if not tried:
        recipe, why = next(_recipes(files, sounds))
        return [Layout(recipe, why, scan(recipe, root))]
    return sorted(tried, key=lambda layout: layout.score, reverse=True)  # of equals the first


def _recipes(
    files: Sequence[PurePosixPath], sounds: Sequence[PurePosixPath]
) -> Iterator[tuple[Recipe, str]]:
    generic = load_recipe("generic")
    yield generic, "a folder per speaker, text, alignment or subtitles beside each recording"
    for name, pattern in _SIGNATURES.items():
        signature = re.compile(pattern, re.IGNORECASE)
        file = next((file for file in files if signature.fullmatch(str(file))), None)
        if file is not None:
            yield load_recipe(name), f"files such as {file}"
    own = replace(
        generic, name="own", title="A folder of recordings, laid out as found by stressnet inspect"
    )
    endings = sorted({path.suffix.lower() for path in sounds})
    yield from _sessions(own, sounds, endings)
    yield from _apart(own, sounds, files)
    yield from _flat(own, sounds, endings)


def _sessions(
    own: Recipe, sounds: Sequence[PurePosixPath], endings: Sequence[str]
) -> Iterator[tuple[Recipe, str]]:
    """Speakers whose recordings lie in folders of sessions, which recur from one to the next."""
    above = defaultdict(set)
    for path in sounds:
        if len(path.parts) == 3:
            above[path.parts[1]].add(path.parts[0])
    if any(name.lower() in SET_NAMES for speakers in above.values() for name in speakers):
        return
    recurring = [name for name, speakers in above.items() if len(speakers) > 1]
    if recurring and len(recurring) >= len(above) / 2:
        patterns = tuple(f"{{speaker}}/{{session}}/{{utterance}}{ending}" for ending in endings)
        yield (
            replace(own, audio_patterns=patterns),
            f"folders such as '{recurring[0]}' recur below several others",
        )


def _apart(
    own: Recipe, sounds: Sequence[PurePosixPath], files: Sequence[PurePosixPath]
) -> Iterator[tuple[Recipe, str]]:
    """Sound in one tree, alignments or texts of the same names in another."""
    stems = {path.stem: path for path in sounds}
    trees: Counter[tuple[str, str, str]] = Counter()
    for file in files:
        sound = stems.get(file.stem)
        if sound is None or file.parent == sound.parent or len(file.parts) < 2:
            continue
        if file.suffix.lower() in (*_ALIGNMENT_ENDINGS, *_TEXT_ENDINGS):
            is_flat = len(file.parts) == 2
            if is_flat or file.parts[1:-1] == sound.parts[-len(file.parts) + 1 : -1]:
                inner = "" if is_flat else "{speaker}/"
                trees[file.parts[0], inner, file.suffix] += 1
    if not trees:
        return
    alignments, transcripts = list(own.alignments), list(own.transcripts)
    for (tree, inner, ending), _ in trees.most_common():
        pattern = f"{{root}}/{tree}/{inner}{{utterance}}{ending}"
        if ending.lower() in _ALIGNMENT_ENDINGS:
            alignments.append(AlignmentSource(pattern))
        else:
            transcripts.append(TranscriptSource("beside", pattern))
    yield (
        replace(own, alignments=tuple(alignments), transcripts=tuple(transcripts)),
        f"'{trees.most_common(1)[0][0][0]}' holds files named like the recordings",
    )


def _flat(
    own: Recipe, sounds: Sequence[PurePosixPath], endings: Sequence[str]
) -> Iterator[tuple[Recipe, str]]:
    """Recordings without folders: the speaker is the first part of the name, or is not told."""
    flat = [path for path in sounds if len(path.parts) == 1]
    if not flat:
        return
    prefixes = Counter(m[1] for path in flat if (m := _PREFIX.fullmatch(path.stem)))
    if prefixes and sum(prefixes.values()) == len(flat) and len(prefixes) * 2 <= len(flat):
        separators = {_PREFIX.fullmatch(path.stem)[2] for path in flat}  # type: ignore[index]
        if len(separators) == 1:
            rest = f"{separators.pop()}{{rest}}"
            identity = f"{{speaker}}{rest}"
            recipe = replace(
                own,
                audio_patterns=tuple(f"{{speaker:[^_-]+}}{rest}{ending}" for ending in endings),
                utterance_id=identity,
                transcripts=tuple(
                    replace(t, pattern=t.pattern.replace("{utterance}", identity))
                    for t in own.transcripts
                ),
                alignments=tuple(
                    replace(a, pattern=a.pattern.replace("{utterance}", identity))
                    for a in own.alignments
                ),
            )
            yield recipe, f"names begin with {len(prefixes)} speakers, such as '{min(prefixes)}'"
    patterns = tuple(f"{{utterance}}{ending}" for ending in endings)
    yield (
        replace(own, audio_patterns=patterns, speaker_constant="speaker"),
        "recordings without folders, whose names do not tell who speaks: taken as one person",
    )


def recipe_text(recipe: Recipe, comments: Sequence[str] = ()) -> str:
    """A recipe as the text of a TOML file that reads as the same recipe."""
    lines = [f"# {comment}" for comment in comments] + [""] * bool(comments)
    lines += [
        "[corpus]",
        "# What reports say of the corpus.",
        *(f"{k} = {_toml(getattr(recipe, k))}" for k in ("name", "title", "licence", "citation")),
        *([f"url = {_toml(recipe.url)}"] if recipe.url else []),
        *(["synthetic = true"] if recipe.synthetic else []),
        "",
        "[audio]",
        "# Where recordings are; {speaker} and {utterance} are parts of names.",
        "pattern = [",
        *(f"    {_toml(pattern)}," for pattern in recipe.audio_patterns),
        "]",
    ]
    if recipe.utterance_id != "{utterance}":
        lines += ["# What names a recording.", f"id = {_toml(recipe.utterance_id)}"]
    lines += ["ignore_case = true"] if recipe.ignore_case else []
    if recipe.channel is not None:
        lines += [f"channel = {recipe.channel}"]
    else:
        lines += ["# channel = 1   # of recordings with several; left out, they are averaged"]
    comment = "# Tried in this order, where there is no alignment."
    reading = recipe.reading
    lines += [
        *_tables("transcript", recipe.transcripts, comment),
        "",
        "# How transcripts are read: marks, digits, abbreviations; see docs/transcripts.md.",
        "[transcripts]",
        f"convention = {_toml(reading.convention)}   # plain, chat, fave or librispeech",
        "# rules = [['pattern', 'replacement']]   # your own, before those of the convention",
        *([f"rules = {_toml(reading.rules)}"] if reading.rules else []),
    ]
    comment = "# Words and phones that are there already; tried in this order."
    lines += _tables("alignment", recipe.alignments, comment)
    speakers = [
        *([f"constant = {_toml(recipe.speaker_constant)}"] if recipe.speaker_constant else []),
        *([f"name = {_toml(recipe.speaker_name)}"] if recipe.speaker_name != "{speaker}" else []),
        *([f"sex = {_toml(recipe.sex_constant)}"] if recipe.sex_constant else []),
    ]
    lines += ["", "[speakers]", *speakers] if speakers else []
    lines += _tables("speakers.table", recipe.speaker_tables)
    lines += _tables("labels", recipe.label_tables)
    return "\n".join(lines) + "\n"


def _tables(
    name: str,
    sources: Sequence[TranscriptSource | AlignmentSource | SpeakerTable | LabelTable],
    comment: str = "",
) -> list[str]:
    lines = []
    for number, source in enumerate(sources):
        lines += ["", *([comment] if comment and not number else []), f"[[{name}]]"]
        values = ((f, getattr(source, f.name)) for f in fields(source))
        lines += [f"{f.name} = {_toml(value)}" for f, value in values if value != f.default]
    return lines


def _toml(value: object) -> str:
    """A string, whole number or truth value; JSON writes them as TOML does, but for DEL."""
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
