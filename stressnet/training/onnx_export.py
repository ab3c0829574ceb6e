"""``stressnet export``: a trained network as ONNX, checked against the original; read again."""

import json
import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from dataclasses import asdict, replace
from importlib import import_module
from io import StringIO
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from stressnet.acoustics.spectrogram import SpectrogramPreset
from stressnet.errors import CheckpointError, MissingPartError
from stressnet.models.checkpoint import CheckpointInfo, TrainedNetwork
from stressnet.models.ensemble import HEARD
from stressnet.models.networks import Network
from stressnet.runs.held import check_file
from stressnet.training.calibration import load_calibration
from stressnet.version import __version__

TOLERANCE = 1e-4  # Largest difference between a logit of the export and of the network

INPUT, OUTPUT = "spectrogram", "logits"
_N_CHECKED = 5
_OPSET = 18


def export_onnx(model_path: Path, out: Path, same: nn.Module | None = None) -> float:
    """Write a network as ONNX; returns by how much its logits differ at most, over random images.

    Input ``spectrogram`` is float32 of shape ``(batch, 1, n_bins, n_frames)`` with any batch size,
    output ``logits`` of shape ``(batch, 2)``. The metadata hold classes, preset with all
    parameters, axes, temperature and provenance. ``out`` appears only if both give the same logits.
    ``same`` is written instead of the network, where its normalisations are folded, say. Raises
    :class:`CheckpointError` if the checkpoint is damaged, cannot be exported, or the export gives
    other logits in onnxruntime; else as :func:`require_onnx`.
    """
    require_onnx()
    import onnx

    network = TrainedNetwork.load(model_path)
    model, info, folder = network.model, network.info, network.path
    if out.suffix != ".onnx":
        check_file(out, [folder])
    metadata = _metadata(info, network.digest, load_calibration(folder, network.digest))
    images = np.random.default_rng(0).standard_normal(
        (_N_CHECKED, 1, info.n_bins, info.n_frames), dtype=np.float32
    )
    part = out.with_name(f".{out.name}.part")
    try:
        with quiet():
            program = torch.onnx.export(
                same or model,
                (torch.from_numpy(images[:2]),),
                dynamo=True,
                opset_version=_OPSET,
                input_names=[INPUT],
                output_names=[OUTPUT],
                dynamic_shapes=({0: torch.export.Dim("batch")},),
            )
    except torch.onnx.OnnxExporterError as error:
        raise CheckpointError(
            f"{folder}: {info.architecture} cannot be exported as ONNX "
            f"({str(error).splitlines()[0]})"
        ) from error
    assert program is not None
    proto = program.model_proto
    proto.producer_name, proto.producer_version = "stressnet", __version__
    for name, value in metadata.items():
        entry = proto.metadata_props.add()
        entry.key, entry.value = name, value
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        onnx.save(proto, str(part))
    except OSError as error:
        raise CheckpointError(
            f"{out}: cannot be written ({error.strerror}); choose another file"
        ) from error
    try:
        with torch.inference_mode():
            wanted = model(torch.from_numpy(images)).numpy()
        apart = float(np.abs(run_onnx(part, images) - wanted).max())
        if not apart <= TOLERANCE:
            raise CheckpointError(
                f"{folder}: exported logits differ by {apart:.2g}, more than {TOLERANCE:g}; "
                f"nothing was written"
            )
        part.replace(out)
    finally:
        part.unlink(missing_ok=True)
    return apart


def run_onnx(path: Path, images: NDArray[np.float32]) -> NDArray[np.float32]:
    """Logits of an exported network for images (batch, 1, n_bins, n_frames), by onnxruntime."""
    import onnxruntime

    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    return session.run([OUTPUT], {INPUT: images})[0]


def read_network(path: Path | str, device: str = "cpu") -> TrainedNetwork:
    """A network that answers: a checkpoint folder, or a file that ``stressnet export`` wrote.

    A file answers by onnxruntime, on the CPU, and cannot be explained.
    """
    path = Path(path)
    if path.suffix != ".onnx" or path.is_dir():
        return TrainedNetwork.of_any_length(path, device)
    require_onnx("onnxruntime")
    import onnxruntime
    from onnxruntime.capi import onnxruntime_pybind11_state as state

    try:
        session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
        about = session.get_modelmeta().custom_metadata_map
        info = CheckpointInfo(**json.loads(about["info"]))
    except (state.NoSuchFile, state.InvalidProtobuf, state.InvalidGraph, state.Fail) as error:
        reason = " ".join(str(error).split())[:200]
        raise CheckpointError(f"{path}: cannot be read ({reason}); export it again") from None
    except (KeyError, TypeError, ValueError):
        raise CheckpointError(
            f"{path}: does not say what it takes; write it again with 'stressnet export'"
        ) from None
    info = replace(info, classes=tuple(info.classes))
    model = Network(_Runtime(session)).built_for(info.architecture, info.n_bins, info.n_frames)
    return TrainedNetwork(path, model.eval(), info, about["weights_sha256"], path.stem)


class _Runtime(nn.Module):
    def __init__(self, session: Any) -> None:
        super().__init__()
        self.session = session
        self.where = nn.Parameter(torch.zeros(0))  # Says that it is on the CPU

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return torch.from_numpy(self.session.run([OUTPUT], {INPUT: images.numpy()})[0])


def _metadata(info: CheckpointInfo, digest: str, calibration: Any) -> dict[str, str]:
    """Everything a user of the file needs, as text; values other than text are JSON."""
    axes = SpectrogramPreset.from_dict(info.preset_parameters).axes()
    known = {} if calibration is None else {"calibration": asdict(calibration)}
    training = {name: value for name, value in info.training.items() if name not in HEARD}
    small = replace(info, training=training, metrics=known)
    return {
        "stressnet_version": __version__,
        "architecture": info.architecture,
        "classes": json.dumps([str(name) for name in info.classes]),
        "preset": info.preset,
        "preset_parameters": json.dumps(info.preset_parameters),
        "axes_order": json.dumps(["batch", "channel", "frequency", "time"]),
        "frequency_hz": json.dumps([round(float(v), 6) for v in axes.frequency_hz]),
        "time_s": json.dumps([round(float(v), 6) for v in axes.time_s]),
        "time_zero": "onset of the word",
        "temperature": json.dumps(None if calibration is None else calibration.temperature),
        "threshold": json.dumps(None if calibration is None else calibration.threshold),
        "corpus_hash": info.corpus_hash,
        "seed": json.dumps(info.seed),
        "weights_sha256": digest,
        "info": json.dumps(asdict(small), default=str),
        "licence": "weights: see the model card; code: GPL-3.0-or-later",
    }


def require_onnx(*packages: str) -> None:
    """Raise :class:`MissingPartError` if what writing ONNX needs is missing, or some packages."""
    try:
        for name in packages or ("onnx", "onnxruntime", "onnxscript"):
            import_module(name)
    except ImportError as error:
        raise MissingPartError(
            f"ONNX needs {error.name}; install it with: pip install 'stressnet[onnx]'"
        ) from error


@contextmanager
def quiet() -> Iterator[None]:
    """Keep the exporter's progress and advice off the terminal."""
    loggers = [logging.getLogger(name) for name in ("torch.onnx", "onnxscript", "onnx_ir")]
    levels = [logger.level for logger in loggers]
    try:
        for logger in loggers:
            logger.setLevel(logging.ERROR)
        with warnings.catch_warnings(), redirect_stdout(StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
