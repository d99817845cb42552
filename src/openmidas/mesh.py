"""Surfaces and points in the world: what a depth map becomes, and what the renderer and the 3D files take."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float32, Int32, UInt8

from openmidas.depth_map import ConventionError


@dataclass(frozen=True, eq=False)
class Mesh:
    """Triangles with a texture or colours. World: x right, y down, z forward, metres.

    triangles: rows of three vertex numbers, counter-clockwise on the screen where they are seen from the front:
    the normal (b - a) x (c - a) points towards who sees it, as in glTF.
    colours: sRGB of each vertex. texture: sRGB picture; uv: where each vertex lies in it, (0, 0) the top left
    corner of the top left pixel, (1, 1) the bottom right one of the last.
    Raises ConventionError where lengths do not agree or a number names no vertex.
    """

    vertices: Float32[np.ndarray, "n 3"]
    triangles: Int32[np.ndarray, "m 3"]
    colours: UInt8[np.ndarray, "n 3"] | None = None
    uv: Float32[np.ndarray, "n 2"] | None = None
    texture: UInt8[np.ndarray, "h w 3"] | None = None

    def __post_init__(self) -> None:
        count = len(self.vertices)
        if self.triangles.size and not (self.triangles.min() >= 0 and self.triangles.max() < count):
            raise ConventionError(f"a triangle names a vertex that is not among the {count}")
        for name, values in (("colours", self.colours), ("uv", self.uv)):
            if values is not None and len(values) != count:
                raise ConventionError(f"{len(values)} {name} for {count} vertices")
        if (self.uv is None) != (self.texture is None):
            raise ConventionError("a texture needs uv, and uv a texture")


@dataclass(frozen=True, eq=False)
class PointCloud:
    """Points in the world, axes and metres as in `Mesh`, with sRGB colours and unit normals towards the viewer."""

    points: Float32[np.ndarray, "n 3"]
    colours: UInt8[np.ndarray, "n 3"] | None = None
    normals: Float32[np.ndarray, "n 3"] | None = None

    def __post_init__(self) -> None:
        for name, values in (("colours", self.colours), ("normals", self.normals)):
            if values is not None and len(values) != len(self.points):
                raise ConventionError(f"{len(values)} {name} for {len(self.points)} points")
