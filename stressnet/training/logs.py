"""The course of training: a CSV file always, TensorBoard on request."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd

from stressnet.errors import CheckpointError, MissingPartError
from stressnet.runs.tables import write_csv

HISTORY_NAME = "history.csv"

_SCALARS = {
    "train_loss": "loss/train",
    "valid_loss": "loss/valid",
    "valid_balanced_accuracy": "balanced_accuracy/valid",
    "learning_rate": "learning_rate",
    "images_per_s": "images_per_s",
}


class RunLog:
    """Writes what each epoch gave.

    Parameters
    ----------
    tensorboard : bool
        Also write event files into ``out/tensorboard``.
    first_epoch : int
        Finished epochs; later ones that an interrupted run may have logged are hidden.

    Raises
    ------
    MissingPartError
        If TensorBoard is asked for and not installed.
    """

    def __init__(self, out: Path, *, tensorboard: bool = False, first_epoch: int = 0) -> None:
        self.path = out / HISTORY_NAME
        self.writer: Any = None
        if tensorboard:
            try:
                from torch.utils.tensorboard import SummaryWriter
            except ImportError as error:
                raise MissingPartError(
                    f"TensorBoard is not installed ({error}); pip install 'stressnet[tensorboard]'"
                ) from None
            self.writer = SummaryWriter(str(out / "tensorboard"), purge_step=first_epoch + 1)

    def write(self, history: list[dict[str, Any]]) -> None:
        """Replace the CSV by all epochs so far, and add the last one to TensorBoard.

        Raises
        ------
        CheckpointError
            If the file cannot be written.
        """
        try:
            write_csv(pd.DataFrame(history), self.path)
        except OSError as error:
            raise CheckpointError(f"{self.path}: cannot be written ({error})") from None
        if self.writer is not None:
            last = history[-1]
            for name, tag in _SCALARS.items():
                if name in last:
                    self.writer.add_scalar(tag, last[name], last["epoch"])
            self.writer.flush()

    def close(self) -> None:
        """Finish the event files."""
        if self.writer is not None:
            self.writer.close()
