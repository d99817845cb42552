"""ResNet and ResNeXt as encoders (He et al., CVPR 2016; Xie et al., CVPR 2017)."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence

from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

LEVEL_CHANNELS = (256, 512, 1024, 2048)  # at 1/4, 1/8, 1/16, 1/32 of the picture
STEM_CHANNELS = 64


def _conv(channels_in: int, channels_out: int, size: int, stride: int = 1, groups: int = 1) -> nn.Sequential:
    conv = nn.Conv2d(channels_in, channels_out, size, stride, size // 2, groups=groups, bias=False)
    return nn.Sequential(OrderedDict(conv=conv, norm=nn.BatchNorm2d(channels_out)))


class Bottleneck(nn.Module):
    """1x1 contract, 3x3 with the stride, 1x1 expand, each batch-normed, plus the input; ReLU after each."""

    def __init__(self, channels_in: int, inner: int, channels_out: int, stride: int, groups: int) -> None:
        super().__init__()
        self.contract = _conv(channels_in, inner, 1)
        self.spatial = _conv(inner, inner, 3, stride, groups)
        self.expand = _conv(inner, channels_out, 1)
        same = stride == 1 and channels_in == channels_out
        self.shortcut = nn.Identity() if same else _conv(channels_in, channels_out, 1, stride)

    def forward(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b d h2 w2"]:
        y = functional.relu(self.contract(x))
        y = functional.relu(self.spatial(y))
        return functional.relu(self.expand(y) + self.shortcut(x))


class ResNet(nn.Module):
    """Picture (b, 3, h, w) to four feature maps at 1/4, 1/8, 1/16, 1/32.

    depths: blocks of each stage. inner, groups: of the first stage's 3x3 convolutions; each later stage has twice
    the channels in as many groups. ResNet-50: (3, 4, 6, 3), 64, 1; ResNeXt-101 32x8d: (3, 4, 23, 3), 256, 32.
    """

    def __init__(self, depths: Sequence[int], inner: int = 64, groups: int = 1) -> None:
        super().__init__()
        self.stem = _conv(3, STEM_CHANNELS, 7, stride=2)
        self.stages = nn.ModuleList()
        channels = STEM_CHANNELS
        for index, (depth, channels_out) in enumerate(zip(depths, LEVEL_CHANNELS, strict=True)):
            rule = (inner << index, channels_out)
            first = Bottleneck(channels, *rule, stride=2 if index else 1, groups=groups)
            others = (Bottleneck(channels_out, *rule, stride=1, groups=groups) for _ in range(depth - 1))
            self.stages.append(nn.Sequential(first, *others))
            channels = channels_out

    def forward(self, x: Float[Tensor, "b 3 h w"]) -> list[Float[Tensor, "b c h2 w2"]]:
        x = functional.max_pool2d(functional.relu(self.stem(x)), 3, stride=2, padding=1)
        levels = []
        for stage in self.stages:
            x = stage(x)
            levels.append(x)
        return levels


# torchvision's names, which are those of facebookresearch/WSL-Images too -> the checkpoints'
ALONE = (
    (r"conv1\.(.*)", r"pretrained.layer1.0.\1"),
    (r"bn1\.(.*)", r"pretrained.layer1.1.\1"),
    (r"layer1\.(.*)", r"pretrained.layer1.4.\1"),
    (r"(layer[234]\..*)", r"pretrained.\1"),
)
_STAGES = (r"layer1\.4", "layer2", "layer3", "layer4")
_LAYERS = (
    ("conv1", "contract.conv"),
    ("bn1", "contract.norm"),
    ("conv2", "spatial.conv"),
    ("bn2", "spatial.norm"),
    ("conv3", "expand.conv"),
    ("bn3", "expand.norm"),
    (r"downsample\.0", "shortcut.conv"),
    (r"downsample\.1", "shortcut.norm"),
)
RENAMES = (
    (r"pretrained\..*\.num_batches_tracked", None),  # how long it was trained: no part of any result
    (r"pretrained\.layer1\.0\.(.*)", r"encoder.stem.conv.\1"),
    (r"pretrained\.layer1\.1\.(.*)", r"encoder.stem.norm.\1"),
    *(
        (rf"pretrained\.{stage}\.(\d+)\.{layer}\.(.*)", rf"encoder.stages.{index}.\1.{ours}.\2")
        for index, stage in enumerate(_STAGES)
        for layer, ours in _LAYERS
    ),
)
