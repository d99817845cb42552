"""The layered scene from where another camera stands."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import cv2
import numpy as np
from jaxtyping import Float, Float32, UInt8

from openmidas.camera import Camera
from openmidas.depth_map import ConventionError
from openmidas.scene.layers import Scene
from openmidas.scene.light import to_light, to_srgb
from openmidas.scene.reconstruct import LARGEST_STEP
from openmidas.scene.zbuffer import render_mesh

_SAMPLES = 2  # along each side of a pixel
_EDGE_SIGMA_PX = 0.6
_AROUND = np.ones((3, 3), np.uint8)


def render_view(scene: Scene, camera: Camera) -> UInt8[np.ndarray, "h w 3"]:
    """The sRGB picture that a camera sees, black where nothing is known; four samples a pixel, averaged as light."""
    height, width = camera.shape
    fine = camera.resize((_SAMPLES * height, _SAMPLES * width))
    picture, seen = render_mesh(scene.surface, fine)
    behind, hidden = render_mesh(scene.background, fine)
    np.copyto(picture, behind, where=(hidden.depth < seen.depth)[..., None])
    light = _with_soft_edges(to_light(picture), np.minimum(seen.depth, hidden.depth))
    return to_srgb(cv2.resize(light, (width, height), interpolation=cv2.INTER_AREA))


def _with_soft_edges(
    light: Float32[np.ndarray, "h w 3"], depth: Float32[np.ndarray, "h w"]
) -> Float32[np.ndarray, "h w 3"]:
    """Blurred by about a pixel where the depth jumps: the surface ends in steps of whole pixels there."""
    inverse = 1 / depth
    jumps = cv2.dilate(inverse, _AROUND) > cv2.erode(inverse, _AROUND) * np.float32(1 + LARGEST_STEP)
    blurred = cv2.GaussianBlur(light, (0, 0), _SAMPLES * _EDGE_SIGMA_PX)
    np.copyto(light, blurred, where=jumps[..., None])
    return light


def displaced(camera: Camera, offset_m: Sequence[float] | Float[np.ndarray, " 3"], pivot_m: float) -> Camera:
    """The camera moved by (right, down, forward) metres, its lens shifted so that the plane at `pivot_m` stays put.

    It does not turn: what lies at the pivot's depth stays where it was on the screen, and the frame stays on it.
    When it backs away it zooms in, so that this plane still fills the frame. Raises ConventionError for a step
    to the pivot or beyond.
    """
    right_m, down_m, forward_m = np.asarray(offset_m, float)
    if not forward_m < pivot_m:
        raise ConventionError(f"{forward_m:g} m forward leads to or beyond the subject at {pivot_m:g} m")
    distance_m = pivot_m - forward_m
    intrinsics = camera.intrinsics.copy()
    intrinsics[:2, :2] *= max(1.0, distance_m / pivot_m)
    intrinsics[:2, 2] += intrinsics[:2, :2] @ (right_m, down_m) / distance_m
    return replace(camera, intrinsics=intrinsics).moved(offset_m)
