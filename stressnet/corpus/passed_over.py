"""Files that look like speech, transcripts or alignments and are not used, each with its reason."""

from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

from stressnet.corpus.recipe import Recipe, files_below
from stressnet.corpus.speakers import Candidate
from stressnet.corpus.transcripts import _resolve
from stressnet.media import AUDIO_ENDINGS
from stressnet.runs.problems import Problem, Severity

_LOSSY = frozenset(
    ".mp3 .ogg .oga .opus .m4a .m4b .mp4 .aac .wma .amr .3gp .webm .mka .mkv".split()
)
_OWN_LAYOUTS = frozenset({"generic", "mfa", "ctm", "lhotse"})
"""Recipes for anybody's folder, in which no sound should lie that they do not take."""

_ALIGNMENTS = frozenset({".textgrid", ".eaf", ".cha", ".srt", ".vtt"})
_TRANSCRIPTS = frozenset({".txt", ".lab"})
_ABOUT = ("readme", "license", "licence", "copying", "changelog", "changes", "index")


def without_lossy_copies(candidates: Sequence[Candidate]) -> list[Candidate]:
    """Recordings without compressed copies of others: ``a.mp3`` beside ``a.wav``."""
    exact = {(c.parts, c.name) for c in candidates if c.path.suffix.lower() not in _LOSSY}
    return [
        c
        for c in candidates
        if c.path.suffix.lower() not in _LOSSY or (c.parts, c.name) not in exact
    ]


def passed_over(
    recipe: Recipe, root: Path, candidates: Sequence[Candidate], used: set[Path]
) -> list[Problem]:
    """A row for each file that one might expect to be used.

    What lies beside a recording of its name belongs to it and is not listed, neither are files of
    another kind, nor texts in folders without recordings. Candidates are files that were taken as
    recordings, also those that could not be read; ``used`` are files of alignments.
    """
    taken = {candidate.path for candidate in candidates}
    names = {str(path).casefold() for path in taken}
    by_name = {c.path.with_suffix(""): c.path for c in candidates}
    templates = [source.pattern for source in recipe.transcripts]
    templates += [source.pattern for source in recipe.alignments]
    used = used | {
        _resolve(template, c.fields, c.path.parent, root, ignore_case=recipe.ignore_case)
        for c in candidates
        for template in templates
    }
    files = sorted(files_below(root))
    sounds: dict[Path, set[str]] = defaultdict(set)
    for _, path in files:
        if path in taken or path.suffix.lower() in AUDIO_ENDINGS:
            sounds[path.parent].add(path.stem.casefold())
    problems = []
    for relative, path in files:
        if path in taken or path in used or str(path.with_suffix("")).casefold() in names:
            continue  # the last are copies such as SA1.WAV.wav
        ending, beside = path.suffix.lower(), sounds.get(path.parent, set())
        severity = Severity.WARNING
        if ending in AUDIO_ENDINGS:
            twin = by_name.get(path.with_suffix(""))
            if twin is not None:
                reason = f"not used, since {twin.name} is there"
            else:
                severity = Severity.ERROR if recipe.name in _OWN_LAYOUTS else severity
                reason = (
                    f"sound that recipe '{recipe.name}' does not take "
                    f"({', '.join(recipe.audio_patterns)}); put it into a folder named after its "
                    f"speaker, or give a recipe that says where it is"
                )
        elif ending == ".ctm":
            reason = f"recipe '{recipe.name}' does not read it; use --recipe ctm"
        elif path.stem.casefold() in beside:
            continue
        elif ending in _ALIGNMENTS or (
            ending in _TRANSCRIPTS and beside and not path.stem.casefold().startswith(_ABOUT)
        ):
            reason = (
                "belongs to no recording, since there is no sound of this name beside it; rename "
                "it, or give a recipe that says where it belongs"
            )
        else:
            continue
        problems.append(Problem(relative, "scan", severity, f"{path}: {reason}"))
    return problems
