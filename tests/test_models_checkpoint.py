"""Checkpoints: round trip and every way they can be wrong."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from stressnet.errors import CheckpointError
from stressnet.models.checkpoint import CheckpointInfo, load_checkpoint, save_checkpoint
from stressnet.models.registry import build_model

PRESET = {"name": "stressnet", "window_s": 0.025, "cut": (0, 1)}
INFO = CheckpointInfo(
    architecture="compact",
    n_bins=40,
    n_frames=48,
    preset="stressnet",
    preset_parameters=PRESET,
    corpus_hash="abc",
    training={"learning_rate": 3e-3},
    seed=7,
    versions={"torch": "2.11"},
    metrics={"valid_loss": 0.25},
)


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    torch.manual_seed(1)
    save_checkpoint(tmp_path / "model", build_model("compact", 40, 48), INFO)
    return tmp_path / "model"


def edit(folder: Path, **changes: object) -> None:
    path = folder / "model.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


def test_round_trip_gives_the_same_logits_and_info(tmp_path: Path) -> None:
    torch.manual_seed(1)
    model = build_model("compact", 40, 48)
    images = torch.randn(5, 1, 40, 48)
    model(images)  # moves the running statistics, which must be saved too
    save_checkpoint(tmp_path, model, INFO)
    loaded, info = load_checkpoint(tmp_path)
    assert not loaded.training
    assert all(p.requires_grad for p in loaded.parameters())
    assert torch.equal(loaded(images), model.eval()(images))
    assert (info.architecture, info.seed, info.classes) == ("compact", 7, ("INITIAL", "FINAL"))
    assert info.metrics == INFO.metrics
    assert sorted(p.name for p in tmp_path.iterdir()) == ["model.json", "model.safetensors"]


def test_saved_again_over_itself(saved: Path) -> None:
    model, info = load_checkpoint(saved)
    save_checkpoint(saved, model, info)
    assert load_checkpoint(saved)[1] == info


def test_matching_input_passes(saved: Path) -> None:
    load_checkpoint(saved)[1].check_input("stressnet", PRESET, (40, 48))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("allouche2025", PRESET, (40, 48)), "takes preset 'stressnet'.*'allouche2025'"),
        (("stressnet", {**PRESET, "window_s": 0.02}, (40, 48)), "window_s=0.02 not 0.025"),
        (("stressnet", PRESET, (40, 50)), "40 bins x 48 frames, not 40 x 50"),
    ],
)
def test_other_input_is_refused(saved: Path, arguments: tuple, message: str) -> None:
    with pytest.raises(CheckpointError, match=message) as caught:
        load_checkpoint(saved)[1].check_input(*arguments)
    assert "\n" not in str(caught.value)
    assert "train on this one" in str(caught.value)


def test_missing_files(saved: Path) -> None:
    with pytest.raises(CheckpointError, match=r"nowhere/model\.json: file is missing"):
        load_checkpoint(saved / "nowhere")
    (saved / "model.safetensors").unlink()
    with pytest.raises(CheckpointError, match=r"model\.safetensors: file is missing"):
        load_checkpoint(saved)


@pytest.mark.parametrize("n_bytes", [0, 100])
def test_truncated_weights(saved: Path, n_bytes: int) -> None:
    path = saved / "model.safetensors"
    path.write_bytes(path.read_bytes()[:n_bytes])
    with pytest.raises(CheckpointError, match=r"model\.safetensors: weights are damaged"):
        load_checkpoint(saved)


def test_one_flipped_byte(saved: Path) -> None:
    path = saved / "model.safetensors"
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    with pytest.raises(CheckpointError, match="damaged"):
        load_checkpoint(saved)


@pytest.mark.parametrize("text", ["", "{", "[]", "\x00"])
def test_damaged_json(saved: Path, text: str) -> None:
    (saved / "model.json").write_text(text)
    with pytest.raises(CheckpointError, match=r"model\.json: not"):
        load_checkpoint(saved)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"format": 99}, "not a checkpoint of format 1"),
        ({"architecture": "resnet99"}, "no network 'resnet99'"),
        ({"architecture": "lenet"}, "weights do not fit lenet"),
        ({"architecture": "transformer"}, "weights do not fit transformer .*: train again"),
        ({"classes": ["FINAL", "INITIAL"]}, "classes are"),
        ({"extra": 1}, r"fields missing or unknown \(extra\)"),
    ],
)
def test_json_that_does_not_fit(saved: Path, changes: dict, message: str) -> None:
    edit(saved, **changes)
    with pytest.raises(CheckpointError, match=message):
        load_checkpoint(saved)


def test_folder_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(CheckpointError, match="cannot be written"):
        save_checkpoint(tmp_path / "file" / "model", build_model("compact", 40, 48), INFO)
