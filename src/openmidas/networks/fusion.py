"""The decoder's building blocks: residual unit and fusion block (Ranftl et al., TPAMI 2022; DPT, ICCV 2021)."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional


class ResidualUnit(nn.Module):
    """Pre-activation residual unit: ReLU, conv 3x3, ReLU, conv 3x3, plus the input; biases, no norm.

    rectified_input: add what the first ReLU gives instead of what it gets, as MiDaS v2.1 does.
    """

    def __init__(self, channels: int, rectified_input: bool = False) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, channels, 3, padding=1)
        self.conv2 = nn.Conv2d(channels, channels, 3, padding=1)
        self.rectified_input = rectified_input

    def forward(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c h w"]:
        rectified = functional.relu(x)
        residual = self.conv2(functional.relu(self.conv1(rectified)))
        return residual + (rectified if self.rectified_input else x)


class FusionBlock(nn.Module):
    """Merge the coarser path with this level's skip feature, refine, project, enlarge.

    Projecting before enlarging gives what the papers' order gives, since both are linear and the bilinear
    weights sum to one, at a quarter of the operations.
    """

    def __init__(
        self, channels: int, channels_out: int | None, align_corners: bool, rectified_input: bool = False
    ) -> None:
        super().__init__()
        self.skip_unit = ResidualUnit(channels, rectified_input)
        self.output_unit = ResidualUnit(channels, rectified_input)
        self.project = nn.Conv2d(channels, channels_out, 1) if channels_out else nn.Identity()
        self.align_corners = align_corners

    def forward(
        self,
        coarse: Float[Tensor, "b c h w"],
        skip: Float[Tensor, "b c h w"],
        size: tuple[int, int] | None = None,
    ) -> Float[Tensor, "b d h2 w2"]:
        """size: (height, width) of the result, by default twice those of the input."""
        fused = self.output_unit(coarse + self.skip_unit(skip))
        return enlarge(self.project(fused), size, self.align_corners)


class CoarsestBlock(nn.Module):
    """The first fusion block: nothing coarser to merge with."""

    def __init__(
        self, channels: int, channels_out: int | None, align_corners: bool, rectified_input: bool = False
    ) -> None:
        super().__init__()
        self.output_unit = ResidualUnit(channels, rectified_input)
        self.project = nn.Conv2d(channels, channels_out, 1) if channels_out else nn.Identity()
        self.align_corners = align_corners

    def forward(
        self, x: Float[Tensor, "b c h w"], size: tuple[int, int] | None = None
    ) -> Float[Tensor, "b d h2 w2"]:
        """size: as in `FusionBlock`."""
        return enlarge(self.project(self.output_unit(x)), size, self.align_corners)


def enlarge(
    x: Float[Tensor, "b c h w"], size: tuple[int, int] | None = None, align_corners: bool = False
) -> Float[Tensor, "b c h2 w2"]:
    """Bilinear, to `size` (height, width) or twice the height and width."""
    scale = None if size else 2.0
    return functional.interpolate(x, size, scale, mode="bilinear", align_corners=align_corners)


def count_parameters(network: nn.Module) -> int:
    """Number of weights and biases."""
    return sum(parameter.numel() for parameter in network.parameters())


def count_multiply_adds(network: nn.Module, height: int, width: int) -> int:
    """Multiply-adds of every convolution and linear layer for one picture (3, height, width)."""
    total = 0

    def count(layer: nn.Module, _: object, output: Tensor) -> None:
        nonlocal total
        weight = layer.weight
        assert isinstance(weight, Tensor)
        total += output[0, 0].numel() * weight.numel()

    hooks = [m.register_forward_hook(count) for m in network.modules() if isinstance(m, nn.Conv2d)]
    with torch.inference_mode():
        network(torch.zeros(1, 3, height, width))
    for hook in hooks:
        hook.remove()
    return total
