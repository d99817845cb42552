"""LeViT (Graham et al., ICCV 2021): convolutions, then attention on three grids; every norm is a batch norm."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn import functional

STRIDE_PX = 16
KEY_CHANNELS = 32  # of each head's queries and keys


class ConvNorm(nn.Module):
    """Convolution 3x3 at stride 2 without bias, batch norm."""

    def __init__(self, channels: int, channels_out: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels, channels_out, 3, stride=2, padding=1, bias=False)
        self.norm = nn.BatchNorm2d(channels_out)

    def forward(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b d h2 w2"]:
        return self.norm(self.conv(x))


class TransposedConvNorm(nn.Module):
    """Transposed convolution 3x3 to exactly twice the size without bias, batch norm."""

    def __init__(self, channels: int, channels_out: int) -> None:
        super().__init__()
        self.conv = nn.ConvTranspose2d(
            channels, channels_out, 3, stride=2, padding=1, output_padding=1, bias=False
        )
        self.norm = nn.BatchNorm2d(channels_out)

    def forward(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b d h2 w2"]:
        return self.norm(self.conv(x))


class LinearNorm(nn.Module):
    """Linear without bias, batch norm over all tokens."""

    def __init__(self, channels: int, channels_out: int) -> None:
        super().__init__()
        self.linear = nn.Linear(channels, channels_out, bias=False)
        self.norm = nn.BatchNorm1d(channels_out)

    def forward(self, x: Float[Tensor, "b n c"]) -> Float[Tensor, "b n d"]:
        return self.norm(self.linear(x).transpose(1, 2)).transpose(1, 2)


class Mlp(nn.Module):
    """Linear, hard-swish, linear, plus the input; twice as wide inside."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.expand = LinearNorm(channels, 2 * channels)
        self.contract = LinearNorm(2 * channels, channels)

    def forward(self, x: Float[Tensor, "b n c"]) -> Float[Tensor, "b n c"]:
        return x + self.contract(functional.hardswish(self.expand(x)))


class AttentionBias(nn.Module):
    """What a head adds for each distance between query and key, rows and columns apart.

    Keys lie on a grid of `side` x `side`, queries on every `stride`-th row and column of it.
    """

    index: Tensor

    def __init__(self, heads: int, side: int, stride: int = 1) -> None:
        super().__init__()
        self.table = nn.Parameter(torch.zeros(heads, side * side))
        self.register_buffer("index", distance_index(side, stride), persistent=False)

    def forward(self) -> Float[Tensor, "1 heads queries keys"]:
        return self.table[None, :, self.index]


def distance_index(side: int, stride: int = 1) -> Int[Tensor, "queries keys"]:
    """Place in the bias table of each query and key: `side` times the rows apart, plus the columns apart."""
    places = torch.arange(side)
    apart = (places[::stride, None] - places).abs()
    pairs = side * apart[:, None, :, None] + apart[None, :, None, :]
    return pairs.flatten(0, 1).flatten(1, 2)


class Attention(nn.Module):
    """Multi-head self-attention on a square grid, plus the input; values are twice as wide as keys."""

    def __init__(self, channels: int, heads: int, side: int) -> None:
        super().__init__()
        self.heads = heads
        self.widths = (KEY_CHANNELS, KEY_CHANNELS, 2 * KEY_CHANNELS)
        self.qkv = LinearNorm(channels, heads * sum(self.widths))
        self.bias = AttentionBias(heads, side)
        self.project = LinearNorm(heads * 2 * KEY_CHANNELS, channels)

    def forward(self, x: Float[Tensor, "b n c"]) -> Float[Tensor, "b n c"]:
        q, k, v = split_heads(self.qkv(x), self.heads).split(self.widths, dim=-1)
        return x + self.project(attend(q, k, v, self.bias()))


class ShrinkingAttention(nn.Module):
    """Every second row and column asks the whole grid; values are four times as wide as keys; no residual."""

    def __init__(self, channels: int, channels_out: int, side: int) -> None:
        super().__init__()
        self.heads, self.side = channels // KEY_CHANNELS, side
        self.widths = (KEY_CHANNELS, 4 * KEY_CHANNELS)
        self.queries = LinearNorm(channels, self.heads * KEY_CHANNELS)
        self.keys_values = LinearNorm(channels, self.heads * sum(self.widths))
        self.bias = AttentionBias(self.heads, side, stride=2)
        self.project = LinearNorm(self.heads * 4 * KEY_CHANNELS, channels_out)

    def forward(self, x: Float[Tensor, "b n c"]) -> Float[Tensor, "b m d"]:
        asking = x.unflatten(1, (self.side, self.side))[:, ::2, ::2].flatten(1, 2)
        q = split_heads(self.queries(asking), self.heads)
        k, v = split_heads(self.keys_values(x), self.heads).split(self.widths, dim=-1)
        return self.project(attend(q, k, v, self.bias()))


def split_heads(x: Float[Tensor, "b n c"], heads: int) -> Float[Tensor, "b heads n d"]:
    """Each head's channels lie together."""
    return x.unflatten(2, (heads, -1)).transpose(1, 2)


def attend(
    q: Float[Tensor, "b heads m d"],
    k: Float[Tensor, "b heads n d"],
    v: Float[Tensor, "b heads n e"],
    bias: Float[Tensor, "1 heads m n"],
) -> Float[Tensor, "b m c"]:
    """Attention with a bias, heads side by side, hard-swish."""
    answers = functional.scaled_dot_product_attention(q, k, v, attn_mask=bias)
    return functional.hardswish(answers.transpose(1, 2).flatten(2))


class Levit(nn.Module):
    """Picture (b, 3, 16 side, 16 side) -> maps after each of the blocks `taken`.

    channels, heads, depths: of the stages; a stage has `depth` times attention and MLP, and between two stages
    shrinking attention and MLP halve the grid. A block is one of these layers, counted from 0.
    """

    def __init__(
        self,
        channels: Sequence[int],
        heads: Sequence[int],
        depths: Sequence[int],
        taken: Sequence[int],
        side: int,
    ) -> None:
        super().__init__()
        self.taken, self.side = tuple(taken), side
        self.embed = convolutions(channels[0])
        self.blocks = nn.ModuleList()
        for stage, (c, depth) in enumerate(zip(channels, depths, strict=True)):
            if stage > 0:
                self.blocks += [ShrinkingAttention(channels[stage - 1], c, side), Mlp(c)]
                side = -(-side // 2)
            for _ in range(depth):
                self.blocks += [Attention(c, heads[stage], side), Mlp(c)]

    def forward(self, x: Float[Tensor, "b 3 h w"]) -> list[Float[Tensor, "b c h2 w2"]]:
        """Raises ValueError for a picture of another size than the attention biases are for."""
        size = STRIDE_PX * self.side
        if tuple(x.shape[2:]) != (size, size):
            raise ValueError(f"LeViT takes pictures of {size}x{size}, not {x.shape[3]}x{x.shape[2]}")
        x = self.embed(x).flatten(2).transpose(1, 2)
        levels = []
        for index, block in enumerate(self.blocks):
            x = block(x)
            if index in self.taken:
                levels.append(square_map(x))
        return levels


def convolutions(channels: int) -> nn.Sequential:
    """Picture to stride 16 in four steps."""
    widths = (3, channels // 8, channels // 4, channels // 2, channels)
    layers: list[nn.Module] = []
    for c, channels_out in pairwise(widths):
        layers += [ConvNorm(c, channels_out), nn.Hardswish()]
    return nn.Sequential(*layers[:-1])


def square_map(x: Float[Tensor, "b n c"]) -> Float[Tensor, "b c side side"]:
    """Tokens of a square grid as a map."""
    side = round(x.shape[1] ** 0.5)
    return x.transpose(1, 2).unflatten(2, (side, side))


def transposed_convolutions(channels: int) -> nn.Sequential:
    """The decoder's last map to four times its size and a quarter of its channels (Birkl et al., 2023).

    LeViT's finest level has stride 16, not 4 as the other encoders' has; this makes good for it.
    """
    half, quarter = channels // 2, channels // 4
    return nn.Sequential(
        TransposedConvNorm(channels, half), nn.Hardswish(), TransposedConvNorm(half, quarter), nn.Hardswish()
    )


_BLOCK = r"pretrained\.model\.blocks\.(\d+)"
RENAMES = (
    (r".*\.num_batches_tracked", None),  # a training counter
    (r".*\.attention_bias_idxs", None),  # computed
    (r"pretrained\.model\.blocks\.2[2-7]\..*", None),  # after the last block that is taken
    (r"pretrained\.model\.(head|head_dist)\..*", None),  # ImageNet's classifier
    (r"pretrained\.model\.patch_embed\.(\d)\.c\.(.*)", r"encoder.embed.\1.conv.\2"),
    (r"pretrained\.model\.patch_embed\.(\d)\.bn\.(.*)", r"encoder.embed.\1.norm.\2"),
    (_BLOCK + r"(?:\.m)?\.attention_biases", r"encoder.blocks.\1.bias.table"),
    (_BLOCK + r"\.m\.qkv\.c\.(.*)", r"encoder.blocks.\1.qkv.linear.\2"),
    (_BLOCK + r"\.m\.qkv\.bn\.(.*)", r"encoder.blocks.\1.qkv.norm.\2"),
    (_BLOCK + r"\.q\.1\.c\.(.*)", r"encoder.blocks.\1.queries.linear.\2"),
    (_BLOCK + r"\.q\.1\.bn\.(.*)", r"encoder.blocks.\1.queries.norm.\2"),
    (_BLOCK + r"\.kv\.c\.(.*)", r"encoder.blocks.\1.keys_values.linear.\2"),
    (_BLOCK + r"\.kv\.bn\.(.*)", r"encoder.blocks.\1.keys_values.norm.\2"),
    (_BLOCK + r"(?:\.m)?\.proj\.1\.c\.(.*)", r"encoder.blocks.\1.project.linear.\2"),
    (_BLOCK + r"(?:\.m)?\.proj\.1\.bn\.(.*)", r"encoder.blocks.\1.project.norm.\2"),
    (_BLOCK + r"\.m\.0\.c\.(.*)", r"encoder.blocks.\1.expand.linear.\2"),
    (_BLOCK + r"\.m\.0\.bn\.(.*)", r"encoder.blocks.\1.expand.norm.\2"),
    (_BLOCK + r"\.m\.2\.c\.(.*)", r"encoder.blocks.\1.contract.linear.\2"),
    (_BLOCK + r"\.m\.2\.bn\.(.*)", r"encoder.blocks.\1.contract.norm.\2"),
    (r"scratch\.stem_transpose\.(\d)\.c\.(.*)", r"head.stem.\1.conv.\2"),
    (r"scratch\.stem_transpose\.(\d)\.bn\.(.*)", r"head.stem.\1.norm.\2"),
)
