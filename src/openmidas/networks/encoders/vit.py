"""Vision transformer (Dosovitskiy et al., ICLR 2021), and what its relatives share."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from openmidas.networks.reassemble import Tokens

PATCH_PX = 16
EPSILON = 1e-6


class Mlp(nn.Module):
    """Linear, GELU, linear; four times as wide inside."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.expand = nn.Linear(channels, 4 * channels)
        self.contract = nn.Linear(4 * channels, channels)

    def forward(self, x: Float[Tensor, "b n c"]) -> Float[Tensor, "b n c"]:
        return self.contract(functional.gelu(self.expand(x)))


class Attention(nn.Module):
    """Multi-head self-attention."""

    def __init__(self, channels: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(channels, 3 * channels)
        self.project = nn.Linear(channels, channels)

    def forward(self, x: Float[Tensor, "b n c"]) -> Float[Tensor, "b n c"]:
        q, k, v = split_heads(self.qkv(x), self.heads)
        return self.project(merge_heads(functional.scaled_dot_product_attention(q, k, v)))


def split_heads(qkv: Float[Tensor, "b n c3"], heads: int) -> tuple[Tensor, Tensor, Tensor]:
    """Queries, keys and values, each (b, heads, n, c / heads)."""
    b, n, channels = qkv.shape
    q, k, v = qkv.view(b, n, 3, heads, channels // 3 // heads).permute(2, 0, 3, 1, 4)
    return q, k, v


def merge_heads(x: Float[Tensor, "b heads n d"]) -> Float[Tensor, "b n c"]:
    """Heads side by side.

    Always a copy: whether attention's result needs one differs between tracing and ONNX's second pass.
    """
    return x.transpose(1, 2).clone(memory_format=torch.contiguous_format).flatten(2)


class Block(nn.Module):
    """Norm, attention, add; norm, MLP, add."""

    def __init__(self, channels: int, heads: int) -> None:
        super().__init__()
        self.norm1, self.attention = nn.LayerNorm(channels, EPSILON), Attention(channels, heads)
        self.norm2, self.mlp = nn.LayerNorm(channels, EPSILON), Mlp(channels)

    def forward(self, x: Float[Tensor, "b n c"]) -> Float[Tensor, "b n c"]:
        x = x + self.attention(self.norm1(x))
        return x + self.mlp(self.norm2(x))


class Vit(nn.Module):
    """Picture (b, 3, h, w), h and w multiples of 16 -> tokens after each of the blocks `taken`.

    grid: patches a side that the position table was trained for; other grids resize it bilinearly.
    """

    def __init__(self, channels: int, depth: int, heads: int, taken: Sequence[int], grid: int) -> None:
        super().__init__()
        self.taken = tuple(taken)
        self.embed = nn.Conv2d(3, channels, PATCH_PX, stride=PATCH_PX)
        self.picture_token = nn.Parameter(torch.zeros(1, 1, channels))
        self.positions = nn.Parameter(torch.zeros(1, 1 + grid * grid, channels))
        self.blocks = nn.ModuleList(Block(channels, heads) for _ in range(depth))

    def forward(self, x: Float[Tensor, "b 3 h w"]) -> list[Tokens]:
        sequence = add_positions(self.embed(x), self.picture_token, self.positions)
        return run_blocks(self.blocks, self.taken, sequence)


def add_positions(
    patches: Float[Tensor, "b c h w"],
    picture_token: Float[Tensor, "1 1 c"],
    positions: Float[Tensor, "1 n c"],
) -> tuple[Float[Tensor, "b n2 c"], tuple[int, int]]:
    """The sequence of all tokens, the picture's first, with their places added; and the grid (h, w)."""
    b, _, height, width = patches.shape
    places = resize_positions(positions, height, width)
    tokens = torch.cat([picture_token.expand(b, -1, -1), patches.flatten(2).transpose(1, 2)], dim=1)
    return tokens + places, (height, width)


def resize_positions(positions: Float[Tensor, "1 n c"], height: int, width: int) -> Float[Tensor, "1 n2 c"]:
    """A table trained for a square grid, for another grid: bilinear, the picture token's row kept."""
    side = round((positions.shape[1] - 1) ** 0.5)
    table = positions[:, 1:].transpose(1, 2).unflatten(2, (side, side))
    table = functional.interpolate(table, (height, width), mode="bilinear", align_corners=False)
    return torch.cat([positions[:, :1], table.flatten(2).transpose(1, 2)], dim=1)


def run_blocks(
    blocks: Iterable[Callable[[Tensor], Tensor]],
    taken: Sequence[int],
    sequence: tuple[Float[Tensor, "b n c"], tuple[int, int]],
) -> list[Tokens]:
    """Tokens after each block of `taken`."""
    x, (height, width) = sequence
    levels = []
    for index, block in enumerate(blocks):
        x = block(x)
        if index in taken:
            levels.append(Tokens(x[:, 0], x[:, 1:].unflatten(1, (height, width))))
    return levels


RENAMES = (
    (r"pretrained\.model\.cls_token", r"encoder.picture_token"),
    (r"pretrained\.model\.pos_embed", r"encoder.positions"),
    (r"pretrained\.model\.patch_embed\.proj\.(.*)", r"encoder.embed.\1"),
    (r"pretrained\.model\.blocks\.(\d+)\.(norm1|norm2)\.(.*)", r"encoder.blocks.\1.\2.\3"),
    (r"pretrained\.model\.blocks\.(\d+)\.attn\.qkv\.(.*)", r"encoder.blocks.\1.attention.qkv.\2"),
    (r"pretrained\.model\.blocks\.(\d+)\.attn\.proj\.(.*)", r"encoder.blocks.\1.attention.project.\2"),
    (r"pretrained\.model\.blocks\.(\d+)\.mlp\.fc1\.(.*)", r"encoder.blocks.\1.mlp.expand.\2"),
    (r"pretrained\.model\.blocks\.(\d+)\.mlp\.fc2\.(.*)", r"encoder.blocks.\1.mlp.contract.\2"),
    (r"pretrained\.model\.(norm|head)\..*", None),  # ImageNet's classifier
)
