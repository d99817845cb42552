"""A PyTorch network behind the seam `Predictor`: for training runs, and where ONNX Runtime is not wanted."""

from __future__ import annotations

import torch
from jaxtyping import UInt8
from numpy import ndarray
from torch import nn

from openmidas.depth_map import DepthMap
from openmidas.models.preprocess import check_shape, network_shape, to_depth_map, to_network
from openmidas.models.presets import Preset


def predict_with(
    network: nn.Module, image: UInt8[ndarray, "h w 3"], preset: Preset, side_px: int | None = None
) -> DepthMap:
    """Depth map of an RGB picture by a network (1, 3, H, W) -> (1, H, W), with the preset's preprocessing."""
    shape = (image.shape[0], image.shape[1])
    check_shape(shape)
    pixels = to_network(image, network_shape(shape, side_px or preset.side_px), preset)
    with torch.inference_mode():
        output = network(torch.from_numpy(pixels).to(memory_format=torch.channels_last))
    return to_depth_map(output[0].numpy(), shape, preset)
