"""The pinhole camera: where a pixel's ray goes, and where a point of the world lands in the picture."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from jaxtyping import Float
from numpy.typing import ArrayLike

from openmidas.depth_map import ConventionError

Side = Literal["width", "height", "longer"]


@dataclass(frozen=True, eq=False)
class Camera:
    """A pinhole camera with OpenCV's axes: x right, y down, z forward, metres.

    intrinsics: float64 (3, 3) in pixels; pixel (0, 0) has its centre at (0.5, 0.5), so resizing only scales.
    shape: (height, width) of the picture. world_to_camera: float64 (4, 4), rotation and translation.
    Raises ConventionError for intrinsics that are no pinhole's, a transform that is not rigid, or no pixels.
    """

    intrinsics: Float[np.ndarray, "3 3"]
    shape: tuple[int, int]
    world_to_camera: Float[np.ndarray, "4 4"]

    def __post_init__(self) -> None:
        intrinsics = _frozen(self.intrinsics, (3, 3), "intrinsics")
        world_to_camera = _frozen(self.world_to_camera, (4, 4), "world_to_camera")
        if min(self.shape) < 1:
            raise ConventionError(f"a camera needs pixels, not {self.shape[0]}×{self.shape[1]}")
        if (
            min(intrinsics[0, 0], intrinsics[1, 1]) <= 0
            or (intrinsics[2] != (0, 0, 1)).any()
            or intrinsics[1, 0]
        ):
            raise ConventionError("intrinsics are [[fx, s, cx], [0, fy, cy], [0, 0, 1]] with fx, fy above 0")
        rotation = world_to_camera[:3, :3]
        rigid = np.allclose(rotation @ rotation.T, np.eye(3), atol=1e-6) and np.linalg.det(rotation) > 0
        if not rigid or (world_to_camera[3] != (0, 0, 0, 1)).any():
            raise ConventionError("world_to_camera must be a rotation and a translation")
        object.__setattr__(self, "intrinsics", intrinsics)
        object.__setattr__(self, "world_to_camera", world_to_camera)

    @classmethod
    def from_focal(cls, shape: tuple[int, int], focal_px: float) -> Camera:
        """At the world's origin, looking along z, square pixels, the optical axis through the middle."""
        height, width = shape
        intrinsics = np.array([[focal_px, 0, width / 2], [0, focal_px, height / 2], [0, 0, 1.0]])
        return cls(intrinsics, shape, np.eye(4))

    @classmethod
    def from_fov(cls, shape: tuple[int, int], fov_deg: float, side: Side = "longer") -> Camera:
        """As `from_focal`, by the angle that the picture's width, height or longer side spans."""
        if not 0 < fov_deg < 180:
            raise ConventionError(f"a field of view is between 0 and 180 degrees, not {fov_deg:g}")
        height, width = shape
        length = {"width": width, "height": height, "longer": max(shape)}[side]
        return cls.from_focal(shape, length / 2 / math.tan(math.radians(fov_deg) / 2))

    @property
    def fov_deg(self) -> tuple[float, float]:
        """(vertical, horizontal) field of view."""
        vertical, horizontal = (
            math.degrees(math.atan(before / focal) + math.atan((length - before) / focal))
            for length, focal, before in zip(
                self.shape, np.diag(self.intrinsics)[1::-1], self.intrinsics[1::-1, 2], strict=True
            )
        )
        return vertical, horizontal

    @property
    def position(self) -> Float[np.ndarray, " 3"]:
        """The centre of projection in the world."""
        return -self.world_to_camera[:3, :3].T @ self.world_to_camera[:3, 3]

    def project(
        self, points: Float[np.ndarray, "n 3"]
    ) -> tuple[Float[np.ndarray, "n 2"], Float[np.ndarray, " n"]]:
        """Pixel coordinates (x, y) and depth of points in the world; NaN pixels where depth is not above 0."""
        inside = points @ self.world_to_camera[:3, :3].T + self.world_to_camera[:3, 3]
        depth = inside[:, 2]
        with np.errstate(divide="ignore", invalid="ignore"):
            plane = np.where(depth[:, None] > 0, inside[:, :2] / depth[:, None], np.nan)
        return plane @ self.intrinsics[:2, :2].T + self.intrinsics[:2, 2], depth

    def unproject(
        self, pixels: Float[np.ndarray, "n 2"], depth: Float[np.ndarray, " n"]
    ) -> Float[np.ndarray, "n 3"]:
        """Points in the world of pixel coordinates (x, y) at a depth along the optical axis; inverse of `project`."""
        homogeneous = np.concatenate([pixels, np.ones((len(pixels), 1))], axis=1)
        inside = homogeneous @ np.linalg.inv(self.intrinsics).T * depth[:, None]
        return (inside - self.world_to_camera[:3, 3]) @ self.world_to_camera[:3, :3]

    def pixel_centres(self) -> Float[np.ndarray, "n 2"]:
        """(x, y) of every pixel's centre, row by row."""
        height, width = self.shape
        y, x = np.mgrid[:height, :width]
        return np.stack([x.ravel() + 0.5, y.ravel() + 0.5], axis=1)

    def resize(self, shape: tuple[int, int]) -> Camera:
        """The camera of the same picture resized to (height, width)."""
        scale = np.array([shape[1] / self.shape[1], shape[0] / self.shape[0], 1])
        return replace(self, intrinsics=self.intrinsics * scale[:, None], shape=shape)

    def crop(self, top: int, left: int, height: int, width: int) -> Camera:
        """The camera of a part of the picture; it may reach outside."""
        intrinsics = self.intrinsics.copy()
        intrinsics[:2, 2] -= left, top
        return replace(self, intrinsics=intrinsics, shape=(height, width))

    def moved(self, offset_m: ArrayLike, rotation: Float[np.ndarray, "3 3"] | None = None) -> Camera:
        """The camera moved by (right, down, forward) metres in its own axes, then turned.

        rotation: from the old camera's axes to the new one's; none by default.
        """
        step = np.eye(4)
        turn = np.eye(3) if rotation is None else rotation
        step[:3, :3] = turn
        step[:3, 3] = -turn @ np.asarray(offset_m, float)
        return replace(self, world_to_camera=step @ self.world_to_camera)

    def looking_at(self, target: ArrayLike, down: Sequence[float] = (0, 1, 0)) -> Camera:
        """The camera turned where it stands so that the point `target` of the world is in the middle, `down` below it.

        Raises ConventionError for a target where the camera stands, or straight above or below it.
        """
        forward = np.asarray(target, float) - self.position
        right = np.cross(np.asarray(down, float), forward)
        if not np.linalg.norm(right) > 1e-9 * max(1.0, float(np.linalg.norm(forward))):
            raise ConventionError(
                "the camera cannot look at where it stands, nor straight along its own down"
            )
        axes = np.stack([right, np.cross(forward, right), forward])
        rotation = axes / np.linalg.norm(axes, axis=1, keepdims=True)
        transform = np.eye(4)
        transform[:3, :3] = rotation
        transform[:3, 3] = -rotation @ self.position
        return replace(self, world_to_camera=transform)


def _frozen(array: ArrayLike, shape: tuple[int, ...], name: str) -> np.ndarray:
    fresh = np.array(array, dtype=np.float64)
    if fresh.shape != shape or not np.isfinite(fresh).all():
        raise ConventionError(f"{name} must be finite numbers of shape {shape}, not {fresh.shape}")
    fresh.flags.writeable = False
    return fresh
