"""Encoders as ImageNet's are published: every weight arrives, by whatever name, or the first that does not is named."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import nn

from openmidas.files.errors import FileError
from openmidas.networks.encoders.beit import Beit
from openmidas.networks.encoders.efficientnet_lite import EfficientNetLite3
from openmidas.networks.encoders.levit import Levit
from openmidas.networks.encoders.resnet import ResNet
from openmidas.networks.encoders.swin import build_swin
from openmidas.networks.encoders.swin_v2 import build_swin_v2
from openmidas.networks.encoders.vit import Vit
from openmidas.networks.encoders.vit_hybrid import Stem, VitHybrid
from openmidas.networks.loading import load_weights
from openmidas.networks.mobilenet import MobileNetV2, load_torchvision_weights
from openmidas.networks.pretrained import encoder_weights

Names = tuple[tuple[str, str], ...]  # part of our name, part of the published one; one after the other

RESNET: Names = (
    *(("stem.conv", "conv1"), ("stem.norm", "bn1")),
    *((f"stages.{n}.", f"layer{n + 1}.") for n in range(4)),
    *(
        ("contract.conv", "conv1"),
        ("contract.norm", "bn1"),
        ("spatial.conv", "conv2"),
        ("spatial.norm", "bn2"),
    ),
    *(("expand.conv", "conv3"), ("expand.norm", "bn3")),
    *(("shortcut.conv", "downsample.0"), ("shortcut.norm", "downsample.1")),
)
LITE: Names = (
    *(("stem.conv", "conv_stem"), ("stem.norm", "bn1"), ("stages.", "blocks.")),
    *(("blocks.0.0.depthwise.conv", "blocks.0.0.conv_dw"), ("blocks.0.0.depthwise.norm", "blocks.0.0.bn1")),
    *(("blocks.0.0.project.conv", "blocks.0.0.conv_pw"), ("blocks.0.0.project.norm", "blocks.0.0.bn2")),
    *(
        ("expand.conv", "conv_pw"),
        ("expand.norm", "bn1"),
        ("depthwise.conv", "conv_dw"),
        ("depthwise.norm", "bn2"),
    ),
    *(("project.conv", "conv_pwl"), ("project.norm", "bn3")),
)
MLP: Names = (("mlp.expand", "mlp.fc1"), ("mlp.contract", "mlp.fc2"))
VIT: Names = (
    *(
        ("picture_token", "cls_token"),
        ("attention.qkv", "attn.qkv"),
        ("attention.project", "attn.proj"),
        *MLP,
    ),
    *(("embed.", "patch_embed.proj."), ("positions", "pos_embed")),
)
HYBRID: Names = (
    *VIT,
    *(("stem.first", "patch_embed.backbone.stem"), ("shortcut", "downsample")),
    *((f"stem.stages.{n}.", f"patch_embed.backbone.stages.{n}.blocks.") for n in range(3)),
    *(("contract.conv", "conv1"), ("contract.norm", "norm1"), ("mix.conv", "conv2"), ("mix.norm", "norm2")),
    *(("expand.conv", "conv3"), ("expand.norm", "norm3")),
)
BEIT: Names = (
    *(("attention.query_bias", "attn.q_bias"), ("attention.value_bias", "attn.v_bias"), ("scale", "gamma_")),
    *(("attention.position_table", "attn.relative_position_bias_table"), *VIT),
)
SWIN: Names = (
    *(
        ("embed.project", "patch_embed.proj"),
        ("embed.norm", "patch_embed.norm"),
        ("stages.", "layers."),
        *MLP,
    ),
    *(("attention.qkv", "attn.qkv"), ("attention.project", "attn.proj"), ("reduce", "reduction")),
    ("attention.positions", "attn.relative_position_bias_table"),
)
SWIN_2: Names = (
    *(
        ("attention.positions.expand", "attn.cpb_mlp.0"),
        ("attention.positions.contract", "attn.cpb_mlp.2"),
        *SWIN,
    ),
    *((f"attention.{name}", f"attn.{name}") for name in ("q_bias", "v_bias", "logit_scale")),
)
MERGES: Names = tuple((f"merges.{n}.", f"layers.{n}.downsample.") for n in range(3))
MERGES_MOVED: Names = tuple((f"merges.{n}.", f"layers.{n + 1}.downsample.") for n in range(3))
LEVIT: Names = (
    *(("embed.", "patch_embed."), ("conv.", "c."), ("linear.", "c."), ("norm.", "bn.")),
    *(("blocks.0.qkv", "blocks.0.m.qkv"), ("blocks.0.bias.table", "blocks.0.m.attention_biases")),
    *(("blocks.0.project", "blocks.0.m.proj.1"), ("expand", "m.0"), ("contract", "m.2")),
    *(("blocks.2.queries", "blocks.2.q.1"), ("keys_values", "kv"), ("bias.table", "attention_biases")),
    *(("blocks.2.project", "blocks.2.proj.1"), ("blocks.4.qkv", "blocks.4.m.qkv")),
    *(
        ("blocks.4.attention_biases", "blocks.4.m.attention_biases"),
        ("blocks.4.project", "blocks.4.m.proj.1"),
    ),
)
WINDOWS = ((2, 2, 2, 2), 4, 64)  # depths, window, size

# network, a small encoder of its kind, its names, and some of those of the library that publishes it
CASES: dict[str, tuple[str, Callable[[], nn.Module], Names, str]] = {
    "torchvision's ResNeXt": (
        "midas_v21_384",
        lambda: ResNet((2, 1, 1, 1), inner=32, groups=8),
        RESNET,
        "conv1.weight bn1.running_var layer1.0.conv1.weight layer1.1.bn3.bias "
        "layer4.0.downsample.1.running_mean layer2.0.downsample.0.weight",
    ),
    "timm's EfficientNet-Lite3": (
        "midas_v21_small_256",
        EfficientNetLite3,
        LITE,
        "conv_stem.weight bn1.bias blocks.0.0.conv_dw.weight blocks.0.0.conv_pw.weight "
        "blocks.0.0.bn2.running_var blocks.4.0.conv_pwl.weight blocks.6.0.bn3.running_mean",
    ),
    "timm's ViT": (
        "dpt_large_384",
        lambda: Vit(64, 2, 4, (0, 1), 4),
        VIT,
        "cls_token pos_embed patch_embed.proj.weight blocks.1.norm1.weight blocks.0.attn.qkv.bias "
        "blocks.1.attn.proj.weight blocks.1.mlp.fc1.weight",
    ),
    "timm's hybrid ViT": (
        "dpt_hybrid_384",
        lambda: VitHybrid(Stem(32, (1, 2, 1)), 64, 2, 4, (0, 1), 4),
        HYBRID,
        "patch_embed.backbone.stem.conv.weight "
        "patch_embed.backbone.stages.0.blocks.0.downsample.norm.bias "
        "patch_embed.backbone.stages.1.blocks.1.conv2.weight patch_embed.proj.bias pos_embed",
    ),
    "timm's BEiT": (
        "dpt_beit_base_384",
        lambda: Beit(64, 2, 4, (0, 1), 4),
        BEIT,
        "cls_token blocks.0.gamma_1 blocks.1.attn.q_bias blocks.1.attn.v_bias "
        "blocks.1.attn.relative_position_bias_table blocks.0.attn.qkv.weight",
    ),
    "the authors' Swin": (
        "dpt_swin_large_384",
        lambda: build_swin(32, *WINDOWS),
        (*MERGES, *SWIN),
        "patch_embed.norm.weight layers.0.downsample.reduction.weight "
        "layers.2.downsample.norm.bias layers.3.blocks.1.attn.relative_position_bias_table",
    ),
    "timm's Swin": (
        "dpt_swin_large_384",
        lambda: build_swin(32, *WINDOWS),
        (*MERGES_MOVED, *SWIN),
        "layers.1.downsample.reduction.weight layers.3.downsample.norm.bias",
    ),
    "the authors' Swin 2": (
        "dpt_swin2_tiny_256",
        lambda: build_swin_v2(32, *WINDOWS, WINDOWS[0]),
        (*MERGES, *SWIN_2),
        "layers.0.blocks.1.attn.cpb_mlp.0.bias layers.0.blocks.1.attn.logit_scale "
        "layers.1.blocks.0.attn.cpb_mlp.2.weight layers.0.downsample.reduction.weight",
    ),
    "timm's Swin 2": (
        "dpt_swin2_tiny_256",
        lambda: build_swin_v2(32, *WINDOWS, WINDOWS[0]),
        (*MERGES_MOVED, *SWIN_2),
        "layers.3.downsample.reduction.weight layers.0.blocks.0.attn.q_bias",
    ),
    "the authors' LeViT": (
        "dpt_levit_224",
        lambda: Levit((64, 96), heads=(2, 3), depths=(1, 1), taken=(1, 5), side=4),
        LEVIT,
        "patch_embed.0.c.weight patch_embed.6.bn.running_var blocks.0.m.qkv.c.weight "
        "blocks.1.m.2.bn.weight blocks.2.q.1.c.weight blocks.2.attention_biases",
    ),
}


def published(encoder: nn.Module, names: Names) -> dict[str, torch.Tensor]:
    """The encoder's weights as somebody else calls them, without counters, and a classifier that nobody needs."""
    weights = {}
    for key, value in encoder.state_dict().items():
        for ours, theirs in names:
            key = key.replace(ours, theirs)
        if not key.endswith("num_batches_tracked"):
            weights[key] = value
    classifier = ("fc.weight", "head.fc.bias", "head.weight", "norm.bias", "conv_head.weight", "bn2.bias")
    return weights | {key: torch.zeros(3) for key in (*classifier, "classifier.bias", "fc_norm.weight")}


def scrambled(encoder: nn.Module) -> nn.Module:
    """With another number in every place."""
    for value in encoder.state_dict().values():
        if value.is_floating_point():
            nn.init.normal_(value)
    return encoder


def misfit(problem: str) -> FileError:
    return FileError(problem)


@pytest.mark.parametrize("case", list(CASES))
def test_every_weight_arrives_by_its_published_name(case: str) -> None:
    preset, build, names, telltale = CASES[case]
    encoder, other = scrambled(build()), scrambled(build())
    stored = published(encoder, names)
    assert set(telltale.split()) <= set(stored)
    load_weights(other, encoder_weights(preset, other, stored), misfit)
    counters = {key for key in encoder.state_dict() if key.endswith("num_batches_tracked")}
    for key, value in encoder.state_dict().items():
        assert key in counters or torch.equal(other.state_dict()[key], value), key


@pytest.mark.parametrize("part", ["model", "state_dict"])
def test_the_weights_may_stand_beside_what_else_training_stored(part: str) -> None:
    preset, build, names, _ = CASES["timm's ViT"]
    encoder, other = scrambled(build()), build()
    file = {part: published(encoder, names), "epoch": 3, "optimizer": {"lr": 1}}
    load_weights(other, encoder_weights(preset, other, file), misfit)
    assert torch.equal(other.positions, encoder.positions)


@pytest.mark.parametrize("case", list(CASES))
def test_the_first_weight_that_is_missing_is_named(case: str) -> None:
    preset, build, names, _ = CASES[case]
    encoder = build()
    stored = published(encoder, names)
    gone = next(key for key in stored if key.endswith(("norm1.bias", "bn.bias")) or key == "bn1.bias")
    del stored[gone]
    with pytest.raises(FileError, match=r"it lacks \S*norm1?\.bias$"):
        load_weights(encoder, encoder_weights(preset, encoder, stored), misfit)


def test_a_deeper_network_of_the_same_widths_is_refused() -> None:
    deeper = published(ResNet((1, 1, 3, 1)), RESNET)
    encoder = ResNet((1, 1, 2, 1))
    with pytest.raises(FileError, match=r"it holds stages\.2\.2\.contract\.conv\.weight.* has not"):
        load_weights(encoder, encoder_weights("midas_resnet50", encoder, deeper), misfit)


def test_another_width_is_refused_and_both_shapes_are_named() -> None:
    encoder = Vit(64, 2, 4, (0, 1), 4)
    narrow = published(Vit(32, 2, 4, (0, 1), 4), VIT)
    with pytest.raises(FileError, match=r"picture_token \(1, 1, 32\), not \(1, 1, 64\)"):
        load_weights(encoder, encoder_weights("dpt_large_384", encoder, narrow), misfit)


def test_tables_of_places_fit_another_grid_but_not_another_kind_of_table() -> None:
    coarse, encoder = scrambled(Vit(64, 2, 4, (0, 1), 3)), Vit(64, 2, 4, (0, 1), 4)
    stored = published(coarse, VIT)
    load_weights(encoder, encoder_weights("dpt_large_384", encoder, stored), misfit)
    assert torch.equal(encoder.positions[:, 0], coarse.positions[:, 0])
    stored["pos_embed"] = torch.zeros(1, 18, 64)  # two tokens before the grid
    with pytest.raises(FileError, match=r"positions \(1, 18, 64\), not \(1, 17, 64\)"):
        load_weights(encoder, encoder_weights("dpt_large_384", encoder, stored), misfit)
    windows = build_swin(32, *WINDOWS)
    narrower = published(build_swin(32, WINDOWS[0], 2, 64), (*MERGES, *SWIN))
    with pytest.raises(FileError, match=r"attention\.positions \(9, 1\), not \(49, 1\)"):
        load_weights(windows, encoder_weights("dpt_swin_large_384", windows, narrower), misfit)


# -- MobileNetV2 -----------------------------------------------------------------------------------------------------


class Residual(nn.Module):
    """torchvision's block, named as it names them."""

    def __init__(self, channels: int, channels_out: int, stride: int, expansion: int) -> None:
        super().__init__()
        inner = channels * expansion
        layers = [normed(channels, inner, 1)] if expansion > 1 else []
        layers += [normed(inner, inner, 3, stride, inner)]
        layers += [nn.Conv2d(inner, channels_out, 1, bias=False), nn.BatchNorm2d(channels_out)]
        self.conv = nn.Sequential(*layers)
        self.adds = stride == 1 and channels == channels_out

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + self.conv(x) if self.adds else self.conv(x)


def normed(channels: int, channels_out: int, size: int, stride: int = 1, groups: int = 1) -> nn.Sequential:
    conv = nn.Conv2d(channels, channels_out, size, stride, size // 2, groups=groups, bias=False)
    return nn.Sequential(conv, nn.BatchNorm2d(channels_out), nn.ReLU6())


def torchvision_mobilenet() -> nn.Module:
    network, channels = nn.Module(), 32
    network.features = nn.Sequential(normed(3, 32, 3, 2))
    for expansion, channels_out, repeats, stride in (
        *((1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 2)),
        (6, 320, 1, 1),
    ):
        for index in range(repeats):
            block = Residual(channels, channels_out, 1 if index else stride, expansion)
            network.features.append(block)
            channels = channels_out
    network.features.append(normed(320, 1280, 1))
    for norm in (module for module in network.modules() if isinstance(module, nn.BatchNorm2d)):
        nn.init.normal_(norm.running_mean, std=0.1)
        nn.init.uniform_(norm.running_var, 0.5, 2)
        nn.init.normal_(norm.weight, 1, 0.1)
        nn.init.normal_(norm.bias, std=0.1)
    return network.eval()


@torch.inference_mode()
def test_folded_it_gives_torchvisions_maps_mirrored_where_picture_and_windows_are_mirrored() -> None:
    torch.manual_seed(0)
    theirs, ours = torchvision_mobilenet(), MobileNetV2().eval()
    load_torchvision_weights(ours, theirs.state_dict())
    picture = torch.rand(1, 3, 64, 96) * 2 - 1
    # of an even number of pixels torchvision's strides leave out the last row of zeros, ours the first
    mirrored = nn.functional.pad(picture.flip(2, 3), (1, 0, 1, 0)) / 2 + 0.5
    mean, deviation = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])
    x = (mirrored - mean[:, None, None]) / deviation[:, None, None]
    theirs.features[0][0].padding = (0, 0)
    maps = []
    for layer in theirs.features[:-1]:
        x = layer(x)
        maps.append(x.flip(2, 3))
    windows = {
        key: value.flip(2, 3) if value.ndim == 4 else value for key, value in ours.state_dict().items()
    }
    ours.load_state_dict(windows)
    for level, index in zip(ours(picture), (1, 3, 6, 13, 17), strict=True):
        torch.testing.assert_close(level, maps[index], rtol=1e-4, atol=1e-4)
