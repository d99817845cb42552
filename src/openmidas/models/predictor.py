"""Load a network and predict: the seam `Predictor = Callable[[Image], DepthMap]`, filled by ONNX Runtime."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import UInt8

from openmidas.depth_map import DepthMap
from openmidas.files.cores import usable_cores
from openmidas.files.images import read_image, read_image_size, to_rgb
from openmidas.models.preprocess import check_shape, network_shape, to_depth_map, to_network
from openmidas.models.presets import Preset, preset_named

if TYPE_CHECKING:
    from onnxruntime import InferenceSession
    from PIL.Image import Image as PillowImage

    Image = str | os.PathLike[str] | PillowImage | UInt8[np.ndarray, "h w 3"]

Predictor = Callable[["Image"], DepthMap]

_sessions: dict[tuple[Path, int], InferenceSession] = {}
_sessions_lock = threading.Lock()


@dataclass(frozen=True)
class OnnxPredictor:
    """A network in ONNX Runtime; call it from as many threads as you like.

    side_px: the picture's short side at the network; larger shows more detail and takes longer.
    threads: for one picture; who predicts several at once takes fewer.
    """

    preset: Preset
    side_px: int
    threads: int

    def __call__(self, image: Image) -> DepthMap:
        """Depth map of the picture's own size; image: a path, a Pillow picture, or (h, w, 3) uint8 RGB.

        Raises FileError for a file that cannot be read, ValueError for a picture too small or too elongated.
        """
        if isinstance(image, np.ndarray):
            return self._predict(_checked(image), image.shape[:2])
        if isinstance(image, (str, os.PathLike)):
            shape = read_image_size(image)
            check_shape(shape)
            return self._predict(read_image(image, network_shape(shape, self.side_px)), shape)
        return self(to_rgb(image))

    def _predict(self, pixels: UInt8[np.ndarray, "h w 3"], shape: tuple[int, int]) -> DepthMap:
        check_shape(shape)
        network_input = to_network(pixels, network_shape(shape, self.side_px), self.preset)
        session = _session(self.preset.path, self.threads)
        (output,) = session.run(None, {session.get_inputs()[0].name: network_input})
        return to_depth_map(output[0], shape, self.preset)


def load(name: str = "tiny", side_px: int | None = None, threads: int | None = None) -> OnnxPredictor:
    """The predictor of that name, ready to call; ValueError names those there are.

    side_px: the picture's short side at the network, by default what it was trained for.
    threads: for one picture, by default as many as there are cores to use.
    """
    preset = preset_named(name)
    predictor = OnnxPredictor(preset, side_px or preset.side_px, threads or usable_cores())
    _session(preset.path, predictor.threads)
    return predictor


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
