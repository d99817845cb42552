"""The published networks: how each is put together, and what its checkpoint calls our weights."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from torch import nn

from openmidas.networks.checkpoint import ALONE, DECODER_RENAMES, DPT_RENAMES, Renames, decoder_renames
from openmidas.networks.decoder import Decoder, DepthNetwork, Head
from openmidas.networks.encoders import (
    beit,
    efficientnet_lite,
    levit,
    next_vit,
    resnet,
    swin,
    swin_v2,
    vit,
    vit_hybrid,
)
from openmidas.networks.encoders.beit import Beit
from openmidas.networks.encoders.efficientnet_lite import EfficientNetLite3
from openmidas.networks.encoders.levit import Levit
from openmidas.networks.encoders.next_vit import NextVit
from openmidas.networks.encoders.resnet import ResNet
from openmidas.networks.encoders.swin import build_swin
from openmidas.networks.encoders.swin_v2 import build_swin_v2
from openmidas.networks.encoders.vit import Vit
from openmidas.networks.encoders.vit_hybrid import Stem, VitHybrid
from openmidas.networks.reassemble import ReassembleLevels

DPT_WIDTHS = (256, 256, 256, 256)
SMALL_WIDTHS = (64, 128, 256, 512)
SWIN_ALONE = (ALONE, swin.ALONE_SINCE_MOVED)


@dataclass(frozen=True)
class Published:
    """One network: how to build it, and the table from its checkpoint's keys to ours (None: not needed).

    alone: tables from the keys that its encoder has where that is published alone to the checkpoint's.
    """

    build: Callable[[], DepthNetwork]
    renames: Renames
    alone: tuple[Renames, ...] = (ALONE,)


def _dpt(
    encoder: nn.Module,
    reassemble: nn.Module,
    channels: tuple[int, ...],
    metric: tuple[float, float] | None = None,
) -> DepthNetwork:
    return DepthNetwork(
        encoder, reassemble, Decoder(channels, DPT_WIDTHS), Head(256, (128, 32), metric=metric)
    )


def _dpt_large() -> DepthNetwork:
    levels = (256, 512, 1024, 1024)
    return _dpt(Vit(1024, 24, 16, (5, 11, 17, 23), 24), ReassembleLevels(1024, levels), levels)


def _dpt_hybrid(metric: tuple[float, float] | None = None) -> DepthNetwork:
    levels = (256, 512, 768, 768)
    encoder = VitHybrid(Stem(64, (3, 4, 9)), 768, 12, 12, (8, 11), 24)
    return _dpt(encoder, ReassembleLevels(768, levels, maps=2), levels, metric)


def _dpt_hybrid_kitti() -> DepthNetwork:
    return _dpt_hybrid((0.00006016, 0.00579))


def _dpt_hybrid_nyu() -> DepthNetwork:
    return _dpt_hybrid((0.000305, 0.1378))


def _dpt_beit_base_384() -> DepthNetwork:
    levels = (96, 192, 384, 768)
    return _dpt(Beit(768, 12, 12, (2, 5, 8, 11), 24), ReassembleLevels(768, levels), levels)


def _dpt_beit_large(grid: int) -> DepthNetwork:
    levels = (256, 512, 1024, 1024)
    return _dpt(Beit(1024, 24, 16, (5, 11, 17, 23), grid), ReassembleLevels(1024, levels), levels)


def _dpt_beit_large_384() -> DepthNetwork:
    return _dpt_beit_large(24)


def _dpt_beit_large_512() -> DepthNetwork:
    return _dpt_beit_large(32)


def _midas_v21(encoder: ResNet) -> DepthNetwork:
    decoder = Decoder(
        resnet.LEVEL_CHANNELS, DPT_WIDTHS, projects=False, follows_levels=False, rectified_input=True
    )
    return DepthNetwork(encoder, nn.Identity(), decoder, Head(256, (128, 32), align_corners=False))


def _midas_v21_large() -> DepthNetwork:
    return _midas_v21(ResNet((3, 4, 23, 3), inner=256, groups=32))


def _midas_resnet50() -> DepthNetwork:
    return _midas_v21(ResNet((3, 4, 6, 3)))


def _midas_v21_small() -> DepthNetwork:
    decoder = Decoder(efficientnet_lite.LEVEL_CHANNELS, SMALL_WIDTHS, follows_levels=False)
    return DepthNetwork(EfficientNetLite3(), nn.Identity(), decoder, Head(64, (32, 32), align_corners=False))


def _dpt_swin(encoder: nn.Module, channels: int) -> DepthNetwork:
    return _dpt(encoder, nn.Identity(), tuple(channels << n for n in range(4)))


def _dpt_swin_large() -> DepthNetwork:
    return _dpt_swin(build_swin(192, (2, 2, 18, 2), 12, 384), 192)


def _dpt_swin2(channels: int) -> DepthNetwork:
    # pretrained at 192 pixels with windows of 12, the last stage's map being 6 patches a side
    return _dpt_swin(build_swin_v2(channels, (2, 2, 18, 2), 24, 384, (12, 12, 12, 6)), channels)


def _dpt_swin2_tiny() -> DepthNetwork:
    return _dpt_swin(build_swin_v2(96, (2, 2, 6, 2), 16, 256, (16, 16, 16, 8)), 96)


def _dpt_next_vit_large() -> DepthNetwork:
    return _dpt(NextVit(next_vit.LARGE), nn.Identity(), (96, 256, 512, 1024))


def _dpt_levit() -> DepthNetwork:
    channels = (384, 512, 768)
    encoder = Levit(channels, heads=(6, 9, 12), depths=(4, 4, 1), taken=(3, 11, 21), side=14)
    head = Head(64, (32, 8), stem=levit.transposed_convolutions(256))
    return DepthNetwork(encoder, nn.Identity(), Decoder(channels, DPT_WIDTHS[:3]), head)


PUBLISHED: Mapping[str, Published] = MappingProxyType(
    {
        "midas_v21_384": Published(_midas_v21_large, resnet.RENAMES + DECODER_RENAMES, (resnet.ALONE,)),
        "midas_v21_small_256": Published(
            _midas_v21_small, efficientnet_lite.RENAMES + DECODER_RENAMES, (efficientnet_lite.ALONE,)
        ),
        "midas_resnet50": Published(_midas_resnet50, resnet.RENAMES + DECODER_RENAMES, (resnet.ALONE,)),
        "dpt_large_384": Published(_dpt_large, vit.RENAMES + DPT_RENAMES),
        "dpt_next_vit_large_384": Published(_dpt_next_vit_large, next_vit.RENAMES + DECODER_RENAMES),
        "dpt_levit_224": Published(_dpt_levit, levit.RENAMES + decoder_renames(3)),
        "dpt_hybrid_384": Published(_dpt_hybrid, vit_hybrid.RENAMES + DPT_RENAMES),
        "dpt_hybrid_kitti": Published(_dpt_hybrid_kitti, vit_hybrid.RENAMES + DPT_RENAMES),
        "dpt_hybrid_nyu": Published(_dpt_hybrid_nyu, vit_hybrid.RENAMES + DPT_RENAMES),
        "dpt_beit_base_384": Published(_dpt_beit_base_384, beit.RENAMES + DPT_RENAMES),
        "dpt_beit_large_384": Published(_dpt_beit_large_384, beit.RENAMES + DPT_RENAMES),
        "dpt_beit_large_512": Published(_dpt_beit_large_512, beit.RENAMES + DPT_RENAMES),
        "dpt_swin_large_384": Published(_dpt_swin_large, swin.RENAMES + DECODER_RENAMES, SWIN_ALONE),
        "dpt_swin2_tiny_256": Published(_dpt_swin2_tiny, swin_v2.RENAMES + DECODER_RENAMES, SWIN_ALONE),
        "dpt_swin2_base_384": Published(
            lambda: _dpt_swin2(128), swin_v2.RENAMES + DECODER_RENAMES, SWIN_ALONE
        ),
        "dpt_swin2_large_384": Published(
            lambda: _dpt_swin2(192), swin_v2.RENAMES + DECODER_RENAMES, SWIN_ALONE
        ),
    }
)
