"""Training: learns what is there, learns nothing where nothing is, and is the same every time."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from stressnet.errors import CheckpointError, ConfigError
from stressnet.models.checkpoint import load_checkpoint
from stressnet.training import epochs, fit
from stressnet.training.data import StressData, predict_logits, predictions_table
from stressnet.training.epochs import batch_loss, class_weights, learning_rate
from stressnet.training.fit import Origin, Watch, train
from stressnet.training.recipes import RECIPES, TrainConfig, get_recipe

SHAPE = (40, 48)
QUICK = get_recipe("compact", max_epochs=6, mask_frames=2, mask_bins=4)
ORIGIN = Origin("toy", {"n_frames": 48}, "c0")


def toy(n: int = 480, seed: int = 0, share_final: float = 0.5) -> StressData:
    """Noise with a louder patch: on the left for INITIAL (0), on the right for FINAL (1)."""
    rng = np.random.default_rng(seed)
    labels = (rng.random(n) < share_final).astype(np.int64)
    images = rng.normal(size=(n, *SHAPE)).astype(np.float32)
    for image, label in zip(images, labels, strict=True):
        start = (6, 30)[label]
        image[10:20, start : start + 10] += 1.5
    number = np.arange(n)
    return StressData(
        images=images,
        labels=labels,
        speakers=np.array([f"s{i % 7}" for i in number]),
        lemmas=np.array([f"w{i % 30}" for i in number]),
        splits=np.array(["train", "train", "valid", "test"])[number % 4],
        token_ids=np.array([f"t{i}" for i in number]),
    )


def accuracy(model: nn.Module, data: StressData) -> float:
    rows = data.rows("test")
    return float((predict_logits(model, data, rows).argmax(1) == data.labels[rows]).mean())


def weights_of(model: nn.Module) -> list[torch.Tensor]:
    return list(model.state_dict().values())


def same(one: nn.Module, other: nn.Module) -> bool:
    return all(map(torch.equal, weights_of(one), weights_of(other)))


def test_planted_cue_is_learnt_and_checkpoint_holds_it(tmp_path: Path) -> None:
    data = toy()
    result = train("compact", data, QUICK, tmp_path, origin=ORIGIN)
    assert accuracy(result.model, data) > 0.95
    loaded, info = load_checkpoint(tmp_path)
    assert same(loaded, result.model)
    assert info == result.info
    assert info.corpus_hash == "c0"
    assert info.training["recipe"] == QUICK.to_dict()
    names = sorted(path.name for path in tmp_path.iterdir())
    assert names == ["history.csv", "model.json", "model.safetensors"]
    best = result.history["valid_loss"].idxmin()
    assert result.best_epoch == result.history["epoch"][best]
    assert result.ended == "max_epochs"


def test_shuffled_labels_stay_at_chance(tmp_path: Path) -> None:
    data = toy()
    result = train("compact", data, replace(QUICK, shuffle_labels=True), tmp_path, origin=ORIGIN)
    assert result.info.training["recipe"]["shuffle_labels"] is True
    n = len(data.rows("test"))
    assert abs(accuracy(result.model, data) - 0.5) < 3 * 0.5 / n**0.5


def test_labels_are_shuffled_within_train_and_valid_only() -> None:
    data = toy(share_final=0.2)
    changed = fit.shuffled(data, 3)
    for split in ("train", "valid", "test"):
        rows = data.rows(split)
        assert changed.labels[rows].sum() == data.labels[rows].sum()
        assert (changed.labels[rows] == data.labels[rows]).all() == (split == "test")
    assert not np.array_equal(fit.shuffled(data, 4).labels, changed.labels)


def test_lenet_in_the_published_recipe(tmp_path: Path) -> None:
    data = toy()
    recipe = get_recipe("allouche2025-lenet", max_epochs=6)
    result = train("lenet", data, recipe, tmp_path, origin=ORIGIN)
    assert accuracy(result.model, data) > 0.9


@pytest.mark.parametrize("class_balance", ["weights", "sampler"])
def test_rare_class_is_not_ignored(tmp_path: Path, class_balance: str) -> None:
    data = toy(600, share_final=0.1)
    config = replace(QUICK, class_balance=class_balance, max_epochs=8)
    model = train("compact", data, config, tmp_path, origin=ORIGIN).model
    rows = data.rows("test")[data.labels[data.rows("test")] == 1]
    assert (predict_logits(model, data, rows).argmax(1) == 1).mean() > 0.8


def test_same_seed_same_weights_and_the_callers_generator_is_left_alone(tmp_path: Path) -> None:
    data = toy(200)
    config = replace(QUICK, max_epochs=2)
    torch.manual_seed(3)
    expected = torch.rand(1)
    torch.manual_seed(3)
    first = train("compact", data, config, tmp_path / "1", origin=ORIGIN)
    assert torch.equal(torch.rand(1), expected)
    second = train("compact", data, config, tmp_path / "2", origin=ORIGIN)
    other = train("compact", data, replace(config, seed=1), tmp_path / "3", origin=ORIGIN)
    assert same(first.model, second.model)
    assert not same(first.model, other.model)


def test_float16_memory_map_gives_the_same_as_its_values_in_memory(tmp_path: Path) -> None:
    data = toy(200)
    halves = data.images.astype(np.float16)
    np.save(tmp_path / "images.npy", halves)
    mapped = replace(data, images=np.load(tmp_path / "images.npy", mmap_mode="r"))
    config = replace(QUICK, max_epochs=1)
    first = train("compact", mapped, config, tmp_path / "1", origin=ORIGIN)
    inside = replace(data, images=halves.astype(np.float32))
    assert same(first.model, train("compact", inside, config, tmp_path / "2", origin=ORIGIN).model)


def test_the_average_of_the_weights_is_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = []
    original = epochs.AveragedModel.update_parameters

    def update(self: nn.Module, model: nn.Module) -> None:
        original(self, model)
        seen.append({k: v.clone() for k, v in model.state_dict().items()})

    monkeypatch.setattr(epochs.AveragedModel, "update_parameters", update)
    config = replace(QUICK, max_epochs=1, weight_average=0.7)
    result = train("compact", toy(200), config, tmp_path, origin=ORIGIN)
    for name, value in result.model.state_dict().items():
        if not value.is_floating_point():
            continue
        expected = seen[0][name]
        for weights in seen[1:]:
            expected = 0.7 * expected + 0.3 * weights[name]
        torch.testing.assert_close(value, expected, rtol=1e-5, atol=1e-6)
    assert len(seen) > 2


class Interrupted(Exception):
    pass


@pytest.mark.parametrize("weight_average", [0.0, 0.9])
def test_resumed_run_ends_in_the_same_weights(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, weight_average: float
) -> None:
    data = toy(200)
    config = replace(QUICK, max_epochs=4, weight_average=weight_average)
    whole = train("compact", data, config, tmp_path / "whole", origin=ORIGIN)
    original = epochs.augment

    def interrupt(*args: object, **options: object) -> torch.Tensor:
        nonlocal calls
        calls += 1
        if calls > 2 * 3 + 1:  # three batches an epoch: in the middle of the third
            raise Interrupted
        return original(*args, **options)

    calls = 0
    with monkeypatch.context() as patch:
        patch.setattr(epochs, "augment", interrupt)
        with pytest.raises(Interrupted):
            train("compact", data, config, tmp_path / "cut", origin=ORIGIN)
    assert (tmp_path / "cut" / fit.STATE_NAME).is_file()
    assert not (tmp_path / "cut" / "model.json").exists()
    resumed = train("compact", data, config, tmp_path / "cut", resume=True, origin=ORIGIN)
    assert same(resumed.model, whole.model)
    shown = ["epoch", "train_loss", "valid_loss"]
    assert resumed.history[shown].equals(whole.history[shown])
    assert not (tmp_path / "cut" / fit.STATE_NAME).exists()


def test_state_of_another_run_or_damaged_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = toy(120)
    config = replace(QUICK, max_epochs=2)

    def fail(*_: object) -> None:
        raise Interrupted

    with monkeypatch.context() as patch:
        patch.setattr(fit, "_ended", lambda state, *_: fail() if state.epoch else "")
        with pytest.raises(Interrupted):
            train("compact", data, config, tmp_path, origin=ORIGIN)
    with pytest.raises(CheckpointError, match="other data or settings"):
        train("compact", data, replace(config, seed=9), tmp_path, resume=True, origin=ORIGIN)
    path = tmp_path / fit.STATE_NAME
    path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(CheckpointError, match=r"unfinished\.safetensors: .*delete the file"):
        train("compact", data, config, tmp_path, resume=True, origin=ORIGIN)


def test_patience_and_minutes_end_a_run(tmp_path: Path) -> None:
    data = toy(120)
    still = replace(QUICK, learning_rate=1e-12, schedule="constant", max_epochs=50, patience=2)
    shuffled = replace(data, labels=np.random.default_rng(1).permutation(data.labels))
    result = train("compact", shuffled, still, tmp_path / "1", origin=ORIGIN)
    assert result.ended == "patience"
    assert len(result.history) == result.best_epoch + 2
    short = replace(QUICK, max_epochs=50, max_minutes=1e-6)
    result = train("compact", data, short, tmp_path / "2", origin=ORIGIN)
    assert (result.ended, len(result.history)) == ("max_minutes", 1)


def test_progress_only_on_request(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    config = replace(QUICK, max_epochs=1)
    train("compact", toy(60), config, tmp_path / "1", origin=ORIGIN)
    silent = capfd.readouterr()
    assert (silent.out, silent.err) == ("", "")
    train("compact", toy(60), config, tmp_path / "2", watch=Watch(progress=True), origin=ORIGIN)
    shown = capfd.readouterr()
    assert shown.out == ""
    assert "training compact" in shown.err


@pytest.mark.parametrize(
    ("split", "message"), [("train", "no token in split 'train'"), ("valid", "split 'valid'")]
)
def test_empty_split(tmp_path: Path, split: str, message: str) -> None:
    data = toy(40)
    moved = replace(data, splits=np.where(data.splits == split, "test", data.splits))
    with pytest.raises(ConfigError, match=message):
        train("compact", moved, QUICK, tmp_path, origin=ORIGIN)


def test_single_class_and_broken_images(tmp_path: Path) -> None:
    data = toy(40)
    with pytest.raises(ConfigError, match="no token with FINAL stress"):
        train("compact", replace(data, labels=np.zeros(40, int)), QUICK, tmp_path, origin=ORIGIN)
    images = data.images.copy()
    images[data.rows("train")] = np.nan
    with pytest.raises(ConfigError, match=r"training loss is nan in epoch 1"):
        train("compact", replace(data, images=images), QUICK, tmp_path, origin=ORIGIN)
    images = data.images.copy()
    images[data.rows("valid")] = np.inf
    with pytest.raises(ConfigError, match=r"validation loss is nan in epoch 1"):
        train("compact", replace(data, images=images), QUICK, tmp_path, origin=ORIGIN)


def test_data_that_do_not_fit_together() -> None:
    data = toy(20)
    with pytest.raises(ConfigError, match="speakers must have one value"):
        replace(data, speakers=data.speakers[1:])
    with pytest.raises(ConfigError, match="unique"):
        replace(data, token_ids=np.repeat("t", 20))
    with pytest.raises(ConfigError, match="labels must be"):
        replace(data, labels=data.labels + 1)
    with pytest.raises(ConfigError, match="float64"):
        replace(data, images=data.images.astype(np.float64))


def test_batch_is_a_copy_in_the_order_asked_for() -> None:
    data = toy(20)
    batch = data.batch([7, 2])
    assert batch.shape == (2, 1, *SHAPE)
    assert np.array_equal(batch[1, 0].numpy(), data.images[2])
    batch.zero_()
    assert data.images[2].any()


def test_predictions_table(tmp_path: Path) -> None:
    data = toy(80)
    data = replace(data, speakers=np.where(data.splits == "test", "new", data.speakers))
    model = train("compact", data, replace(QUICK, max_epochs=1), tmp_path, origin=ORIGIN).model
    table = predictions_table(model, data, ["test", "valid", "absent"])
    assert list(table["token_id"]) == list(data.token_ids[np.isin(data.splits, ["test", "valid"])])
    assert set(table.loc[~table["speaker_is_known"], "split"]) == {"test"}
    difference = table["logit_initial"] - table["logit_final"]
    assert np.allclose(table["p_initial"], 1 / (1 + np.exp(-difference)))
    assert ((table["stress_predicted"] == "INITIAL") == (difference >= 0)).all()
    truth = {t: ("INITIAL", "FINAL")[y] for t, y in zip(data.token_ids, data.labels, strict=True)}
    assert list(table["stress_true"]) == [truth[t] for t in table["token_id"]]
    assert predictions_table(model, data, []).empty


def test_one_cycle_by_hand() -> None:
    config = TrainConfig(name="x", learning_rate=1.0)
    assert learning_rate(config, 0.0) == pytest.approx(1 / 25)
    assert learning_rate(config, 0.125) == pytest.approx((1 + 1 / 25) / 2)
    assert learning_rate(config, 0.25) == pytest.approx(1.0)
    assert learning_rate(config, 0.625) == pytest.approx(0.5, abs=1e-4)
    assert learning_rate(config, 1.0) == pytest.approx(4e-6)
    assert learning_rate(replace(config, schedule="constant"), 0.7) == 1.0


def test_class_weights_by_hand() -> None:
    labels = np.array([0, 0, 0, 1])
    config = TrainConfig(name="x")
    assert class_weights(labels, config).tolist() == pytest.approx([4 / 6, 2.0])
    none = class_weights(labels, replace(config, class_balance="none"))
    assert none[0] == none[1]


@pytest.mark.parametrize("class_balance", ["weights", "none"])
def test_parts_of_a_loss_add_up_to_torchs(class_balance: str) -> None:
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(10, 2, generator=generator)
    labels = torch.tensor([0, 1, 1, 1, 0, 0, 0, 0, 0, 0])
    config = TrainConfig(name="x", class_balance=class_balance, label_smoothing=0.1)
    weights = torch.tensor([0.6, 2.0])
    used = weights if class_balance == "weights" else None
    expected = nn.functional.cross_entropy(logits, labels, weight=used, label_smoothing=0.1)
    parts = [
        batch_loss(logits[part], labels[part], labels, weights, config)
        for part in (slice(0, 3), slice(3, 10))
    ]
    torch.testing.assert_close(torch.stack(parts).sum(), expected)


def test_published_recipes() -> None:
    for name, rate in (("allouche2025-lenet", 1e-3), ("allouche2025-vgg", 1e-5)):
        recipe = RECIPES[name]
        assert (recipe.optimizer, recipe.learning_rate) == ("adam", rate)
        assert (recipe.batch_size, recipe.patience, recipe.schedule) == (100, 30, "constant")
        assert recipe.time_shift_frames == recipe.mask_frames == recipe.mask_bins == 0


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"learning_rate": 0.0}, "learning_rate=0.0 must be positive"),
        ({"learning_rate": math.nan}, "must be positive"),
        ({"optimizer": "sgd"}, "not adam or adamw"),
        ({"patience": 0}, "at least 1"),
        ({"momentum": 0.9}, "no parameter momentum"),
        ({"max_minutes": -1.0}, "max_minutes"),
    ],
)
def test_bad_recipes(changes: dict, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        get_recipe("compact", **changes)
    with pytest.raises(ConfigError, match="there are compact, nuclei, transformer, allouche2025"):
        get_recipe("none such")
