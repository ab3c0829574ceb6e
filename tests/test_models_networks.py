"""Networks: exact layer lists, shapes, and the figures of their descriptions."""

from __future__ import annotations

import subprocess
import sys

import pytest
import torch
from torch import nn
from torch.nn import functional

from stressnet.acoustics.spectrogram import PRESETS
from stressnet.errors import ConfigError
from stressnet.explain import COMPOSITES, explain_batch
from stressnet.models.registry import MODELS, build_model, describe
from stressnet.models.residual import ResidualBlock
from stressnet.models.transformer import Places
from stressnet.training.recipes import RECIPES

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
            assert layer.stride == layer.kernel_size or layer.stride == 2
            text = f"pool {layer.kernel_size}"
            return text + (f" pad {layer.padding}" if layer.padding else "")
        case nn.AdaptiveAvgPool2d():
            return f"average {layer.output_size}"
        case nn.Linear():
            return f"fc {layer.in_features}-{layer.out_features}"
        case nn.Dropout2d():
            return f"drop maps {layer.p}"
        case nn.Dropout():
            return f"drop {layer.p:g}"
        case nn.Conv1d():
            return f"conv {layer.in_channels}-{layer.out_channels} {layer.kernel_size[0]}"
        case nn.LayerNorm():
            return f"layer norm {layer.normalized_shape[0]}"
        case nn.GELU():
            return "gelu"
        case nn.Flatten():
            return "flatten"
        case Places():
            return "places {}x{}".format(*layer.time.shape)
    raise AssertionError(layer)


def layers(name: str) -> list[str]:
    """Leaf layers in the order of their definition, which is that of their use."""
    with torch.device("meta"):
        modules = build_model(name, *SHAPE).modules()
        leaves = [m for m in modules if not list(m.children())]
        return [short(m) for m in leaves if not isinstance(m, nn.Sequential)]


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


def test_alexnet_layers() -> None:
    assert layers("alexnet") == [
        "conv 1-64 11x11 pad 2 stride (4, 4)",
        "relu",
        "pool 3",
        "conv 64-192 5x5 pad 2",
        "relu",
        "pool 3",
        "conv 192-384 3x3 pad 1",
        "relu",
        "conv 384-256 3x3 pad 1",
        "relu",
        "conv 256-256 3x3 pad 1",
        "relu",
        "pool 3",
        "flatten",
        "fc 2048-4096",
        "relu",
        "drop 0.5",
        "fc 4096-4096",
        "relu",
        "drop 0.5",
        "fc 4096-2",
    ]


RESNET_BLOCKS = {"resnet18": "64*2 128*2 256*2 512*2", "resnet34": "64*3 128*4 256*6 512*3"}


@pytest.mark.parametrize("name", RESNET_BLOCKS)
def test_resnet_layers(name: str) -> None:
    expected = ["conv 1-64 7x7 pad 3 stride (2, 2) no bias", "norm 64", "relu", "pool 3 pad 1"]
    before = 64
    for stage in RESNET_BLOCKS[name].split():
        width, times = map(int, stage.split("*"))
        for _ in range(times):
            stride = "" if width == before else " stride (2, 2)"
            expected += [f"conv {before}-{width} 3x3 pad 1{stride} no bias", f"norm {width}"]
            expected += ["relu", f"conv {width}-{width} 3x3 pad 1 no bias", f"norm {width}"]
            if stride:
                expected += [f"conv {before}-{width} 1x1{stride} no bias", f"norm {width}"]
            expected += ["relu"]
            before = width
    assert layers(name) == [*expected, "average 1", "flatten", "fc 512-2"]


def test_resnets_have_the_published_number_of_parameters() -> None:
    """11,689,512 and 21,797,672 (torchvision) less two input channels and 998 classes."""
    changed = 2 * 64 * 7 * 7 + (512 + 1) * (1000 - 2)
    assert describe("resnet18", *SHAPE).n_parameters == 11_689_512 - changed
    assert describe("resnet34", *SHAPE).n_parameters == 21_797_672 - changed


def test_residual_block_adds_its_input() -> None:
    block = ResidualBlock(4, 4, 1).eval()
    image = torch.randn(2, 4, 6, 6)
    nn.init.zeros_(block.norm2.weight)
    assert torch.equal(block(image), image.relu())


def test_transformer_layers() -> None:
    block = ["layer norm 96", "fc 96-288", "fc 96-96", "drop 0.1", "layer norm 96"]
    block += ["fc 96-192", "gelu", "fc 192-96", "drop 0.1"]
    stem = layers("compact")[:11]
    assert stem[-4:] == ["pool 2", "conv 32-64 3x3 pad 1 no bias", "norm 64", "relu"]
    stem += ["pool (2, 1)", "conv 64-96 10x1", "places 26x96"]
    assert layers("transformer") == [
        *stem,
        *block * 4,
        "conv 96-4 1",
        "layer norm 96",
        "drop 0.3",
        "fc 288-2",
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


@pytest.mark.parametrize(
    ("name", "widths", "dropout", "inputs"),
    [("compact", (16, 32, 64, 128), 0.3, 1536), ("broad", (32, 64, 128, 192), 0.4, 2304)],
)
def test_compact_and_broad_layers(
    name: str, widths: tuple[int, ...], dropout: float, inputs: int
) -> None:
    first, second, third, fourth = widths
    assert layers(name) == [
        f"conv 1-{first} 6x5 pad 2 stride (2, 1) no bias",
        f"norm {first}",
        "relu",
        "pool 2",
        f"conv {first}-{second} 3x3 pad 1 no bias",
        f"norm {second}",
        "relu",
        "pool 2",
        f"conv {second}-{third} 3x3 pad 1 no bias",
        f"norm {third}",
        "relu",
        "pool 2",
        f"conv {third}-{fourth} 3x3 pad 1 no bias",
        f"norm {fourth}",
        "relu",
        "average (2, 6)",
        "flatten",
        f"drop {dropout}",
        f"fc {inputs}-2",
    ]


def test_nuclei_layers() -> None:
    trunk = layers("compact")[:15]
    assert trunk[11] == "pool 2"
    trunk[11] = "pool (2, 1)"
    assert layers("nuclei") == [*trunk, "conv 384-4 9", "drop 0.3", "fc 776-2"]


def test_nuclei_averages_over_the_parts_it_hears() -> None:
    """With the parts dictated, the logits are those of means over them, computed by hand."""
    torch.manual_seed(0)
    model = build_model("nuclei", 64, 80).eval()
    image = torch.randn(2, 1, 64, 80)
    part = torch.tensor([0, 0, 1, 2, 2, 2, 1, 1, 3, 3, 1, *[0] * 9])
    said = 1e4 * torch.nn.functional.one_hot(part, 4).T.float()[None].expand(2, -1, -1)
    found: dict[str, torch.Tensor] = {}
    model.where.register_forward_hook(lambda *_: said)
    model.relu4.register_forward_hook(lambda *call: found.update(maps=call[2]))
    logits = model(image)
    bands = functional.adaptive_avg_pool2d(found["maps"], (2, 20)).flatten(1, 2)
    sums = [bands[:, :, part == k].sum(2) / ((part == k).sum() + 0.5) for k in (1, 2, 3)]
    n = torch.tensor([[float((part == k).sum()) for k in range(4)]]).expand(2, -1)
    expected = model.fc(torch.cat([*sums, n / 5, (n + 0.5).log()], dim=1))
    torch.testing.assert_close(logits, expected)


@pytest.mark.parametrize("shape", [SHAPE, (129, 80), (40, 64)])
@pytest.mark.parametrize("name", MODELS)
def test_outputs_one_logit_per_class(name: str, shape: tuple[int, int]) -> None:
    if name == "alexnet" and min(shape) < 63:
        pytest.skip("takes no such images")
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


def test_description_of_a_resnet_by_hand() -> None:
    described = describe("resnet18", 400, 400)
    # stem 7, its pool +2*2, then per stage four 3x3 of which the first steps before the others
    field = 7 + 4
    for step_in, step_out in ((4, 4), (4, 8), (8, 16), (16, 32)):
        field += 2 * step_in + 3 * 2 * step_out
    assert min(field, 400) == described.receptive_field_bins == 400
    assert describe("resnet18", 500, 600).receptive_field_frames == field == 435
    with torch.device("meta"):
        model = build_model("resnet18", *SHAPE)
    stem = 81 * 51 * 64 * 49
    assert described.n_macs > describe("resnet18", *SHAPE).n_macs > stem
    assert "shortcut.conv" in " ".join(path for path, _ in described.layers)
    assert len(described.layers) == len(layers("resnet18")) == 61
    assert sum(p.numel() for p in model.parameters()) == described.n_parameters


def test_description_of_the_transformer_by_hand() -> None:
    described = describe("transformer", *SHAPE)
    n, width = 26, 96
    stem = 80 * 4 * n * 6 * 5 * 16 + 40 * 2 * n * 9 * 16 * 32 + 20 * n * 9 * 32 * 64
    per_block = n * (4 + 4) * width**2 + 2 * n * n * width
    read = n * width * (4 + 3) + 3 * width * 2
    assert described.n_macs == stem + n * 10 * 64 * width + 4 * per_block + read
    assert (described.receptive_field_bins, described.receptive_field_frames) == SHAPE


def test_receptive_field_in_units() -> None:
    described = describe("lenet", *SHAPE)
    assert described.receptive_field_ms(0.010, 0.020) == pytest.approx(170)
    assert described.receptive_field_hz(50.0) == pytest.approx(800)


OTHER_LENGTHS = {
    **dict.fromkeys(MODELS, "refused"),
    **dict.fromkeys(["compact", "nuclei", "broad", "resnet18", "resnet34"], "any"),
    "transformer": "shorter",
}


@pytest.mark.parametrize("name", MODELS)
def test_other_shapes_are_taken_on_purpose_or_refused(name: str) -> None:
    """Also lengths that rounding poolings would swallow, such as 103 frames by a VGG."""
    with torch.device("meta"):
        model = build_model(name, *SHAPE).eval()
    for n_frames in (70, 100, 103, 150):
        image = torch.empty(2, 1, 161, n_frames, device="meta")
        allowed = OTHER_LENGTHS[name]
        if allowed == "any" or (allowed == "shorter" and n_frames < 101):
            assert model(image).shape == (2, 2)
        else:
            with pytest.raises(
                ConfigError, match=rf"{name[:5]}.* frames, not 1 x 161 x {n_frames}"
            ):
                model(image)
    for shape in ((2, 1, 160, 101), (2, 3, 161, 101), (1, 161, 101), (2, 1, 161, 20)):
        with pytest.raises(ConfigError, match="takes images of 1 x 161 bins"):
            model(torch.empty(shape, device="meta"))


def test_every_frame_counts_in_networks_of_any_length() -> None:
    for name in ("compact", "nuclei", "broad", "resnet18", "transformer"):
        torch.manual_seed(0)
        model = build_model(name, 64, 101).eval()
        for n_frames in (101, 98, 67):
            image = torch.randn(1, 1, 64, n_frames, requires_grad=True)
            model(image)[0, 0].backward()
            assert image.grad is not None
            assert bool((image.grad[0, 0].abs().sum(0) > 0).all()), (name, n_frames)


def test_transformer_does_not_see_padding() -> None:
    """A mask hides it: with any amount of flat padding the logits are the same."""
    torch.manual_seed(0)
    model = build_model("transformer", 64, 100).eval()
    sound = torch.randn(3, 1, 64, 50)
    logits = model(functional.pad(sound, (0, 50)))
    for n_frames in (52, 64, 99):
        padded = functional.pad(sound, (0, n_frames - 50))
        torch.testing.assert_close(model(padded), logits, atol=1e-5, rtol=1e-5)
    assert bool(torch.isfinite(model(torch.zeros(1, 1, 64, 100))).all())
    other = functional.pad(sound[..., :40], (0, 60))
    assert not torch.allclose(model(other), logits, atol=1e-3)


def test_registry_entries_exist() -> None:
    for spec in MODELS.values():
        assert spec.recipe in RECIPES
        assert spec.composite in COMPOSITES
        assert spec.preset in PRESETS


EXPLAINED = [
    ("alexnet", "epsilon-gamma"),
    ("resnet18", "epsilon-gamma"),
    ("resnet18", "epsilon-gamma"),
    ("transformer", "attn-lrp"),
    ("transformer", "cp-lrp"),
    ("nuclei", "cp-lrp"),
    ("nuclei", "epsilon-gamma-cp"),
]


@pytest.mark.parametrize(("name", "composite"), EXPLAINED)
def test_relevance_is_accounted_for(name: str, composite: str) -> None:
    """The ledger of every branch closes, BatchNorms with statistics and padding included."""
    torch.manual_seed(1)
    model = build_model(name, 64, 72).double()
    images = functional.pad(torch.randn(4, 1, 64, 50, dtype=torch.float64), (0, 22))
    with torch.no_grad():
        for _ in range(3):
            model.train()(images)  # running statistics other than 0 and 1
    result = explain_batch(model.eval(), images[:2], composite)
    assert torch.equal(result.logits, model(images[:2]).detach())
    balance = result.conservation()
    assert float(balance.relative_residual.max()) < 1e-9
    assert float(result.relevance[..., :50].abs().sum()) > 0
    if name == "transformer":
        assert not result.relevance[..., 52:].any()
    rules = " ".join(row["rule"] for row in result.ledger)
    assert "plain gradient" not in rules


def test_resnet_batch_norms_are_folded() -> None:
    model = build_model("resnet18", 64, 72).eval()
    result = explain_batch(model, torch.randn(1, 1, 64, 72), "epsilon-plus")
    norms = [path for path, m in model.named_modules() if isinstance(m, nn.BatchNorm2d)]
    assert norms
    for path in norms:
        before = path.replace("norm", "conv")
        assert result.rules[path] == f"folded into {before}"


def test_unknown_name_lists_the_known() -> None:
    with pytest.raises(
        ConfigError, match=r"no network 'resnet'; there are compact, nuclei, broad, lenet"
    ):
        build_model("resnet", *SHAPE)


@pytest.mark.parametrize("name", MODELS)
def test_too_small_image_is_refused(name: str) -> None:
    with pytest.raises(ConfigError, match="at least"):
        build_model(name, 12, 101)


def test_registry_does_not_import_torch() -> None:
    code = "import sys, stressnet.models.registry; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
