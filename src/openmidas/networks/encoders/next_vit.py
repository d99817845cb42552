"""Next-ViT (Li et al., 2022): stages of convolution blocks, most closed by a block with attention in it.

Every norm is a batch norm, every MLP has a ReLU.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

HEAD_CHANNELS = 32
STEM_CHANNELS = (3, 64, 32, 64, 64)
STEM_STRIDES = (2, 1, 1, 2)


class Stage(NamedTuple):
    """`repeats` times: `convolutions` convolution blocks, then a transformer block if `mixed` is given.

    mixed: channels after the transformer block, the convolution blocks' own and a third more, so that three
    quarters come from attention. pooled: successive tokens that are averaged into one key and value.
    """

    channels: int
    convolutions: int
    repeats: int = 1
    mixed: int | None = None
    pooled: int = 1


LARGE = (Stage(96, 3), Stage(192, 3, 1, 256, 16), Stage(384, 4, 6, 512, 4), Stage(768, 2, 1, 1024))


class ConvNorm(nn.Module):
    """Convolution without bias, batch norm."""

    def __init__(self, channels: int, channels_out: int, kernel: int, stride: int = 1) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels, channels_out, kernel, stride, padding=kernel // 2, bias=False)
        self.norm = nn.BatchNorm2d(channels_out)

    def forward(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b d h2 w2"]:
        return self.norm(self.conv(x))


class ConvolutionAttention(nn.Module):
    """Multi-head convolutional attention: one group of a convolution 3x3 is a head; norm, ReLU, projection."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        heads = channels // HEAD_CHANNELS
        self.conv = nn.Conv2d(channels, channels, 3, padding=1, groups=heads, bias=False)
        self.norm = nn.BatchNorm2d(channels)
        self.project = nn.Conv2d(channels, channels, 1, bias=False)

    def forward(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c h w"]:
        return self.project(functional.relu(self.norm(self.conv(x))))


class PooledAttention(nn.Module):
    """Efficient multi-head self-attention: `pooled` successive tokens, row by row, make one key and value."""

    def __init__(self, channels: int, pooled: int) -> None:
        super().__init__()
        self.heads = channels // HEAD_CHANNELS
        self.queries = nn.Linear(channels, channels)
        self.keys = nn.Linear(channels, channels)
        self.values = nn.Linear(channels, channels)
        self.project = nn.Linear(channels, channels)
        self.pool = (
            nn.Identity() if pooled == 1 else nn.Sequential(nn.AvgPool1d(pooled), nn.BatchNorm1d(channels))
        )

    def forward(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c h w"]:
        tokens = x.flatten(2)
        asking, asked = tokens.transpose(1, 2), self.pool(tokens).transpose(1, 2)
        projected = (self.queries(asking), self.keys(asked), self.values(asked))
        q, k, v = (each.unflatten(2, (self.heads, HEAD_CHANNELS)).transpose(1, 2) for each in projected)
        # written out, in the published order of operations: where two keys are nearly alike, rounding decides
        weights = (q @ k.transpose(2, 3) * HEAD_CHANNELS**-0.5).softmax(dim=3)
        answers = (weights @ v).transpose(1, 2).flatten(2)
        return self.project(answers).transpose(1, 2).unflatten(2, x.shape[2:])


class Mlp(nn.Module):
    """Convolution 1x1, ReLU, convolution 1x1; `ratio` times as wide inside."""

    def __init__(self, channels: int, ratio: int) -> None:
        super().__init__()
        self.expand = nn.Conv2d(channels, ratio * channels, 1)
        self.contract = nn.Conv2d(ratio * channels, channels, 1)

    def forward(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c h w"]:
        return self.contract(functional.relu(self.expand(x)))


class ConvolutionBlock(nn.Module):
    """Convolutional attention, add; norm, MLP, add; before them, half the size or other channels if need be."""

    def __init__(self, channels: int, channels_out: int, halves: bool) -> None:
        super().__init__()
        changes = halves or channels != channels_out
        self.halve = nn.AvgPool2d(2) if halves else nn.Identity()
        self.embed = ConvNorm(channels, channels_out, 1) if changes else nn.Identity()
        self.local_attention = ConvolutionAttention(channels_out)
        self.norm = nn.BatchNorm2d(channels_out)
        self.mlp = Mlp(channels_out, 3)

    def forward(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b d h2 w2"]:
        x = self.embed(self.halve(x))
        x = x + self.local_attention(x)
        return x + self.mlp(self.norm(x))


class TransformerBlock(nn.Module):
    """Attention, then convolutional attention on fewer channels, both kept side by side; norm, MLP, add."""

    def __init__(self, channels: int, channels_out: int, pooled: int) -> None:
        super().__init__()
        local = channels_out - channels
        self.norm1, self.attention = nn.BatchNorm2d(channels), PooledAttention(channels, pooled)
        self.narrow, self.local_attention = ConvNorm(channels, local, 1), ConvolutionAttention(local)
        self.norm2, self.mlp = nn.BatchNorm2d(channels_out), Mlp(channels_out, 2)

    def forward(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b d h w"]:
        x = x + self.attention(self.norm1(x))
        local = self.narrow(x)
        x = torch.cat([x, local + self.local_attention(local)], dim=1)
        return x + self.mlp(self.norm2(x))


class NextVit(nn.Module):
    """Picture (b, 3, h, w), h and w multiples of 32 -> maps after each stage, strides 4, 8, 16, 32."""

    def __init__(self, stages: Sequence[Stage]) -> None:
        super().__init__()
        steps = zip(STEM_CHANNELS[:-1], STEM_CHANNELS[1:], STEM_STRIDES, strict=True)
        self.stem = nn.ModuleList(ConvNorm(c, channels_out, 3, stride) for c, channels_out, stride in steps)
        self.blocks = nn.ModuleList()
        self.taken: list[int] = []
        channels = STEM_CHANNELS[-1]
        for index, stage in enumerate(stages):
            self.blocks += stage_blocks(stage, channels, halves=index > 0)
            self.taken.append(len(self.blocks) - 1)
            channels = stage.mixed or stage.channels

    def forward(self, x: Float[Tensor, "b 3 h w"]) -> list[Float[Tensor, "b c h2 w2"]]:
        for step in self.stem:
            x = functional.relu(step(x))
        levels = []
        for index, block in enumerate(self.blocks):
            x = block(x)
            if index in self.taken:
                levels.append(x)
        return levels


def stage_blocks(stage: Stage, channels: int, halves: bool) -> list[nn.Module]:
    """The blocks of one stage, which gets `channels`; the first one halves the size where `halves`."""
    blocks: list[nn.Module] = []
    for _ in range(stage.repeats):
        for _ in range(stage.convolutions):
            blocks.append(ConvolutionBlock(channels, stage.channels, halves))
            channels, halves = stage.channels, False
        if stage.mixed:
            blocks.append(TransformerBlock(channels, stage.mixed, stage.pooled))
            channels = stage.mixed
    return blocks


_BLOCK = r"pretrained\.model\.features\.(\d+)"
RENAMES = (
    (r".*\.num_batches_tracked", None),  # a training counter
    (r"pretrained\.model\.(norm|proj_head)\..*", None),  # ImageNet's classifier
    (r"pretrained\.model\.stem\.(\d)\.(conv|norm)\.(.*)", r"encoder.stem.\1.\2.\3"),
    (_BLOCK + r"\.patch_embed\.(conv|norm)\.(.*)", r"encoder.blocks.\1.embed.\2.\3"),
    (_BLOCK + r"\.projection\.(conv|norm)\.(.*)", r"encoder.blocks.\1.narrow.\2.\3"),
    (_BLOCK + r"\.(norm|norm1|norm2)\.(.*)", r"encoder.blocks.\1.\2.\3"),
    (_BLOCK + r"\.e_mhsa\.q\.(.*)", r"encoder.blocks.\1.attention.queries.\2"),
    (_BLOCK + r"\.e_mhsa\.k\.(.*)", r"encoder.blocks.\1.attention.keys.\2"),
    (_BLOCK + r"\.e_mhsa\.v\.(.*)", r"encoder.blocks.\1.attention.values.\2"),
    (_BLOCK + r"\.e_mhsa\.proj\.(.*)", r"encoder.blocks.\1.attention.project.\2"),
    (_BLOCK + r"\.e_mhsa\.norm\.(.*)", r"encoder.blocks.\1.attention.pool.1.\2"),
    (_BLOCK + r"\.mhca\.group_conv3x3\.(.*)", r"encoder.blocks.\1.local_attention.conv.\2"),
    (_BLOCK + r"\.mhca\.norm\.(.*)", r"encoder.blocks.\1.local_attention.norm.\2"),
    (_BLOCK + r"\.mhca\.projection\.(.*)", r"encoder.blocks.\1.local_attention.project.\2"),
    (_BLOCK + r"\.mlp\.conv1\.(.*)", r"encoder.blocks.\1.mlp.expand.\2"),
    (_BLOCK + r"\.mlp\.conv2\.(.*)", r"encoder.blocks.\1.mlp.contract.\2"),
)
