"""Networks: exact layer lists, shapes, and the figures of their descriptions."""

from __future__ import annotations

import subprocess
import sys

import pytest
import torch
from torch import nn

from stressnet.errors import ConfigError
from stressnet.models.registry import MODELS, build_model, describe

SHAPE = (161, 101)


def short(layer: nn.Module) -> str:
    """A layer in the notation of the papers."""
    match layer:
        case nn.Conv2d():
            height, width = layer.kernel_size
            text = f"conv {layer.in_channels}-{layer.out_channels} {height}x{width}"
            text += f" pad {layer.padding[0]}" if layer.padding[0] else ""
            text += f" stride {layer.stride}" if layer.stride != (1, 1) else ""
            return text + ("" if layer.bias is not None else " no bias")
        case nn.BatchNorm2d():
            return f"norm {layer.num_features}"
        case nn.ReLU():
            assert not layer.inplace
            return "relu"
        case nn.MaxPool2d():
            assert layer.stride == layer.kernel_size == 2
            return "pool 2"
        case nn.AdaptiveAvgPool2d():
            return f"average {layer.output_size}"
        case nn.Linear():
            return f"fc {layer.in_features}-{layer.out_features}"
        case nn.Dropout2d():
            return f"drop maps {layer.p}"
        case nn.Dropout():
            return f"drop {layer.p}"
        case nn.Flatten():
            return "flatten"
    raise AssertionError(layer)


def layers(name: str) -> list[str]:
    with torch.device("meta"):
        return [short(layer) for layer in build_model(name, *SHAPE)]


def test_lenet_layers() -> None:
    assert layers("lenet") == [
        "conv 1-20 5x5",
        "pool 2",
        "relu",
        "conv 20-20 5x5",
        "drop maps 0.5",
        "pool 2",
        "relu",
        "flatten",
        "fc 16280-1000",
        "relu",
        "drop 0.5",
        "fc 1000-2",
    ]


VGG_LISTS = {
    "vgg11": "64 M 128 M 256 256 M 512 512 M 512 512 M",
    "vgg13": "64 64 M 128 128 M 256 256 M 512 512 M 512 512 M",
    "vgg16": "64 64 M 128 128 M 256 256 256 M 512 512 512 M 512 512 512 M",
    "vgg19": "64 64 M 128 128 M 256 256 256 256 M 512 512 512 512 M 512 512 512 512 M",
}


@pytest.mark.parametrize("name", VGG_LISTS)
def test_vgg_layers(name: str) -> None:
    expected, before = [], 1
    for item in VGG_LISTS[name].split():
        if item == "M":
            expected.append("pool 2")
        else:
            expected += [f"conv {before}-{item} 3x3 pad 1", f"norm {item}", "relu"]
            before = int(item)
    assert layers(name) == [*expected, "flatten", "fc 7680-512", "fc 512-2"]


def test_vgg16_relu_differs_by_one_relu() -> None:
    assert layers("vgg16-relu") == [*layers("vgg16")[:-1], "relu", "fc 512-2"]


def test_compact_layers() -> None:
    assert layers("compact") == [
        "conv 1-16 6x5 pad 2 stride (2, 1) no bias",
        "norm 16",
        "relu",
        "pool 2",
        "conv 16-32 3x3 pad 1 no bias",
        "norm 32",
        "relu",
        "pool 2",
        "conv 32-64 3x3 pad 1 no bias",
        "norm 64",
        "relu",
        "pool 2",
        "conv 64-128 3x3 pad 1 no bias",
        "norm 128",
        "relu",
        "average (2, 6)",
        "flatten",
        "drop 0.3",
        "fc 1536-2",
    ]


@pytest.mark.parametrize("shape", [SHAPE, (129, 80), (40, 64)])
@pytest.mark.parametrize("name", MODELS)
def test_outputs_one_logit_per_class(name: str, shape: tuple[int, int]) -> None:
    with torch.device("meta"):
        model = build_model(name, *shape, n_classes=2)
        assert model(torch.empty(3, 1, *shape)).shape == (3, 2)


def test_compact_runs_on_numbers() -> None:
    torch.manual_seed(0)
    logits = build_model("compact", *SHAPE)(torch.randn(4, 1, *SHAPE))
    assert logits.dtype == torch.float32
    assert torch.isfinite(logits).all()


def test_description_of_lenet_by_hand() -> None:
    described = describe("lenet", *SHAPE)
    assert described.n_parameters == (
        (25 * 20 + 20) + (20 * 25 * 20 + 20) + (16280 * 1000 + 1000) + (1000 * 2 + 2)
    )
    assert described.n_macs == (
        157 * 97 * 20 * 25 + 74 * 44 * 20 * 20 * 25 + 16280 * 1000 + 1000 * 2
    )
    # 5 by the first convolution, +1 by the pool, +4*2 by the second, +2 by its pool
    assert (described.receptive_field_bins, described.receptive_field_frames) == (16, 16)


def test_receptive_field_equals_reach_of_gradients() -> None:
    """Ones everywhere: the input positions that move one deep unit are exactly the field."""
    model = build_model("compact", 200, 200)
    described = describe("compact", 200, 200)
    stem = model[: [n for n, _ in model.named_children()].index("average")]
    kept = nn.Sequential(*(m for m in stem if isinstance(m, nn.Conv2d | nn.MaxPool2d)))
    smooth = [nn.AvgPool2d(2) if isinstance(m, nn.MaxPool2d) else m for m in kept]
    for layer in smooth:
        if isinstance(layer, nn.Conv2d):
            nn.init.ones_(layer.weight)
    image = torch.zeros(1, 1, 200, 200, requires_grad=True)
    deep = nn.Sequential(*smooth)(image)
    deep[0, 0, deep.shape[2] // 2, deep.shape[3] // 2].backward()
    assert image.grad is not None
    touched = image.grad[0, 0] != 0
    assert int(touched.any(1).sum()) == described.receptive_field_bins
    assert int(touched.any(0).sum()) == described.receptive_field_frames


def test_unknown_name_lists_the_known() -> None:
    with pytest.raises(ConfigError, match=r"no network 'resnet'; there are compact, lenet"):
        build_model("resnet", *SHAPE)


@pytest.mark.parametrize("name", ["lenet", "vgg11", "compact"])
def test_too_small_image_is_refused(name: str) -> None:
    with pytest.raises(ConfigError, match="at least"):
        build_model(name, 12, 101)


def test_registry_does_not_import_torch() -> None:
    code = "import sys, stressnet.models.registry; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
