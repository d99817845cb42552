"""ResNet, ResNeXt and EfficientNet-Lite3: padding by hand, levels, sizes, and the checkpoints' keys."""

from __future__ import annotations

import re

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from rule import published_keys
from torch import nn

from openmidas.networks.checkpoint import renamed
from openmidas.networks.decoder import DepthNetwork
from openmidas.networks.encoders.efficientnet_lite import EfficientNetLite3
from openmidas.networks.encoders.resnet import Bottleneck, ResNet
from openmidas.networks.fusion import ResidualUnit, count_parameters
from openmidas.networks.mobilenet import SameConv2d, same_padding
from openmidas.networks.published import PUBLISHED


def _sketch(name: str) -> DepthNetwork:
    """The network with shapes and no numbers."""
    with torch.device("meta"):
        return PUBLISHED[name].build()


def _sums_of_ones(size: int, stride: int, height: int, width: int) -> torch.Tensor:
    layer = SameConv2d(1, 1, size, stride, bias=False)
    nn.init.ones_(layer.weight)
    with torch.inference_mode():
        return layer(torch.ones(1, 1, height, width))[0, 0]


# how many of a line's pixels each window of `size` sees, counted by hand
SEEN = {
    (3, 1): {4: (2, 3, 3, 2), 5: (2, 3, 3, 3, 2)},
    (3, 2): {4: (3, 2), 5: (2, 3, 2), 6: (3, 3, 2)},
    (5, 1): {4: (3, 4, 4, 3), 5: (3, 4, 5, 4, 3)},
    (5, 2): {4: (4, 3), 5: (3, 5, 3), 6: (4, 5, 3)},
}


@pytest.mark.parametrize(("size", "stride"), list(SEEN))
def test_windows_see_the_pixels_counted_by_hand(size: int, stride: int) -> None:
    lines = SEEN[size, stride]
    for height, rows in lines.items():
        for width, columns in lines.items():
            expected = torch.outer(torch.tensor(rows), torch.tensor(columns)).float()
            torch.testing.assert_close(_sums_of_ones(size, stride, height, width), expected)


@given(st.integers(1, 600), st.integers(1, 7), st.data())
def test_same_padding_is_the_least_that_gives_the_length_over_the_stride_rounded_up(
    length: int, size: int, data: st.DataObject
) -> None:
    stride = data.draw(st.integers(1, size))
    before, after = same_padding(length, size, stride)
    windows = (length + stride - 1) // stride
    assert before + after == (windows - 1) * stride + size - length
    assert 0 <= after - before <= 1


def test_exported_padding_is_plain_numbers() -> None:
    rows, columns = (32 * torch.export.Dim(name, min=1, max=64) for name in ("rows", "columns"))
    picture = torch.zeros(1, 1, 64, 96)
    program = torch.export.export(SameConv2d(1, 1, 5, 2), (picture,), dynamic_shapes=({2: rows, 3: columns},))
    (pad,) = (node for node in program.graph.nodes if "pad" in str(node.target))
    assert list(pad.args[1]) == [1, 2, 1, 2]


@pytest.mark.parametrize(
    ("encoder", "channels"),
    [
        (ResNet((1, 2, 1, 1), inner=32, groups=8), (256, 512, 1024, 2048)),
        (EfficientNetLite3(), (32, 48, 136, 384)),
    ],
)
@pytest.mark.parametrize("shape", [(64, 96), (33, 65)])
def test_levels_stand_at_four_to_thirty_two(
    encoder: nn.Module, channels: tuple[int, ...], shape: tuple[int, int]
) -> None:
    with torch.inference_mode():
        levels = encoder.eval()(torch.zeros(2, 3, *shape))
    assert [tuple(level.shape) for level in levels] == [
        (2, c, *(-(-side // stride) for side in shape))
        for c, stride in zip(channels, (4, 8, 16, 32), strict=True)
    ]


def test_bottleneck_strides_in_its_middle_convolution() -> None:
    block = Bottleneck(4, 8, 16, stride=2, groups=4)
    picture = torch.zeros(1, 4, 6, 10)
    assert block.contract(picture).shape == (1, 8, 6, 10)
    assert block.spatial(block.contract(picture)).shape == (1, 8, 3, 5)
    assert block(picture).shape == (1, 16, 3, 5)


def test_encoders_have_the_published_parameters_without_the_classifier() -> None:
    classifier = 2048 * 1000 + 1000
    with torch.device("meta"):
        assert count_parameters(ResNet((3, 4, 6, 3))) == 25_557_032 - classifier
        assert count_parameters(ResNet((3, 4, 23, 3), inner=256, groups=32)) == 88_791_336 - classifier


@pytest.mark.parametrize(
    ("name", "published", "coarsest"),
    [("midas_v21_384", 105_362_945, 256), ("midas_v21_small_256", 21_320_545, 512)],
)
def test_networks_have_the_published_parameters_but_for_the_unit_that_never_runs(
    name: str, published: int, coarsest: int
) -> None:
    assert count_parameters(_sketch(name)) == published - count_parameters(ResidualUnit(coarsest))


def _shallower(key: str) -> bool:
    """Whether ResNet-50, with 6 blocks in its third stage, has this key of ResNeXt-101."""
    match = re.match(r"pretrained\.layer3\.(\d+)\.", key)
    return not match or int(match[1]) < 6


@pytest.mark.parametrize("name", ["midas_v21_384", "midas_v21_small_256", "midas_resnet50"])
def test_checkpoint_names_every_weight_once_and_leaves_counters_and_one_unit(name: str) -> None:
    plain = name == "midas_resnet50"
    keys = published_keys("midas_v21_384" if plain else name)
    ours = {key: renamed(key, PUBLISHED[name].renames) for key in keys if not plain or _shallower(key)}
    left = [key for key, own in ours.items() if own is None]
    assert all(key.endswith("num_batches_tracked") or "refinenet4.resConfUnit1" in key for key in left)
    shapes = {key: tuple(value.shape) for key, value in _sketch(name).state_dict().items()}
    wanted = sorted(key for key in shapes if not key.endswith("num_batches_tracked"))
    assert sorted(own for own in ours.values() if own) == wanted
    if not plain:
        assert all(shapes[own] == keys[key][1] for key, own in ours.items() if own)
