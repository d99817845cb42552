"""Tokens to feature maps: DPT's readout and reassemble (Ranftl et al., ICCV 2021, section 3)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional


class Tokens(NamedTuple):
    """What a transformer block gives: one token for the picture, one for each patch, laid out as the patches lie."""

    picture: Float[Tensor, "b c"]
    patches: Float[Tensor, "b h w c"]


class Readout(nn.Module):
    """Tell every patch token what the picture token knows: concatenate, linear, GELU ("project")."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.project = nn.Linear(2 * channels, channels)

    def forward(self, tokens: Tokens) -> Float[Tensor, "b h w c"]:
        picture = tokens.picture[:, None, None].expand_as(tokens.patches)
        return functional.gelu(self.project(torch.cat([tokens.patches, picture], dim=-1)))


class Reassemble(nn.Module):
    """One level: readout, tokens to a map, 1x1 convolution, another size."""

    def __init__(self, channels: int, channels_out: int, resample: nn.Module) -> None:
        super().__init__()
        self.readout = Readout(channels)
        self.project = nn.Conv2d(channels, channels_out, 1)
        self.resample = resample

    def forward(self, tokens: Tokens) -> Float[Tensor, "b d h2 w2"]:
        return self.resample(self.project(self.readout(tokens).permute(0, 3, 1, 2)))


class ReassembleLevels(nn.Module):
    """Four blocks' tokens at stride 16 to maps at strides 4, 8, 16, 32.

    maps: how many of the finest levels the encoder gives as maps already, at their strides; they stay as they are.
    """

    def __init__(self, channels: int, level_channels: Sequence[int], maps: int = 0) -> None:
        super().__init__()
        fine, middle, _, coarse = level_channels
        resamples = (
            nn.ConvTranspose2d(fine, fine, 4, stride=4),
            nn.ConvTranspose2d(middle, middle, 2, stride=2),
            nn.Identity(),
            nn.Conv2d(coarse, coarse, 3, stride=2, padding=1),
        )
        levels = [Reassemble(channels, c, r) for c, r in zip(level_channels, resamples, strict=True)]
        self.levels = nn.ModuleList([*(nn.Identity() for _ in range(maps)), *levels[maps:]])

    def forward(self, given: Sequence[Tensor | Tokens]) -> list[Float[Tensor, "b c h w"]]:
        return [level(x) for level, x in zip(self.levels, given, strict=True)]
