"""Stage *spectrograms*: every token's image under each preset, in one memory-mapped array."""

from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
import pandas as pd

from stressnet.acoustics.spectrogram import SpectrogramPreset, get_preset
from stressnet.acoustics.token_image import image_in_excerpt
from stressnet.audio import read_audio
from stressnet.corpus.images import write_images_header
from stressnet.corpus.store import TOKENS
from stressnet.corpus.tokens import span_of
from stressnet.runs.arrays import ArrayFile
from stressnet.runs.folder import RunFolder
from stressnet.runs.journal import Journal
from stressnet.runs.names import inside
from stressnet.runs.parallel import in_order

_CHUNK = 64  # Tokens per task: large enough that handing over costs little


def _images_of(task: tuple[Path, SpectrogramPreset, list[dict[Any, Any]]]) -> Any:
    """Spectrograms, masks and truncation flags of a chunk of tokens."""
    out, preset, rows = task
    images = np.empty((len(rows), *preset.shape), dtype=np.float32)
    masks = np.empty((len(rows), preset.n_frames), dtype=bool)
    truncated = np.empty(len(rows), dtype=bool)
    for i, row in enumerate(rows):
        audio = read_audio(inside(out, row["excerpt_file"]))
        image = image_in_excerpt(preset, audio, *span_of(row, "start_s", "end_s"))
        images[i], masks[i], truncated[i] = image.values, image.mask, image.truncated
    return images, masks, truncated


def compute_spectrograms(folder: RunFolder, presets: list[str], within: str = "") -> None:
    """Write the images of every token under each preset; presets that are there are left alone."""
    columns = ["excerpt_file", "start_s", "end_s", "excerpt_start_s"]
    rows = pd.read_parquet(folder.path / within / TOKENS, columns=columns)
    for name in presets:
        where = (PurePosixPath(within) / "spectrograms" / name).as_posix()
        for file in ("values.npy", "mask.npy", "axes.json"):
            folder.file(f"{where}/{file}")
        if not (folder.path / where / "axes.json").exists():
            _compute_preset(folder, where, get_preset(name), rows, folder.path / within)


def _compute_preset(
    folder: RunFolder, where: str, preset: SpectrogramPreset, rows: pd.DataFrame, out: Path
) -> None:
    array_file = folder.path / where / "values.npy"
    journal_file = folder.state / f"{where.replace('/', '-')}.jsonl"
    resuming = journal_file.exists() and array_file.exists()
    if not resuming:
        journal_file.unlink(missing_ok=True)
    shape = (len(rows), *preset.shape)
    masks = np.zeros((len(rows), preset.n_frames), dtype=bool)
    chunks = [range(i, min(i + _CHUNK, len(rows))) for i in range(0, len(rows), _CHUNK)]
    with (
        ArrayFile(array_file, shape, keep=resuming) as values,
        Journal(journal_file) as journal,
        folder.progress.stage(f"images {preset.name}", len(rows), "token") as bar,
    ):
        todo = [i for i in range(len(chunks)) if str(i) not in journal.done]
        bar.update(sum(len(chunks[int(i)]) for i in journal.done))
        tasks = (
            (out, preset, rows.iloc[chunks[i].start : chunks[i].stop].to_dict("records"))
            for i in todo
        )
        for i, (images, chunk_masks, truncated) in zip(
            todo, in_order(_images_of, tasks, folder.work.jobs, folder.pool), strict=True
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
    write_images_header(
        folder.path / where, preset.axes(), preset.to_dict(), masks, n_truncated=n_cut
    )
