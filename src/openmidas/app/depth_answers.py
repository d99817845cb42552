"""Depth maps as answers; what is here runs in a worker."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import numpy as np

from openmidas.app.answers import JPEG, JSON, PNG, Answer, Kind, written
from openmidas.app.processes import network
from openmidas.depth_map import DepthMap, with_near_far
from openmidas.encoding import Encoding, encoding_for, lossless_encoding
from openmidas.files.codes import to_note
from openmidas.files.depths import write_depth
from openmidas.files.gray import gray_png
from openmidas.files.heatmap import Colormap, write_heatmap

DEPTH_KINDS: Mapping[str, Kind] = MappingProxyType(
    {
        "png16": PNG,
        "npz": Kind("application/x-npz", ".npz"),
        "pfm": Kind("image/x-portable-floatmap", ".pfm"),
        "heatmap": JPEG,
        "json": JSON,
    }
)
_PERCENTILES = (5, 25, 50, 75, 95)
_UNITS = {"depth": "m", "inverse_depth": "1/m"}


@dataclass(frozen=True)
class DepthRequest:
    """kind: of DEPTH_KINDS. near_m, far_m: of the nearest and the farthest pixel, both or none."""

    kind: str
    model: str
    colormap: Colormap = "inferno"
    near_m: float | None = None
    far_m: float | None = None


def depth_answer(picture: bytes, wanted: DepthRequest) -> Answer:
    """The depth map of a picture, by its bytes; raises FileError, ConventionError, ValueError."""
    depth_map = network(wanted.model)(picture)
    if wanted.near_m is not None and wanted.far_m is not None:
        depth_map = with_near_far(depth_map, wanted.near_m, wanted.far_m)
    content, headers = _MAKERS[wanted.kind](depth_map, wanted)
    kind = DEPTH_KINDS[wanted.kind]
    name = "heatmap" if wanted.kind == "heatmap" else "depth"
    meaning = {
        "Depth-Quantity": depth_map.quantity,
        "Depth-Ambiguity": depth_map.ambiguity,
        "Depth-Unit": _unit(depth_map),
    }
    return Answer(content, kind.media_type, f"{name}{kind.suffix}", {**meaning, **headers})


_Made = tuple[bytes, dict[str, str]]


def _png16(depth_map: DepthMap, wanted: DepthRequest) -> _Made:
    """Without a file, as this is what most ask for: to make one and to remove it takes longer than to encode it."""
    encoding = encoding_for("midas", depth_map)
    return gray_png(encoding.encode(depth_map), encoding), {"Depth-Encoding": to_note(encoding)}


def _npz(depth_map: DepthMap, wanted: DepthRequest) -> _Made:
    return _stored(depth_map, lossless_encoding(depth_map.quantity, depth_map.ambiguity), ".npz")


def _pfm(depth_map: DepthMap, wanted: DepthRequest) -> _Made:
    return _stored(depth_map, lossless_encoding(depth_map.quantity, depth_map.ambiguity), ".pfm")


def _stored(depth_map: DepthMap, encoding: Encoding, suffix: str) -> _Made:
    content = written(suffix, lambda path: write_depth(path, depth_map, encoding))
    return content, {"Depth-Encoding": to_note(encoding)}


def _heatmap(depth_map: DepthMap, wanted: DepthRequest) -> _Made:
    suffix = DEPTH_KINDS["heatmap"].suffix
    return written(suffix, lambda path: write_heatmap(path, depth_map, wanted.colormap)), {}


def _json(depth_map: DepthMap, wanted: DepthRequest) -> _Made:
    return json.dumps(statistics(depth_map), allow_nan=False).encode(), {}


_MAKERS: Mapping[str, Callable[[DepthMap, DepthRequest], _Made]] = {
    "png16": _png16,
    "npz": _npz,
    "pfm": _pfm,
    "heatmap": _heatmap,
    "json": _json,
}


def statistics(depth_map: DepthMap) -> dict[str, Any]:
    """What a depth map holds, in numbers for JSON; percentiles of its finite valid values, None without any."""
    height, width = depth_map.shape
    finite = depth_map.values[np.isfinite(depth_map.values)]
    shares = np.percentile(finite, (0, *_PERCENTILES, 100)).tolist() if finite.size else [None] * 7
    names = ("lowest", *(f"percentile_{number}" for number in _PERCENTILES), "highest")
    return {
        "height": height,
        "width": width,
        "quantity": depth_map.quantity,
        "ambiguity": depth_map.ambiguity,
        "unit": _unit(depth_map),
        "valid_share": float(depth_map.valid.mean()),
        **dict(zip(names, shares, strict=True)),
    }


def _unit(depth_map: DepthMap) -> str:
    return _UNITS[depth_map.quantity] if depth_map.ambiguity == "metric" else "none"
