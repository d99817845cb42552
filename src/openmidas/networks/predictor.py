"""PyTorch behind the seam `Predictor`: the published networks, and those of training runs."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType

import numpy as np
import torch
from jaxtyping import Float
from torch import nn

from openmidas.models.predictor import Engine, NetworkPredictor
from openmidas.models.presets import Preset
from openmidas.networks.loading import load

_IS_AVAILABLE: Mapping[str, Callable[[], bool]] = MappingProxyType(
    {"cpu": lambda: True, "cuda": torch.cuda.is_available, "mps": torch.backends.mps.is_available}
)


def predictor_of(network: nn.Module, preset: Preset, side_px: int | None = None) -> NetworkPredictor:
    """The predictor of a network (1, 3, H, W) -> (1, H, W) on the CPU, with the preset's preprocessing."""
    return NetworkPredictor(preset, side_px or preset.side_px, torch_engine(network))


def published_engine(name: str, checkpoint: Path, threads: int | None, device: str) -> Engine:
    """The published network of that name with its weights, on that device; FileError for a wrong checkpoint.

    threads: of every network in this process.
    """
    if threads is not None:
        torch.set_num_threads(threads)
    network = load(name, checkpoint).to(device)
    network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # PyTorch's stubs lack it
    return torch_engine(network, device)


def torch_engine(network: nn.Module, device: str = "cpu") -> Engine:
    """The network as a function of arrays; several threads may call it, elsewhere than on the CPU in turn."""
    turn = contextlib.nullcontext() if device == "cpu" else threading.Lock()

    def run(pixels: Float[np.ndarray, "1 3 H W"]) -> Float[np.ndarray, "1 H W"]:
        with turn, torch.inference_mode():
            image = torch.from_numpy(pixels).to(device).to(memory_format=torch.channels_last)
            return network(image).float().cpu().numpy()

    return run


def check_device(device: str) -> None:
    """ValueError, one line, for a cuda or mps that PyTorch does not find on this machine."""
    if not _IS_AVAILABLE[device]():
        raise ValueError(f"PyTorch {torch.__version__} finds no {device} device here: take cpu")
