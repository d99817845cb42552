"""Swin transformer, second version (Liu et al., CVPR 2022): cosine attention, continuous positions, norms behind."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from openmidas.networks.encoders.swin import (
    HEAD_CHANNELS,
    SHARED_RENAMES,
    Embed,
    Stage,
    Windows,
    WindowTransformer,
    attend,
    gather_quads,
    over_windows,
    pair_bias,
    stage_sizes,
)
from openmidas.networks.encoders.vit import Mlp, split_heads

POSITION_CHANNELS = 512
LARGEST_BIAS = 16.0
LARGEST_LOGIT_SCALE = math.log(100.0)


def log_offsets(side: int, trained_side: int) -> Float[Tensor, "m 2"]:
    """Each offset of two patches of a window, rows and columns, log-spaced (section 3.3).

    sign(d) log2(1 + |d|) / log2(8), d = 8 offset / (trained_side - 1): the trained window's largest d is 8.
    """
    along = 8 * torch.arange(1 - side, side, dtype=torch.float32) / (trained_side - 1)
    along = along.sign() * torch.log2(1 + along.abs()) / 3
    return torch.cartesian_prod(along, along)


class PositionTable(nn.Module):
    """A bias for each offset in a window: 16 sigmoid(MLP(log-spaced offset)); so it reaches to other windows."""

    offsets: Tensor

    def __init__(self, heads: int, side: int, trained_side: int) -> None:
        super().__init__()
        self.expand = nn.Linear(2, POSITION_CHANNELS)
        self.contract = nn.Linear(POSITION_CHANNELS, heads, bias=False)
        self.register_buffer("offsets", log_offsets(side, trained_side), persistent=False)

    def forward(self) -> Float[Tensor, "m heads"]:
        return LARGEST_BIAS * torch.sigmoid(self.contract(functional.relu(self.expand(self.offsets))))


class CosineAttention(nn.Module):
    """Multi-head self-attention inside windows by the angle of query and key; keys have no bias."""

    def __init__(self, channels: int, side: int, trained_side: int) -> None:
        super().__init__()
        self.heads = channels // HEAD_CHANNELS
        self.qkv = nn.Linear(channels, 3 * channels, bias=False)
        self.q_bias = nn.Parameter(torch.zeros(channels))
        self.v_bias = nn.Parameter(torch.zeros(channels))
        self.logit_scale = nn.Parameter(torch.full((self.heads, 1, 1), math.log(10.0)))
        self.positions = PositionTable(self.heads, side, trained_side)
        self.project = nn.Linear(channels, channels)

    def forward(self, x: Float[Tensor, "bk n c"], windows: Windows) -> Float[Tensor, "bk n c"]:
        bias = torch.cat([self.q_bias, torch.zeros_like(self.q_bias), self.v_bias])
        q, k, v = split_heads(functional.linear(x, self.qkv.weight, bias), self.heads)
        q = functional.normalize(q, dim=-1) * self.logit_scale.clamp(max=LARGEST_LOGIT_SCALE).exp()
        qkv = q, functional.normalize(k, dim=-1), v
        return self.project(attend(qkv, pair_bias(self.positions(), windows), 1.0))


class BlockV2(nn.Module):
    """Attention, norm, add; MLP, norm, add."""

    def __init__(self, channels: int, side: int, trained_side: int) -> None:
        super().__init__()
        self.attention, self.norm1 = CosineAttention(channels, side, trained_side), nn.LayerNorm(channels)
        self.mlp, self.norm2 = Mlp(channels), nn.LayerNorm(channels)

    def forward(self, x: Float[Tensor, "b h w c"], windows: Windows) -> Float[Tensor, "b h w c"]:
        x = x + self.norm1(over_windows(self.attention, x, windows))
        return x + self.norm2(self.mlp(x))


class MergeV2(nn.Module):
    """Half the height and width, twice the channels: four neighbours, linear, norm."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.reduce = nn.Linear(4 * channels, 2 * channels, bias=False)
        self.norm = nn.LayerNorm(2 * channels)

    def forward(self, x: Float[Tensor, "b h w c"]) -> Float[Tensor, "b h2 w2 c2"]:
        return self.norm(self.reduce(gather_quads(x)))


def build_swin_v2(
    channels: int, depths: Sequence[int], window: int, size_px: int, trained_windows: Sequence[int]
) -> WindowTransformer:
    """trained_windows: each stage's window in pretraining, which the offsets are measured by; the rest as in Swin."""
    widths = [channels << n for n in range(len(depths))]
    sizes = stage_sizes(size_px, window, len(depths))
    stages = [
        Stage((BlockV2(width, side, trained) for _ in range(depth)), map_side, side)
        for width, depth, trained, (map_side, side) in zip(
            widths, depths, trained_windows, sizes, strict=True
        )
    ]
    return WindowTransformer(Embed(channels), stages, [MergeV2(width) for width in widths[:-1]], size_px)


_BLOCK = r"pretrained\.model\.layers\.(\d+)\.blocks\.(\d+)\."
_OURS = r"encoder.stages.\1.blocks.\2."
RENAMES = (
    *SHARED_RENAMES,
    (_BLOCK + r"attn\.(q_bias|v_bias|logit_scale)", _OURS + r"attention.\3"),
    (_BLOCK + r"attn\.cpb_mlp\.0\.(.*)", _OURS + r"attention.positions.expand.\3"),
    (_BLOCK + r"attn\.cpb_mlp\.2\.(.*)", _OURS + r"attention.positions.contract.\3"),
    # other versions of the file carry them: the offsets are computed, the keys' bias is zero
    (_BLOCK + r"attn\.(relative_coords_table|k_bias)", None),
)
