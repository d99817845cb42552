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

from openmidas.models.predictor import Engine, NetworkPredictor, Running
from openmidas.models.presets import Preset
from openmidas.networks.decoder import Head
from openmidas.networks.loading import load

_IS_AVAILABLE: Mapping[str, Callable[[], bool]] = MappingProxyType(
    {"cpu": lambda: True, "cuda": torch.cuda.is_available, "mps": torch.backends.mps.is_available}
)
_DTYPES: Mapping[str, torch.dtype] = MappingProxyType(
    {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}
)


def predictor_of(network: nn.Module, preset: Preset, side_px: int | None = None) -> NetworkPredictor:
    """The predictor of a network (1, 3, H, W) -> (1, H, W) on the CPU, with the preset's preprocessing."""
    return NetworkPredictor(preset, side_px or preset.side_px, torch_engine(network, Running()))


def published_engine(name: str, checkpoint: Path, threads: int | None, running: Running) -> Engine:
    """The published network of that name with its weights, on that device; FileError for a wrong checkpoint.

    threads: of every network in this process.
    """
    if threads is not None:
        torch.set_num_threads(threads)
    return torch_engine(prepared(load(name, checkpoint), running), running)


def prepared(network: nn.Module, running: Running) -> nn.Module:
    """The network, changed in place, where it is to run and in its number format.

    In half precision are convolutions and products, but not those of the head, whose values overflow it; what must
    not be rounded, PyTorch's autocast keeps in single precision.
    """
    dtype = _DTYPES[running.precision]
    for part in network.children() if dtype != torch.float32 else ():
        if not isinstance(part, Head):
            _to_half(part, dtype)
    return network.to(running.device).to(memory_format=torch.channels_last)  # type: ignore[call-overload]


def torch_engine(network: nn.Module, running: Running) -> Engine:
    """A prepared network as a function of arrays; several threads may call it, elsewhere than on the CPU in turn."""
    dtype = _DTYPES[running.precision]
    compute = torch.compile(network) if running.compiles else network
    turn = contextlib.nullcontext() if running.device == "cpu" else threading.Lock()

    def run(pixels: Float[np.ndarray, "1 3 H W"]) -> Float[np.ndarray, "1 H W"]:
        half = torch.autocast(running.device, dtype, enabled=dtype != torch.float32)
        with turn, torch.inference_mode(), half:
            image = torch.from_numpy(pixels).to(running.device).to(memory_format=torch.channels_last)
            return compute(image).float().cpu().numpy()

    return run


def _to_half(part: nn.Module, dtype: torch.dtype) -> None:
    """What autocast would convert anew for every picture."""
    for module in part.modules():
        if isinstance(module, nn.Conv2d | nn.ConvTranspose2d | nn.Linear):
            module.to(dtype)


def check_running(running: Running) -> None:
    """ValueError, one line, for a device, a precision, or for compiling, that does not work on this machine."""
    if running.precision not in _DTYPES:
        raise ValueError(f"precision is one of {', '.join(_DTYPES)}, not {running.precision!r}")
    if not _IS_AVAILABLE[running.device]():
        raise ValueError(f"PyTorch {torch.__version__} finds no {running.device} device here: take cpu")
    if running.compiles:
        try:
            torch.compile(torch.sin)(torch.zeros(1, device=running.device))
        except Exception as error:  # whatever the compiler's absence makes it raise
            reason = str(error).strip().partition("\n")[0]
            raise ValueError(f"torch.compile does not work here ({reason}): leave it out") from error
