"""From a depth map and a camera to points and to a surface, cut where the depth jumps."""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool, Float32, Int32, UInt8

from openmidas.camera import Camera
from openmidas.depth_map import ConventionError, DepthMap
from openmidas.mesh import Mesh, PointCloud

LARGEST_STEP = 0.05  # of the farther neighbour's inverse depth: one in twenty farther is another surface
PERSISTING_PX = 9  # a slope that goes on for so many pixels is a surface, a shorter one an edge drawn softly
SLOPE_FACTOR = 2  # the floors of a network are not quite straight
SKY_BEYOND = 10  # times the farthest depth: at the distances a camera moves, no parallax is left


def to_points(
    depth_map: DepthMap, camera: Camera, image: UInt8[np.ndarray, "h w 3"] | None = None
) -> PointCloud:
    """One point at the centre of every valid pixel, row by row, with its colour and its normal; no sky.

    depth_map: metric, or scale invariant: then the points are in its unit and not in metres.
    Raises ConventionError for an affine-invariant map, or sizes that differ.
    """
    inverse = _inverse_depth(depth_map, camera)
    if image is not None and image.shape[:2] != depth_map.shape:
        sizes = [f"{height}×{width}" for height, width in (image.shape[:2], depth_map.shape)]
        raise ConventionError(f"the picture is {sizes[0]}, its depth map {sizes[1]}: resize one of them")
    seen = depth_map.valid & (inverse > 0)
    return PointCloud(
        _unprojected(inverse, camera, seen),
        None if image is None else image[seen],
        (surface_normals(depth_map, camera)[seen] @ camera.world_to_camera[:3, :3]).astype(np.float32),
    )


def to_mesh(
    depth_map: DepthMap,
    camera: Camera,
    image: UInt8[np.ndarray, "height width 3"] | None = None,
    largest_step: float = LARGEST_STEP,
) -> Mesh:
    """The surface through the centres of the valid pixels: two triangles a quad, none across a jump (`depth_cuts`).

    A quad is split along the diagonal that crosses the smaller step. image: the texture, of any size.
    Sky becomes a backdrop ten times as far as the farthest depth, so that a view from elsewhere has a sky
    that stays where it is; whoever wants none makes it not valid first.
    Raises ConventionError for an affine-invariant map, for nothing but sky, or sizes that differ.
    """
    inverse = sky_as_backdrop(_inverse_depth(depth_map, camera))
    right, below = depth_cuts(depth_map, largest_step)
    vertices = _unprojected(inverse, camera, depth_map.valid)
    triangles = _triangles(inverse, depth_map.valid, ~right, ~below)
    if image is None:
        return Mesh(vertices, triangles)
    height, width = depth_map.shape
    uv = camera.pixel_centres()[depth_map.valid.ravel()] / (width, height)
    return Mesh(vertices, triangles, uv=uv.astype(np.float32), texture=image)


def depth_cuts(
    depth_map: DepthMap, largest_step: float = LARGEST_STEP
) -> tuple[Bool[np.ndarray, "h w1"], Bool[np.ndarray, "h1 w"]]:
    """Where no surface joins a pixel to its right neighbour, and to the one below it.

    Inverse depth is affine in the pixels of a plane, so a plane's step is the same all along it, however steep.
    Neighbours are cut apart where their step in inverse depth exceeds `largest_step` of the farther one's, and by
    twice the slope that goes on around them for nine pixels: a floor that reaches the horizon stays whole, a
    person before a wall does not, and the soft edge of a network does not pass for a floor. No unit matters.
    Sky is cut from all but sky, and what is not valid from everything. Raises ConventionError for an
    affine-invariant map.
    """
    inverse = _known_inverse_depth(depth_map)
    return _cuts_along_rows(inverse, largest_step), _cuts_along_rows(inverse.T, largest_step).T


def surface_normals(depth_map: DepthMap, camera: Camera) -> Float32[np.ndarray, "h w 3"]:
    """Unit normals towards the viewer in the camera's axes, from the steps that are not cut; NaN where not valid.

    A plane n·X = d has the inverse depth w = n·K⁻¹(x, y, 1) / d, so w and its slopes give n without rounding of
    neighbours' positions. Where all neighbours are cut off, and for the sky, the normal faces the viewer.
    """
    inverse = _inverse_depth(depth_map, camera)
    right, below = depth_cuts(depth_map)
    across, down = _slopes_along_rows(inverse, right), _slopes_along_rows(inverse.T, below.T).T
    height, width = inverse.shape
    x, y = np.arange(width) + 0.5, np.arange(height)[:, None] + 0.5
    plane = np.stack([across, down, inverse - across * x - down * y], axis=-1)
    normals = -plane @ camera.intrinsics.astype(np.float32)
    normals[inverse == 0] = (0, 0, -1)
    return (normals / np.linalg.norm(normals, axis=-1, keepdims=True)).astype(np.float32)


def _inverse_depth(depth_map: DepthMap, camera: Camera) -> Float32[np.ndarray, "h w"]:
    if depth_map.shape != camera.shape:
        sizes = [f"{height}×{width}" for height, width in (depth_map.shape, camera.shape)]
        raise ConventionError(f"the depth map is {sizes[0]}, its camera {sizes[1]}: resize one of them")
    return _known_inverse_depth(depth_map)


def _known_inverse_depth(depth_map: DepthMap) -> Float32[np.ndarray, "h w"]:
    if depth_map.ambiguity == "affine_invariant":
        raise ConventionError(
            "affine-invariant depth has no shape: align it to a target, give near and far metres, or calibrate it"
        )
    return depth_map.to_inverse_depth().values


def sky_as_backdrop(inverse: Float32[np.ndarray, "h w"]) -> Float32[np.ndarray, "h w"]:
    """Inverse depth with its zeros at ten times the farthest depth; ConventionError for nothing but zeros."""
    sky = inverse == 0
    if not sky.any():
        return inverse
    farthest = np.min(inverse, where=inverse > 0, initial=np.inf)
    if np.isinf(farthest):
        raise ConventionError("there is nothing but sky: no depth that it could lie behind")
    return np.where(sky, farthest / SKY_BEYOND, inverse)


def _unprojected(
    inverse: Float32[np.ndarray, "h w"], camera: Camera, seen: Bool[np.ndarray, "h w"]
) -> Float32[np.ndarray, "n 3"]:
    depth = 1 / inverse[seen].astype(np.float64)
    return camera.unproject(camera.pixel_centres()[seen.ravel()], depth).astype(np.float32)


def _cuts_along_rows(inverse: np.ndarray, largest_step: float) -> Bool[np.ndarray, "h w1"]:
    steps = np.diff(inverse, axis=1)
    if steps.size == 0:
        return np.zeros(steps.shape, bool)
    explained = SLOPE_FACTOR * (_persisting(steps) + _persisting(-steps))
    farther = np.minimum(inverse[:, :-1], inverse[:, 1:])
    return ~(np.abs(steps) <= largest_step * farther + explained)


def _persisting(steps: Float32[np.ndarray, "h w"]) -> Float32[np.ndarray, "h w"]:
    """How far up all steps of some run of nine go, in which this one is: a morphological opening."""
    import cv2

    # fmax: beside a pixel that is not valid, no slope is known to go on
    upward = np.fmax(np.ascontiguousarray(steps), np.float32(0))
    return cv2.morphologyEx(upward, cv2.MORPH_OPEN, np.ones((1, PERSISTING_PX), np.uint8))


def _slopes_along_rows(inverse: np.ndarray, cut: np.ndarray) -> Float32[np.ndarray, "h w"]:
    """Mean of the steps to the left and to the right that are not cut; 0 where both are."""
    steps = np.where(cut, np.float32(0), np.diff(inverse, axis=1))
    total = np.pad(steps, ((0, 0), (1, 0))) + np.pad(steps, ((0, 0), (0, 1)))
    uncut = np.pad(~cut, ((0, 0), (1, 0))).astype(np.float32) + np.pad(~cut, ((0, 0), (0, 1)))
    return total / np.maximum(uncut, np.float32(1))


def _triangles(
    inverse: np.ndarray, valid: np.ndarray, joins_right: np.ndarray, joins_below: np.ndarray
) -> Int32[np.ndarray, "m 3"]:
    """Quad by quad, row by row; counter-clockwise on the screen."""
    number = (np.cumsum(valid, dtype=np.int32) - 1).reshape(valid.shape)
    a, b, c, d = number[:-1, :-1], number[:-1, 1:], number[1:, :-1], number[1:, 1:]
    top, bottom, left, right = joins_right[:-1], joins_right[1:], joins_below[:, :-1], joins_below[:, 1:]
    along_ad = _diagonal_steps(inverse[:-1, :-1], inverse[1:, 1:]) <= _diagonal_steps(
        inverse[:-1, 1:], inverse[1:, :-1]
    )
    corners = np.empty((*a.shape, 2, 3), np.int32)
    corners[..., 0, 0], corners[..., 0, 1], corners[..., 0, 2] = a, c, np.where(along_ad, d, b)
    corners[..., 1, 0], corners[..., 1, 1], corners[..., 1, 2] = np.where(along_ad, a, c), d, b
    whole = np.stack(
        [left & np.where(along_ad, bottom, top), right & np.where(along_ad, top, bottom)], axis=-1
    )
    return corners[whole]


def _diagonal_steps(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Sizes of steps; infinite to what is not valid, so that the diagonal between the other two is taken."""
    return np.nan_to_num(np.abs(one - other), nan=np.inf)
