"""Runs that are killed, shared by processes, logged, or of another precision."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn

from stressnet.errors import ConfigError, MissingPartError
from stressnet.models.checkpoint import load_checkpoint
from stressnet.models.networks import Network
from stressnet.models.registry import MODELS, ModelSpec
from stressnet.training import data as data_module
from stressnet.training import fit
from stressnet.training.data import ImageFeed, StressData
from stressnet.training.distributed import World, share_statistics
from stressnet.training.fit import Origin, Watch, train
from stressnet.training.recipes import TrainConfig

SHAPE = (12, 20)
ORIGIN = Origin("toy", {"n_frames": 20}, "c0")
CONFIG = TrainConfig(
    name="toy",
    batch_size=11,  # which two processes cannot share evenly
    max_epochs=4,
    time_shift_frames=1,
    mask_bins=2,
    noise_snr_db=(10, 20),
    label_smoothing=0.1,
)
THREADS = {**os.environ, "OMP_NUM_THREADS": "1"}


def toy(n: int = 120) -> StressData:
    """A louder patch on the left or on the right; classes unbalanced."""
    rng = np.random.default_rng(0)
    labels = (rng.random(n) < 0.3).astype(np.int64)
    images = rng.normal(size=(n, *SHAPE)).astype(np.float32)
    for image, label in zip(images, labels, strict=True):
        image[4:8, (2, 12)[label] :][:, :6] += 1.5
    number = np.arange(n)
    return StressData(
        images=images,
        labels=labels,
        speakers=np.array([f"s{i % 7}" for i in number]),
        lemmas=np.array([f"w{i % 30}" for i in number]),
        splits=np.array(["train", "train", "valid", "test"])[number % 4],
        token_ids=np.array([f"t{i}" for i in number]),
    )


def _with_norms(n_bins: int, n_frames: int, n_classes: int) -> Network:
    """BatchNorm and no dropout, so that processes can be compared."""
    return Network(
        nn.Conv2d(1, 6, 3, padding=1, bias=False),
        nn.BatchNorm2d(6),
        nn.ReLU(),
        nn.Conv2d(6, 8, 3, padding=1, bias=False),
        nn.BatchNorm2d(8),
        nn.ReLU(),
        nn.AdaptiveAvgPool2d((2, 4)),
        nn.Flatten(),
        nn.Linear(64, n_classes),
    ).built_for("normed", n_bins, n_frames)


MODELS["normed"] = ModelSpec("normed", "toy", "stressnet", "compact", "epsilon-plus", _with_norms)


def same(one: nn.Module, other: nn.Module) -> bool:
    pairs = zip(one.state_dict().values(), other.state_dict().values(), strict=True)
    return all(torch.equal(a, b) for a, b in pairs)


# -- killed

SLOW_RUN = """
import sys, time, torch
from pathlib import Path
sys.path.insert(0, {tests!r})
import test_training_runs as runs
from stressnet.training import epochs
torch.set_num_threads(1)
original = epochs.augment
def slowly(*args, **options):
    time.sleep(0.1)
    return original(*args, **options)
epochs.augment = slowly
runs.train("normed", runs.toy(), runs.LONG, Path({out!r}), resume=True, origin=runs.ORIGIN)
"""
LONG = replace(CONFIG, max_epochs=15)


def test_run_ends_in_the_same_weights_after_sigkill(tmp_path: Path) -> None:
    out = tmp_path / "killed"
    code = SLOW_RUN.format(tests=str(Path(__file__).parent), out=str(out))
    process = subprocess.Popen([sys.executable, "-c", code], env=THREADS)
    history = out / "history.csv"
    deadline = time.monotonic() + 120
    while not (history.exists() and len(history.read_text().splitlines()) > 2):
        assert process.poll() is None, "ended before it could be killed"
        assert time.monotonic() < deadline
        time.sleep(0.05)
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    assert (out / fit.STATE_NAME).is_file()
    assert not (out / "model.json").exists()
    before = pd.read_csv(history)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        resumed = train("normed", toy(), LONG, out, resume=True, origin=ORIGIN)
        whole = train("normed", toy(), LONG, tmp_path / "whole", origin=ORIGIN)
    finally:
        torch.set_num_threads(threads)
    assert same(resumed.model, whole.model)
    shown = ["epoch", "train_loss", "valid_loss", "valid_balanced_accuracy"]
    assert resumed.history[shown].equals(whole.history[shown])
    kept = len(before)
    assert 2 <= kept < LONG.max_epochs
    np.testing.assert_allclose(resumed.history["seconds"][:kept], before["seconds"])


# -- shared by processes

SHARED_RUN = """
import sys
from pathlib import Path
sys.path.insert(0, {tests!r})
import torch
torch.set_num_threads(1)
import test_training_runs as runs
from stressnet.training.distributed import join_world
with join_world("cpu") as world:
    out = Path({out!r})
    result = runs.train("normed", runs.toy(), runs.CONFIG, out, world=world, origin=runs.ORIGIN)
    weights = torch.cat([v.double().ravel() for v in result.model.state_dict().values()])
    (out / f"rank{{world.rank}}.txt").write_text(str(float(weights.sum())))
"""


@pytest.mark.long
def test_two_processes_give_what_one_gives(tmp_path: Path) -> None:
    """Same batches, weighted loss, uneven shares, BatchNorm: equal up to rounding."""
    out = tmp_path / "shared"
    script = tmp_path / "run.py"
    script.write_text(SHARED_RUN.format(tests=str(Path(__file__).parent), out=str(out)))
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone"]
    done = subprocess.run(
        [*command, "--nproc-per-node", "2", str(script)],
        env=THREADS,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    model, info = load_checkpoint(out)
    assert info.training["processes"] == 2
    alone = train("normed", toy(), CONFIG, tmp_path / "alone", origin=ORIGIN)
    history = pd.read_csv(out / "history.csv")
    for column, tolerance in (
        ("train_loss", 1e-5),
        ("valid_loss", 1e-5),
        ("valid_balanced_accuracy", 1e-9),
        ("learning_rate", 1e-12),
    ):
        np.testing.assert_allclose(history[column], alone.history[column], atol=tolerance, rtol=0)
    for (name, ours), theirs in zip(
        alone.model.state_dict().items(), model.state_dict().values(), strict=True
    ):
        torch.testing.assert_close(theirs, ours, atol=2e-4, rtol=1e-4, msg=name)
    sums = [(out / f"rank{rank}.txt").read_text() for rank in (0, 1)]
    assert sums[0] == sums[1]


def test_shares_cover_a_batch_once() -> None:
    shares = [World(rank, 3).share(10) for rank in range(3)]
    assert np.concatenate(shares).tolist() == list(range(10))
    assert {len(share) for share in shares} == {3, 4}


def test_batches_smaller_than_the_processes_are_refused(tmp_path: Path) -> None:
    config = replace(CONFIG, batch_size=2)
    with pytest.raises(ConfigError, match="batches of 2 cannot be shared by 3 processes"):
        train("normed", toy(), config, tmp_path, world=World(0, 3), origin=ORIGIN)


NORMS = """
import sys, torch
from torch import distributed, nn
from stressnet.training.distributed import share_statistics
torch.set_num_threads(1)
distributed.init_process_group("gloo")
rank = distributed.get_rank()
torch.manual_seed(0)
x = torch.randn(5, 3, 4, 4, dtype=torch.float32) * 3 + 1
aim = torch.randn(5, 3, 4, 4)
alone, shared = nn.BatchNorm2d(3), nn.Sequential(nn.BatchNorm2d(3))
share_statistics(shared)
whole = x.clone().requires_grad_()
(alone(whole) * aim).sum().backward()
rows = slice(0, 2) if rank == 0 else slice(2, 5)
part = x[rows].clone().requires_grad_()
(shared(part) * aim[rows]).sum().backward()
norm = shared[0]
distributed.all_reduce(norm.weight.grad)
near = lambda a, b: torch.testing.assert_close(a, b, atol=1e-4, rtol=1e-4)
near(part.grad, whole.grad[rows])
near(norm.weight.grad, alone.weight.grad)
near(norm.running_mean, alone.running_mean)
near(norm.running_var, alone.running_var)
near(shared.eval()(x), alone.eval()(x))
assert list(shared.state_dict()) == ["0." + k for k in alone.state_dict()]
distributed.destroy_process_group()
"""


def test_batch_norm_over_processes_is_that_of_the_whole_batch(tmp_path: Path) -> None:
    script = tmp_path / "norms.py"
    script.write_text(NORMS)
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone"]
    done = subprocess.run(
        [*command, "--nproc-per-node", "2", str(script)],
        env=THREADS,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]


def test_weights_are_untouched_when_statistics_are_shared() -> None:
    model = _with_norms(*SHAPE, 2)
    before = {k: v.clone() for k, v in model.state_dict().items()}
    share_statistics(model)
    assert all(torch.equal(v, before[k]) for k, v in model.state_dict().items())
    image = torch.randn(2, 1, *SHAPE)
    assert model.eval()(image).shape == (2, 2)


# -- logs, precision, feed


def test_tensorboard_gets_every_epoch(tmp_path: Path) -> None:
    accumulator = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    result = train("normed", toy(), CONFIG, tmp_path, watch=Watch(tensorboard=True), origin=ORIGIN)
    events = accumulator.EventAccumulator(str(tmp_path / "tensorboard")).Reload()
    for tag, column in (("loss/train", "train_loss"), ("loss/valid", "valid_loss")):
        logged = events.Scalars(tag)
        assert [event.step for event in logged] == [1, 2, 3, 4]
        assert [e.value for e in logged] == pytest.approx(result.history[column].tolist())


def test_missing_tensorboard_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    with pytest.raises(MissingPartError, match=r"pip install 'stressnet\[tensorboard\]'"):
        train("normed", toy(), CONFIG, tmp_path, watch=Watch(tensorboard=True), origin=ORIGIN)


def test_bfloat16_trains_and_float16_needs_a_gpu(tmp_path: Path) -> None:
    seen = []
    original = nn.functional.linear

    class Spy(nn.Linear):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            result = original(x, self.weight, self.bias)
            seen.append((self.training, result.dtype))
            return result

    def spied(*shape: int) -> Network:
        model = _with_norms(*shape)
        model[-1] = Spy(64, 2)
        return model

    spec = replace(MODELS["normed"], name="spied", builder=spied)
    MODELS["spied"] = spec
    try:
        config = replace(CONFIG, precision="bfloat16")
        result = train("spied", toy(), config, tmp_path / "1", origin=ORIGIN)
        dtypes = set(seen)
        whole = train("spied", toy(), CONFIG, tmp_path / "2", origin=ORIGIN)
    finally:
        del MODELS["spied"]
    assert result.info.training["recipe"]["precision"] == "bfloat16"
    assert dtypes == {(True, torch.bfloat16), (False, torch.float32)}
    assert all(v.dtype != torch.bfloat16 for v in result.model.state_dict().values())
    losses = [r.history["valid_loss"].iloc[-1] for r in (result, whole)]
    assert losses[0] == pytest.approx(losses[1], abs=0.05)
    with pytest.raises(ConfigError, match="float16 needs a GPU"):
        train("normed", toy(), replace(CONFIG, precision="float16"), tmp_path / "3", origin=ORIGIN)


@pytest.mark.parametrize("dtype", [np.float32, np.float16])
def test_feed_gives_the_same_from_device_and_store(
    dtype: type, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = toy(40)
    data = replace(data, images=data.images.astype(dtype))
    rows = data.rows("train")
    monkeypatch.setattr(data_module, "_CHUNK", 7)
    batches = [rows[[3, 0, 5]], rows[[1]], rows[:11]]
    held = list(ImageFeed(data, rows, "cpu", resident=True).batches(batches))
    read = list(ImageFeed(data, rows, "cpu", resident=False).batches(batches))
    for one, other, chosen in zip(held, read, batches, strict=True):
        assert one.dtype == torch.float32
        assert torch.equal(one, other)
        assert torch.equal(one, data.batch(chosen))
    assert list(ImageFeed(data, rows, "cpu").batches([])) == []


def test_history_is_on_disk_while_the_run_goes_on(tmp_path: Path) -> None:
    written = []
    original = fit.RunLog.write

    class Log(fit.RunLog):
        def write(self, history: list) -> None:
            original(self, history)
            written.append(len(pd.read_csv(tmp_path / "history.csv")))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(fit, "RunLog", Log)
        train("normed", toy(), CONFIG, tmp_path, origin=ORIGIN)
    assert written == [1, 2, 3, 4]
    recorded = json.loads((tmp_path / "model.json").read_text())["training"]
    assert recorded["epochs"] == 4
