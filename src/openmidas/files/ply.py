"""PLY, binary and little-endian: vertices with colours and normals, and triangles."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float32, UInt8

from openmidas.camera import Camera
from openmidas.files.atomic import write_bytes
from openmidas.files.axes import UNIT, VIEWER_AXES, to_viewer_axes
from openmidas.files.errors import FilePath
from openmidas.files.texture import vertex_colours
from openmidas.mesh import Mesh, PointCloud

_COLUMNS = {
    "positions": ("<f4", "float", "x y z"),
    "normals": ("<f4", "float", "nx ny nz"),
    "colours": ("u1", "uchar", "red green blue"),
}
_FACE = np.dtype([("count", "u1"), ("vertices", "<i4", 3)])


def write_ply_mesh(path: FilePath, mesh: Mesh, camera: Camera | None = None) -> None:
    """Write vertices, their colours (a textured mesh's from its texture) and triangles; raises FileError."""
    vertices = _vertices(mesh.vertices, vertex_colours(mesh))
    faces = np.empty(len(mesh.triangles), _FACE)
    faces["count"] = 3
    faces["vertices"] = mesh.triangles
    header = _header(vertices, f"element face {len(faces)}", "property list uchar int vertex_indices")
    write_bytes(path, header, vertices.view(np.uint8).data, faces.view(np.uint8).data)


def write_ply_points(path: FilePath, cloud: PointCloud, camera: Camera | None = None) -> None:
    """Write points with colours and normals where there are any; raises FileError."""
    vertices = _vertices(cloud.points, cloud.colours, cloud.normals)
    write_bytes(path, _header(vertices), vertices.view(np.uint8).data)


def _vertices(
    positions: Float32[np.ndarray, "n 3"],
    colours: UInt8[np.ndarray, "n 3"] | None,
    normals: Float32[np.ndarray, "n 3"] | None = None,
) -> np.ndarray:
    """One record a vertex, of those of `_COLUMNS` that are there."""
    turned = None if normals is None else to_viewer_axes(normals)
    columns = dict(zip(_COLUMNS, (to_viewer_axes(positions), turned, colours), strict=True))
    held = {name: values for name, values in columns.items() if values is not None}
    records = np.empty(len(positions), [(name, _COLUMNS[name][0], 3) for name in held])
    for name, values in held.items():
        records[name] = values
    return records


def _header(vertices: np.ndarray, *faces: str) -> bytes:
    columns = [_COLUMNS[name] for name in vertices.dtype.names or ()]
    lines = (
        "ply",
        "format binary_little_endian 1.0",
        "comment made by openmidas",
        f"comment axes: {VIEWER_AXES}",
        f"comment unit: {UNIT}",
        f"element vertex {len(vertices)}",
        *(f"property {kind} {name}" for _, kind, names in columns for name in names.split()),
        *faces,
        "end_header\n",
    )
    return "\n".join(lines).encode("ascii")
