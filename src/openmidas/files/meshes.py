"""Meshes and point clouds out: the suffix names the format."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from openmidas.camera import Camera
from openmidas.files.errors import FilePath, file_error
from openmidas.files.glb import write_glb_mesh, write_glb_points
from openmidas.files.obj import write_obj
from openmidas.files.ply import write_ply_mesh, write_ply_points
from openmidas.files.point_arrays import write_npz_points
from openmidas.mesh import Mesh, PointCloud

_Writer = Callable[[FilePath, Any, Camera | None], None]


class _Format(NamedTuple):
    mesh: _Writer | None
    points: _Writer | None


_FORMATS = {
    ".glb": _Format(write_glb_mesh, write_glb_points),
    ".ply": _Format(write_ply_mesh, write_ply_points),
    ".obj": _Format(write_obj, None),
    ".npz": _Format(None, write_npz_points),
}
_OF_MESHES = {suffix: kind.mesh for suffix, kind in _FORMATS.items() if kind.mesh is not None}
_OF_POINTS = {suffix: kind.points for suffix, kind in _FORMATS.items() if kind.points is not None}


def write_mesh(path: FilePath, mesh: Mesh, camera: Camera | None = None) -> None:
    """Write a mesh as .glb, .ply or .obj, whole or not at all; x right, y up, z towards the viewer, metres.

    GLB and OBJ carry the texture, PLY its colours at the vertices. camera: where a viewer can start from, the
    picture's own view; only GLB can hold it.
    Raises FileError, also for a mesh without triangles or with numbers that are not finite.
    """
    write = _writer(path, _OF_MESHES, "a mesh")
    check_mesh(path, mesh)
    write(path, mesh, camera)


def write_points(path: FilePath, cloud: PointCloud, camera: Camera | None = None) -> None:
    """Write points as .glb, .ply or .npz, whole or not at all; axes and camera as in `write_mesh`.

    NPZ, for programs, keeps our own axes (x right, y down, z forward). GLB leaves normals out.
    Raises FileError, also for a cloud without points or with numbers that are not finite.
    """
    write = _writer(path, _OF_POINTS, "points")
    check_points(path, cloud)
    write(path, cloud, camera)


def check_mesh(path: FilePath, mesh: Mesh) -> None:
    """FileError for a mesh that no file should hold."""
    if len(mesh.triangles) == 0:
        raise file_error(path, "the mesh has no triangle: more of its depth map has to be valid and joined")
    _check_finite(path, {"vertices": mesh.vertices, "uv": mesh.uv})


def check_points(path: FilePath, cloud: PointCloud) -> None:
    """FileError for points that no file should hold."""
    if len(cloud.points) == 0:
        raise file_error(path, "there is no point to write: more of the depth map has to be valid")
    _check_finite(path, {"points": cloud.points, "normals": cloud.normals})


def _check_finite(path: FilePath, arrays: Mapping[str, np.ndarray | None]) -> None:
    for name, values in arrays.items():
        if values is not None and not np.isfinite(values).all():
            raise file_error(path, f"{name} are not all finite: leave the sky and what is not valid out")


def _writer(path: FilePath, writers: Mapping[str, _Writer], what: str) -> _Writer:
    suffix = Path(path).suffix.lower()
    if suffix not in writers:
        shown = f"the suffix {suffix}" if suffix else "a name without suffix"
        raise file_error(path, f"{shown} names no kind of file for {what}: use one of {', '.join(writers)}")
    return writers[suffix]
