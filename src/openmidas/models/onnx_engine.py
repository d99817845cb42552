"""ONNX Runtime behind the seam `Predictor`: the network in the package, exported ones, and those of others."""

from __future__ import annotations

import contextlib
import functools
import os
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from jaxtyping import Float

from openmidas.files.errors import FilePath, file_error, open_file
from openmidas.models.presets import Preset, preset_described

if TYPE_CHECKING:
    from onnxruntime import InferenceSession, NodeArg


class _Provider(NamedTuple):
    """What ONNX Runtime calls the device, and the package that brings it."""

    name: str
    package: str


PROVIDERS: Mapping[str, _Provider] = MappingProxyType(
    {
        "cpu": _Provider("CPUExecutionProvider", "onnxruntime"),
        "cuda": _Provider("CUDAExecutionProvider", "onnxruntime-gpu"),
        "tensorrt": _Provider("TensorrtExecutionProvider", "onnxruntime-gpu"),
        "coreml": _Provider("CoreMLExecutionProvider", "onnxruntime (on a Mac)"),
        "directml": _Provider("DmlExecutionProvider", "onnxruntime-directml"),
        "openvino": _Provider("OpenVINOExecutionProvider", "onnxruntime-openvino"),
    }
)
_DTYPES = {"tensor(float)": np.float32, "tensor(float16)": np.float16}


class _Key(NamedTuple):
    """A session; the file's time, so that a file written anew is opened anew."""

    path: Path
    mtime_ns: int
    threads: int
    device: str


_KEPT = 2  # sessions, for who loads the same network again; who uses one holds it
_sessions_lock = threading.Lock()
_turns = {device: threading.Lock() for device in PROVIDERS if device != "cpu"}


@dataclass(frozen=True, eq=False)
class OnnxEngine:
    """A network as a function of arrays (1, 3, H, W) -> (1, H, W); call it from several threads, or pickle it."""

    key: _Key
    session: InferenceSession

    def __call__(self, pixels: Float[np.ndarray, "1 3 H W"]) -> Float[np.ndarray, "1 H W"]:
        """The network's numbers."""
        picture = self.session.get_inputs()[0]
        with _turns.get(self.key.device, contextlib.nullcontext()):
            output, *_ = self.session.run(
                None, {picture.name: pixels.astype(_DTYPES[picture.type], copy=False)}
            )
        # some give (1, 1, H, W)
        return output.reshape(1, *output.shape[-2:]).astype(np.float32, copy=False)

    def __reduce__(self) -> tuple[Callable[..., OnnxEngine], tuple[object, ...]]:
        """Another process opens a session of its own."""
        return onnx_engine, (self.key.path, self.key.threads, self.key.device)


def preset_of_file(path: FilePath, threads: int, device: str) -> Preset:
    """The preset that the ONNX file describes in its metadata; FileError where it does not, or is no network."""
    session = _session(_key(path, threads, device))
    picture = _picture(path, session)
    fixed = picture.shape[2:]
    entries = session.get_modelmeta().custom_metadata_map
    return preset_described(path, entries, tuple(fixed) if all(isinstance(n, int) for n in fixed) else None)


def onnx_engine(path: FilePath, threads: int, device: str) -> OnnxEngine:
    """The network of an ONNX file.

    Raises FileError for a file that is no such network, ValueError for a device that this ONNX Runtime has not.
    """
    key = _key(path, threads, device)
    session = _session(key)
    _picture(path, session)  # what is wrong with it is known now
    return OnnxEngine(key, session)


def _key(path: FilePath, threads: int, device: str) -> _Key:
    with open_file(path) as file:
        return _Key(Path(path).absolute(), os.fstat(file.fileno()).st_mtime_ns, threads, device)


def _session(key: _Key) -> InferenceSession:
    with _sessions_lock:  # two at once would open it twice
        return _open_session(key)


@functools.lru_cache(maxsize=_KEPT)
def _open_session(key: _Key) -> InferenceSession:
    import onnxruntime

    provider = PROVIDERS[key.device]
    if provider.name not in onnxruntime.get_available_providers():
        raise ValueError(
            f"ONNX Runtime {onnxruntime.__version__} here has no {key.device}: pip install {provider.package}"
        )
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = key.threads
    options.log_severity_level = 4  # its errors come as exceptions
    options.enable_mem_pattern = key.device != "directml"  # which demands it
    providers = list(dict.fromkeys((provider.name, PROVIDERS["cpu"].name)))
    try:
        session = onnxruntime.InferenceSession(key.path, options, providers=providers)
    except Exception as error:  # damaged files make it raise anything
        reason = str(error).partition("\n")[0]
        raise file_error(key.path, f"is no ONNX network that this ONNX Runtime opens ({reason})") from error
    if session.get_providers()[0] != provider.name:
        raise ValueError(f"ONNX Runtime finds no {key.device} device here, or not its libraries: take cpu")
    return session


def _picture(path: FilePath, session: InferenceSession) -> NodeArg:
    """The network's one input; FileError where it takes something else than pictures, one at a time."""
    picture, *others = session.get_inputs()
    shape = picture.shape
    if (
        others
        or len(shape) != 4
        or picture.type not in _DTYPES
        or shape[1] != 3
        or shape[0] not in (1, *_names(shape))
    ):
        found = ", ".join(f"{node.type} {node.shape}" for node in session.get_inputs())
        raise file_error(
            path, f"takes {found}, not one picture: a float input (1, 3, height, width) is needed"
        )
    return picture


def _names(shape: list[int | str | None]) -> list[str | None]:
    """The sizes that may be any."""
    return [size for size in shape if not isinstance(size, int)]
