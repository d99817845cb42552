"""EfficientNet-Lite3 as an encoder (Tan and Le, ICML 2019; Lite: ReLU6, no squeeze-and-excitation)."""

from __future__ import annotations

import re
from collections import OrderedDict

from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from openmidas.networks.mobilenet import InvertedResidual, SameConv2d

# expansion, channels, repeats, stride of the first, size of the depthwise windows
STAGES = (
    (1, 24, 1, 1, 3),
    (6, 32, 3, 2, 3),
    (6, 48, 3, 2, 5),
    (6, 96, 5, 2, 3),
    (6, 136, 5, 1, 5),
    (6, 232, 6, 2, 5),
    (6, 384, 1, 1, 3),
)
STEM_CHANNELS = 32
LEVEL_STAGES = (1, 2, 4, 6)  # the last stages at 1/4, 1/8, 1/16, 1/32 of the picture
LEVEL_CHANNELS = tuple(STAGES[stage][1] for stage in LEVEL_STAGES)
EPSILON = 1e-3


def _conv(channels_in: int, channels_out: int, size: int, stride: int, groups: int) -> nn.Sequential:
    conv = SameConv2d(channels_in, channels_out, size, stride, groups, bias=False)
    return nn.Sequential(OrderedDict(conv=conv, norm=nn.BatchNorm2d(channels_out, EPSILON)))


class EfficientNetLite3(nn.Module):
    """Picture (b, 3, h, w) to four feature maps at 1/4, 1/8, 1/16, 1/32."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = _conv(3, STEM_CHANNELS, 3, 2, 1)
        self.stages = nn.ModuleList()
        channels = STEM_CHANNELS
        for expansion, channels_out, repeats, stride, size in STAGES:
            first = InvertedResidual(channels, channels_out, stride, expansion, size, _conv)
            others = (
                InvertedResidual(channels_out, channels_out, 1, expansion, size, _conv)
                for _ in range(repeats - 1)
            )
            self.stages.append(nn.Sequential(first, *others))
            channels = channels_out

    def forward(self, x: Float[Tensor, "b 3 h w"]) -> list[Float[Tensor, "b c h2 w2"]]:
        x = functional.relu6(self.stem(x))
        levels = []
        for index, stage in enumerate(self.stages):
            x = stage(x)
            if index in LEVEL_STAGES:
                levels.append(x)
        return levels


_EXPANDING = (
    ("conv_pw", "expand.conv"),
    ("bn1", "expand.norm"),
    ("conv_dw", "depthwise.conv"),
    ("bn2", "depthwise.norm"),
    ("conv_pwl", "project.conv"),
    ("bn3", "project.norm"),
)
_PLAIN = (  # the first stage, which does not expand
    ("conv_dw", "depthwise.conv"),
    ("bn1", "depthwise.norm"),
    ("conv_pw", "project.conv"),
    ("bn2", "project.norm"),
)
_STAGES = (
    ("layer1.3", _PLAIN),
    ("layer1.4", _EXPANDING),
    ("layer2.0", _EXPANDING),
    ("layer3.0", _EXPANDING),
    ("layer3.1", _EXPANDING),
    ("layer4.0", _EXPANDING),
    ("layer4.1", _EXPANDING),
)
# timm's names, which are those of rwightman/gen-efficientnet-pytorch too -> the checkpoints'
ALONE = (
    (r"conv_stem\.(.*)", r"pretrained.layer1.0.\1"),
    (r"bn1\.(.*)", r"pretrained.layer1.1.\1"),
    *((rf"blocks\.{index}\.(.*)", rf"pretrained.{stage}.\1") for index, (stage, _) in enumerate(_STAGES)),
)
RENAMES = (
    (r"pretrained\..*\.num_batches_tracked", None),  # how long it was trained: no part of any result
    (r"pretrained\.layer1\.0\.(.*)", r"encoder.stem.conv.\1"),
    (r"pretrained\.layer1\.1\.(.*)", r"encoder.stem.norm.\1"),
    *(
        (rf"pretrained\.{re.escape(stage)}\.(\d+)\.{layer}\.(.*)", rf"encoder.stages.{index}.\1.{ours}.\2")
        for index, (stage, layers) in enumerate(_STAGES)
        for layer, ours in layers
    ),
)
