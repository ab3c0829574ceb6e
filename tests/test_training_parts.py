"""Parts of words: where they are, how they move with the image, and what is learned from them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from torch.nn import functional

from stressnet.errors import ConfigError
from stressnet.models.registry import build_model
from stressnet.training.data import StressData
from stressnet.training.fit import Origin, train
from stressnet.training.parts import UNKNOWN, moved, part_loss, parts_of_frames
from stressnet.training.recipes import get_recipe

TOKEN = {
    "start_s": 2.0,
    "end_s": 2.06,
    "nucleus_1_start_s": 2.01,
    "nucleus_1_end_s": 2.03,
    "nucleus_2_start_s": 2.04,
    "nucleus_2_end_s": 2.05,
}
TIME_S = (np.arange(10) - 2) * 0.01 + 0.005
"""Middles of frames of 10 ms, two of them before the word."""

PARTS = [0, 0, 1, 2, 2, 1, 3, 1, 0, 0]


def test_parts_of_frames_by_hand() -> None:
    tokens = pd.DataFrame([TOKEN, {**TOKEN, "nucleus_2_end_s": np.nan}])
    parts = parts_of_frames(tokens, TIME_S)
    assert parts[0].tolist() == PARTS
    assert (parts[1] == UNKNOWN).all()
    without = parts_of_frames(tokens.drop(columns="nucleus_1_start_s"), TIME_S)
    assert (without == UNKNOWN).all()


def test_parts_move_with_the_image() -> None:
    """The sound of a frame says which part it is, so that both can be compared afterwards."""
    parts = torch.tensor([PARTS, PARTS, [UNKNOWN] * 10])
    images = parts.float()[:, None, None].repeat(1, 1, 3, 1)
    draws = {"shift_frames": np.array([2, -3, 1])}
    found = moved(parts, images, draws)
    assert found[0].tolist() == [0, 0, *PARTS[:8]]
    assert found[1].tolist() == [*PARTS[3:], 0, 0, 0]
    assert (found[2] == UNKNOWN).all()
    assert torch.equal(moved(parts, images, {}), parts)


def test_faster_words_have_shorter_parts() -> None:
    long = torch.tensor([[0] * 10 + [1] * 10 + [2] * 20 + [1] * 10 + [3] * 20 + [0] * 30])
    images = torch.randn(1, 1, 5, 100) * (long != 0)[:, None, None]
    found = moved(long, images, {"speed": np.array([1.25])})
    counts = torch.bincount(found[0], minlength=4)[1:]
    assert torch.allclose(counts.float(), torch.tensor([20.0, 20.0, 20.0]) / 1.25, atol=2)


def test_part_loss_is_a_share_of_the_mean() -> None:
    torch.manual_seed(0)
    logits = torch.randn(4, 4, 5)
    parts = torch.randint(0, 4, (4, 22))
    parts[3] = UNKNOWN
    columns = parts[:, 2::4][:, :5]
    whole = functional.cross_entropy(logits[:3], columns[:3])
    halves = [part_loss(logits[s], parts[s], 3) for s in (slice(0, 2), slice(2, 4))]
    torch.testing.assert_close(sum(halves), whole)
    assert float(part_loss(logits[3:], parts[3:], 0)) == 0.0


def test_a_column_that_was_filled_up_has_a_part_only_if_its_middle_is_sound() -> None:
    logits = torch.randn(1, 4, 6)
    parts = torch.tensor([[2] * 20 + [1] * 3])
    expected = torch.tensor([[2, 2, 2, 2, 2, 1]])
    for n, known in ((23, 6), (21, 5)):
        told = functional.cross_entropy(logits[..., :known], expected[:, :known], reduction="sum")
        torch.testing.assert_close(part_loss(logits, parts[:, :n], 1), told / 6)


def toy(n: int = 240) -> StressData:
    """Two noise bursts: the nuclei. The louder one is stressed; where they are is random."""
    rng = np.random.default_rng(0)
    images = 0.3 * rng.normal(size=(n, 40, 48)).astype(np.float32)
    parts = np.zeros((n, 48), dtype=np.int8)
    labels = np.arange(n) % 2
    for image, part, label in zip(images, parts, labels, strict=True):
        first = rng.integers(2, 8)
        second = first + rng.integers(14, 20)
        part[first : second + 14] = 1
        for k, start in enumerate((first, second)):
            image[8:24, start : start + 10] += 2.0 if k == label else 1.0
            part[start : start + 10] = 2 + k
    return StressData(
        images=images,
        labels=labels,
        speakers=np.array([f"s{i % 7}" for i in range(n)]),
        lemmas=np.array([f"w{i % 30}" for i in range(n)]),
        splits=np.array(["train", "train", "train", "train", "valid", "test"])[
            np.arange(n) // 2 % 6
        ],
        token_ids=np.array([f"t{i}" for i in range(n)]),
        parts=parts,
    )


CONFIG = get_recipe(
    "nuclei", max_epochs=10, batch_size=16, mask_frames=0, mask_bins=0, weight_average=0.0
)
ORIGIN = Origin("toy", {"n_frames": 48}, "c0")


@pytest.fixture(scope="module", params=["nuclei", "transformer"])
def trained(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> torch.nn.Module:
    out = tmp_path_factory.mktemp("parts")
    return train(request.param, toy(), CONFIG, out, origin=ORIGIN).model


def test_a_network_learns_where_the_nuclei_are(trained: torch.nn.Module) -> None:
    data = toy()
    rows = data.rows("test")
    said: list[torch.Tensor] = []
    trained.where.register_forward_hook(lambda *call: said.append(call[2]))
    with torch.inference_mode():
        logits = trained(data.batch(rows))
    assert data.parts is not None
    true = data.parts[rows][:, 2::4]
    is_nucleus = true >= 2
    found = said[0].argmax(dim=1).numpy()
    assert (found[is_nucleus] == true[is_nucleus]).mean() > 0.85
    assert (logits.argmax(1).numpy() == data.labels[rows]).mean() > 0.9


def test_networks_and_data_without_parts_are_refused(tmp_path: Path) -> None:
    data = toy()
    with pytest.raises(ConfigError, match="'compact' does not say where the nuclei are"):
        train("compact", data, CONFIG, tmp_path / "a", origin=ORIGIN)
    with pytest.raises(ConfigError, match="needs the limits of two nuclei"):
        train("nuclei", replace(data, parts=None), CONFIG, tmp_path / "b", origin=ORIGIN)
    with pytest.raises(ConfigError, match="one row of frames"):
        replace(data, parts=data.parts[:, :-1])  # type: ignore[index]


def test_listening_changes_no_weight_that_is_saved() -> None:
    names = build_model("nuclei", 40, 48).state_dict()
    assert not [name for name in names if "logits" in name or "heard" in name]
