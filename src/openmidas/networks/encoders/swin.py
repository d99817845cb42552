"""Swin transformer (Liu et al., ICCV 2021), and what its second version shares with it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn
from torch.nn import functional

from openmidas.networks.checkpoint import ALONE
from openmidas.networks.encoders.vit import Mlp, merge_heads, split_heads

PATCH_PX = 4
HEAD_CHANNELS = 32
# what hides a pair: not infinity, as the published networks let a logit above it shine through
HIDDEN = 100.0


class Windows(NamedTuple):
    """How one block cuts its map into windows, sizes in patches."""

    side: int
    shift: int
    places: Int[Tensor, "n n"]  # of each pair of patches, the row of the position table
    apart: Bool[Tensor, "k n n"] | None  # the pairs that may not see each other, window for window


def partition(x: Float[Tensor, "b h w c"], side: int) -> Float[Tensor, "bk n c"]:
    """The windows of a map, one after the other, row by row; patches row by row too."""
    b, height, width, c = x.shape
    x = x.view(b, height // side, side, width // side, side, c)
    return x.transpose(2, 3).reshape(-1, side * side, c)


def unpartition(
    windows: Float[Tensor, "bk n c"], side: int, height: int, width: int
) -> Float[Tensor, "b h w c"]:
    """The map of these windows, height and width in patches: the inverse of `partition`."""
    x = windows.view(-1, height // side, width // side, side, side, windows.shape[-1])
    return x.transpose(2, 3).reshape(-1, height, width, windows.shape[-1])


def relative_places(side: int) -> Int[Tensor, "n n"]:
    """Query and key patch of a window -> row of a table of (2 side - 1)^2 offsets, query minus key, row by row."""
    along = torch.arange(side)
    offsets = along[:, None] - along + side - 1
    places = offsets[:, None, :, None] * (2 * side - 1) + offsets[None, :, None, :]
    return places.reshape(side * side, side * side)


def shifted_apart(map_side: int, side: int, shift: int) -> Bool[Tensor, "k n n"]:
    """Pairs in one window of a map rolled by `shift` towards its origin that were no neighbours before."""
    wrapped = torch.arange(map_side) >= map_side - shift
    regions = 2 * wrapped[:, None].int() + wrapped.int()
    cut = partition(regions[None, :, :, None], side)
    return cut != cut.transpose(1, 2)


def over_windows(
    attention: nn.Module, x: Float[Tensor, "b h w c"], windows: Windows
) -> Float[Tensor, "b h w c"]:
    """Roll, attend inside each window, roll back."""
    _, height, width, _ = x.shape
    rolled = x.roll((-windows.shift, -windows.shift), (1, 2)) if windows.shift else x
    x = unpartition(attention(partition(rolled, windows.side), windows), windows.side, height, width)
    return x.roll((windows.shift, windows.shift), (1, 2)) if windows.shift else x


def pair_bias(table: Float[Tensor, "m heads"], windows: Windows) -> Float[Tensor, "kheads n n"]:
    """What is added to the logits of each pair: one map a head, or one a window and head if some pairs are hidden."""
    bias = table[windows.places].permute(2, 0, 1).contiguous()
    if windows.apart is None:
        return bias
    return (bias - HIDDEN * windows.apart[:, None].to(bias.dtype)).flatten(0, 1)


def attend(
    qkv: tuple[Tensor, Tensor, Tensor], bias: Float[Tensor, "kheads n n"], scale: float
) -> Float[Tensor, "bk n c"]:
    """Attention with a bias on the logits; queries, keys and values are (bk, heads, n, d)."""
    # where each window has its own bias, the windows of a picture stand beside its heads
    q, k, v = (x.reshape(-1, bias.shape[0], *x.shape[2:]) for x in qkv)
    attended = functional.scaled_dot_product_attention(q, k, v, attn_mask=bias[None], scale=scale)
    # how it lies in memory varies with the kernel chosen: an exported network must fit each
    attended = attended.clone(memory_format=torch.contiguous_format)
    return merge_heads(attended.reshape(-1, *qkv[0].shape[1:]))


class WindowAttention(nn.Module):
    """Multi-head self-attention inside windows, with a learnt bias for each offset."""

    def __init__(self, channels: int, side: int) -> None:
        super().__init__()
        self.heads = channels // HEAD_CHANNELS
        self.qkv = nn.Linear(channels, 3 * channels)
        self.positions = nn.Parameter(torch.zeros((2 * side - 1) ** 2, self.heads))
        self.project = nn.Linear(channels, channels)

    def forward(self, x: Float[Tensor, "bk n c"], windows: Windows) -> Float[Tensor, "bk n c"]:
        qkv = split_heads(self.qkv(x), self.heads)
        return self.project(attend(qkv, pair_bias(self.positions, windows), HEAD_CHANNELS**-0.5))


class Block(nn.Module):
    """Norm, attention, add; norm, MLP, add."""

    def __init__(self, channels: int, side: int) -> None:
        super().__init__()
        self.norm1, self.attention = nn.LayerNorm(channels), WindowAttention(channels, side)
        self.norm2, self.mlp = nn.LayerNorm(channels), Mlp(channels)

    def forward(self, x: Float[Tensor, "b h w c"], windows: Windows) -> Float[Tensor, "b h w c"]:
        x = x + over_windows(self.attention, self.norm1(x), windows)
        return x + self.mlp(self.norm2(x))


class Stage(nn.Module):
    """Blocks on one map; every second one shifts its windows by half, unless one window covers the map."""

    places: Tensor
    apart: Tensor

    def __init__(self, blocks: Iterable[nn.Module], map_side: int, side: int) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(blocks)
        self.side, self.shift = side, side // 2 if side < map_side else 0
        self.register_buffer("places", relative_places(side), persistent=False)
        self.register_buffer("apart", shifted_apart(map_side, side, self.shift), persistent=False)

    def forward(self, x: Float[Tensor, "b h w c"]) -> Float[Tensor, "b h w c"]:
        plain = Windows(self.side, 0, self.places, None)
        shifted = Windows(self.side, self.shift, self.places, self.apart) if self.shift else plain
        for index, block in enumerate(self.blocks):
            x = block(x, shifted if index % 2 else plain)
        return x


class Embed(nn.Module):
    """Picture to patches, normalised."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.project = nn.Conv2d(3, channels, PATCH_PX, stride=PATCH_PX)
        self.norm = nn.LayerNorm(channels)

    def forward(self, x: Float[Tensor, "b 3 h w"]) -> Float[Tensor, "b h2 w2 c"]:
        return self.norm(self.project(x).permute(0, 2, 3, 1))


def gather_quads(x: Float[Tensor, "b h w c"]) -> Float[Tensor, "b h2 w2 c4"]:
    """Four neighbours' channels side by side: top left, bottom left, top right, bottom right."""
    b, height, width, c = x.shape
    return x.view(b, height // 2, 2, width // 2, 2, c).permute(0, 1, 3, 4, 2, 5).flatten(3)


class Merge(nn.Module):
    """Half the height and width, twice the channels: four neighbours, norm, linear."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(4 * channels)
        self.reduce = nn.Linear(4 * channels, 2 * channels, bias=False)

    def forward(self, x: Float[Tensor, "b h w c"]) -> Float[Tensor, "b h2 w2 c2"]:
        return self.reduce(self.norm(gather_quads(x)))


class WindowTransformer(nn.Module):
    """Square picture (b, 3, size_px, size_px) -> maps at strides 4, 8, 16, ..., each stage's last block's."""

    def __init__(
        self, embed: nn.Module, stages: Sequence[nn.Module], merges: Sequence[nn.Module], size_px: int
    ) -> None:
        super().__init__()
        self.embed, self.stages, self.merges = embed, nn.ModuleList(stages), nn.ModuleList(merges)
        self.size_px = size_px

    def forward(self, x: Float[Tensor, "b 3 h w"]) -> list[Float[Tensor, "b c h2 w2"]]:
        """Raises ValueError for a picture of another size: the windows are laid out for this one."""
        if tuple(x.shape[2:]) != (self.size_px, self.size_px):
            size, given = self.size_px, " x ".join(str(n) for n in x.shape[2:])
            raise ValueError(f"this network takes pictures of {size} x {size} pixels only, not {given}")
        maps = [self.stages[0](self.embed(x))]
        for merge, stage in zip(self.merges, list(self.stages)[1:], strict=True):
            maps.append(stage(merge(maps[-1])))
        return [x.permute(0, 3, 1, 2) for x in maps]


def stage_sizes(size_px: int, window: int, count: int) -> list[tuple[int, int]]:
    """(map side, window side) of each stage in patches: a window is at most as large as its map."""
    sides = [size_px // PATCH_PX >> n for n in range(count)]
    return [(side, min(side, window)) for side in sides]


def build_swin(channels: int, depths: Sequence[int], window: int, size_px: int) -> WindowTransformer:
    """channels: of the first stage, twice as many in each further one. depths: blocks of each stage."""
    widths = [channels << n for n in range(len(depths))]
    stages = [
        Stage((Block(width, side) for _ in range(depth)), map_side, side)
        for width, depth, (map_side, side) in zip(
            widths, depths, stage_sizes(size_px, window, len(depths)), strict=True
        )
    ]
    return WindowTransformer(Embed(channels), stages, [Merge(width) for width in widths[:-1]], size_px)


_BLOCK = r"pretrained\.model\.layers\.(\d+)\.blocks\.(\d+)\."
_OURS = r"encoder.stages.\1.blocks.\2."
SHARED_RENAMES = (
    (r"pretrained\.model\.patch_embed\.proj\.(.*)", r"encoder.embed.project.\1"),
    (r"pretrained\.model\.patch_embed\.norm\.(.*)", r"encoder.embed.norm.\1"),
    (_BLOCK + r"(norm1|norm2)\.(.*)", _OURS + r"\3.\4"),
    (_BLOCK + r"attn\.qkv\.(.*)", _OURS + r"attention.qkv.\3"),
    (_BLOCK + r"attn\.proj\.(.*)", _OURS + r"attention.project.\3"),
    (_BLOCK + r"mlp\.fc1\.(.*)", _OURS + r"mlp.expand.\3"),
    (_BLOCK + r"mlp\.fc2\.(.*)", _OURS + r"mlp.contract.\3"),
    (r"pretrained\.model\.layers\.(\d+)\.downsample\.reduction\.(.*)", r"encoder.merges.\1.reduce.\2"),
    (r"pretrained\.model\.layers\.(\d+)\.downsample\.norm\.(.*)", r"encoder.merges.\1.norm.\2"),
    # follow from the sizes: `Stage` computes them
    (_BLOCK + r"(attn_mask|attn\.relative_position_index)", None),
    (r"pretrained\.model\.(norm|head)\..*", None),  # ImageNet's classifier
)
# since version 0.9 timm counts a merge to the stage behind it
ALONE_SINCE_MOVED = (
    *(
        (rf"layers\.{stage + 1}\.downsample\.(.*)", rf"pretrained.model.layers.{stage}.downsample.\1")
        for stage in range(3)
    ),
    *ALONE,
)
RENAMES = (
    *SHARED_RENAMES,
    (_BLOCK + r"attn\.relative_position_bias_table", _OURS + r"attention.positions"),
)
