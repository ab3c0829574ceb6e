"""Corpus recipes: a small TOML file says where a corpus keeps its things.

A new corpus is a new file, not new code. See ``docs/recipes.md`` for the format and
``corpora/librispeech.toml`` for an example.

Path templates
--------------
``**/`` matches any folders, ``{name}`` matches one path component (or part of one) and makes a
field of it. Fields found in ``[audio] pattern`` can be used in the other templates, together with
``{folder}``, the folder of the audio file. The field ``utterance`` is required; ``speaker`` is
required unless ``[speakers] constant`` names the only speaker.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path
from typing import Any

from stressnet.errors import RecipeError

TRANSCRIPT_KINDS = ("lines", "beside", "table")


@dataclass(frozen=True)
class TranscriptSource:
    """Where transcripts are.

    Parameters
    ----------
    kind : str
        ``lines``: one file for many utterances, each line ``ID words ...``;
        ``beside``: one file per utterance, all of it text;
        ``table``: a delimited file with an id column and a text column.
    pattern : str
        Path template.
    delimiter, id_column, text_column : str, int, int
        Only for tables; columns count from 0.
    """

    kind: str
    pattern: str
    delimiter: str = "|"
    id_column: int = 0
    text_column: int = 1


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
    alignment_patterns: tuple[str, ...] = ()
    speaker_constant: str | None = None
    sex_constant: str | None = None
    speaker_tables: tuple[SpeakerTable, ...] = ()
    label_tables: tuple[str, ...] = ()
    url: str = ""
    synthetic: bool = False
    parts: Mapping[str, Part] = field(default_factory=dict)


def template_to_regex(template: str) -> re.Pattern[str]:
    """Compile a path template into a pattern for POSIX paths relative to the corpus folder.

    Examples
    --------
    >>> template_to_regex("**/{speaker}/{utterance}.flac").fullmatch("x/19/a b.flac").groupdict()
    {'speaker': '19', 'utterance': 'a b'}
    """
    out: list[str] = []
    seen: set[str] = set()
    for piece in re.split(r"(\*\*/|\{\w+\}|\*)", template):
        if piece == "**/":
            out.append(r"(?:.*/)?")
        elif piece == "*":
            out.append(r"[^/]*")
        elif piece.startswith("{") and piece.endswith("}"):
            name = piece[1:-1]
            out.append(f"(?P={name})" if name in seen else f"(?P<{name}>[^/]+)")
            seen.add(name)
        else:
            out.append(re.escape(piece))
    return re.compile("".join(out))


def find_audio(recipe: Recipe, root: Path) -> Iterator[tuple[Path, dict[str, str]]]:
    """Audio files below ``root`` that a recipe's patterns match, with their fields, in path order.

    Yields
    ------
    path : Path
        The file.
    fields : dict
        Values of the template's fields.
    """
    patterns = [template_to_regex(pattern) for pattern in recipe.audio_patterns]
    files = sorted(
        (path.relative_to(root).as_posix(), path) for path in root.rglob("*") if path.is_file()
    )
    for relative, path in files:
        if any(part.startswith(".") for part in Path(relative).parts):
            continue
        for pattern in patterns:
            match = pattern.fullmatch(relative)
            if match:
                yield path, match.groupdict()
                break


def recipe_folders() -> list[Path]:
    """Folders searched for recipes: the package's own, or the checkout's ``corpora``."""
    installed = Path(str(resources.files("stressnet"))) / "_recipes"
    checkout = Path(str(resources.files("stressnet"))).parent / "corpora"
    return [folder for folder in (installed, checkout) if folder.is_dir()]


def available_recipes() -> dict[str, Path]:
    """Names and files of the shipped recipes."""
    found: dict[str, Path] = {}
    for folder in recipe_folders():
        for file in sorted(folder.glob("*.toml")):
            found.setdefault(file.stem, file)
    return found


def load_recipe(name_or_path: str) -> Recipe:
    """Load a shipped recipe by name, or any recipe by path.

    Raises
    ------
    RecipeError
        If it is missing, not TOML, or lacks or mistypes an entry.
    """
    path = Path(name_or_path)
    if path.suffix != ".toml":
        known = available_recipes()
        if name_or_path not in known:
            raise RecipeError(
                f"no recipe named '{name_or_path}'; there are {', '.join(known)}, "
                f"or give the path of a .toml file"
            )
        path = known[name_or_path]
    try:
        data = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise RecipeError(f"{path}: cannot be read ({error.strerror})") from error
    except tomllib.TOMLDecodeError as error:
        raise RecipeError(f"{path}: not valid TOML: {error}") from error
    return _parse(data, path)


def _take(table: dict[str, Any], key: str, path: Path, where: str) -> Any:
    if key not in table:
        raise RecipeError(f"{path}: [{where}] lacks '{key}'")
    return table[key]


def _parse(data: dict[str, Any], path: Path) -> Recipe:
    unknown = set(data) - {
        "corpus",
        "audio",
        "transcript",
        "alignment",
        "speakers",
        "labels",
        "parts",
    }
    if unknown:
        raise RecipeError(
            f"{path}: unknown section {', '.join(sorted(unknown))}; see docs/recipes.md"
        )
    corpus = _take(data, "corpus", path, "top level")
    audio = _take(data, "audio", path, "top level")
    patterns = _take(audio, "pattern", path, "audio")
    patterns = (patterns,) if isinstance(patterns, str) else tuple(patterns)
    speakers = data.get("speakers", {})
    for pattern in patterns:
        if "{utterance}" not in pattern:
            raise RecipeError(f"{path}: [audio] pattern '{pattern}' lacks {{utterance}}")
        if "{speaker}" not in pattern and "constant" not in speakers:
            raise RecipeError(
                f"{path}: [audio] pattern '{pattern}' lacks {{speaker}}; add it or name the only "
                f"speaker with [speakers] constant"
            )
    try:
        transcripts = tuple(TranscriptSource(**entry) for entry in data.get("transcript", []))
        tables = tuple(SpeakerTable(**entry) for entry in speakers.get("table", []))
        parts = {name: Part(**entry) for name, entry in data.get("parts", {}).items()}
    except TypeError as error:
        raise RecipeError(
            f"{path}: unknown or missing entry ({error}); see docs/recipes.md"
        ) from error
    for transcript in transcripts:
        if transcript.kind not in TRANSCRIPT_KINDS:
            raise RecipeError(
                f"{path}: transcript kind '{transcript.kind}'; "
                f"known are {', '.join(TRANSCRIPT_KINDS)}"
            )
    return Recipe(
        name=_take(corpus, "name", path, "corpus"),
        title=_take(corpus, "title", path, "corpus"),
        licence=_take(corpus, "licence", path, "corpus"),
        citation=_take(corpus, "citation", path, "corpus"),
        url=corpus.get("url", ""),
        synthetic=corpus.get("synthetic", False),
        audio_patterns=patterns,
        transcripts=transcripts,
        alignment_patterns=tuple(entry["pattern"] for entry in data.get("alignment", [])),
        speaker_constant=speakers.get("constant"),
        sex_constant=speakers.get("sex"),
        speaker_tables=tables,
        label_tables=tuple(entry["file"] for entry in data.get("labels", [])),
        parts=parts,
    )
