"""Claiming of output folders by commands that are no stages yet."""

from __future__ import annotations

import shutil
from pathlib import Path

from stressnet.errors import CheckpointError
from stressnet.runs.lock import hold
from stressnet.runs.manifest import FILE_NAME, write_json

REQUEST_NAME = "request.json"


def claim_folder(out: Path, request: str, overwrite: bool, kind: str) -> None:
    """Make ``out`` ready for a run identified by ``request``.

    Raises
    ------
    CheckpointError
        If it holds another run, something else, or cannot be written.
    """
    import json

    request_file = out / REQUEST_NAME
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise CheckpointError(
            f"{out}: cannot be written ({error.strerror}); choose another output folder"
        ) from error
    hold(out)
    ours = request_file.exists() or (out / FILE_NAME).exists()
    if any(out.iterdir()):
        if not ours:
            raise CheckpointError(
                f"{out}: not empty and not a stressnet {kind}; choose a new folder"
            )
        if overwrite:
            shutil.rmtree(out)
            out.mkdir()
            hold(out)
        elif (out / FILE_NAME).exists():
            raise CheckpointError(f"{out}: already holds a {kind}; use --overwrite or a new folder")
        elif json.loads(request_file.read_text(encoding="utf-8"))["request"] != request:
            raise CheckpointError(
                f"{out}: holds an unfinished {kind} of other settings; "
                f"use --overwrite or a new folder"
            )
    write_json(request_file, {"request": request})
