"""The papers' decoder: every encoder level to one width, fused coarse to fine; a head; and the whole network."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from openmidas.networks.fusion import CoarsestBlock, FusionBlock, enlarge

Levels = list[Float[Tensor, "b c h w"]]  # fine to coarse


class Decoder(nn.Module):
    """Levels fine to coarse -> one map at twice the finest level's size.

    channels: of the encoder's levels, fine to coarse. widths: of the fusion blocks, fine to coarse; a block hands on
    half its channels where the next finer one is narrower. follows_levels: enlarge to the next finer level's size
    (DPT) instead of twice the size (MiDaS v2.1); the last enlargement is twice in both.
    """

    def __init__(
        self,
        channels: Sequence[int],
        widths: Sequence[int],
        *,
        projects: bool = True,
        align_corners: bool = True,
        follows_levels: bool = True,
        rectified_input: bool = False,
    ) -> None:
        super().__init__()
        self.skips = nn.ModuleList(
            nn.Conv2d(c, w, 3, padding=1, bias=False) for c, w in zip(channels, widths, strict=True)
        )
        outputs = [w if projects else None for w in (widths[0], *widths[:-1])]
        rule = (align_corners, rectified_input)
        self.coarsest = CoarsestBlock(widths[-1], outputs[-1], *rule)
        self.fusions = nn.ModuleList(
            FusionBlock(w, out, *rule) for w, out in zip(widths[:-1], outputs[:-1], strict=True)
        )
        self.follows_levels = follows_levels

    def forward(self, levels: Levels) -> Float[Tensor, "b c h w"]:
        *skips, x = (skip(level) for skip, level in zip(self.skips, levels, strict=True))
        # what each block enlarges to: the size of the level it meets next, and at last twice its own
        sizes = [None, *(skip.shape[2:] if self.follows_levels else None for skip in skips)]
        x = self.coarsest(x, sizes.pop())
        for fusion, skip in zip(reversed(list(self.fusions)), reversed(skips), strict=True):
            x = fusion(x, skip, sizes.pop())
        return x


class Head(nn.Module):
    """conv 3x3, twice the size, conv 3x3, ReLU, conv 1x1, ReLU: inverse depth, never negative.

    metric: (scale, shift) to 1/m of a network trained to know metres; without it the result is affine-invariant.
    stem: layers before the first convolution, which get what the decoder gives.
    Computes in single precision whatever the rest does: its values overflow half precision.
    """

    def __init__(
        self,
        channels: int,
        inner: tuple[int, int],
        align_corners: bool = True,
        metric: tuple[float, float] | None = None,
        stem: nn.Module | None = None,
    ) -> None:
        super().__init__()
        first, second = inner
        self.stem = stem or nn.Identity()
        self.conv1 = nn.Conv2d(channels, first, 3, padding=1)
        self.conv2 = nn.Conv2d(first, second, 3, padding=1)
        self.conv3 = nn.Conv2d(second, 1, 1)
        self.align_corners = align_corners
        self.metric = metric

    def forward(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b h2 w2"]:
        with torch.autocast(x.device.type, enabled=False):
            x = enlarge(self.conv1(self.stem(x.float())), align_corners=self.align_corners)
            x = functional.relu(self.conv2(x))
            x = functional.relu(self.conv3(x))[:, 0]
            if self.metric is None:
                return x
            scale, shift = self.metric
            return scale * x + shift


class DepthNetwork(nn.Module):
    """(b, 3, h, w) normalised RGB -> (b, h, w) inverse depth, affine-invariant or in 1/m as the head says.

    reassemble: turns a transformer's tokens into maps; `nn.Identity` for encoders that give maps.
    """

    def __init__(
        self, encoder: nn.Module, reassemble: nn.Module, decoder: nn.Module, head: nn.Module
    ) -> None:
        super().__init__()
        self.encoder, self.reassemble, self.decoder, self.head = encoder, reassemble, decoder, head

    def forward(self, x: Float[Tensor, "b 3 h w"]) -> Float[Tensor, "b h w"]:
        return self.head(self.decoder(self.reassemble(self.encoder(x))))
