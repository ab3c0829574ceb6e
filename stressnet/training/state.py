"""What training writes while it runs: its state, and the course of losses.

The state is one safetensors file without pickles. Tensors: the network (``model.``), the running
average of its weights if there is one (``average.``), the best weights so far (``best.``), and what
the optimizer remembers of each parameter (``optimizer.<number>.<name>``). The rest (epoch, history)
is JSON in the file's metadata, so that one atomic rename replaces everything at once. Generators
need not be saved: random numbers are drawn anew from (seed, epoch).
"""

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd
import safetensors
import safetensors.torch
import torch
from torch import nn

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


@dataclass
class RunState:
    """Where a run stands: finished epochs, and the best of them with its weights.

    ``best_epoch`` counts from 1, 0 before the first. ``identity`` is a hash of everything the run
    depends on.
    """

    identity: str
    epoch: int = 0
    best_epoch: int = 0
    best_weights: dict[str, torch.Tensor] = field(default_factory=dict)
    history: list[dict[str, Any]] = field(default_factory=list)


def save_state(
    path: Path,
    state: RunState,
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    scaler: torch.amp.GradScaler,
    average: nn.Module | None = None,
) -> None:
    """Replace the file at ``path``; an interruption leaves the old one whole."""
    tensors = {f"model.{k}": v for k, v in model.state_dict().items()}
    tensors |= {f"best.{k}": v for k, v in state.best_weights.items()}
    if average is not None:
        tensors |= {f"average.{k}": v for k, v in average.state_dict().items()}
    for number, values in optimizer.state_dict()["state"].items():
        tensors |= {f"optimizer.{number}.{k}": v for k, v in values.items()}
    summary = {
        "identity": state.identity,
        "epoch": state.epoch,
        "best_epoch": state.best_epoch,
        "history": state.history,
        "scaler": scaler.state_dict(),
    }
    part = path.with_name(f".{path.name}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        safetensors.torch.save_file(
            {k: v.detach().cpu().contiguous() for k, v in tensors.items()},
            part,
            metadata={"state": json.dumps(summary)},
        )
        part.replace(path)
    except (OSError, safetensors.SafetensorError) as error:
        raise CheckpointError(f"{path}: state of training cannot be written ({error})") from None


def load_state(
    path: Path,
    identity: str,
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    scaler: torch.amp.GradScaler,
    average: nn.Module | None = None,
) -> RunState:
    """Read a state and put it into the network, its average, the optimizer and the scaler."""
    try:
        with safetensors.safe_open(path, framework="pt") as file:
            summary = json.loads((file.metadata() or {}).get("state", "{}"))
            tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
    except (safetensors.SafetensorError, OSError, ValueError, RecursionError) as error:
        raise CheckpointError(
            f"{path}: unfinished training is damaged ({error}); delete the file to start anew"
        ) from None
    if not isinstance(summary, dict) or summary.get("identity") != identity:
        raise CheckpointError(
            f"{path}: unfinished training with other data or settings; use those again, choose "
            "another output folder, or delete the file"
        )
    model.load_state_dict(_part(tensors, "model."))
    if average is not None:
        average.load_state_dict(_part(tensors, "average."))
    remembered: dict[int, dict[str, torch.Tensor]] = {}
    for key, value in _part(tensors, "optimizer.").items():
        number, name = key.split(".", 1)
        remembered.setdefault(int(number), {})[name] = value
    groups = optimizer.state_dict()["param_groups"]
    optimizer.load_state_dict({"state": remembered, "param_groups": groups})
    if summary["scaler"]:
        scaler.load_state_dict(summary["scaler"])
    return RunState(
        identity=identity,
        epoch=summary["epoch"],
        best_epoch=summary["best_epoch"],
        best_weights=_part(tensors, "best."),
        history=summary["history"],
    )


def _part(tensors: dict[str, torch.Tensor], prefix: str) -> dict[str, torch.Tensor]:
    return {k.removeprefix(prefix): v for k, v in tensors.items() if k.startswith(prefix)}


class RunLog:
    """Writes what each epoch gave: a CSV file always, event files for TensorBoard on request."""

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
        """Replace the CSV by all epochs so far, and add the last one to TensorBoard."""
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
