"""Stage *spectrograms*: every token's image under each preset, in one memory-mapped array."""

from __future__ import annotations

import json
from concurrent.futures import Executor
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from stressnet.acoustics.spectrogram import SpectrogramPreset, compute, get_preset
from stressnet.audio import read_audio
from stressnet.corpus.store import TOKENS, write_images_header
from stressnet.corpus.tables import ArrayFile
from stressnet.runs.journal import Journal
from stressnet.runs.parallel import in_order
from stressnet.runs.progress import Progress

if TYPE_CHECKING:
    import pandas as pd

JOURNAL_FILE = "journal.jsonl"

_CHUNK = 64
"""Tokens per task: large enough that handing over costs little."""


def _images_of(task: tuple[Path, SpectrogramPreset, list[dict[Any, Any]]]) -> Any:
    """Spectrograms, masks and truncation flags of a chunk of tokens."""
    out, preset, rows = task
    images = np.empty((len(rows), *preset.shape), dtype=np.float32)
    masks = np.empty((len(rows), preset.n_frames), dtype=bool)
    truncated = np.empty(len(rows), dtype=bool)
    for i, row in enumerate(rows):
        audio = read_audio(out / row["excerpt_file"])
        start_s = row["start_s"] - row["excerpt_start_s"]
        end_s = min(row["end_s"] - row["excerpt_start_s"], audio.duration_s)
        image = compute(preset, audio.samples, audio.rate_hz, start_s, end_s)
        images[i], masks[i], truncated[i] = image.values, image.mask, image.truncated
    return images, masks, truncated


def compute_spectrograms(
    out: Path,
    presets: list[str],
    *,
    jobs: int,
    progress: Progress,
    executor: Executor | None = None,
) -> None:
    """Write the images of every token under each preset.

    Chunks are journalled, so an interrupted run keeps the finished ones. Presets that are complete
    are left alone.
    """
    import pandas as pd

    columns = ["excerpt_file", "start_s", "end_s", "excerpt_start_s"]
    rows = pd.read_parquet(out / TOKENS, columns=columns)
    for name in presets:
        folder = out / "spectrograms" / name
        if (folder / "axes.json").exists():
            (folder / JOURNAL_FILE).unlink(missing_ok=True)  # left by a kill at the very end
        else:
            _compute_preset(out, get_preset(name), rows, jobs, executor, progress)


def _compute_preset(
    out: Path,
    preset: SpectrogramPreset,
    rows: pd.DataFrame,
    jobs: int,
    executor: Executor | None,
    progress: Progress,
) -> None:
    folder = out / "spectrograms" / preset.name
    folder.mkdir(parents=True, exist_ok=True)
    array_file, journal_file = folder / "values.npy", folder / JOURNAL_FILE
    resuming = journal_file.exists() and array_file.exists()
    if not resuming:
        journal_file.unlink(missing_ok=True)
    shape = (len(rows), *preset.shape)
    masks = np.zeros((len(rows), preset.n_frames), dtype=bool)
    chunks = [range(i, min(i + _CHUNK, len(rows))) for i in range(0, len(rows), _CHUNK)]
    with (
        ArrayFile(array_file, shape, keep=resuming) as values,
        Journal(journal_file) as journal,
        progress.stage(f"images {preset.name}", len(rows), "token") as bar,
    ):
        todo = [i for i in range(len(chunks)) if str(i) not in journal.done]
        bar.update(sum(len(chunks[int(i)]) for i in journal.done))
        tasks = (
            (out, preset, rows.iloc[chunks[i].start : chunks[i].stop].to_dict("records"))
            for i in todo
        )
        for i, (images, chunk_masks, truncated) in zip(
            todo, in_order(_images_of, tasks, jobs, executor), strict=True
        ):
            values.write(i * _CHUNK, images)
            # Sound is one run of frames, so its first and last say all.
            sound = [np.flatnonzero(mask)[[0, -1]].tolist() for mask in chunk_masks]
            journal.add(str(i), {"sound": sound, "n_truncated": int(truncated.sum())})
            bar.update(len(images))
        for i in range(len(chunks)):
            for k, (first, last) in enumerate(journal.done[str(i)]["sound"]):
                masks[i * _CHUNK + k, first : last + 1] = True
    n_cut = sum(record["n_truncated"] for record in journal.done.values())
    write_images_header(folder, preset.axes(), preset.to_dict(), masks, n_truncated=n_cut)
    journal_file.unlink()


def n_truncated(folder: Path) -> int:
    """Words that are longer than a preset's images and were cut on the right."""
    return int(json.loads((folder / "axes.json").read_text(encoding="utf-8"))["n_truncated"])
