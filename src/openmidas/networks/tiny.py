"""The embedded network: MobileNetV2 encoder, the papers' fusion decoder, a depth-to-space head."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from openmidas.networks.fusion import FusionBlock, ResidualUnit, enlarge
from openmidas.networks.mobilenet import LEVEL_CHANNELS, MobileNetV2
from openmidas.networks.normalisation import insert_norms

# where training holds the median of a map whose mean absolute deviation is 1, so that nothing falls below 0
OUTPUT_MEDIAN = 4.0
DECODER_CHANNELS = (16, 32, 48, 96, 128)  # at 1/2, 1/4, 1/8, 1/16, 1/32


class TinyDecoder(nn.Module):
    """Five encoder levels to one (b, 16, h/2, w/2) feature map, coarse to fine.

    The coarsest level also hears the whole picture's mean: what kind of scene this is.
    """

    def __init__(self) -> None:
        super().__init__()
        self.skips = nn.ModuleList(
            nn.Conv2d(c, d, 1) for c, d in zip(LEVEL_CHANNELS, DECODER_CHANNELS, strict=True)
        )
        finest, *others, coarsest = DECODER_CHANNELS
        self.context = nn.Conv2d(LEVEL_CHANNELS[-1], coarsest, 1)
        self.coarsest_unit = ResidualUnit(coarsest)
        self.coarsest_project = nn.Conv2d(coarsest, others[-1], 1)
        self.fusions = nn.ModuleList(
            FusionBlock(c, d, align_corners=False)
            for c, d in zip(others, (finest, *others[:-1]), strict=True)
        )

    def forward(self, levels: list[Float[Tensor, "b c h w"]]) -> Float[Tensor, "b 16 h2 w2"]:
        skips = [skip(level) for skip, level in zip(self.skips, levels, strict=True)]
        coarsest = skips[-1] + self.context(levels[-1].mean(dim=(2, 3), keepdim=True))
        x = enlarge(self.coarsest_project(self.coarsest_unit(coarsest)))
        for fusion, skip in zip(reversed(list(self.fusions)), reversed(skips[1:-1]), strict=True):
            x = fusion(x, skip)
        return x + skips[0]


class TinyHead(nn.Module):
    """Two 3x3 convolutions at half size, four values a pixel, laid out as a full-size map; its edges made steep.

    Never negative. In training neither steep nor cut off: where a ReLU cuts, nothing would be learnt any more.
    """

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(DECODER_CHANNELS[0], DECODER_CHANNELS[0], 3, padding=1)
        self.conv2 = nn.Conv2d(DECODER_CHANNELS[0], 4, 3, padding=1)
        assert self.conv2.bias is not None
        nn.init.constant_(self.conv2.bias, OUTPUT_MEDIAN)

    def forward(self, x: Float[Tensor, "b 16 h w"]) -> Float[Tensor, "b h2 w2"]:
        x = functional.relu(self.conv1(functional.relu(x)))
        with torch.autocast(x.device.type, enabled=False):  # half precision has too few steps for a depth map
            quads = self.conv2(x.float())
        inverse_depth = functional.pixel_shuffle(quads, 2)
        if not self.training:
            inverse_depth = functional.relu(steepened(steepened(inverse_depth)))
        return inverse_depth[:, 0]


def steepened(x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c h w"]:
    """Every pixel as far again from the middle between its neighbourhood's extremes, but never beyond those.

    Neighbourhoods are 5x5. Ramps become steps without overshoot, slopes stay what they are. Source: the toggle
    mapping of Kramer and Bruckner, Pattern Recognition 7, 1975, softened.
    """
    high, low = _largest(x), -_largest(-x)
    return torch.minimum(torch.maximum(2 * x - (high + low) / 2, low), high)


def _largest(x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c h w"]:
    # one direction after the other: ten comparisons instead of twenty-five
    return functional.max_pool2d(functional.max_pool2d(x, (5, 1), 1, (2, 0)), (1, 5), 1, (0, 2))


class TinyNetwork(nn.Module):
    """(b, 3, h, w) RGB in [-1, 1], h and w multiples of 32 -> (b, h, w) affine-invariant inverse depth >= 0."""

    def __init__(self) -> None:
        super().__init__()
        self.encoder = MobileNetV2()
        self.decoder = TinyDecoder()
        self.head = TinyHead()

    def forward(self, x: Float[Tensor, "b 3 h w"]) -> Float[Tensor, "b h w"]:
        return self.head(self.decoder(self.encoder(x)))


def insert_tiny_norms(network: TinyNetwork) -> None:
    """Batch norms behind the decoder's and the head's convolutions, in place; `fold_norms` takes them out again.

    Not behind the context, which has one value a picture, and not behind the output. The encoder's are folded.
    """
    insert_norms(network.decoder, (network.decoder.context,))
    insert_norms(network.head, (network.head.conv2,))
