"""A surface and points that the tests of 3D files write: a slope, one vertex a pixel, each of its own colour."""

from __future__ import annotations

import numpy as np

from openmidas.camera import Camera
from openmidas.mesh import Mesh, PointCloud

SHAPE = (5, 7)
CAMERA = Camera.from_fov(SHAPE, 60)
PICTURE = np.random.default_rng(0).integers(0, 256, (*SHAPE, 3), np.uint8)
TO_VIEWER = np.array([1, -1, -1])


def slope(camera: Camera = CAMERA) -> np.ndarray:
    """One vertex a pixel, row by row; farther the lower, as no floor is."""
    height, width = camera.shape
    depth = 2 + np.repeat(np.arange(height), width) / 10
    return camera.unproject(camera.pixel_centres(), depth).astype(np.float32)


def grid_triangles(shape: tuple[int, int]) -> np.ndarray:
    """Two triangles a quad, counter-clockwise on the screen."""
    number = np.arange(shape[0] * shape[1], dtype=np.int32).reshape(shape)
    a, b, c, d = number[:-1, :-1], number[:-1, 1:], number[1:, :-1], number[1:, 1:]
    corners = np.stack([np.stack([a, c, b], axis=-1), np.stack([b, c, d], axis=-1)])
    return np.ascontiguousarray(corners.reshape(-1, 3))


def textured(camera: Camera = CAMERA, picture: np.ndarray = PICTURE) -> Mesh:
    height, width = camera.shape
    uv = (camera.pixel_centres() / (width, height)).astype(np.float32)
    return Mesh(slope(camera), grid_triangles(camera.shape), uv=uv, texture=picture)


def coloured() -> Mesh:
    return Mesh(slope(), grid_triangles(SHAPE), colours=PICTURE.reshape(-1, 3))


def cloud() -> PointCloud:
    points = slope()
    to_viewer = -points / np.linalg.norm(points, axis=1, keepdims=True)
    return PointCloud(points, PICTURE.reshape(-1, 3), to_viewer)
