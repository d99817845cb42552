"""Meshes in, by trimesh: GLB, OBJ, PLY and STL as other programs write them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from openmidas.files.axes import to_viewer_axes
from openmidas.files.errors import FilePath, file_error, missing_extra, open_file
from openmidas.mesh import Mesh

MESH_SUFFIXES = (".glb", ".obj", ".ply", ".stl")
_GREY = 200


def read_mesh(path: FilePath) -> Mesh:
    """The mesh in a file whose axes are x right, y up, z towards the viewer; in ours, with its texture or colours.

    All parts of a GLB's scene become one mesh. What has no colours is grey, darker where it faces away from the upper
    left. Raises FileError.
    """
    if Path(path).suffix.lower() not in MESH_SUFFIXES:
        raise file_error(path, f"meshes are read from {', '.join(MESH_SUFFIXES)}: convert it to one of them")
    open_file(path).close()
    try:
        import trimesh
    except ImportError as error:
        raise missing_extra(path, "a mesh", "scene") from error
    try:
        found = trimesh.load_scene(Path(path)).to_mesh()
        vertices = to_viewer_axes(np.asarray(found.vertices, np.float32))  # the same turn leads back
        triangles = np.asarray(found.faces, np.int32)
        looks = _texture(found) or _colours(found, vertices)
        return Mesh(vertices, triangles, **looks)
    except Exception as error:  # hostile bytes make it raise anything
        raise file_error(path, f"holds no mesh that can be read ({error}): export it again") from error


def _texture(found: Any) -> dict[str, np.ndarray] | None:
    """The texture and where each vertex lies in it; trimesh counts rows from below."""
    if found.visual.kind != "texture" or found.visual.uv is None:
        return None
    material = found.visual.material
    picture = getattr(material, "baseColorTexture", None) or getattr(material, "image", None)
    if picture is None:
        return None
    uv = np.asarray(found.visual.uv, np.float32) * (1, -1) + (0, 1)
    return {"uv": uv.astype(np.float32), "texture": np.array(picture.convert("RGB"))}


def _colours(found: Any, vertices: np.ndarray) -> dict[str, np.ndarray]:
    if found.visual.defined:
        visual = found.visual.to_color() if found.visual.kind == "texture" else found.visual
        colours = np.asarray(visual.vertex_colors)[:, :3]
        return {"colours": np.ascontiguousarray(colours, np.uint8)}
    towards_light = np.array([-1, -1, -1]) / np.sqrt(3)
    cosine = to_viewer_axes(np.asarray(found.vertex_normals, np.float32)) @ towards_light
    shade = _GREY * (0.35 + 0.65 * np.maximum(cosine, 0))
    return {"colours": np.repeat(shade[:, None], 3, axis=1).astype(np.uint8)}
