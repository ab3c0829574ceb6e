"""Corpus recipes: a small TOML file says where a corpus keeps its things.

A new corpus is a new file, not new code. The format and path templates are described in
``docs/recipes.md``; ``corpora/librispeech.toml`` is an example.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from importlib import resources
from pathlib import Path
from typing import Any

from stressnet.alignment.readers import AUTO, FORMATS
from stressnet.corpus.written import Normaliser
from stressnet.errors import ConfigError, RecipeError
from stressnet.languages import ENGLISH
from stressnet.lexicon.contrast import STRESS, Contrast
from stressnet.runs.toml_file import Entry, entry, read_toml


def only_known(table: Mapping[str, Any], known: set[str], path: Path, where: str = "") -> None:
    """Raise :class:`RecipeError` if a section has an entry that is not among the known ones."""
    unknown = set(table) - known
    if unknown:
        what = f"[{where}] has an unknown entry" if where else "unknown section"
        raise RecipeError(f"{path}: {what} '{min(unknown)}'; see docs/recipes.md")


def section(
    data: Mapping[str, Any], key: str, path: Path, *, optional: bool = False
) -> dict[str, Any]:
    """A section of a recipe, empty if it is optional and not there."""
    if key not in data and not optional:
        raise RecipeError(f"{path}: lacks the section [{key}]; see docs/recipes.md")
    section = data.get(key, {})
    if not isinstance(section, dict):
        raise RecipeError(f"{path}: '{key}' must be a section, written [{key}]")
    return section


def text(
    table: Mapping[str, Any], key: str, path: Path, where: str, default: str | None = None
) -> str:
    """An entry that is text."""
    value = table.get(key, default)
    if value is None:
        raise RecipeError(f"{path}: [{where}] lacks '{key}'")
    if not isinstance(value, str):
        raise RecipeError(f"{path}: [{where}] {key} = {value!r} must be text in quotes")
    return value


def entries(
    kind: type[Entry], data: Mapping[str, Any], key: str, path: Path, prefix: str = ""
) -> tuple[Entry, ...]:
    """Sections that may occur more than once, each as an instance of a dataclass."""
    where = f"[[{prefix}{key}]]"
    entries = data.get(key, [])
    if not isinstance(entries, list):
        raise RecipeError(f"{path}: '{key}' may occur more than once and must be written {where}")
    return tuple(entry(kind, values, path, where, RecipeError) for values in entries)


_CORPUS = "name title licence citation url synthetic language"

TRANSCRIPT_KINDS = ("lines", "beside", "table", "path")


@dataclass(frozen=True)
class TranscriptSource:
    """Path template of transcripts.

    The kind is ``lines`` (one file for many utterances, each line ``ID words ...``), ``beside``
    (one file per utterance, all of it text), ``table``, a delimited file with an id column and a
    text column, counted from 0, or ``path``, where the pattern itself is the text. Only for
    ``beside``, ``skip_words`` words at the start are no speech (TIMIT's sample numbers).
    """

    kind: str
    pattern: str
    delimiter: str = "|"
    id_column: int = 0
    text_column: int = 1
    skip_words: int = 0


@dataclass(frozen=True)
class AlignmentSource:
    """Path template of alignments; the format is of `readers.FORMATS`, or ``"auto"``."""

    pattern: str
    format: str = "auto"


@dataclass(frozen=True)
class SpeakerTable:
    """Where speakers' sex is noted: a delimited file with a header or with column numbers."""

    file: str
    delimiter: str = "\t"
    comment: str = ";"
    speaker_column: int = 0
    sex_column: int = 1
    header: bool = True


@dataclass(frozen=True)
class LabelTable:
    """A table of decisions about words, of stress or of the `contrast` that is named.

    Instead of a `file`, all recordings below a `folder` of that name may have one `value`.
    """

    file: str = ""
    contrast: str = ""
    folder: str = ""
    value: str = ""

    @property
    def tells(self) -> Contrast:
        """The contrast."""
        return Contrast.parse(self.contrast) if self.contrast else STRESS


@dataclass(frozen=True)
class Part:
    """A downloadable archive of a corpus."""

    url: str
    sha256: str
    size: str = ""


@dataclass(frozen=True)
class Recipe:
    """Everything stressnet knows of a corpus before it sees it."""

    name: str
    title: str
    licence: str
    citation: str
    audio_patterns: tuple[str, ...]
    transcripts: tuple[TranscriptSource, ...] = ()
    alignments: tuple[AlignmentSource, ...] = ()
    speaker_constant: str | None = None
    sex_constant: str | None = None
    speaker_tables: tuple[SpeakerTable, ...] = ()
    label_tables: tuple[LabelTable, ...] = ()
    url: str = ""
    synthetic: bool = False
    parts: Mapping[str, Part] = field(default_factory=dict)
    utterance_id: str = "{utterance}"
    speaker_name: str = "{speaker}"
    ignore_case: bool = False
    channel: int | None = None
    reading: Normaliser = field(default_factory=Normaliser)

    @property
    def language(self) -> str:
        """Code of the language of the speech."""
        return self.reading.language

    @property
    def contrast(self) -> Contrast:
        """What its label tables tell apart, if not stress; `RecipeError` if it is two things."""
        named = {table.tells for table in self.label_tables} - {STRESS}
        if len(named) > 1:
            both = "' and '".join(sorted(one.column for one in named))
            raise RecipeError(f"recipe '{self.name}': [[labels]] name contrasts '{both}'; keep one")
        return named.pop() if named else STRESS

    def spoken_in(self, code: str | None) -> Recipe:
        """The recipe for speech in another language; None changes nothing."""
        return replace(self, reading=replace(self.reading, language=code)) if code else self


def template_to_regex(template: str, *, ignore_case: bool = False) -> re.Pattern[str]:
    """Compile a path template into a pattern for POSIX paths relative to the corpus folder.

    Raises :class:`re.error` if a field's name or narrowing is no valid regular expression.

    >>> template_to_regex("**/{speaker}/{utterance}.flac").fullmatch("x/19/a b.flac").groupdict()
    {'speaker': '19', 'utterance': 'a b'}
    >>> template_to_regex(r"{sex:[FM]}{voice}.wav").fullmatch("FCJF0.wav").groupdict()
    {'sex': 'F', 'voice': 'CJF0'}
    """
    out: list[str] = []
    seen: set[str] = set()
    for piece in re.split(r"(\*\*/|\{\w+(?::[^{}]+)?\}|\*)", template):
        if piece == "**/":
            out.append(r"(?:.*/)?")
        elif piece == "*":
            out.append(r"[^/]*")
        elif piece.startswith("{") and piece.endswith("}"):
            name, _, narrowed = piece[1:-1].partition(":")
            out.append(f"(?P={name})" if name in seen else f"(?P<{name}>{narrowed or '[^/]+'})")
            seen.add(name)
        else:
            out.append(re.escape(piece))
    return re.compile("".join(out), re.IGNORECASE if ignore_case else 0)


def files_below(root: Path) -> Iterator[tuple[str, Path]]:
    """Files with their path relative to ``root``; hidden ones left out, links followed once."""
    visited: set[str] = set()
    for folder, subfolders, files in os.walk(root, followlinks=True):
        real = os.path.realpath(folder)
        if real in visited:  # a link back up, or to a folder reached before
            subfolders.clear()
            continue
        visited.add(real)
        subfolders[:] = sorted(name for name in subfolders if not name.startswith("."))
        for name in files:
            path = Path(folder) / name
            is_lost = path.is_symlink() and not path.exists()
            if not name.startswith(".") and (is_lost or path.is_file()):
                yield path.relative_to(root).as_posix(), path


def find_audio(recipe: Recipe, root: Path) -> Iterator[tuple[Path, dict[str, str]]]:
    """Audio files that a recipe's patterns match, with their values of its fields, sorted."""
    patterns = [template_to_regex(p, ignore_case=recipe.ignore_case) for p in recipe.audio_patterns]
    for relative, path in sorted(files_below(root)):
        match = next(filter(None, (pattern.fullmatch(relative) for pattern in patterns)), None)
        if match:
            yield path, match.groupdict()


def available_recipes() -> dict[str, Path]:
    """Names and files of the shipped recipes: the package's own, else the checkout's."""
    package = Path(str(resources.files("stressnet")))
    folders = (package.parent / "corpora", package / "_recipes")
    return {file.stem: file for folder in folders for file in sorted(folder.glob("*.toml"))}


def load_recipe(name_or_path: str) -> Recipe:
    """Load a shipped recipe by name, or any recipe by path."""
    path = Path(name_or_path)
    if path.suffix != ".toml":
        known = available_recipes()
        if name_or_path not in known:
            raise RecipeError(
                f"no recipe named '{name_or_path}'; there are {', '.join(known)}, "
                f"or give the path of a .toml file"
            )
        path = known[name_or_path]
    return _parse(read_toml(path, RecipeError), path)


def _parse(data: dict[str, Any], path: Path) -> Recipe:
    """Check a recipe's entries one by one, so that a typing error is named and not ignored."""
    sections = "corpus audio transcript transcripts alignment speakers labels parts"
    only_known(data, set(sections.split()), path)
    corpus = section(data, "corpus", path)
    only_known(corpus, {*_CORPUS.split()}, path, "corpus")
    audio = section(data, "audio", path)
    only_known(audio, {"pattern", "id", "ignore_case", "channel"}, path, "audio")
    speakers = section(data, "speakers", path, optional=True)
    only_known(speakers, {"constant", "name", "sex", "table"}, path, "speakers")
    recipe = Recipe(
        name=text(corpus, "name", path, "corpus"),
        title=text(corpus, "title", path, "corpus"),
        licence=text(corpus, "licence", path, "corpus"),
        citation=text(corpus, "citation", path, "corpus"),
        url=text(corpus, "url", path, "corpus", default=""),
        synthetic=corpus.get("synthetic", False) is True,
        audio_patterns=_patterns(audio, path),
        transcripts=entries(TranscriptSource, data, "transcript", path),
        alignments=entries(AlignmentSource, data, "alignment", path),
        speaker_constant=text(speakers, "constant", path, "speakers", default="") or None,
        sex_constant=text(speakers, "sex", path, "speakers", default="") or None,
        speaker_tables=entries(SpeakerTable, speakers, "table", path, "speakers."),
        label_tables=entries(LabelTable, data, "labels", path),
        parts={
            name: entry(Part, values, path, f"[parts.{name}]", RecipeError)
            for name, values in section(data, "parts", path, optional=True).items()
        },
        utterance_id=text(audio, "id", path, "audio", default="{utterance}"),
        speaker_name=text(speakers, "name", path, "speakers", default="{speaker}"),
        ignore_case=audio.get("ignore_case", False) is True,
        channel=_channel(audio, path),
        reading=_reading(data, text(corpus, "language", path, "corpus", default=ENGLISH), path),
    )
    try:
        _ = recipe.contrast
    except ConfigError as error:
        raise RecipeError(f"{path}: [[labels]] {error}") from error
    _check_templates(recipe, path)
    return recipe


def _check_templates(recipe: Recipe, path: Path) -> None:
    """Raise unless every field a template uses is one that the audio patterns supply."""
    fields: set[str] | None = None
    for pattern in recipe.audio_patterns:
        try:
            here = set(template_to_regex(pattern).groupindex)
        except re.error as error:
            raise RecipeError(
                f"{path}: [audio] pattern '{pattern}' has a field with an unusable name or "
                f"narrowing ({error}); use letters, as in {{session}} or {{session:[0-9]+}}"
            ) from error
        if "utterance" not in here and recipe.utterance_id == "{utterance}":
            raise RecipeError(f"{path}: [audio] pattern '{pattern}' lacks {{utterance}}")
        named = recipe.speaker_constant is not None or recipe.speaker_name != "{speaker}"
        if "speaker" not in here and not named:
            raise RecipeError(
                f"{path}: [audio] pattern '{pattern}' lacks {{speaker}}; add it or name the only "
                f"speaker with [speakers] constant"
            )
        fields = here if fields is None else fields & here
    usable = (fields or set()) | {"folder", "root"}
    templates = [
        *(("[[transcript]] pattern", source.pattern) for source in recipe.transcripts),
        *(("[[alignment]] pattern", source.pattern) for source in recipe.alignments),
        ("[audio] id", recipe.utterance_id),
        ("[speakers] name", "" if recipe.speaker_name == "{speaker}" else recipe.speaker_name),
        ("[speakers] sex", recipe.sex_constant or ""),
    ]
    for name, template in templates:
        unknown = set(re.findall(r"\{([^}]*)\}", template)) - usable
        if unknown:
            raise RecipeError(
                f"{path}: {name} '{template}' uses {{{min(unknown)}}}, which not "
                f"every [audio] pattern has; there are {', '.join(sorted(usable))}"
            )
    for alignment in recipe.alignments:
        if alignment.format not in (AUTO, *FORMATS):
            raise RecipeError(
                f"{path}: alignment format '{alignment.format}'; known are auto, "
                f"{', '.join(FORMATS)}"
            )
    for table in recipe.label_tables:
        if bool(table.file) == bool(table.folder and table.value in table.tells.classes):
            raise RecipeError(
                f"{path}: [[labels]] needs a file, or a folder and the value of what lies in it, "
                f"{' or '.join(table.tells.classes)}"
            )
    for source in recipe.transcripts:
        if source.kind not in TRANSCRIPT_KINDS:
            raise RecipeError(
                f"{path}: transcript kind '{source.kind}'; known are {', '.join(TRANSCRIPT_KINDS)}"
            )


def _reading(data: Mapping[str, Any], code: str, path: Path) -> Normaliser:
    if isinstance(data.get("transcripts"), list):
        raise RecipeError(
            f"{path}: where transcripts are is written [[transcript]]; [transcripts] says how they "
            f"are read"
        )
    given = section(data, "transcripts", path, optional=True)
    only_known(given, {"convention", "rules"}, path, "transcripts")
    convention = text(given, "convention", path, "transcripts", default="plain")
    rules = given.get("rules", [])
    if not isinstance(rules, list) or not all(
        isinstance(rule, list) and [type(part) for part in rule] == [str, str] for rule in rules
    ):
        raise RecipeError(
            f"{path}: [transcripts] rules must be pairs of text in quotes, "
            f'[["pattern", "replacement"], ...]'
        )
    try:
        return Normaliser(convention, tuple((pattern, new) for pattern, new in rules), code)
    except RecipeError as error:
        raise RecipeError(f"{path}: [transcripts] {error}") from error
    except ConfigError as error:
        raise RecipeError(f"{path}: [corpus] {error}") from error


def _channel(audio: Mapping[str, Any], path: Path) -> int | None:
    value = audio.get("channel")
    if value is not None and (type(value) is not int or value < 1):
        raise RecipeError(f"{path}: [audio] channel = {value!r} must be a whole number from 1")
    return value


def _patterns(audio: Mapping[str, Any], path: Path) -> tuple[str, ...]:
    value = audio.get("pattern")
    patterns = [value] if isinstance(value, str) else value
    if not isinstance(patterns, list) or not patterns:
        raise RecipeError(f"{path}: [audio] lacks 'pattern', one path template or a list of them")
    if not all(isinstance(pattern, str) for pattern in patterns):
        raise RecipeError(f"{path}: [audio] pattern must be text in quotes, or a list of that")
    return tuple(patterns)
