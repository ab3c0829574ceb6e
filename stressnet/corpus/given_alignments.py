"""Which file is the alignment of a recording: the first that can be read."""

from dataclasses import dataclass
from pathlib import Path

from stressnet.alignment.readers import AUTO, TIMED_FORMATS, detect_format, has_many, holds
from stressnet.corpus.recipe import AlignmentSource, Recipe
from stressnet.corpus.speakers import Candidate
from stressnet.corpus.transcripts import _resolve
from stressnet.errors import AlignmentError, MissingPartError, UnknownFormatError


@dataclass(frozen=True)
class GivenAlignment:
    """An alignment that came with a recording: its file, and what to ask of it."""

    path: Path
    format: str
    utterance_id: str


def given_alignment(
    recipe: Recipe, candidate: Candidate, root: Path
) -> tuple[GivenAlignment | None, list[str]]:
    """The first alignment that can be read for a recording, and why others were passed over."""
    names = list(dict.fromkeys((candidate.utterance_id, candidate.name)))
    texts = [t for t in recipe.transcripts if t.kind == "beside" and not t.skip_words]
    sources = [*recipe.alignments, *(AlignmentSource(text.pattern) for text in texts)]
    damaged: list[tuple[GivenAlignment, str]] = []
    foreign: list[str] = []
    for number, source in enumerate(sources):
        is_text = number >= len(recipe.alignments)
        folder, format = candidate.path.parent, source.format
        path = _resolve(
            source.pattern, candidate.fields, folder, root, ignore_case=recipe.ignore_case
        )
        if not path.is_file():
            continue
        try:
            if format in (AUTO, "mfa-json"):  # JSON of that name is often a recogniser's
                format = detect_format(path)
            if is_text and format not in TIMED_FORMATS:
                continue
            of_one = not has_many(path, format)
            name = next((name for name in names if of_one or holds(path, name, format)), None)
            if name is not None:
                passed = [*foreign, *(text for _, text in damaged)]
                return GivenAlignment(path, format, name), passed
        except UnknownFormatError as error:
            foreign += [] if is_text else [str(error)]
        except (AlignmentError, MissingPartError) as error:
            if format != AUTO or not is_text:  # other texts are read as transcripts
                damaged.append((GivenAlignment(path, source.format, names[0]), str(error)))
    return (damaged[0][0] if damaged else None), foreign  # reported when it is read
