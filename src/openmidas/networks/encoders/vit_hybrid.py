"""ViT on the feature maps of a convolutional stem (Dosovitskiy et al., ICLR 2021, "hybrid architecture").

The stem is a ResNet-50 without its last stage, its weights standardised and its norms over groups of channels
(Kolesnikov et al., "Big Transfer", ECCV 2020), every layer padded as TensorFlow's SAME does.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from openmidas.networks.encoders import vit
from openmidas.networks.encoders.vit import Block, add_positions, run_blocks
from openmidas.networks.mobilenet import pad_same
from openmidas.networks.reassemble import Tokens

GROUPS = 32
EPSILON = 1e-8


def standardised(kernels: Float[Tensor, "d c k k"]) -> Float[Tensor, "d c k k"]:
    """Every output channel's kernel with mean 0 and variance 1 (Qiao et al., "Weight Standardization", 2019)."""
    variance, mean = torch.var_mean(kernels, dim=(1, 2, 3), correction=0, keepdim=True)
    return (kernels - mean) * torch.rsqrt(variance + EPSILON)


class StandardConv2d(nn.Module):
    """Convolution with standardised kernels and SAME padding, no bias; group norm."""

    def __init__(self, channels: int, channels_out: int, size: int, stride: int = 1) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels, channels_out, size, stride, bias=False)
        self.norm = nn.GroupNorm(GROUPS, channels_out)

    def forward(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b d h2 w2"]:
        (size, _), stride = self.conv.kernel_size, self.conv.stride
        kernels = standardised(self.conv.weight)
        return self.norm(functional.conv2d(pad_same(x, size, stride[0]), kernels, stride=stride))


class Bottleneck(nn.Module):
    """1x1 to a quarter of the width, 3x3, 1x1 back, plus the input; ReLU after each of the four."""

    def __init__(self, channels: int, channels_out: int, stride: int) -> None:
        super().__init__()
        inner = channels_out // 4
        self.contract = StandardConv2d(channels, inner, 1)
        self.mix = StandardConv2d(inner, inner, 3, stride)
        self.expand = StandardConv2d(inner, channels_out, 1)
        same = channels == channels_out and stride == 1
        self.shortcut = nn.Identity() if same else StandardConv2d(channels, channels_out, 1, stride)

    def forward(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b d h2 w2"]:
        y = functional.relu(self.contract(x))
        y = functional.relu(self.mix(y))
        return functional.relu(self.expand(y) + self.shortcut(x))


def _stage(channels: int, channels_out: int, stride: int, depth: int) -> nn.Sequential:
    first = Bottleneck(channels, channels_out, stride)
    return nn.Sequential(first, *(Bottleneck(channels_out, channels_out, 1) for _ in range(depth - 1)))


class Stem(nn.Module):
    """Picture to one map a stage: 4, 8, 16 times `width` channels at strides 4, 8, 16."""

    def __init__(self, width: int, depths: tuple[int, int, int]) -> None:
        super().__init__()
        self.channels = (4 * width, 8 * width, 16 * width)
        self.first = StandardConv2d(3, width, 7, 2)
        before = (width, *self.channels[:2])
        self.stages = nn.ModuleList(map(_stage, before, self.channels, (1, 2, 2), depths))

    def forward(self, x: Float[Tensor, "b 3 h w"]) -> list[Float[Tensor, "b c h2 w2"]]:
        # zeros are as good a padding for the maximum as any, after ReLU
        x = functional.max_pool2d(pad_same(functional.relu(self.first(x)), 3, 2), 3, stride=2)
        maps = []
        for stage in self.stages:
            x = stage(x)
            maps.append(x)
        return maps


class VitHybrid(nn.Module):
    """Picture (b, 3, h, w), h and w multiples of 16 -> the stem's maps at strides 4 and 8, tokens after two blocks.

    grid: as in `Vit`. taken: the two blocks.
    """

    def __init__(
        self, stem: Stem, channels: int, depth: int, heads: int, taken: Sequence[int], grid: int
    ) -> None:
        super().__init__()
        self.taken = tuple(taken)
        self.stem = stem
        self.embed = nn.Conv2d(stem.channels[-1], channels, 1)
        self.picture_token = nn.Parameter(torch.zeros(1, 1, channels))
        self.positions = nn.Parameter(torch.zeros(1, 1 + grid * grid, channels))
        self.blocks = nn.ModuleList(Block(channels, heads) for _ in range(depth))

    def forward(self, x: Float[Tensor, "b 3 h w"]) -> list[Tensor | Tokens]:
        fine, middle, coarse = self.stem(x)
        sequence = add_positions(self.embed(coarse), self.picture_token, self.positions)
        return [fine, middle, *run_blocks(self.blocks, self.taken, sequence)]


_STEM = r"pretrained\.model\.patch_embed\.backbone\."
_BLOCK = _STEM + r"stages\.(\d)\.blocks\.(\d+)\."
RENAMES = (
    (_STEM + r"stem\.(.*)", r"encoder.stem.first.\1"),
    (_BLOCK + r"downsample\.(.*)", r"encoder.stem.stages.\1.\2.shortcut.\3"),
    (_BLOCK + r"(conv|norm)1\.(.*)", r"encoder.stem.stages.\1.\2.contract.\3.\4"),
    (_BLOCK + r"(conv|norm)2\.(.*)", r"encoder.stem.stages.\1.\2.mix.\3.\4"),
    (_BLOCK + r"(conv|norm)3\.(.*)", r"encoder.stem.stages.\1.\2.expand.\3.\4"),
    *vit.RENAMES,
)
