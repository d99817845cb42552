"""Load a network and predict: the seam `Predictor = Callable[[Image], DepthMap]`, filled by two engines.

ONNX Runtime runs the network in the package and every ONNX file: `onnx_engine`. PyTorch runs the published networks
from their checkpoints: `openmidas.networks.predictor`.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np
from jaxtyping import Float, UInt8

from openmidas.depth_map import DepthMap
from openmidas.files.cores import usable_cores
from openmidas.files.images import read_image, read_image_size, to_rgb
from openmidas.models.download import Progress
from openmidas.models.onnx_engine import PROVIDERS, onnx_engine, preset_of_file
from openmidas.models.preprocess import check_shape, network_shape, to_depth_map, to_network
from openmidas.models.presets import Preset, check_side, preset_named
from openmidas.models.weights import CHECKPOINTS, fetch

if TYPE_CHECKING:
    from PIL.Image import Image as PillowImage

    from openmidas.models.remote import RemotePredictor

    Image = str | os.PathLike[str] | bytes | PillowImage | UInt8[np.ndarray, "h w 3"]

Precision = Literal["float32", "bfloat16", "float16"]


@dataclass(frozen=True)
class Running:
    """Where and how PyTorch computes: cpu, cuda or mps; the number format; whether through torch.compile."""

    device: str = "cpu"
    precision: str = "float32"
    compiles: bool = False


Predictor = Callable[["Image"], DepthMap]
Engine = Callable[[Float[np.ndarray, "1 3 H W"]], Float[np.ndarray, "1 H W"]]
"""Normalised RGB to the network's numbers: all that differs between ONNX Runtime and PyTorch."""

TORCH_DEVICES = ("cpu", "cuda", "mps")
_ADDRESSES = ("http://", "https://")
DEVICES = tuple(dict.fromkeys((*TORCH_DEVICES, *PROVIDERS)))

# A JPEG is decoded smaller where that is enough. By area, to what the network takes: decoding averages as well.
# Bicubic resampling looks at single pixels: twice that, so that what it sees of averages makes no difference.
_DECODED = {"area": 1, "bicubic": 2}


@dataclass(frozen=True)
class NetworkPredictor:
    """A network with its preprocessing; call it from as many threads as you like.

    side_px: the picture's side at the network, by the preset's rule; larger shows more detail and takes longer.
    """

    preset: Preset
    side_px: int
    run: Engine

    def __call__(self, image: Image) -> DepthMap:
        """Depth map of the picture's own size; image: a path, the bytes of such a file, a Pillow picture,
        or (h, w, 3) uint8 RGB.

        Raises FileError for a file that cannot be read, ValueError for a picture too small or too elongated.
        """
        pixels, shape = self.prepare(image)
        return to_depth_map(self.run(pixels)[0], shape, self.preset)

    def prepare(self, image: Image) -> tuple[Float[np.ndarray, "1 3 H W"], tuple[int, int]]:
        """What the network gets to see of a picture, and the picture's own (height, width); raises as the call does."""
        if isinstance(image, (str, bytes, os.PathLike)):
            shape = read_image_size(image)
            check_shape(shape)
            height, width = self._network_shape(shape)
            enough = _DECODED[self.preset.interpolation]
            pixels = read_image(image, (enough * height, enough * width))
        else:
            pixels = _checked(image) if isinstance(image, np.ndarray) else to_rgb(image)
            height, width = pixels.shape[:2]
            shape = (height, width)
            check_shape(shape)
        return to_network(pixels, self._network_shape(shape), self.preset), shape

    def _network_shape(self, shape: tuple[int, int]) -> tuple[int, int]:
        return self.preset.fixed or network_shape(shape, self.side_px, self.preset.resize)


def load(
    name: str | os.PathLike[str] = "tiny",
    side_px: int | None = None,
    threads: int | None = None,
    device: str = "cpu",
    precision: Precision = "float32",
    compiles: bool = False,
    progress: Progress = lambda done, total: None,
) -> NetworkPredictor | RemotePredictor:
    """`load_network`, or for the address of an `openmidas serve`, as `http://127.0.0.1:8000`, one that asks there.

    The other parameters but `progress` are for a network here: ValueError where they are given with an address.
    """
    if not (isinstance(name, str) and name.lower().startswith(_ADDRESSES)):
        return load_network(name, side_px, threads, device, precision, compiles, progress)
    if (side_px, threads) != (None, None) or Running(device, precision, compiles) != Running():
        raise ValueError(f"{name} computes as it was started: leave size, threads, device and precision out")
    from openmidas.models.remote import RemotePredictor

    return RemotePredictor(name)


def load_network(
    name: str | os.PathLike[str] = "tiny",
    side_px: int | None = None,
    threads: int | None = None,
    device: str = "cpu",
    precision: Precision = "float32",
    compiles: bool = False,
    progress: Progress = lambda done, total: None,
) -> NetworkPredictor:
    """The predictor of that name, ready to call; the weights of a published network are fetched if they are not there.

    name: one of PRESETS, or the path of an ONNX file that describes itself as `openmidas export` has it.
    side_px: the picture's side at the network, by default what it was trained for.
    threads: for one picture, by default as many as there are cores to use; with PyTorch, of the whole process.
    device: cpu, cuda or mps in PyTorch; cpu, cuda, tensorrt, coreml, directml or openvino in ONNX Runtime.
    precision, compiles: of PyTorch; half precision but for the head, and torch.compile, slow the first time.
    progress: called while weights are downloaded, with the bytes that are here and those that there will be.
    Raises ValueError, one line, for a name, size, device or precision that there is not, FileError for weights that
    cannot be had or are wrong, ModuleNotFoundError where PyTorch is needed and missing.
    """
    running = Running(device, precision, compiles)
    if Path(name).suffix.lower() == ".onnx":
        return _onnx_predictor(Path(name), None, side_px, threads, running)
    preset = preset_named(os.fspath(name))
    if preset.path is not None:
        return _onnx_predictor(preset.path, preset, side_px, threads, running)
    check_side(preset, side_px)
    _check_device(preset.name, device, TORCH_DEVICES)
    run = _torch_engine(preset, threads, running, progress)
    return NetworkPredictor(preset, side_px or preset.side_px, run)


def _onnx_predictor(
    path: Path, preset: Preset | None, side_px: int | None, threads: int | None, running: Running
) -> NetworkPredictor:
    """preset: None where the file describes itself."""
    name = path.name if preset is None else preset.name
    _check_device(name, running.device, tuple(PROVIDERS))
    if running != Running(running.device):
        raise ValueError(f"{name} computes as it was exported: leave precision and compiling out")
    cores = threads or usable_cores()
    run = onnx_engine(path, cores, running.device)
    preset = preset or preset_of_file(path, cores, running.device)
    check_side(preset, side_px)
    return NetworkPredictor(preset, side_px or preset.side_px, run)


def _check_device(name: str, device: str, devices: tuple[str, ...]) -> None:
    if device not in devices:
        raise ValueError(f"{name} runs on {', '.join(devices)}, not on {device!r}")


def _torch_engine(preset: Preset, threads: int | None, running: Running, progress: Progress) -> Engine:
    """What is missing on this machine is said before anything is downloaded."""
    try:
        from openmidas.networks.predictor import check_running, published_engine
    except ModuleNotFoundError as error:
        if error.name != "torch":
            raise
        raise ModuleNotFoundError(
            f"{preset.name} needs torch: pip install 'openmidas[train]'", name="torch"
        ) from error
    check_running(running)
    checkpoint = fetch(CHECKPOINTS[preset.name], progress=progress)
    return published_engine(preset.name, checkpoint, threads, running)


def _checked(image: np.ndarray) -> UInt8[np.ndarray, "h w 3"]:
    if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8:
        raise ValueError(f"a picture is (height, width, 3) uint8 RGB, not {image.shape} {image.dtype}")
    return image
