"""All stimuli of one token of ``stressnet manipulate``: made, measured again, saved, drawn."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import soundfile

from stressnet.acoustics.cues import Segments
from stressnet.acoustics.speakers import SpeakerSettings
from stressnet.acoustics.spectrogram import SpectrogramPreset
from stressnet.acoustics.token_image import image_in_recording
from stressnet.alignment.textgrid import write_textgrid
from stressnet.alignment.validation import without_overlaps
from stressnet.audio import read_audio
from stressnet.errors import AudioError, ManipulationError, StressnetError
from stressnet.intervals import Alignment, Interval
from stressnet.manipulation.check import Checked, make_stimulus, measure
from stressnet.manipulation.continua import Asked, Step
from stressnet.manipulation.cues import CUE_NAMES, Pair, cues_of
from stressnet.manipulation.endpoints import Endpoint
from stressnet.manipulation.resynthesis import Stimulus, analyse
from stressnet.runs.names import inside, safe_name
from stressnet.runs.tables import write_parquet

AUDIO_FOLDER = "audio"

Failure = tuple[str, str, str]  # Stimulus or token, stage, reason


@dataclass(frozen=True)
class TokenTask:
    """What a worker needs to make the stimuli of a token.

    ``phones`` are in seconds of the excerpt; steps of cues that have no ``endpoints`` are left out;
    tables and images go to ``<file>-stimuli.parquet`` and so on; ``presets`` are those to draw
    every stimulus under, for the networks.
    """

    corpus: Path
    out: Path
    row: dict[str, Any]
    phones: tuple[Interval, ...]
    voice: SpeakerSettings
    plan: tuple[Step, ...]
    endpoints: dict[str, Endpoint]
    file: Path
    presets: dict[str, SpectrogramPreset] = field(default_factory=dict)
    save_audio: bool = False


def part_of(file: Path, name: str) -> Path:
    """One of the files of a token, whose task has that ``file``."""
    return file.with_name(f"{file.name}-{name}")


def make_token(task: TokenTask) -> list[Failure]:
    """Write a token's stimuli; returns what failed."""
    token_id = str(task.row["token_id"])
    failures: list[Failure] = []
    stimuli: list[dict[str, Any]] = []
    measures: list[dict[str, Any]] = []
    images: dict[str, list[Any]] = {name: [] for name in task.presets}
    try:
        audio = read_audio(inside(task.corpus, task.row["excerpt_file"]))
        segments = Segments.of_row(task.row)
        source = analyse(audio.samples, audio.rate_hz, segments, task.voice, task.phones)
        natural = measure(source.samples, source.rate_hz, segments, task.voice)
    except StressnetError as error:
        return [(token_id, "analyse", str(error))]
    for step in task.plan:
        if any(cue not in task.endpoints for cue in cues_of(step.cues)):
            continue
        stimulus_id = f"{token_id}/{step.name}"
        try:
            stimulus, asked, checked = make_stimulus(
                step, source, task.endpoints, natural, task.voice
            )
        except (AudioError, ManipulationError) as error:
            failures.append((stimulus_id, "resynthesise", str(error)))
            continue
        if wrong := checked.problems():
            failures.append((stimulus_id, "check", "; ".join(wrong)))
            continue
        for name, preset in task.presets.items():
            image = image_in_recording(preset, stimulus.audio, *stimulus.segments.word)
            images[name].append(image.values)
        file = _save(task, step, stimulus) if task.save_audio else ""
        stimuli.append(_stimulus_row(task.row, step, stimulus, asked, checked, file))
        measures += _measure_rows(stimulus_id, token_id, step, checked)
    if stimuli:
        write_parquet(pd.DataFrame(stimuli), part_of(task.file, "stimuli.parquet"))
        write_parquet(pd.DataFrame(measures), part_of(task.file, "measures.parquet"))
        for name, values in images.items():
            np.save(part_of(task.file, f"{name}.npy"), np.stack(values))
    return failures


def _save(task: TokenTask, step: Step, stimulus: Stimulus) -> str:
    """Sound and TextGrid of a stimulus; the sound's path in the output folder."""
    folder = Path(AUDIO_FOLDER) / safe_name(str(task.row["token_id"]))
    (task.out / folder).mkdir(parents=True, exist_ok=True)
    file = folder / f"{step.name}.wav"
    audio = stimulus.audio
    soundfile.write(str(task.out / file), audio.samples, audio.rate_hz, subtype="PCM_16")
    word = Interval(*stimulus.segments.word, str(task.row["word"]))
    write_textgrid(
        task.out / file.with_suffix(".TextGrid"),
        without_overlaps(Alignment((word,), stimulus.phones)),
        audio.duration_s,
    )
    return file.as_posix()


def _stimulus_row(
    row: Mapping[str, Any],
    step: Step,
    stimulus: Stimulus,
    asked: Asked,
    checked: Checked,
    file: str,
) -> dict[str, Any]:
    """One row of ``stimuli.parquet``."""
    nan = float("nan")
    two = step.kind == "pair"
    one = step.kind in ("single", "subset", "all")
    cue = step.cues[0] if step.kind == "single" and step.cues[0] in CUE_NAMES else None
    found: dict[str, Any] = {
        "stimulus_id": f"{row['token_id']}/{step.name}",
        **{name: row[name] for name in ("token_id", "speaker", "sex", "word", "stress", "split")},
        "kind": step.kind,
        "cue": step.continuum,
        "cue_1": step.cues[0] if two else None,
        "cue_2": step.cues[1] if two else None,
        "step": float(step.steps[0]) if one else nan,
        "step_1": float(step.steps[0]) if two else nan,
        "step_2": float(step.steps[1]) if two else nan,
        "position": step.positions[0] if one else nan,
        "position_1": step.positions[0] if two else nan,
        "position_2": step.positions[1] if two else nan,
        "value": _contrast(checked.measured[cue]) if cue else nan,
        "asked": _contrast(asked.moves[cue]) if cue else nan,
        "reached": checked.reached(cue) if cue else nan,
    }
    for cue in CUE_NAMES:
        found[f"asked_{cue}"] = _contrast(asked.moves.get(cue, (0.0, 0.0)))
        found[f"measured_{cue}"] = _contrast(checked.measured[cue])
        found[f"moved_{cue}"] = _contrast(checked.moved(cue))
    for k, change in enumerate(stimulus.changes, start=1):
        found |= {f"applied_{k}_{name}": value for name, value in asdict(change).items()}
    segments = stimulus.segments
    found |= {
        "psola": stimulus.psola,
        "limited": " ".join(asked.limited),
        "scaled_db": stimulus.scaled_db,
        "word_start_s": segments.word[0],
        "word_end_s": segments.word[1],
        "boundary_s": segments.boundary_s,
    }
    for k, span in enumerate(segments.nuclei, start=1):
        found |= {f"nucleus_{k}_start_s": span[0], f"nucleus_{k}_end_s": span[1]}
    return found | {"audio_file": file}


def _measure_rows(
    stimulus_id: str, token_id: str, step: Step, checked: Checked
) -> list[dict[str, Any]]:
    """Rows of ``measures.parquet``: one per cue and nucleus."""
    return [
        {
            "stimulus_id": stimulus_id,
            "token_id": token_id,
            "kind": step.kind,
            "continuum": step.continuum,
            "cue": cue,
            "nucleus": k + 1,
            "is_intended": cue in checked.asked,
            "natural": checked.natural[cue][k],
            "asked": checked.asked.get(cue, (0.0, 0.0))[k],
            "measured": checked.measured[cue][k],
            "moved": checked.moved(cue)[k],
        }
        for cue in CUE_NAMES
        for k in (0, 1)
    ]


def _contrast(pair: Pair) -> float:
    return pair[0] - pair[1]
