"""GLB: glTF 2.0 in one binary file, the picture within (Khronos, ISO/IEC 12113:2022)."""

from __future__ import annotations

import json
import math
import struct
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float32, Int32, UInt8

from openmidas.camera import Camera
from openmidas.files.atomic import write_bytes
from openmidas.files.axes import UNIT, VIEWER_AXES, camera_in_viewer_axes, quaternion, to_viewer_axes
from openmidas.files.errors import FilePath, file_error
from openmidas.files.texture import Texture, encode_texture
from openmidas.mesh import Mesh, PointCloud

_Json = dict[str, Any]

_POINTS, _TRIANGLES = 0, 4
_COMPONENTS = {np.dtype(np.float32): 5126, np.dtype(np.uint16): 5123, np.dtype(np.uint32): 5125}
_OF_VERTICES, _OF_INDICES = 34962, 34963
_SHORT_INDICES = 65_535  # vertices; the last number of 16 bits is reserved, for starting over
_SMOOTH_TO_THE_EDGE = {"magFilter": 9729, "minFilter": 9987, "wrapS": 33071, "wrapT": 33071}
_UNLIT = "KHR_materials_unlit"
_NEAREST_M = 0.01


class _Array(NamedTuple):
    """What one accessor and its buffer view are made from."""

    values: np.ndarray
    target: int
    accessor: _Json


def write_glb_mesh(path: FilePath, mesh: Mesh, camera: Camera | None = None) -> None:
    """Write triangles with the texture or else the colours, as they are; with neither, gray and lit.

    camera: where a viewer can start from; its optical axis is taken to go through the middle of the picture.
    Raises FileError, also for more than the 4 GB that the format can count.
    """
    arrays, texture = {"POSITION": _positions(mesh.vertices)}, None
    if mesh.uv is not None and mesh.texture is not None:
        arrays["TEXCOORD_0"] = _Array(mesh.uv, _OF_VERTICES, {"type": "VEC2"})
        texture = encode_texture(path, mesh.texture)
    elif mesh.colours is not None:
        arrays["COLOR_0"] = _linear(mesh.colours)
    arrays["indices"] = _indices(mesh.triangles, len(mesh.vertices))
    _write(path, arrays, texture, camera)


def write_glb_points(path: FilePath, cloud: PointCloud, camera: Camera | None = None) -> None:
    """Write points with their colours; not their normals, as viewers would light points that have some.

    camera and errors: as in `write_glb_mesh`.
    """
    arrays = {"POSITION": _positions(cloud.points)}
    if cloud.colours is not None:
        arrays["COLOR_0"] = _linear(cloud.colours)
    _write(path, arrays, None, camera)


def _positions(points: Float32[np.ndarray, "n 3"]) -> _Array:
    turned = to_viewer_axes(points)
    bounds = {"min": turned.min(axis=0).tolist(), "max": turned.max(axis=0).tolist()}
    return _Array(turned, _OF_VERTICES, {"type": "VEC3", **bounds})


def _linear(colours: UInt8[np.ndarray, "n 3"]) -> _Array:
    """Colours as glTF counts them, in linear light; in 8 bits of it the 64 darkest shades would become 14."""
    shades = np.arange(256) / 255
    light = np.where(shades <= 0.04045, shades / 12.92, ((shades + 0.055) / 1.055) ** 2.4)
    # the fourth is opacity: a vertex has to start at a multiple of four bytes
    rgba = np.full((len(colours), 4), 65_535, np.uint16)
    rgba[:, :3] = np.rint(65_535 * light).astype(np.uint16)[colours]
    return _Array(rgba, _OF_VERTICES, {"type": "VEC4", "normalized": True})


def _indices(triangles: Int32[np.ndarray, "m 3"], vertex_count: int) -> _Array:
    kind = np.uint16 if vertex_count <= _SHORT_INDICES else np.uint32
    return _Array(triangles.astype(kind).ravel(), _OF_INDICES, {"type": "SCALAR"})


def _write(
    path: FilePath, arrays: Mapping[str, _Array], texture: Texture | None, camera: Camera | None
) -> None:
    """Write one mesh: its vertices' attributes by their names in glTF, and `indices` of triangles, if any."""
    contents = [np.ascontiguousarray(array.values).data.cast("B") for array in arrays.values()]
    if texture is not None:
        contents.append(memoryview(texture.data))
    document = {
        "asset": {"version": "2.0", "generator": "openmidas", "extras": {"axes": VIEWER_AXES, "unit": UNIT}},
        "scene": 0,
        **_nodes(camera),
        "meshes": [{"primitives": [_primitive(arrays)]}],
        **_appearance(arrays, texture),
        "accessors": [_accessor(number, array) for number, array in enumerate(arrays.values())],
        "bufferViews": _views(contents, [array.target for array in arrays.values()]),
        "buffers": [{"byteLength": sum(map(_padded_length, contents))}],
    }
    text = json.dumps(document, allow_nan=False).encode("ascii")
    length = 12 + 8 + _padded_length(text) + 8 + sum(map(_padded_length, contents))
    header = file_header(path, length)
    write_bytes(path, header, *_chunk(b"JSON", [text], b" "), *_chunk(b"BIN\0", contents, b"\0"))


def file_header(path: FilePath, length: int) -> bytes:
    """The first twelve bytes of a GLB of so many bytes; FileError for more than 32 bits can count."""
    if length >= 2**32:
        raise file_error(path, f"would have {length / 1e9:.1f} GB, and a GLB at most 4.2: write .ply")
    return struct.pack("<4sII", b"glTF", 2, length)


def _chunk(kind: bytes, contents: Sequence[bytes | memoryview], filler: bytes) -> list[bytes | memoryview]:
    """A chunk of the file: its length and kind, then every content up to a multiple of four bytes."""
    padded = [(content, filler * (_padded_length(content) - len(content))) for content in contents]
    length = sum(map(_padded_length, contents))
    return [struct.pack("<I4s", length, kind), *(part for pair in padded for part in pair)]


def _padded_length(content: bytes | memoryview) -> int:
    return len(content) + -len(content) % 4


def _primitive(arrays: Mapping[str, _Array]) -> _Json:
    numbers = {name: number for number, name in enumerate(arrays)}
    if "indices" not in numbers:
        return {"mode": _POINTS, "attributes": numbers, "material": 0}
    indices = numbers.pop("indices")
    return {"mode": _TRIANGLES, "attributes": numbers, "indices": indices, "material": 0}


def _accessor(number: int, array: _Array) -> _Json:
    kind = _COMPONENTS[array.values.dtype]
    return {"bufferView": number, "componentType": kind, "count": len(array.values), **array.accessor}


def _views(contents: Sequence[memoryview], targets: Sequence[int]) -> list[_Json]:
    """Where each content lies in the buffer; what has no target is a picture."""
    ends = np.cumsum([_padded_length(content) for content in contents]).tolist()
    views: list[_Json] = [
        {"buffer": 0, "byteOffset": start, "byteLength": len(content)}
        for start, content in zip([0, *ends], contents, strict=False)
    ]
    for view, target in zip(views, targets, strict=False):
        view["target"] = target
    return views


def _appearance(arrays: Mapping[str, _Array], texture: Texture | None) -> _Json:
    """The material: a photograph holds its light already, so it is shown unlit; rough where a viewer lights it."""
    rough: _Json = {"metallicFactor": 0, "roughnessFactor": 1}
    material = {"doubleSided": True, "pbrMetallicRoughness": rough}
    unlit = {"materials": [material | {"extensions": {_UNLIT: {}}}], "extensionsUsed": [_UNLIT]}
    if texture is not None:
        rough["baseColorTexture"] = {"index": 0}
        return unlit | {
            "textures": [{"sampler": 0, "source": 0}],
            "samplers": [_SMOOTH_TO_THE_EDGE],
            "images": [{"bufferView": len(arrays), "mimeType": texture.mime_type}],
        }
    return unlit if "COLOR_0" in arrays else {"materials": [material]}


def _nodes(camera: Camera | None) -> _Json:
    scene: _Json = {"name": "scene", "mesh": 0}
    if camera is None:
        return {"scenes": [{"nodes": [0]}], "nodes": [scene]}
    rotation, position = camera_in_viewer_axes(camera)
    turned = np.roll(quaternion(rotation), -1).tolist()  # glTF has the real part last
    viewpoint = {"name": "picture", "camera": 0, "rotation": turned, "translation": position.tolist()}
    return {
        "scenes": [{"nodes": [0, 1]}],
        "nodes": [scene, viewpoint],
        "cameras": [{"type": "perspective", "perspective": _perspective(camera)}],
    }


def _perspective(camera: Camera) -> _Json:
    height, width = camera.shape
    half_width, half_height = width / 2 / camera.intrinsics[0, 0], height / 2 / camera.intrinsics[1, 1]
    yfov = 2 * math.atan(half_height)
    return {"yfov": yfov, "aspectRatio": float(half_width / half_height), "znear": _NEAREST_M}
