"""What a folder of recordings holds, and the recipe that fits it."""

from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from stressnet.corpus.layouts import Layout, layouts_of, recipe_text
from stressnet.errors import ConfigError
from stressnet.runs.work import Work
from stressnet.stages.inspect import InspectConfig


@dataclass(frozen=True)
class Inspection:
    """The recipe that fits best with what it finds, the next best, and the recipe as a file."""

    layout: Layout
    others: tuple[Layout, ...]
    file: Path
    limit: int

    @property
    def n_failed(self) -> int:
        """Number of things that were not understood."""
        return len(self.layout.found.problems)


def run(config: InspectConfig, recordings: Path, work: Work) -> Inspection:
    """Find the recipe that fits a folder and write it."""
    with work.progress.stage("inspect"):
        best, *others = layouts_of(recordings)
    comments = (
        f"Written by 'stressnet inspect {recordings}': {best.why}.",
        f"{len(best.found.recordings)} usable recordings, "
        f"{len({recording.speaker for recording in best.found.recordings})} speakers, "
        f"{len(best.found.problems)} things not understood.",
        "Correct what is wrong, then: stressnet build-corpus FOLDER CORPUS --recipe THIS-FILE",
    )
    text = recipe_text(best.recipe, comments)
    try:
        if config.out.exists() and config.out.read_text(encoding="utf-8") != text:
            raise ConfigError(f"{config.out}: is there already; remove it or choose with --out")
        config.out.write_text(text, encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(
            f"{config.out}: cannot be written ({error}); choose with --out"
        ) from error
    return Inspection(best, tuple(others), config.out, config.limit)


def inspection_text(inspection: Inspection) -> str:
    """A table of what was understood, then what was not, then where the recipe is."""
    layout = inspection.layout
    found = layout.found.recordings
    speakers = Counter(recording.speaker for recording in found)
    names = ", ".join(f"{name} ({n})" for name, n in speakers.most_common(5))
    sexes = Counter(r.sex for r in {r.speaker: r for r in found}.values())
    endings = Counter(r.audio_path.suffix.lower() for r in found)
    aligned = Counter(r.alignment_path.suffix for r in found if r.alignment_path)
    transcribed = sum(bool(r.words) for r in found)
    rows = [
        ("recipe", f"{layout.recipe.name}: {layout.why}"),
        ("recordings", f"{len(found)} usable ({_counts(endings)})"),
        ("", f"{sum(r.duration_s for r in found) / 60:.1f} min of sound"),
        ("speakers", f"{len(speakers)}: {names}{', ...' if len(speakers) > 5 else ''}"),
        ("sex", _counts(Counter({sex or "unknown": n for sex, n in sexes.items()}))),
        ("alignments", f"{sum(aligned.values())} ({_counts(aligned)})"),
        ("transcripts", f"{transcribed}"),
        ("labels", f"{len(layout.found.labels)} words decided by a person"),
    ]
    lines = [f"{name:<12} {text}" for name, text in rows]
    for other in inspection.others[:2]:
        if other.score[0]:
            lines.append(
                f"{'also fits':<12} {other.recipe.name}: {other.why} ({other.score[0]} usable)"
            )
    problems = layout.found.problems
    lines += ["", f"not understood: {len(problems) or 'nothing'}"]
    lines += [f"  {p.severity}: {p.reason}" for p in problems[: inspection.limit]]
    if len(problems) > inspection.limit:
        lines.append(f"  ... and {len(problems) - inspection.limit} more (raise --limit)")
    lines += ["", f"recipe written: {inspection.file}"]
    return "\n".join(lines)


def _counts(counter: Counter[str]) -> str:
    return ", ".join(f"{n} {name}" for name, n in counter.most_common()) or "none"
