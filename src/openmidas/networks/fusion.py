"""The decoder's building blocks: residual unit and fusion block (Ranftl et al., TPAMI 2022; DPT, ICCV 2021)."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional


class ResidualUnit(nn.Module):
    """Pre-activation residual unit: ReLU, conv 3x3, ReLU, conv 3x3, plus the input; biases, no norm."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, channels, 3, padding=1)
        self.conv2 = nn.Conv2d(channels, channels, 3, padding=1)

    def forward(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c h w"]:
        return x + self.conv2(functional.relu(self.conv1(functional.relu(x))))


class FusionBlock(nn.Module):
    """Merge the coarser path with this level's skip feature, refine, project, enlarge to twice the size.

    Projecting before enlarging gives what the papers' order gives, since both are linear and the bilinear
    weights sum to one, at a quarter of the operations.
    """

    def __init__(self, channels: int, channels_out: int) -> None:
        super().__init__()
        self.skip_unit = ResidualUnit(channels)
        self.output_unit = ResidualUnit(channels)
        self.project = nn.Conv2d(channels, channels_out, 1)

    def forward(
        self, coarse: Float[Tensor, "b c h w"], skip: Float[Tensor, "b c h w"]
    ) -> Float[Tensor, "b d h2 w2"]:
        fused = self.output_unit(coarse + self.skip_unit(skip))
        return enlarge(self.project(fused))


def enlarge(x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c h2 w2"]:
    """Bilinear, twice the height and width, pixel centres kept (align_corners=False)."""
    return functional.interpolate(x, scale_factor=2.0, mode="bilinear", align_corners=False)


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
