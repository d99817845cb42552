"""BEiT: a vision transformer that knows places by their distance only (Bao et al., ICLR 2022)."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn import functional

from openmidas.networks.encoders import vit
from openmidas.networks.encoders.vit import EPSILON, PATCH_PX, Mlp, merge_heads, run_blocks, split_heads
from openmidas.networks.reassemble import Tokens

# the last rows of a position table
PICTURE_ROWS = 3
PICTURE_TO_PATCH, PATCH_TO_PICTURE, PICTURE_TO_PICTURE = -3, -2, -1


def table_length(height: int, width: int) -> int:
    """Rows of a position table: every distance between two places of the grid, and the picture token's three."""
    return (2 * height - 1) * (2 * width - 1) + PICTURE_ROWS


def resize_position_table(
    table: Float[Tensor, "n heads"], height: int, width: int
) -> Float[Tensor, "n2 heads"]:
    """A table trained for a square grid, for another grid: distances bilinear, the picture token's rows kept.

    For use at every forward, and for a checkpoint trained at another grid than the network's.
    """
    side = round((table.shape[0] - PICTURE_ROWS) ** 0.5)
    distances = table[:-PICTURE_ROWS].T.reshape(1, -1, side, side)
    size = (2 * height - 1, 2 * width - 1)
    distances = functional.interpolate(distances, size, mode="bilinear", align_corners=False)
    return torch.cat([distances[0].flatten(1).T, table[-PICTURE_ROWS:]])


def relative_position_index(
    height: int, width: int, device: torch.device | None = None
) -> Int[Tensor, "n n"]:
    """For each pair of tokens (query, key) of a grid, the picture's first, its row of the position table.

    The picture token's rows are counted from the table's end, so that no number depends on the grid's size.
    """
    y = torch.arange(height, device=device)
    x = torch.arange(width, device=device)
    down = (y[:, None] - y[None, :] + height - 1) * (2 * width - 1)
    right = x[:, None] - x[None, :] + width - 1
    patches = (down[:, None, :, None] + right[None, :, None, :]).flatten(2).flatten(0, 1)
    index = functional.pad(patches, (1, 0, 0, 0), value=PATCH_TO_PICTURE)
    index = functional.pad(index, (0, 0, 1, 0), value=PICTURE_TO_PATCH)
    index[0, 0] = PICTURE_TO_PICTURE
    return index


class BeitAttention(nn.Module):
    """Multi-head self-attention plus a learnt number for each head and distance; keys have no bias."""

    def __init__(self, channels: int, heads: int, grid: int) -> None:
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(channels, 3 * channels, bias=False)
        self.query_bias = nn.Parameter(torch.zeros(channels))
        self.value_bias = nn.Parameter(torch.zeros(channels))
        self.position_table = nn.Parameter(torch.zeros(table_length(grid, grid), heads))
        self.project = nn.Linear(channels, channels)

    def forward(
        self, x: Float[Tensor, "b n c"], grid: tuple[int, int], index: Int[Tensor, "n n"]
    ) -> Float[Tensor, "b n c"]:
        bias = torch.cat([self.query_bias, torch.zeros_like(self.query_bias), self.value_bias])
        q, k, v = split_heads(functional.linear(x, self.qkv.weight, bias), self.heads)
        nearness = resize_position_table(self.position_table, *grid).T.contiguous()[:, index]
        return self.project(merge_heads(functional.scaled_dot_product_attention(q, k, v, nearness[None])))


class BeitBlock(nn.Module):
    """Norm, attention, scale, add; norm, MLP, scale, add: the scales are learnt, one a channel."""

    def __init__(self, channels: int, heads: int, grid: int) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(channels, EPSILON)
        self.attention = BeitAttention(channels, heads, grid)
        self.scale1 = nn.Parameter(torch.ones(channels))
        self.norm2, self.mlp = nn.LayerNorm(channels, EPSILON), Mlp(channels)
        self.scale2 = nn.Parameter(torch.ones(channels))

    def forward(
        self, x: Float[Tensor, "b n c"], grid: tuple[int, int], index: Int[Tensor, "n n"]
    ) -> Float[Tensor, "b n c"]:
        x = x + self.scale1 * self.attention(self.norm1(x), grid, index)
        return x + self.scale2 * self.mlp(self.norm2(x))


class Beit(nn.Module):
    """Picture (b, 3, h, w), h and w multiples of 16 -> tokens after each of the blocks `taken`.

    grid: patches a side that the position tables were trained for; other grids resize them bilinearly.
    """

    def __init__(self, channels: int, depth: int, heads: int, taken: Sequence[int], grid: int) -> None:
        super().__init__()
        self.taken = tuple(taken)
        self.embed = nn.Conv2d(3, channels, PATCH_PX, stride=PATCH_PX)
        self.picture_token = nn.Parameter(torch.zeros(1, 1, channels))
        self.blocks = nn.ModuleList(BeitBlock(channels, heads, grid) for _ in range(depth))

    def forward(self, x: Float[Tensor, "b 3 h w"]) -> list[Tokens]:
        patches = self.embed(x)
        b, c, height, width = patches.shape
        grid = (height, width)
        tokens = torch.cat([self.picture_token.expand(b, 1, c), patches.flatten(2).transpose(1, 2)], dim=1)
        index = relative_position_index(*grid, device=x.device)  # the same in every block
        blocks = [partial(block, grid=grid, index=index) for block in self.blocks]
        return run_blocks(blocks, self.taken, (tokens, grid))


_BLOCK = r"pretrained\.model\.blocks\.(\d+)\."
RENAMES = (
    (_BLOCK + r"gamma_(\d)", r"encoder.blocks.\1.scale\2"),
    (_BLOCK + r"attn\.q_bias", r"encoder.blocks.\1.attention.query_bias"),
    (_BLOCK + r"attn\.v_bias", r"encoder.blocks.\1.attention.value_bias"),
    (_BLOCK + r"attn\.relative_position_bias_table", r"encoder.blocks.\1.attention.position_table"),
    (_BLOCK + r"attn\.(relative_position_index|k_bias)", None),  # computed; zeros
    (r"pretrained\.model\.fc_norm\..*", None),  # ImageNet's classifier
    *vit.RENAMES,
)
