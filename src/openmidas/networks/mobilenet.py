"""MobileNetV2 1.0 as an encoder, batch norms folded into the convolutions (Sandler et al., CVPR 2018)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils.fusion import fuse_conv_bn_weights

from openmidas.models.presets import PRESETS

# expansion, channels, repeats, stride of the first
STAGES = (
    (1, 16, 1, 1),
    (6, 24, 2, 2),
    (6, 32, 3, 2),
    (6, 64, 4, 2),
    (6, 96, 3, 1),
    (6, 160, 3, 2),
    (6, 320, 1, 1),
)
LEVEL_CHANNELS = (16, 24, 32, 96, 320)  # at 1/2, 1/4, 1/8, 1/16, 1/32 of the picture
LEVEL_BLOCKS = (0, 2, 5, 12, 16)
TORCHVISION_EPSILON = 1e-5
_NORM = ("running_mean", "running_var", "weight", "bias")


class SameConv2d(nn.Conv2d):
    """Convolution with TensorFlow's SAME padding: the size over the stride, rounded up; an odd zero goes last."""

    def __init__(
        self,
        channels_in: int,
        channels_out: int,
        size: int,
        stride: int = 1,
        groups: int = 1,
        bias: bool = True,
    ) -> None:
        padding = size // 2 if stride == 1 else 0  # at other strides it depends on the picture
        super().__init__(channels_in, channels_out, size, stride, padding, groups=groups, bias=bias)

    def forward(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b d h2 w2"]:
        if self.stride[0] > 1:
            x = pad_same(x, self.kernel_size[0], self.stride[0])
        return super().forward(x)


def pad_same(x: Float[Tensor, "b c h w"], size: int, stride: int) -> Float[Tensor, "b c h2 w2"]:
    """Zeros around maps, as `same_padding` counts them."""
    height, width = (same_padding(length, size, stride) for length in x.shape[2:])
    return functional.pad(x, (*width, *height))


def same_padding(length: int, size: int, stride: int) -> tuple[int, int]:
    """Zeros before and after a line that windows of `size` walk in steps of `stride` (TensorFlow's SAME)."""
    # written as a branch, so that an export for lengths that are multiples of the stride pads by plain numbers
    missing = -length % stride if length % stride else 0
    total = max(size - stride + missing, 0)
    return total // 2, total - total // 2


class InvertedResidual(nn.Module):
    """1x1 expand, depthwise, 1x1 project; ReLU6 after the first two; the input added where shapes allow.

    size: of the depthwise windows. conv: makes a layer from channels in and out, size, stride and groups.
    """

    def __init__(
        self,
        channels_in: int,
        channels_out: int,
        stride: int,
        expansion: int,
        size: int = 3,
        conv: Callable[[int, int, int, int, int], nn.Module] = SameConv2d,
    ) -> None:
        super().__init__()
        hidden = channels_in * expansion
        self.expand = conv(channels_in, hidden, 1, 1, 1) if expansion > 1 else nn.Identity()
        self.depthwise = conv(hidden, hidden, size, stride, hidden)
        self.project = conv(hidden, channels_out, 1, 1, 1)
        self.adds_input = stride == 1 and channels_in == channels_out

    def forward(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b d h2 w2"]:
        y = x if isinstance(self.expand, nn.Identity) else functional.relu6(self.expand(x))
        y = self.project(functional.relu6(self.depthwise(y)))
        return x + y if self.adds_input else y


class MobileNetV2(nn.Module):
    """Picture (b, 3, h, w) in [-1, 1], h and w multiples of 32, to five feature maps at 1/2 ... 1/32."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = SameConv2d(3, 32, 3, 2)
        blocks, channels = [], 32
        for expansion, channels_out, repeats, stride in STAGES:
            for i in range(repeats):
                blocks.append(InvertedResidual(channels, channels_out, stride if i == 0 else 1, expansion))
                channels = channels_out
        self.blocks = nn.ModuleList(blocks)

    def forward(self, x: Float[Tensor, "b 3 h w"]) -> list[Float[Tensor, "b c h2 w2"]]:
        x = functional.relu6(self.stem(x))
        levels = []
        for index, block in enumerate(self.blocks):
            x = block(x)
            if index in LEVEL_BLOCKS:
                levels.append(x)
        return levels


def load_folded_weights(encoder: MobileNetV2, path: Path) -> None:
    """Load `P.weight` and `P.bias` of an NPZ into every convolution P; anything missing raises KeyError."""
    with np.load(path) as stored:
        state = {key: torch.from_numpy(stored[key].astype(np.float32)) for key in encoder.state_dict()}
    encoder.load_state_dict(state)


def load_torchvision_weights(encoder: MobileNetV2, stored: Mapping[str, Any]) -> None:
    """Load torchvision's `mobilenet_v2`, its batch norms folded; KeyError or RuntimeError where anything is missing.

    It learnt from pictures less ImageNet's mean, over its deviation, which goes into the stem. Its strides begin a
    pixel earlier: apart from what they see beyond the picture, our maps are its own of the picture moved by 1, 3, 7,
    15 and 31 pixels towards the origin.
    """
    state = {}
    for ours, (conv, norm) in _torchvision_names().items():
        mean, variance, scale, shift = (stored[f"{norm}.{name}"] for name in _NORM)
        weight = stored[f"{conv}.weight"]
        folded = fuse_conv_bn_weights(weight, None, mean, variance, TORCHVISION_EPSILON, scale, shift)
        state[f"{ours}.weight"], state[f"{ours}.bias"] = (tensor.detach() for tensor in folded)
    alike = PRESETS["midas_resnet50"]  # whose pictures are prepared as torchvision's
    mean, deviation = torch.tensor(alike.mean), torch.tensor(alike.std)
    grey = (0.5 - mean) / deviation  # what our 0 is to it
    state["stem.bias"] = state["stem.bias"] + state["stem.weight"].sum((2, 3)) @ grey
    state["stem.weight"] = state["stem.weight"] / (2 * deviation[:, None, None])
    encoder.load_state_dict(state)


def _torchvision_names() -> dict[str, tuple[str, str]]:
    """Our convolutions -> torchvision's and its batch norm."""
    names = {"stem": ("features.0.0", "features.0.1")}
    for block in range(sum(repeats for _, _, repeats, _ in STAGES)):
        layers = ("expand", "depthwise") if block else ("depthwise",)
        place = f"features.{block + 1}.conv"
        for index, layer in enumerate(layers):
            names[f"blocks.{block}.{layer}"] = f"{place}.{index}.0", f"{place}.{index}.1"
        names[f"blocks.{block}.project"] = f"{place}.{len(layers)}", f"{place}.{len(layers) + 1}"
    return names
