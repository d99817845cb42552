"""The embedded network: MobileNetV2 encoder, the papers' fusion decoder, a depth-to-space head."""

from __future__ import annotations

from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from openmidas.networks.fusion import FusionBlock, ResidualUnit, enlarge
from openmidas.networks.mobilenet import LEVEL_CHANNELS, MobileNetV2

DECODER_CHANNELS = (16, 32, 48, 96, 128)  # at 1/2, 1/4, 1/8, 1/16, 1/32


class TinyDecoder(nn.Module):
    """Five encoder levels to one (b, 16, h/2, w/2) feature map, coarse to fine.

    The coarsest level also hears the whole picture's mean: what kind of scene this is.
    """

    def __init__(self) -> None:
        super().__init__()
        self.skips = nn.ModuleList(
            nn.Conv2d(c, d, 1) for c, d in zip(LEVEL_CHANNELS[1:], DECODER_CHANNELS[1:], strict=True)
        )
        finest, *others, coarsest = DECODER_CHANNELS
        self.context = nn.Conv2d(LEVEL_CHANNELS[-1], coarsest, 1)
        self.coarsest_unit = ResidualUnit(coarsest)
        self.coarsest_project = nn.Conv2d(coarsest, others[-1], 1)
        self.fusions = nn.ModuleList(
            FusionBlock(c, d) for c, d in zip(others, (finest, *others[:-1]), strict=True)
        )

    def forward(self, levels: list[Float[Tensor, "b c h w"]]) -> Float[Tensor, "b 16 h2 w2"]:
        skips = [skip(level) for skip, level in zip(self.skips, levels[1:], strict=True)]
        coarsest = skips[-1] + self.context(levels[-1].mean(dim=(2, 3), keepdim=True))
        x = enlarge(self.coarsest_project(self.coarsest_unit(coarsest)))
        for fusion, skip in zip(reversed(list(self.fusions)), reversed(skips[:-1]), strict=True):
            x = fusion(x, skip)
        return x + levels[0]


class TinyHead(nn.Module):
    """Two 3x3 convolutions at half size, four values a pixel, laid out as a full-size map.

    Never negative, but in training: where a ReLU cuts off, nothing would be learnt any more.
    """

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(DECODER_CHANNELS[0], DECODER_CHANNELS[0], 3, padding=1)
        self.conv2 = nn.Conv2d(DECODER_CHANNELS[0], 4, 3, padding=1)

    def forward(self, x: Float[Tensor, "b 16 h w"]) -> Float[Tensor, "b h2 w2"]:
        quads = self.conv2(functional.relu(self.conv1(functional.relu(x))))
        inverse_depth = functional.pixel_shuffle(quads, 2)[:, 0]
        return inverse_depth if self.training else functional.relu(inverse_depth)


class TinyNetwork(nn.Module):
    """(b, 3, h, w) RGB in [-1, 1], h and w multiples of 32 -> (b, h, w) affine-invariant inverse depth >= 0."""

    def __init__(self) -> None:
        super().__init__()
        self.encoder = MobileNetV2()
        self.decoder = TinyDecoder()
        self.head = TinyHead()

    def forward(self, x: Float[Tensor, "b 3 h w"]) -> Float[Tensor, "b h w"]:
        return self.head(self.decoder(self.encoder(x)))
