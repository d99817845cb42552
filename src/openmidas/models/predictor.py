"""Load a network and predict: the seam `Predictor = Callable[[Image], DepthMap]`, filled by two engines.

ONNX Runtime runs the network in the package, PyTorch the published ones: `openmidas.networks.predictor`.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float, UInt8

from openmidas.depth_map import DepthMap
from openmidas.files.cores import usable_cores
from openmidas.files.images import read_image, read_image_size, to_rgb
from openmidas.models.download import Progress
from openmidas.models.preprocess import check_shape, network_shape, to_depth_map, to_network
from openmidas.models.presets import Preset, check_side, preset_named
from openmidas.models.weights import CHECKPOINTS, fetch

if TYPE_CHECKING:
    from onnxruntime import InferenceSession
    from PIL.Image import Image as PillowImage

    Image = str | os.PathLike[str] | PillowImage | UInt8[np.ndarray, "h w 3"]

Predictor = Callable[["Image"], DepthMap]
Engine = Callable[[Float[np.ndarray, "1 3 H W"]], Float[np.ndarray, "1 H W"]]
"""Normalised RGB to the network's numbers: all that differs between ONNX Runtime and PyTorch."""

DEVICES = ("cpu", "cuda", "mps")

_sessions: dict[tuple[Path, int], InferenceSession] = {}
_sessions_lock = threading.Lock()


@dataclass(frozen=True)
class NetworkPredictor:
    """A network with its preprocessing; call it from as many threads as you like.

    side_px: the picture's side at the network, by the preset's rule; larger shows more detail and takes longer.
    """

    preset: Preset
    side_px: int
    run: Engine

    def __call__(self, image: Image) -> DepthMap:
        """Depth map of the picture's own size; image: a path, a Pillow picture, or (h, w, 3) uint8 RGB.

        Raises FileError for a file that cannot be read, ValueError for a picture too small or too elongated.
        """
        if isinstance(image, np.ndarray):
            return self._predict(_checked(image), image.shape[:2])
        if isinstance(image, (str, os.PathLike)):
            shape = read_image_size(image)
            check_shape(shape)
            # decoded smaller it comes averaged, which only those networks may see that are shown averages anyhow
            smallest = self._network_shape(shape) if self.preset.interpolation == "area" else None
            return self._predict(read_image(image, smallest), shape)
        return self(to_rgb(image))

    def _predict(self, pixels: UInt8[np.ndarray, "h w 3"], shape: tuple[int, int]) -> DepthMap:
        check_shape(shape)
        output = self.run(to_network(pixels, self._network_shape(shape), self.preset))
        return to_depth_map(output[0], shape, self.preset)

    def _network_shape(self, shape: tuple[int, int]) -> tuple[int, int]:
        return network_shape(shape, self.side_px, self.preset.resize)


def load(
    name: str = "tiny",
    side_px: int | None = None,
    threads: int | None = None,
    device: str = "cpu",
    progress: Progress = lambda done, total: None,
) -> NetworkPredictor:
    """The predictor of that name, ready to call; the weights of a published network are fetched if they are not there.

    side_px: the picture's side at the network, by default what it was trained for.
    threads: for one picture, by default as many as there are cores to use; with PyTorch, of the whole process.
    device: cpu, cuda or mps; the network in the package runs on the cpu only.
    progress: called while weights are downloaded, with the bytes that are here and those that there will be.
    Raises ValueError, one line, for a name, size or device that there is not, FileError for weights that cannot be
    had or are wrong, ModuleNotFoundError where PyTorch is needed and missing.
    """
    preset = preset_named(name)
    check_side(preset, side_px)
    if device not in DEVICES:
        raise ValueError(f"no device is called {device!r}: there are {', '.join(DEVICES)}")
    if preset.path is None:
        run = _torch_engine(preset, threads, device, progress)
    elif device == "cpu":
        run = _onnx_engine(preset.path, threads or usable_cores())
    else:
        raise ValueError(f"{name} runs on the cpu only: leave the device out")
    return NetworkPredictor(preset, side_px or preset.side_px, run)


def _torch_engine(preset: Preset, threads: int | None, device: str, progress: Progress) -> Engine:
    """What is missing on this machine is said before anything is downloaded."""
    try:
        from openmidas.networks.predictor import check_device, published_engine
    except ModuleNotFoundError as error:
        if error.name != "torch":
            raise
        raise ModuleNotFoundError(
            f"{preset.name} needs torch: pip install 'openmidas[train]'", name="torch"
        ) from error
    check_device(device)
    checkpoint = fetch(CHECKPOINTS[preset.name], progress=progress)
    return published_engine(preset.name, checkpoint, threads, device)


def _onnx_engine(path: Path, threads: int) -> Engine:
    _session(path, threads)  # what is wrong with it is known now
    return partial(_run_session, path, threads)


def _run_session(
    path: Path, threads: int, pixels: Float[np.ndarray, "1 3 H W"]
) -> Float[np.ndarray, "1 H W"]:
    session = _session(path, threads)
    (output,) = session.run(None, {session.get_inputs()[0].name: pixels})
    return output


def _session(path: Path, threads: int) -> InferenceSession:
    with _sessions_lock:
        if (path, threads) not in _sessions:
            _sessions[path, threads] = _open_session(path, threads)
        return _sessions[path, threads]


def _open_session(path: Path, threads: int) -> InferenceSession:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])


def _checked(image: np.ndarray) -> UInt8[np.ndarray, "h w 3"]:
    if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8:
        raise ValueError(f"a picture is (height, width, 3) uint8 RGB, not {image.shape} {image.dtype}")
    return image
