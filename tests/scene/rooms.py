"""Depth maps of which all is known: planes, boxes and rooms, by meeting every pixel's ray with them."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

from openmidas.camera import Camera
from openmidas.depth_map import DepthMap

SHAPE = (240, 320)
ROOM_M = (5.0, 2.6, 6.0)


def rays(camera: Camera) -> Float[np.ndarray, "n 3"]:
    """The direction in which every pixel looks, in the camera's axes, of depth 1."""
    return camera.unproject(camera.pixel_centres(), np.ones(camera.shape[0] * camera.shape[1]))


def metric(depth: np.ndarray) -> DepthMap:
    return DepthMap.from_values(depth, "depth", "metric")


def plane(camera: Camera, normal: tuple[float, float, float], distance_m: float) -> DepthMap:
    """The plane normal · X = distance; not valid where it is not in front."""
    with np.errstate(divide="ignore"):
        depth = distance_m / (rays(camera) @ normal)
    return metric(np.where(depth > 0, depth, np.nan).reshape(camera.shape))


def turned(yaw_deg: float, pitch_deg: float) -> Float[np.ndarray, "3 3"]:
    (yaw, pitch), one = np.radians([yaw_deg, pitch_deg]), 1.0
    about_down = np.array([[np.cos(yaw), 0, np.sin(yaw)], [0, one, 0], [-np.sin(yaw), 0, np.cos(yaw)]])
    about_right = np.array(
        [[one, 0, 0], [0, np.cos(pitch), -np.sin(pitch)], [0, np.sin(pitch), np.cos(pitch)]]
    )
    return about_right @ about_down


def room(camera: Camera, yaw_deg: float, pitch_deg: float) -> DepthMap:
    """The inside of an empty room of 5 × 2.6 × 6 m, from near a corner, as metric inverse depth."""
    size, place = np.array(ROOM_M), np.array(ROOM_M) * (0.4, 0.6, 0.15)
    directions = rays(camera) @ turned(yaw_deg, pitch_deg)
    with np.errstate(divide="ignore"):
        depth = np.maximum(-place / directions, (size - place) / directions).min(axis=1)
    return metric(depth.reshape(camera.shape)).to_inverse_depth()
